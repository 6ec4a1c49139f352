"""Who benefits: the arm's effect by the level of a marker before treatment.

Pre-specified markers only; an interaction as large as the main effect needs about four times the participants, and the
smaller endotype has some 110.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from immunosep.stats.regression import Family, FloatArray, NotEstimable, design, fit, wald

MAX_MARKERS = 20
"""Screening more is no pre-specification."""


def interactions(
    markers: Mapping[str, FloatArray], arm: FloatArray, outcome: FloatArray, covariates: FloatArray, family: Family
) -> pd.DataFrame:
    """Test the interaction of the arm with each marker.

    Parameters
    ----------
    markers
        Name to values before treatment, shape (participants,), NaN where missing; standardised here, so that the
        interaction is the change of the arm's effect per standard deviation.
    arm, outcome, covariates, family
        As in `single_trial.Comparison`.

    Returns
    -------
    One row per marker: `marker n interaction low high p_value q_value note`; q by Benjamini and Hochberg over the
    markers that could be tested.

    Raises
    ------
    ValueError
        More than `MAX_MARKERS` markers.
    """
    if len(markers) > MAX_MARKERS:
        raise ValueError(f"{len(markers)} markers; at most {MAX_MARKERS} can be called pre-specified")
    rows = []
    for name, values in markers.items():
        known = ~np.isnan(values)
        spread = values[known].std(ddof=1) if known.sum() > 1 else 0.0
        try:
            if not spread > 0:
                raise NotEstimable("the marker does not vary")
            level = (values[known] - values[known].mean()) / spread
            terms = design(arm[known] * level, arm[known], level, covariates[known], intercept=family != "survival")
            model = fit(family, outcome[known], terms)
            k = int(family != "survival")
            rows.append((name, int(known.sum()), model.coef[k], *wald(model.coef[k], model.covariance[k, k]), ""))
        except NotEstimable as reason:
            rows.append((name, int(known.sum()), np.nan, np.nan, np.nan, np.nan, f"not estimable: {reason}"))
    table = pd.DataFrame(rows, columns=["marker", "n", "interaction", "low", "high", "p_value", "note"])
    table.insert(6, "q_value", np.nan)
    tested = table["p_value"].notna()
    if tested.any():
        table.loc[tested, "q_value"] = multipletests(table.loc[tested, "p_value"], method="fdr_bh")[1]
    return table


def stepp(
    marker: FloatArray,
    arm: FloatArray,
    outcome: FloatArray,
    window: int,
    step: int,
    permutations: int,
    seed: int,
) -> tuple[pd.DataFrame, float]:
    """Subpopulation treatment effect pattern plot: the arm's effect in windows that slide along a marker.

    Parameters
    ----------
    marker, arm, outcome
        Shape (participants,), complete; the outcome continuous, or binary as 0 and 1.
    window, step
        Participants in a window, and how many leave and enter from one to the next.
    permutations
        Permutations of the marker within arm for the test that the effect is the same everywhere.
    seed
        Seed of the permutations.

    Returns
    -------
    One row per window: `marker_low marker_median marker_high n effect low high` (difference of means, active minus
    placebo, with Welch's 95 % interval); and the p value of the largest deviation from the overall effect, in standard
    errors. Windows without two participants in each arm are left out.

    Notes
    -----
    Bonetti and Gelber 2004 (doi 10.1093/biostatistics/kxh002), sliding-window variant, tested by permutation.
    """
    order = np.argsort(marker, kind="stable")
    last = max(len(marker) - window, 0)
    # The last window ends at the largest value, whatever the step.
    starts = np.unique(np.append(np.arange(0, last + 1, step), last))
    members = np.zeros((len(starts), len(marker)))
    for row, start in enumerate(starts):
        members[row, start : start + window] = 1
    effect, error, freedom = _windows(members, arm[order], outcome[order])
    overall = _windows(np.ones((1, len(marker))), arm, outcome)[0][0]
    usable = np.isfinite(error) & (error > 0)
    reach = stats.t.ppf(0.975, np.where(usable, freedom, 1)) * error
    sorted_marker = marker[order]
    stops = np.minimum(starts + window, len(marker))
    table = pd.DataFrame(
        {
            "marker_low": sorted_marker[starts],
            "marker_median": [float(np.median(sorted_marker[a:b])) for a, b in zip(starts, stops, strict=True)],
            "marker_high": sorted_marker[stops - 1],
            "n": stops - starts,
            "effect": effect,
            "low": effect - reach,
            "high": effect + reach,
        }
    )[usable]
    if not usable.any():
        return table, np.nan
    observed = np.max(np.abs(effect - overall)[usable] / error[usable])
    rng = np.random.default_rng(seed)
    beaten = 0
    ranks = np.empty(len(marker), int)
    ranks[order] = np.arange(len(marker))
    for _ in range(permutations):
        position = ranks.copy()
        for value in (0, 1):
            inside = np.flatnonzero(arm == value)
            position[inside] = rng.permutation(position[inside])
        shuffled = np.argsort(position)
        again, its_error, _ = _windows(members, arm[shuffled], outcome[shuffled])
        usable_now = np.isfinite(its_error) & (its_error > 0)
        largest = np.max(np.abs(again - overall)[usable_now] / its_error[usable_now], initial=0.0)
        beaten += largest >= observed
    return table.reset_index(drop=True), (1 + beaten) / (1 + permutations)


def _windows(members: FloatArray, arm: FloatArray, outcome: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return difference of means, its standard error and Welch's degrees of freedom in each window."""
    moments = []
    for value in (1, 0):
        inside = members * (arm == value)
        n = inside.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = inside @ outcome / n
            variance = (inside @ outcome**2 - n * mean**2) / (n - 1)
        moments.append((mean, np.where(n >= 2, np.maximum(variance, 0.0) / np.maximum(n, 1), np.nan), n))
    (mean1, error1, n1), (mean0, error0, n0) = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = (error1 + error0) ** 2 / (error1**2 / (n1 - 1) + error0**2 / (n0 - 1))
    return mean1 - mean0, np.sqrt(error1 + error0), freedom
