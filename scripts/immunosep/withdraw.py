"""Withdrawal of consent: everything of a participant leaves the folder of a run, and does not come back.

The order makes every interruption safe. A journal is written first and says what is under way: while it is there,
nothing is computed or released. The tombstone comes before the first deletion. The folds of the others are kept before
theirs are deleted. The journal loses every code before the certificate is written, and goes last. Whatever stops the
command, calling it again goes on; each step does nothing where it has been done.
"""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from immunosep import sealed
from immunosep.errors import InputError
from immunosep.io import atomic_path
from immunosep.person import Person, edited, find_person, without_person
from immunosep.scan import masked_place
from immunosep.surrogates import keyed_hash
from immunosep.tombstones import COLUMNS, Withdrawals, read_tombstones, withdrawals
from immunosep.traces import InputTraces, Traces, find_inputs, find_traces

logger = logging.getLogger(__name__)

_BY: Final = "withdrawal of consent"
_CANNOT: Final = (
    "Backups, snapshots, copies made elsewhere and what was released before are not within reach of this command: "
    "releases of a lower epoch may rest on the participant. Deleted means unlinked; the medium is not overwritten."
)


def plan(config: Mapping[str, Any], site: str, code: str) -> tuple[Person, Traces, InputTraces]:
    """Say what a withdrawal would delete; changes nothing.

    Parameters
    ----------
    config
        Checked configuration.
    site, code
        The participant.

    Returns
    -------
    Person, Traces, InputTraces
        Who it is, and where.
    """
    person = find_person(config, site, code)
    return person, find_traces(Path(), person), find_inputs(config, person)


def begin(config: Mapping[str, Any], site: str, code: str, secret: bytes) -> None:
    """Write the journal; from here on the withdrawal is under way.

    Raises
    ------
    InputError
        When another withdrawal is unfinished, Snakemake works here, or nobody of this site and code is known.
    """
    state = withdrawals(config)
    if state.journal.exists():
        known = _read_journal(state)
        if known["tombstone"] != keyed_hash(secret, site, code):
            raise InputError(f"Another withdrawal is unfinished ({state.journal}). Finish it first, with --resume.")
        return
    if any(Path(".snakemake/locks").glob("*")):
        raise InputError(
            "Snakemake works in this folder, or was killed in it (.snakemake/locks). Wait for its end, or unlock the "
            "folder: snakemake --unlock"
        )
    person, traces, inputs = plan(config, site, code)
    stone = keyed_hash(secret, site, code)
    named = inputs.paths() or find_traces(Path(), person, computed=False).paths()
    if not named and stone in read_tombstones(state.tombstones):
        raise InputError("This participant has withdrawn before, and nothing is left of them here.")
    if not named:
        raise InputError(
            f"Nothing is known of a participant {site} {code}: neither the input tables of this configuration nor the "
            "results in this folder hold them. Check site and code, and the folder."
        )
    counts = {kind: len(paths) for kind, paths in traces._asdict().items()}
    journal = {"tombstone": stone, "person": asdict(person), "deleted": counts, "inputs": {}}
    state.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(state.journal, _as_json(journal))


def finish(config: Mapping[str, Any], *, edit_inputs: bool) -> dict[str, Any]:
    """Carry a withdrawal that has begun to its end, from wherever it stopped.

    Parameters
    ----------
    config
        Checked configuration.
    edit_inputs
        Also take the participant out of the input tables, and delete their raw files.

    Returns
    -------
    dict
        The certificate; its ``status`` is ``complete``, or ``inputs pending`` where input files still hold the
        participant. Then the journal stays, and with it the refusal to compute.

    Raises
    ------
    InputError
        When something could not be deleted or edited; says what, and the journal stays.
    """
    state = withdrawals(config)
    journal = _read_journal(state)
    if "person" in journal:
        person = _person(journal["person"])
        _add_tombstone(state, journal["tombstone"])
        _keep_folds(state, person)
        _delete(find_traces(Path(), person).paths(), person)
        if edit_inputs:
            _edit_inputs(config, state, journal, person)
        left = find_traces(Path(), person).paths()
        left += [str(path) for path in sorted(state.folds.glob("*")) if person.scanner().holds(path.read_bytes())]
        if left:
            raise InputError(_told("These files still hold the participant:", left, person))
        inputs = find_inputs(config, person)
        if inputs.closed:
            head = (
                "These files could not be opened, so nobody can say whether they hold the participant; look yourself:"
            )
            logger.warning("%s", _listed(head, inputs.closed, person))
        journal["not_opened"] = len(inputs.closed)
        pending = inputs.paths()
        if pending:
            logger.warning("%s", _told("These files still hold the participant; edit or delete them:", pending, person))
            return _certify(state, journal, pending=len(pending))
        del journal["person"]
        _replace_journal(state, journal)
    certificate = _certify(state, journal, pending=0)
    state.journal.unlink()
    return certificate


