"""Surrogacy between the units of one trial: where the marker's effect is larger, is the outcome's larger too.

With few participants in a unit the naive R2 between units mostly repeats the correlation within participants. So the
sampling covariance of the effects is subtracted, and the R2 of what is left is given with its interval; where nothing
is left, or the interval says nothing, the answer is that it cannot be estimated. What can always be shown is how well
the other units predict a unit.

Sources: two-stage model of Buyse 2000 (doi 10.1093/biostatistics/1.1.49); the correction is a moment estimator of the
covariance between units; interval by inverting simulated tests, Carpenter 1999 (doi 10.1111/1467-9868.00169).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.stats.regression import FloatArray

MIN_PER_UNIT = 20
"""Fewer participants are no unit. In simulations of 280 participants in 24 sites, 12 each, the naive R2 of a surrogate
that is perfect between units and unrelated within them was about a third (median; 0.05 to 0.64)."""
MIN_PER_ARM = 2
"""A unit with fewer participants in an arm has no effect of its own."""
MIN_UNITS = 4
"""Three points always lie near a line."""
MAX_DEGENERATE = 0.1
"""Trials simulated with the estimated variances may come out without a variance as often as this; beyond, the estimate
is a chance finding of heterogeneity."""
MAX_WIDTH = 0.8
"""An interval of R2 that is wider spans nearly all from 0 to 1 and says nothing."""
_DRAWS = 400
# Dense towards -1 and 1, where the estimate's distribution changes fastest.
_CORRELATIONS = np.concatenate([[-1.0], np.tanh(np.linspace(-2.8, 2.8, 57)), [1.0]])


class TrialLevel(NamedTuple):
    """Agreement of the units' effects.

    Attributes
    ----------
    r2
        Squared correlation of the units' true effects; NaN where it cannot be estimated.
    r2_low, r2_high
        Its 95 % interval.
    prediction_error
        Root mean squared error of each unit's outcome effect, predicted from its marker effect by the line through the
        other units, in the outcome's unit.
    prediction_error_mean
        The same where the other units' mean effect is the prediction: what the marker has to beat.
    units
        Number of units.
    note
        Why something is missing, or what to bear in mind.
    """

    r2: float
    r2_low: float
    r2_high: float
    prediction_error: float
    prediction_error_mean: float
    units: int
    note: str


def unit_effects(
    units: npt.NDArray[np.object_], arm: FloatArray, marker: FloatArray, outcome: FloatArray
) -> pd.DataFrame:
    """Estimate the arm's effects within each unit.

    Parameters
    ----------
    units
        Shape (participants,), names of countries, or of endotype and country.
    arm
        Shape (participants,); 1 active, 0 placebo.
    marker, outcome
        Shape (participants,); a binary outcome as 0 and 1 (the effect is a difference of risks).

    Returns
    -------
    One row per unit with at least `MIN_PER_UNIT` participants, `MIN_PER_ARM` of them in each arm: `unit`, `n_active`,
    `n_placebo`, `marker_effect`, `outcome_effect` (differences of means), and their sampling `marker_variance`,
    `outcome_variance`, `covariance`, from the covariance of marker and outcome pooled within units and arms.
    """
    table = pd.DataFrame({"unit": units, "arm": arm.astype(int), "marker": marker, "outcome": outcome})
    sizes = table.groupby(["unit", "arm"]).size().unstack(fill_value=0).reindex(columns=[0, 1], fill_value=0)
    large = (sizes >= MIN_PER_ARM).all(axis=1) & (sizes.sum(axis=1) >= MIN_PER_UNIT)
    table = table[table["unit"].isin(sizes.index[large])]
    sizes = sizes.loc[sorted(set(table["unit"]))]
    values = table[["marker", "outcome"]]
    cells = values.groupby([table["unit"], table["arm"]])
    residual = (values - cells.transform("mean")).to_numpy()
    freedom = len(table) - cells.ngroups
    pooled = residual.T @ residual / freedom if freedom > 0 else np.full((2, 2), np.nan)
    means = cells.mean().unstack("arm")
    per_unit = (1 / sizes[0] + 1 / sizes[1]).to_numpy()
    return pd.DataFrame(
        {
            "unit": sizes.index.to_numpy(),
            "n_active": sizes[1].to_numpy(),
            "n_placebo": sizes[0].to_numpy(),
            "marker_effect": (means["marker"][1] - means["marker"][0]).to_numpy() if len(sizes) else [],
            "outcome_effect": (means["outcome"][1] - means["outcome"][0]).to_numpy() if len(sizes) else [],
            "marker_variance": pooled[0, 0] * per_unit,
            "outcome_variance": pooled[1, 1] * per_unit,
            "covariance": pooled[0, 1] * per_unit,
        }
    )


def trial_level(effects: pd.DataFrame, seed: int) -> TrialLevel:
    """Compare the units' effects on marker and outcome.

    Parameters
    ----------
    effects
        The result of `unit_effects`.
    seed
        Seed of the interval's simulations.

    Notes
    -----
    A correlation that the correction carries beyond 1 is put at 1, where it is in half of all trials of a perfect
    surrogate; whether that means anything is left to the interval.
    """
    n = len(effects)
    if n < MIN_UNITS:
        reason = f"not estimable: {n} units of {MIN_PER_UNIT} participants, under {MIN_UNITS}"
        return TrialLevel(np.nan, np.nan, np.nan, np.nan, np.nan, n, reason)
    x, y = effects["marker_effect"].to_numpy(), effects["outcome_effect"].to_numpy()
    # Information about a difference of two means, whatever the measurement's variance.
    information = (1 / (1 / effects["n_active"] + 1 / effects["n_placebo"])).to_numpy()
    weight = information / information.sum()
    r2, low, high, note = _between(effects, weight, seed)
    left_out = np.array([_predict_without(x, y, weight, unit) for unit in range(n)])
    errors = np.sqrt(np.average((left_out - y[:, None]) ** 2, axis=0, weights=weight))
    return TrialLevel(r2, low, high, float(errors[0]), float(errors[1]), n, note)


def _between(effects: pd.DataFrame, weight: FloatArray, seed: int) -> tuple[float, float, float, str]:
    """Return R2 of the true effects, its interval, and a note."""
    refused = (np.nan, np.nan, np.nan)
    noise = effects[["marker_variance", "covariance", "outcome_variance"]].to_numpy()
    estimated = effects[["marker_effect", "outcome_effect"]].to_numpy()
    variance_x, covariance, variance_y = _moments(estimated[None], weight, noise)[0]
    if variance_x <= 0 or variance_y <= 0:
        return *refused, "not estimable: singular, the effects differ between units no more than by chance"
    correlation = np.clip(covariance / np.sqrt(variance_x * variance_y), -1, 1)
    kept, degenerate = _not_contradicted(float(correlation), variance_x, variance_y, weight, noise, seed)
    if degenerate > MAX_DEGENERATE:
        return *refused, "not estimable: near singular, the effects hardly differ between units more than by chance"
    squares = kept**2
    low, high = 0.0 if kept.min() <= 0 <= kept.max() else float(squares.min()), float(squares.max())
    if high - low > MAX_WIDTH:
        return *refused, f"not estimable: the interval goes from {low:.2f} to {high:.2f}"
    note = "at its bound: the corrected correlation is 1 or beyond" if abs(correlation) == 1 else ""
    return float(correlation**2), low, high, note


def _moments(estimated: FloatArray, weight: FloatArray, noise: FloatArray) -> FloatArray:
    """Covariance between units without the sampling covariance.

    Parameters
    ----------
    estimated
        Shape (trials, units, 2): effects on marker and outcome.
    weight
        Shape (units,), sum 1.
    noise
        Shape (units, 3): sampling variance of the first, covariance, variance of the second.

    Returns
    -------
    Shape (trials, 3): variance of the first, covariance, variance of the second.
    """
    centred = estimated - np.einsum("u,tuk->tk", weight, estimated)[:, None]
    observed = np.einsum("u,tuk->tk", weight, centred[..., [0, 0, 1]] * centred[..., [0, 1, 1]])
    # The weighted mean absorbs part of the noise: its expected share in the observed covariance.
    squares = weight**2
    return np.asarray((observed - (weight - squares) @ noise) / (1 - squares.sum()))


def _not_contradicted(
    correlation: float, variance_x: float, variance_y: float, weight: FloatArray, noise: FloatArray, seed: int
) -> tuple[FloatArray, float]:
    """Return the true correlations at which the estimate is no surprise, and how often no estimate comes out."""
    rng = np.random.default_rng(seed)
    units = len(weight)
    true = rng.normal(size=(_DRAWS, units, 2))
    # The sampling covariance is pooled: that of the first unit is that of all up to the sizes.
    share = noise[0, [0, 1, 1, 2]].reshape(2, 2) * weight[0]
    errors = rng.multivariate_normal([0, 0], share, size=(_DRAWS, units)) / np.sqrt(weight)[:, None]
    kept, degenerate = [], []
    for candidate in _CORRELATIONS:
        second = candidate * true[..., 0] + np.sqrt(1 - candidate**2) * true[..., 1]
        drawn = np.stack([np.sqrt(variance_x) * true[..., 0], np.sqrt(variance_y) * second], axis=-1)
        moments = _moments(drawn + errors, weight, noise)
        proper = (moments[:, [0, 2]] > 0).all(axis=1)
        degenerate.append(1 - proper.mean())
        first, covariance, last = moments[proper].T
        found = np.clip(covariance / np.sqrt(first * last), -1, 1)
        kept.append(min((found >= correlation).sum(), (found <= correlation).sum()) > 0.025 * len(found))
    inside = np.flatnonzero(kept)
    if not len(inside):  # hardly a trial had an estimate
        inside = np.array([np.abs(_CORRELATIONS - correlation).argmin()])
    # To the next correlation that is contradicted: the limit lies between.
    return _CORRELATIONS[max(inside[0] - 1, 0) : inside[-1] + 2], float(np.mean(degenerate))


def _covariance(x: FloatArray, y: FloatArray, weight: FloatArray) -> FloatArray:
    centred = np.column_stack([x - weight @ x, y - weight @ y])
    return np.asarray((weight[:, None] * centred).T @ centred)


def _predict_without(x: FloatArray, y: FloatArray, weight: FloatArray, unit: int) -> tuple[float, float]:
    """Predict a unit's outcome effect from the others: by their line, and by their mean."""
    others = np.arange(len(x)) != unit
    share = weight[others] / weight[others].sum()
    mean_x, mean_y = share @ x[others], share @ y[others]
    covariance = _covariance(x[others], y[others], share)
    slope = covariance[0, 1] / covariance[0, 0] if covariance[0, 0] > 0 else 0.0
    return float(mean_y + slope * (x[unit] - mean_x)), float(mean_y)
