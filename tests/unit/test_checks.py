"""Reading tables of any state, judging cells, and how findings read."""

import dataclasses
import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immunosep import checks
from immunosep.cells import cell_judge, judge_values
from immunosep.checks import check_table, columns_of, load_schema
from immunosep.codes import CODES
from immunosep.findings import as_json, as_text, exit_code, finding, printable, ranges
from immunosep.sheet import parse_sheet, read_sheet
from support.trial import Trial, codes

SCHEMAS = ("manifest", "sites", "participants", "visits", "classification", "allocation")
SITES = "site\tcountry\nGR03\tGR\nRO06\tRO\n"


def check(text, schema="sites"):
    data = text if isinstance(text, bytes) else text.encode()
    return check_table(parse_sheet(data, "t.tsv"), schema)


def judge(name, value, schema="visits"):
    """Code of what is wrong with one cell; empty where it is legal."""
    spec = next(f for f in load_schema(schema)["fields"] if f["name"] == name)
    flaw = cell_judge(spec)(value)
    return flaw.code if flaw else ""


PATTERNED = [f for name in SCHEMAS for f in load_schema(name)["fields"] if "pattern" in f]
LIKELY = st.sampled_from(
    ["", "NA", "n/a", "MB01", "P1", "a b", "2024-02-29", "20240229", "x@y.gr", "raw/a_R1.fastq.gz",
     "raw/12-Mar-2024.fq.gz", "raw/123456789-D04_R2.fastq.gz", "raw/a\nb.fastq.gz", "raw/x.csv", "\n", "0" * 64, "é"]
)  # fmt: skip


@pytest.mark.parametrize("spec", PATTERNED, ids=lambda spec: spec["name"])
@given(values=st.sets(LIKELY | st.text(max_size=12), max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_column_that_is_judged_at_once_is_judged_as_cell_by_cell(spec, values):
    judge = cell_judge(spec)
    assert judge_values(spec, values) == {value: flaw for value in values if (flaw := judge(value))}


def test_good_table():
    table = check(SITES)
    assert table.findings == []
    assert table.rows == [{"site": "GR03", "country": "GR"}, {"site": "RO06", "country": "RO"}]
    assert table.lines == [2, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["file_empty"]),
        ("\n\n", ["file_empty"]),
        ("site\tcountry\n", ["no_rows"]),
        (SITES.replace("\n", "\r\n"), []),
        (SITES.replace("\n", "\r"), []),
        (SITES + "\n\n", []),
        (SITES + "\t\n\t\n", []),
        (SITES.replace("RO06", "\t\nRO06"), ["blank_row"]),
        ("\n" + SITES, []),
        ("\ufeff" + SITES, ["byte_order_mark"]),
        (SITES.encode("utf-16"), []),
        (b"\xfe\xff" + SITES.encode("utf-16-be"), []),
        (SITES.encode("utf-16")[:-1], ["bad_pattern", "utf16"]),
        (SITES.encode("utf-16-le"), ["utf16"]),
        (SITES.encode("utf-16-be"), ["utf16"]),
        (SITES.replace("GR\n", "Gr\u00e8ce\n").encode("latin-1"), ["bad_pattern", "not_utf8"]),
        (SITES.replace("\t", ";"), []),
        (SITES.replace("\t", ","), []),
        ("sep=;\n" + SITES.replace("\t", ";"), []),
        ('site,country\n"GR03","GR"\n', []),
        (SITES.replace("\t", "|"), ["not_tab_separated"]),
        ('site\tcountry\n"GR03"\t"GR"\n', []),
        ('site\tcountry\nGR03\t"GR\nRO06\tRO\n', ["broken_quotes", "whitespace"]),
        ("site\tcountry\tcountry\nGR03\tGR\tGR\n", ["duplicate_column"]),
        ("site\tcountry\t\nGR03\tGR\tx\n", ["unnamed_column"]),
        ("site\tcountry\t\t\nGR03\tGR\t\t\n", []),
        ("site\tcountry\tcolour\nGR03\tGR\tred\n", ["unknown_column"]),
        ("Site\tcountry\nGR03\tGR\n", ["unknown_column"]),
        ("site\tcontry\nGR03\tGR\n", ["unknown_column"]),
        ("site\nGR03\n", ["missing_column"]),
        ("site\tcountry\nGR03\n", ["ragged_row"]),
        ("site\tcountry\nGR03\tGR\tx\n", ["ragged_row"]),
        ("site\tcountry\nGR03\tGR\nGR03\tGR\n", ["duplicate_key"]),
        ("site\tcountry\tpatient name\nGR03\tGR\tx\n", ["personal_column"]),
        ("site\tcountry\tTreatmentArm\nGR03\tGR\tx\n", ["treatment_column"]),
        ("site\tcountry\nGR03 \tGR\n", ["whitespace"]),
        ("site\tcountry\n\tGR\n", ["required_empty"]),
        ("site\tcountry\nGR03\tG\x00R\n", ["whitespace"]),
        (gzip.compress(SITES.encode(), mtime=0), ["not_text"]),
        (b"PK\x03\x04" + bytes(40), ["not_text"]),
        (b"\xd0\xcf\x11\xe0" + bytes(40), ["not_text"]),
        ("GR03\tGR\nRO06\tRO\n", ["no_header"]),
        (b"\x87\xfe\x00\n\n", ["no_header", "not_utf8"]),
    ],
)
def test_state_of_a_file(text, expected):
    assert codes(check(text).findings) == expected


