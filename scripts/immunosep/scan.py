"""Look for what must not leave the house in every byte of a folder: codes, names of machines and people, paths, dates.

The scanner knows the codes of the run and finds them as text, as wide characters, as whole numbers of tables, in names
and inside packed files (`unpack`). One pass over the bytes serves all codes: runs of digits are found first and then
looked up in a set.
"""

import base64
import binascii
import getpass
import os
import pwd
import re
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from immunosep.errors import InputError
from immunosep.findings import mask
from immunosep.sheet import read_sheet
from immunosep.unpack import Part, parts

_DIGITS: Final = re.compile(rb"(?<![0-9])[0-9]{9,}")
_BEFORE_CODE: Final = 16  # bytes before a code in which its site is looked for
_CODE: Final = re.compile(r"(?<!\d)\d{9}(?!\d)")
_RECORDS: Final = ".snakemake/metadata"
_LIBRARY_LIKE: Final = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}[-_][0-9]{9}(?![0-9])")
# A position of a genome may happen to equal a code.
_POSITION: Final = re.compile(rb"(?:^|[^A-Za-z0-9])chr[0-9A-Za-z_.]{1,20}[:\t](?:[0-9]{1,9}[-\t])?$")
_EMAIL_DOMAIN: Final = re.compile(rb"@[A-Za-z0-9][A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_EMAIL_LOCAL: Final = re.compile(rb"[A-Za-z0-9._%+-]{2,}$")
_BINARY_EMAIL: Final = (
    14  # characters of the shortest address believed inside binary data, where chance makes short ones
)
_MONTH: Final = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DATE: Final = re.compile(
    rb"(?<![0-9])(?:"
    rb"(?:19|20)[0-9]{2}(?P<s>[-/])(?:0[1-9]|1[0-2])(?P=s)(?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
    rb"|(?:0[1-9]|[12][0-9]|3[01])(?P<t>[./])(?:0[1-9]|1[0-2])(?P=t)(?:19|20)[0-9]{2}(?![0-9])"
    rb"|(?:0?[1-9]|[12][0-9]|3[01])[ -]" + _MONTH + rb"[ -](?:19|20)[0-9]{2}(?![0-9])"
    rb"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[T_ ]?(?:[01][0-9]|2[0-3])[0-5][0-9]{3}(?![0-9])"
    rb")|" + _MONTH + rb" +[0-9]{1,2}(?:, (?:19|20)[0-9]{2}| [0-9]{2}:[0-9]{2}:[0-9]{2})"
)
# Folders that hold the data and the homes of the usual systems; those of this machine's root are added.
_ROOTS: Final = {
    "home", "root", "Users", "Volumes", "mnt", "media", "data", "scratch", "tmp", "var", "opt", "usr", "etc", "srv",
    "work", "project", "projects", "proj", "gpfs", "lustre", "nfs", "net", "export", "storage", "cluster", "private",
}  # fmt: skip
_WINDOWS: Final = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z]:\\{1,2}(?:Users|[A-Za-z0-9_ .-]{3,}\\)")
_HOME: Final = re.compile(rb"(?<![A-Za-z0-9~])~/[A-Za-z0-9_.-]{2,}")
# Names that say nothing of a machine or a person; they are looked for only where a label stands before them.
_COMMON: Final = {
    "localhost", "localdomain", "root", "user", "users", "admin", "runner", "ubuntu", "debian", "docker", "nobody",
    "test", "data", "home", "host", "node", "server", "conda", "mamba", "jovyan", "immunosep",
}  # fmt: skip
_SHORTEST_NAME: Final = 4
_CODE_COLUMNS: Final = ("sample_code", "participant_code")


@dataclass(frozen=True)
class Leak:
    """Something found that must not be there.

    Attributes
    ----------
    place
        File relative to the folder; behind ``!`` the way into a packed file.
    offset
        Byte at which it begins in that piece; 0 where the piece as a whole is meant.
    kind
        ``code``, ``library name``, ``path``, ``host name``, ``user name``, ``e-mail``, ``date``, ``secret``,
        ``unreadable``.
    shown
        What may be said of it: never the value in full.
    """

    place: str
    offset: int
    kind: str
    shown: str

    def __str__(self) -> str:
        where = f", byte {self.offset}" if self.offset else ""
        return f"{self.place}{where}: {self.kind} ({self.shown})"


