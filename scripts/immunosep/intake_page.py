"""The intake report: one self-contained HTML page for people who know a spreadsheet, readable from a file URL.

The page asks nothing of a network and runs no script but its own. All rows stand in it as data; the first of each list
also stand in the text, so that the page says what matters where no script runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import groupby

from immunosep.codes import CODES
from immunosep.findings import SEVERITIES, Finding, count, in_order, ranges
from immunosep.html_page import (
    FIRST_ROWS,
    Column,
    RowList,
    bullets,
    first_rows,
    frame,
    pack_rows,
    row_list_of,
    section,
    table,
)
from immunosep.intake_page_assets import SCRIPT, STYLE

# A menu of more entries than this helps nobody; the search box does.
_LONGEST_MENU = 200

_SHOWN_AS = {"error": ("Error", "Errors"), "warning": ("Warning", "Warnings"), "info": ("Note", "Notes")}
_COUNTED = (
    "Samples, participants and controls came in. Left out: rows of the manifest without data or without consent. "
    "Missing: visits of the schedule, of participants still alive, without a sample; completeness.tsv lists them. "
    "Controls of the microbiome belong to no body site and stand in a line of their own."
)
_LEFT_OUT = (
    "Libraries of the manifest that are not analysed, with the reason that the manifest gives, or the state of consent."
)
_NO_SCRIPT = (
    f"The first {FIRST_ROWS} rows of each kind are shown. With JavaScript switched on, this page shows all of them and "
    "can search them; it still needs no network."
)
_CLOSING = (
    "This page can hold codes of participants: keep it with the tables that it is about, and publish neither. Nothing "
    "in it was sent anywhere, and your files were not changed."
)

_COLUMNS: tuple[tuple[Column, Callable[[Finding], str]], ...] = (
    (Column("file", "File"), lambda f: f.file),
    (Column("sheet", "Sheet"), lambda f: f.sheet),
    (Column("row", "Row", "number"), lambda f: str(f.row or "")),
    (Column("cell", "Cell"), lambda f: f.cell),
    (Column("column", "Column"), lambda f: f.column),
    (Column("site", "Site"), lambda f: f.site),
    (Column("layer", "Layer"), lambda f: f.layer),
    (Column("value", "Value", code=True), lambda f: f.value),
    (Column("problem", "What is wrong"), lambda f: f.problem),
    (Column("suggestion", "Did you mean", code=True), lambda f: f.suggestion),
    (Column("others", "Other rows"), lambda f: ranges(f.others)),
    (Column("fix", "How to mend"), lambda f: "" if f.fix == CODES[f.code].fix else f.fix),
)
# Columns that get a menu above the findings, where there is something to choose.
_MENUS = ("file", "sheet", "column", "site", "layer")


def render_page(
    findings: Iterable[Finding],
    summary: Mapping[str, Mapping[str, int]],
    rejected: Sequence[Mapping[str, str]],
    *,
    unchecked: Sequence[str] = (),
) -> str:
    """Render the report.

    Parameters
    ----------
    findings
        All findings. Their values are safe to print: personal data is masked before it gets here.
    summary
        Layer to counts; empty where nothing was counted.
    rejected
        Rows of the table of what was left out.
    unchecked
        What was not checked, and why: one sentence each.

    Returns
    -------
    str
        HTML page; every value is escaped. The same findings in any order give the same page.
    """
    ordered = in_order(findings)
    position = {code: i for i, code in enumerate(CODES)}
    # Within a severity the order of the codes: a mistake of the whole file stands before those of its cells.
    ordered.sort(key=lambda f: (SEVERITIES.index(f.severity), position[f.code]))
    kinds = {code: _list_of_kind(code, list(group)) for code, group in groupby(ordered, key=lambda f: f.code)}
    left_out = _left_out(rejected) if rejected else None
    lists = [*kinds.values(), left_out] if left_out else list(kinds.values())
    data, positions = pack_rows(lists, [column for column, _ in _COLUMNS])
    parts = [
        _verdict(count(ordered)),
        section("What was not checked", "unchecked", bullets(map(_capital, unchecked))) if unchecked else "",
        section("Findings", "findings", _findings(kinds, ordered, positions)) if kinds else "",
        section("Libraries of each layer", "libraries", _libraries(summary)) if summary else "",
        section("Left out", "rejected", _rejected(left_out)) if summary or left_out else "",
        f"<footer>{_CLOSING}</footer>",
    ]
    return frame("Intake report", "\n".join(filter(None, parts)), style=STYLE, script=SCRIPT, data=data)


# ------------------------------------------------------------------------------------------------------ the verdict


def _verdict(counted: Mapping[str, int]) -> str:
    """Say in one glance how the tables are."""
    numbers = [_numbered(counted[severity], *_SHOWN_AS[severity]) for severity in SEVERITIES if counted[severity]]
    if counted["error"]:
        state, title = "error", f"{numbers[0]} to mend"
        text = (
            "The tables cannot be taken in yet. Mend the errors in your own files, save them, and check again. Begin "
            "at the top: a mistake in a file or a whole column often causes others further down."
        )
        text += f" There are also {' and '.join(numbers[1:])}." if numbers[1:] else ""
    elif counted["warning"]:
        state, title = "warning", f"No errors, {' and '.join(numbers)}"
        text = "The tables can be taken in. Read the warnings first: each may be right as it is, or a mistake."
    else:
        state, title = "good", "No mistakes found"
        text = "Everything that was checked is as it should be. There is nothing to mend."
        text += f" {numbers[0]} below {_needs(counted['info'])} no action." if numbers else ""
    return (
        '<p class="about">ImmunoSep: check of the input tables</p>\n'
        f'<header class="verdict {state}"><span class="icon" aria-hidden="true"></span>'
        f"<div><h1>{title}</h1><p>{text}</p></div></header>"
    )


def _needs(number: int) -> str:
    return "needs" if number == 1 else "need"


def _numbered(number: int, one: str, many: str) -> str:
    return f"{number:,} {(one if number == 1 else many).lower()}"


# ------------------------------------------------------------------------------------------------------ the findings


def _list_of_kind(code: str, group: Sequence[Finding]) -> RowList:
    """List the findings of one code; columns that would be empty are left out, and so is a problem that repeats."""
    said = {"", CODES[code].title}
    filled = [(column, [text(f) for f in group]) for column, text in _COLUMNS]
    return row_list_of(
        f"kind-{code}",
        [
            (column, cells)
            for column, cells in filled
            if column.name == "file" or set(cells) - (said if column.name == "problem" else {""})
        ],
    )


def _findings(kinds: Mapping[str, RowList], ordered: Sequence[Finding], positions: Mapping[str, int]) -> str:
    parts = [_kind(code, item) for code, item in kinds.items()]
    if len(kinds) > 1:
        parts.insert(0, _contents(kinds))
    if len(ordered) > FIRST_ROWS:
        parts.insert(0, _filters(ordered, positions))
    if any(len(item.rows) > FIRST_ROWS for item in kinds.values()):
        parts.insert(0, f"<noscript><p>{_NO_SCRIPT}</p></noscript>")
    parts.append('<textarea id="to-copy" aria-label="Text to copy" readonly hidden></textarea>')
    return "\n".join(parts)


def _contents(kinds: Mapping[str, RowList]) -> str:
    entries = "\n".join(
        f'<li>{_badge(CODES[code].severity)}<a href="#{item.name}">{escape(_capital(CODES[code].title))}</a>'
        f'<span class="tally">{len(item.rows):,}</span></li>'
        for code, item in kinds.items()
    )
    return f'<nav aria-label="Kinds of findings"><ul class="kinds">\n{entries}\n</ul></nav>'


def _filters(ordered: Sequence[Finding], positions: Mapping[str, int]) -> str:
    counted = count(ordered)
    boxes = "".join(
        f'<label><input type="checkbox" name="severity" value="{severity}" checked>{_badge(severity, many=True)}'
        f'<span data-count="{severity}">{counted[severity]:,}</span></label>'
        for severity in SEVERITIES
        if counted[severity]
    )
    menus = "".join(
        _menu(column, {text(f) for f in ordered}, positions) for column, text in _COLUMNS if column.name in _MENUS
    )
    return (
        '<form id="filters" class="live-only" role="search" aria-label="Filter the findings" autocomplete="off">\n'
        '<label class="field search">Search in the rows<input type="search" name="text" spellcheck="false" '
        f'autocapitalize="off"></label>\n{menus}\n'
        f"<fieldset><legend>Show</legend>{boxes}</fieldset>\n"
        f'<div class="result"><p id="found" role="status">All {len(ordered):,} findings.</p>'
        '<button type="reset">Clear filters</button>'
        '<button type="button" id="copy">Copy as text</button>'
        '<button type="button" id="save" class="main">Save as table (CSV)</button>'
        '<p id="said" role="status"></p></div>\n'
        '<p id="nothing" hidden>No row matches these filters.</p>\n</form>'
    )


def _menu(column: Column, values: set[str], positions: Mapping[str, int]) -> str:
    """Offer the values of a column; nothing where there is no choice, or too much of it."""
    offered = sorted(values - {""})
    if not 1 < len(offered) <= _LONGEST_MENU:
        return ""
    options = "".join(f'<option value="{positions[value]}">{escape(value)}</option>' for value in offered)
    return (
        f'<label class="field">{column.label}<select name="{column.name}"><option value="">All</option>{options}'
        "</select></label>"
    )


def _kind(code: str, item: RowList) -> str:
    documented = CODES[code]
    title = escape(_capital(documented.title))
    return (
        f'<section class="kind" id="{item.name}" data-severity="{documented.severity}" data-title="{title}">'
        f"<details open><summary>{_badge(documented.severity)}<h3>{title}</h3> "
        f'<span class="tally">{len(item.rows):,}</span></summary>\n<div class="inside">'
        f"<p>{escape(documented.why)}</p>"
        f'<p class="mend"><strong>How to mend:</strong> {escape(documented.fix)}</p>\n{first_rows(item, copied=True)}'
        f'<p class="about">Code of this kind: <code>{code}</code></p>'
        "</div></details></section>"
    )


def _badge(severity: str, *, many: bool = False) -> str:
    """Name a severity by word, shape and colour."""
    word = _SHOWN_AS[severity][many]
    return f'<span class="badge {severity}"><span class="icon" aria-hidden="true"></span>{word}</span>'


# ---------------------------------------------------------------------------------------------------- the libraries


def _libraries(summary: Mapping[str, Mapping[str, int]]) -> str:
    counts = next(iter(summary.values()))
    columns = [Column("layer", "Layer"), *(Column(name, _spaced(name), "number") for name in counts)]
    rows = [[name.replace("_", " "), *(f"{number:,}" for number in row.values())] for name, row in summary.items()]
    return f"<p>{_COUNTED}</p>\n{table(columns, rows, 'counts')}"


def _left_out(rejected: Sequence[Mapping[str, str]]) -> RowList:
    return row_list_of(
        "left-out", [(Column(name, _spaced(name)), [row[name] for row in rejected]) for name in rejected[0]]
    )


def _rejected(item: RowList | None) -> str:
    if item is None:
        return "<p>Nothing.</p>"
    return f'<div id="{item.name}"><p>{_LEFT_OUT}</p>\n{first_rows(item)}</div>'


def _spaced(name: str) -> str:
    return _capital(name.replace("_", " "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
