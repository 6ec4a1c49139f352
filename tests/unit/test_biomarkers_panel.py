"""The panel: the planted markers, few others, the same again, and chosen anew in every fold."""

import anndata
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from immunosep.biomarkers.apply import COLUMNS, apply_model, load_model
from immunosep.biomarkers.fold_steps import split_folds
from immunosep.biomarkers.panel import PanelRule, choose_panel, nogueira, select_stable
from immunosep.biomarkers.panel_steps import PANEL, choose_final_panel, evaluate_panel
from immunosep.biomarkers.preparation import LogCpm, LogRatios, MeasuredValues
from immunosep.biomarkers.steps import Choices, Sources
from immunosep.errors import InputError
from immunosep.integration.assemble import read_layer
from immunosep.io import read_table, write_h5ad, write_table

RULE = PanelRule(size=10, pairs=25, expected_false=0.2, frequency=0.7)


def planted(n, features, signal, effect, seed):
    generator = np.random.default_rng(seed)
    labels = (np.arange(n) % 5 < 2).astype(int)
    values = generator.normal(size=(n, features))
    values[:, :signal] += effect * labels[:, None]
    return values, labels


def test_the_planted_markers_make_the_panel():
    values, labels = planted(200, 1000, 5, 1.2, 1)
    panel = choose_panel(values, labels, RULE, 3)
    assert set(panel.columns) == set(range(5))
    # A fresh sample of the same kind: five markers of 1.2 SD separate with AUROC Phi(1.2 sqrt(5) / sqrt 2) = 0.97.
    fresh, truth = planted(400, 1000, 5, 1.2, 2)
    assert roc_auc_score(truth, panel.evidence(fresh)) > 0.93


def test_noise_gives_an_empty_panel_that_says_nothing():
    # The rule's bound: at most 0.2 false choices a panel on average.
    sizes = [choose_panel(*planted(200, 1000, 0, 0.0, seed), RULE, seed).columns.size for seed in range(10)]
    assert np.mean(sizes) <= 0.5
    values, labels = planted(200, 1000, 0, 0.0, 0)
    strict = choose_panel(values, labels, PanelRule(10, 25, 0.2, 1.0), 3)
    assert strict.columns.size == 0
    assert not strict.evidence(values).any()
    assert strict.prior == pytest.approx(np.log(0.4 / 0.6))


def test_the_bound_is_the_published_formula():
    values, labels = planted(60, 400, 2, 1.0, 4)
    found = select_stable(values, labels, RULE, 1)
    # q^2 / ((2 pi - 1) D) <= 0.2: q = 5 of 400.
    assert found.entered == 5
    assert found.expected_false == pytest.approx(5**2 / (0.4 * 400))


def test_stability_index_worked_by_hand():
    # Three choices of two of four: shares 1, 2/3, 1/3, 0; variance 3/2 (0 + 2/9 + 2/9 + 0) / 4 = 1/6; 1 - (1/6)/(1/4).
    chosen = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)
    assert nogueira(chosen) == pytest.approx(1 / 3)
    assert nogueira(chosen[:2]) == 1
    assert np.isnan(nogueira(np.zeros((3, 4), dtype=bool)))


def test_gaps_and_constant_features_are_no_obstacle_and_the_seed_decides():
    values, labels = planted(80, 60, 3, 2.0, 5)
    values[::7, 0] = np.nan
    values[:, 10] = 4.0
    values[:, 11] = np.nan
    rule = PanelRule(10, 25, 1, 0.7)
    first, second = (choose_panel(values, labels, rule, 9) for _ in range(2))
    assert {0, 1, 2} <= set(first.columns)
    assert not {10, 11} & set(first.columns)
    np.testing.assert_array_equal(first.evidence(values), second.evidence(values))
    np.testing.assert_array_equal(first.columns, second.columns)


BIOMARKERS = {
    "tasks": {"endotype": {"target": "endotype", "days": [1], "comparators": ["layers"]}},
    "clinical": {"endotype": []},
    "cv": {"outer_folds": 3, "repeats": 1, "inner_folds": 3, "also": [], "min_site": 15},
    "max_features": 60,
    "selected_features": [10],
    "penalty": [0.1],
    "l1_ratio": [0.0],
    "trees": 5,
    "factors": 3,
    "bootstrap": 100,
    "min_per_class": 8,
    "min_unclassified": 20,
    "panel": {"size": 10, "pairs": 15, "expected_false": 1, "frequency": 0.7},
}
FEW = "refused: under 80% of the panel's markers were measured"
FILTERS = {"rna": {"min_count": 10, "min_fraction": 0.1}, "proteome": {"min_detected": 0.5}}
INTEGRATION = {"min_features": 15, "iterations": 200, "convergence": "fast", "drop_r2": 0.01}


