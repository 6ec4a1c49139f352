"""Look for what must not leave the house in every byte of a folder: codes, names of machines and people, paths, dates.

The scanner knows the codes of the run and finds them as text, as wide characters, as whole numbers of tables, in names
and inside packed files (`unpack`). One pass over the bytes serves all codes: runs of digits are found first and then
looked up in a set.
"""

import base64
import binascii
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from immunosep.checks import columns_of
from immunosep.errors import InputError
from immunosep.findings import mask
from immunosep.leak_patterns import find_addresses, general_patterns, machine_names, words_pattern
from immunosep.sheet import read_sheet
from immunosep.unpack import TIME_STAMP, Part, parts

_DIGITS: Final = re.compile(rb"(?<![0-9])[0-9]{9,}")
# A number of a table or of JSON that may be a code whose leading zeros were lost.
_NUMBER: Final = re.compile(rb"(?<![0-9A-Za-z_.])([1-9][0-9]{6,7})(?:\.0+)?(?![0-9A-Za-z_]|\.[0-9])")
_LONGEST_SITE: Final = 8  # digits of a run in which the end of a site, glued to a code, is looked for
_BEFORE_CODE: Final = 16  # bytes before a code in which its site is looked for
_CODE: Final = re.compile(r"(?<!\d)\d{9}(?!\d)")
_RECORDS: Final = ".snakemake/metadata"
_LIBRARY_LIKE: Final = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}[-_][0-9]{9}(?![0-9])")
# A position of a genome may happen to equal a code.
_POSITION: Final = re.compile(rb"(?:^|[^A-Za-z0-9])chr[0-9A-Za-z_.]{1,20}[:\t](?:[0-9]{1,9}[-\t])?$")
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
    found = codes_in(Path(clinical["labels"])) if clinical["labels"] else set()
    tables = {"manifest": config["manifest"], **{name: clinical[name] for name in ("participants", "visits")}}
    return found.union(*(codes_in(Path(path), name) for name, path in tables.items() if path))


def codes_in(path: Path, name: str = "") -> set[tuple[str, str]]:
    """Return site and code of everybody whom a table names by its columns `site` and code, or `participant`.

    Parameters
    ----------
    path
        Table; nobody where it is not there.
    name
        Name of its schema, which chooses the sheet of a workbook; empty for a table without one.
    """
    if not path.is_file():
        return set()
    sheet = read_sheet(path, name, columns_of(name) if name else ())
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


class Scanner:
    """Searches bytes for a watchlist; the patterns are compiled once."""

    def __init__(self, watch: Watchlist) -> None:
        self.watch = watch
        self._known = watch.known
        self._sites: dict[bytes, tuple[bytes, ...]] = {}
        for site, code in watch.people:
            self._sites[code] = (*self._sites.get(code, ()), site)
        self._general = general_patterns()
        self._words = words_pattern(watch.words)

    def file(self, path: Path, place: str) -> Iterator[Leak]:
        """Yield the leaks in a file's content."""
        for part in parts(path.read_bytes(), place):
            yield from self.part(part)

    def part(self, part: Part) -> Iterator[Leak]:
        """Yield the leaks in a piece of a file."""
        if part.problem:
            if self.watch.general:
                kind = "date" if part.problem == TIME_STAMP else "unreadable"
                yield Leak(masked_place(part.place, self._known), 0, kind, part.problem)
            return
        yield from self._codes(part)
        if self.watch.general:
            yield from self._of_machines(part)
            if _is_text(part.data):
                yield from self._numbers(part)

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
            run, begin = match[0], match.start()
            if len(run) == 9 and run in self.watch.codes:
                if not _is_position(data, begin):
                    yield self._leak(part.place, begin, "code", run)
                continue
            # Digits glued to a code may be the end of its site, and a visit or a lane: then its site stands before it.
            for at in range(min(len(run) - 8, _LONGEST_SITE)):
                code, start = run[at : at + 9], begin + at
                if code in known:
                    before = data[max(0, start - _BEFORE_CODE) : start].rstrip(b"-_ .:;,/|\t\"'")
                    if before.endswith(self._sites.get(code, ())):
                        yield self._leak(part.place, start, "library name", code)

    def _numbers(self, part: Part) -> Iterator[Leak]:
        """Yield numbers that are codes but for their leading zeros."""
        for match in _NUMBER.finditer(part.data):
            if match[1].zfill(9) in self.watch.codes and not _is_position(part.data, match.start()):
                yield self._leak(part.place, match.start(), "code", match[1])

    def _of_machines(self, part: Part) -> Iterator[Leak]:
        data, place = part.data, part.place
        text = _is_text(data)
        for kind, regex, needs, text_only in self._general:
            if (text or not text_only) and any(need in data for need in needs):
                for match in regex.finditer(data):
                    yield self._leak(place, match.start(), kind, match[0])
        for match in _LIBRARY_LIKE.finditer(data):
            if match[0][-9:] not in self._known:  # else told as a code
                yield self._leak(place, match.start(), "library name", match[0])
        if any(word in data for word in self.watch.words):
            for match in self._words.finditer(data):
                yield self._leak(place, match.start(), self.watch.words[match[0]], match[0])
        for start, local in find_addresses(data, text=text):
            yield self._leak(place, start, "e-mail", local)


def _is_position(data: bytes, start: int) -> bool:
    return _POSITION.search(data[max(0, start - 48) : start]) is not None


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
