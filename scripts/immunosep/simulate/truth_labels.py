"""The labels of the synthetic trial, derived here on their own, in exact arithmetic.

This is the yardstick for the workflow's label module and therefore shares no code with it. It covers the trial's
default rules only: last observation carried forward for gaps, death and discharge; SOFA response option A.
"""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from immunosep.simulate.frames import records
from immunosep.simulate.participants import Trial

WINDOW = range(1, 10)
HORIZONS = (28, 90)


def carried_forward(scores: dict[int, int]) -> list[int]:
    """Return the scores of days 1 to 9, gaps filled by the last earlier one; day 0 stands in for a missing day 1.

    An empty list where neither day 0 nor day 1 was scored.
    """
    last = scores.get(1, scores.get(0))
    if last is None:
        return []
    filled = []
    for day in WINDOW:
        last = scores.get(day, last)
        filled.append(last)
    return filled


def endotype_of(ferritin: Fraction, hladr: Fraction) -> str:
    """Apply the protocol's rule to screening ferritin (ng/mL) and HLA-DR (receptors per monocyte)."""
    if ferritin > 4420:
        return "MALS"
    return "SII" if hladr < 5000 else "unclassified"


def reversal_of(endotype: str, base: Fraction, values: dict[int, Fraction], death_day: int) -> str:
    """Judge reversal at day 15 (14 to 16 count, else the last value after baseline, else baseline itself)."""
    if 0 < death_day < 15:
        return "dead"
    near = sorted((abs(day - 15), day) for day in values if 14 <= day <= 16)
    earlier = [day for day in values if 0 < day < 14]
    value = values[near[0][1]] if near else values[max(earlier)] if earlier else base
    reversed_ = 100 * (base - value) >= 15 * base if endotype == "MALS" else value > 8000
    return "reversed" if reversed_ else "not_reversed"


def true_labels(trial: Trial) -> pd.DataFrame:
    """Return one row per person: endotype, SOFA labels, reversal and survival; empty where not defined."""
    rows: list[dict[str, str]] = []
    visits: dict[tuple[str, str], list[dict[str, str]]] = {}
    for visit in records(trial.visits):
        visits.setdefault((visit["site"], visit["participant_code"]), []).append(visit)
    sofa_columns = [name for name in trial.visits.columns if name.startswith("sofa_") and name != "sofa_total"]
    for person, lab in zip(records(trial.people), records(trial.classification), strict=True):
        ferritin, hladr = Fraction(lab["ferritin"]), Fraction(lab["hladr"])
        endotype = endotype_of(ferritin, hladr)
        row = {
            "participant": person["participant"],
            "endotype": endotype,
            "both_criteria": "yes" if ferritin > 4420 and hladr < 5000 else "no",
        }
        rows.append(row)
        if person["randomised"] == "no":
            continue
        own = visits.get((person["site"], person["participant_code"]), [])
        scores: dict[int, int] = {}
        for visit in own:
            parts = [visit[name] for name in sofa_columns]
            total = visit["sofa_total"] or (str(sum(map(int, parts))) if all(parts) else "")
            if total:
                scores[int(visit["visit_day"])] = int(total)
        filled = carried_forward(scores)
        death = int(person["death_day"])
        if filled:
            drop = len(filled) * filled[0] - sum(filled)
            alive = death == 0 or death > 9
            row["mean_sofa_d9"] = f"{float(Fraction(sum(filled), len(filled))):.6g}"
            row["sofa_response"] = "response" if alive and 10 * drop >= 14 * len(filled) else "nonresponse"
        column, base = ("ferritin", ferritin) if endotype == "MALS" else ("hladr", hladr)
        values = {int(visit["visit_day"]): Fraction(visit[column]) for visit in own if visit[column]}
        row["reversal_d15"] = reversal_of(endotype, base, values, death)
        for horizon in HORIZONS:
            event = 0 < death <= horizon
            row[f"time_to_death_{horizon}"] = str(death if event else min(horizon, int(person["last_contact_day"])))
            row[f"event_{horizon}"] = str(int(event))
    columns = ["participant", "endotype", "both_criteria", "mean_sofa_d9", "sofa_response", "reversal_d15"]
    columns += [f"{name}_{horizon}" for horizon in HORIZONS for name in ("time_to_death", "event")]
    return pd.DataFrame(rows, columns=columns).fillna("")
