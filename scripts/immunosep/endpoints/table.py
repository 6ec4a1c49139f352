"""The label table: one row per participant, screen failures included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunosep.endpoints.cohort import KEYS, UNITS, Cohort, parse_amounts, participant_ids, refuse, refuse_doubles
from immunosep.endpoints.columns import RESOLUTION_WINDOW, dynamic_days
from immunosep.labels.arrays import MISSING, NEVER, BoolArray, FloatArray, TextArray, flags
from immunosep.labels.endotypes import classify
from immunosep.labels.landmark import landmark_response
from immunosep.labels.response import sofa_response
from immunosep.labels.reversal import nearest_value, reversal
from immunosep.labels.sofa import complete, mean_sofa
from immunosep.labels.survival import time_to_death

ARMS = ("active", "placebo")


@dataclass(frozen=True)
class Sealed:
    """What follows from the sealed classification.

    Attributes
    ----------
    columns
        Part of the label table.
    reversal
        The result of `labels.reversal.reversal`.
    """

    columns: pd.DataFrame
    reversal: pd.DataFrame


def numbers(mask: BoolArray, values: Any) -> FloatArray:
    """Keep numbers where the mask holds; elsewhere they are NaN. As floats, which the table writer formats."""
    return np.where(mask, np.asarray(values, dtype=float), np.nan)


def words(mask: BoolArray, values: Any, otherwise: str = "") -> TextArray:
    """Keep texts where the mask holds."""
    return np.where(mask, np.asarray(values, dtype=object), otherwise)


def mean_window(settings: Mapping[str, Any], last: int) -> tuple[int, int]:
    """Return first and last day of the mean that is named after `last`.

    The protocol's "mean total SOFA on day 15" is read as the mean of days 1 to 15 or as the score of day 15, as
    `sofa.d15_mode` says.
    """
    sofa = settings["sofa"]
    single = last == sofa["end_of_treatment_day"] and sofa["d15_mode"] == "value_d15"
    return (last if single else sofa["first_day"]), last


def sofa_columns(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give the SOFA labels: baseline, means until the primary day and the end of treatment, response."""
    sofa, enrolled = settings["sofa"], cohort.randomised
    baseline = cohort.course.baseline(sofa["baseline_fallback"])
    known = enrolled & (baseline != MISSING)
    values, observed = complete(cohort.course, sofa)
    columns: dict[str, Any] = {
        "sofa_baseline": numbers(known, baseline),
        "sofa_baseline_source": words(known, cohort.course.baseline_source(sofa["baseline_fallback"])),
        "monocytes_baseline": numbers(enrolled, cohort.monocytes[:, sofa["first_day"]]),
    }
    for last in (sofa["last_day"], sofa["end_of_treatment_day"]):
        mean = mean_sofa(values, observed, *mean_window(settings, last))
        counted = known & (mean["n"] > 0).to_numpy()
        columns |= {
            f"mean_sofa_d{last}": numbers(counted, mean["mean"]),
            f"delta_mean_sofa_d{last}": numbers(counted, baseline - mean["mean"]),
            f"n_days_observed_d{last}": numbers(counted, mean["n_observed"]),
            f"n_days_imputed_d{last}": numbers(counted, mean["n_imputed"]),
            f"locf_fraction_d{last}": numbers(counted, mean["locf_fraction"]),
            f"mostly_imputed_d{last}": words(counted, np.where(mean["locf_fraction"] > 0.5, "yes", "no")),
            f"last_observed_day_d{last}": numbers(counted, mean["last_observed_day"]),
        }
    response = sofa_response(cohort.course, sofa, settings["sofa_response"], enrolled)
    columns["sofa_response"] = words(enrolled, response["response"])
    columns["sofa_response_rule"] = words(enrolled, response["rule"], "not randomised")
    return pd.DataFrame(columns)


def landmark_table(cohort: Cohort, settings: Mapping[str, Any], day: int, last: int) -> pd.DataFrame:
    """Give one landmark's response of the randomised, as `labels.landmark.landmark_response` does."""
    threshold = settings["sofa_response"]["threshold_tenths"]
    table = landmark_response(cohort.course, settings["sofa"], threshold, day, cohort.last_day_in_study, last)
    return table.assign(population=table["population"] & cohort.randomised)


