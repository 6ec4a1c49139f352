"""Reader of Olink tables: formats, column names of the product generations, numbers, refusals."""

import gzip

import numpy as np
import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.proteome.npx import parse_numbers, read_npx

EXPLORE = pd.DataFrame(
    {
        "SampleID": ["012345678", "012345678", "900000001", "CONTROL_1"],
        "SampleType": ["SAMPLE", "SAMPLE", "SAMPLE", "PLATE_CONTROL"],
        "OlinkID": ["OID1", "OID2", "OID1", "OID1"],
        "UniProt": ["P05231", "P10145", "P05231", "P05231"],
        "Assay": ["IL6", "CXCL8", "IL6", "IL6"],
        "Panel": "Inflammation",
        "PlateID": "P1",
        "WellID": ["A1", "A1", "B1", "C1"],
        "NPX": [1.5, -0.25, 2.0, 4.0],
        "LOD": [0.5, 0.0, 0.5, 0.5],
        "QC_Warning": ["PASS", "PASS", "WARN", "PASS"],
        "Normalization": "Plate control",
    }
)


def check_explore(table):
    assert list(table["sample_id"]) == ["012345678", "012345678", "900000001", "CONTROL_1"]
    assert list(table["sample_type"]) == ["sample", "sample", "sample", "plate_control"]
    assert list(table["olink_id"]) == ["OID1", "OID2", "OID1", "OID1"]
    np.testing.assert_array_equal(table["npx"], [1.5, -0.25, 2.0, 4.0])
    np.testing.assert_array_equal(table["lod"], [0.5, 0.0, 0.5, 0.5])
    assert list(table["warned"]) == [False, False, True, False]
    assert list(table["well"]) == ["A1", "A1", "B1", "C1"]


def decimal_comma(table):
    return table.assign(**{name: table[name].map(lambda x: str(x).replace(".", ",")) for name in ("NPX", "LOD")})


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("npx.csv", lambda path: EXPLORE.to_csv(path, sep=";", index=False)),
        ("comma.csv", lambda path: EXPLORE.to_csv(path, index=False)),
        ("bom.csv", lambda path: EXPLORE.to_csv(path, sep=";", index=False, encoding="utf-8-sig")),
        ("decimal.csv", lambda path: decimal_comma(EXPLORE).to_csv(path, sep=";", index=False)),
        ("npx.tsv", lambda path: EXPLORE.to_csv(path, sep="\t", index=False)),
        ("npx.csv.gz", lambda path: EXPLORE.to_csv(path, sep=";", index=False)),
        ("npx.parquet", lambda path: EXPLORE.to_parquet(path)),
        ("npx.xlsx", lambda path: EXPLORE.to_excel(path, index=False)),
    ],
)
def test_every_format_gives_the_same_table(tmp_path, name, write):
    write(tmp_path / name)
    check_explore(read_npx(tmp_path / name))


def test_column_names_of_explore_ht(tmp_path):
    table = pd.DataFrame(
        {
            "SampleID": ["S1", "S1", "S1", "NC"],
            "SampleType": ["SAMPLE", "SAMPLE", "SAMPLE", "NEGATIVE_CONTROL"],
            "OlinkID": ["OID4", "OID5", "OID6", "OID4"],
            "UniProt": ["P1", "P2", "", "P1"],
            "Assay": ["A", "B", "Extension control", "A"],
            "AssayType": ["assay", "assay", "ext_ctrl", "assay"],
            "Panel": "Explore_HT",
            "PlateID": "P1",
            "WellID": "A1",
            "NPX": [1.0, 2.0, 3.0, np.nan],
            "SampleQC": ["PASS", "PASS", "PASS", "NA"],
            "AssayQC": ["PASS", "WARN", "PASS", "PASS"],
        }
    )
    table.to_parquet(tmp_path / "ht.parquet")
    read = read_npx(tmp_path / "ht.parquet")
    assert list(read["olink_id"]) == ["OID4", "OID5", "OID4"], "controls of the kit are no proteins"
    assert list(read["warned"]) == [False, True, False]
    assert read["lod"].isna().all()
    assert list(read["sample_type"]) == ["sample", "sample", "negative_control"]


