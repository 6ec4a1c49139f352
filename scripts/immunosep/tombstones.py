"""Who has withdrawn: tombstones that name nobody, and whether a withdrawal is still under way.

A tombstone is the keyed hash of site and code. It says that a participant must not come back, to those who hold the
secret and meet the code again, and nothing to anybody else. Standard library only, until somebody has withdrawn and a
ready matrix must be read: this runs before any job.
"""

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from immunosep.checks import Table
from immunosep.errors import InputError
from immunosep.findings import Finding, finding, row_list
from immunosep.manifest import participant_code
from immunosep.scan import codes_in
from immunosep.surrogates import keyed_hash, load_secret, secret_path

COLUMNS: Final = ("epoch", "tombstone")
_SHOWN: Final = 8  # digits of a tombstone that messages give
# Site and code in the name of an observation, a library or a participant.
_PERSON: Final = re.compile(r"(?<![A-Za-z0-9])([A-Za-z0-9]+?)[-_. ]?([0-9]{9})(?![0-9])")


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
    config: Mapping[str, Any],
    table: Table | None,
    participants: Mapping[tuple[str, str], Any] | None,
    *,
    ready: bool = True,
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
    ready
        Also look into ready matrices and the ready label table; read only where somebody has withdrawn.
    """
    if not epoch(config):
        return []
    rows: dict[tuple[str, str], list[int]] = {}
    if table is not None and not table.absent & {"site", "sample_code"}:
        for line, row in zip(table.lines, table.rows, strict=True):
            rows.setdefault((row["site"], participant_code(row)), []).append(line)
    tables = {str(config["clinical"]["participants"]): set(participants or ())}
    if ready:
        tables |= dict(_in_ready_tables(config))
    stones = withdrawn_among(config, set(rows).union(*tables.values()))
    findings = []
    for key, stone in sorted(stones.items(), key=lambda item: item[1]):
        if key in rows and table is not None:
            problem = f"the participant of {row_list(rows[key])} has withdrawn (tombstone {stone})"
            findings.append(_finding(table.file, rows[key], problem))
        problem = f"a participant of this table has withdrawn (tombstone {stone})"
        findings += [_finding(file, [0], problem) for file, people in tables.items() if key in people]
    return findings


def _in_ready_tables(config: Mapping[str, Any]) -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """Yield the ready tables of the layers and of the labels, and who stands in each; one that is not there is not."""
    labels = config["clinical"].get("labels")
    if labels:
        yield str(labels), codes_in(Path(labels))
    for layer in config["layers"].values():
        matrix = Path(layer.get("matrix") or "")
        if layer["enabled"] and matrix.is_file():
            yield str(matrix), {(m[1], m[2]) for name in _observations(matrix) for m in _PERSON.finditer(name)}


def _observations(matrix: Path) -> list[str]:
    """Return what names the rows of a ready matrix; of the values nothing is kept.

    Raises
    ------
    InputError
        When they cannot be read.
    """
    try:
        if matrix.suffix == ".h5ad":
            import h5py
            from anndata.io import read_elem

            with h5py.File(matrix) as file:
                obs = read_elem(file["obs"])
            named = [obs.index, *(obs[column] for column in ("observation", "participant") if column in obs)]
            return [str(name) for names in named for name in names]
        with (gzip.open if matrix.suffix == ".gz" else open)(matrix, "rt", encoding="utf-8") as lines:
            return [line.partition("\t")[0] for line in lines]
    except (OSError, EOFError, KeyError, ValueError):
        raise InputError(
            f"{matrix}: the names of its rows cannot be read, so nobody can tell whether a participant who has "
            "withdrawn is among them. Give a whole AnnData file (.h5ad) or a table (.tsv, .tsv.gz) in UTF-8."
        ) from None


def _finding(file: str, lines: list[int], problem: str) -> Finding:
    first, *others = lines
    return finding("withdrawn_participant", file, first, "participant_code", problem=problem, others=others)
