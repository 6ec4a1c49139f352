"""The BEST category of each marker, with the tests that put it there.

Categories of the FDA-NIH working group (BEST, ncbi.nlm.nih.gov/books/NBK326791). One trial nominates candidates and
validates nothing; and because SOFA is itself a surrogate of survival, a candidate for SOFA is a surrogate of a
surrogate.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from immunosep.surrogacy.assess import ENDOTYPES, add_q_values
from immunosep.surrogacy.markers import FACTOR, LEARNED_LATER

CATEGORIES = ("candidate_surrogate", "predictive", "pharmacodynamic", "prognostic", "diagnostic", "none")
"""From the strongest claim to none; a marker is given the first whose evidence it has."""
COLUMNS = ["endotype", "marker", "best_category", "categories", "visit_day", "evidence"]


def grade_markers(
    measures: pd.DataFrame, baseline: pd.DataFrame, interaction: pd.DataFrame, details: pd.DataFrame, fdr: float
) -> pd.DataFrame:
    """Put every marker into its category.

    Parameters
    ----------
    measures
        The results of `assess.assess_endotype`, both endotypes.
    baseline, interaction
        The results of `assess.baseline_associations` and the first of `assess.benefit`.
    details
        The second result of `markers.score_markers`.
    fdr
        False discovery rate below which evidence counts.

    Returns
    -------
    One row per endotype and marker with `COLUMNS`: the category, all categories whose evidence is met, the visit of the
    candidate or pharmacodynamic evidence, and the evidence in words with its numbers.

    Notes
    -----
    | category | evidence |
    |---|---|
    | diagnostic | baseline marker differs between the endotypes, q below `fdr`; never for a marker made of definers |
    | prognostic | baseline marker goes with the outcome beside arm, SOFA, age and country, q below `fdr` |
    | predictive | interaction of arm and baseline marker within the endotype, q below `fdr` |
    | pharmacodynamic | arm changes the marker by the visit, q below `fdr` |
    | candidate surrogate | pharmacodynamic; the change goes with the later outcome given the arm, q below `fdr`; and the proportion explained can be estimated and is above 0, and the mediated effect's interval leaves out 0 |

    q values are Benjamini and Hochberg's over the markers and visits of an endotype. A factor of all visits is
    pharmacodynamic at most: it was learned from what came after baseline, and after the outcome began.
    """  # noqa: E501 -- a row of a table
    circular = set(details.loc[details["definers"] > 0, "marker"])
    continuous = measures[measures["family"] == "continuous"]
    drug = add_q_values(_only(continuous, "prentice_2_arm_on_marker"), ["endotype"])
    link = add_q_values(_only(continuous, "adjusted_association"), ["endotype"])
    by_key = ["endotype", "marker", "visit_day"]
    share = _only(continuous, "proportion_explained").set_index(by_key)
    through = _only(continuous, "mediated_effect").set_index(by_key)
    drug, link = drug.set_index(by_key), link.set_index(by_key)
    rows = []
    for endotype in ENDOTYPES:
        for marker in dict.fromkeys(baseline["marker"]):
            found: dict[str, tuple[float, str]] = {}
            diagnosis = _row(baseline, "all", marker, "diagnostic")
            if diagnosis["q_value"] < fdr and marker not in circular:
                found["diagnostic"] = (np.nan, f"AUROC {diagnosis['estimate']:.2f} at baseline")
            prognosis = _row(baseline, endotype, marker, "prognostic")
            if prognosis["q_value"] < fdr:
                found["prognostic"] = (np.nan, f"{_interval(prognosis)} points of SOFA per SD at baseline")
            benefit = interaction[(interaction["endotype"] == endotype) & (interaction["marker"] == marker)]
            if len(benefit) and benefit["q_value"].iloc[0] < fdr:
                row = benefit.iloc[0].rename({"interaction": "estimate"})
                found["predictive"] = (np.nan, f"arm's effect changes by {_interval(row)} points per SD")
            found |= _after_baseline(endotype, marker, drug, link, share, through, fdr)
            if marker.startswith(FACTOR):
                found = {name: evidence for name, evidence in found.items() if name == "pharmacodynamic"}
            best = next((name for name in CATEGORIES if name in found), "none")
            day = found.get(best, (np.nan, ""))[0]
            said = [f"{name}: {found[name][1]}" for name in CATEGORIES if name in found]
            words = "; ".join([*said, LEARNED_LATER] if marker.startswith(FACTOR) else said)
            rows.append((endotype, marker, best, ",".join(n for n in CATEGORIES if n in found), day, words))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"visit_day": "Int64"})


def _only(measures: pd.DataFrame, name: str) -> pd.DataFrame:
    return measures[measures["measure"] == name]


def _row(baseline: pd.DataFrame, endotype: str, marker: str, test: str) -> pd.Series:
    return baseline[
        (baseline["endotype"] == endotype) & (baseline["marker"] == marker) & (baseline["test"] == test)
    ].iloc[0]


def _interval(row: pd.Series) -> str:
    return f"{row['estimate']:.2f} (95 % interval {row['low']:.2f} to {row['high']:.2f})"


def _after_baseline(
    endotype: str,
    marker: str,
    drug: pd.DataFrame,
    link: pd.DataFrame,
    share: pd.DataFrame,
    through: pd.DataFrame,
    fdr: float,
) -> dict[str, tuple[float, str]]:
    """Collect what the visits after treatment say; of several visits the one with the smallest q value speaks."""
    found: dict[str, tuple[float, str]] = {}
    strength: dict[str, float] = {}
    for key in [key for key in drug.index if key[:2] == (endotype, marker)]:
        if not drug.loc[key, "q_value"] < fdr:
            continue
        day = key[2]
        name, evidence, q = "pharmacodynamic", f"arm moves it by {_interval(drug.loc[key])} by day {day}", "q_value"
        _keep(found, strength, name, drug.loc[key, q], day, evidence)
        if key not in link.index or not link.loc[key, "q_value"] < fdr or key not in share.index:
            continue
        explained, mediated = share.loc[key], through.loc[key]
        # A share below 0: what goes through the marker works against the arm's effect.
        if not explained["estimate"] > 0 or not (mediated["low"] > 0 or mediated["high"] < 0):
            continue
        evidence = (
            f"by day {day}; explains {_interval(explained)} of the arm's effect; mediated effect {_interval(mediated)} "
            f"points; correlation with the later outcome {_interval(link.loc[key])}"
        )
        _keep(found, strength, "candidate_surrogate", link.loc[key, "q_value"], day, evidence)
    return found


def _keep(
    found: dict[str, tuple[float, str]], strength: dict[str, float], name: str, q: float, day: int, evidence: str
) -> None:
    if q < strength.get(name, np.inf):
        found[name], strength[name] = (day, evidence), q
