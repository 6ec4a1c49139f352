"""Check a table against its closed schema: header, shape and every cell, all mistakes at once.

Schemas are compact JSON files (``workflow/schemas/<table>.json``). A field has a `name`, a `type` (string, integer,
number, boolean), optionally a `format` (code, path), `required`, `enum`, `pattern`, `minimum`, `exclusiveMinimum`,
`maximum`, `unitOf` (it holds the unit of that column), `thousands` (its values are so large that a separator could be
one of thousands), `layers` (those it belongs to), and a `description` and an `example` for people. A schema may name a
`primaryKey` and ask for `allColumns`; one that says `mayBeEmpty` describes a table that a cohort may have no rows for.
"""

import functools
import json
import operator
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from immunosep.cells import Flaw, judge_typed, judge_values, nearest, same_letters
from immunosep.codes import CODES
from immunosep.findings import Finding, finding, mask, row_list
from immunosep.privacy import column_risk, pattern_risk
from immunosep.sheet import TITLE_LINES, Sheet, column_letters, read_sheet

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "workflow" / "schemas"

Row = dict[str, str]


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
        Row index to the columns whose cell already has a finding; rules across cells leave these rows out, so that one
        mistake gives one message.
    absent
        Columns of the schema that the file lacks.
    findings
        All findings so far; `located` gives them with their places in a workbook.
    header_line
        Line of the header.
    sheet, letters
        Worksheet, and the letter of each column in it; empty for a text table.
    """

    file: str
    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: dict[int, set[str]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    header_line: int = 1
    sheet: str = ""
    letters: dict[str, str] = field(default_factory=dict)

    def located(self) -> list[Finding]:
        """Return the findings with site and layer of their row, and sheet and cell where the table is in a workbook."""
        at = {line: index for index, line in enumerate(self.lines)}
        return [self._locate(f, at.get(f.row)) for f in self.findings]

    def _locate(self, f: Finding, index: int | None) -> Finding:
        def said(column: str) -> str:
            # A cell with a finding is not repeated: it may hold what must not be shown.
            return self.rows[index].get(column, "") if index is not None and self.good(index, column) else ""

        in_workbook = self.sheet and f.row and f.column in self.letters
        cell = f"{self.letters[f.column]}{f.row}" if in_workbook else ""
        return replace(f, sheet=f.sheet or self.sheet, cell=cell, site=said("site"), layer=said("layer"))

    def good(self, index: int, *columns: str) -> bool:
        """Whether none of these cells has a finding."""
        bad = self.bad.get(index)
        return bad is None or bad.isdisjoint(columns)

    def mark(self, index: int, *columns: str) -> None:
        """Note that these cells have a finding."""
        self.bad.setdefault(index, set()).update(columns)

    def add(self, code: str, index: int, column: str, problem: str = "", **more: Any) -> None:
        """Note a finding on one cell and mark the cell as bad."""
        value = self.rows[index].get(column, "")
        self.findings.append(finding(code, self.file, self.lines[index], column, value, problem, **more))
        self.mark(index, column)

    def need(self, index: int, column: str, user: str) -> None:
        """Note an empty cell that `user` cannot do without; where the whole column is absent, that, once."""
        if self.rows[index][column] or not self.good(index, column):
            return
        if column not in self.absent:
            self.add("required_empty", index, column, f"{user} needs {column}")
            return
        problem = f"column is missing ({user} needs it)"
        self.findings.append(finding("missing_column", self.file, self.header_line, column, problem=problem))
        for row in range(len(self.rows)):
            self.mark(row, column)


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """Read the schema of a table; `name` is its file's stem."""
    schema: dict[str, Any] = json.loads((SCHEMA_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def columns_of(name: str) -> list[str]:
    """Column names of a table, in order."""
    return [f["name"] for f in load_schema(name)["fields"]]


def check_file(path: str | Path, schema_name: str) -> Table:
    """Read a table of any legal format and check it against its schema; see `check_table`."""
    return check_table(read_sheet(path, schema_name, columns_of(schema_name)), schema_name)


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
    table = Table(sheet.file, findings=list(sheet.findings), header_line=sheet.header_line, sheet=sheet.name)
    if not sheet.header:
        return table
    if not any(same_letters(name, [f["name"] for f in schema["fields"]]) for name in sheet.header):
        _note_no_header(table, sheet, schema)
        return table
    positions = _check_header(sheet, schema, table)
    if not sheet.rows:
        table.findings.append(finding("table_without_rows" if schema.get("mayBeEmpty") else "no_rows", sheet.file))
    names = [f["name"] for f in schema["fields"]]
    width = len(sheet.header)
    # One empty cell behind the row stands for every column that the file lacks.
    in_order = operator.itemgetter(*(positions.get(name, width) for name in names))
    records = []
    for index, cells in enumerate(sheet.rows):
        whole = cells
        if len(cells) != width:
            _note_ragged(table, sheet, index, names)
            whole = [*cells, *[""] * width][:width]
        records.append(in_order([*whole, ""]))
    table.rows = [dict(zip(names, record, strict=True)) for record in records]
    values = dict(zip(names, map(set, zip(*records, strict=True)), strict=False))
    _note_repeated_header(table, sheet, names)
    table.lines = list(sheet.lines)
    table.absent = set(names) - set(positions)
    if sheet.name:
        _check_types(table, sheet, positions, schema["fields"])
    for f in schema["fields"]:
        if f["name"] in positions:
            _check_column(table, f, values.get(f["name"], set()))
        elif f.get("required"):
            # The missing column is told once; nothing that rests on it is judged.
            for index in range(len(table.rows)):
                table.mark(index, f["name"])
    if "primaryKey" in schema:
        _check_key(table, schema["primaryKey"])
    return table


def _check_header(sheet: Sheet, schema: dict[str, Any], table: Table) -> dict[str, int]:
    """Match the header with the schema; return the position of every known column.

    A misspelt column is told once, and then read under the name it is closest to, so that its cells are checked too.
    """
    known = [f["name"] for f in schema["fields"]]
    line = sheet.header_line
    positions: dict[str, int] = {}
    strangers = []
    for at, name in enumerate(sheet.header):
        if name in positions:
            table.findings.append(finding("duplicate_column", sheet.file, line, name, name))
        elif name in known:
            positions[name] = at
        elif not name.strip():
            place = column_letters(at) if sheet.name else at + 1
            table.findings.append(finding("unnamed_column", sheet.file, line, problem=f"column {place} has no name"))
        else:
            strangers.append((at, name))
    absent = [name for name in known if name not in positions]
    for at, name in strangers:
        exact = same_letters(name, absent)
        risk = "" if exact else column_risk(name)
        said, shown = "" if exact else pattern_risk(name), name
        if said:
            # A date, an address or a number of somebody for a column's name: a table that was turned on its side.
            place = column_letters(at) if sheet.name else at + 1
            risk, shown, said = "personal_column", mask(name), f"the name of column {place} looks like {said}"
        if risk:
            table.findings.append(finding(risk, sheet.file, line, shown, problem=said))
            continue
        near = exact or nearest(name, absent)
        if near:
            positions[near] = at
            absent.remove(near)
        problem = "column is not part of this table" + ("" if near else f"; its columns: {', '.join(known)}")
        table.findings.append(finding("unknown_column", sheet.file, line, name, name, problem, suggestion=near))
    for f in schema["fields"]:
        if f["name"] in absent and (f.get("required") or schema.get("allColumns")):
            problem = f"column is missing ({f['description'].rstrip('.')})"
            table.findings.append(finding("missing_column", sheet.file, line, f["name"], problem=problem))
    return positions


def _note_no_header(table: Table, sheet: Sheet, schema: dict[str, Any]) -> None:
    """Note that the first line names no column, and where names of columns stand; what follows from it is not told."""
    known = columns_of(schema["name"])
    below = zip(sheet.lines[:TITLE_LINES], sheet.rows[:TITLE_LINES], strict=True)
    found = next((line for line, cells in below if any(same_letters(cell, known) for cell in cells if cell)), 0)
    problem = f"the names of the columns stand in line {found}: delete the lines above it" if found else ""
    table.findings = [f for f in table.findings if f.code != "unnamed_column"]
    table.findings.append(finding("no_header", sheet.file, sheet.header_line, problem=problem))


def _note_repeated_header(table: Table, sheet: Sheet, names: Iterable[str]) -> None:
    for index, cells in enumerate(sheet.rows):
        if cells == sheet.header:
            table.findings.append(finding("header_repeated", table.file, sheet.lines[index]))
            table.mark(index, *names)


def _note_ragged(table: Table, sheet: Sheet, index: int, names: Iterable[str]) -> None:
    cells, width = len(sheet.rows[index]), len(sheet.header)
    problem = f"row has {cells} cells, the header has {width}"
    if sheet.separator == "," and cells > width:
        problem += "; a decimal comma, or a comma inside a value, splits a cell in two"
    table.findings.append(finding("ragged_row", table.file, sheet.lines[index], problem=problem))
    # The cells may stand in wrong columns: nothing more is said about them.
    table.mark(index, *names)


def _check_types(table: Table, sheet: Sheet, positions: dict[str, int], fields: Iterable[dict[str, Any]]) -> None:
    """Judge the cells of a worksheet that are not text, and note the letters of the columns."""
    table.letters = {name: column_letters(at) for at, name in reversed(list(enumerate(sheet.header)))}
    table.letters |= {name: column_letters(at) for name, at in positions.items()}
    spec_at = {positions[f["name"]]: f for f in fields if f["name"] in positions}
    for (index, at), typed in sorted(sheet.typed.items()):
        if index < 0:
            value = name = sheet.header[at]
            flaw = judge_typed(typed, value, {"name": name, "type": "string", "enum": ()})
        elif at in spec_at:
            name, value = spec_at[at]["name"], table.rows[index][spec_at[at]["name"]]
            flaw = judge_typed(typed, value, spec_at[at])
        else:
            continue  # A column that is not part of the table is told once, by its name.
        if flaw is None:
            continue
        line = table.header_line if index < 0 else table.lines[index]
        _note_flaw(table, flaw, line, name, value)
        if index >= 0 and CODES[flaw.code].severity == "error":
            table.mark(index, name)


def _note_flaw(table: Table, flaw: Flaw, line: int, column: str, value: str) -> None:
    shown = mask(value) if flaw.masked else value
    table.findings.append(finding(flaw.code, table.file, line, column, shown, flaw.problem, suggestion=flaw.suggestion))


def _check_column(table: Table, spec: dict[str, Any], values: Collection[str]) -> None:
    """Check every cell of one column; `values`, each of which is judged once, are those that stand in it."""
    name = spec["name"]
    flawed = judge_values(spec, values)
    if not flawed:
        return
    for index, row in enumerate(table.rows):
        flaw = flawed.get(row[name])
        if flaw is None or not table.good(index, name):
            continue
        _note_flaw(table, flaw, table.lines[index], name, row[name])
        table.mark(index, name)


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
