"""Who has withdrawn: tombstones that name nobody, and whether a withdrawal is still under way.

A tombstone is the keyed hash of site and code. It says that a participant must not come back, to those who hold the
secret and meet the code again, and nothing to anybody else. Standard library only: this runs before any job.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from immunosep.checks import Table
from immunosep.errors import InputError
from immunosep.findings import Finding, finding, row_list
from immunosep.manifest import owner
from immunosep.surrogates import keyed_hash, load_secret, secret_path

COLUMNS: Final = ("epoch", "tombstone")
_SHOWN: Final = 8  # digits of a tombstone that messages give


class Withdrawals(NamedTuple):
    """Where the state of the withdrawals lies.

    Attributes
    ----------
    folder
        `privacy.withdrawals`.
    tombstones
        TSV of epoch and tombstone.
    journal
        There while a withdrawal is unfinished; holds codes.
    folds
        Folder of the folds that stay, one TSV per task.
    """

    folder: Path
    tombstones: Path
    journal: Path
    folds: Path


def withdrawals(config: Mapping[str, Any]) -> Withdrawals:
    """Return where the state of the withdrawals of a run lies."""
    folder = Path(config["privacy"]["withdrawals"])
    return Withdrawals(folder, folder / "tombstones.tsv", folder / "unfinished.json", folder / "folds")


def read_tombstones(path: Path) -> list[str]:
    """Read the tombstones, in the order in which they were set; none where there is no file.

    Raises
    ------
    InputError
        When a line is not one that `immunosep withdraw` writes.
    """
    if not path.is_file():
        return []
    header, *lines = path.read_text(encoding="ascii", errors="replace").splitlines() or [""]
    rows = [line.split("\t") for line in lines]
    wrong = [
        number
        for number, row in enumerate(rows, start=1)
        if len(row) != len(COLUMNS) or row[0] != str(number) or len(row[1]) != 64
    ]
    if header.split("\t") != list(COLUMNS) or wrong:
        raise InputError(f"{path}: line {wrong[0] + 1 if wrong else 1} is damaged. Restore the file from its backup.")
    return [row[1] for row in rows]


def epoch(config: Mapping[str, Any]) -> int:
    """Return the number of withdrawals so far: results of a lower epoch may rest on somebody who has withdrawn."""
    return len(read_tombstones(withdrawals(config).tombstones))


def require_finished(config: Mapping[str, Any]) -> None:
    """Refuse to work while a withdrawal is unfinished.

    Raises
    ------
    InputError
        Says how to finish it.
    """
    journal = withdrawals(config).journal
    if journal.exists():
        raise InputError(
            f"A withdrawal of consent is unfinished ({journal}); nothing may be computed or released before its end. "
            "Finish it: immunosep withdraw --resume --config my.yaml --yes"
        )


def withdrawn_among(config: Mapping[str, Any], people: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Find who has withdrawn among the people of a table.

    Parameters
    ----------
    config
        Checked configuration.
    people
        Site and participant code.

    Returns
    -------
    dict
        Site and code to the beginning of the tombstone.

    Raises
    ------
    InputError
        When there are tombstones, and the secret that they were made with is not there.
    """
    stones = set(read_tombstones(withdrawals(config).tombstones))
    if not stones:
        return {}
    secret = load_secret(secret_path(config))
    hashes = {key: keyed_hash(secret, *key) for key in set(people)}
    return {key: stone[:_SHOWN] for key, stone in hashes.items() if stone in stones}


def check_withdrawn(
    config: Mapping[str, Any], table: Table | None, participants: Mapping[tuple[str, str], Any] | None
) -> list[Finding]:
    """Find participants who have withdrawn and stand in the input tables again; the findings name no code.

    Parameters
    ----------
    config
        Checked configuration.
    table
        Manifest.
    participants
        Site and code of the table of participants.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    if table is not None and not table.absent & {"site", "sample_code"}:
        for line, row in zip(table.lines, table.rows, strict=True):
            rows.setdefault(owner(row), []).append(line)
    stones = withdrawn_among(config, [*rows, *(participants or ())])
    findings = []
    for key, stone in sorted(stones.items(), key=lambda item: item[1]):
        if key in rows and table is not None:
            problem = f"the participant of {row_list(rows[key])} has withdrawn (tombstone {stone})"
            findings.append(_finding(table.file, rows[key], problem))
        if participants and key in participants:
            problem = f"a participant of this table has withdrawn (tombstone {stone})"
            findings.append(_finding(str(config["clinical"]["participants"]), [0], problem))
    return findings


def _finding(file: str, lines: list[int], problem: str) -> Finding:
    first, *others = lines
    return finding("withdrawn_participant", file, first, "participant_code", problem=problem, others=others)