def test_a_pattern_is_told_in_its_own_capitals():
    spec = {"name": "sum", "type": "string", "pattern": "[0-9a-f]+", "description": "SHA-256 of the file."}
    assert cell_judge(spec)("xyz").problem == "should be SHA-256 of the file"
    assert cell_judge(spec | {"description": "Batch of the kit"})("xyz").problem == "should be batch of the kit"


def test_misspelt_column_is_read_under_the_near_name():
    table = check("site\tcontry\nGR03\tGR1\n")
    assert [(f.code, f.suggestion) for f in table.findings] == [("unknown_column", "country"), ("bad_pattern", "")]


def test_lines_are_those_of_the_file():
    table = check("\ufeffsite\tcountry\r\n\r\nGR03\tGR\r\nRO06\t\r\n")
    assert [(f.code, f.row, f.column) for f in table.findings if f.severity == "error"] == [
        ("required_empty", 4, "country")
    ]


def test_line_of_a_byte_that_is_not_utf8():
    assert next(f.row for f in check(b"site\tcountry\nGR03\tGR\nRO06\t\xff\n").findings if f.code == "not_utf8") == 3


def test_missing_file_folder_and_nonsense_path(tmp_path):
    for path in (tmp_path / "none.tsv", tmp_path, "a\x00b"):
        assert codes(read_sheet(path).findings) == ["file_unreadable"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("ferritin", "4420", ""),
        ("ferritin", "4420.5", ""),
        ("ferritin", "0.8", ""),
        ("ferritin", "442.0", ""),
        ("ferritin", "4420.500", ""),
        ("ferritin", "12345.678", ""),
        ("ferritin", "4.420", "ambiguous_separator"),
        ("ferritin", "4,420", "ambiguous_separator"),
        ("ferritin", "1.234.567", "ambiguous_separator"),
        ("ferritin", "1,234.5", "ambiguous_separator"),
        ("ferritin", "4 420", "ambiguous_separator"),
        ("ferritin", "4'420", "ambiguous_separator"),
        ("ferritin", "4420,5", "decimal_comma"),
        ("ferritin", "0", "out_of_range"),
        ("ferritin", "-1", "out_of_range"),
        ("ferritin", ">40000", "not_number"),
        ("ferritin", "4.42E+03", "not_number"),
        ("ferritin", "1e400", "not_number"),
        ("ferritin", "nan", "missing_token"),
        ("ferritin", "inf", "not_number"),
        ("ferritin", "high", "not_number"),
        ("hladr", "5.000", "ambiguous_separator"),
        ("hladr", "25%", "unit_percent"),
        ("hladr_unit", "%", "unit_percent"),
        ("hladr_unit", "percent", "unit_percent"),
        ("hladr_unit", "receptors/cell", "unit_wrong"),
        ("ferritin_unit", "ng/ml", "unit_wrong"),
        ("ferritin_unit", "ng/mL", ""),
        ("haemoglobin_g_dl", "8.125", ""),
        ("haemoglobin_g_dl", "81", "out_of_range"),
        ("sofa_total", "25", "out_of_range"),
        ("sofa_total", "24", ""),
        ("sofa_total", "9.0", "not_integer"),
        ("sofa_total", "9" * 5000, "not_integer"),
        ("sofa_renal", "5", "out_of_range"),
        ("visit_day", "-1", "out_of_range"),
        ("visit_day", "2-Sep", "personal_value"),
        ("steroid", "Yes", "not_allowed"),
        ("steroid", "1", "not_allowed"),
        ("steroid", "NA", "missing_token"),
    ],
)
def test_clinical_cells(column, value, expected):
    assert judge(column, value) == expected


