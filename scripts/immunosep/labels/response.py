"""SOFA response: six definitions, each a criterion and a way to treat death.

Source of the cut of 1.4 points: JAMA 2025, doi 10.1001/jama.2025.24175; of the fall by a quarter: Karakike 2019, doi
10.1186/s13054-019-2665-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from immunosep.errors import InputError
from immunosep.labels.arrays import MISSING, BoolArray, FloatArray, IntArray, texts
from immunosep.labels.sofa import DEATH_RULES, SofaCourse, complete, mean_sofa

COMPOSITE: Final = "composite"
"""Death inside the window is non-response (composite strategy of ICH E9(R1))."""
DEATHS: Final = (COMPOSITE, *DEATH_RULES)
OPTIONS: Final[dict[str, tuple[str, str]]] = {
    "A": ("mean", COMPOSITE),
    "B": ("mean", "locf"),
    "C": ("last_day", COMPOSITE),
    "D": ("mean_after_day_1", COMPOSITE),
    "E": ("percent", COMPOSITE),
    "F": ("expected", COMPOSITE),
}
"""Option -> criterion and treatment of death."""
CRITERIA: Final = tuple(dict.fromkeys(criterion for criterion, _ in OPTIONS.values()))
MIN_FOR_TREND: Final = 3
"""With fewer participants a line through them has no residual."""


def decreased(baseline: IntArray, total: IntArray, n: IntArray, threshold_tenths: int) -> BoolArray:
    """Tell where `baseline - total / n` reaches the threshold, in integers.

    A float comparison fails on exact ties: 18 - 83/5 is 1.3999999999999986.
    """
    return 10 * (n * baseline - total) >= threshold_tenths * n


def sofa_response(
    course: SofaCourse, sofa: Mapping[str, Any], response: Mapping[str, Any], cohort: BoolArray | None = None
) -> pd.DataFrame:
    """Decide the SOFA response by one of the options A to F.

    | option | response |
    |---|---|
    | A | alive at the end of the last day, and S1 - mean(first..last) reaches the threshold |
    | B | the same without the condition to be alive; deaths by LOCF |
    | C | alive at the end of the last day, and S1 - S_last reaches the threshold |
    | D | as A, the mean without the first day |
    | E | alive at the end of `decrease_day`, and S1 has fallen by at least `decrease_percent` on that day |
    | F | alive at the end of the last day, and mean(first..last) is below what S1 lets expect by the threshold |

    Parameters
    ----------
    course
        The observed scores and deaths.
    sofa
        `first_day`, `last_day` and the rules of `complete`.
    response
        `option`, `threshold_tenths`, and for E `decrease_percent`, `decrease_day`.
    cohort
        For F: the participants from whom the expected course is learned; None for all.

    Returns
    -------
    Columns as `decide` gives them; the rule begins with the option.
    """
    option = response["option"]
    if option not in OPTIONS:
        raise InputError(f"sofa_response.option is {option!r}; choose one of {', '.join(OPTIONS)}.")
    criterion, deaths = OPTIONS[option]
    table = decide(course, sofa, response, criterion, deaths, cohort)
    return table.assign(rule=option + ": " + table["rule"])


def decide(
    course: SofaCourse,
    sofa: Mapping[str, Any],
    response: Mapping[str, Any],
    criterion: str,
    deaths: str,
    cohort: BoolArray | None = None,
) -> pd.DataFrame:
    """Decide the SOFA response by a criterion and a way to treat death.

    Parameters
    ----------
    course, sofa, response, cohort
        As for `sofa_response`.
    criterion
        One of `CRITERIA`.
    deaths
        `composite`, or a death rule of `complete` that gives the dead a score.

    Returns
    -------
    Columns `response` (`response`, `nonresponse`, or empty: no baseline or no day that counts), `rule` (the reason in
    words), `n_observed`, `n_imputed` (days of the window). A composite death decides by itself and needs no score.
    """
    first, last = sofa["first_day"], sofa["last_day"]
    start, end = {
        "mean": (first, last),
        "last_day": (last, last),
        "mean_after_day_1": (first + 1, last),
        "percent": (response["decrease_day"],) * 2,
        "expected": (first, last),
    }[criterion]
    death_rule = "locf" if deaths == COMPOSITE else deaths
    window = mean_sofa(*complete(course, {**sofa, "death_rule": death_rule}), start, end)
    total, n = window["total"].to_numpy(), window["n"].to_numpy()
    baseline = course.baseline(sofa["baseline_fallback"])
    dead = ~course.alive_after(end) if deaths == COMPOSITE else np.zeros(len(n), bool)
    unknown = ~dead & ((n == 0) | (baseline == MISSING))
    threshold = int(response["threshold_tenths"])
    if criterion == "percent":
        percent = int(response["decrease_percent"])
        reached = (100 * (baseline - total) >= percent * baseline) & (baseline > 0)
        wanted, missed = f"decrease >= {percent} %", f"decrease < {percent} %"
    elif criterion == "expected":
        known = ~dead & ~unknown
        learn = known if cohort is None else known & cohort
        line = expected_course(baseline[learn], window["mean"].to_numpy()[learn])
        if line is None:
            wanted = missed = ""
            unknown, reached = ~dead, np.zeros(len(n), bool)
        else:
            below = line[0] + line[1] * baseline - window["mean"].to_numpy()
            # Least squares in floats has no exact ties to keep; a billionth of a point decides nothing.
            reached = below >= threshold / 10 - 1e-9
            course_text = f"expected {line[0]:.3g} + {line[1]:.3g} S1"
            wanted = f"mean >= {threshold / 10:g} below the {course_text}"
            missed = f"mean not {threshold / 10:g} below the {course_text}"
    else:
        reached = decreased(baseline, total, n, threshold)
        wanted, missed = f"decrease >= {threshold / 10:g}", f"decrease < {threshold / 10:g}"
    conditions = [dead, unknown, reached]
    label = np.select(conditions, ["nonresponse", "", "response"], "nonresponse")
    no_score = np.select(
        [baseline == MISSING, n == 0],
        ["no baseline score", "no day that counts"],
        "too few participants for an expected course",
    )
    reason = np.select(conditions, [f"dead by the end of day {end}", no_score, wanted], missed)
    return pd.DataFrame({"response": texts(label), "rule": texts(reason)}).join(window[["n_observed", "n_imputed"]])


def expected_course(baseline: IntArray, mean: FloatArray) -> tuple[float, float] | None:
    """Fit the mean SOFA on the baseline score by least squares.

    Who starts high falls more easily (regression to the mean, and the baseline is part of the decrease); the residual
    of this line is free of that. The line is learned from the participants, so a response by it must not be predicted
    for anyone who helped to draw it.

    Parameters
    ----------
    baseline, mean
        Shape (participants,), without gaps.

    Returns
    -------
    Intercept and slope; None where fewer than `MIN_FOR_TREND` participants or a single baseline score leave the line
    undetermined.
    """
    if len(baseline) < MIN_FOR_TREND or np.ptp(baseline) == 0:
        return None
    centred = baseline - baseline.mean()
    slope = float((centred * mean).sum() / (centred**2).sum())
    return float(mean.mean() - slope * baseline.mean()), slope
