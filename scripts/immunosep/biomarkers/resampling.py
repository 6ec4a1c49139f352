"""Participants drawn with replacement: what each measure of performance says of the drawn ones, all draws at once.

A draw is a row of weights, how often each participant was drawn. The same seed draws the same participants, so that
models which predict the same people are compared on the same draws. The fitted models are held fixed.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]

LEVELS: Final = (0.025, 0.975)
#: Draws for which a calibration line is fitted: as many as make percentiles of 2.5 and 97.5 steady to a tenth of the
#: interval's width.
LINES: Final = 500
#: Newton steps of these lines; ten settle a line, and one that goes on has no end because the classes separate.
STEPS: Final = 25


def draw(size: int, resamples: int, seed: int) -> Array:
    """Return how often each of so many participants is drawn, (resamples, size)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)


def interval(values: Array) -> tuple[float, float]:
    """Return the 95 % percentile interval of the draws that have a value; NaN for a limit that is not finite."""
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    # Of draws without an end the order is known: they are beyond all others.
    low, high = np.quantile(known, LEVELS, method="nearest" if np.isinf(known).any() else "linear")
    return (float(low) if np.isfinite(low) else float("nan")), (float(high) if np.isfinite(high) else float("nan"))


def limits(measures: Mapping[str, Array]) -> dict[str, float]:
    """Return `<measure>_low` and `<measure>_high` of each measure's draws."""
    found = {}
    for name, values in measures.items():
        found[f"{name}_low"], found[f"{name}_high"] = interval(values)
    return found


def share(flags: NDArray[np.bool_], among: NDArray[np.bool_], weights: Array) -> Array:
    """Return the share of participants with a flag among others, by draw; NaN where nobody of them was drawn."""
    total = weights @ among
    return np.divide(weights @ (flags & among), total, out=np.full(len(weights), np.nan), where=total > 0)


def drawn_auroc(labels: NDArray[np.integer], scores: Array, weights: Array) -> Array:
    """Return the AUROC of each draw; NaN for one with a single class.

    The AUROC of a draw is a weighted count of the pairs that are in order; the weights of all draws are multiplied with
    the matrix of pairs at once.
    """
    scores = np.round(scores, 9)
    positive, negative = scores[labels == 1], scores[labels == 0]
    ordered = (positive[:, None] > negative).astype(np.float64) + 0.5 * (positive[:, None] == negative)
    up, down = weights[:, labels == 1], weights[:, labels == 0]
    pairs = up.sum(axis=1) * down.sum(axis=1)
    in_order = ((up @ ordered) * down).sum(axis=1)
    return np.divide(in_order, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def drawn_auprc(labels: NDArray[np.integer], scores: Array, weights: Array) -> Array:
    """Return the average precision of each draw, as scikit-learn defines it; NaN without a positive."""
    order = np.argsort(-scores, kind="stable")
    # Equal scores are one cut.
    first = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    sorted_weights = weights[:, order]
    true = np.add.reduceat(sorted_weights * labels[order], first, axis=1)
    called = np.cumsum(np.add.reduceat(sorted_weights, first, axis=1), axis=1)
    right = np.cumsum(true, axis=1)
    precision = np.divide(right, called, out=np.zeros_like(right), where=called > 0)
    total = right[:, -1]
    return np.divide((true * precision).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)


def drawn_balanced_accuracy(labels: NDArray[np.integer], called: NDArray[np.bool_], weights: Array) -> Array:
    """Return the mean of sensitivity and specificity of each draw."""
    return (share(called, labels == 1, weights) + share(~called, labels == 0, weights)) / 2


def drawn_brier(labels: NDArray[np.integer], probability: Array, weights: Array) -> Array:
    """Return the Brier score of each draw."""
    return np.asarray(weights @ (probability - labels) ** 2 / weights.sum(axis=1))


def drawn_lines(labels: NDArray[np.integer], probability: Array, weights: Array) -> tuple[Array, Array]:
    """Return slope and intercept of each draw's calibration line; infinite where the classes separate, NaN with one.

    The line is that of `evaluate.calibration_line`, fitted for all draws at once by Newton's method.
    """
    log_odds = logit(np.clip(probability, 1e-9, 1 - 1e-9))
    centre, spread = log_odds.mean(), log_odds.std()
    none = np.full(len(weights), np.nan)
    if spread < 1e-9:
        return none, none.copy()
    x = (log_odds - centre) / spread
    design = np.column_stack([np.ones_like(x), x])
    products = np.column_stack([np.ones_like(x), x, x * x])
    line = np.zeros((len(weights), 2))
    for _ in range(STEPS):
        chance = expit(line @ design.T)
        gradient = (weights * (labels - chance)) @ design
        a, b, c = ((weights * chance * (1 - chance)) @ products).T
        determinant = np.maximum(a * c - b * b, 1e-12)
        step = np.column_stack([c * gradient[:, 0] - b * gradient[:, 1], a * gradient[:, 1] - b * gradient[:, 0]])
        step /= determinant[:, None]
        # Far from the optimum a full step overshoots.
        step *= np.minimum(1, 5 / np.maximum(np.abs(step).max(axis=1), 1e-12))[:, None]
        line += step
        if np.abs(step).max() < 1e-8:
            break
    endless = np.abs(step[:, 1]) > 1e-3
    slope = np.where(endless, np.copysign(np.inf, line[:, 1]), line[:, 1] / spread)
    intercept = np.where(endless, np.nan, line[:, 0] - line[:, 1] * centre / spread)
    single = (weights @ labels == 0) | (weights @ (1 - labels) == 0)
    return np.where(single, np.nan, slope), np.where(single, np.nan, intercept)
