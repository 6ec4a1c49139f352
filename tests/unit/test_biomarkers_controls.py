"""Negative controls through the rules' own steps: a planted site is told, the arm of day 1 is not."""

import anndata
import numpy as np
import pandas as pd
import pytest

from immunosep.biomarkers.crossvalidate import permutation_strata, permute_classes
from immunosep.biomarkers.fold_steps import split_folds
from immunosep.biomarkers.steps import Choices, Sources, evaluate_one_repeat, load_inputs, summarise_task
from immunosep.biomarkers.tasks import load_task
from immunosep.io import read_table, write_h5ad, write_table
from immunosep.simulate import matrices as simulated
from immunosep.simulate.participants import draw_trial
from support.tasks import section

PLANTED = dict(zip(simulated.SCORES, (5, 10, 0, 0, 15, 15), strict=True))
LAYERS = {
    "proteome": simulated.Layer("proteome", 60, 1.0, "plasma", PLANTED),
    "rna": simulated.Layer("rna", 80, 0.9, "whole_blood", PLANTED),
}
BIOMARKERS = {
    "clinical": {},
    "cv": {"outer_folds": 3, "repeats": 3, "inner_folds": 2, "also": ["leave_one_country_out"], "min_site": 15},
    "max_features": 60,
    "selected_features": [20],
    "penalty": [0.1],
    "l1_ratio": [0.0],
    "trees": 5,
    "factors": 2,
    "bootstrap": 50,
    "min_per_class": 8,
    "min_unclassified": 20,
}
INTEGRATION = {"min_features": 15, "iterations": 10, "convergence": "fast", "drop_r2": 0.01}
SIZE = 120


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A simulated trial in two layers; the drugs act from day 2 on, and the sites differ in the proteome."""
    folder = tmp_path_factory.mktemp("trial")
    drawn = draw_trial(SIZE, 30, 4, list(simulated.SOFA_DAYS))
    scores = simulated.draw_scores(drawn, 4)
    for name, layer in LAYERS.items():
        obs = simulated.draw_samples(drawn, scores, layer, 4)
        var = simulated.feature_table(layer, 4)
        values = simulated.fill(layer, obs, scores, simulated.draw_loadings(layer, var, 4), 4)
        if name == "proteome":
            values[:, 40:] += np.random.default_rng(1).normal(size=(6, 20))[pd.factorize(obs["site"], sort=True)[0]]
        write_h5ad(anndata.AnnData(values, obs=obs, var=var), folder / f"{name}.h5ad")
    labels = simulated.label_table(drawn)
    arm = drawn.people.set_index("participant")["arm"]
    write_table(labels.assign(arm=labels["participant"].map(arm)), folder / "labels.tsv")
    return folder


def split(trial, out, target, days=(1,), **more):
    """Decide the classes and the folds of a task; return what the next steps need."""
    task = {"target": target, "days": list(days), "comparators": ["layers"], **more}
    biomarkers = BIOMARKERS | {"tasks": {"t": task}}
    sources = Sources({name: trial / f"{name}.h5ad" for name in LAYERS}, trial / "labels.tsv", None, out / "folds.tsv")
    split_folds(
        task_name="t", biomarkers=biomarkers, seed=1, matrices=sources.matrices, labels_path=sources.labels,
        participants_path=None, kept_path=None, classes_path=out / "classes.tsv", folds_path=sources.folds,
        elsewhere_path=out / "elsewhere.tsv",
    )  # fmt: skip
    return sources, Choices(biomarkers, INTEGRATION, {}, 1)


def run(trial, out, target, days=(1,), **more):
    """Run a task from its folds to its performance; return the folder."""
    sources, choices = split(trial, out, target, days, **more)
    evaluate_one_repeat(task_name="t", repeat="1", sources=sources, choices=choices, predictions_path=out / "1.tsv")
    summarise_task(
        task_name="t", bootstrap=50, seed=1, classes_path=out / "classes.tsv", repeats=[out / "1.tsv"],
        predictions_path=out / "predictions.tsv", performance_path=out / "performance.tsv",
        curves_path=out / "curves.tsv",
    )  # fmt: skip
    return out


def areas(folder, name):
    table = read_table(folder / "performance.tsv")
    return table[table["class"] == name].set_index("model")["auroc"].astype(float)


def test_a_planted_site_is_told_by_the_layer_that_has_it(trial, tmp_path):
    out = run(trial, tmp_path, "site", control=True)
    found = areas(out, "macro")
    assert found["proteome"] > 0.9
    # The other layer has no site in it. The mean over six classes of 10 to 33 of 120 participants has a standard error
    # of about 0.03.
    assert abs(found["rna"] - 0.5) < 0.1
    classes = read_table(out / "folds.tsv")["class"]
    assert set(classes) == {"site GR01", "site GR03", "site DE02", "site NL04", "country DE", "country RO"}
    performance = read_table(out / "performance.tsv")
    assert performance["note"].str.contains("negative control").all()
    # One repeat, and nobody is predicted from elsewhere: a place that is left out has no model.
    assert set(read_table(out / "folds.tsv")["repeat"]) == {"1"}
    assert read_table(out / "elsewhere.tsv").empty


def test_the_arm_is_not_told_before_the_first_dose_and_is_after_it(trial, tmp_path):
    (tmp_path / "day1").mkdir()
    before = areas(run(trial, tmp_path / "day1", "arm", control=True), "active")
    # An AUROC of about 110 has a standard error of 0.055 where nothing is told. That of the proteome may lie below: the
    # arms are balanced within sites, which it tells, so that a site's training half leans away from its test half.
    assert abs(before["rna"] - 0.5) < 0.12
    assert before["proteome"] < 0.62
    note = read_table(tmp_path / "day1/performance.tsv")["note"]
    assert note.str.startswith("negative control: sampled before the first dose").all()
    (tmp_path / "day4").mkdir()
    after = areas(run(trial, tmp_path / "day4", "arm", days=(4,)), "active")
    assert after["proteome"] > 0.75


def test_layers_restrict_what_predicts_and_who_was_sampled(trial, tmp_path):
    out = run(trial, tmp_path, "sofa_response", layers=["rna"], population={"endotype": ["SII"]})
    performance = read_table(out / "performance.tsv")
    assert performance["model"].tolist() == ["rna"]
    people = read_table(trial / "labels.tsv").set_index("participant")["endotype"]
    assert set(people.loc[read_table(out / "folds.tsv")["participant"]]) == {"SII"}
    told = read_table(out / "classes.tsv").query("enters == 'yes'")
    sampled = anndata.read_h5ad(trial / "rna.h5ad").obs.query("visit_day == 1")["participant"]
    assert told["sampled"].astype(int).sum() == (people.loc[sampled] == "SII").sum()


def test_a_place_is_shuffled_among_everybody_and_an_outcome_within_its_site(trial):
    labels = read_table(trial / "labels.tsv").set_index("participant")
    site = load_task("t", section("site", control=True))
    shuffled = permute_classes(labels["site"], permutation_strata(site, labels), seed=1)
    assert (shuffled != labels["site"].sort_index()).mean() > 0.5
    response = load_task("t", section("sofa_response"))
    kept = permute_classes(labels["site"], permutation_strata(response, labels), seed=1)
    assert (kept == labels["site"].sort_index()).all()


def test_inputs_hold_the_classes_of_the_folds(trial, tmp_path):
    inputs = load_inputs("t", *split(trial, tmp_path, "country", control=True))
    # Those without a sample on day 1 have a country and no part in the task.
    people = read_table(trial / "labels.tsv")
    assert len(inputs.classes) < len(people)
    assert (inputs.classes == people.set_index("participant").loc[inputs.classes.index, "country"]).all()