@dataclass(frozen=True)
class Watchlist:
    """What must not be found.

    Attributes
    ----------
    codes
        Nine-digit codes that are wrong wherever they stand.
    people
        Site and code of those whose code counts only beside its site (another person elsewhere has the same one).
    words
        Exact text to its kind: names of hosts and users, the secret in its spellings.
    general
        Also look for paths, e-mail addresses, dates and library names of unknown codes, and for what cannot be opened.
    """

    codes: frozenset[bytes] = frozenset()
    people: frozenset[tuple[bytes, bytes]] = frozenset()
    words: Mapping[bytes, str] = field(default_factory=dict)
    general: bool = True

    @property
    def known(self) -> frozenset[bytes]:
        """All codes, with their site or without."""
        return self.codes | {code for _, code in self.people}


def codes_of(config: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return site and code of every participant and tube that the input tables of a configuration name.

    Tables with mistakes are read as well as they can be; one that is not there is passed over. Sealed tables stay shut:
    their participants stand in the table of participants.
    """
    clinical = config["clinical"]
    paths = (config["manifest"], clinical["participants"], clinical["visits"], clinical["labels"])
    return set().union(*(codes_in(Path(path)) for path in paths if path))


def codes_in(path: Path) -> set[tuple[str, str]]:
    """Return site and code of everybody whom a table names by its columns `site` and code, or `participant`."""
    if not path.is_file():
        return set()
    sheet = read_sheet(path)
    rows = [dict(zip(sheet.header, row, strict=False)) for row in sheet.rows]
    named = {(row.get("site", ""), row.get(column, "")) for row in rows for column in _CODE_COLUMNS}
    joined = {tuple(row.get("participant", "").split("-", 1)) for row in rows}
    return {(pair[0], pair[1]) for pair in named | joined if len(pair) == 2 and pair[1]}


def watchlist(codes: Iterable[tuple[str, str]], secret: bytes | None = None) -> Watchlist:
    """Return what a bundle must not hold: the codes, this machine's and this user's names, the secret."""
    pairs = sorted(set(codes))
    words = {name.encode(): kind for name, kind in machine_names().items()}
    if secret:
        for spelling in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")):
            words[spelling] = "secret"
    return Watchlist(
        frozenset(code.encode() for _, code in pairs),
        frozenset((site.encode(), code.encode()) for site, code in pairs),
        words,
    )


def machine_names() -> dict[str, str]:
    """Return the names of this host and this user, and what each is; names that anybody may have are left out."""
    names = {socket.gethostname(): "host name", socket.gethostname().partition(".")[0]: "host name"}
    names |= {os.environ.get(variable, ""): "user name" for variable in ("USER", "LOGNAME", "SUDO_USER")}
    try:
        names[getpass.getuser()] = "user name"
        names[pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]] = "user name"
    except (KeyError, OSError):
        pass  # a user without an entry, as in a container, has no name to give away
    return {name: kind for name, kind in names.items() if len(name) >= _SHORTEST_NAME and name.lower() not in _COMMON}


class Scanner:
    """Searches bytes for a watchlist; the patterns are compiled once."""

    def __init__(self, watch: Watchlist) -> None:
        self.watch = watch
        self._known = watch.known
        self._sites: dict[bytes, tuple[bytes, ...]] = {}
        for site, code in watch.people:
            self._sites[code] = (*self._sites.get(code, ()), site)
        roots = _ROOTS | {folder.name for folder in Path("/").iterdir() if folder.name.isidentifier()}
        alternatives = "|".join(sorted(roots, key=len, reverse=True)).encode()
        self._path = re.compile(rb"(?<![A-Za-z0-9_.~)-])/(?:" + alternatives + rb")/+[A-Za-z0-9_.-]")
        words = b"|".join(map(re.escape, sorted(watch.words, key=len, reverse=True)))
        self._words = re.compile(rb"(?<![A-Za-z0-9])(?:" + words + rb")(?![A-Za-z0-9])") if words else None
        names = {socket.gethostname(), getpass.getuser()} - {""}
        labelled = b"|".join(re.escape(name.encode()) for name in sorted(names))
        self._labelled = re.compile(
            rb"(?i)(?:host(?:[ _]?name)?|node|machine|user(?:[ _]?name)?|login|owner)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:"
            + labelled
            + rb")(?![A-Za-z0-9])"
        )

    def file(self, path: Path, place: str) -> Iterator[Leak]:
        """Yield the leaks in a file's content."""
        for part in parts(path.read_bytes(), place):
            yield from self.part(part)

    def part(self, part: Part) -> Iterator[Leak]:
        """Yield the leaks in a piece of a file."""
        if part.problem:
            if self.watch.general:
                kind = "date" if "time stamp" in part.problem else "unreadable"
                yield Leak(masked_place(part.place, self._known), 0, kind, part.problem)
            return
        yield from self._codes(part)
        if self.watch.general:
            yield from self._general(part)

    def holds(self, data: bytes) -> bool:
        """Whether a piece of text holds a code or a person of the watchlist."""
        return any(True for _ in self._codes(Part("", data)))

    def name(self, name: str) -> Iterator[Leak]:
        """Yield the leaks in the name of a file, also where Snakemake wrote it in base64."""
        for text in (name, *_decoded(name)):
            yield from self.part(Part(f"name of {name}", os.fsencode(text)))

    def _leak(self, place: str, offset: int, kind: str, value: bytes) -> Leak:
        return Leak(masked_place(place, self._known), offset, kind, mask(value.decode("utf-8", "replace")))

    def _codes(self, part: Part) -> Iterator[Leak]:
        data = part.data
        known = self._known
        for match in _DIGITS.finditer(data):
            run = match[0]
            code = run[-9:]
            if code not in known:
                continue
            start = match.end() - 9
            if len(run) == 9 and code in self.watch.codes:
                if not _POSITION.search(data[max(0, start - 48) : start]):
                    yield self._leak(part.place, start, "code", code)
            else:
                before = data[max(0, start - _BEFORE_CODE) : start].rstrip(b"-_ .:;,/|\t\"'")
                if before.endswith(self._sites.get(code, ())):
                    yield self._leak(part.place, start, "library name", code)

    def _general(self, part: Part) -> Iterator[Leak]:
        data, place = part.data, part.place
        text = _is_text(data)
        patterns = [(self._path, "path"), (_WINDOWS, "path"), (_DATE, "date"), (_LIBRARY_LIKE, "library name")]
        if text:
            patterns += [(_HOME, "path"), (self._labelled, "host or user name")]
        for pattern, kind in patterns:
            for match in pattern.finditer(data):
                if pattern is _LIBRARY_LIKE and match[0][-9:] in self._known:
                    continue  # told as a code
                yield self._leak(place, match.start(), kind, match[0])
        for match in self._words.finditer(data) if self._words else ():
            yield self._leak(place, match.start(), self.watch.words[match[0]], match[0])
        for match in _EMAIL_DOMAIN.finditer(data):
            local = _EMAIL_LOCAL.search(data[max(0, match.start() - 64) : match.start()])
            if local and (text or len(local[0]) + len(match[0]) >= _BINARY_EMAIL):
                yield self._leak(place, match.start() - len(local[0]), "e-mail", local[0])


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\x00" not in data


def _decoded(name: str) -> Iterator[str]:
    """Yield what the parts of a path say that are base64, as the names of Snakemake's records are."""
    if not name.startswith(".snakemake/"):
        return
    joined = "".join(piece.lstrip("@") for piece in Path(name).parts[2:])
    try:
        yield base64.urlsafe_b64decode(joined).decode("utf-8")
    except (binascii.Error, ValueError):
        return


def masked_place(place: str, codes: Collection[bytes]) -> str:
    """Return a place with ``#`` for the digits of codes; of Snakemake's records, which spell names in base64, the kind.

    Parameters
    ----------
    place
        Path, or path and way into the file.
    codes
        Codes that are not to be shown.
    """
    if _RECORDS in place:
        place = f"{place[: place.index(_RECORDS)]}{_RECORDS} (a record)"
    return _CODE.sub(lambda match: "#########" if match[0].encode() in codes else match[0], place)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file and link below a folder in sorted order; links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path))
        else:
            yield Path(entry.path)


