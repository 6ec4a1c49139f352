"""Olink exports as laboratories send them, through the workflow, against a plain reading of the same files."""

import anndata
import numpy as np
import openpyxl
import pandas as pd
import pytest

from support.realdata import run_workflow, working_folder, write_proteome_cohort

pytestmark = pytest.mark.slow


def matrix_by_id(folder):
    """Return the matrix, SampleIDs x assays, and the annotation of the assays."""
    data = anndata.read_h5ad(folder / "results/proteome/proteome.h5ad")
    return data.to_df().set_axis(data.obs["table_id"].astype(str)), data


def as_shown(values, data):
    """Return what a blinded run shows of the vendor's values."""
    hidden = np.outer(data.obs["visit_day"] > 1, data.var["masked"])
    assert hidden.any()
    return np.where(hidden, np.nan, np.asarray(values, dtype=np.float32))


@pytest.fixture(scope="module")
def serum(shared):
    """A published long csv: 63 samples of 57 people, five panels, no OlinkID, no QC column."""
    folder = working_folder("proteome_serum", data=shared / "covid_olink_serum")
    samples = pd.read_csv(shared / "covid_olink_serum/serum_sample_level.csv", dtype=str).sort_values("SampleID")
    cohort = pd.DataFrame(
        {
            "table_id": samples["SampleID"],
            "person": samples["Individual_ID"],
            "order": samples.groupby("Individual_ID").cumcount(),
            "batch": samples["Plate_ID"].str.replace(".", "", regex=False),
            "specimen": "serum",
        }
    )
    write_proteome_cohort(folder, cohort, "serum_npx_level.csv")
    return run_workflow(folder, "proteome_serum", "results/proteome/proteome.h5ad")


def test_every_value_of_the_long_table_arrives(serum, shared, compare):
    matrix, data = matrix_by_id(serum)
    raw = pd.read_csv(shared / "covid_olink_serum/serum_npx_level.csv")
    passed = set(matrix.index)
    verdicts = pd.read_csv(serum / "results/qc/proteome_verdicts.tsv", sep="\t")
    failed = verdicts[(verdicts["metric"] == "overall") & (verdicts["verdict"] == "fail")]
    compare("Olink serum, samples in the matrix or failed with a reason", 63, len(passed) + len(failed))
    compare("Olink serum, samples that failed QC", 0, len(failed))
    compare("Olink serum, assays", 436, data.n_vars)
    assert len(passed) + len(failed) == 63
    assert (failed["reason"] != "").all()
    # The cohort is of patients with very different plasma; a third of it failing would speak of a wrong measure.
    assert len(failed) <= 3
    assert data.n_vars == 436
    raw["key"] = raw["Panel"] + "_" + raw["UniProt"]
    expected = raw.pivot(index="SampleID", columns="key", values="NPX").loc[matrix.index, matrix.columns]
    np.testing.assert_allclose(matrix.to_numpy(), as_shown(expected, data), rtol=1e-6)
    hidden = {"IL-1ra", "IFN-gamma", "CXCL9", "CXCL10", "CXCL11", "IL-1RT2", "IL-18R1", "EN-RAGE"}
    assert hidden <= set(data.var.loc[data.var["masked"], "symbol"])
    symbols = raw.drop_duplicates("key").set_index("key")["Assay"]
    assert (data.var["symbol"].astype(str) == symbols.loc[data.var_names]).all()


@pytest.fixture(scope="module")
def breda(shared):
    """An export of NPX Manager (xlsx, wide): 584 wells, of which the cohort's table names 541 samples of patients."""
    folder = working_folder("proteome_breda", data=shared / "covid_olink_breda")
    samples = pd.read_excel(shared / "covid_olink_breda/data_Breda_patient_info_breda.xlsx", dtype=str)
    # Two samples of one patient and time point exist: the order of the samples makes the visit.
    samples = samples.sort_values(["breda_nr", "timepoint", "Olink.ID"])
    cohort = pd.DataFrame(
        {
            "table_id": samples["Olink.ID"],
            "person": samples["breda_nr"],
            "order": samples.groupby("breda_nr").cumcount(),
            "batch": samples["Olink.ID"].str[0],
            "specimen": "plasma",
        }
    )
    write_proteome_cohort(folder, cohort, "raw_data_Cohort_1-_Breda.xlsx")
    return run_workflow(folder, "proteome_breda", "results/proteome/proteome.h5ad")


def test_every_value_of_the_vendors_sheet_arrives(breda, shared, compare):
    """Against openpyxl's cells: values, flagged samples, samples that the manifest does not name."""
    book = openpyxl.load_workbook(shared / "covid_olink_breda/raw_data_Cohort_1-_Breda.xlsx", data_only=True)
    rows = list(book["INF"].iter_rows(values_only=True))
    labels = [row[0] for row in rows]
    assays = rows[labels.index("OlinkID")]
    columns = [j for j in range(1, len(assays)) if assays[j]]
    flag = rows[labels.index("Assay")].index("QC Warning")
    body = [row for row in rows[labels.index("OlinkID") + 2 : labels.index("LOD")] if row[0]]
    values = pd.DataFrame(
        [[row[j] for j in columns] for row in body], [str(row[0]).strip() for row in body], [assays[j] for j in columns]
    ).apply(pd.to_numeric, errors="coerce")
    flagged = {str(row[0]).strip() for row in body if row[flag] == "Warning"}

    matrix, data = matrix_by_id(breda)
    unmatched = pd.read_csv(breda / "results/proteome/unmatched.tsv", sep="\t", dtype=str)
    verdicts = pd.read_csv(breda / "results/qc/proteome_verdicts.tsv", sep="\t")
    overall = verdicts[verdicts["metric"] == "overall"].set_index("library")["verdict"]
    libraries = pd.read_csv(breda / "results/intake/proteome.tsv", sep="\t", dtype=str).set_index("library")["table_id"]
    failed = set(libraries[overall.index[overall == "fail"]])
    compare("Olink Breda, wells of the sheet", 584, len(body))
    compare("Olink Breda, assays", 92, data.n_vars)
    compare("Olink Breda, wells that the manifest does not name", 43, len(unmatched))
    compare(
        "Olink Breda, libraries that failed QC (flagged ones in the sheet)", len(flagged & set(libraries)), len(failed)
    )
    assert data.n_vars == 92
    assert set(unmatched["table_id"]) == set(values.index) - set(libraries)
    assert set(matrix.index) == set(libraries) - failed
    # A sample that NPX Manager flags has no value that may be used: it fails; so may a few gross outliers.
    assert flagged & set(libraries) <= failed
    assert len(failed - flagged) <= 0.02 * len(libraries)
    expected = values.loc[matrix.index, matrix.columns].to_numpy(dtype=np.float32)
    np.testing.assert_allclose(matrix.to_numpy(), as_shown(expected, data), rtol=1e-6)


def test_patients_in_intensive_care_have_more_interleukin_6(breda, shared, compare):
    """What every COVID cohort shows; it would not be seen if samples and rows had been mixed up."""
    matrix, data = matrix_by_id(breda)
    people = pd.read_excel(shared / "covid_olink_breda/data_Breda_patient_info_breda.xlsx", dtype=str).set_index(
        "Olink.ID"
    )
    icu = people.loc[matrix.index, "ICU"].to_numpy()
    interleukin = matrix[data.var_names[data.var["symbol"] == "IL6"][0]]
    difference = interleukin[icu == "yes"].median() - interleukin[icu == "no"].median()
    compare("Olink Breda, IL-6 of intensive care above the wards', NPX (at least)", 1, difference)
    assert difference > 1