def landmark_columns(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give, per landmark, the score observed on it (a predictor: never carried forward) and what came after it."""
    sofa = settings["sofa"]
    columns: dict[str, Any] = {}
    end = sofa["end_of_treatment_day"]
    for day in sofa["landmark_days"]:
        primary, later = (landmark_table(cohort, settings, day, last) for last in (sofa["last_day"], end))
        inside = primary["population"].to_numpy()
        score = cohort.course.scores[:, day]
        columns |= {
            f"sofa_d{day}": numbers(inside & (score != MISSING), score),
            f"landmark_delta_d{day}": numbers(inside, primary["delta"]),
            f"landmark_response_d{day}": words(inside, primary["response"]),
            f"landmark_mean_sofa_d{end}_d{day}": numbers(inside, later["mean"]),
        }
    return pd.DataFrame(columns, index=cohort.people.index)


def survival_columns(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give survival at each horizon, the end of the stay in the study, and the resolution of the infection."""
    columns: dict[str, Any] = {}
    for horizon in settings["survival"]["horizons"]:
        time, event = time_to_death(cohort.course.death_day, cohort.last_contact, horizon)
        known = cohort.randomised & ~np.isnan(time)
        columns[f"time_to_death_{horizon}"] = numbers(known, time)
        columns[f"event_{horizon}"] = numbers(known, event)
    ended = cohort.last_day_in_study < NEVER
    columns["last_day_in_study"] = numbers(cohort.randomised & ended, cohort.last_day_in_study)
    day = settings["sofa"]["end_of_treatment_day"]
    resolved, _ = nearest_value(cohort.resolved, day, RESOLUTION_WINDOW)
    columns[f"infection_resolved_d{day}"] = words(cohort.randomised, flags(resolved == 1, ~np.isnan(resolved)))
    return pd.DataFrame(columns)


def dynamic_endotypes(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Apply the endotype rule to the values of every visit of the randomised.

    Returns
    -------
    One row per participant and day with ferritin or HLA-DR, from day 1 to death: `participant`, `visit_day`,
    `dynamic_endotype`, `both_criteria`, `borderline`, `endotype_rule`. Treatment moves it: it describes a course and is
    no stratum.
    """
    day = np.arange(cohort.ferritin.shape[1])
    measured = ~np.isnan(cohort.ferritin) | ~np.isnan(cohort.hladr)
    lived = day <= cohort.course.death_day[:, None]
    person, visit = np.nonzero(measured & lived & (day >= 1) & cohort.randomised[:, None])
    table = classify(cohort.ferritin[person, visit], cohort.hladr[person, visit], settings["endotype"])
    table = table.rename(columns={"endotype": "dynamic_endotype"})
    table.insert(0, "participant", cohort.people["participant"].to_numpy()[person])
    table.insert(1, "visit_day", visit)
    return table


def sealed_columns(cohort: Cohort, classification: pd.DataFrame, settings: Mapping[str, Any], file: str) -> Sealed:
    """Give the labels that follow from the sealed classification, or apply its rule to a later visit."""
    refuse_doubles(classification, KEYS, file)
    amounts = pd.DataFrame(
        {name: parse_amounts(classification, name, file) for name in UNITS},
        index=pd.Index(participant_ids(classification)),
    ).reindex(cohort.people["participant"])
    screening_ferritin = amounts["ferritin"].to_numpy(dtype=float)
    table = classify(screening_ferritin, amounts["hladr"].to_numpy(dtype=float), settings["endotype"])
    visits = dynamic_endotypes(cohort, settings).set_index(["visit_day", "participant"])["dynamic_endotype"]
    at_visit = {
        f"dynamic_endotype_d{day}": visits.reindex([(day, name) for name in cohort.people["participant"]]).fillna("")
        for day in dynamic_days(settings)
    }
    rule = settings["reversal"]
    outcome = reversal(
        np.where(cohort.randomised, table["endotype"], ""),
        screening_ferritin,
        cohort.ferritin,
        cohort.hladr,
        cohort.course.death_day,
        rule,
    )
    ferritin, _ = nearest_value(cohort.ferritin, rule["day"], rule["window"])
    below = flags(ferritin <= settings["endotype"]["ferritin_cut"], ~np.isnan(ferritin))
    name = f"reversal_d{rule['day']}"
    columns: dict[str, Any] = {
        **{f"{quantity}_screening": amounts[quantity].to_numpy() for quantity in UNITS},
        **{column: values.to_numpy() for column, values in at_visit.items()},
        name: outcome["state"],
        f"{name}_binary": outcome["binary"],
        "reversal_rule": words(cohort.randomised, outcome["rule"], "not randomised"),
        "baseline_source": np.where(outcome["state"] != "", "classification", ""),
        f"ferritin_below_cut_d{rule['day']}": words(cohort.randomised, below),
    }
    return Sealed(table.assign(**columns), outcome)


def arm_columns(cohort: Cohort, allocation: pd.DataFrame, file: str) -> pd.DataFrame:
    """Give the randomised arm, and whether it was disclosed in an emergency."""
    refuse_doubles(allocation, KEYS, file)
    refuse(allocation, "arm", ~allocation["arm"].isin(ARMS), file, f"write {' or '.join(ARMS)}")
    own = allocation.set_index(pd.Index(participant_ids(allocation))).reindex(cohort.people["participant"])
    return pd.DataFrame(
        {name: words(cohort.randomised, own[name].fillna("")) for name in ("arm", "emergency_unblinded")}
    )
