"""Critically ill patients by metabolites and clinical chemistry over days: a messy table, few people, many visits."""

import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.integration.assemble import read_h5mu, read_matrix
from support.cohorts import ASSOCIATIONS, associations, performance, plain_auroc, read_metabolome, write_metabolome
from support.realdata import run_workflow, working_folder

pytestmark = pytest.mark.slow

TASKS = ("survival", "sepsis_survival", "survival_after_day_1")


@pytest.fixture(scope="module")
def metabolome(shared):
    """41 patients, 187 samples of days 0 to 33; 16 patients died, and 21 had sepsis."""
    folder = working_folder("metabolome")
    write_metabolome(shared, folder)
    tasks = [f"results/biomarkers/{task}/performance.tsv" for task in TASKS]
    return run_workflow(folder, "metabolome", *tasks, ASSOCIATIONS, "results/integration/mefisto.tsv")


def test_the_table_is_read_as_it_is_meant(shared):
    table = read_metabolome(shared)
    assert (len(table), table["patient"].nunique()) == (187, 41)
    assert table.loc[0, ["patient", "day", "survival", "cap_fp", "C0"]].tolist() == ["P01", 0, "NS", "FP", 66.4]
    # "-" are patients without sepsis: 20 of them, 8 of whom died.
    people = table.drop_duplicates("patient")
    counts = people.groupby(people["cap_fp"] != "-")["survival"].value_counts()
    assert counts.to_dict() == {(False, "S"): 12, (False, "NS"): 8, (True, "S"): 13, (True, "NS"): 8}
    # The two editions of the table differ in one patient's outcome.
    first = pd.read_csv(shared / "sepsis_metabolome/Summary human sample data.csv", sep="\t", decimal=",", dtype=str)
    assert set(first.loc[first["Survival"].to_numpy() != table["survival"].to_numpy(), "Patient"]) == {"18"}


def test_the_workflow_itself_refuses_decimal_commas(shared):
    with pytest.raises(InputError, match=r"columns hold text where numbers are expected"):
        read_matrix(shared / "sepsis_metabolome/Summary human sample data.csv")


def test_a_layer_that_few_visits_have_stays_missing_elsewhere(metabolome):
    joined = read_h5mu(metabolome / "results/integration/multiomics.h5mu")
    assert {name: part.shape for name, part in joined.mod.items()} == {"metabolite": (187, 203), "chemistry": (64, 30)}
    assert joined.obs["participant"].nunique() == 41


def day_0(folder, task):
    """Return the metabolites of day 0 of the patients of a task, and who of them died."""
    values = pd.read_csv(folder / "metabolite.tsv", sep="\t", index_col=0).filter(like="-D00", axis=0)
    labels = pd.read_csv(folder / "labels.tsv", sep="\t", index_col="participant")[task].dropna()
    values = values.set_axis(values.index.str.removesuffix("-D00"))
    values = values.loc[values.index.isin(labels.index)]
    return values.dropna(axis=1, how="all"), labels[values.index] == "died"


@pytest.mark.parametrize(("task", "patients", "spread"), [("survival", 40, 0.09), ("sepsis_survival", 20, 0.13)])
def test_death_from_the_first_sample(metabolome, compare, task, patients, spread):
    """No figure is known. With so few patients the workflow may be no better than a plain model and must not look so.

    `spread`: the standard error of an AUROC of 0.7, 16 deaths among 40 and 8 among 20 (Hanley and McNeil 1982).
    """
    table = performance(metabolome, task).droplevel("class")
    assert table.loc[["metabolite", "late_fusion"], "n"].tolist() == [patients, patients]
    assert table.loc["chemistry", "n"] == 20
    values, died = day_0(metabolome, task)
    assert len(values) == patients
    found = [plain_auroc(values, died, penalty) for penalty in (0.01, 0.1, 1)]
    own = table.loc["metabolite"]
    compare(f"{task}, AUROC of metabolites: plain logistic regression | workflow", max(found), own["auroc"])
    compare(f"{task}, AUROC of metabolites: lower | upper limit", own["auroc_low"], own["auroc_high"])
    assert min(found) - 2 * spread <= own["auroc"] <= max(found) + 2 * spread
    # An interval that is much narrower than two standard errors to each side would not be one.
    assert own["auroc_high"] - own["auroc_low"] > 2 * spread
    # The folds of prediction are of patients, and who had a layer measured tells nothing of death.
    assert table.loc["missingness", "auroc_low"] < 0.5


def test_two_visits_make_one_prediction_per_patient(metabolome, compare):
    """Days 0 and 1 of those who were there on day 1: 38 patients, 78 samples less the 3 of the others."""
    predictions = pd.read_csv(metabolome / "results/biomarkers/survival_after_day_1/predictions.tsv", sep="\t")
    assert not predictions.duplicated(["repeat", "participant", "model", "feature_set", "class"]).any()
    folds = pd.read_csv(metabolome / "results/biomarkers/survival_after_day_1/folds.tsv", sep="\t")
    assert folds.groupby(["repeat", "participant"])["fold"].nunique().max() == 1
    table = performance(metabolome, "survival_after_day_1").droplevel("class")
    assert table.loc["metabolite", "n"] == 38
    both, once = table.loc["metabolite", "auroc"], performance(metabolome, "survival").droplevel("class")
    compare("death, AUROC of metabolites: day 0 | days 0 and 1", once.loc["metabolite", "auroc"], both)


def test_the_samples_of_a_patient_do_not_make_an_association(metabolome, compare):
    """Survival is tested on 41 patients: of 187 samples q would be far below 0.001 where that of patients is not."""
    found = associations(metabolome).loc["survival"]
    assert set(found["unit"]) == {"participant"}
    assert set(found["n"]) == {41}
    compare("survival and factors: n | least q value", 41, found["q_value"].min())
    assert set(associations(metabolome).loc["visit_day", "unit"]) == {"observation"}
