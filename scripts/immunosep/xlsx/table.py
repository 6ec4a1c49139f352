"""Find the table in a workbook and read it into a `Sheet`; whatever is wrong with the file becomes findings."""

import io
import re
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from xml.parsers import expat

from immunosep.cells import same_letters
from immunosep.findings import finding, mask, ranges
from immunosep.privacy import pattern_risk
from immunosep.sheet import Sheet, Typed, column_letters, column_number, fill
from immunosep.xlsx.workbook import MOST_ITEMS, Book, BrokenWorkbook, Place, open_book
from immunosep.xlsx.worksheet import Worksheet

_ADDRESS = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def parse_workbook(data: bytes, sheet: Sheet, wanted: str, columns: Collection[str]) -> None:
    """Read the sheet of a workbook that holds a table.

    Parameters
    ----------
    data
        Bytes of the file.
    sheet
        Filled in place; anything wrong becomes one of its findings.
    wanted
        Name of the sheet that is taken if there is one.
    columns
        Column names; else the first visible sheet whose first row names one of them is taken.
    """
    if not data.startswith(b"PK"):
        locked = "EncryptedPackage".encode("utf-16-le") in data
        kind = "a workbook locked with a password" if locked else "an .xls file"
        sheet.findings.append(finding("not_text", sheet.file, problem=f"file is {kind}"))
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            book = open_book(archive)
            chosen = _choose(book, sheet, wanted, columns)
            sheet.name = _shown(chosen)
            _read_cells(book, chosen, sheet)
    except BrokenWorkbook as error:
        sheet.findings.append(finding("not_text", sheet.file, problem=str(error)))
    except (expat.ExpatError, LookupError, ValueError, UnicodeError) as error:
        _broken(sheet, f"its XML is broken ({error})")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        _broken(sheet, f"the archive is broken or locked ({error})")


def _broken(sheet: Sheet, reason: str) -> None:
    # What was read before the break is not told as if it were the table.
    sheet.header, sheet.rows, sheet.lines, sheet.typed = [], [], [], {}
    sheet.findings.append(finding("not_text", sheet.file, problem=f"workbook cannot be read: {reason}"))


def _choose(book: Book, sheet: Sheet, wanted: str, columns: Collection[str]) -> Place:
    """Choose the worksheet that holds the table, and tell which where there is more than one."""
    named = [place for place in book.places if place.name.strip().casefold() == wanted]
    visible = [place for place in book.places if not place.hidden]
    if named:
        chosen = named[0]
    elif len(visible) < 2:
        chosen = (visible or book.places)[0]
    else:
        chosen = next((place for place in visible if _has_header(book, place, columns)), visible[0])
    if len(book.places) > 1:
        others = ", ".join(
            f"'{_shown(place)}'" + (" (hidden)" if place.hidden else "") for place in book.places if place is not chosen
        )
        problem = f"sheet '{_shown(chosen)}' was read" + (", which is hidden" if chosen.hidden else "")
        problem += f"; not {others}"
        sheet.findings.append(finding("sheet_chosen", sheet.file, problem=problem, sheet=_shown(chosen)))
    return chosen


def _shown(place: Place) -> str:
    """Name of a worksheet as it may be printed: people write dates and names there too."""
    return mask(place.name) if pattern_risk(place.name) else place.name


def _has_header(book: Book, place: Place, columns: Collection[str]) -> bool:
    first = next((cells for _, cells, _ in Worksheet(book, place) if any(cells.values())), {})
    return any(same_letters(name, columns) for name in first.values())


def _read_cells(book: Book, place: Place, sheet: Sheet) -> None:
    """Fill the sheet from a worksheet."""
    worksheet = Worksheet(book, place)
    far: list[int] = []
    width = 0
    typed_rows: list[dict[int, Typed]] = []

    def records() -> Iterator[tuple[int, list[str]]]:
        nonlocal width
        for line, cells, typed in worksheet:
            if not width:
                if not any(text.strip() for text in cells.values()):
                    continue
                width = max(at for at, text in cells.items() if text.strip()) + 1
            record = [""] * width
            try:
                for at, text in cells.items():
                    record[at] = text
            except IndexError:
                far.append(line)
                record = [cells.get(at, "") for at in range(width)]
            if any(record):
                typed_rows.append(typed)
            yield line, record

    fill(sheet, records())
    sheet.typed = {
        (index, at): found
        for index, typed in enumerate(typed_rows, start=-1)
        for at, found in typed.items()
        if at < width
    }
    if far:
        problem = f"values to the right of the last named column, in row {ranges(far)}"
        sheet.findings.append(finding("unnamed_column", sheet.file, far[0], problem=problem, others=far[1:]))
    _note_merged(worksheet.merged, sheet)
    _note_hidden(worksheet, sheet)


def _note_hidden(worksheet: Worksheet, sheet: Sheet) -> None:
    last = sheet.lines[-1] if sheet.lines else sheet.header_line
    rows = [line for line in worksheet.hidden_rows if sheet.header_line <= line <= last]
    if rows:
        problem = f"hidden and read all the same: row {ranges(rows)}"
        sheet.findings.append(finding("hidden_cells", sheet.file, rows[0], problem=problem, others=rows[1:]))
    letters = [column_letters(at) for at in worksheet.hidden_columns if at < len(sheet.header)]
    if letters:
        problem = f"hidden and read all the same: column {', '.join(letters)}"
        sheet.findings.append(finding("hidden_cells", sheet.file, problem=problem))


def _note_merged(merged: list[str], sheet: Sheet) -> None:
    """Mark the cells of merged ranges; a range may span the whole sheet, so it is cut to the table."""
    index_of = {line: index for index, line in enumerate([sheet.header_line, *sheet.lines], start=-1)}
    lines = sorted(index_of)
    marked = 0
    for text in merged:
        corners = [_ADDRESS.fullmatch(corner) for corner in text.split(":")]
        if len(corners) != 2 or corners[0] is None or corners[1] is None:
            continue
        columns = range(column_number(corners[0][1]), min(column_number(corners[1][1]) + 1, len(sheet.header)))
        # A title across the rows above the table is no part of it.
        rows = lines[bisect_left(lines, int(corners[0][2])) : bisect_right(lines, int(corners[1][2]))]
        marked += len(rows) * len(columns)
        if marked > MOST_ITEMS:
            raise BrokenWorkbook("workbook cannot be read: it merges the same cells again and again")
        sheet.typed.update({(index_of[line], at): Typed("merged", text) for line in rows for at in columns})
