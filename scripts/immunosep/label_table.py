"""A ready label table of another cohort: does it hold personal data, or the arm where the arm is sealed.

It has no closed schema: the columns that tasks predict are the user's own words, all others are judged by their names.
Standard library only: this runs while the workflow is planned.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from immunosep.findings import Finding, finding, mask
from immunosep.privacy import column_risk, is_words, path_risk, pattern_risk, value_risk
from immunosep.sheet import Sheet, read_sheet

KEY = "participant"


def check_labels(config: Mapping[str, Any]) -> list[Finding]:
    """Check the ready label table of a configuration; nothing where there is none."""
    path = config["clinical"].get("labels")
    return check_label_table(path, declared=targets(config), role=config["role"]) if path else []


def targets(config: Mapping[str, Any]) -> list[str]:
    """Return the columns that the tasks of a configuration predict, sorted."""
    return sorted({entry["target"] for entry in config["biomarkers"]["tasks"].values() if entry is not None})


def check_label_table(path: str | Path, *, declared: Collection[str], role: str) -> list[Finding]:
    """Find personal data and treatment in a label table.

    Parameters
    ----------
    path
        Table with the column ``participant``.
    declared
        Columns that tasks predict. Their names are legal, but for an arm's.
    role
        In the role ``unblinded`` the arm may be a label; in the others it is sealed.

    Returns
    -------
    list of Finding
        One per column, or per column and kind of value; values are masked.
    """
    sheet = read_sheet(path)
    return [*sheet.findings, *_risks(sheet, declared, may_see_arm=role == "unblinded")]


def _risks(sheet: Sheet, declared: Collection[str], *, may_see_arm: bool) -> Iterator[Finding]:
    for position, name in enumerate(sheet.header):
        risk = "" if name == KEY else column_risk(name)
        if risk == "treatment_column" and may_see_arm:
            risk = ""
        if risk == "personal_column" and name in declared:
            risk = ""
        shown = mask(name) if pattern_risk(name) else name
        if risk:
            yield finding(risk, sheet.file, sheet.header_line, shown)
            continue
        told: dict[str, list[int]] = {}
        for row, line in zip(sheet.rows, sheet.lines, strict=True):
            value = row[position] if position < len(row) else ""
            if value and (said := _value_risk(value, name, declared)):
                told.setdefault(said, []).append(line)
        for said, lines in told.items():
            value = mask(sheet.rows[sheet.lines.index(lines[0])][position])
            problem = f"holds what looks like {said}"
            yield finding("personal_value", sheet.file, lines[0], shown, value, problem, others=lines[1:])


def _value_risk(value: str, column: str, declared: Collection[str]) -> str:
    if column in declared:
        # The names of classes may be as long as they like.
        return pattern_risk(value)
    if column == KEY and is_words(value):
        return "a name"
    return value_risk(value) or path_risk(value)