def run(folder, labels, effect=2.5):
    """Write a cohort of 60 with two layers, and run the rules; return what was predicted and the final panel."""
    generator = np.random.default_rng(6)
    folder.mkdir()
    persons = [f"GR01-{index:09d}" for index in range(60)]
    for name in ("rna", "proteome"):
        values = generator.normal(size=(60, 80)).astype(np.float32)
        values[:, :2] += effect * (np.arange(60) % 5 < 2)[:, None]
        keep = np.ones(60, dtype=bool) if name == "rna" else np.arange(60) % 6 != 0
        obs = pd.DataFrame({"observation": [f"{p}-D01" for p in persons], "participant": persons})
        obs.index = [f"{p}-D01-{name}" for p in persons]
        var = pd.DataFrame(index=[f"{name}{index}" for index in range(80)])
        write_h5ad(anndata.AnnData(values, obs=obs, var=var)[keep].copy(), folder / f"{name}.h5ad")
    table = pd.DataFrame({"participant": persons, "site": "GR01", "endotype": labels})
    write_table(table, folder / "labels.tsv")
    matrices = {name: folder / f"{name}.h5ad" for name in ("rna", "proteome")}
    split_folds(
        task_name="endotype", biomarkers=BIOMARKERS, seed=1, matrices=matrices, labels_path=folder / "labels.tsv",
        participants_path=None, kept_path=None, classes_path=folder / "classes.tsv", folds_path=folder / "folds.tsv",
        elsewhere_path=folder / "folds_elsewhere.tsv",
    )  # fmt: skip
    sources = Sources(matrices, folder / "labels.tsv", None, folder / "folds.tsv")
    choices = Choices(BIOMARKERS, INTEGRATION, FILTERS, 1)
    evaluate_panel(
        task_name="endotype", repeat=1, sources=sources, choices=choices, predictions_path=folder / "p.tsv",
        chosen_path=folder / "c.tsv",
    )  # fmt: skip
    choose_final_panel(
        task_name="endotype", sources=sources, choices=choices, predictions=[folder / "p.tsv"],
        chosen=[folder / "c.tsv"], panel_path=folder / "panel.tsv", summary_path=folder / "summary.tsv",
        performance_path=folder / "performance.tsv", model_path=folder / "panel.skops", epoch=0, shuffled=False,
    )  # fmt: skip
    return folder


def test_from_files_to_files(tmp_path):
    folder = run(tmp_path / "real", np.where(np.arange(60) % 5 < 2, "MALS", "SII"))
    panel = read_table(folder / "panel.tsv")
    assert list(panel) == PANEL
    assert set(panel["feature"]) == {"rna0", "rna1", "proteome0", "proteome1"}
    assert (panel["in_folds"].astype(float) > 0.6).all()
    predictions = read_table(folder / "p.tsv")
    assert len(predictions) == 60
    assert predictions["participant"].is_unique
    assert float(read_table(folder / "performance.tsv")["auroc"].iloc[0]) > 0.9
    summary = read_table(folder / "summary.tsv").iloc[0]
    assert summary["markers"] == "4"
    assert float(summary["stability"]) > 0.4


def test_the_panel_can_be_applied_from_its_tables(tmp_path):
    """By the formula of the tables, beside a regression of scikit-learn's on the same markers."""
    labels = np.where(np.arange(60) % 5 < 2, "MALS", "SII")
    folder = run(tmp_path / "real", labels)
    panel = pd.read_csv(folder / "panel.tsv", sep="\t")
    summary = pd.read_csv(folder / "summary.tsv", sep="\t").iloc[0]
    columns = []
    for marker in panel.itertuples():
        data = anndata.read_h5ad(folder / f"{marker.block}.h5ad")
        value = pd.Series(data[:, marker.feature].X.ravel(), index=data.obs["participant"])
        value = value.reindex([f"GR01-{index:09d}" for index in range(60)]).fillna(marker.fill)
        columns.append((value - marker.centre) / marker.scale)
    scaled = np.column_stack(columns)
    log_odds = summary["intercept"] + scaled @ panel["coefficient"].to_numpy()
    expected = LogisticRegression(C=1.0, max_iter=2000).fit(scaled, labels == "MALS").decision_function(scaled)
    # Tables are written with six digits.
    np.testing.assert_allclose(log_odds, expected, atol=1e-3)


def read_layers(folder):
    return read_layer(folder / "rna.h5ad", "rna") | read_layer(folder / "proteome.h5ad", "proteome")


