"""Label rules of the trial, as pure functions over arrays with one entry per participant.

Time is the trial day: day 1 is the day of randomisation and first dose, day 0 is screening, and a `death_day` of d
means that the participant died on day d. Scores are held as integers with `MISSING` for a gap, so that the published
cut of 1.4 points is compared without rounding; concentrations are floats with NaN for a gap.

Sources: protocol (BMJ Open 2022;12:e067251) for endotype, mean SOFA and reversal; JAMA 2025 (doi
10.1001/jama.2025.24175) for the response of at least 1.4 points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.errors import InputError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]

MISSING = -1
NEVER = 1_000_000
"""Stands for 'this did not happen' in arrays of days."""
SOFA_MAX = 24
POST_BASELINE_DAY = 2
"""First day whose laboratory values can show an effect: day 1 is sampled before the first dose."""
OPTIONS = ("A", "B", "C", "D", "E")

# Two products of doubles that are equal on paper differ by a few units in the last place; measurements do not.
_TIE = 1e-12


def flags(truth: BoolArray, known: BoolArray) -> TextArray:
    """Spell a truth value as `yes`, `no`, or the empty text where it is not known."""
    return np.where(known, np.where(truth, "yes", "no"), "").astype(object)


def endotype(ferritin: FloatArray, hladr: FloatArray, rule: Mapping[str, Any]) -> pd.DataFrame:
    """Classify screening values.

    MALS is ferritin above the cut whatever the HLA-DR; SII (immunoparalysis) is ferritin at or below the cut and HLA-DR
    below its cut; the rest is unclassified. Without ferritin MALS cannot be excluded, so nothing is decided.

    Parameters
    ----------
    ferritin
        Shape (participants,), ng/mL, NaN where missing.
    hladr
        Shape (participants,), receptors per CD14+CD45+ monocyte, NaN where missing.
    rule
        `ferritin_cut`, `hladr_cut`, and the relative spreads `ferritin_borderline`, `hladr_borderline`.

    Returns
    -------
    Columns `endotype`; `both_criteria` (both cuts are met: MALS dominates); `borderline` (a change within the assay's
    spread could change the label); `endotype_rule` (the branch that decided).
    """
    ferritin, hladr = np.asarray(ferritin, float), np.asarray(hladr, float)
    high_at, low_at = float(rule["ferritin_cut"]), float(rule["hladr_cut"])
    has_ferritin, has_hladr = ~np.isnan(ferritin), ~np.isnan(hladr)
    with np.errstate(invalid="ignore"):
        high, low = ferritin > high_at, hladr < low_at
        near_high = np.abs(ferritin - high_at) <= rule["ferritin_borderline"] * high_at * (1 + _TIE)
        near_low = np.abs(hladr - low_at) <= rule["hladr_borderline"] * low_at * (1 + _TIE)
    modest = has_ferritin & ~high
    branches = [
        (~has_ferritin, "undetermined", "ferritin missing"),
        (high, "MALS", f"ferritin > {high_at:g}"),
        (modest & ~has_hladr, "undetermined", f"ferritin <= {high_at:g}, HLA-DR missing"),
        (modest & low, "SII", f"ferritin <= {high_at:g} and HLA-DR < {low_at:g}"),
    ]
    conditions = [condition for condition, _, _ in branches]
    label = np.select(conditions, [name for _, name, _ in branches], "unclassified").astype(object)
    why = np.select(
        conditions, [text for _, _, text in branches], f"ferritin <= {high_at:g} and HLA-DR >= {low_at:g}"
    ).astype(object)
    # "No" is certain as soon as one criterion is known not to be met.
    both_known = (has_ferritin & has_hladr) | modest | (has_hladr & ~low)
    return pd.DataFrame(
        {
            "endotype": label,
            "both_criteria": flags(high & low, both_known),
            "borderline": flags(near_high | (modest & near_low), label != "undetermined"),
            "endotype_rule": why,
        }
    )


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


def decreased(baseline: IntArray, total: IntArray, n: IntArray, threshold_tenths: int) -> BoolArray:
    """Tell where `baseline - total / n` reaches the threshold, in integers.

    A float comparison fails on exact ties: 18 - 83/5 is 1.3999999999999986.
    """
    return 10 * (n * baseline - total) >= threshold_tenths * n


def sofa_response(
    course: SofaCourse, sofa: Mapping[str, Any], response: Mapping[str, Any]
) -> tuple[TextArray, TextArray]:
    """Decide the SOFA response by one of the options A to E.

    | option | response |
    |---|---|
    | A | alive at the end of the last day, and S1 - mean(first..last) reaches the threshold |
    | B | the same without the condition to be alive; deaths by LOCF |
    | C | alive at the end of the last day, and S1 - S_last reaches the threshold |
    | D | as A, the mean without the first day |
    | E | alive at the end of `decrease_day`, and S1 has fallen by at least `decrease_percent` on that day |

    Parameters
    ----------
    course
        The observed scores and deaths.
    sofa
        `first_day`, `last_day` and the rules of `complete`.
    response
        `option`, `threshold_tenths`, and for E `decrease_percent`, `decrease_day`.

    Returns
    -------
    `response`, `nonresponse` or empty (alive, but no baseline or no day that counts); and the reason in words. A death
    decides by itself (composite strategy of ICH E9(R1)), so it needs no score.
    """
    option, threshold = response["option"], int(response["threshold_tenths"])
    if option not in OPTIONS:
        raise InputError(f"sofa_response.option is {option!r}; choose one of {', '.join(OPTIONS)}.")
    first, last = sofa["first_day"], sofa["last_day"]
    start, end = {
        "A": (first, last),
        "B": (first, last),
        "C": (last, last),
        "D": (first + 1, last),
        "E": (response["decrease_day"],) * 2,
    }[option]
    values, observed = complete(course, {**sofa, "death_rule": "locf"} if option == "B" else sofa)
    window = mean_sofa(values, observed, start, end)
    total, n = window["total"].to_numpy(), window["n"].to_numpy()
    baseline = course.baseline(sofa["baseline_fallback"])
    if option == "E":
        percent = int(response["decrease_percent"])
        wanted = f"decrease >= {percent} %"
        missed = f"decrease < {percent} %"
        reached = (100 * (baseline - total) >= percent * baseline) & (baseline > 0)
    else:
        wanted, missed = f"decrease >= {threshold / 10:g}", f"decrease < {threshold / 10:g}"
        reached = decreased(baseline, total, n, threshold)
    dead = np.zeros(len(n), bool) if option == "B" else ~course.alive_after(end)
    unknown = ~dead & ((n == 0) | (baseline == MISSING))
    conditions = [dead, unknown, reached]
    label = np.select(conditions, ["nonresponse", "", "response"], "nonresponse").astype(object)
    no_score = np.where(baseline == MISSING, "no baseline score", "no day that counts")
    reason = np.select(conditions, [f"dead by the end of day {end}", no_score, wanted], missed)
    return label, np.array([f"{option}: {text}" for text in reason], dtype=object)


def nearest_value(values: FloatArray, day: int, window: int) -> tuple[FloatArray, FloatArray]:
    """Take each participant's value nearest to a day within `day` +- `window`; of two equally near, the earlier.

    Parameters
    ----------
    values
        Shape (participants, days), column d is trial day d; NaN where missing.

    Returns
    -------
    The values and the days they are from; NaN where the window is empty.
    """
    days = [d for d in sorted(range(day - window, day + window + 1), key=lambda d: (abs(d - day), d)) if d >= 0]
    candidates = values[:, days]
    present = ~np.isnan(candidates)
    choice = present.argmax(axis=1)
    found = present.any(axis=1)
    picked = np.take_along_axis(candidates, choice[:, None], axis=1)[:, 0]
    return picked, np.where(found, np.asarray(days)[choice], np.nan)


def last_value(values: FloatArray, first: int, last: int) -> FloatArray:
    """Take each participant's last value of the days `first` to `last`; NaN where there is none."""
    part = values[:, first : last + 1][:, ::-1]
    if not part.shape[1]:
        return np.full(len(values), np.nan)
    present = ~np.isnan(part)
    return np.take_along_axis(part, present.argmax(axis=1)[:, None], axis=1)[:, 0]