def wide_sheet(path):
    rows = [
        ["study", "Olink NPX Manager"],
        ["NPX data"],
        ["Panel", "Olink Target 96 Inflammation"],
        [],
        ["Assay", "IL-8", "IL-1ra", "Plate ID", "QC Warning", "QC Deviation from median"],
        ["Uniprot ID", "P10145", "P18510", None, None, "Inc Ctrl"],
        ["OlinkID", "OID1", "OID2"],
        [],
        ["012345678", 5.5, 6.5, "plate1", "Pass", 0.1],
        ["TK_65 ", 1.5, None, "plate1", "Warning", 0.1],
        [],
        ["LOD", 2.0, 3.0],
        ["Missing Data freq.", 0, 0],
    ]
    pd.DataFrame(rows).to_excel(path, index=False, header=False)


def test_the_wide_sheet_of_npx_manager(tmp_path):
    wide_sheet(tmp_path / "wide.xlsx")
    table = read_npx(tmp_path / "wide.xlsx")
    assert table[["sample_id", "olink_id"]].to_numpy().tolist() == [
        ["012345678", "OID1"], ["TK_65", "OID1"], ["012345678", "OID2"], ["TK_65", "OID2"],
    ]  # fmt: skip
    np.testing.assert_array_equal(table["npx"], [5.5, 1.5, 6.5, np.nan])
    np.testing.assert_array_equal(table["lod"], [2, 2, 3, 3])
    assert list(table["warned"]) == [False, True, False, True]
    assert set(table["plate"]) == {"plate1"}
    assert set(table["panel"]) == {"Olink Target 96 Inflammation"}


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.5", "-2", "", "NA"], [1.5, -2, np.nan, np.nan]),
        (["1,5", "-2", "n/a"], [1.5, -2, np.nan]),
    ],
)
def test_numbers(texts, numbers):
    np.testing.assert_array_equal(parse_numbers(pd.Series(texts), "x"), numbers)


@pytest.mark.parametrize("texts", [["1,5", "2.5"], ["1,234.5"], ["low"]])
def test_numbers_that_cannot_be_read_are_refused(texts):
    with pytest.raises(InputError, match="x: "):
        parse_numbers(pd.Series(texts), "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"NPX": [1.5, 220938.0, 2.0, 4.0]}, "decimal sign"),
        ({"OlinkID": ["OID1", "OID1", "OID1", "OID1"]}, "SampleID 012345678 has 1 assays more than once"),
        ({"OlinkID": ["OID1", "", "OID1", "OID1"]}, "first in data row 2"),
    ],
)
def test_tables_that_would_mislead_are_refused(tmp_path, change, message):
    EXPLORE.assign(**change).to_csv(tmp_path / "npx.csv", sep=";", index=False)
    with pytest.raises(InputError, match=message):
        read_npx(tmp_path / "npx.csv")


def test_a_control_may_stand_on_many_wells(tmp_path):
    again = EXPLORE.tail(1).assign(WellID="D1")
    pd.concat([EXPLORE, again]).to_csv(tmp_path / "npx.csv", sep=";", index=False)
    assert len(read_npx(tmp_path / "npx.csv")) == 5


def test_what_is_no_npx_table_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("Sample;Value\nA;1\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes("SampleID;Assay;NPX;OlinkID\nA;TGF-\xdf;1;O1\n".encode("latin-1"))
    pd.DataFrame({"a": [1]}).to_excel(tmp_path / "other.xlsx")
    for name, message in {
        "a.csv": "columns not found: symbol",
        "empty.csv": "is empty",
        "latin.csv": "UTF-8",
        "other.xlsx": "no sheet",
        "x.docx": "not a known",
    }.items():
        with pytest.raises(InputError, match=message):
            read_npx(tmp_path / name)


def test_without_olink_id_the_key_is_panel_and_uniprot(tmp_path):
    with gzip.open(tmp_path / "npx.csv.gz", "wt") as handle:
        EXPLORE.drop(columns="OlinkID").to_csv(handle, index=False)
    assert set(read_npx(tmp_path / "npx.csv.gz")["olink_id"]) == {"Inflammation_P05231", "Inflammation_P10145"}
