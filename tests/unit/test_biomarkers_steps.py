"""The rules of the stage on a small cohort in files: what is written, twice the same, and nobody in the model."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import roc_auc_score

from immunosep.biomarkers.assess import TABLES, assess_models
from immunosep.biomarkers.fold_steps import split_folds
from immunosep.biomarkers.frozen import coefficients
from immunosep.biomarkers.reporting.facts import TABLES as REPORTED
from immunosep.biomarkers.reporting.steps import report_model
from immunosep.biomarkers.steps import (
    Choices,
    Sources,
    collect_permutations,
    evaluate_one_repeat,
    freeze_model,
    load_inputs,
    permute,
    summarise_task,
)
from immunosep.io import read_table, write_h5ad, write_table
from immunosep.scan import scan_folder, watchlist
from support.tasks import report_settings

BIOMARKERS = {
    "tasks": {
        "endotype": {"target": "endotype", "days": [1], "comparators": ["clinical", "layers", "mofa", "late_fusion"]}
    },
    "clinical": {"endotype": ["age_years", "sex"]},
    "cv": {"outer_folds": 3, "repeats": 2, "inner_folds": 3, "also": ["leave_one_site_group_out"], "min_site": 15},
    "max_features": 40,
    "selected_features": [10],
    "penalty": [0.1],
    "l1_ratio": [0.0, 0.5],
    "trees": 5,
    "factors": 3,
    "bootstrap": 100,
    "min_per_class": 8,
    "min_unclassified": 20,
}
FILTERS = {"rna": {"min_count": 10, "min_fraction": 0.1}, "proteome": {"min_detected": 0.5}}
INTEGRATION = {"min_features": 15, "iterations": 200, "convergence": "fast", "drop_r2": 0.01}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    codes = [f"{index:09d}" for index in range(30)]
    persons = [f"GR0{index % 2}-{code}" for index, code in enumerate(codes)]
    mals = np.arange(30) % 5 < 2
    for name, size in (("rna", 50), ("proteome", 20)):
        values = generator.normal(size=(30, size)).astype(np.float32)
        values[mals, :10] += 1.5
        obs = pd.DataFrame(
            {"observation": [f"{p}-D01" for p in persons], "participant": persons, "site": [p[:4] for p in persons]},
            index=[f"{p}-D01-{name}" for p in persons],
        )
        var = pd.DataFrame(index=[f"{name}{index}" for index in range(size)])
        write_h5ad(anndata.AnnData(values, obs=obs, var=var), folder / f"{name}.h5ad")
    endotype = np.where(mals, "MALS", "SII")
    write_table(
        pd.DataFrame({"participant": persons, "site": [p[:4] for p in persons], "country": "GR", "endotype": endotype}),
        folder / "labels.tsv",
    )
    people = pd.DataFrame({"site": [p[:4] for p in persons], "participant_code": codes})
    people["age_years"], people["sex"] = generator.integers(30, 90, 30), generator.choice(["F", "M"], 30)
    write_table(people, folder / "participants.tsv")
    return folder


def run(inputs, out, biomarkers=BIOMARKERS):
    """Run all steps of the task; return the folder."""
    sources = Sources(
        matrices={name: inputs / f"{name}.h5ad" for name in ("rna", "proteome")},
        labels=inputs / "labels.tsv",
        participants=inputs / "participants.tsv",
        folds=out / "folds.tsv",
    )
    choices = Choices(biomarkers=biomarkers, integration=INTEGRATION, filters=FILTERS, seed=1)
    shared = {"task_name": "endotype", "sources": sources, "choices": choices}
    split_folds(
        task_name="endotype",
        biomarkers=biomarkers,
        seed=1,
        matrices=sources.matrices,
        labels_path=sources.labels,
        participants_path=sources.participants,
        kept_path=None,
        classes_path=out / "classes.tsv",
        folds_path=out / "folds.tsv",
        elsewhere_path=out / "folds_elsewhere.tsv",
    )
    for repeat in ("1", "2"):
        evaluate_one_repeat(**shared, repeat=repeat, predictions_path=out / f"repeat{repeat}.tsv")
    by_place = {**shared, "sources": replace(sources, folds=out / "folds_elsewhere.tsv")}
    scheme = "leave_one_site_group_out"
    evaluate_one_repeat(**by_place, repeat=scheme, predictions_path=out / f"{scheme}.tsv")
    summarise_task(
        task_name="endotype",
        bootstrap=biomarkers["bootstrap"],
        seed=1,
        classes_path=out / "classes.tsv",
        repeats=[out / "repeat1.tsv", out / "repeat2.tsv"],
        predictions_path=out / "predictions.tsv",
        performance_path=out / "performance.tsv",
        curves_path=out / "curves.tsv",
    )
    assess_models(
        task_name="endotype",
        target="endotype",
        labels_path=inputs / "labels.tsv",
        participants_path=inputs / "participants.tsv",
        predictions_path=out / "predictions.tsv",
        elsewhere={scheme: out / f"{scheme}.tsv"},
        prevalences=[0.1, 0.4],
        min_group=5,
        bootstrap=50,
        seed=1,
        targets={name: out / f"{name}.tsv" for name in TABLES},
    )
    freeze_model(
        **shared,
        epoch=3,
        shuffled=True,
        performance_path=out / "performance.tsv",
        model_path=out / "model.skops",
        training_path=out / "training.tsv",
    )
    for number in (1, 2):
        permute(**shared, permutation=number, performance_path=out / f"permuted{number}.tsv")
    collect_permutations(
        parts=[out / "permuted1.tsv", out / "permuted2.tsv"],
        predictions_path=out / "predictions.tsv",
        permutations_path=out / "permutations.tsv",
    )
    report_model(
        task_name="endotype",
        settings=report_settings(biomarkers),
        model_path=out / "model.skops",
        tables={name: path for name in REPORTED if (path := out / f"{name}.tsv").exists()},
        controls={},
        card_path=out / "texts/model_card.md",
        checklist_path=out / "texts/tripod_ai.tsv",
        page_path=out / "texts/tripod_ai.md",
    )
    return out


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    return run(inputs, tmp_path_factory.mktemp("one"))


def test_tables_of_the_task(finished):
    performance = read_table(finished / "performance.tsv").set_index("model")
    assert set(performance.index) == {"clinical", "rna", "proteome", "mofa", "late_fusion"}
    assert float(performance.loc["late_fusion", "auroc"]) > 0.85
    assert set(performance["n"]) == {"30"}
    predictions = read_table(finished / "predictions.tsv")
    assert len(predictions) == 30 * 5 * 2
    folds = read_table(finished / "folds.tsv")
    joined = predictions.merge(folds, on=["participant", "repeat"])
    assert (joined["fold_x"] == joined["fold_y"]).all()
    assert folds["digest"].nunique() == 1
    note = "two classes: 0 unclassified with a sample, 20 needed for a third"
    assert performance["note"].str.endswith(note).all()
    told = read_table(finished / "classes.tsv")
    assert told.to_dict("list") == {
        "task": ["endotype"] * 2,
        "class": ["MALS", "SII"],
        "participants": ["12", "18"],
        "sampled": ["12", "18"],
        "enters": ["yes"] * 2,
        "note": [note] * 2,
    }
    permuted = read_table(finished / "permutations.tsv")
    assert len(permuted) == 5 * 2
    late = permuted[permuted["model"] == "late_fusion"]
    reached = (late["auroc"].astype(float) >= late["auroc_observed"].astype(float)).sum()
    assert late["p_value"].astype(float).tolist() == pytest.approx([(1 + reached) / 3] * 2, rel=1e-5)
    assert late["n_permutations"].tolist() == ["2", "2"]
    # A permutation has one repeat: it is compared with one, not with the mean of two.
    first = predictions[(predictions["repeat"] == "1") & (predictions["model"] == "late_fusion")]
    area = roc_auc_score(first["label"].astype(int), first["score"].astype(float))
    assert late["auroc_observed"].astype(float).tolist() == pytest.approx([area] * 2)


def test_what_the_predictions_are_worth(finished):
    """Two sites of 15 are left out in turn; every table has its rows, and the model with signal is the better one."""
    transfer = read_table(finished / "transfer.tsv").set_index("model")
    assert set(transfer["scheme"]) == {"leave_one_site_group_out"}
    assert set(transfer["groups"]) == {"2"}
    assert float(transfer.loc["late_fusion", "auroc"]) > 0.85
    elsewhere = read_table(finished / "folds_elsewhere.tsv")
    assert elsewhere.groupby("fold")["participant"].agg(lambda names: set(names.str[:4])).map(len).tolist() == [1, 1]
    differences = read_table(finished / "differences.tsv").set_index(["model", "reference"])
    assert float(differences.loc[("rna", "clinical"), "auroc_difference"]) > 0.2
    values = read_table(finished / "predictive_values.tsv").query("model == 'late_fusion'")
    assert values["prevalence"].tolist() == ["0.1", "0.4"]
    curve = read_table(finished / "decision_curve.tsv").query("model == 'late_fusion' and threshold == '0.4'")
    assert float(curve["net_benefit"].iloc[0]) > float(curve["net_benefit_clinical"].iloc[0])
    assert set(read_table(finished / "subgroups.tsv")["variable"]) == {"sex", "age", "country"}


def permuted(folder, number, auroc):
    table = pd.DataFrame(
        {"task": "t", "permutation": number, "model": "rna", "feature_set": "full", "class": "MALS"}, [0]
    )
    write_table(table.assign(n=4, auroc=auroc), folder / f"{number}.tsv")
    return folder / f"{number}.tsv"


def test_a_permutation_without_an_area_is_not_counted(tmp_path):
    scores = pd.DataFrame({"participant": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.3, 0.2, 0.4]})
    scores = scores.assign(task="t", repeat=1, fold=1, model="rna", feature_set="full", probability=0.5)
    write_table(scores.assign(**{"class": "MALS"}), tmp_path / "predictions.tsv")
    parts = [permuted(tmp_path, number, area) for number, area in enumerate((0.8, np.nan, 0.5, 0.2))]
    collect_permutations(
        parts=parts, predictions_path=tmp_path / "predictions.tsv", permutations_path=tmp_path / "all.tsv"
    )
    table = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert table["auroc_observed"].tolist() == [0.75] * 4
    assert table["n_permutations"].tolist() == [3] * 4
    # Of three areas one reaches 0.75: (1 + 1) / (1 + 3).
    assert table["p_value"].tolist() == [0.5] * 4
    collect_permutations(
        parts=parts[1:2], predictions_path=tmp_path / "predictions.tsv", permutations_path=tmp_path / "none.tsv"
    )
    none = pd.read_csv(tmp_path / "none.tsv", sep="\t")
    assert none["n_permutations"].tolist() == [0]
    assert none["p_value"].isna().all()


def test_the_same_inputs_give_the_same_bytes(inputs, finished, tmp_path):
    again = run(inputs, tmp_path)
    for name in ("folds", "predictions", "performance", "curves", "permutations"):
        assert (again / f"{name}.tsv").read_bytes() == (finished / f"{name}.tsv").read_bytes()
    for path in (finished / "texts").iterdir():
        assert (again / "texts" / path.name).read_bytes() == path.read_bytes()


def test_the_frozen_model_predicts_and_holds_no_participant(inputs, finished):
    raw = (finished / "model.skops").read_bytes()
    people = read_table(inputs / "participants.tsv")["participant_code"]
    assert not any(code.encode() in raw for code in people)
    trusted = skops.io.get_untrusted_types(file=finished / "model.skops")
    assert all(name.startswith(("immunosep.", "numpy.", "sklearn.")) for name in trusted)
    content = skops.io.load(finished / "model.skops", trusted=trusted)
    assert content["status"] == "fitted"
    model = content["models"]["full"]["MALS"]
    assert model["mofa"]["transformer"].fit_.factors.size == 0
    rna = model["blocks"]["rna"]
    assert rna["features"].tolist() == [f"rna{index}" for index in range(50)]
    ill = np.zeros((1, 50))
    ill[:, :10] = 3.0
    assert rna["pipeline"].decision_function(ill)[0] > rna["pipeline"].decision_function(-ill)[0]
    joint = model["mofa"]
    layers = [
        fitted.transform(np.zeros((1, len(joint["features"][name])))) for name, fitted in joint["preparations"].items()
    ]
    assert joint["pipeline"].predict(joint["transformer"].transform(np.hstack(layers))).shape == (1,)


def test_the_coefficients_are_those_of_the_model(finished):
    table = coefficients(finished / "model.skops")
    trusted = skops.io.get_untrusted_types(file=finished / "model.skops")
    model = skops.io.load(finished / "model.skops", trusted=trusted)["models"]["full"]["MALS"]
    pipeline, features = model["blocks"]["rna"]["pipeline"], model["blocks"]["rna"]["features"]
    listed = table[(table["feature_set"] == "full") & (table["block"] == "rna")].set_index("feature")["coefficient"]
    # The decision of the pipeline is linear in each feature: its step along one is coefficient / SD.
    zero = np.zeros((1, len(features)))
    moved = {}
    for index, name in enumerate(features):
        step = zero.copy()
        step[0, index] = 1.0
        moved[name] = float((pipeline.decision_function(step) - pipeline.decision_function(zero))[0])
    assert {name for name, value in moved.items() if abs(value) > 1e-12} == set(listed.drop("intercept").index)
    assert all(np.sign(moved[name]) == np.sign(value) for name, value in listed.drop("intercept").items())
    assert {"mofa", "late_fusion"} <= set(table["block"])


def test_the_card_says_what_it_is(finished):
    card = (finished / "texts/model_card.md").read_text()
    assert "**Research only; not for treatment decisions.**" in card
    assert "- Data epoch (withdrawals before): 3" in card
    assert card.startswith("**SHUFFLED LABELS")
    assert "N = 30; MALS 12, SII 18" in card
    assert "- rna: 30 of 30 participants, 50 features" in card
    assert "proteome: ready matrix, as delivered; rna: ready matrix, as delivered." in card
    assert "| **Late fusion** | all features | MALS | 30 |" in card
    content = skops.io.load(
        finished / "model.skops", trusted=skops.io.get_untrusted_types(file=finished / "model.skops")
    )
    assert f"- Data SHA-256: {content['data_sha256']}" in card


def test_card_and_items_hold_nobody(inputs, finished):
    people = read_table(inputs / "participants.tsv")
    watch = watchlist(set(people[["site", "participant_code"]].itertuples(index=False, name=None)))
    assert scan_folder(finished / "texts", watch) == []
    assert scan_folder(finished, watch) != []


def test_the_training_table_counts_whom_the_model_was_fitted_on(finished):
    table = read_table(finished / "training.tsv").set_index(["kind", "name", "level", "class"])
    assert table.loc[("class", "MALS", "", ""), "n"] == "12"
    assert table.loc[("block", "rna", "sampled", "SII"), ["n", "of"]].tolist() == ["18", "18"]
    assert table.loc[("block", "proteome", "features", ""), "n"] == "20"
    assert table.loc[("group", "country", "GR", "MALS"), "n"] == "12"
    assert table.loc[("sites", "", "", ""), "n"] == "2"
    assert table.loc[("measure", "age_years", "median", ""), ["n", "of"]].tolist() == ["30", "30"]


def test_a_task_that_is_too_small_says_so_everywhere(inputs, tmp_path):
    out = run(inputs, tmp_path, {**BIOMARKERS, "min_per_class": 13})
    performance = read_table(out / "performance.tsv")
    assert performance["note"].tolist() == ["not run: participants per class SII 18, MALS 12; 13 needed in each"]
    assert read_table(out / "folds.tsv").empty
    assert read_table(out / "predictions.tsv").empty
    assert skops.io.load(out / "model.skops")["status"].startswith("not run")
    assert read_table(out / "training.tsv").empty
    assert "No model: not run: a class has fewer than 13 participants." in (out / "texts/model_card.md").read_text()
    items = read_table(out / "texts/tripod_ai.tsv").set_index("item")["says"]
    assert "a class has fewer than 13 participants" in items["20a"]
    assert items["23a"].startswith("No performance: not run")


def test_a_landmark_task_sees_who_is_there_and_sampled(tmp_path):
    """Of ten participants two are gone by day 4 and three were not sampled on it."""
    persons = [f"GR01-{index:09d}" for index in range(10)]
    observations = [f"{name}-D{day:02d}" for name in persons[:7] for day in (1, 4)] + [f"{persons[7]}-D01"]
    values = np.random.default_rng(1).normal(size=(len(observations), 6)).astype(np.float32)
    obs = pd.DataFrame({"observation": observations}, index=[f"{name}-rna" for name in observations])
    write_h5ad(anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=list("abcdef"))), tmp_path / "rna.h5ad")
    labels = {
        "participant": persons,
        "landmark_response_d4": ["response", "nonresponse"] * 4 + ["", ""],
        "last_day_in_study": ["90"] * 8 + ["3", "2"],
        "sofa_baseline": "9",
        "sofa_d4": "8",
    }
    write_table(pd.DataFrame(labels), tmp_path / "labels.tsv")
    task = {"target": "sofa_response", "days": [1, 4], "landmark": 4, "comparators": ["clinical", "layers"]}
    biomarkers = BIOMARKERS | {
        "tasks": {"t": task},
        "clinical": {"t": ["sofa_baseline", "sofa_d4"]},
        "min_per_class": 3,
    }
    sources = Sources({"rna": tmp_path / "rna.h5ad"}, tmp_path / "labels.tsv", None, tmp_path / "folds.tsv")
    split_folds(
        task_name="t",
        biomarkers=biomarkers,
        seed=1,
        matrices=sources.matrices,
        labels_path=sources.labels,
        participants_path=None,
        kept_path=None,
        classes_path=tmp_path / "classes.tsv",
        folds_path=sources.folds,
        elsewhere_path=tmp_path / "elsewhere.tsv",
    )
    inputs = load_inputs("t", sources, Choices(biomarkers, INTEGRATION, FILTERS, 1))
    assert inputs.classes.index.tolist() == persons[:7]
    # Of the one who was sampled on day 1 alone nothing is left; of the others both days are.
    training = inputs.blocks["rna"].rows(inputs.classes.index)
    assert training.observations.tolist() == [f"{name}-D0{day}" for name in persons[:7] for day in (1, 4)]
    assert inputs.blocks["clinical"].rows(inputs.classes.index).participants.tolist() == persons[:7]
    told = read_table(tmp_path / "classes.tsv").set_index("note")["participants"].astype(int)
    assert told.groupby(level=0).sum().to_dict() == {"": 7, "gone by day 4": 2, "no sample on day 4": 1}