def test_the_frozen_panel_predicts_by_the_formula_of_the_tables(tmp_path):
    folder = run(tmp_path / "real", np.where(np.arange(60) % 5 < 2, "MALS", "SII"))
    content = load_model(folder / "panel.skops")
    layers = read_layers(folder)
    table, checks = apply_model(content, layers, None)
    assert list(table) == COLUMNS
    panel = pd.read_csv(folder / "panel.tsv", sep="\t")
    odds = pd.Series(pd.read_csv(folder / "summary.tsv", sep="\t")["intercept"].iloc[0], layers["rna"].obs_names)
    for marker in panel.itertuples():
        value = layers[marker.block].to_df()[marker.feature].reindex(odds.index).fillna(marker.fill)
        odds += marker.coefficient * (value - marker.centre) / marker.scale
    # Half of the markers are of the proteome, so that who has none is refused.
    verdicts = checks.set_index("observation")["verdict"]
    assert (verdicts[~verdicts.index.isin(layers["proteome"].obs_names)] == FEW).all()
    used = verdicts.index[verdicts == "used"]
    assert len(used) >= 0.97 * layers["proteome"].n_obs
    assert table["observation"].tolist() == used.tolist()
    assert set(table["model"]) == {"panel"}
    np.testing.assert_allclose(table["probability"], 1 / (1 + np.exp(-odds[used])), atol=1e-4)
    # Of proteins no more is asked for than the markers, and nobody's answer depends on the others.
    two = layers["proteome"][:, ["proteome0", "proteome1"]]
    few_assays = {name: data[used[:3]].copy() for name, data in (layers | {"proteome": two}).items()}
    pd.testing.assert_frame_equal(apply_model(content, few_assays, None)[0], table[:3])


def test_the_frozen_panel_refuses_what_it_cannot_judge(tmp_path):
    folder = run(tmp_path / "real", np.where(np.arange(60) % 5 < 2, "MALS", "SII"))
    content = load_model(folder / "panel.skops")
    alone, checks = apply_model(content, {"rna": read_layers(folder)["rna"]}, None)
    assert alone.empty
    assert set(checks["block"]) == {"panel"}
    assert checks["overlap"].max() == 0.5
    far = read_layers(folder)
    far["rna"].X[0, :2] = 1000
    assert apply_model(content, far, None)[1]["verdict"].iloc[0] in ("refused: outside the training samples", FEW)
    late = read_layers(folder)
    for data in late.values():
        data.obs["visit_day"] = 7.0
    table, checks = apply_model(content | {"days": [1]}, late, None)
    assert table.empty
    assert set(checks["verdict"]) == {"refused: of day 7, and the model is of day 1"}


def test_a_panel_of_nothing_is_no_model(tmp_path):
    folder = run(tmp_path / "noise", np.where(np.arange(60) % 2, "MALS", "SII"), effect=0.0)
    assert read_table(folder / "panel.tsv").empty
    with pytest.raises(InputError, match="no feature is chosen in"):
        load_model(folder / "panel.skops")


def test_a_marker_among_log_ratios_is_found_again():
    counts = np.random.default_rng(2).poisson(30, size=(20, 9)).astype(float)
    for fitted in (LogRatios().fit(counts), LogCpm().fit(counts), MeasuredValues().fit(counts)):
        kept = np.array([6, 2])
        narrow, places = fitted.only(kept)
        np.testing.assert_array_equal(narrow.transform(counts)[:, places], fitted.transform(counts)[:, kept])
    assert MeasuredValues().fit(counts).only(kept)[0].reduced()[0].tolist() == [2, 6]


def test_noise_is_not_learned_by_choosing_outside_the_folds(tmp_path):
    areas = []
    for seed in range(3):
        labels = np.random.default_rng(seed).permutation(np.where(np.arange(60) % 5 < 2, "MALS", "SII"))
        folder = run(tmp_path / f"noise{seed}", labels, effect=0.0)
        areas.append(float(read_table(folder / "performance.tsv")["auroc"].iloc[0]))
    # Chosen on all participants, markers of 160 noise features would give about 0.8; in the folds an AUROC of 60 has an
    # error of 0.08, the mean of three 0.05.
    assert 0.35 < np.mean(areas) < 0.65


def test_a_task_that_is_not_run_has_empty_tables(tmp_path):
    labels = np.array(["SII"] * 57 + ["MALS"] * 3)
    folder = run(tmp_path / "few", labels)
    for name in ("p", "c", "panel", "summary", "performance"):
        assert read_table(folder / f"{name}.tsv").empty
