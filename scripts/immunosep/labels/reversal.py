"""Reversal of the endotype at the end of treatment (protocol, secondary endpoint d)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from immunosep.labels.arrays import TIE, FloatArray, IntArray, TextArray

POST_BASELINE_DAY = 2
"""First day whose laboratory values can show an effect: day 1 is sampled before the first dose."""


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
        fallen = (100 - percent) * baseline_ferritin >= 100 * value * (1 - TIE)
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
