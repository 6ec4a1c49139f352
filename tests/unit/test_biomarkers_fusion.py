"""Late fusion: the best weighting of the layers that a participant has, whichever these are."""

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from immunosep.biomarkers import fusion
from immunosep.biomarkers.calibration import Calibrated
from immunosep.biomarkers.evaluate import calibration_line
from immunosep.biomarkers.fusion import Fusion, Stack, evidence_table, fit_stack, fuse


def evidence(size, seed, missing=0.0):
    """Evidence of three layers: `a` and `b` see much the same, `c` something of its own and half as strongly."""
    generator = np.random.default_rng(seed)
    labels = pd.Series((np.arange(size) % 5 < 2).astype(int), index=[f"p{k:05d}" for k in range(size)])
    shared, noise = generator.normal(size=size), generator.normal(size=(size, 3))
    sign = 2 * labels.to_numpy() - 1
    columns = {
        "a": sign + shared + 0.5 * noise[:, 0],
        "b": sign + shared + 0.5 * noise[:, 1],
        "c": 0.5 * sign + noise[:, 2],
    }
    table = pd.DataFrame(columns, index=labels.index)
    return table.mask(generator.random(table.shape) < missing), labels


def as_layers(table):
    return {name: table[name].dropna() for name in table}


def test_the_weights_are_those_of_the_linear_discriminant(monkeypatch):
    monkeypatch.setattr(fusion, "TRUST", 1.0)
    table, labels = evidence(4000, 1)
    stack = fit_stack(table, labels.to_numpy())
    reference = LinearDiscriminantAnalysis(solver="lsqr").fit(table, labels)
    # scikit-learn divides by n and not by n - 2, and trusts correlations of 4,000 as ours does but for 3 in 4,000.
    np.testing.assert_allclose(stack.weights(np.ones(3, dtype=bool)), reference.coef_[0], rtol=0.01)
    prior = np.log(0.4 / 0.6)
    np.testing.assert_allclose(stack.log_odds(table) + prior, reference.decision_function(table), atol=0.05)


@pytest.mark.parametrize("present", [(True, False, True), (False, True, False), (True, True, False)])
def test_for_each_subset_the_stack_is_the_one_of_these_layers_alone(monkeypatch, present):
    monkeypatch.setattr(fusion, "TRUST", 1.0)
    table, labels = evidence(4000, 2)
    mask = np.array(present)
    whole = fit_stack(table, labels.to_numpy())
    alone = fit_stack(table.loc[:, mask], labels.to_numpy())
    seen = table.copy()
    seen.loc[:, ~mask] = np.nan
    # The shrinkage of correlations knows how many layers there are, 3 or 2 beside 4,000 participants.
    np.testing.assert_allclose(whole.log_odds(seen), alone.log_odds(table.loc[:, mask]), rtol=0.01, atol=0.01)


def test_what_two_layers_both_saw_does_not_count_twice(monkeypatch):
    monkeypatch.setattr(fusion, "TRUST", 1.0)
    table, labels = evidence(4000, 3)
    both = fit_stack(table[["a", "b"]], labels.to_numpy())
    one = fit_stack(table[["a"]], labels.to_numpy())
    # Shared noise of 1 beside own noise of 0.25: two layers know 1.25 / 1.125 as much as one, and not twice as much.
    ratio = both.weights(np.ones(2, dtype=bool)).sum() / one.weights(np.ones(1, dtype=bool)).sum()
    assert ratio == pytest.approx(1.25 / 1.125, abs=0.05)


def test_layers_that_are_missing_here_and_there_cost_little():
    table, labels = evidence(400, 4, missing=0.3)
    fitted = fuse(as_layers(table), labels, 1)
    others, truth = evidence(4000, 5, missing=0.3)
    fused = fitted.evidence(as_layers(others))
    assert set(fused.index) == set(others.index[others.notna().any(axis=1)])
    area = roc_auc_score(truth[fused.index], fused)
    single = [roc_auc_score(truth[s.index], s) for s in as_layers(others).values()]
    assert area > max(single)
    # Calibrated: among 4,000 the regression of the class on what was said has a slope near one.
    probability = 1 / (1 + np.exp(-(fused + fitted.calibration.prior)))
    slope, _ = calibration_line(truth[fused.index].to_numpy(), probability.to_numpy())
    # The slope of the line learned from 400 has a standard error of about 0.1.
    assert 0.75 < slope < 1.25


def test_layers_that_told_nothing_leave_the_training_prevalence():
    layers = {"a": pd.Series({"p1": 1.0, "p2": 2.0}), "b": pd.Series({"p1": 4.0, "p3": 6.0})}
    stack = Stack(["a"], np.array([0.5]), np.array([2.0]), np.array([[1.0]]))
    fitted = Fusion(stack, Calibrated(slope=2.0, intercept=0.5, prior=-0.3))
    # 0.5 + 2 * 2 * (value - 0.5) + 0.3; p3 has only the layer that is not in the stack.
    assert fitted.evidence(layers).to_dict() == pytest.approx({"p1": 2.8, "p2": 6.8, "p3": 0.0})
    assert fitted.weights == {"a": 4.0}
    table, labels = evidence(60, 6)
    constant = {"a": table["a"] * 0, "b": table["b"] * 0}
    silent = fuse(constant, labels, 1)
    assert silent.stack.layers == []
    assert (silent.evidence(constant) == 0).all()


def test_a_layer_of_hardly_anybody_in_a_class_has_no_weight():
    table, labels = evidence(100, 7)
    table.loc[labels[labels == 1].index[1:], "c"] = np.nan
    stack = fit_stack(table, labels.to_numpy())
    weights = stack.weights(np.ones(3, dtype=bool))
    assert weights[2] == 0
    np.testing.assert_allclose(
        weights[:2], fit_stack(table[["a", "b"]], labels.to_numpy()).weights(np.ones(2, bool)), rtol=0.05
    )


def test_the_calibration_is_learned_from_others_than_the_weights():
    """On noise the fused evidence says nothing: weights and line from the same participants would find something."""
    slopes = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        labels = pd.Series((np.arange(60) % 2), index=[f"p{k:02d}" for k in range(60)])
        noise = pd.DataFrame(generator.normal(size=(60, 6)), index=labels.index, columns=list("abcdef"))
        slopes.append(fuse(as_layers(noise), labels, 1).calibration.slope)
    # Half of them are turned round, and set to zero, by chance; in-sample nearly none would be.
    assert np.mean(np.array(slopes) == 0) > 0.3


def test_a_table_of_evidence_has_a_gap_where_a_layer_is_missing():
    table = evidence_table({"a": pd.Series({"p2": 1.0})}, ["a", "b"], ["p1", "p2"])
    assert table["a"].tolist()[1] == 1.0
    assert table.isna().sum().sum() == 3
