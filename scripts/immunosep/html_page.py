"""Parts of a self-contained HTML page: its frame, tables, and lists of any length whose rows a script draws on demand.

Nothing here asks a network for anything: the page's policy allows its own style and script by their hashes, and no
other source. All text is escaped, for it comes from strangers.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

# Rows of a list that stand in the text of the page; the script draws the others when they are asked for.
FIRST_ROWS = 10
# Longer values may be broken anywhere, shorter ones only between words.
_LONGEST_WORD = 32


class Column(NamedTuple):
    """One column of a table: its name, its heading, how it is set (``number``, ``long``, or short text), if as code."""

    name: str
    label: str
    kind: str = ""
    code: bool = False


class RowList(NamedTuple):
    """A table whose rows can be many; `name` is the id of the element that holds it."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def row_list_of(name: str, filled: Iterable[tuple[Column, Sequence[str]]]) -> RowList:
    """Put columns together, each with its cells."""
    columns, cells = zip(*filled, strict=True)
    return RowList(name, [_fitted(*pair) for pair in zip(columns, cells, strict=True)], list(zip(*cells, strict=True)))


def _fitted(column: Column, cells: Sequence[str]) -> Column:
    is_long = not column.kind and max(map(len, cells), default=0) > _LONGEST_WORD
    return column._replace(kind="long") if is_long else column


def pack_rows(lists: Iterable[RowList], columns: Iterable[Column]) -> tuple[str, dict[str, int]]:
    """Write the rows of all lists as JSON that may stand inside a script element.

    Parameters
    ----------
    lists
        Lists of the page.
    columns
        Every column that may occur, in the order of a table of all rows.

    Returns
    -------
    str
        JSON without ``<``, ``>`` and ``&``: each distinct text once, and the cells as positions among these.
    dict
        The position of each text.
    """
    positions: dict[str, int] = {}
    rows = [
        {"id": item.name, "rows": [[positions.setdefault(cell, len(positions)) for cell in row] for row in item.rows]}
        for item in lists
    ]
    packed = {"columns": [(c.name, c.label) for c in columns], "lists": rows, "strings": list(positions)}
    text = json.dumps(packed, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text, positions


def frame(title: str, body: str, *, style: str, script: str, data: str) -> str:
    """Put a page together.

    Parameters
    ----------
    title, body
        Title as text, body as HTML.
    style, script
        CSS and JavaScript of the page, allowed by their hashes.
    data
        JSON for the script, from `pack_rows`.

    Returns
    -------
    str
        HTML that can be written as UTF-8: what UTF-8 cannot say (names of files need not be text) is written out.
    """
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the report</a>\n'
        f'<main id="main" tabindex="-1">\n{body}\n</main>\n'
        f'<script type="application/json" id="rows">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def _hash(text: str) -> str:
    """Hash a script or style as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def section(title: str, name: str, content: str) -> str:
    """Write a section with its heading."""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>\n{content}\n</section>'


def bullets(sentences: Iterable[str]) -> str:
    """Write sentences as a list."""
    return "<ul>\n" + "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "\n</ul>"


def first_rows(item: RowList, *, copied: bool = False) -> str:
    """Write the first rows of a list, how many there are, and the buttons that the script serves."""
    shown = min(FIRST_ROWS, len(item.rows))
    button = '<button type="button" class="{} live-only"{}>{}</button>'
    buttons = button.format("more", " hidden", "Show more")
    if copied:
        buttons += button.format("copy", "", "Copy these as text")
    hidden = "" if len(item.rows) > shown else " hidden"
    return (
        f"{table(item.columns, item.rows[:shown])}\n"
        f'<div class="foot"><p role="status"{hidden}>{shown:,} of {len(item.rows):,} rows shown.</p>{buttons}</div>'
    )


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], name: str = "rows") -> str:
    """Write a table of class `name`; on a phone its rows are cards, which the roles keep rows for screen readers."""
    head = "".join(
        f'<th scope="col" role="columnheader" class="{column.kind}" data-column="{escape(column.name)}"'
        f"{' data-code' if column.code else ''}>{escape(column.label)}</th>"
        for column in columns
    )
    body = "\n".join('<tr role="row">' + "".join(map(_cell, columns, row)) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table role="table" class="{name}">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}\n</tbody></table></div>'
    )


def _cell(column: Column, text: str) -> str:
    shown = f"<code>{escape(text)}</code>" if column.code and text else escape(text)
    return f'<td role="cell" class="{column.kind}" data-label="{escape(column.label)}">{shown}</td>'
