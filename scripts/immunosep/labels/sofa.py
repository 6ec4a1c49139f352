"""Daily SOFA totals: gaps, deaths and discharges, and what is averaged from them (protocol, primary endpoint)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunosep.labels.arrays import MISSING, BoolArray, IntArray, TextArray

SOFA_MAX = 24
DEATH_RULES = ("locf", "worst24", "exclude_days")
DISCHARGE_RULES = ("locf", "zero", "missing")


@dataclass(frozen=True)
class SofaCourse:
    """Daily SOFA totals of a cohort.

    Attributes
    ----------
    scores
        Shape (participants, days), column d is trial day d from 0; `MISSING` where not observed.
    death_day, discharge_day
        Shape (participants,); `NEVER` where it did not happen.
    """

    scores: IntArray
    death_day: IntArray
    discharge_day: IntArray

    def baseline(self, fallback: str) -> IntArray:
        """Give the score of day 1, or of day 0 where day 1 is missing and `fallback` is `day0`."""
        first, screening = self.scores[:, 1], self.scores[:, 0]
        return np.where((first == MISSING) & (fallback == "day0"), screening, first)

    def baseline_source(self, fallback: str) -> TextArray:
        """Say which day the baseline comes from: `day1`, `day0`, or empty."""
        found = self.baseline(fallback) != MISSING
        return np.where(self.scores[:, 1] != MISSING, "day1", np.where(found, "day0", "")).astype(object)

    def alive_after(self, day: int) -> BoolArray:
        """Tell who is alive at the end of a day."""
        return self.death_day > day


def locf(scores: IntArray) -> tuple[IntArray, IntArray]:
    """Carry the last observed score forward, never backward.

    Parameters
    ----------
    scores
        Shape (participants, days), `MISSING` where not observed.

    Returns
    -------
    The filled scores, `MISSING` before the first observation; and the column of the observation that fills each entry
    (-1 before the first).
    """
    columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    source = np.maximum.accumulate(np.where(scores != MISSING, columns, -1), axis=1)
    filled = np.take_along_axis(scores, np.maximum(source, 0), axis=1)
    return np.where(source >= 0, filled, MISSING), source


def complete(course: SofaCourse, rule: Mapping[str, Any]) -> tuple[IntArray, BoolArray]:
    """Fill the gaps of SOFA courses by the rules for missing days, deaths and discharges.

    Parameters
    ----------
    course
        The observed scores.
    rule
        `baseline_fallback` (`day0`, `none`); `death_rule` for the days after death: `locf`, `worst24`, `exclude_days`;
        `discharge_rule` for the unobserved days between discharge alive and the next observation: `locf`, `zero`,
        `missing` (left out of the mean).

    Returns
    -------
    Scores of shape (participants, days), `MISSING` on days that do not count and on every day of a participant without
    a baseline (column 0 never counts); and a mask of the same shape: observed, and used as such.
    """
    day = np.arange(course.scores.shape[1])
    living = day <= course.death_day[:, None]
    known = np.where(living, course.scores, MISSING)
    observed = (known != MISSING) & (day >= 1)
    baseline = course.baseline(rule["baseline_fallback"])
    known[:, 1] = np.where(living[:, 1], baseline, MISSING)
    known[:, 0] = MISSING
    values, source = locf(known)
    at_home = living & ~observed & (day > course.discharge_day[:, None]) & (source <= course.discharge_day[:, None])
    if rule["discharge_rule"] == "zero":
        values[at_home] = 0
    elif rule["discharge_rule"] == "missing":
        values[at_home] = MISSING
    if rule["death_rule"] == "worst24":
        values[~living] = SOFA_MAX
    elif rule["death_rule"] == "exclude_days":
        values[~living] = MISSING
    no_baseline = known[:, 1] == MISSING
    values[no_baseline] = MISSING
    values[:, 0] = MISSING
    return values, observed & ~no_baseline[:, None]


def mean_sofa(values: IntArray, observed: BoolArray, first: int, last: int) -> pd.DataFrame:
    """Average completed scores over the days `first` to `last`, both included.

    Parameters
    ----------
    values, observed
        The result of `complete`.

    Returns
    -------
    Columns `total` (integer sum), `n` (days that count), `mean` (NaN where none counts), `n_observed`, `n_imputed`,
    `locf_fraction` (imputed share of the days that count), `last_observed_day` (NaN where none).
    """
    window = slice(first, last + 1)
    counts = values[:, window] != MISSING
    seen = observed[:, window] & counts
    n, n_observed = counts.sum(axis=1), seen.sum(axis=1)
    total = np.where(counts, values[:, window], 0).sum(axis=1)
    days = np.arange(first, last + 1)
    last_seen = np.where(seen, days, MISSING).max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, total / n, np.nan)
        imputed_share = np.where(n > 0, (n - n_observed) / n, np.nan)
    return pd.DataFrame(
        {
            "total": total,
            "n": n,
            "mean": mean,
            "n_observed": n_observed,
            "n_imputed": n - n_observed,
            "locf_fraction": imputed_share,
            "last_observed_day": np.where(last_seen == MISSING, np.nan, last_seen),
        }
    )


def joint_rank(course: SofaCourse, sofa: Mapping[str, Any], last: int) -> pd.DataFrame:
    """Order participants by death and mean SOFA together, without giving death a score that can be averaged.

    Survivors of the window are ordered by their mean; everyone who died in it comes after the sickest survivor, the
    earlier the worse. The order needs no other participant, so one more or one fewer in the cohort moves nobody. Only
    ranks of these values have a meaning: compare them by a rank test or a win ratio.

    Parameters
    ----------
    course
        The observed scores and deaths.
    sofa
        `first_day` and the rules of `complete`; the death rule does not matter.
    last
        Last day of the window.

    Returns
    -------
    Columns `value` (0 to 24: mean of a survivor; above 24: 24 plus the days of the window from the death on; NaN
    without a baseline), `n_observed`, `n_imputed`.
    """
    mean = mean_sofa(*complete(course, {**sofa, "death_rule": "locf"}), sofa["first_day"], last)
    dead = ~course.alive_after(last)
    value = np.where(dead, SOFA_MAX + (last - course.death_day + 1.0), mean["mean"])
    return mean.assign(value=value)[["value", "n_observed", "n_imputed"]]
