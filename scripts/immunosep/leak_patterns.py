"""What tells of a machine, a person or a day, as patterns over bytes, and the names of this machine and this user."""

import contextlib
import getpass
import os
import pwd
import re
import socket
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

# Folders that hold the data and the homes of the usual systems; those of this machine's root are added.
_ROOTS: Final = {
    "home", "root", "Users", "Volumes", "mnt", "media", "data", "scratch", "tmp", "var", "opt", "usr", "etc", "srv",
    "work", "project", "projects", "proj", "gpfs", "lustre", "nfs", "net", "export", "storage", "cluster", "private",
    "users", "homes", "hpc", "ceph", "beegfs", "groups", "workspace", "workspaces",
}  # fmt: skip
# Names that say nothing of a machine or a person; they are looked for only where a label stands before them.
_COMMON: Final = {
    "localhost", "localdomain", "root", "user", "users", "admin", "runner", "ubuntu", "debian", "docker", "nobody",
    "test", "data", "home", "host", "node", "server", "conda", "mamba", "jovyan", "immunosep",
}  # fmt: skip
_SHORTEST_NAME: Final = 4
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH: Final = rb"(?:" + b"|".join(_MONTHS) + rb")[a-z]*"
_EMAIL_DOMAIN: Final = re.compile(rb"@[A-Za-z0-9][A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_EMAIL_LOCAL: Final = re.compile(rb"[A-Za-z0-9._%+-]{2,}$")
_LONGEST_LOCAL: Final = 64
# Characters of the shortest address that is believed in binary data, where chance makes short ones.
_BINARY_EMAIL: Final = 14


class Pattern(NamedTuple):
    """One thing to look for.

    Attributes
    ----------
    kind
        What it is.
    regex
        How it looks.
    needs
        Bytes of which at least one is in every match: without them the slower search is spared.
    text_only
        So short that chance makes it in binary data.
    """

    kind: str
    regex: re.Pattern[bytes]
    needs: tuple[bytes, ...]
    text_only: bool = False


def general_patterns() -> list[Pattern]:
    """Return the patterns of paths, dates, and of this machine's names behind a label."""
    roots = _ROOTS | {folder.name for folder in Path("/").iterdir() if folder.name.isidentifier()}
    alternatives = "|".join(sorted(roots, key=len, reverse=True)).encode()
    names = [name for name in (socket.gethostname(), _user()) if name]
    own = tuple(sorted({spelling.encode() for name in names for spelling in _spellings(name)}))
    labels = rb"(?i)(?:host(?:[ _]?name)?|node|machine|user(?:[ _]?name)?|login|owner)[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
    return [
        Pattern(
            "path",
            re.compile(rb"(?<![A-Za-z0-9_.~)-])/(?:" + alternatives + rb")/+[A-Za-z0-9_.\x80-\xff-]"),
            (b"/",),
        ),
        Pattern("path", re.compile(rb"(?<![A-Za-z0-9])[A-Za-z]:\\{1,2}(?:Users|[A-Za-z0-9_ .-]{3,}\\)"), (b":\\",)),
        Pattern(  # \\server\share, and as JSON writes it
            "path",
            re.compile(rb"(?<![A-Za-z0-9:\\])(\\|\\{2})\1[A-Za-z0-9][A-Za-z0-9._-]+\1[A-Za-z0-9_.$\x80-\xff-]"),
            (b"\\\\",),
            text_only=True,
        ),
        Pattern("path", re.compile(rb"(?<![A-Za-z0-9~])~/[A-Za-z0-9_.-]{2,}"), (b"~/",), text_only=True),
        Pattern(
            "date",  # 2023-04-05
            re.compile(
                rb"(?<=(?:19|20)[0-9]{2})(?<![0-9]{5})(?P<s>[-/])(?:0[1-9]|1[0-2])(?P=s)"
                rb"(?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
            ),
            (b"-", b"/"),
        ),
        Pattern(
            "date",  # 05.04.2023
            re.compile(
                rb"(?<=0[1-9]|[12][0-9]|3[01])(?<![0-9]{3})(?P<s>[./])(?:0[1-9]|1[0-2])(?P=s)(?:19|20)[0-9]{2}(?![0-9])"
            ),
            (b".", b"/"),
        ),
        Pattern(
            "date",  # 20230405121314, as PDF and Snakemake write it
            re.compile(
                rb"(?<![0-9])(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[T_ ]?"
                rb"(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9](?![0-9])"
            ),
            (b"20", b"19"),
        ),
        Pattern(
            "date",  # 5 April 2023
            re.compile(rb"(?<![0-9])(?:0?[1-9]|[12][0-9]|3[01])[ -]" + _MONTH + rb"[ -](?:19|20)[0-9]{2}(?![0-9])"),
            _MONTHS,
        ),
        Pattern(
            "date",  # Apr 5, 2023; Apr  5 12:13:14
            re.compile(_MONTH + rb" +[0-9]{1,2}(?:, (?:19|20)[0-9]{2}| [0-9]{2}:[0-9]{2}:[0-9]{2})"),
            _MONTHS,
        ),
        Pattern(
            "host or user name",
            re.compile(labels + rb"(?:" + b"|".join(map(re.escape, own)) + rb")(?![A-Za-z0-9])"),
            own,
            text_only=True,
        ),
    ]


def words_pattern(words: Collection[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of whole words."""
    alternatives = b"|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + alternatives + rb")(?![A-Za-z0-9])")


def find_addresses(data: bytes, *, text: bool) -> Iterator[tuple[int, bytes]]:
    """Yield place and local part of e-mail addresses; in binary data only of those too long for chance."""
    for match in _EMAIL_DOMAIN.finditer(data):
        local = _EMAIL_LOCAL.search(data[max(0, match.start() - _LONGEST_LOCAL) : match.start()])
        if local and (text or len(local[0]) + len(match[0]) >= _BINARY_EMAIL):
            yield match.start() - len(local[0]), local[0]


def machine_names() -> dict[str, str]:
    """Return the names of this host and this user, and what each is; names that anybody may have are left out."""
    names = {socket.gethostname(): "host name", socket.gethostname().partition(".")[0]: "host name"}
    names |= {os.environ.get(variable, ""): "user name" for variable in ("USER", "LOGNAME", "SUDO_USER")}
    names[_user()] = "user name"
    with contextlib.suppress(KeyError):  # a user without an entry, as in a container, has no full name to give away
        names[pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]] = "user name"
    telling = {
        name: kind for name, kind in names.items() if len(name) >= _SHORTEST_NAME and name.lower() not in _COMMON
    }
    return {spelling: kind for name, kind in telling.items() for spelling in _spellings(name)}


def _spellings(name: str) -> tuple[str, ...]:
    """Return a name as it is, and as systems that do not mind capitals write it."""
    return name, name.lower(), name.upper()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
