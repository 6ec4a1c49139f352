"""Workbooks: what each cell is, which sheet is read, and that no file of any kind makes the reader fail."""

import datetime
import io
import zipfile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunosep.checks import check_table, columns_of, load_schema
from immunosep.sheet import column_letters, column_number, parse_sheet
from support.trial import codes

VISIT = {"site": "GR03", "participant_code": "012345678", "visit_day": "4"}


def save(book):
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def workbook(rows, title="visits"):
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    return book


def visits(*rows):
    """Return a workbook of visits and its worksheet."""
    columns = columns_of("visits")
    book = workbook([columns, *([row.get(c) for c in columns] for row in rows)])
    return book, book.active


def check(data, schema="visits"):
    data = data if isinstance(data, bytes) else save(data)
    return check_table(parse_sheet(data, "t.xlsx", schema, columns_of(schema)), schema)


def at(sheet, column, row=2):
    return sheet.cell(row, columns_of(sheet.title).index(column) + 1)


def found(table):
    return [(f.code, f.cell) for f in table.located()]


def parts(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return stream.getvalue()


def changed(book, **replaced):
    """Return a workbook with parts replaced; names by their stem."""
    content = parts(save(book))
    for stem, data in replaced.items():
        name = next(n for n in content if n.rpartition("/")[2].partition(".")[0] == stem and not n.endswith(".rels"))
        if data is None:
            del content[name]
        else:
            content[name] = data(content[name]) if callable(data) else data
    return pack(content)


def test_text_cells_are_read_as_they_are():
    book, _ = visits(VISIT | {"ferritin": "4420.5", "ferritin_unit": "ng/mL"}, VISIT | {"visit_day": "7"})
    table = check(book)
    assert found(table) == []
    assert [row["participant_code"] for row in table.rows] == ["012345678"] * 2
    assert (table.sheet, table.lines, table.rows[0]["ferritin"]) == ("visits", [2, 3], "4420.5")


@pytest.mark.parametrize(
    ("column", "value", "expected", "cell"),
    [
        ("participant_code", 12345678, "code_not_text", "B2"),
        ("participant_code", 987654321, "code_not_text", "B2"),
        ("visit_day", 4, "cell_number", "C2"),
        ("ferritin", 4420.5, "cell_number", "K2"),
        ("site", 3, "cell_not_text", "A2"),
        ("steroid", True, "cell_boolean", "U2"),
        ("steroid", 1, "not_allowed", "U2"),
        ("visit_day", datetime.date(2024, 2, 29), "cell_date", "C2"),
        ("sofa_total", datetime.datetime(2024, 9, 2, 3, 4), "cell_date", "D2"),
        ("visit_day", datetime.time(3, 4), "cell_date", "C2"),
        ("sofa_total", "=SUM(E2:J2)", "cell_formula", "D2"),
        ("visit_day", "2-Sep", "personal_value", "C2"),
        ("ferritin", "4,5", "decimal_comma", "K2"),
    ],
)
def test_cells_that_are_not_text(column, value, expected, cell):
    book, sheet = visits(VISIT | {"ferritin": "5", "ferritin_unit": "ng/mL"})
    at(sheet, column).value = value
    assert found(check(book)) == [(expected, cell)]


def test_a_numeric_code_says_what_happened_and_is_not_padded():
    book, sheet = visits(VISIT)
    at(sheet, "participant_code").value = 12345678
    table = check(book)
    assert table.rows[0]["participant_code"] == "12345678"
    assert "lost its text type" in table.findings[0].problem
    assert "leading zeros" in table.findings[0].problem


def test_a_date_is_never_printed():
    book, sheet = visits(VISIT)
    at(sheet, "visit_day").value = datetime.date(2024, 2, 29)
    (finding,) = check(book).findings
    assert "45351" not in finding.value
    assert "yyyy" in finding.problem


def test_number_formats_that_look_like_dates():
    book, sheet = visits(*(VISIT | {"visit_day": str(day)} for day in (1, 2, 4)))
    for row, code in enumerate(("d-mmm", '"days" 0', "[Red]0.00"), start=2):
        at(sheet, "sofa_total", row).value = 9
        at(sheet, "sofa_total", row).number_format = code
    assert found(check(book)) == [("cell_date", "D2"), ("cell_number", "D3"), ("cell_number", "D4")]


def test_a_percentage_is_read_as_what_the_cell_shows():
    book, sheet = visits(VISIT | {"hladr_unit": "receptors_per_cell"})
    at(sheet, "hladr").value = 0.07
    at(sheet, "hladr").number_format = "0%"
    table = check(book)
    assert [(f.code, f.value) for f in table.findings] == [("unit_percent", "7%")]


def test_merged_cells_are_told_once_each():
    book, sheet = visits(VISIT, VISIT | {"visit_day": "7"})
    sheet.merge_cells("B2:B3")
    assert found(check(book)) == [("cell_merged", "B2"), ("cell_merged", "B3")]


def test_a_title_merged_above_the_table_is_harmless():
    book, sheet = visits(VISIT)
    sheet.insert_rows(1, 2)
    sheet.merge_cells("A1:F1")
    table = check(book)
    assert found(table) == []
    assert (table.header_line, table.lines) == (3, [4])


def test_formula_without_a_value_and_with_an_empty_one():
    book, sheet = visits(VISIT)
    at(sheet, "sofa_total").value = '=IF(A9="","",1)'
    assert check(book).findings[0].value.startswith("=IF")
    # A formula that gives no text is an empty cell.
    computed = changed(book, sheet1=lambda xml: xml.replace(b'<c r="D2"><f>', b'<c r="D2" t="str"><f>'))
    assert found(check(computed)) == []


def test_the_right_sheet_is_read_and_told():
    book, _ = visits(VISIT)
    guide = book.create_sheet("Guide", 0)
    guide.append(["how to fill this in"])
    book.create_sheet("old").sheet_state = "hidden"
    table = check(book)
    assert [(f.code, f.sheet) for f in table.findings] == [("sheet_chosen", "visits")]
    assert "'old' (hidden)" in table.findings[0].problem
    book["visits"].title = "Tabelle2"
    assert check(book).sheet == "Tabelle2"


def test_hidden_rows_and_columns_are_told_and_read():
    book, sheet = visits(VISIT, VISIT | {"visit_day": "7"})
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["E"].hidden = True
    table = check(book)
    assert [f.code for f in table.findings] == ["hidden_cells", "hidden_cells"]
    assert len(table.rows) == 2


def test_rich_text_escapes_and_phonetic_guides():
    strings = b"""<?xml version="1.0"?><x:sst xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
      <x:si><x:t>site</x:t></x:si><x:si><x:t>country</x:t></x:si>
      <x:si><x:r><x:t>GR</x:t></x:r><x:r><x:t>03</x:t></x:r><x:rPh sb="0" eb="1"><x:t>guide</x:t></x:rPh></x:si>
      <x:si><x:t>G_x000D_R</x:t></x:si></x:sst>"""
    rows = b"""<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:sheetData>
      <x:row><x:c t="s"><x:v>0</x:v></x:c><x:c t="s"><x:v>1</x:v></x:c></x:row>
      <x:row><x:c t="s"><x:v>2</x:v></x:c><x:c t="s"><x:v>3</x:v></x:c></x:row></x:sheetData></x:worksheet>"""
    content = parts(changed(workbook([["a"]], "sites"), sheet1=rows)) | {"xl/texts.xml": strings}
    relation = b'<Relationship Id="r9" Type="x/sharedStrings" Target="/xl/texts.xml"/></Relationships>'
    name = "xl/_rels/workbook.xml.rels"
    content[name] = content[name].replace(b"</Relationships>", relation)
    table = check(pack(content), "sites")
    assert table.rows == [{"site": "GR03", "country": "G\rR"}]
    assert found(table) == [("whitespace", "B2")]


def test_gaps_and_values_outside_the_table():
    book, sheet = visits(VISIT, {}, VISIT | {"visit_day": "7"})
    sheet["AZ2"] = "stray"
    sheet["A900"].number_format = "@"
    assert codes(check(book).findings) == ["blank_row", "unnamed_column"]


def test_letters_of_columns():
    assert [column_letters(n) for n in (0, 25, 26, 701, 702, 16383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
    assert all(column_number(column_letters(n)) == n for n in range(2000))


def bomb(_):
    return b"<worksheet><sheetData>" + b"<row/>" * 1_100_000


ENTITIES = b"""<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>
<worksheet><sheetData><row><c t="inlineStr"><is><t>&b;&c;</t></is></c></row></sheetData></worksheet>"""
HOSTILE = {
    "no worksheet": {"sheet1": None},
    "no list of sheets": {"workbook": None},
    "broken XML": {"sheet1": b"<worksheet><sheetData><row>"},
    "not XML": {"sheet1": b"\x00\x01\x02"},
    "entities": {"sheet1": ENTITIES},
    "text that does not exist": {"sheet1": b'<w><sheetData><row><c t="s"><v>999</v></c></row></sheetData></w>'},
    "nonsense number": {"sheet1": b"<w><row><c><v>1</v></c></row><row><c><v>x</v></c></row></w>"},
    "row beyond the last": {"sheet1": b'<w><row r="99999999"><c><v>1</v></c></row></w>'},
    "column beyond the last": {"sheet1": b'<w><row r="1"><c r="ZZZZ1"><v>1</v></c></row></w>'},
    "address without letters": {"sheet1": b'<w><row r="1"><c r="1"><v>1</v></c></row></w>'},
    "unknown encoding": {"sheet1": b'<?xml version="1.0" encoding="nonsense"?><w/>'},
    "endless rows": {"sheet1": bomb},
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_hostile_workbooks_give_one_finding(case):
    book, _ = visits(VISIT)
    assert codes(check(changed(book, **HOSTILE[case])).findings) == ["not_text"]


def test_a_part_that_unpacks_to_more_than_any_table(monkeypatch):
    monkeypatch.setattr("immunosep.xlsx.workbook._LARGEST_PART", 1000)
    book, _ = visits(*[VISIT] * 50)
    (finding,) = check(book).findings
    assert "unpacks to more than" in finding.problem


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pack({"content.xml": b"", "mimetype": b"x"}), "OpenDocument"),
        (pack({"xl/workbook.bin": b""}), "binary"),
        (pack({"Index/Document.iwa": b""}), "Numbers"),
        (pack({"a.txt": b""}), "zip archive"),
        (b"PK\x03\x04" + bytes(40), "archive is broken"),
        (b"\xd0\xcf\x11\xe0" + bytes(40), ".xls"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "password"),
    ],
)
def test_files_that_are_no_workbook(data, words):
    (finding,) = check(data).findings
    assert finding.code == "not_text"
    assert words in finding.problem


# Made once: the time of saving stands in the file.
GOOD = save(visits(VISIT)[0])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_gives_findings_and_no_traceback(data):
    good = GOOD
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(4, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        table = check(damaged)
        assert len(table.rows) == len(table.lines)
    inside = parts(good)
    name = data.draw(st.sampled_from(sorted(inside)))
    inside[name] = data.draw(st.binary(max_size=300)) + inside[name][data.draw(st.integers(0, 300)) :]
    check(pack(inside))


def test_schemas_name_a_sheet_each():
    assert {load_schema(name)["name"] for name in ("manifest", "sites", "visits")} == {"manifest", "sites", "visits"}
