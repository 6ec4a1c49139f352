"""The sealed tables: which role opens which, and the record of every unblinding.

A sealed table is opened only in its role, only where its record says that it was unsealed for that role, only while
its bytes are those of the record, and only while nobody but its owner can read it. In a lower role nothing here
touches it, not even to see whether it is there. Standard library only: this runs while the workflow is planned.
"""

import datetime
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from immunosep.errors import InputError
from immunosep.findings import Finding, finding
from immunosep.privacy import value_risk

SEALED_ROLES: Final = {"classification": ("endotype", "unblinded"), "allocation": ("unblinded",)}
OWNER_ONLY: Final = 0o600
SHUFFLED: Final = "shuffled"
TRUE_LABELS: Final = "sealed"
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{2,59}")
_INITIALS = re.compile(r"(?:[A-Za-z]\.? ?){2,4}")


class Unblinding(NamedTuple):
    """One line of the record: a table was unsealed.

    Attributes
    ----------
    when
        UTC, ISO 8601.
    role
        Role that it was unsealed for.
    who
        Function or staff number of the person who did it; no name.
    table
        ``classification`` or ``allocation``.
    sha256
        Of the table's bytes at that moment.
    content
        ``sealed`` for the trial's table, ``shuffled`` for one that was made for a dry run.
    """

    when: str
    role: str
    who: str
    table: str
    sha256: str
    content: str


class Opened(NamedTuple):
    """A sealed table that may be read: its bytes, and whether its labels are shuffled."""

    data: bytes
    shuffled: bool


def may_open(table: str, role: str) -> bool:
    """Whether a sealed table may be opened in a role."""
    return role in SEALED_ROLES[table]


def tables_of(role: str) -> list[str]:
    """Sealed tables that a role opens."""
    return [table for table in SEALED_ROLES if may_open(table, role)]


def open_sealed(config: Mapping[str, Any]) -> tuple[dict[str, Opened], list[Finding]]:
    """Read the sealed tables of the configuration's role, as far as they were unsealed.

    Parameters
    ----------
    config
        Keys `role`, `sealed`, `manifest`, `clinical`. With a ready label table (`clinical.labels`) nothing is opened.

    Returns
    -------
    dict of Opened
        By table; a table that must not be read is not there.
    list of Finding
        Why not, and which sealed table lies where others look.
    """
    findings = list(_misplaced(config))
    tables: dict[str, Opened] = {}
    wanted = [] if config["clinical"].get("labels") else tables_of(config["role"])
    record = config["sealed"].get("record")
    entries: list[Unblinding] = []
    if wanted and record:
        try:
            entries = read_record(record)
        except InputError as error:
            return {}, [*findings, finding("not_unsealed", str(record), problem=str(error))]
    for table in wanted:
        path = config["sealed"].get(table)
        if not path:
            problem = f"sealed.{table} is not given, and the role {config['role']} opens it"
            findings.append(finding("file_unreadable", f"sealed.{table}", problem=problem))
            continue
        try:
            flaw = _mode_flaw(path) or _entry_flaw(path, table, config["role"], record, entries)
            if flaw is None:
                entry = _latest(table, config["role"], entries)
                data = Path(path).read_bytes()
                flaw = _changed(path, data, entry)
                tables[table] = Opened(data, entry.content == SHUFFLED)
        except OSError as error:
            flaw = finding("file_unreadable", str(path), problem=f"file cannot be read ({error.strerror})")
        if flaw is not None:
            findings.append(flaw)
            tables.pop(table, None)
    return tables, findings


def labels_are_shuffled(config: Mapping[str, Any]) -> bool:
    """Whether a sealed table that this run opens holds shuffled labels, by its record."""
    record = config["sealed"].get("record")
    wanted = [] if config["clinical"].get("labels") else tables_of(config["role"])
    if not wanted or not record or not Path(record).is_file():
        return False
    entries = read_record(record)
    latest = [_latest(table, config["role"], entries) for table in wanted if _of(table, config["role"], entries)]
    return any(entry.content == SHUFFLED for entry in latest)


def unseal(config: Mapping[str, Any], role: str, who: str, when: str = "") -> list[Unblinding]:
    """Record that the sealed tables of a role are opened from now on, and by whom.

    Parameters
    ----------
    config
        Key `sealed`.
    role
        ``endotype`` or ``unblinded``.
    who
        Function or staff number; refused where it looks like a name's initials, an address or a date.
    when
        UTC, ISO 8601; by default now.

    Returns
    -------
    list of Unblinding
        The lines that were added to the record.

    Raises
    ------
    InputError
        When a table or the record is not given or not there, a table can be read by others, or `who` is unfit. Then
        nothing is recorded.
    """
    if not tables_of(role):
        raise InputError(f"The role {role} opens no sealed table; there is nothing to unseal.")
    risk = value_risk(who) or ("initials" if _INITIALS.fullmatch(who) else "")
    if risk or not _WHO.fullmatch(who):
        raise InputError(
            "--who takes a function or a staff number, such as 'unblinded statistician' or 'staff-17': 3 to 60 "
            f"letters, digits, spaces, '.', '_' or '-'{f'; this looks like {risk}' if risk else ''}."
        )
    named = {table: config["sealed"].get(table) for table in tables_of(role)}
    record = config["sealed"].get("record")
    absent = [f"sealed.{key}" for key, path in {**named, "record": record}.items() if not path]
    if absent or not record:
        raise InputError(f"The configuration does not give {', '.join(absent)}.")
    flaws = [flaw for path in named.values() if (flaw := _mode_flaw(path)) is not None]
    if flaws:
        raise InputError("\n".join(f"{flaw.file}: {flaw.problem}. {flaw.fix}" for flaw in flaws))
    entries = [
        Unblinding(when or utc_now(), role, who, table, sha256(Path(path).read_bytes()), TRUE_LABELS)
        for table, path in named.items()
    ]
    append_record(record, entries)
    return entries


