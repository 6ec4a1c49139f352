"""Comparisons of two randomised arms: means, proportions, survival, ranks.

All differences are active minus placebo, all ratios active over placebo. The methods are those of the protocol (Welch's
t-test, Cox regression; BMJ Open 2022;12:e067251) and of the publication (difference of proportions; JAMA 2025, doi
10.1001/jama.2025.24175: its interval, 6.8 to 27.2 %, is Newcombe's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg, stats
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_COLLINEAR: Final = 1e-10


@dataclass(frozen=True)
class Estimate:
    """One comparison.

    Attributes
    ----------
    value, low, high
        Estimate and confidence interval; NaN where it cannot be estimated.
    p_value
        Two-sided.
    note
        Why there is no estimate; else empty.
    """

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p_value: float = np.nan
    note: str = ""


def welch(active: FloatArray, placebo: FloatArray, level: float = 0.95) -> Estimate:
    """Compare two means by Welch's t-test.

    Parameters
    ----------
    active, placebo
        Values of the arms, without gaps.
    level
        Coverage of the interval.
    """
    if min(len(active), len(placebo)) < 2:
        return Estimate(note="fewer than two participants in an arm")
    if np.ptp(active) == 0 and np.ptp(placebo) == 0:
        return Estimate(value=float(active[0] - placebo[0]), note="no spread within the arms")
    test = stats.ttest_ind(active, placebo, equal_var=False)
    interval = test.confidence_interval(level)
    difference = float(active.mean() - placebo.mean())
    return Estimate(difference, float(interval.low), float(interval.high), float(test.pvalue))


def adjusted_difference(outcome: FloatArray, arm: BoolArray, covariates: FloatArray, level: float = 0.95) -> Estimate:
    """Compare two means by linear regression on the arm and covariates.

    Parameters
    ----------
    outcome
        Shape (participants,), without gaps.
    arm
        True for active.
    covariates
        Shape (participants, terms), without intercept; collinear terms are allowed, as long as the arm is not among
        them.
    level
        Coverage of the interval, by the t distribution.
    """
    terms = np.column_stack([np.ones(len(outcome)), covariates])
    # Of collinear terms (a country that is all of one endotype) an independent set explains as much.
    _, triangle, order = linalg.qr(terms, mode="economic", pivoting=True)
    size = np.abs(np.diag(triangle))
    terms = terms[:, np.sort(order[: int((size > size[0] * _COLLINEAR).sum())])] if len(terms) else terms
    design = np.column_stack([arm, terms])
    if len(outcome) <= design.shape[1]:
        return Estimate(note=f"{len(outcome)} participants for {design.shape[1]} coefficients")
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return Estimate(note="the covariates tell the arm")
    fit = OLS(outcome, design).fit()
    low, high = fit.conf_int(1 - level)[0]
    return Estimate(float(fit.params[0]), float(low), float(high), float(fit.pvalues[0]))


def risk_difference(active: tuple[int, int], placebo: tuple[int, int], level: float = 0.95) -> Estimate:
    """Compare two proportions: difference with Newcombe's interval (hybrid score), p by Fisher's exact test.

    Parameters
    ----------
    active, placebo
        Participants with the event, and all participants, of each arm.
    level
        Coverage of the interval.
    """
    (events, n), (other_events, other_n) = active, placebo
    if not n or not other_n:
        return Estimate(note="an arm without participants")
    low, high = confint_proportions_2indep(
        events, n, other_events, other_n, compare="diff", method="newcomb", alpha=1 - level
    )
    test = stats.fisher_exact([[events, n - events], [other_events, other_n - other_events]])
    return Estimate(events / n - other_events / other_n, float(low), float(high), float(test.pvalue))


def stratified_odds_ratio(event: BoolArray, arm: BoolArray, strata: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Compare two proportions within strata: common odds ratio of Mantel and Haenszel.

    The interval is that of Robins, Breslow and Greenland, the p value of the Cochran-Mantel-Haenszel test without
    continuity correction. Strata without a comparison or without contrast carry no weight.
    """
    groups = pd.Series(np.asarray(strata))
    tables = [
        np.array(
            [
                [np.sum(event[own] & arm[own]), np.sum(~event[own] & arm[own])],
                [np.sum(event[own] & ~arm[own]), np.sum(~event[own] & ~arm[own])],
            ],
            dtype=float,
        )
        for own in (np.asarray(groups == name) for name in sorted(groups.unique()))
    ]
    useful = [table for table in tables if (table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all()]
    if not useful:
        return Estimate(note="no stratum with both arms and both outcomes")
    joined = StratifiedTable(useful)
    numerator, denominator = (sum(table[0, i] * table[1, 1 - i] / table.sum() for table in useful) for i in (0, 1))
    if not numerator or not denominator:
        return Estimate(note="all events, or all without one, in one arm")
    low, high = joined.oddsratio_pooled_confint(1 - level)
    return Estimate(
        float(joined.oddsratio_pooled), float(low), float(high), float(joined.test_null_odds(correction=False).pvalue)
    )


def hazard_ratio(
    time: FloatArray,
    event: BoolArray,
    arm: BoolArray,
    strata: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Compare survival by Cox regression, ties by Efron; Wald interval and p value.

    Parameters
    ----------
    time
        Days to the event or to censoring.
    event
        True for a death.
    arm
        True for active.
    strata
        Groups with a baseline hazard of their own; None for one.
    level
        Coverage of the interval.
    """
    codes = np.zeros(len(time), int) if strata is None else pd.factorize(np.asarray(strata), sort=True)[0]
    # A death says which arm is worse where somebody of the other arm was still at risk in its stratum. With deaths of
    # one kind only the likelihood grows for ever.
    informative = event & (time <= _last_of_other_arm(time, arm, codes))
    if not informative[arm].any() or not informative[~arm].any():
        return Estimate(note="one arm has no death while the other is at risk")
    model = PHReg(time, arm[:, None].astype(float), status=event.astype(float), strata=codes, ties="efron")
    fit = model.fit(disp=0)
    beta, error = float(fit.params[0]), float(fit.bse[0])
    reach = stats.norm.ppf((1 + level) / 2) * error
    low, ratio, high = np.exp([beta - reach, beta, beta + reach])
    return Estimate(float(ratio), float(low), float(high), float(2 * stats.norm.sf(abs(beta) / error)))


def _last_of_other_arm(time: FloatArray, arm: BoolArray, codes: npt.NDArray[np.int64]) -> FloatArray:
    """Give, for each participant, the last day on which the other arm is followed in the stratum; -inf without one."""
    last = np.full((codes.max(initial=0) + 1, 2), -np.inf)
    np.maximum.at(last, (codes, arm.astype(int)), time)
    other: FloatArray = last[codes, 1 - arm.astype(int)]
    return other


def win_probability(active: FloatArray, placebo: FloatArray, level: float = 0.95) -> Estimate:
    """Give the probability that a participant of the active arm does better than one of placebo; lower is better.

    Ties count half. The interval is normal, from the variance of the placements (DeLong 1988, doi 10.2307/2531595); p
    by the Mann-Whitney test, normal approximation with ties and without continuity correction.
    """
    if min(len(active), len(placebo)) < 2:
        return Estimate(note="fewer than two participants in an arm")
    order = np.sort(placebo), np.sort(active)
    better = 1 - (np.searchsorted(order[0], active) + np.searchsorted(order[0], active, "right")) / (2 * len(placebo))
    worse = (np.searchsorted(order[1], placebo) + np.searchsorted(order[1], placebo, "right")) / (2 * len(active))
    value = float(better.mean())
    error = float(np.sqrt(better.var(ddof=1) / len(active) + worse.var(ddof=1) / len(placebo)))
    reach = stats.norm.ppf((1 + level) / 2) * error
    if np.ptp(np.r_[active, placebo]) == 0:
        return Estimate(value=0.5, note="all values are the same")
    test = stats.mannwhitneyu(active, placebo, method="asymptotic", use_continuity=False)
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach), float(test.pvalue))


def kaplan_meier(time: FloatArray, event: BoolArray, level: float = 0.95) -> pd.DataFrame:
    """Estimate a survival curve.

    Returns
    -------
    One row per day with an event or a censoring, after one of day 0: `day`, `at_risk` (before the day), `events`,
    `censored`, `survival`, and `low`, `high` (normal on the log scale, Greenwood's variance; NaN where nobody is left).
    """
    start = pd.DataFrame([{"day": 0.0, "at_risk": len(time), "events": 0, "censored": 0}])
    days, inverse = np.unique(time, return_inverse=True)
    events = np.bincount(inverse, weights=event, minlength=len(days)).astype(int)
    leaving = np.bincount(inverse, minlength=len(days))
    at_risk = len(time) - np.r_[0, np.cumsum(leaving)[:-1]]
    rest = pd.DataFrame({"day": days, "at_risk": at_risk, "events": events, "censored": leaving - events})
    table = pd.concat([start, rest], ignore_index=True)
    curve = SurvfuncRight(time, event.astype(float)) if event.any() else None
    survival, error = np.ones(len(table)), np.zeros(len(table))
    if curve is not None:
        # The estimate changes on days with an event; between them it stays.
        last = np.searchsorted(curve.surv_times, table["day"], side="right") - 1
        survival = np.where(last >= 0, curve.surv_prob[np.maximum(last, 0)], 1.0)
        error = np.where(last >= 0, curve.surv_prob_se[np.maximum(last, 0)], 0.0)
    reach = stats.norm.ppf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(survival > 0, reach * error / survival, np.nan)
    return table.assign(
        survival=survival, low=survival * np.exp(-spread), high=np.minimum(1.0, survival * np.exp(spread))
    )
