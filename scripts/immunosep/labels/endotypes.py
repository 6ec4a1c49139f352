"""The endotype rule of the protocol (BMJ Open 2022;12:e067251), at screening and at any visit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from immunosep.labels.arrays import TIE, FloatArray, flags


def classify(ferritin: FloatArray, hladr: FloatArray, rule: Mapping[str, Any]) -> pd.DataFrame:
    """Classify ferritin and HLA-DR of one day, screening above all.

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
        near_high = np.abs(ferritin - high_at) <= rule["ferritin_borderline"] * high_at * (1 + TIE)
        near_low = np.abs(hladr - low_at) <= rule["hladr_borderline"] * low_at * (1 + TIE)
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