@pytest.mark.parametrize(
    ("value", "suggestion"), [("Yes", "yes"), ("1", "yes"), ("FALSE", "no"), ("0", "no"), ("x", "")]
)
def test_yes_and_no_are_suggested(value, suggestion):
    spec = {"name": "dosed", "type": "boolean"}
    assert cell_judge(spec)(value).suggestion == suggestion


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_closed_and_documented(name):
    schema = load_schema(name)
    known = {"name", "type", "format", "required", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum"}
    known |= {"unitOf", "thousands", "layers", "description", "example"}
    names = columns_of(name)
    assert len(set(names)) == len(names)
    assert set(schema.get("primaryKey", [])) <= set(names)
    for field in schema["fields"]:
        assert set(field) <= known
        assert field["description"]
        assert field["type"] in ("string", "integer", "number", "boolean")
        assert field.get("unitOf", names[0]) in names
        if field["example"]:
            assert cell_judge(field)(field["example"]) is None, field["name"]


def test_every_code_is_documented_and_used():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(checks.__file__).parent.rglob("*.py")
        if path.name != "codes.py"
    )
    for code, entry in CODES.items():
        assert re.fullmatch(r"[a-z0-9_]+", code)
        assert entry.severity in ("error", "warning", "info")
        assert entry.fix.endswith(".")
        assert entry.why.endswith(".")
        assert f'"{code}"' in source, f"{code} is never reported"


def test_exit_codes():
    warning, info = finding("single_end", "t"), finding("byte_order_mark", "t")
    assert [exit_code(f) for f in ([], [info], [info, warning], [finding("no_rows", "t"), warning])] == [0, 0, 1, 2]


def test_a_hundred_findings_in_the_same_words_are_one_line():
    text = as_text([finding("no_rows", "t.tsv", row, "c", "v", "p") for row in (*range(2, 101), 200)])
    assert '  t.tsv, lines 2-100, 200, c: "v" p.\n' in text
    assert text.count("To mend") == 1
    assert "100 error(s), 0 warning(s), 0 note(s)." in text


def test_a_hundred_findings_on_alternate_lines_are_all_listed():
    rows = range(2, 402, 2)
    text = as_text([finding("no_rows", "t.tsv", row, "c", "v", "p") for row in rows])
    assert f"  t.tsv, lines {', '.join(map(str, rows))}, c:" in text
    many = as_text([finding("no_rows", "t.tsv", row, "c", "v", "p") for row in range(2, 4002, 2)])
    assert "998, 1000 and 1500 more, c:" in many


def test_of_many_different_findings_the_rest_is_named_by_rows():
    text = as_text([finding("no_rows", "t.tsv", row, "c", f"v{row}") for row in range(2, 102)], shown=3)
    assert text.count("ERROR no_rows") == 1
    assert text.count("To mend") == 1
    assert "  and 97 more in t.tsv, lines 5-101\n" in text


def test_cells_of_a_workbook_are_named_by_address():
    found = [
        dataclasses.replace(finding("no_rows", "t.xlsx", row, "site", "v", "p"), sheet="visits", cell=f"B{row}")
        for row in (3, 4, 5, 9)
    ]
    assert '  t.xlsx, sheet visits, B3-B5, B9 (site): "v" p.\n' in as_text(found)


def test_ranges():
    assert ranges([5, 3, 4, 9, 9]) == "3-5, 9"
    assert ranges(range(1, 100, 2), most=2) == "1, 3 and 48 more"
    assert ranges([]) == ""


def test_values_cannot_act_on_a_terminal():
    assert "\x1b" not in printable("\x1b[2Jx")
    assert len(printable("x" * 1000)) == 60


