"""The endotype classifier on the endotypes of others: SRS by 19 genes, sepsis and health (Cano-Gamez 2022)."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from immunosep.io import read_table
from support.cohorts import ASSOCIATIONS, associations, performance, write_srs
from support.realdata import run_workflow, working_folder
from support.runs import ROOT

pytestmark = pytest.mark.slow

#: SRS7 of resources/gene_sets.tsv in the names of the table.
SRS7 = {
    "ARL14EP": "ENSG00000152219",
    "CCNB1IP1": "ENSG00000100814",
    "DYRK2": "ENSG00000127334",
    "ADGRE3": "ENSG00000131355",
    "MDC1": "ENSG00000137337",
    "ZAP70": "ENSG00000115085",
    "TDRD9": "ENSG00000156414",
}


@pytest.fixture(scope="module")
def srs(shared):
    """2,185 samples: 676 of sepsis (SRS1, SRS2), all others of two studies of the population, nearly all SRS3."""
    folder = working_folder("srs")
    write_srs(shared, folder)
    tasks = [f"results/biomarkers/{task}/performance.tsv" for task in ("srs", "srs_in_sepsis")]
    return run_workflow(folder, "srs", *tasks, ASSOCIATIONS)


def test_endotypes_by_19_genes(srs, compare):
    """Reference: a random forest, five folds, is right about 0.97 of the samples."""
    predictions = pd.read_csv(srs / "results/biomarkers/srs/predictions.tsv", sep="\t")
    truth = pd.read_csv(srs / "labels.tsv", sep="\t", index_col="participant")["srs"]
    for model, own in predictions.groupby("model"):
        # The likeliest of the three classes; each is predicted against the others.
        chosen = own.pivot(index="participant", columns="class", values="probability").idxmax(axis=1)
        assert len(chosen) == 2185
        right = (chosen == truth[chosen.index]).mean()
        compare(f"SRS, accuracy of {model}", 0.97, right)
        # Two standard errors of a share of 0.97 among 2,185 are 0.007.
        assert right >= 0.97 - 2 * np.sqrt(0.97 * 0.03 / 2185), model


def test_endotypes_among_the_septic(srs, compare):
    """Without the healthy, whom the third class hardly differs from; beside a random forest of scikit-learn's."""
    genes = pd.read_csv(srs / "rna19.tsv", sep="\t", index_col=0)
    truth = pd.read_csv(srs / "labels.tsv", sep="\t", index_col="participant")["srs_in_sepsis"].dropna()
    forest = RandomForestClassifier(200, random_state=1)
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    values, first = genes.loc[truth.index], truth == "SRS1"
    expected = roc_auc_score(first, cross_val_predict(forest, values, first, cv=folds, method="predict_proba")[:, 1])
    table = performance(srs, "srs_in_sepsis").droplevel("class")
    assert set(table["n"]) == {676}
    for model in ("rna19", "boosting_rna19"):
        compare(f"SRS1 against SRS2, AUROC of {model}: a plain forest | workflow", expected, table.loc[model, "auroc"])
        # 247 against 429: the standard error of an AUROC of 0.95 is 0.01.
        assert table.loc[model, "auroc"] >= expected - 0.02, model


def test_the_first_factor_is_the_endotype_and_the_study_at_once(srs, compare):
    found = associations(srs)
    factor = found.loc["srsq", "effect"].abs().idxmax()
    for variable in ("srs", "study"):
        compare(f"SRS, eta squared of {variable}, {factor}", 1, found.loc[(variable, factor), "effect"])
        # The third class are the healthy of other studies: who sees the whole table sees the study in the endotype.
        assert found.loc[(variable, factor), "effect"] > 0.8
    # Among the septic, of one study, it is the endotype alone.
    assert found.loc[("srs_in_sepsis", factor), "effect"] > 0.3


def test_the_signature_of_the_resources_points_the_right_way(srs):
    gene_sets = read_table(ROOT / "resources/gene_sets.tsv")
    genes = pd.read_csv(srs / "rna19.tsv", sep="\t", index_col=0)
    truth = pd.read_csv(srs / "labels.tsv", sep="\t", index_col="participant")["srs_in_sepsis"].dropna()
    means = genes.loc[truth.index].groupby(truth).mean()
    up = means.loc["SRS1"] > means.loc["SRS2"]
    own = gene_sets[gene_sets["gene_set"] == "SRS7"]
    assert set(own["symbol"]) == set(SRS7)
    assert {gene: "up" if up[SRS7[gene]] else "down" for gene in SRS7} == dict(own[["symbol", "direction"]].to_numpy())
    assert (gene_sets["gene_set"] == "SRS19").sum() == genes.shape[1]
