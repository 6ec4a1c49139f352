"""Personal data in tables of measurements: vendors' exports, matrices, and the words that only look like it."""

import logging

import numpy as np
import openpyxl
import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.privacy_tables import check_annotations, check_features, check_names
from immunosep.proteome.npx import read_npx

SECRETS = ("29.02.1950", "anna.b@clinic.example", "+30 210 5831234", "Frau Schmidt")


def long_table(**extra):
    """Return an NPX table of two samples and two assays with further columns, one value per row."""
    table = pd.DataFrame(
        {
            "SampleID": ["S1", "S1", "S2", "S2"],
            "OlinkID": ["OID1", "OID2"] * 2,
            "UniProt": ["P1", "P2"] * 2,
            "Assay": ["HLA-DOB", "IFNG"] * 2,
            "Panel": "Inflammation",
            "NPX": ["1.5", "2.5", "3.5", "4.5"],
            "SoftwareName": "NPX Map",
            "Count": ["10", "20", "30", "40"],
        }
    )
    return table.assign(**extra)


def write(table, path):
    if path.suffix == ".csv":
        table.to_csv(path, sep=";", index=False)
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_excel(path, index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("Geburtsdatum", ["29.02.1950"] * 4, "personal data"),
        ("Comments", ["late"] * 4, "personal data"),
        ("Treatment", ["A", "A", "B", "B"], "treatment"),
        ("dose_mg", ["100", "100", "0", "0"], "treatment"),
        ("Visit", ["2024-02-29"] * 4, "a calendar date"),
        ("Visit", ["D1", "D1", "asked for it back on the phone", "D1"], "free text"),
        ("Contact", ["anna.b@clinic.example"] * 4, "an e-mail address"),
    ],
)
def test_an_export_with_personal_data_is_refused(tmp_path, suffix, column, values, told):
    path = write(long_table(**{column: values}), tmp_path / f"npx{suffix}")
    with pytest.raises(InputError) as caught:
        read_npx(path)
    text = str(caught.value)
    assert str(path) in text
    assert f'"{column}"' in text
    assert told in text


@pytest.mark.parametrize("secret", SECRETS)
def test_no_message_shows_the_value(tmp_path, secret):
    table = long_table(Visit=[secret, "D1", "D1", "D1"])
    with pytest.raises(InputError) as of_value:
        read_npx(write(table, tmp_path / "npx.csv"))
    with pytest.raises(InputError) as of_sample:
        read_npx(write(long_table(SampleID=[secret, secret, "S2", "S2"]), tmp_path / "npx.csv"))
    for caught in (of_value, of_sample):
        assert "masked" in str(caught.value)
        assert secret not in str(caught.value)
    with pytest.raises(InputError) as of_rows:
        check_names(["S1", secret], "x.h5ad")
    assert secret not in str(of_rows.value)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_a_clean_export_is_read(tmp_path, suffix):
    protein = ["The beta chain of a protein of the major complex", "Interferon gamma, made by one of the cells"] * 2
    path = write(long_table(Description=protein, Age=["70", "70", "81", "81"]), tmp_path / f"npx{suffix}")
    assert len(read_npx(path)) == 4


def test_a_column_of_two_groups_is_warned_about(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read_npx(write(long_table(code=["A", "A", "B", "B"], flag=["0", "1", "0", "1"]), tmp_path / "npx.csv"))
    assert '"code" holds a code of two groups' in caplog.text
    assert '"flag"' not in caplog.text  # one value per assay


def test_what_describes_samples_of_a_matrix():
    obs = pd.DataFrame({"site": ["GR03"] * 2, "pre_dose": ["yes", "no"], "group": [0, 1], "rin": [8.5, np.nan]})
    check_annotations(obs, "x.h5ad")
    with pytest.raises(InputError, match="Prénom"):
        check_annotations(obs.assign(Prénom="x"), "x.h5ad")


def test_features_may_read_like_words():
    check_features(
        ["HLA-DOB", "TEL", "IFNG", "ARMC1", "CP", "BSN", "10-octadecenoic acid", "1,2-Propanediol, 2TMS RT5.87",
         "28 day", "unknown RT 4.081766", "PC aa C38:4", "P01615;P01616", "acetaminophen", "DATE1"],
        "x.tsv",
    )  # fmt: skip
    for name in ("arm", "Treatment", "date_of_birth", "2-Sep", "HIV"):
        with pytest.raises(InputError, match="must not enter"):
            check_features(["IL6", name], "x.tsv")


def wide_sheet(extra=("Sex", "F")):
    """Return the rows of an NPX Manager sheet of one sample and two assays with one further column."""
    return [
        ["Project", "Olink NPX Manager 2.2.2.322", None, None, None],
        ["NPX data", None, None, None, None],
        ["Panel", "Inflammation", "Inflammation", "Inflammation", None],
        ["Assay", "IL6", "IFN-gamma", "Plate ID", extra[0], "Plate ID"],
        ["Uniprot ID", "P05231", "P01579", None, None, None],
        ["OlinkID", "OID1", "OID2", None, None, None],
        [None] * 6,
        ["S1", 1.5, 2.5, "P1", extra[1], "P1"],
        ["LOD", 0.5, 0.5, None, None, None],
    ]


def workbook(path, rows, **sheets):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, content in sheets.items():
        sheet = book.create_sheet(title)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def test_the_vendors_wide_sheet(tmp_path, caplog):
    assert len(read_npx(workbook(tmp_path / "a.xlsx", wide_sheet()))) == 2
    for extra in (("Geburtsdatum", "29.02.1950"), ("Visit", "29.02.2024")):
        with pytest.raises(InputError, match=extra[0]):
            read_npx(workbook(tmp_path / "b.xlsx", wide_sheet(extra)))
    patients = [["Sample", "date", "surname"], ["S1", "29.02.2024", "Schmidt"]]
    assert len(read_npx(workbook(tmp_path / "c.xlsx", wide_sheet(), Patients=patients))) == 2
    assert 'sheet "Patients" is not read' in caplog.text
    assert "Schmidt" not in caplog.text
