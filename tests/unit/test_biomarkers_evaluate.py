"""Measures of performance, against numbers by hand and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from immunosep.biomarkers.evaluate import (
    PERFORMANCE,
    auroc,
    average_repeats,
    calibration_line,
    curves_table,
    fold_auroc,
    performance_table,
    separation_bound,
)
from immunosep.biomarkers.resampling import draw, drawn_auroc


def predictions(label, probability, *, score=None, **keys):
    label, probability = np.asarray(label), np.asarray(probability, dtype=float)
    columns = {"repeat": 1, "fold": 1, "model": "rna", "feature_set": "full", "class": "MALS", **keys}
    return pd.DataFrame(
        {
            "participant": [f"p{index:03d}" for index in range(label.size)],
            "label": label,
            "probability": probability,
            "score": np.log(probability / (1 - probability)) if score is None else score,
            **columns,
        }
    )


def test_measures_by_hand():
    table = performance_table(predictions([1, 1, 0, 0], [0.8, 0.4, 0.6, 0.2]), "t", bootstrap=50, seed=1)
    row = table.iloc[0]
    assert list(table) == list(PERFORMANCE)
    assert (row["task"], row["n"], row["n_positive"], row["prevalence"]) == ("t", 4, 2, 0.5)
    assert row["auroc"] == pytest.approx(3 / 4)
    # Brier: (0.04 + 0.36 + 0.36 + 0.04) / 4; scaled by 0.5 * 0.5.
    assert row["brier"] == pytest.approx(0.2)
    assert row["brier_scaled"] == pytest.approx(1 - 0.2 / 0.25)
    # Average precision: 1/2 * 1 (first hit) + 1/2 * 2/3 (second at rank 3).
    assert row["auprc"] == pytest.approx(5 / 6)
    # Above even odds: 0.8 and 0.6; one of two in each class is right.
    assert row["balanced_accuracy"] == pytest.approx(0.5)


def test_repeats_are_averaged_per_participant_before_scoring():
    one = predictions([1, 0], [0.9, 0.2], repeat=1)
    two = predictions([1, 0], [0.5, 0.4], repeat=2)
    averaged = average_repeats(pd.concat([one, two]))
    assert averaged["probability"].tolist() == pytest.approx([0.7, 0.3])
    row = performance_table(pd.concat([one, two]), "t", bootstrap=5, seed=1).iloc[0]
    assert (row["n"], row["auroc"], row["auroc_sd"]) == (2, 1, 0)


def test_auroc_counts_ties_of_different_folds_as_ties():
    assert auroc(np.array([1, 0]), np.array([0.3 + 1e-13, 0.3])) == 0.5
    assert np.isnan(auroc(np.array([1, 1]), np.array([0.3, 0.4])))


def folded(label, score, folds, repeats):
    """Predictions of everybody in each repeat, the folds drawn anew."""
    parts = []
    for repeat in range(repeats):
        fold = np.random.default_rng(repeat).permutation(np.arange(label.size) % folds)
        values = score(fold) if callable(score) else score
        parts.append(predictions(label, np.full(label.size, 0.5), score=values, repeat=repeat, fold=fold))
    return pd.concat(parts, ignore_index=True)


def test_the_area_counts_pairs_of_one_fold():
    generator = np.random.default_rng(5)
    label = generator.integers(0, 2, 40)
    table = folded(label, lambda fold: np.round(generator.normal(size=40) + 0.5 * label, 1), 4, 3)
    in_order = pairs = 0
    for _, part in table.groupby(["repeat", "fold"]):
        up, down = (part.loc[part["label"] == value, "score"].to_numpy() for value in (1, 0))
        in_order += (up[:, None] > down).sum() + 0.5 * (up[:, None] == down).sum()
        pairs += up.size * down.size
    assert fold_auroc(table) == pytest.approx(in_order / pairs, rel=1e-12)
    assert performance_table(table, "t", bootstrap=5, seed=1)["auroc"].iloc[0] == fold_auroc(table)
    one = table[table["repeat"] == 0]
    assert fold_auroc(one.assign(fold=0)) == pytest.approx(roc_auc_score(one["label"], one["score"]))
    assert np.isnan(fold_auroc(one[one["label"] == 1]))


def test_what_a_fold_adds_to_its_scores_does_not_count():
    """A fold with fewer of a class trains a model that thinks it more frequent: pairs across folds are out of order."""
    label = np.arange(60) % 2
    generator = np.random.default_rng(1)
    noise = generator.normal(size=60)

    def biased(fold):
        share = pd.Series(label).groupby(fold).transform("mean").to_numpy()
        return noise - 20 * share

    table = folded(label, biased, 5, 1)
    row = performance_table(table, "t", bootstrap=400, seed=1).iloc[0]
    whole = roc_auc_score(table["label"], table["score"])
    assert whole < 0.45
    assert row["auroc"] == fold_auroc(table.assign(score=np.tile(noise, 1)))
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    # As wide as that of the scores over all folds, and around the other centre.
    widths = np.quantile(drawn_auroc(label, table["score"].to_numpy(), draw(60, 400, 1)), [0.025, 0.975])
    assert row["auroc_high"] - row["auroc_low"] == pytest.approx(np.ptp(widths), abs=0.05)


def test_what_falls_short_of_a_separation_is_not_known_more_closely():
    # One pair of 196 out of order: the percentiles would begin at about 0.97, a full separation at 0.768.
    probability = np.r_[np.linspace(0.6, 0.9, 13), 0.45, 0.46, np.linspace(0.1, 0.4, 13)]
    row = performance_table(predictions(np.repeat([1, 0], 14), probability), "t", bootstrap=200, seed=1).iloc[0]
    assert row["auroc"] == pytest.approx(195 / 196)
    assert (row["auroc_low"], row["auroc_high"]) == (pytest.approx(separation_bound(14)), 1.0)
    assert "14 disjoint pairs" in row["note"]


def test_repeats_that_agree_on_nothing_are_no_separation():
    """Averaged over repeats the classes separate; no single model separates them."""
    label = np.arange(40) % 2
    generator = np.random.default_rng(2)
    table = folded(label, lambda fold: label + generator.normal(size=40), 2, 40)
    assert (
        average_repeats(table).groupby("label")["score"].max()[0]
        < average_repeats(table).groupby("label")["score"].min()[1]
    )
    row = performance_table(table, "t", bootstrap=50, seed=1).iloc[0]
    assert 0.7 < row["auroc"] < 0.85
    assert (row["auroc_low"], row["auroc_high"]) == (min(row["auroc"], separation_bound(20)), 1.0)


def test_bootstrap_is_sklearns_auroc_on_the_drawn_participants():
    generator = np.random.default_rng(3)
    label, score = generator.integers(0, 2, 40), np.round(generator.normal(size=40), 1)  # with ties
    areas = drawn_auroc(label, score, draw(40, 60, 11))
    weights = np.random.default_rng(11).multinomial(40, np.full(40, 1 / 40), size=60)
    by_hand = [roc_auc_score(np.repeat(label, w), np.repeat(score, w)) for w in weights]
    np.testing.assert_allclose(areas, by_hand, rtol=1e-12)


def test_the_interval_covers_a_known_area():
    """Scores of two unit normals one apart: the area is 0.7602; 95 % intervals should hold it about 95 times in 100."""
    generator = np.random.default_rng(0)
    label = np.repeat([0, 1], 60)
    covered = 0
    for run in range(100):
        scores = generator.normal(size=120) + label
        low, high = np.quantile(drawn_auroc(label, scores, draw(120, 300, run)), [0.025, 0.975])
        covered += low <= 0.7602 <= high
    assert 89 <= covered <= 99


def test_a_full_separation_gets_the_bound_of_its_disjoint_pairs():
    row = performance_table(predictions([1, 1, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1]), "t", bootstrap=50, seed=1).iloc[0]
    # Two pairs without a common participant, both in order: 0.025 = A^2.
    assert (row["auroc"], row["auroc_low"], row["auroc_high"]) == (1, pytest.approx(np.sqrt(0.025)), 1)
    assert "2 disjoint pairs" in row["note"]
    row = performance_table(predictions([0, 0, 0, 1, 1], [0.9, 0.8, 0.7, 0.2, 0.1]), "t", bootstrap=50, seed=1).iloc[0]
    assert (row["auroc"], row["auroc_low"], row["auroc_high"]) == (0, 0, pytest.approx(1 - np.sqrt(0.025)))


def test_the_bound_of_a_full_separation_is_scipys_exact_interval_and_covers():
    assert separation_bound(14) == pytest.approx(binomtest(14, 14).proportion_ci(0.95, "exact").low)
    # Normals whose area is that bound, 2 against 3: a full separation is rarer than 1 in 40, and does occur.
    generator = np.random.default_rng(0)
    distance = np.sqrt(2) * norm.ppf(separation_bound(2))
    positive, negative = generator.normal(distance, 1, (200_000, 2)), generator.normal(0, 1, (200_000, 3))
    separated = (positive.min(axis=1) > negative.max(axis=1)).mean()
    assert 0 < separated <= 0.025


def test_calibration_line_recovers_a_known_distortion():
    generator = np.random.default_rng(0)
    log_odds = generator.normal(size=20000)
    label = (generator.random(20000) < 1 / (1 + np.exp(-log_odds))).astype(int)
    slope, intercept = calibration_line(label, 1 / (1 + np.exp(-(2 * log_odds + 0.6))))
    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(-0.3, abs=0.05)
    assert np.isnan(calibration_line(np.array([0, 1]), np.array([0.4, 0.4]))[0])
    assert np.isnan(calibration_line(np.array([0, 1]), np.array([0.1, 0.9]))[0])


def test_no_calibration_line_where_classes_separate_the_wrong_way_or_touch():
    assert np.isnan(calibration_line(np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.7, 0.8]))).all()
    assert np.isnan(calibration_line(np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.5, 0.2]))).all()


def test_one_class_is_said_and_not_scored():
    row = performance_table(predictions([1, 1], [0.8, 0.4]), "t", bootstrap=5, seed=1).iloc[0]
    assert "one class only" in row["note"]
    assert np.isnan(row["auroc"])


def test_three_classes_get_a_macro_row():
    classes = np.array(["a", "b", "c", "a", "b", "c"])
    scores = {"a": [3, 0, 0, 2, 0, 1], "b": [0, 3, 0, 1, -1, 0], "c": [0, 0, 3, 0, 1, 2]}
    parts = [
        predictions(
            (classes == name).astype(int), np.full(6, 0.5), score=np.array(values, dtype=float), **{"class": name}
        )
        for name, values in scores.items()
    ]
    table = performance_table(pd.concat(parts), "t", bootstrap=20, seed=1).set_index("class")
    assert table.loc["macro", "auroc"] == pytest.approx(table.loc[list("abc"), "auroc"].mean())
    # Highest score: a, b, c, a, c (wrong), c.
    assert table.loc["macro", "balanced_accuracy"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert table.loc["macro", "n"] == 6


def test_a_class_without_a_model_in_a_fold_leaves_the_macro_row_standing():
    classes = np.array(["a", "b", "c", "a", "b", "c"])
    parts = []
    for name in "abc":
        part = predictions((classes == name).astype(int), np.where(classes == name, 0.8, 0.3), **{"class": name})
        # The fold of the last two participants had too few of class c.
        parts.append(part.iloc[:4] if name == "c" else part)
    row = performance_table(pd.concat(parts), "t", bootstrap=20, seed=1).set_index("class").loc["macro"]
    assert (row["n"], row["balanced_accuracy"], row["auroc"]) == (6, 1, 1)


def test_curves_begin_and_end_in_the_corners_and_bins_hold_everyone():
    generator = np.random.default_rng(0)
    probability = generator.random(53) * 0.9 + 0.05
    label = (generator.random(53) < probability).astype(int)
    curves = curves_table(predictions(label, probability), "t")
    roc = curves[curves["curve"] == "roc"]
    assert roc[["x", "y"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
    assert np.trapezoid(roc["y"], roc["x"]) == pytest.approx(roc_auc_score(label, probability))
    bins = curves[curves["curve"] == "calibration"]
    assert bins["n"].sum() == 53
    assert (bins["y"] * bins["n"]).sum() == pytest.approx(label.sum())


def test_the_calibration_is_that_of_one_repeat_and_not_of_their_average():
    generator = np.random.default_rng(3)
    label = (np.arange(400) % 2).astype(int)
    parts = []
    for repeat in range(1, 11):
        # Each repeat is calibrated by itself: log odds 2 apart with an SD of sqrt 2. Half of the variance is noise of
        # the repeat, which the average over ten takes away.
        odds = 2 * label - 1 + generator.normal(size=400) + np.random.default_rng(9).normal(size=400)
        probability = 1 / (1 + np.exp(-odds))
        parts.append(
            pd.DataFrame({"label": label, "probability": probability, "score": odds, "repeat": repeat, "fold": 1})
        )
    table = pd.concat(parts).assign(model="m", feature_set="full", **{"class": "c"})
    table["participant"] = table.groupby("repeat").cumcount().map("p{:03d}".format)
    row = performance_table(table, "t", bootstrap=10, seed=1).iloc[0]
    slopes = [
        performance_table(part, "t", bootstrap=10, seed=1).iloc[0]["calibration_slope"]
        for _, part in table.groupby("repeat")
    ]
    assert row["calibration_slope"] == pytest.approx(np.mean(slopes))
    averaged = table.groupby("participant")[["label", "probability"]].mean()
    slope, _ = calibration_line(averaged["label"].astype(int).to_numpy(), averaged["probability"].to_numpy())
    assert slope > row["calibration_slope"] + 0.2