def test_findings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding("no_rows", "t").row = 3


CELL = st.text(max_size=8)
ANY_TABLE = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(SCHEMAS).flatmap(
        lambda name: st.lists(
            st.lists(CELL, min_size=len(columns_of(name)), max_size=len(columns_of(name))), min_size=1, max_size=3
        ).map(
            lambda rows: "\n".join("\t".join(cells) for cells in [columns_of(name), *rows]).encode("utf-8", "replace")
        )
    ),
)


@settings(max_examples=150, deadline=None)
@given(data=ANY_TABLE, schema=st.sampled_from(SCHEMAS))
def test_any_bytes_give_findings_and_no_traceback(data, schema):
    table = check_table(parse_sheet(data, "t.tsv"), schema)
    assert len(table.rows) == len(table.lines)
    json.dumps(as_json(table.findings))
    assert as_text(table.findings).endswith(".")


@settings(max_examples=100, deadline=None)
@given(data=st.data(), schema=st.sampled_from(SCHEMAS))
def test_findings_of_a_table_do_not_depend_on_the_order_of_its_rows(data, schema):
    columns = columns_of(schema)
    words = st.sampled_from(["", "GR03", "012345678", "12345678", "1", "1.5", "yes", "NA", "x ", "2-Sep", "rna"])
    rows = data.draw(st.lists(st.lists(words, min_size=len(columns), max_size=len(columns)), min_size=1, max_size=6))
    rows = [row for row in rows if any(row)] or [["x"] * len(columns)]

    def found(order):
        text = "\n".join("\t".join(row) for row in [columns, *order])
        table = check_table(parse_sheet(text.encode(), "t.tsv"), schema)
        return sorted(
            (f.code, f.column, f.value, f.suggestion, () if f.others else tuple(order[f.row - 2]) if f.row > 1 else ())
            for f in table.findings
        )

    assert found(data.draw(st.permutations(rows))) == found(rows)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cell_of_a_trial_may_be_anything(data, tmp_path):
    trial = Trial(tmp_path)
    trial.write()
    for _ in range(data.draw(st.integers(1, 4))):
        rows = getattr(trial, data.draw(st.sampled_from(["manifest", "sites", "participants", "visits"])))
        row = data.draw(st.sampled_from(rows))
        row[data.draw(st.sampled_from(sorted(row)))] = data.draw(
            st.one_of(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
                st.sampled_from(["0", "-1", "1e9", "NaN", "../x", "/etc/passwd", "yes", "no", "٣", "1,5"]),
            )
        )
    libraries, findings = trial.write_tables().check()
    assert (exit_code(findings) == 2) == (len(libraries) == 0)
    assert as_text(findings)


@pytest.mark.parametrize(
    ("table", "column", "code"),
    [
        ("participants", "sex", "not_allowed"),
        ("manifest", "specimen", "not_allowed"),
        ("manifest", "site", "bad_pattern"),
        ("participants", "country", "country_mismatch"),
        ("participants", "age_years", "not_integer"),
        ("visits", "haemoglobin_g_dl", "not_number"),
        ("visits", "ferritin_unit", "unit_wrong"),
        ("participants", "infection", "bad_pattern"),
    ],
)
@pytest.mark.parametrize("name", ["Maria Papadopoulou", "PAPADOPOULOU MARIA", "M. Papadopoulou", "Παπαδοπούλου, Μαρία"])
def test_a_name_in_the_wrong_column_is_not_printed(tmp_path, table, column, code, name):
    trial = Trial(tmp_path)
    getattr(trial, table)[0][column] = name
    findings = trial.write().check()[1]
    assert {f.code for f in findings if f.column == column} & {code, "bad_pattern", "personal_value"}
    whole = as_text(findings) + json.dumps(as_json(findings), ensure_ascii=False)
    assert not [word for word in re.findall(r"\w{3,}", name) if word in whole]


def test_words_that_are_near_a_legal_value_are_shown(tmp_path):
    trial = Trial(tmp_path)
    trial.manifest[0]["specimen"] = "Whole blood"
    trial.participants[0]["infection"] = "CAP,BSI"
    text = as_text(trial.write().check()[1])
    assert '"Whole blood" not one of' in text
    assert 'Did you mean "whole_blood"?' in text
    assert '"CAP,BSI"' in text
