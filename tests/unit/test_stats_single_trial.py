"""Surrogacy of one marker: against statsmodels, and against simulations whose truth is known."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.stats.mediation import Mediation

from immunosep.stats import single_trial
from immunosep.stats.regression import NotEstimable, coefficients, design, fieller, fit


def simulate(n, effect_on_marker, marker_on_outcome, direct, seed, family="continuous", covariates=1):
    rng = np.random.default_rng(seed)
    arm = rng.permutation(np.arange(n) % 2).astype(float)
    age = rng.normal(size=(n, covariates))
    marker = effect_on_marker * arm + 0.3 * age.sum(axis=1) + rng.normal(size=n)
    linear = direct * arm + marker_on_outcome * marker + 0.5 * age.sum(axis=1)
    if family == "continuous":
        outcome = linear + rng.normal(size=n)
    elif family == "binary":
        outcome = (rng.random(n) < 1 / (1 + np.exp(-linear))).astype(float)
    else:
        time = rng.exponential(np.exp(-linear))
        outcome = np.column_stack([np.minimum(time, 1.5), time < 1.5]).astype(float)
    return single_trial.Comparison(arm, marker, outcome, age, family)


def value(table, measure):
    return table.set_index("measure").loc[measure]


@pytest.mark.parametrize("family", ["continuous", "binary", "survival"])
def test_regression_equals_statsmodels(family):
    c = simulate(200, 0.8, 0.7, 0.3, 1, family)
    terms = c.terms(c.arm, c.marker)
    model = fit(family, c.outcome, terms)
    if family == "continuous":
        other = sm.OLS(c.outcome, terms).fit(cov_type="HC3")
        assert model.covariance == pytest.approx(other.cov_params(), rel=1e-8)
    elif family == "binary":
        other = sm.Logit(c.outcome, terms).fit(disp=0)
    else:
        other = PHReg(c.outcome[:, 0], terms, status=c.outcome[:, 1], ties="efron").fit()
    assert model.coef == pytest.approx(other.params, abs=1e-6)
    assert model.log_likelihood == pytest.approx(other.llf, abs=1e-6)
    # Robust and model-based errors agree where the model is true: within 20 % at 200 participants.
    assert np.sqrt(np.diag(model.covariance)) == pytest.approx(other.bse, rel=0.2)


@pytest.mark.parametrize("family", ["continuous", "binary"])
def test_weighted_fits_equal_fits_of_repeated_rows(family):
    c = simulate(80, 0.8, 0.7, 0.3, 2, family)
    weights = single_trial.bootstrap_weights(c.arm, 5, 3)
    terms = c.terms(c.arm, c.marker)
    together = coefficients(family, c.outcome, terms, weights)
    for drawn, coef in zip(weights.astype(int), together, strict=True):
        rows = np.repeat(np.arange(80), drawn)
        assert fit(family, c.outcome[rows], terms[rows]).coef == pytest.approx(coef, abs=1e-8)
    assert (weights @ c.arm == c.arm.sum()).all()


def test_fieller_interval_worked_by_hand():
    # Roots of (16 - 1.96^2) r^2 - 2 * 8 r + (4 - 1.96^2) = 0 for independent estimates 2 and 4 with variance 1.
    roots = np.sort(np.roots([16 - 1.959964**2, -16, 4 - 1.959964**2]))
    assert fieller(2, 4, np.eye(2)) == pytest.approx(tuple(roots), abs=1e-5)
    assert fieller(2, 1, np.eye(2)) == (-np.inf, np.inf)


@pytest.mark.parametrize(("direct", "share"), [(0.0, 1.0), (0.8, 0.5), (1.6, 0.0)])
def test_proportion_explained_finds_the_planted_share(direct, share):
    # Effect through the marker 0.8 * b, total 1.6: b = 1 * share * 2.
    c = simulate(20_000, 0.8, 2 * share, direct, 4)
    table = single_trial.assess(c, 200, 5)
    # Standard error of the ratio at this size is about 0.02.
    assert value(table, "proportion_explained")["estimate"] == pytest.approx(share, abs=0.07)
    for measure in ("proportion_explained", "proportion_explained_bootstrap", "proportion_mediated"):
        row = value(table, measure)
        assert row["low"] <= share <= row["high"] or abs(row["estimate"] - share) < 0.05
    assert value(table, "mediated_effect")["estimate"] == pytest.approx(1.6 * share, abs=0.08)
    assert value(table, "direct_effect")["estimate"] == pytest.approx(direct, abs=0.08)
    assert value(table, "prentice_4_residual_arm_effect")["estimate"] == pytest.approx(direct, abs=0.08)
    # Linear in the marker: what moving the marker brings is the mediated share.
    assert value(table, "wang_taylor_f")["estimate"] == pytest.approx(share, abs=0.07)


def test_relative_effect_and_association_of_known_size():
    c = simulate(20_000, 0.5, 0.6, 0.4, 6, covariates=0)
    table = single_trial.assess(c, 50, 7)
    # Effects: 0.5 on the marker, 0.4 + 0.3 on the outcome; correlation given the arm 0.6 / sqrt(1 + 0.36).
    assert value(table, "relative_effect")["estimate"] == pytest.approx(1.4, abs=0.12)
    rho = 0.6 / np.sqrt(1.36)
    assert value(table, "adjusted_association")["estimate"] == pytest.approx(rho, abs=0.02)
    assert value(table, "r2_individual")["estimate"] == pytest.approx(rho**2, abs=0.02)
    # For a linear model the likelihood reduction is the squared partial correlation.
    assert value(table, "likelihood_reduction")["estimate"] == pytest.approx(
        value(table, "r2_individual")["estimate"], abs=1e-9
    )
    assert value(table, "mediation_sensitivity_rho")["estimate"] == value(table, "adjusted_association")["estimate"]


@pytest.mark.slow
def test_intervals_cover_the_truth():
    # 400 trials; a true coverage of 95 % stays within 91.5 and 98 % with a probability above 0.998.
    inside = {"proportion_explained": 0, "adjusted_association": 0, "mediated_effect": 0, "direct_effect": 0}
    truth = {
        "proportion_explained": 0.5,
        "adjusted_association": 0.5 / np.sqrt(1.25),
        "mediated_effect": 0.5,
        "direct_effect": 0.5,
    }
    trials = 400
    for seed in range(trials):
        c = simulate(280, 1.0, 0.5, 0.5, 1000 + seed, covariates=0)
        table = single_trial.assess(c, 400, seed)
        for measure in inside:
            row = value(table, measure)
            inside[measure] += bool(row["low"] <= truth[measure] <= row["high"])
    for measure, count in inside.items():
        assert 0.915 <= count / trials <= 0.98, (measure, count / trials)


def test_gate_refuses_a_share_of_nothing():
    c = simulate(60, 0.0, 0.5, 0.0, 8)
    table = single_trial.assess(c, 50, 9)
    for share in ("proportion_explained", "wang_taylor_f", "proportion_mediated"):
        assert np.isnan(value(table, share)["estimate"])
        assert value(table, share)["note"].startswith("not estimable")


@pytest.mark.parametrize("family", ["binary", "survival"])
def test_other_outcomes(family):
    c = simulate(1200, 1.0, 0.8, 0.4, 10, family)
    table = single_trial.assess(c, 50, 11)
    assert value(table, "prentice_4_residual_arm_effect")["estimate"] == pytest.approx(0.4, abs=0.4)  # three errors
    assert 0.3 < value(table, "proportion_explained")["estimate"] < 0.8
    assert value(table, "likelihood_reduction")["low"] > 0.02
    refused = set(table.loc[table["note"].str.startswith("not estimable"), "measure"])
    expected = {"binary": {"adjusted_association"}, "survival": {"adjusted_association", "wang_taylor_f", "mediation"}}
    assert refused == expected[family]


def test_mediation_of_a_binary_outcome_equals_statsmodels():
    c = simulate(800, 1.0, 0.8, 0.4, 12, "binary", covariates=0)
    ours = single_trial.assess(c, 20, 13)
    data = pd.DataFrame({"arm": c.arm, "marker": c.marker, "outcome": c.outcome})
    state = np.random.get_state()  # noqa: NPY002 -- statsmodels draws from the global generator
    np.random.seed(14)  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = Mediation(
            sm.GLM.from_formula("outcome ~ arm + marker", data, family=sm.families.Binomial()),
            sm.OLS.from_formula("marker ~ arm", data),
            "arm",
            "marker",
        ).fit(n_rep=200)
    np.random.set_state(state)  # noqa: NPY002
    theirs = result.summary()["Estimate"]
    # Theirs simulates: 200 draws leave about 0.005 of error; its marker's residual is normal, ours the observed.
    assert value(ours, "mediated_effect")["estimate"] == pytest.approx(theirs["ACME (control)"], abs=0.03)
    assert value(ours, "direct_effect")["estimate"] == pytest.approx(theirs["ADE (treated)"], abs=0.03)


def test_what_cannot_be_fitted_says_why():
    with pytest.raises(NotEstimable, match="collinear"):
        fit("continuous", np.arange(9.0), design(np.arange(9.0), 2 * np.arange(9.0)))
    with pytest.raises(NotEstimable, match="separated"):
        fit("binary", np.repeat([0.0, 1.0], 10), design(np.arange(20.0)))
    with pytest.raises(NotEstimable, match="events"):
        fit("survival", np.column_stack([np.arange(1.0, 21), np.zeros(20)]), design(np.arange(20.0), intercept=False))
    with pytest.raises(NotEstimable, match="participants"):
        fit("continuous", np.arange(3.0), design(np.arange(3.0)))
