"""Landmark responses: what happens after a visit, among those who are alive and in the study at its end.

A marker of day 4 knows part of the mean over days 1 to 9, and most of its variance; it may only be held against what
comes after day 4. So the population and the window of the outcome begin at the landmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from immunosep.labels.arrays import MISSING, IntArray, texts
from immunosep.labels.response import decreased
from immunosep.labels.sofa import SofaCourse, complete, mean_sofa


def landmark_response(
    course: SofaCourse,
    sofa: Mapping[str, Any],
    threshold_tenths: int,
    day: int,
    last_day_in_study: IntArray,
    last: int,
) -> pd.DataFrame:
    """Compare the score of a landmark day with the mean of the days after it.

    Parameters
    ----------
    course
        The observed scores and deaths.
    sofa
        The rules of `complete`.
    threshold_tenths
        Needed decrease in tenths of a point.
    day
        The landmark; the window is `day` + 1 to `last`.
    last_day_in_study
        Shape (participants,): last day lived to its end and in the study.
    last
        Last day of the window.

    Returns
    -------
    Columns `population` (bool); `mean` of the window and `delta`, the landmark's score minus that mean (NaN outside the
    population or where no day counts); `response` (`response`, `nonresponse`: death in the window included, or empty);
    `rule`; `n_observed` and `n_imputed` of the window.
    """
    values, observed = complete(course, sofa)
    start = values[:, day]
    window = mean_sofa(values, observed, day + 1, last)
    total, n = window["total"].to_numpy(), window["n"].to_numpy()
    inside = last_day_in_study >= day
    alive = course.alive_after(day)
    dead = inside & ~course.alive_after(last)
    known = inside & (start != MISSING) & (n > 0)
    reached = decreased(start, total, n, threshold_tenths)
    conditions = [~alive, ~inside, dead, ~known, reached]
    cut = f"{threshold_tenths / 10:g}"
    reasons = [
        f"not in the population: dead by the end of day {day}",
        f"not in the population: left the study by day {day}",
        f"dead by the end of day {last}",
        f"no score on or before day {day}, or no day after it that counts",
        f"S{day} - mean of days {day + 1}-{last} >= {cut}",
    ]
    return pd.DataFrame(
        {
            "population": inside,
            "mean": np.where(known, window["mean"], np.nan),
            "delta": np.where(known, start - window["mean"], np.nan),
            "response": texts(np.select(conditions, ["", "", "nonresponse", "", "response"], "nonresponse")),
            "rule": texts(np.select(conditions, reasons, f"S{day} - mean of days {day + 1}-{last} < {cut}")),
            "n_observed": np.where(inside, window["n_observed"], 0),
            "n_imputed": np.where(inside, window["n_imputed"], 0),
        }
    )
