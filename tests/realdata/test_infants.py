"""Stool of infants over two years through the workflow: counts, many visits, courses (ECAM, Bokulich 2016)."""

import numpy as np
import pandas as pd
import pytest

from immunosep.integration.assemble import read_h5mu, read_matrix
from immunosep.io import read_h5ad
from support.cohorts import ASSOCIATIONS, associations, performance, plain_auroc
from support.infants import write_infants
from support.realdata import run_workflow, working_folder

pytestmark = pytest.mark.slow

#: Nominal days of the first half year, the task's.
EARLY = (0, 30, 61, 91, 122, 152)


@pytest.fixture(scope="module")
def infants(shared):
    """42 infants, 24 of them born vaginally, up to 20 months of life each; 386 genera, 60 of them common."""
    folder = working_folder("infants")
    write_infants(shared, folder)
    integration = [f"results/integration/{name}.tsv" for name in ("mixed_models", "trajectories", "weights")]
    figure = "results/figures/14_factor_trajectories.png"
    return run_workflow(
        folder, "infants", "results/biomarkers/delivery/performance.tsv", ASSOCIATIONS, *integration, figure
    )


def test_visits_are_months_and_infants_are_participants(infants):
    joined = read_h5mu(infants / "results/integration/multiomics.h5mu")
    assert joined.shape == (639, 60)
    assert joined.obs["participant"].nunique() == 42
    assert sorted(joined.obs["visit_day"].unique())[:6] == list(EARLY)
    # The matrix that goes in holds all genera, because the classifiers choose among them in the training folds.
    assert read_matrix(infants / "microbiome.h5ad").shape == (639, 386)


def early_means(infants):
    """Return the mean log-ratios of each infant in the first half year, and who was born vaginally."""
    data = read_h5ad(infants / "microbiome.h5ad")
    data = data[data.obs["visit_day"].isin(EARLY).to_numpy(), data.var["kept"].to_numpy()]
    values = pd.DataFrame(data.X, columns=data.var_names, index=data.obs_names)
    means = values.groupby(data.obs["participant"].astype(str).to_numpy()).mean()
    labels = pd.read_csv(infants / "labels.tsv", sep="\t", index_col="participant")
    return means, (labels.loc[means.index, "delivery"] == "vaginal").to_numpy()


def test_birth_is_told_from_the_first_half_year(infants, compare):
    """Six samples of an infant, whose scores are averaged, beside scikit-learn's regression on the infants' means."""
    table = performance(infants, "delivery").droplevel("class")
    assert set(table["n"]) == {42}
    means, vaginal = early_means(infants)
    expected = max(plain_auroc(means, vaginal, penalty) for penalty in (0.01, 0.1, 1))
    compare("infants, AUROC of birth: means of infants, plain | workflow", expected, table.loc["microbiome", "auroc"])
    # 24 against 18: the standard error of an AUROC of 0.85 is 0.06, and nobody chose the best of three penalties here.
    assert table.loc["microbiome", "auroc"] >= expected - 0.12
    assert table.loc["microbiome", "auroc_low"] > 0.5
    folds = pd.read_csv(infants / "results/biomarkers/delivery/folds.tsv", sep="\t")
    assert not folds.duplicated(["participant", "repeat"]).any()


def test_one_factor_is_age_and_another_birth(infants, compare):
    """Published: the community matures with age, and birth separates the infants along time."""
    found = associations(infants)
    age = found.loc["visit_day", "effect"].abs().idxmax()
    compare(f"infants, |rho| of age, {age}", 0.7, abs(found.loc[("visit_day", age), "effect"]))
    assert abs(found.loc[("visit_day", age), "effect"]) > 0.6
    birth = found.loc["delivery", "p_value"].idxmin()
    row = found.loc[("delivery", birth)]
    compare(f"infants, eta squared of birth, {birth}", 0.25, row["effect"])
    # Tested on the infants, not on their 639 samples.
    assert (row["unit"], row["n"]) == ("participant", 42)
    assert row["q_value"] < 0.05
    assert birth != age
    # Bacteroides is what infants of a caesarean section lack.
    weights = pd.read_csv(infants / "results/integration/weights.tsv", sep="\t")
    top = weights[(weights["factor"] == birth) & (weights["rank"] <= 5)]
    assert top["feature"].str.contains("Bacteroides").any()


def test_courses_differ_by_birth_at_the_same_age(infants, compare):
    models = pd.read_csv(infants / "results/integration/mixed_models.tsv", sep="\t")
    born = models[(models["model"] == "time x group") & (models["term"] == "group vaginal")]
    compare("infants, least q of birth in the mixed models", 0.05, born["q_value"].min())
    assert born["q_value"].min() < 0.05
    assert set(born["participants"]) == {42}
    trajectories = pd.read_csv(infants / "results/integration/trajectories.tsv", sep="\t")
    assert trajectories["participant"].nunique() == 42
    summary = pd.read_csv(infants / "results/integration/mefisto.tsv", sep="\t")
    # Age is a smooth course: a month later an infant is where it was, as far as age goes.
    assert summary["persistence"].max() > 0.8
    drawn = pd.read_csv(infants / "results/figures/14_factor_trajectories.tsv", sep="\t")
    assert set(drawn["group"]) == {"cesarean", "vaginal"}
    assert np.isfinite(drawn["mean"]).all()
