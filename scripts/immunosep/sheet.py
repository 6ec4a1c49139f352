"""Read a table as text, with the place of every row; what is wrong with the file becomes findings.

Text tables (tabs, commas or semicolons; UTF-8 or UTF-16) are read here, workbooks in `xlsx`. Standard library only:
the check must start at once and run where nothing else is installed.
"""

import codecs
import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from immunosep.findings import Finding, finding, row_list

# Endings under which a table is looked for; the content decides how it is read.
ENDINGS = (".tsv", ".csv", ".txt", ".xlsx", ".xlsm")
_SEPARATORS = ("\t", ";", ",")
_OTHER_SEPARATORS = {"|": "'|'", " ": "spaces"}
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
# How files begin that people take for tables.
_NOT_TEXT = {
    b"\x1f\x8b": "packed by gzip",
    b"BZh": "packed by bzip2",
    b"7z\xbc\xaf": "packed by 7-Zip",
    b"%PDF": "a PDF document",
    b"{\\rtf": "an RTF document",
    b"<htm": "a web page",
    b"<!DOC": "a web page",
    b"<?xml": "an XML document (Excel 2003 writes such tables)",
}
# A cell of the largest legal size is a path; the csv module's own limit (131072) would raise.
csv.field_size_limit(2**31 - 1)


# Titles above the header take a few lines.
TITLE_LINES = 20


class Typed(NamedTuple):
    """A workbook's cell that does not hold plain text.

    Attributes
    ----------
    kind
        ``number``, ``date``, ``boolean``, ``formula`` or ``merged``.
    detail
        Number format of a date, range of merged cells; else empty.
    """

    kind: str
    detail: str = ""


@dataclass(slots=True)
class Sheet:
    """A table as it stands in the file.

    Attributes
    ----------
    file
        Name for messages: the path as the user gave it.
    header
        Column names as written.
    rows, lines
        Cells of each row, and the line of the file on which it begins; in a workbook the number of the row.
    findings
        What is wrong with the file as such.
    header_line
        Line of the header.
    name
        Name of the worksheet; empty for a text table.
    typed
        (row index, column position) of the cells of a worksheet that are not text; row -1 is the header.
    separator
        What stands between the columns of a text table.
    """

    file: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    header_line: int = 1
    name: str = ""
    typed: dict[tuple[int, int], Typed] = field(default_factory=dict)
    separator: str = "\t"


def read_sheet(path: str | Path, wanted: str = "", columns: Collection[str] = ()) -> Sheet:
    """Read a table whatever its state.

    Parameters
    ----------
    path
        File; also used in messages.
    wanted, columns
        Name and column names of the table that is looked for: they choose the sheet of a workbook.

    Returns
    -------
    Sheet
        Empty, with a finding, where nothing can be read. A wrong encoding or separator is a finding too, but reading
        goes on as well as it can, so that the mistakes further down are told in the same go.
    """
    sheet = Sheet(str(path))
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        sheet.findings.append(finding("file_unreadable", sheet.file, problem=f"file cannot be read ({reason})"))
        return sheet
    return parse_sheet(data, sheet.file, wanted, columns)


def parse_sheet(data: bytes, file: str, wanted: str = "", columns: Collection[str] = ()) -> Sheet:
    """Parse the bytes of a table; see `read_sheet`."""
    sheet = Sheet(file)
    if data.startswith((_ZIP, _OLE)):
        # Only workbooks pay for the parts that read them.
        from immunosep.xlsx.table import parse_workbook

        parse_workbook(data, sheet, wanted, columns)
        return sheet
    for start, kind in _NOT_TEXT.items():
        if data.startswith(start):
            sheet.findings.append(finding("not_text", file, problem=f"file is {kind}"))
            return sheet
    text = _decode(data, sheet)
    if not text.strip():
        sheet.findings.append(finding("file_empty", file))
        return sheet
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = _skip_hint(text, sheet)
    sheet.separator = _separator(text[first:].split("\n", TITLE_LINES)[:TITLE_LINES], sheet)
    fill(sheet, _split(text[first:], sheet))
    return sheet


