"""Clinical courses of the synthetic trial: daily SOFA with gaps, ferritin and HLA-DR follow-up, blood counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from immunosep.simulate.frames import records
from immunosep.simulate.participants import MALS_CASES, SII_CASES, SOFA_COMPONENTS
from immunosep.simulate.seeds import generator

VISIT_COLUMNS = (
    "site", "participant_code", "visit_day", "sofa_total", *(f"sofa_{name}" for name in SOFA_COMPONENTS), "ferritin",
    "ferritin_unit", "hladr", "hladr_unit", "neutrophils_10e9_l", "lymphocytes_10e9_l", "monocytes_10e9_l",
    "haemoglobin_g_dl", "platelets_10e9_l", "antibiotic", "steroid", "transfusion", "infection_resolved",
)  # fmt: skip
COUNT_DAYS = (1, 2, 4, 7, 15, 21, 28)
FOLLOW_UP_DAYS = (7, 15)
EARLY_VISIT = 14
# Share of the drop that a course with time constant 4 days has made by day d.
SETTLING_DAYS = 4.0
# Points by which SOFA settles lower per unit of the response to the drug. It settles slowly: the mean to day 9 falls by
# a little more than half of it, and the arms differ in responders about as in the publication (17 percentage points).
DRUG_BENEFIT = 1.5


def split_total(total: int, weights: np.ndarray) -> list[int]:
    """Divide a SOFA total over the six components, each 0 to 4, in proportion to the weights."""
    parts = np.zeros(len(weights), dtype=int)
    for _ in range(int(total)):
        need = np.where(parts < 4, weights / (parts + 1), -1)
        parts[int(need.argmax())] += 1
    return parts.tolist()


def sofa_course(person: dict[str, Any], days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one person's SOFA totals: an exponential approach to a new level, steeper in the less severe.

    The drug acts through the response to it alone, which the full-size matrices show: there that response is a perfect
    surrogate. Those who die climb in their last three days.
    """
    start = np.clip(rng.normal(8.5 + 0.8 * person["severity"], 2.2), 3, 17)
    drop = rng.normal(2.5 - 1.5 * person["severity"], 1.2) + DRUG_BENEFIT * person["drug_response"]
    course = start - drop * (1 - np.exp(-(np.maximum(days, 1) - 1) / SETTLING_DAYS)) + rng.normal(0, 0.6, len(days))
    if person["death_day"]:
        course = course + 2.0 * np.maximum(0, 4 - (person["death_day"] - days))
    return np.clip(np.round(course), 0, 24).astype(int)


def observed_until(person: dict[str, Any]) -> int:
    """Return the last day on which the person is in hospital, alive and in the study (90 when nothing ends it)."""
    ends = [person["death_day"], person["discharge_day"], person["withdrawn_day"], person["last_contact_day"]]
    return min([day for day in ends if day > 0], default=90)


def follow_up(
    person: dict[str, Any], base: tuple[float, float], rng: np.random.Generator
) -> dict[int, tuple[str, str]]:
    """Draw ferritin and HLA-DR on days 7 and 15; boundary cases get their exact day-15 value."""
    fall = rng.uniform(0.35, 1.2)
    rise = np.exp(rng.uniform(np.log(0.9), np.log(5)))
    values = {}
    for day in FOLLOW_UP_DAYS:
        part = (day - 1) / 14
        values[day] = (f"{base[0] * fall**part:.0f}", f"{min(base[1] * rise**part, 30000):.0f}")
    if person["case"] >= 0:
        case = (MALS_CASES if person["endotype"] == "MALS" else SII_CASES)[person["case"]]
        values[15] = (case[2] or values[15][0], case[3] or values[15][1])
    return values


def draw_visits(people: pd.DataFrame, classification: pd.DataFrame, seed: int, sofa_days: list[int]) -> pd.DataFrame:
    """Draw `visits.tsv` of the enrolled; all columns text, missing empty.

    Planted: single missing days, one person without a day-1 score (day 0 is there), rows with components only, a
    day-15 laboratory visit taken on day 14, and follow-up that is missing altogether.
    """
    rows: list[dict[str, str]] = []
    screening = dict(enumerate(classification[["ferritin", "hladr"]].astype(float).itertuples(index=False, name=None)))
    enrolled = people[people["randomised"] == "yes"]
    ordinary = enrolled.index[enrolled["special"] == ""]
    no_day_one, early_visit, no_day_15 = (set(ordinary[i : i + 1]) for i in (1, 2, 3))
    no_follow_up = set(ordinary[4:5])
    for i, person in zip(enrolled.index, records(enrolled), strict=True):
        rng = generator(seed, "course", person["participant"])
        days = np.array([0, *sofa_days])
        totals = sofa_course(person, days, rng)
        weights = rng.dirichlet(np.ones(6) * 3)
        base = screening[i]
        labs = follow_up(person, base, rng)
        if i in early_visit:
            labs[EARLY_VISIT] = labs.pop(15)
        if i in no_day_15:
            labs.pop(15)
        if i in no_follow_up:
            labs = {}
        counts = blood_counts(person, days, rng)
        gaps = rng.random(len(days)) < 0.05
        resolved = rng.random() < 0.6 - 0.15 * person["severity"]
        last = observed_until(person)
        for position, day in enumerate(days):
            if day > last or (gaps[position] and day > 1 and day not in labs) or (day == 1 and i in no_day_one):
                continue
            row = dict.fromkeys(VISIT_COLUMNS, "")
            row.update(site=person["site"], participant_code=person["participant_code"], visit_day=str(day))
            parts = split_total(totals[position], weights)
            row.update({f"sofa_{name}": str(part) for name, part in zip(SOFA_COMPONENTS, parts, strict=True)})
            row["sofa_total"] = "" if rng.random() < 0.05 else str(totals[position])
            if rng.random() < 0.03 and day > 1:
                row.update(dict.fromkeys((f"sofa_{name}" for name in SOFA_COMPONENTS), ""), sofa_total="")
            if day in labs:
                row.update(
                    ferritin=labs[day][0], ferritin_unit="ng/mL", hladr=labs[day][1], hladr_unit="receptors_per_cell"
                )
            if day in COUNT_DAYS:
                row.update(counts[position])
            if day > 0:
                row.update(
                    {
                        name: "yes" if rng.random() < share else "no"
                        for name, share in (("antibiotic", 0.9), ("steroid", 0.45), ("transfusion", 0.08))
                    }
                )
            if day == 15:
                row["infection_resolved"] = "yes" if resolved else "no"
            rows.append(row)
    return pd.DataFrame(rows, columns=list(VISIT_COLUMNS))


def blood_counts(person: dict[str, Any], days: np.ndarray, rng: np.random.Generator) -> list[dict[str, str]]:
    """Draw blood counts per day; immunoparalysis goes with fewer lymphocytes."""
    n = len(days)
    low = 0.55 if person["endotype"] == "SII" else 0.85
    values = {
        "neutrophils_10e9_l": np.exp(rng.normal(np.log(11 + 2 * person["severity"] + 2), 0.25, n)),
        "lymphocytes_10e9_l": np.exp(rng.normal(np.log(low), 0.3, n)),
        "monocytes_10e9_l": np.exp(rng.normal(np.log(0.6), 0.35, n)),
        "haemoglobin_g_dl": rng.normal(10, 1.2, n),
        "platelets_10e9_l": np.exp(rng.normal(np.log(180), 0.35, n)),
    }
    return [
        {
            name: f"{column[k]:.0f}" if name.startswith("platelets") else f"{column[k]:.2f}"
            for name, column in values.items()
        }
        for k in range(n)
    ]
