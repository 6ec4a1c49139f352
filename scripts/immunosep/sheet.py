"""Read a tab-separated table as text, with the line number of every row; what is wrong becomes findings.

Standard library only: the check must start at once and run where nothing else is installed.
"""

import codecs
import csv
from dataclasses import dataclass, field
from pathlib import Path

from immunosep.findings import Finding, finding, row_list

_OTHER_SEPARATORS = (";", ",")
# How files begin that people take for tables.
_NOT_TEXT = {
    b"PK\x03\x04": "a zip file, as .xlsx and .ods are",
    b"\xd0\xcf\x11\xe0": "an .xls file",
    b"\x1f\x8b": "packed by gzip",
}
# A cell of the largest legal size is a path; the csv module's own limit (131072) would raise.
csv.field_size_limit(2**31 - 1)


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
        Cells of each row, and the line of the file on which it begins (the header is line 1).
    findings
        What is wrong with the file as such.
    """

    file: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_sheet(path: str | Path) -> Sheet:
    """Read a TSV file whatever its state.

    Parameters
    ----------
    path
        File; also used in messages.

    Returns
    -------
    Sheet
        Empty, with a finding, where nothing can be read. Wrong encodings and separators are findings too, but reading
        goes on as well as it can, so that the mistakes further down are told in the same go.
    """
    sheet = Sheet(str(path))
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        sheet.findings.append(finding("file_unreadable", sheet.file, problem=f"file cannot be read ({reason})"))
        return sheet
    return parse_sheet(data, sheet.file)


def parse_sheet(data: bytes, file: str) -> Sheet:
    """Parse the bytes of a TSV file; see `read_sheet`."""
    sheet = Sheet(file)
    for start, kind in _NOT_TEXT.items():
        if data.startswith(start):
            sheet.findings.append(finding("not_text", file, problem=f"file is {kind}"))
            return sheet
    text = _decode(data, sheet)
    if not text.strip():
        sheet.findings.append(finding("file_empty", file))
        return sheet
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    records = _split(text, _separator(text, sheet), sheet)
    _, sheet.header = next(records_ := iter(records))
    blank = []
    for line, cells in records_:
        if not any(cells):
            # A truly empty line is a harmless last line; a row of separators is a record without values.
            if len(cells) > 1:
                blank.append(line)
            continue
        sheet.rows.append(cells)
        sheet.lines.append(line)
    if blank:
        sheet.findings.append(
            finding("blank_row", file, blank[0], problem=f"empty row: {row_list(blank)}", others=blank[1:])
        )
    return sheet


def _decode(data: bytes, sheet: Sheet) -> str:
    """Bytes to text; a wrong encoding is noted and read as the likeliest one."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            sheet.findings.append(finding("utf16", sheet.file))
            return data.decode(name, "replace")
    if data.startswith(codecs.BOM_UTF8):
        sheet.findings.append(finding("byte_order_mark", sheet.file))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        sheet.findings.append(
            finding("not_utf8", sheet.file, line, problem=f"byte 0x{data[error.start]:02x} is not UTF-8")
        )
        return data.decode("latin-1")


def _separator(text: str, sheet: Sheet) -> str:
    """Separator of the header line: a tab, or the one that stands in its place."""
    header = text[: text.find("\n")] if "\n" in text else text
    if "\t" in header:
        return "\t"
    found = max(_OTHER_SEPARATORS, key=header.count)
    if found not in header:
        return "\t"
    sheet.findings.append(
        finding("not_tab_separated", sheet.file, 1, problem=f"columns are separated by '{found}' and not by tabs")
    )
    return found


def _split(text: str, separator: str, sheet: Sheet) -> list[tuple[int, list[str]]]:
    """Cells of every line with the line's number; quoted cells as R and spreadsheets write them."""
    if '"' not in text:
        return [(i, line.split(separator)) for i, line in enumerate(text.split("\n"), start=1)]
    records = []
    reader = csv.reader(text.split("\n"), delimiter=separator)
    line = 1
    for cells in reader:
        # A quoted line break is legal for csv and always an accident here: usually an unpaired quotation mark.
        if reader.line_num > line:
            sheet.findings.append(
                finding(
                    "broken_quotes",
                    sheet.file,
                    line,
                    problem=f"a quotation mark on line {line} is closed only on line {reader.line_num}, or never",
                )
            )
        records.append((line, cells))
        line = reader.line_num + 1
    return records
