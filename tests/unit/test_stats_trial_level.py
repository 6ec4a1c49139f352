"""Surrogacy between units, and who benefits: against simulations whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from immunosep.stats.interaction import MAX_MARKERS, interactions, stepp
from immunosep.stats.trial_level import trial_level, unit_effects


def simulate_units(units, per_unit, spread, correlation, individual, seed):
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), per_unit)
    arm = np.tile(np.arange(per_unit) % 2, units).astype(float)
    true = rng.multivariate_normal([0.5, 0.5], spread**2 * np.array([[1, correlation], [correlation, 1]]), units)
    noise = rng.multivariate_normal([0, 0], [[1, individual], [individual, 1]], units * per_unit)
    values = noise + true[unit] * arm[:, None]
    return np.array([f"U{k:03d}" for k in unit], dtype=object), arm, values[:, 0], values[:, 1]


def test_unit_effects_are_differences_of_means_with_their_variance():
    units, arm, marker, outcome = simulate_units(5, 8, 0.5, 0.5, 0.3, 1)
    effects = unit_effects(units, arm, marker, outcome)
    chosen = units == "U002"
    assert effects.loc[2, "marker_effect"] == pytest.approx(
        marker[chosen & (arm == 1)].mean() - marker[chosen & (arm == 0)].mean()
    )
    # Residual variance pooled over the ten cells, by hand.
    cells = [marker[(units == u) & (arm == a)] for u in np.unique(units) for a in (0, 1)]
    pooled = sum(((cell - cell.mean()) ** 2).sum() for cell in cells) / (40 - 10)
    assert effects.loc[2, "marker_variance"] == pytest.approx(pooled * (1 / 4 + 1 / 4))


def test_a_unit_without_two_in_each_arm_is_left_out():
    units = np.array(["A"] * 4 + ["B"] * 3, dtype=object)
    arm = np.array([0, 0, 1, 1, 0, 0, 1.0])
    effects = unit_effects(units, arm, np.arange(7.0), np.arange(7.0))
    assert list(effects["unit"]) == ["A"]
    assert trial_level(effects).note == "not estimable: 1 units, under 4"
    nobody = unit_effects(units, np.zeros(7), np.arange(7.0), np.arange(7.0))
    assert nobody.empty
    assert trial_level(nobody).units == 0


@pytest.mark.parametrize(("correlation", "r2"), [(0.9, 0.81), (0.0, 0.0)])
def test_corrected_r2_is_near_the_truth_with_many_units(correlation, r2):
    result = trial_level(unit_effects(*simulate_units(400, 12, 0.7, correlation, 0.5, 2)))
    # Spread over seeds with 400 units: 0.06.
    assert result.r2_corrected == pytest.approx(r2, abs=0.15)


def test_naive_r2_repeats_the_individual_correlation_and_the_correction_says_so():
    # No heterogeneity between 24 sites of 12: there is no R2 between units. Naively it looks like the individual r2.
    results = [trial_level(unit_effects(*simulate_units(24, 12, 0.0, 0.0, 0.5, seed))) for seed in range(200)]
    assert 0.17 < np.median([result.r2_naive for result in results]) < 0.33  # 0.5 squared, and noise
    refused = [result for result in results if np.isnan(result.r2_corrected)]
    assert all(result.note.startswith("not estimable") for result in refused)
    # Either variance comes out negative, or the correlation improper, most of the time.
    assert len(refused) > 120


def test_prediction_from_the_other_units_beats_their_mean_where_there_is_something_to_predict():
    related = trial_level(unit_effects(*simulate_units(60, 60, 1.0, 0.95, 0.0, 3)))
    unrelated = trial_level(unit_effects(*simulate_units(60, 60, 1.0, 0.0, 0.0, 3)))
    assert related.prediction_error < 0.6 * related.prediction_error_mean
    assert unrelated.prediction_error > 0.9 * unrelated.prediction_error_mean


def simulate_benefit(n, slope, seed):
    rng = np.random.default_rng(seed)
    marker, arm = rng.normal(size=n), rng.permutation(np.arange(n) % 2).astype(float)
    return marker, arm, 0.5 * marker + arm * (0.3 + slope * marker) + rng.normal(size=n)


def test_interaction_finds_the_planted_marker_and_only_it():
    marker, arm, outcome = simulate_benefit(400, 0.8, 4)
    rng = np.random.default_rng(5)
    markers = {"planted": marker} | {f"noise{k}": rng.normal(size=400) for k in range(9)}
    markers["flat"] = np.ones(400)
    markers["planted"][:10] = np.nan
    table = interactions(markers, arm, outcome, np.empty((400, 0)), "continuous").set_index("marker")
    assert table.loc["planted", "low"] < 0.8 < table.loc["planted", "high"]
    assert table.loc["planted", "n"] == 390
    assert list(table.index[table["q_value"] < 0.01]) == ["planted"]
    assert table.loc["flat", "note"] == "not estimable: the marker does not vary"
    with pytest.raises(ValueError, match="pre-specified"):
        interactions(dict.fromkeys(map(str, range(MAX_MARKERS + 1)), marker), arm, outcome, marker, "continuous")


def test_stepp_windows_are_welch_tests():
    marker, arm, outcome = simulate_benefit(120, 0.5, 6)
    table, _ = stepp(marker, arm, outcome, 50, 10, 10, 7)
    assert list(table["n"]) == [50] * 8
    assert table["marker_high"].iloc[-1] == marker.max()
    inside = np.argsort(marker)[10:60]
    active, placebo = outcome[inside][arm[inside] == 1], outcome[inside][arm[inside] == 0]
    test = stats.ttest_ind(active, placebo, equal_var=False)
    assert table.loc[1, "effect"] == pytest.approx(active.mean() - placebo.mean())
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx(list(test.confidence_interval(0.95)))


def test_stepp_permutation_test_is_fair_and_has_power():
    null = [stepp(*simulate_benefit(160, 0.0, seed), 60, 10, 49, seed)[1] for seed in range(120)]
    # 120 uniform p values: the share under 0.1 stays below 0.19 with a probability above 0.998.
    assert np.mean(np.array(null) <= 0.1) < 0.19
    assert np.mean(null) > 0.4
    assert stepp(*simulate_benefit(400, 1.0, 8), 100, 20, 99, 9)[1] == 0.01
