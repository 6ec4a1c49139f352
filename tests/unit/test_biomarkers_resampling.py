"""What the draws say, beside scikit-learn on the drawn participants themselves."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, brier_score_loss

from immunosep.biomarkers.resampling import (
    draw,
    drawn_auprc,
    drawn_balanced_accuracy,
    drawn_brier,
    drawn_lines,
    interval,
    share,
)


@pytest.fixture(scope="module")
def drawn():
    """Sixty participants, predictions with ties, forty draws; and the rows of each draw."""
    generator = np.random.default_rng(5)
    label = generator.integers(0, 2, 60)
    probability = np.clip(np.round(0.3 + 0.2 * label + generator.normal(0, 0.25, 60), 1), 0.05, 0.95)
    weights = draw(60, 40, 9)
    return label, probability, weights, [np.repeat(np.arange(60), row.astype(int)) for row in weights]


def test_measures_are_scikit_learns(drawn):
    label, probability, weights, rows = drawn
    for found, expected in (
        (drawn_auprc(label, probability, weights), [average_precision_score(label[r], probability[r]) for r in rows]),
        (drawn_brier(label, probability, weights), [brier_score_loss(label[r], probability[r]) for r in rows]),
        (
            drawn_balanced_accuracy(label, probability > 0.5, weights),
            [balanced_accuracy_score(label[r], probability[r] > 0.5) for r in rows],
        ),
        (share(probability > 0.5, label == 1, weights), [(probability[r] > 0.5)[label[r] == 1].mean() for r in rows]),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_lines_are_scikit_learns(drawn):
    label, probability, weights, rows = drawn
    log_odds = np.log(probability / (1 - probability))
    lines = [LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(log_odds[r, None], label[r]) for r in rows]
    slope, intercept = drawn_lines(label, probability, weights)
    # Its gradient ends at 1e-10 and its coefficients are known to about the square root of that.
    np.testing.assert_allclose(slope, [line.coef_[0, 0] for line in lines], atol=1e-4)
    np.testing.assert_allclose(intercept, [line.intercept_[0] for line in lines], atol=1e-4)


def test_a_draw_that_separates_has_no_end_and_one_of_a_class_no_line():
    label = np.array([0, 0, 1, 1])
    probability = np.array([0.2, 0.6, 0.5, 0.9])
    weights = np.array([[1.0, 1, 1, 1], [2, 0, 1, 1], [2, 2, 0, 0]])
    slope, intercept = drawn_lines(label, probability, weights)
    assert np.isfinite(slope[0])
    assert slope[1] == np.inf
    assert np.isnan(slope[2])
    assert np.isnan(intercept[1:]).all()


def test_an_infinite_limit_is_told_as_missing_and_the_other_stands():
    values = np.r_[np.arange(95.0), [np.inf] * 5]
    low, high = interval(values)
    assert low == pytest.approx(2, abs=1)
    assert np.isnan(high)
    assert np.isnan(interval(np.array([np.nan]))).all()
    assert interval(np.r_[np.arange(101.0), np.nan]) == pytest.approx((2.5, 97.5))