def scan_file(scanner: Scanner, path: Path, place: str) -> Iterator[Leak]:
    """Yield the leaks in a file's name, its content, or, of a link, where it points."""
    yield from scanner.name(place)
    if path.is_symlink():
        yield from scanner.part(Part(f"{place}!link", os.fsencode(path.readlink())))
    elif path.is_file():
        yield from scanner.file(path, place)


def scan_folder(folder: Path, watch: Watchlist) -> list[Leak]:
    """Search every file below a folder (or one file).

    Parameters
    ----------
    folder
        Folder or file.
    watch
        What must not be found.

    Returns
    -------
    list of Leak
        In the order of the files; empty where all is well.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    if not folder.exists():
        raise InputError(f"{folder}: there is no such folder. Give the folder or file to be scanned.")
    scanner = Scanner(watch)
    if folder.is_file():
        return list(scan_file(scanner, folder, folder.name))
    return [
        leak for path in files_below(folder) for leak in scan_file(scanner, path, path.relative_to(folder).as_posix())
    ]


def describe(leaks: list[Leak], shown: int = 50) -> str:
    """Say what was found, one line each; of a long list the beginning and the number of the rest."""
    lines = [f"  {leak}" for leak in leaks[:shown]]
    if len(leaks) > shown:
        lines.append(f"  and {len(leaks) - shown} more")
    return "\n".join(lines)