def utc_now() -> str:
    """Return the time for an entry of the record."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sealed_folder(cohort: Path) -> Path:
    """Return the folder for a cohort's sealed tables: beside its own and not in it, not to travel along."""
    return cohort.with_name(f"{cohort.name}-sealed")


def read_record(path: str | Path) -> list[Unblinding]:
    """Read the record of unblindings; empty where there is none.

    Raises
    ------
    InputError
        When a line is not one that `append_record` writes.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the record of unblindings cannot be read ({type(error).__name__})") from None
    entries = []
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if number == 1 and tuple(cells) == Unblinding._fields:
            continue
        whole = len(cells) == len(Unblinding._fields) and cells[3] in SEALED_ROLES and len(cells[4]) == 64
        if number == 1 or not whole or cells[5] not in (TRUE_LABELS, SHUFFLED):
            raise InputError(f"line {number} of the record of unblindings is not one that immunosep wrote")
        entries.append(Unblinding(*cells))
    return entries


def append_record(path: str | Path, entries: Iterable[Unblinding]) -> None:
    """Add lines to the record; a new one begins with a header and belongs to its owner alone."""
    record = Path(path)
    record.parent.mkdir(parents=True, exist_ok=True)
    read_record(record)  # A broken record is told, not lengthened.
    handle = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
    with os.fdopen(handle, "a", encoding="utf-8") as stream:
        if not stream.tell():
            stream.write("\t".join(Unblinding._fields) + "\n")
        stream.writelines("\t".join(entry) + "\n" for entry in entries)


def write_sealed(path: str | Path, text: str) -> str:
    """Write a sealed table that its owner alone can read, at no moment anybody else; return its SHA-256."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    data = text.encode()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    return sha256(data)


def sha256(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _of(table: str, role: str, entries: Collection[Unblinding]) -> list[Unblinding]:
    """Entries that cover a table in a role: made for the role, or for one that sees more."""
    enough = SEALED_ROLES[table][SEALED_ROLES[table].index(role) :]
    return [entry for entry in entries if entry.table == table and entry.role in enough]


def _latest(table: str, role: str, entries: Collection[Unblinding]) -> Unblinding:
    return _of(table, role, entries)[-1]


def _mode_flaw(path: str) -> Finding | None:
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        return finding("file_unreadable", str(path), problem=f"file cannot be read ({error.strerror})")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        problem = f"mode is {stat.S_IMODE(mode):04o}, must be 0600: others can read or change the table"
        return finding("sealed_open", str(path), problem=problem, fix=f"Run: chmod 600 {path}")
    return None


def _entry_flaw(
    path: str, table: str, role: str, record: str | None, entries: Collection[Unblinding]
) -> Finding | None:
    """Say why the record does not allow the role to open the table."""
    if _of(table, role, entries):
        return None
    lower = [entry.role for entry in entries if entry.table == table]
    if not record:
        problem = "the configuration names no record of unblindings (sealed.record)"
    elif lower:
        problem = f"{record} records an unblinding for the role {lower[-1]} only, and this run's role is {role}"
    else:
        problem = f"{record} records no unblinding of this table"
    fix = f'Run: immunosep unseal --config my.yaml --role {role} --who "your function"; or set role: blinded.'
    return finding("not_unsealed", str(path), problem=problem, fix=fix)


def _changed(path: str, data: bytes, entry: Unblinding) -> Finding | None:
    if sha256(data) == entry.sha256:
        return None
    problem = f"the table is not the one that was unsealed on {entry.when[:10]}: its SHA-256 differs"
    return finding("sealed_changed", str(path), problem=problem)


def _misplaced(config: Mapping[str, Any]) -> Iterable[Finding]:
    """Find sealed tables below the manifest's or the clinical tables' folder, by their names alone."""
    clinical = config["clinical"]
    shared = [config.get("manifest"), *(clinical.get(name) for name in ("participants", "visits"))]
    folders = {_absolute(path).parent for path in shared if path}
    for table in SEALED_ROLES:
        path = config["sealed"].get(table)
        if path and folders & set(_absolute(path).parents):
            yield finding("sealed_misplaced", str(path), problem=f"sealed.{table} lies in a folder of open tables")


def _absolute(path: str) -> Path:
    # By name alone: Path.resolve would look at the file.
    return Path(os.path.abspath(path))  # noqa: PTH100
