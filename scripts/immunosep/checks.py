"""Check a table against its closed schema: header, shape and every cell, all mistakes at once.

Schemas are compact JSON files (``workflow/schemas/<table>.json``). A field has a `name`, a `type` (string, integer,
number, boolean), optionally a `format` (code, path), `required`, `enum`, `pattern`, `minimum`, `exclusiveMinimum`,
`maximum`, `unitOf` (it holds the unit of that column), `thousands` (its values are so large that a separator could be
one of thousands), and a `description` and an `example` for people. A schema may name a `primaryKey` and ask for
`allColumns`; one that says `mayBeEmpty` describes a table that a cohort may have no rows for.
"""

import difflib
import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from immunosep.findings import Finding, finding, mask, row_list
from immunosep.privacy import column_risk, value_risk
from immunosep.sheet import Sheet

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "workflow" / "schemas"

Row = dict[str, str]
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_ANY_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:[.,'\u2019\u00a0\u202f ][0-9]{3})+(?:[.,][0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_MISSING = {"na", "n/a", "nan", "null", "none", "nil", "missing", "unknown", "-", "--", ".", "?", "#n/a", "nd", "n.d."}


class Flaw(NamedTuple):
    """What is wrong with one cell, wherever it stands."""

    code: str
    problem: str
    suggestion: str = ""
    masked: bool = False


@dataclass(slots=True)
class Table:
    """A table whose columns are those of its schema.

    Attributes
    ----------
    file
        Name for messages.
    rows, lines
        One dict per row, every column of the schema present; and the lines of the file.
    bad
        (row index, column) of the cells that already have a finding; rules across cells leave these rows out, so that
        one mistake gives one message.
    absent
        Columns of the schema that the file lacks.
    findings
        All findings so far.
    """

    file: str
    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: set[tuple[int, str]] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def good(self, index: int, *columns: str) -> bool:
        """Whether none of these cells has a finding."""
        return not self.bad or not any((index, column) in self.bad for column in columns)

    def add(self, code: str, index: int, column: str, problem: str = "", **more: Any) -> None:
        """Note a finding on one cell and mark the cell as bad."""
        value = self.rows[index].get(column, "")
        self.findings.append(finding(code, self.file, self.lines[index], column, value, problem, **more))
        self.bad.add((index, column))

    def need(self, index: int, column: str, user: str) -> None:
        """Note an empty cell that `user` cannot do without; where the whole column is absent, that, once."""
        if self.rows[index][column] or not self.good(index, column):
            return
        if column not in self.absent:
            self.add("required_empty", index, column, f"{user} needs {column}")
            return
        problem = f"column is missing ({user} needs it)"
        self.findings.append(finding("missing_column", self.file, 1, column, problem=problem))
        self.bad.update((row, column) for row in range(len(self.rows)))


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """Read the schema of a table; `name` is its file's stem."""
    schema: dict[str, Any] = json.loads((SCHEMA_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def columns_of(name: str) -> list[str]:
    """Column names of a table, in order."""
    return [f["name"] for f in load_schema(name)["fields"]]


def check_table(sheet: Sheet, schema_name: str) -> Table:
    """Check header, shape and cells.

    Parameters
    ----------
    sheet
        The table as read.
    schema_name
        Stem of the schema file.

    Returns
    -------
    Table
        With the findings of the sheet and all new ones.
    """
    schema = load_schema(schema_name)
    table = Table(sheet.file, findings=list(sheet.findings))
    if not sheet.header:
        return table
    if not any(_same_letters(name, [f["name"] for f in schema["fields"]]) for name in sheet.header):
        table.findings.append(finding("no_header", sheet.file, 1))
        return table
    positions = _check_header(sheet, schema, table)
    if not sheet.rows:
        table.findings.append(finding("table_without_rows" if schema.get("mayBeEmpty") else "no_rows", sheet.file))
    names = [f["name"] for f in schema["fields"]]
    width = len(sheet.header)
    empty = dict.fromkeys(names, "")
    for index, cells in enumerate(sheet.rows):
        table.rows.append(empty | {name: cells[at] for name, at in positions.items() if at < len(cells)})
        if len(cells) != width:
            _note_ragged(table, index, sheet.lines[index], len(cells), width, names)
    table.lines = list(sheet.lines)
    table.absent = set(names) - set(positions)
    for f in schema["fields"]:
        if f["name"] in positions:
            _check_column(table, f)
        elif f.get("required"):
            # The missing column is told once; nothing that rests on it is judged.
            table.bad.update((index, f["name"]) for index in range(len(table.rows)))
    if "primaryKey" in schema:
        _check_key(table, schema["primaryKey"])
    return table


def _check_header(sheet: Sheet, schema: dict[str, Any], table: Table) -> dict[str, int]:
    """Match the header with the schema; return the position of every known column.

    A misspelt column is told once, and then read under the name it is closest to, so that its cells are checked too.
    """
    known = [f["name"] for f in schema["fields"]]
    positions: dict[str, int] = {}
    strangers = []
    for at, name in enumerate(sheet.header):
        if name in positions:
            table.findings.append(finding("duplicate_column", sheet.file, 1, name, name))
        elif name in known:
            positions[name] = at
        elif not name.strip():
            table.findings.append(finding("unnamed_column", sheet.file, 1, problem=f"column {at + 1} has no name"))
        else:
            strangers.append((at, name))
    absent = [name for name in known if name not in positions]
    for at, name in strangers:
        exact = _same_letters(name, absent)
        risk = "" if exact else column_risk(name)
        if risk:
            table.findings.append(finding(risk, sheet.file, 1, name))
            continue
        near = exact or nearest(name, absent)
        if near:
            positions[near] = at
            absent.remove(near)
        problem = "column is not part of this table" + ("" if near else f"; its columns: {', '.join(known)}")
        table.findings.append(finding("unknown_column", sheet.file, 1, name, name, problem, suggestion=near))
    for f in schema["fields"]:
        if f["name"] in absent and (f.get("required") or schema.get("allColumns")):
            problem = f"column is missing ({f['description'].rstrip('.')})"
            table.findings.append(finding("missing_column", sheet.file, 1, f["name"], problem=problem))
    return positions


def _note_ragged(table: Table, index: int, line: int, cells: int, width: int, names: Iterable[str]) -> None:
    problem = f"row has {cells} cells, the header has {width}"
    table.findings.append(finding("ragged_row", table.file, line, problem=problem))
    # The cells may stand in wrong columns: nothing more is said about them.
    table.bad.update((index, name) for name in names)


def _check_column(table: Table, spec: dict[str, Any]) -> None:
    """Check every cell of one column; equal values are judged once."""
    name = spec["name"]
    judge = functools.cache(cell_judge(spec))
    for index, row in enumerate(table.rows):
        flaw = judge(row[name])
        if flaw is None or (index, name) in table.bad:
            continue
        value = mask(row[name]) if flaw.masked else row[name]
        table.findings.append(
            finding(
                flaw.code,
                table.file,
                table.lines[index],
                name,
                value,
                flaw.problem,
                suggestion=flaw.suggestion,
            )
        )
        table.bad.add((index, name))


def _check_key(table: Table, key: list[str]) -> None:
    """Every record once."""
    seen: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(table.rows):
        if table.good(index, *key):
            seen.setdefault(tuple(row[k] for k in key), []).append(table.lines[index])
    for values, lines in seen.items():
        if len(lines) > 1:
            problem = f"{' '.join(values)} stands in {row_list(lines)}"
            table.findings.append(
                finding("duplicate_key", table.file, lines[0], key[-1], values[-1], problem, others=lines[1:])
            )


def cell_judge(spec: dict[str, Any]) -> Callable[[str], Flaw | None]:
    """Return the function that judges a cell of a column.

    Parameters
    ----------
    spec
        A field of a schema.

    Returns
    -------
    callable
        Takes the text of a cell; returns None for a legal value.
    """
    required = spec.get("required", False)
    allowed = ["yes", "no"] if spec["type"] == "boolean" else spec.get("enum")
    pattern = re.compile(spec["pattern"], re.ASCII) if "pattern" in spec else None
    numeric = {"integer": _judge_integer, "number": _judge_number}.get(spec["type"])

    def judge(value: str) -> Flaw | None:
        if not value:
            return Flaw("required_empty", f"{spec['name']} is empty") if required else None
        if allowed is not None:
            return None if value in allowed else _judge_listed(value, allowed, spec)
        if numeric is not None:
            return numeric(value, spec)
        if spec.get("format") == "code":
            return _judge_code(value)
        if pattern is not None and pattern.fullmatch(value):
            return None
        return _judge_text(value, spec, pattern)

    return judge


def _judge_common(value: str, *, is_code: bool = False) -> Flaw | None:
    """Name what is wrong in any column: words for missing, stray whitespace, personal data."""
    if value.strip().casefold() in _MISSING:
        return Flaw("missing_token", "a missing value is an empty cell")
    risk = value_risk(value, is_code=is_code)
    if risk:
        return Flaw("personal_value", f"looks like {risk}", masked=True)
    if value != value.strip() or not value.isprintable() or "\ufeff" in value:
        return Flaw("whitespace", "the cell holds leading, trailing or invisible characters", value.strip())
    return None


def _judge_text(value: str, spec: dict[str, Any], pattern: re.Pattern[str] | None) -> Flaw | None:
    flaw = _judge_common(value)
    if flaw is not None or pattern is None:
        return flaw
    wanted = spec["description"].rstrip(".")
    # Names such as SHA-256 keep their capital.
    start = wanted[0] if wanted[1].isupper() else wanted[0].lower()
    return Flaw("bad_pattern", f"should be {start}{wanted[1:]}")


def _judge_listed(value: str, allowed: list[str], spec: dict[str, Any]) -> Flaw:
    if "unitOf" in spec:
        if "%" in value or "percent" in value.casefold():
            return Flaw("unit_percent", f"{spec['unitOf']} in percent; the unit is {allowed[0]}")
        return Flaw("unit_wrong", f"the unit of {spec['unitOf']} is written {allowed[0]}", allowed[0])
    near = _same_letters(value, allowed) or _yes_or_no(value, allowed) or nearest(value, allowed)
    flaw = _judge_common(value)
    if flaw is not None and flaw.code != "whitespace":
        return flaw
    return Flaw("not_allowed", f"not one of: {', '.join(allowed)}", near)


def _judge_code(value: str) -> Flaw | None:
    """Name what happened to a code; it is never mended."""
    if value.isascii() and value.isdigit():
        if len(value) == 9:
            return None
        if len(value) < 9:
            return Flaw("code_leading_zero", f"{len(value)} digits; a spreadsheet may have dropped leading zeros")
        return Flaw("code_too_long", f"{len(value)} digits; a code has nine")
    if _SCIENTIFIC.fullmatch(value):
        return Flaw("code_scientific", "a spreadsheet turned the code into a number and rounded it")
    if re.fullmatch(r"[0-9]+[.,]0*", value):
        return Flaw("code_decimal", "the code was read as a decimal number, probably by a spreadsheet")
    bare = "".join(c for c in value if not c.isspace() and c.isprintable() and c not in ".,-'_/")
    if bare.isdecimal() and not bare.isascii():
        return Flaw("code_non_ascii", "the digits are not the digits 0 to 9 of a Latin keyboard")
    if bare.isdigit() and bare.isascii() and len(bare) == 9:
        return Flaw("code_spaces", "spaces, separators or invisible characters stand in or around the code")
    return _judge_common(value, is_code=True) or Flaw("code_malformed", "a code is nine digits and nothing else")


def _judge_integer(value: str, spec: dict[str, Any]) -> Flaw | None:
    if _INTEGER.fullmatch(value):
        return _judge_range(int(value), spec)
    flaw = _judge_numeric(value, spec)
    if flaw is not None:
        return flaw
    return Flaw("not_integer", "a whole number is written with digits only")


def _judge_number(value: str, spec: dict[str, Any]) -> Flaw | None:
    if _NUMBER.fullmatch(value):
        if spec.get("thousands") and _THOUSANDS.fullmatch(value):
            return _ambiguous(value)
        return _judge_range(float(value), spec)
    return _judge_numeric(value, spec) or Flaw("not_number", "not a plain number")


def _judge_numeric(value: str, spec: dict[str, Any]) -> Flaw | None:
    """Name what is wrong with a cell that should hold a number and does not."""
    if _SCIENTIFIC.fullmatch(value):
        return Flaw("not_number", "scientific notation: a spreadsheet may have rounded it")
    if value.endswith("%"):
        return Flaw("unit_percent", "a percentage stands in a column of counts")
    if value[0] in "<>≤≥~":
        return Flaw("not_number", "beyond the limit of measurement: give the limit as a plain number")
    if _ANY_THOUSANDS.fullmatch(value) and not _NUMBER.fullmatch(value):
        return _ambiguous(value)
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", value):
        return Flaw("decimal_comma", "the decimals follow a comma", value.replace(",", "."))
    return _judge_common(value)


def _ambiguous(value: str) -> Flaw:
    digits = re.sub(r"[^0-9]", "", value)
    return Flaw("ambiguous_separator", f"is this {digits}, or a number with decimals?")


def _judge_range(number: float, spec: dict[str, Any]) -> Flaw | None:
    low, high = spec.get("minimum"), spec.get("maximum")
    above = spec.get("exclusiveMinimum")
    if above is not None and number <= above:
        return Flaw("out_of_range", f"must be greater than {above}")
    if low is not None and number < low:
        return Flaw("out_of_range", f"smaller than {low}")
    if high is not None and number > high:
        return Flaw("out_of_range", f"greater than {high}")
    return None


def nearest(value: str, known: Iterable[str]) -> str:
    """Return the known word closest to `value`, or empty."""
    found = difflib.get_close_matches(value.casefold(), list(known), n=1, cutoff=0.7)
    return found[0] if found else ""


def _same_letters(value: str, known: Iterable[str]) -> str:
    """Return the known word that differs only in case, spaces or punctuation, or empty."""
    letters = re.sub(r"[\W_]", "", value).casefold()
    return next((word for word in known if re.sub(r"[\W_]", "", word).casefold() == letters), "")


def _yes_or_no(value: str, allowed: list[str]) -> str:
    if allowed != ["yes", "no"]:
        return ""
    return {"1": "yes", "y": "yes", "true": "yes", "0": "no", "n": "no", "false": "no"}.get(value.casefold(), "")