def fill(sheet: Sheet, records: Iterator[tuple[int, list[str]]]) -> None:
    """Put numbered records into a sheet: the header, and the rows with a value.

    Parameters
    ----------
    sheet
        Changed in place.
    records
        Line and cells, the header first.
    """
    for line, cells in records:
        if any(cell.strip() for cell in cells):
            sheet.header_line, sheet.header = line, cells
            break
    else:
        sheet.findings.append(finding("file_empty", sheet.file))
        return
    blank: list[int] = []
    pending: list[int] = []
    for line, cells in records:
        if not any(cells):
            # A truly empty line is harmless, and so are empty rows below the table; one in the middle is a record
            # without values.
            if len(cells) > 1:
                pending.append(line)
            continue
        blank += pending
        pending.clear()
        sheet.rows.append(cells)
        sheet.lines.append(line)
    if blank:
        problem = f"empty row: {row_list(blank)}"
        sheet.findings.append(finding("blank_row", sheet.file, blank[0], problem=problem, others=blank[1:]))
    _drop_empty_columns(sheet)


def _drop_empty_columns(sheet: Sheet) -> None:
    """Forget columns at the right end that have neither a name nor a value: spreadsheets export them."""
    full = len(sheet.header)
    width = _used(sheet.header)
    if width < full:
        # A row of another length stays as it is, to be told as such.
        whole = [cells for cells in sheet.rows if len(cells) == full]
        width = max([width, *map(_used, whole)])
        for cells in (sheet.header, *whole):
            del cells[width:]


def _used(cells: list[str]) -> int:
    """Count cells up to the last one with a value."""
    return next((at + 1 for at in reversed(range(len(cells))) if cells[at].strip()), 0)


def _decode(data: bytes, sheet: Sheet) -> str:
    """Bytes to text; a wrong encoding is noted and read as the likeliest one."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            sheet.findings.append(finding("utf16", sheet.file, problem="file begins as UTF-16 and breaks off"))
            return data.decode("utf-16", "replace")
    if (order := _utf16_without_mark(data)) is not None:
        problem = "file is UTF-16 without the mark at its beginning that says so"
        sheet.findings.append(finding("utf16", sheet.file, problem=problem))
        return data.decode(order, "replace")
    if data.startswith(codecs.BOM_UTF8):
        sheet.findings.append(finding("byte_order_mark", sheet.file))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        sheet.findings.append(finding("not_utf8", sheet.file, line, problem=problem))
        return data.decode("latin-1")


def _utf16_without_mark(data: bytes) -> str | None:
    """Byte order of UTF-16 text that lacks its mark: every second byte of a header in Latin letters is zero."""
    start = data[:64]
    even, odd = start[::2], start[1::2]
    if len(start) >= 8 and not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if len(start) >= 8 and not any(even) and all(odd) else None


def _skip_hint(text: str, sheet: Sheet) -> int:
    """Position of the header: behind Excel's line ``sep=;``, where there is one."""
    hint = text[: text.find("\n") + 1]
    if hint[:4].casefold() == "sep=" and len(hint) == 6:
        sheet.header_line = 2
        return len(hint)
    return 0


def _separator(lines: list[str], sheet: Sheet) -> str:
    """Separator of the header, the first of these lines: the one that stands in it most often, a tab before all.

    Where a title stands in place of the header, the lines below have more separators than it has words, and decide.
    """
    header = lines[0].strip(" ")
    if "\t" in header:
        return "\t"
    most = max(map(header.count, (*_SEPARATORS, *_OTHER_SEPARATORS)))
    if any(line.count("\t") > most for line in lines):
        return "\t"
    if not any(separator in header for separator in _SEPARATORS):
        header = next((line for line in lines if max(map(line.count, _SEPARATORS)) > most), header)
    found = max(_SEPARATORS, key=header.count)
    if found in header:
        return found
    other = max(_OTHER_SEPARATORS, key=header.count)
    if other not in header:
        return "\t"
    problem = f"columns are separated by {_OTHER_SEPARATORS[other]}"
    sheet.findings.append(finding("not_tab_separated", sheet.file, sheet.header_line, problem=problem))
    return other


def _split(text: str, sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """Yield line and cells; quoted cells as R and spreadsheets write them."""
    line = sheet.header_line
    if '"' not in text:
        for number, row in enumerate(text.split("\n"), start=line):
            yield number, row.split(sheet.separator)
        return
    reader = csv.reader(text.split("\n"), delimiter=sheet.separator)
    before = line - 1
    for cells in reader:
        last = before + reader.line_num
        # A quoted line break is legal for csv and always an accident here: usually an unpaired quotation mark.
        if last > line:
            problem = f"a quotation mark on line {line} is closed only on line {last}, or never"
            sheet.findings.append(finding("broken_quotes", sheet.file, line, problem=problem))
        yield line, cells
        line = last + 1


def column_letters(position: int) -> str:
    """Spreadsheet name of a column: 0 is A, 26 is AA."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def column_number(letters: str) -> int:
    """Position of a column from its spreadsheet name: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
