"""Rows and texts of a workbook read without an XML parser: the same as with one, and nearly all of them."""

import io
import zipfile
from pathlib import Path
from xml.parsers.expat import ExpatError

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunosep.xlsx import workbook
from immunosep.xlsx.plain import PlainRow, split_rows, split_texts
from immunosep.xlsx.workbook import BrokenWorkbook, open_book
from immunosep.xlsx.worksheet import Worksheet

SPREADSHEETS = sorted((Path(__file__).parents[1] / "intake/spreadsheets").glob("*.xlsx"))
# A comment before everything: all that follows is left to the parser.
COMMENT = "<!-- -->"
TEXTS = ["site", "GR03", "a &amp; b", "é", "two  spaces ", "_x000D_", "", "]", '"quoted"', "<![CDATA[<row r='1'>]]>"]
CELLS = [
    '<c r="{}" t="s"><v>{}</v></c>', '<c r="{}" s="1" t="s"><v>{}</v></c>', '<c r="{}"><v>{}</v></c>',
    '<c r="{}" s="2"><v>{}</v></c>', '<c r="{}" s="3"><v>0.{}</v></c>', '<c r="{}" t="n"><v>{}.5E3</v></c>',
    '<c r="{}" t="b"><v>{}</v></c>', '<c r="{}" t="str"><v>{} > 1</v></c>', '<c r="{}" t="e"><v>#N/A{}</v></c>',
    '<c r="{}" t="inlineStr"><is><t>x{}</t></is></c>', '<c t="s" r="{}"><v>{}</v></c>',
    '<c r="{}" t="inlineStr"><is><t xml:space="preserve"> x{} </t></is></c>', '<c r="{0}" s="1"/>',
    '<c r="{}" t="inlineStr"><is><r><t>x</t></r><r><t>{}</t></r></is></c>', '<c r="{0}" s="1"></c>',
    '<c r="{}" t="inlineStr"><is><t>x&#233;&amp;{}</t></is></c>', '<c r="{}"><f>1+1</f><v>{}</v></c>',
    '<c r="{}" t="str"><f>A1</f><v>x_x000D_{}</v></c>', '<c r="{}" t="s"><!-- no --><v>{}</v></c>',
    '<c r="{}" t="inlineStr"><is><t>é{}</t></is></c>', "<c r='{}' t='s'><v>{}</v></c>", "<c><v>{1}</v></c>",
]  # fmt: skip
ROWS = [
    '<row r="{}">{}</row>', '<row r="{}" spans="1:3" ht="12.8" hidden="false">{}</row>', "<row>{1}</row>",
    '<row r="{}" hidden="1">{}</row>', '<row spans="1:3" r="{}">{}</row>', '<row r="{}" >{}</row>',
]  # fmt: skip
STYLES = '<styleSheet><cellXfs><xf/><xf/><xf numFmtId="14"/><xf numFmtId="9"/></cellXfs></styleSheet>'


def pack(sheet, texts):
    """Return a workbook of one sheet."""
    stream = io.BytesIO()
    relation = '<Relationship Id="{}" Type="x/{}" Target="{}"/>'
    parts = {
        "xl/workbook.xml": '<workbook><sheets><sheet name="s" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": "<Relationships>"
        + relation.format("a", "worksheet", "sheet.xml")
        + relation.format("b", "sharedStrings", "texts.xml")
        + relation.format("c", "styles", "styles.xml")
        + "</Relationships>",
        "xl/styles.xml": STYLES,
        "xl/sheet.xml": sheet,
        "xl/texts.xml": texts,
    }
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream


def read(stream):
    """Return all that is read of a workbook, or that it cannot be."""
    try:
        with zipfile.ZipFile(stream) as archive:
            book = open_book(archive)
            sheets = [Worksheet(book, place) for place in book.places]
            rows = [list(sheet) for sheet in sheets]
            return book.strings, rows, [(sheet.hidden_rows, sheet.merged) for sheet in sheets]
    except (BrokenWorkbook, ExpatError, LookupError, ValueError) as error:
        return type(error)


@st.composite
def sheets(draw):
    """Return the XML of rows, and of texts; some in no usual form."""
    rows = []
    for line in range(1, draw(st.integers(1, 6)) + 1):
        cells = [
            draw(st.sampled_from(CELLS)).format(f"{column}{line}", draw(st.integers(0, 9)))
            for column in draw(st.lists(st.sampled_from(["A", "B", "Z", "AA", "XFD"]), max_size=4))
        ]
        rows.append(draw(st.sampled_from(ROWS)).format(line, "".join(cells)))
    texts = draw(st.lists(st.sampled_from(TEXTS), min_size=10, max_size=12))
    space = draw(st.sampled_from(["", ' xml:space="preserve"']))
    return "".join(rows), "".join(f"<si><t{space}>{text}</t></si>" for text in texts)


@given(sheets(), st.integers(1, 200), st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>']))
@settings(max_examples=300, deadline=None)
def test_a_parser_reads_the_same(content, block, declaration):
    rows, texts = content
    sheet = (
        "<worksheet><sheetData>" + rows + '</sheetData><mergeCells><mergeCell ref="A1:B1"/></mergeCells></worksheet>'
    )
    table = f"<sst>{texts}</sst>"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook, "_BLOCK", block)
        plain = read(pack(declaration + sheet, declaration + table))
        parsed = read(pack(declaration + COMMENT + sheet, declaration + COMMENT + table))
    assert plain == parsed


@pytest.mark.parametrize("path", SPREADSHEETS, ids=lambda path: path.stem)
def test_a_parser_reads_the_same_of_real_spreadsheets(path):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    commented = io.BytesIO()
    with zipfile.ZipFile(commented, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text.replace("?>", "?>" + COMMENT, 1) if name.endswith(".xml") else text)
    found = read(path)
    assert found == read(commented)
    assert sum(map(len, found[1])) > 5


def test_what_spreadsheet_programs_write_needs_no_parser():
    # Of LibreOffice, whose files these are, and of openpyxl, which writes texts into the cells.
    with zipfile.ZipFile(Path(__file__).parents[1] / "intake/spreadsheets/manifest_text.xlsx") as archive:
        sheet, texts = archive.read("xl/worksheets/sheet1.xml"), archive.read("xl/sharedStrings.xml")
    pieces = list(split_rows(iter([sheet])))
    assert sum(isinstance(piece, PlainRow) for piece in pieces) == sheet.count(b"<row ") > 10
    pieces = list(split_texts(iter([texts])))
    assert sum(len(piece) for piece in pieces if isinstance(piece, list)) == texts.count(b"<si>") > 100
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for line in range(5):
        book.active.append([f"GR{line:02d}", line, 1.5, True, None])
    book.save(stream)
    with zipfile.ZipFile(stream) as archive:
        pieces = list(split_rows(iter([archive.read("xl/worksheets/sheet1.xml")])))
    assert sum(isinstance(piece, PlainRow) for piece in pieces) == 5


@pytest.mark.parametrize("text", ["<!-- <row r='1'> -->", "<![CDATA[<row", "<?x <row ?>"])
def test_behind_a_comment_nothing_is_taken_for_a_row(text):
    row = b'<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
    blocks = [b"<worksheet>", b"<", text.encode()[1:], row]
    assert all(isinstance(piece, bytes) for piece in split_rows(iter(blocks)))
    assert b"".join(split_rows(iter(blocks))) == b"".join(blocks)
