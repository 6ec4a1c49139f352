"""Rows of clinical tables, and the settings of the labels, for tests that derive labels."""

import numpy as np

from immunosep.endpoints.cohort import COMPONENTS
from immunosep.simulate.participants import draw_trial
from immunosep.simulate.tables import public_people

SETTINGS = {
    "schedule": {"omics_days": [1, 2, 4, 7, 15]},
    "endotype": {"ferritin_cut": 4420, "hladr_cut": 5000, "ferritin_borderline": 0.10, "hladr_borderline": 0.15},
    "sofa": {
        "first_day": 1,
        "last_day": 9,
        "end_of_treatment_day": 15,
        "d15_mode": "mean_1_15",
        "landmark_days": [2, 4, 7],
        "baseline_fallback": "day0",
        "death_rule": "locf",
        "discharge_rule": "locf",
    },
    "sofa_response": {"option": "A", "threshold_tenths": 14, "decrease_percent": 25, "decrease_day": 7},
    "reversal": {
        "day": 15,
        "window": 1,
        "ferritin_percent": 15,
        "hladr_above": 8000,
        "missing": "locf",
        "death": "not_reversed",
    },
    "survival": {"horizons": [28, 90]},
    "trial": {"itt_population": "randomised", "confidence": 0.95},
}
VISIT_COLUMNS = [
    *["site", "participant_code", "visit_day", "sofa_total", *COMPONENTS],
    *["ferritin", "ferritin_unit", "hladr", "hladr_unit", "infection_resolved", "monocytes_10e9_l"],
]


def person(site, code, **values):
    """Return a row of participants.tsv: randomised, alive and in contact until day 90."""
    row = {
        "site": site,
        "participant_code": code,
        "country": {"GR": "Greece", "DE": "Germany"}[site[:2]],
        "randomised": "yes",
        "death_day": "",
        "discharge_day": "",
        "last_contact_day": "90",
        "consent": "consented",
        "withdrawn_day": "",
    }
    return row | values


def visit(site, code, day, sofa="", ferritin="", hladr="", **values):
    """Return a row of visits.tsv."""
    row = dict.fromkeys(VISIT_COLUMNS, "") | {
        "site": site,
        "participant_code": code,
        "visit_day": str(day),
        "sofa_total": str(sofa),
        "ferritin": str(ferritin),
        "hladr": str(hladr),
    }
    row["ferritin_unit"] = "ng/mL" if row["ferritin"] else ""
    row["hladr_unit"] = "receptors_per_cell" if row["hladr"] else ""
    return row | values


def screened(site, code, ferritin="", hladr="", **values):
    """Return a row of classification.tsv."""
    return {
        "site": site,
        "participant_code": code,
        "ferritin": str(ferritin),
        "ferritin_unit": "ng/mL",
        "hladr": str(hladr),
        "hladr_unit": "receptors_per_cell",
        "class_lab": site[:2],
    } | values


def planted_trial(participants, seed, benefit=0):
    """Return the tables of a synthetic trial in which the active arm loses `benefit` points of SOFA from day 2 on.

    The arms are drawn anew, so that the effect which the simulation plants does not hang on them. Returns participants,
    visits, classification and allocation as text.
    """
    trial = draw_trial(participants, 4, seed, [*range(1, 16), 21, 28])
    keys = ["site", "participant_code"]
    drawn = np.random.default_rng(seed).permutation(trial.enrolled["arm"])
    allocation = trial.enrolled[keys].assign(arm=drawn, emergency_unblinded="no")
    visits = trial.visits.merge(allocation[[*keys, "arm"]], on=keys, how="left", validate="many_to_one")
    parts = visits[COMPONENTS]
    whole = (parts != "").all(axis=1)
    total = visits["sofa_total"].where(visits["sofa_total"] != "", parts[whole].astype(int).sum(axis=1).astype(str))
    helped = (visits["arm"] == "active") & (visits["visit_day"].astype(int) >= 2) & total.notna() & (total != "")
    lowered = total[helped].astype(int).sub(benefit).clip(lower=0).astype(str)
    visits = visits.assign(sofa_total=total.fillna("").mask(helped, lowered)).drop(columns="arm")
    visits[COMPONENTS] = ""
    return public_people(trial), visits, trial.classification, allocation
