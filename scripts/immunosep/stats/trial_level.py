"""Surrogacy between the units of one trial: where the marker's effect is larger, is the outcome's larger too.

With a dozen participants in a site the naive R2 between sites mostly repeats the correlation within participants. So
the sampling covariance of the effects is subtracted; where nothing is left the answer is that it cannot be estimated.

Source: two-stage model of Buyse 2000 (doi 10.1093/biostatistics/1.1.49); the correction is a moment estimator of the
covariance between units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.stats.regression import FloatArray

MIN_PER_ARM = 2
"""A unit with fewer participants in an arm has no effect of its own."""
MIN_UNITS = 4
"""Three points always lie near a line."""


class TrialLevel(NamedTuple):
    """Agreement of the units' effects.

    Attributes
    ----------
    r2_naive
        Squared weighted correlation of the estimated effects: repeats the correlation within participants.
    r2_corrected
        The same for the true effects; NaN where it cannot be estimated.
    prediction_error
        Root mean squared error of each unit's outcome effect, predicted from its marker effect by the line through the
        other units, in the outcome's unit.
    prediction_error_mean
        The same where the other units' mean effect is the prediction: what the marker has to beat.
    units
        Number of units.
    note
        Why something is missing.
    """

    r2_naive: float
    r2_corrected: float
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
    One row per unit with at least `MIN_PER_ARM` participants in each arm: `unit`, `n_active`, `n_placebo`,
    `marker_effect`, `outcome_effect` (differences of means), and their sampling `marker_variance`, `outcome_variance`,
    `covariance`, from the covariance of marker and outcome pooled within units and arms.
    """
    table = pd.DataFrame({"unit": units, "arm": arm.astype(int), "marker": marker, "outcome": outcome})
    sizes = table.groupby(["unit", "arm"]).size().unstack(fill_value=0).reindex(columns=[0, 1], fill_value=0)
    table = table[table["unit"].isin(sizes.index[(sizes >= MIN_PER_ARM).all(axis=1)])]
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


def trial_level(effects: pd.DataFrame) -> TrialLevel:
    """Compare the units' effects on marker and outcome.

    Parameters
    ----------
    effects
        The result of `unit_effects`.
    """
    n = len(effects)
    if n < MIN_UNITS:
        return TrialLevel(np.nan, np.nan, np.nan, np.nan, n, f"not estimable: {n} units, under {MIN_UNITS}")
    x, y = effects["marker_effect"].to_numpy(), effects["outcome_effect"].to_numpy()
    # Information about a difference of two means, whatever the measurement's variance.
    weight = (1 / (1 / effects["n_active"] + 1 / effects["n_placebo"])).to_numpy()
    weight = weight / weight.sum()
    observed = _covariance(x, y, weight)
    noise = np.array(
        [
            [weight @ effects["marker_variance"], weight @ effects["covariance"]],
            [weight @ effects["covariance"], weight @ effects["outcome_variance"]],
        ]
    )
    # The weighted mean absorbs part of the noise: its expected share in the observed covariance.
    squares = weight**2
    absorbed = np.array(
        [
            [squares @ effects["marker_variance"], squares @ effects["covariance"]],
            [squares @ effects["covariance"], squares @ effects["outcome_variance"]],
        ]
    )
    between = (observed - (noise - absorbed)) / (1 - squares.sum())
    naive = float(observed[0, 1] ** 2 / (observed[0, 0] * observed[1, 1]))
    note, corrected = "", np.nan
    if between[0, 0] <= 0 or between[1, 1] <= 0:
        note = "not estimable: the effects differ between units no more than by chance"
    elif between[0, 1] ** 2 > between[0, 0] * between[1, 1]:
        note = "not estimable: the corrected covariance has no proper correlation"
    else:
        corrected = float(between[0, 1] ** 2 / (between[0, 0] * between[1, 1]))
    left_out = np.array([_predict_without(x, y, weight, unit) for unit in range(n)])
    errors = np.sqrt(np.average((left_out - y[:, None]) ** 2, axis=0, weights=weight))
    return TrialLevel(naive, corrected, float(errors[0]), float(errors[1]), n, note)


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
