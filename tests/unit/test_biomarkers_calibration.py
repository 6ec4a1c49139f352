"""The line from log odds to calibrated log odds, against the penalised likelihood that it is said to maximise."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from immunosep.biomarkers.calibration import calibrate, firth_slope


def penalised(line, values, labels):
    """Log likelihood plus half the log determinant of the information: Jeffreys' prior, as Firth defines it."""
    design = np.column_stack([np.ones_like(values), values])
    odds = design @ line
    chance = expit(odds)
    information = (design * (chance * (1 - chance))[:, None]).T @ design
    return -(np.sum(labels * odds - np.logaddexp(0, odds)) + 0.5 * np.linalg.slogdet(information)[1])


@pytest.mark.parametrize("kind", ["overlap", "separated", "four"])
def test_the_slope_maximises_the_penalised_likelihood(kind):
    generator = np.random.default_rng(4)
    size = 4 if kind == "four" else 40
    values = generator.normal(size=size)
    labels = (values + (0.7 * generator.normal(size=size) if kind == "overlap" else 0) > 0).astype(int)
    labels[:2] = (0, 1) if kind == "four" else labels[:2]
    best = minimize(penalised, np.zeros(2), args=(values, labels), method="BFGS", options={"gtol": 1e-9})
    # The optimum of a quasi-Newton method is good to the root of its gradient's tolerance.
    assert firth_slope(values, labels) == pytest.approx(best.x[1], abs=1e-4)


def test_the_slope_is_right_on_average_where_the_likelihood_alone_is_not():
    """True slope 3 at 60 participants, of whom few lie between the classes; 400 data sets."""
    generator = np.random.default_rng(1)
    slopes = []
    for _ in range(400):
        values = generator.normal(size=60)
        labels = (generator.random(60) < expit(3 * values)).astype(int)
        slopes.append(firth_slope(values, labels))
    # A single slope has an SD of about 0.8, their mean a standard error of 0.04: the bound is four of them.
    assert np.mean(slopes) == pytest.approx(3, abs=0.16)


def test_the_mean_prediction_is_the_prevalence():
    generator = np.random.default_rng(2)
    odds = 5 + 3 * generator.normal(size=80)
    labels = (generator.random(80) < expit(odds - 7)).astype(int)
    line = calibrate(odds, labels)
    assert expit(line(odds)).mean() == pytest.approx(labels.mean(), abs=1e-9)
    assert expit(line.prior) == pytest.approx(labels.mean())


def test_classes_that_separate_fully_get_a_finite_line():
    line = calibrate(np.array([-30.0, -20, -10, 10, 20, 30]), np.array([0, 0, 0, 1, 1, 1]))
    assert 0 < line.slope < 1
    assert np.isfinite(line.intercept)


def test_calibration_never_turns_a_model_round():
    labels = np.array([0, 0, 0, 1, 1, 0])
    wrong = calibrate(np.array([2.0, 1, 1, -1, -2, 1]), labels)
    assert wrong.slope == 0
    assert wrong.intercept == wrong.prior == pytest.approx(np.log(2 / 4))
    assert calibrate(np.zeros(6), labels).slope == 0


def test_log_odds_that_are_three_times_too_large_are_brought_back():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=5000)
    observed = (generator.random(5000) < expit(truth)).astype(int)
    assert calibrate(3 * truth, observed).slope == pytest.approx(1 / 3, abs=0.03)