def _person(kept: Mapping[str, Any]) -> Person:
    tuples = {key: tuple(value) for key, value in kept.items() if isinstance(value, list)}
    tables = {table: tuple(ids) for table, ids in (kept["tables"] or {}).items()}
    return Person(kept["site"], kept["code"], **tuples, tables=tables)


def _read_journal(state: Withdrawals) -> dict[str, Any]:
    try:
        journal: dict[str, Any] = json.loads(state.journal.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("No withdrawal is unfinished here. Begin one: immunosep withdraw SITE CODE.") from None
    except ValueError:
        raise InputError(
            f"The journal {state.journal} is damaged. Delete it, and begin the withdrawal again with site and code; "
            "what was deleted stays deleted."
        ) from None
    return journal


def _as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, in one step, and wait until it is on the disk."""
    _replace(path, text.encode(), 0o600)


def _replace(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace_journal(state: Withdrawals, journal: Mapping[str, Any]) -> None:
    """Replace the journal by one without codes, then overwrite the old bytes."""
    with state.journal.open("r+b") as old:
        size = os.fstat(old.fileno()).st_size
        _write_private(state.journal, _as_json(journal))
        old.write(bytes(size))
        old.flush()
        os.fsync(old.fileno())


def _add_tombstone(state: Withdrawals, stone: str) -> None:
    stones = read_tombstones(state.tombstones)
    if stone not in stones:
        rows = [COLUMNS, *((str(number), own) for number, own in enumerate([*stones, stone], start=1))]
        _replace(state.tombstones, "".join("\t".join(row) + "\n" for row in rows).encode(), 0o644)


def _keep_folds(state: Withdrawals, person: Person) -> None:
    """Set the folds of the others aside, without the participant; the next run keeps them.

    Participant, repeat and fold alone: their classes follow from sealed labels, and this file outlives the run's role.
    """
    drawn = {path.parent.name: path for path in Path("results/biomarkers").glob("*/folds.tsv")}
    kept = {path.stem: path for path in state.folds.glob("*.tsv")}
    for task, path in sorted({**kept, **drawn}.items()):
        table, _ = without_person(path.read_bytes(), person)
        lines = [b"\t".join(line.split(b"\t")[:3]) + b"\n" for line in table.splitlines()]
        if len(lines) > 1:
            state.folds.mkdir(exist_ok=True)
            _replace(state.folds / f"{task}.tsv", b"".join(lines), 0o600)
        else:  # a header alone: the task was not run, or nobody is left
            (state.folds / f"{task}.tsv").unlink(missing_ok=True)


def _delete(paths: list[str], person: Person) -> None:
    """Delete files and the folders that are empty after that; all that can be, before anything is told."""
    failed: list[str] = []
    for name in paths:
        try:
            Path(name).unlink(missing_ok=True)
        except OSError as error:
            failed.append(f"{name} ({error.strerror})")
    for folder in sorted({parent for name in paths for parent in Path(name).parents}, key=str, reverse=True):
        if len(folder.parts) > 1 and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if failed:
        raise InputError(_told("These files cannot be deleted:", failed, person))


def _told(head: str, paths: list[str], person: Person) -> str:
    again = "Mend the cause and go on: immunosep withdraw --resume --config my.yaml --yes"
    return f"{_listed(head, paths, person)}\n{again}"


def _listed(head: str, paths: list[str], person: Person) -> str:
    codes = {code.encode() for code in person.codes}
    lines = [f"  {masked_place(path, codes)}" for path in paths[:20]]
    more = f"\n  and {len(paths) - 20} more" if len(paths) > 20 else ""
    return "\n".join((head, *lines)) + more


def _edit_inputs(config: Mapping[str, Any], state: Withdrawals, journal: dict[str, Any], person: Person) -> None:
    """Take the participant out of the inputs; what is about to be done stands in the journal before it is done."""
    inputs = find_inputs(config, person)
    edits = {place: edited(Path(place), person, ids) for place, ids in inputs.tables.items()}
    done = journal["inputs"]
    done["tables"] = done.get("tables", 0) + len(edits)
    done["rows"] = done.get("rows", 0) + sum(taken for _, taken in edits.values())
    done["raw_files"] = done.get("raw_files", 0) + len(inputs.raw)
    _write_private(state.journal, _as_json(journal))
    for place, (table, _) in edits.items():
        path = Path(place)
        _follow_seal(config, path, table)
        _replace(path, table, path.stat().st_mode & 0o777)
    _delete(inputs.raw, person)


def _follow_seal(config: Mapping[str, Any], path: Path, table: bytes) -> None:
    """Record the new bytes of a sealed table for the roles that could open the old ones."""
    record = config["sealed"].get("record")
    if not record or path not in {Path(own) for own in config["sealed"].values() if own}:
        return
    old, new = sealed.sha256(path.read_bytes()), sealed.sha256(table)
    entries = sealed.read_record(record)
    known = {entry for entry in entries if entry.sha256 == new}
    last = {(entry.role, entry.table): entry for entry in entries}
    follow = [
        entry._replace(when=sealed.utc_now(), who=_BY, sha256=new)
        for entry in last.values()
        if entry.sha256 == old and not known
    ]
    if follow:
        sealed.append_record(record, follow)


def _certify(state: Withdrawals, journal: Mapping[str, Any], *, pending: int) -> dict[str, Any]:
    stones = read_tombstones(state.tombstones)
    epoch = stones.index(journal["tombstone"]) + 1
    try:
        program = version("immunosep")
    except PackageNotFoundError:
        program = "from source"
    certificate = {
        "certificate": _BY,
        "status": "inputs pending" if pending else "complete",
        "epoch": epoch,
        "tombstone_sha256": sealed.sha256(journal["tombstone"].encode()),
        "when": sealed.utc_now(),
        "deleted": journal["deleted"],
        "inputs": journal["inputs"],
        "inputs_pending": pending,
        "files_not_opened": journal.get("not_opened", 0),
        "folds_kept": sorted(path.stem for path in state.folds.glob("*.tsv")),
        "immunosep": program,
        "limits": _CANNOT,
    }
    with atomic_path(state.folder / f"certificate_{epoch}.json") as temporary:
        temporary.write_text(_as_json(certificate), encoding="utf-8")
    return certificate


def describe_plan(person: Person, traces: Traces, inputs: InputTraces, say: Callable[[str], None]) -> None:
    """Say what is found of a participant: each file, by kind."""
    titles = {
        "libraries": "Files about the participant's libraries, to be deleted",
        "cohort": "Results computed with the participant, to be deleted; the next run makes them without",
        "logs": "Logs and benchmarks, to be deleted",
        "records": "Snakemake's records and logs, to be deleted",
    }
    for kind, paths in traces._asdict().items():
        say(f"{titles[kind]} ({len(paths)})")
        for path in paths:
            say(f"  {path}")
    say(f"Input tables with rows of the participant ({len(inputs.tables)}); with --inputs they are taken out")
    for path in inputs.tables:
        say(f"  {path}")
    say(f"Raw files of the participant ({len(inputs.raw)}); with --inputs they are deleted")
    for path in inputs.raw:
        say(f"  {path}")
    if inputs.other:
        say(f"Other files that hold the participant, to be edited or deleted by hand ({len(inputs.other)})")
        for path in inputs.other:
            say(f"  {path}")
    if inputs.closed:
        say(f"Files that cannot be opened, and may hold the participant ({len(inputs.closed)})")
        for path in inputs.closed:
            say(f"  {path}")
