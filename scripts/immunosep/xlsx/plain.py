"""Parts of a workbook in the form in which nearly all of them are written, read without an XML parser.

An XML parser tells of a cell in five steps, which for the third of a million cells of a whole trial's manifest takes
longer than all checks of them. Spreadsheet programs write a cell in one of few ways, and a text in one. What is made of
these alone is recognised and read here as a whole; everything else goes to the parser, and where a part holds a comment
or the like, all that follows does, so that what is read never depends on which of the two read it.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

_Piece = TypeVar("_Piece")

# Printable ASCII means itself in any encoding that a workbook is written in. Without '<' and '&', which begin something
# else; within quotation marks without those; between tags without ']', because ']]>' is not allowed there.
_VALUE = r"[ !#-%'-;=-~]*+"
_TEXT = r"[ -%'-;=-\\^-~]*+"
_T = r'<t(?: xml:space="preserve")?>'
_CELL = (
    r'<c r="([A-Z]{1,3})[0-9]{1,7}"(?: s="([0-9]{1,6})")?(?: t="([a-z]{1,3}|inlineStr)")?'
    rf"(?:/>|></c>|><v>({_TEXT})</v></c>|><is>{_T}({_TEXT})</t></is></c>)"
)
_ROW = re.compile(
    r'<row r="([0-9]{1,7})"'
    rf'(?: (?!hidden="[1t])[A-Za-z0-9:]{{1,30}}="{_VALUE}")*+'
    rf">((?:{re.sub(r'[(](?![?])', '(?:', _CELL)})*+)</row>"
)
_CELLS = re.compile(_CELL)
_SHARED = re.compile(r'<c r="([A-Z]{1,3})[0-9]{1,7}"(?: s="[0-9]{1,6}")? t="s"><v>([0-9]{1,9})</v></c>')
# Longer than any row of a table that is meant.
_LONGEST_REST = 1 << 20
_ITEMS = re.compile(rf"(?:<si>{_T}{_TEXT}</t></si>)++")
_ITEM = re.compile(rf"<si>{_T}({_TEXT})</t></si>")


class PlainRow(NamedTuple):
    """A row read as a whole.

    Attributes
    ----------
    line
        Number of the row.
    shared
        Letters of the column and number of the text in the workbook's table of texts, if all cells have such.
    cells
        Else letters, style, type, value and inline text of each cell, as written.
    """

    line: int
    shared: list[tuple[str, str]]
    cells: list[tuple[str, str, str, str, str]]


def split_rows(blocks: Iterator[bytes]) -> Iterator[bytes | PlainRow]:
    """Part a worksheet into plain rows and what a parser has to read.

    Parameters
    ----------
    blocks
        The worksheet's XML, block by block.

    Yields
    ------
    bytes or PlainRow
        In the worksheet's order. The bytes alone are a worksheet again, without the plain rows.
    """
    return _split(blocks, b"<row ", b"</row>", _ROW, _plain_row)


def split_texts(blocks: Iterator[bytes]) -> Iterator[bytes | list[str]]:
    """Part a workbook's table of texts into plain ones and what a parser has to read; see `split_rows`."""
    return _split(blocks, b"<si>", b"</si>", _ITEMS, _plain_texts)


def _plain_row(row: re.Match[str]) -> PlainRow:
    start, end = row.span(2)
    shared = _SHARED.findall(row.string, start, end)
    # As many as there are cells: none is of another form.
    if len(shared) == row.string.count("<c ", start, end):
        return PlainRow(int(row[1]), shared, [])
    return PlainRow(int(row[1]), [], _CELLS.findall(row.string, start, end))


def _plain_texts(items: re.Match[str]) -> list[str]:
    return _ITEM.findall(items.string, *items.span())


def _split(
    blocks: Iterator[bytes],
    opening: bytes,
    closing: bytes,
    plain: re.Pattern[str],
    read: Callable[[re.Match[str]], _Piece],
) -> Iterator[bytes | _Piece]:
    """Part XML into what a pattern reads, from an opening tag on, and the rest."""
    for data, readable in _whole(blocks, closing):
        passed = 0
        if readable:
            text = data.decode("latin-1")  # One character for each byte, so that places are the same in both.
            at = data.find(opening)
            while at >= 0:
                found = plain.match(text, at)
                if found is not None:
                    if at > passed:
                        yield data[passed:at]
                    yield read(found)
                    passed = found.end()
                at = data.find(opening, max(passed, at + 1))
        yield data[passed:]


def _whole(blocks: Iterator[bytes], closing: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield XML in pieces, and whether something may be read without a parser there.

    A piece ends behind a closing tag, or at least behind some tag: a parser that is given half of a tag may keep it for
    later, and rows would come out of order.
    """
    rest = b""
    for number, block in enumerate(blocks):
        data = rest + block
        declared = data.find(b"?>") + 2 if number == 0 and data.startswith(b"<?xml ") else 0
        end = data.rfind(closing) + len(closing)
        if end < len(closing):
            end = data.rfind(b">") + 1
        rest = data[end:]
        # Behind a comment's beginning, what looks like a row may be none.
        unusual = data.find(b"<!", declared) >= 0 or data.find(b"<?", declared) >= 0
        if unusual or len(rest) > _LONGEST_REST:
            yield data, False
            yield from ((more, False) for more in blocks)
            return
        yield data[:end], True
    yield rest, False