def reversal(
    endotypes: TextArray,
    baseline_ferritin: FloatArray,
    ferritin: FloatArray,
    hladr: FloatArray,
    death_day: IntArray,
    rule: Mapping[str, Any],
) -> pd.DataFrame:
    """Decide whether the endotype at randomisation has been reversed at the end of treatment.

    MALS: ferritin has fallen by at least `ferritin_percent` of the screening value, whatever the HLA-DR. SII: HLA-DR is
    above `hladr_above`. The dossier's fall-back of the baseline to day 1 never applies: who has an endotype has a
    screening ferritin.

    Parameters
    ----------
    endotypes
        The endotype at screening; others than MALS and SII have no reversal.
    baseline_ferritin
        Shape (participants,), the screening value.
    ferritin, hladr
        Shape (participants, days), column d is trial day d.
    death_day
        `NEVER` where alive.
    rule
        `day`, `window`, `ferritin_percent`, `hladr_above`; `missing`: `locf` (the last value after the baseline;
        without one, not reversed) or `missing`; `death`: `not_reversed` or `missing`, for the two-state label.

    Returns
    -------
    Columns `state` (`reversed`, `not_reversed`, `dead`, empty), `binary` (`yes`, `no`, empty), `rule`, and `imputed`
    (bool).
    """
    day, window, percent = int(rule["day"]), int(rule["window"]), float(rule["ferritin_percent"])
    mals, sii = endotypes == "MALS", endotypes == "SII"
    course = np.where(mals[:, None], ferritin, hladr)
    value, from_day = nearest_value(course, day, window)
    measured = ~np.isnan(value)
    if rule["missing"] == "locf":
        value = np.where(measured, value, last_value(course, POST_BASELINE_DAY, day - window - 1))
    with np.errstate(invalid="ignore"):
        fallen = (100 - percent) * baseline_ferritin >= 100 * value * (1 - _TIE)
        recovered = value > float(rule["hladr_above"])
    target = mals | sii
    # Who dies on the day of assessment after having been measured has a result; without one, death is the result.
    dead = target & ((death_day < day) | ((death_day == day) & ~measured))
    carried = target & ~measured & ~np.isnan(value)
    absent = target & np.isnan(value)
    met = np.where(mals, fallen, recovered)
    verdict = np.where(met, "reversed", "not_reversed")
    fallback = "not_reversed" if rule["missing"] == "locf" else ""
    state = np.select([~target, dead, absent], ["", "dead", fallback], verdict).astype(object)
    dead_as = "no" if rule["death"] == "not_reversed" else ""
    binary = np.select(
        [state == "reversed", state == "not_reversed", state == "dead"], ["yes", "no", dead_as], ""
    ).astype(object)
    criterion = np.where(mals, f"ferritin decrease >= {percent:g} %", f"HLA-DR > {rule['hladr_above']:g}")
    absent_as = "imputed_nonreversal" if rule["missing"] == "locf" else "missing"
    source = np.select(
        [carried, measured],
        ["last value carried forward", [f"value of day {d:.0f}" for d in np.nan_to_num(from_day)]],
        "",
    )
    explained = np.array([f"{what}; {where}" for what, where in zip(criterion, source, strict=True)], dtype=object)
    why = np.select(
        [~target, dead, absent], ["no endotype to reverse", f"dead by the end of day {day}", absent_as], explained
    )
    imputed = target & ~dead & ~measured & (state != "")
    return pd.DataFrame({"state": state, "binary": binary, "rule": why.astype(object), "imputed": imputed})


def survival(death_day: IntArray, last_contact: IntArray, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Give time to death of any cause, censored at last contact and at the horizon.

    Parameters
    ----------
    death_day
        `NEVER` where no death is known.
    last_contact
        Last day known to be alive, for those without a death; `NEVER` where not recorded.
    horizon
        Day of administrative censoring; a death on that day is an event.

    Returns
    -------
    Trial day of the event or of censoring, and the event as 0 or 1; both NaN where neither death nor contact is known.
    """
    event = death_day <= horizon
    time = np.minimum(np.where(death_day < NEVER, death_day, last_contact), horizon)
    known = (death_day < NEVER) | (last_contact < NEVER)
    return np.where(known, time, np.nan), np.where(known, event.astype(float), np.nan)
