"""What a check says: findings, their codes, and how they read on a terminal and in JSON.

Every code is documented once, in `CODES`; messages, ``immunosep explain`` and the guide for labs come from there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from immunosep.codes import CODES

SEVERITIES = ("error", "warning", "info")
_LONGEST_VALUE = 60
_ROWS_IN_TEXT = 12
# Ranges of rows written into one line for a terminal; reports have every row.
_SPANS = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a user should know about an input table.

    Attributes
    ----------
    code
        Key of `CODES`.
    file, row, column
        Place; `row` is the line of the file (the header is line 1), 0 where the finding is about the whole file.
    value
        What stands there, safe to print; personal data is masked.
    problem, fix
        What is wrong and how to mend it.
    suggestion
        The nearest legal value, or empty.
    others
        Further rows that take part (the other uses of a file, the other lanes of a library).
    sheet, cell
        Worksheet and address (``B7``) where the table is one of a workbook; else empty.
    site, layer
        What the row says of itself, where the table has these columns and nothing is wrong with the cells.
    """

    code: str
    file: str
    row: int
    column: str
    value: str
    problem: str
    fix: str = ""
    suggestion: str = ""
    others: tuple[int, ...] = ()
    sheet: str = ""
    cell: str = ""
    site: str = ""
    layer: str = ""

    @property
    def severity(self) -> str:
        """``error``, ``warning`` or ``info``; a property of the code."""
        return CODES[self.code].severity


def finding(
    code: str,
    file: str,
    row: int = 0,
    column: str = "",
    value: str = "",
    problem: str = "",
    *,
    fix: str = "",
    suggestion: str = "",
    others: Iterable[int] = (),
    sheet: str = "",
) -> Finding:
    """Make a finding; `problem` and `fix` default to the texts of the code, and no text can act on a terminal."""
    documented = CODES[code]
    return Finding(
        code,
        _visible(file),
        row,
        printable(column),
        printable(value),
        _visible(problem) or documented.title,
        _visible(fix) or documented.fix,
        _visible(suggestion),
        tuple(others),
        _visible(sheet),
    )


def printable(value: str) -> str:
    """Return `value` short and without characters that could act on a terminal."""
    text = _visible(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _visible(text: str) -> str:
    """Write characters that act instead of showing as their escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def mask(value: str) -> str:
    """Return what of a personal value may be shown: its first character and its length."""
    return f"{printable(value[:1])}… ({len(value)} characters, masked)"


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings: errors first, then by code, file, row, column."""
    rank = {severity: i for i, severity in enumerate(SEVERITIES)}
    return sorted(findings, key=lambda f: (rank[f.severity], f.code, f.file, f.row, f.column, f.value))


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Count the findings of each severity."""
    counted = Counter(f.severity for f in findings)
    return {severity: counted[severity] for severity in SEVERITIES}


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that must be mended before anything runs."""
    return [f for f in findings if f.severity == "error"]


def exit_code(findings: Iterable[Finding]) -> int:
    """0: clean; 1: warnings only; 2: errors."""
    counted = count(findings)
    if counted["error"]:
        return 2
    return 1 if counted["warning"] else 0


def as_text(findings: Iterable[Finding], *, shown: int | None = 20) -> str:
    """Write findings for a person: one block per kind, with every row listed.

    Parameters
    ----------
    findings
        In any order.
    shown
        Different findings of one kind that are written out; of the rest only the rows are named. None writes out all.
    """
    ordered = in_order(findings)
    blocks = ["\n".join(_block(code, group, shown)) for code, group in _groups(ordered)]
    counted = count(ordered)
    blocks.append(
        "{error} error(s), {warning} warning(s), {info} note(s).".format(**counted) if ordered else "No mistakes found."
    )
    return "\n\n".join(blocks)


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """Write findings for programs: counts, and each finding with its severity."""
    ordered = in_order(findings)
    return {"counts": count(ordered), "findings": [{"severity": f.severity, **asdict(f)} for f in ordered]}


def _groups(ordered: list[Finding]) -> list[tuple[str, list[Finding]]]:
    groups: dict[str, list[Finding]] = {}
    for item in ordered:
        groups.setdefault(item.code, []).append(item)
    return list(groups.items())


def _block(code: str, group: list[Finding], shown: int | None) -> Iterator[str]:
    """Write the lines of one kind; what is said in the same words of many rows is said once."""
    documented = CODES[code]
    yield f"{documented.severity.upper()} {code}: {documented.title} ({len(group)})"
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for item in group:
        words = (item.file, item.sheet, item.column, item.value, item.problem, item.suggestion)
        alike.setdefault(words, []).append(item)
    said = list(alike.values())[:shown]
    for items in said:
        first = items[0]
        value = f' "{first.value}"' if first.value else ""
        hint = f' Did you mean "{first.suggestion}"?' if first.suggestion else ""
        stop = "" if first.problem.endswith((".", "?")) else "."
        yield f"  {_place(items)}:{value} {first.problem}{stop}{hint}"
    rest = [item for items in list(alike.values())[len(said) :] for item in items]
    for file, sheet in sorted({(item.file, item.sheet) for item in rest}):
        rows = [item.row for item in rest if (item.file, item.sheet) == (file, sheet)]
        yield f"  and {len(rows)} more in {_table(file, sheet)}{_lines(rows, bool(sheet))}"
    for fix in dict.fromkeys(item.fix for items in said for item in items):
        yield f"  To mend: {fix}"


def _place(items: list[Finding]) -> str:
    """Say where the same stands: file, lines or cells, column."""
    first = items[0]
    if first.cell:
        cells = ranges((item.row for item in items), first.cell.rstrip("0123456789"), most=_SPANS)
        return f"{_table(first.file, first.sheet)}, {cells} ({first.column})"
    column = f", {first.column}" if first.column else ""
    return f"{_table(first.file, first.sheet)}{_lines((i.row for i in items), bool(first.sheet))}{column}"


def _table(file: str, sheet: str) -> str:
    return f"{file}, sheet {sheet}" if sheet else file


def _lines(rows: Iterable[int], is_sheet: bool) -> str:
    numbers = {row for row in rows if row}
    if not numbers:
        return ""
    noun = ("row" if is_sheet else "line") + ("s" if len(numbers) > 1 else "")
    return f", {noun} {ranges(numbers, most=_SPANS)}"


def ranges(rows: Iterable[int], letters: str = "", *, most: int | None = None) -> str:
    """Write rows, neighbours as a range: ``3, 5-9``; with a column's letters ``B3, B5-B9``.

    Parameters
    ----------
    rows
        Numbers, in any order.
    letters
        Written before each number.
    most
        Ranges that are written out; of the rest only the number of rows.
    """
    spans: list[list[int]] = []
    for row in sorted(set(rows)):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    words = [f"{letters}{low}-{letters}{high}" if high > low else f"{letters}{low}" for low, high in spans[:most]]
    left = sum(high - low + 1 for low, high in spans[len(words) :])
    return ", ".join(words) + (f" and {left} more" if left else "")


def row_list(rows: Iterable[int]) -> str:
    """Write rows as text: ``lines 3, 9 and 12``; long lists are cut."""
    ordered = sorted(rows)
    if len(ordered) == 1:
        return f"line {ordered[0]}"
    if len(ordered) > _ROWS_IN_TEXT:
        return f"lines {', '.join(map(str, ordered[:_ROWS_IN_TEXT]))} and {len(ordered) - _ROWS_IN_TEXT} more"
    return f"lines {', '.join(map(str, ordered[:-1]))} and {ordered[-1]}"
