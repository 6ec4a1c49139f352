"""Names of the label table's columns, known from the configuration before any label is.

The plan of a run uses them to refuse a task whose target does not exist; standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESOLUTION_WINDOW = 1
"""Days around the end of treatment on which the resolution of the infection counts."""
SCREENED = ("ferritin_screening", "hladr_screening")
"""What was measured at screening and defines the endotype, in ng/mL and receptors per cell."""
KEYS = ("participant", "site", "participant_code", "country", "randomised")


def dynamic_days(settings: Mapping[str, Any]) -> list[int]:
    """List the days with a dynamic endotype: visits with a blood sample, screening apart."""
    return [day for day in settings["schedule"]["omics_days"] if day >= 1]


def arm_columns() -> list[str]:
    """List the columns that follow from the sealed allocation."""
    return ["arm", "emergency_unblinded"]


def endotype_columns(settings: Mapping[str, Any]) -> list[str]:
    """List the columns that follow from the sealed classification or apply its rule."""
    day = settings["reversal"]["day"]
    return [
        *("endotype", "both_criteria", "borderline", "endotype_rule", *SCREENED),
        *(f"dynamic_endotype_d{visit}" for visit in dynamic_days(settings)),
        *(f"reversal_d{day}", f"reversal_d{day}_binary", "reversal_rule", "baseline_source"),
        f"ferritin_below_cut_d{day}",
    ]


def open_columns(settings: Mapping[str, Any]) -> list[str]:
    """List the columns that every role may see."""
    sofa = settings["sofa"]
    means = [
        name.format(last)
        for last in (sofa["last_day"], sofa["end_of_treatment_day"])
        for name in (
            *("mean_sofa_d{}", "delta_mean_sofa_d{}", "n_days_observed_d{}", "n_days_imputed_d{}"),
            *("locf_fraction_d{}", "mostly_imputed_d{}", "last_observed_day_d{}"),
        )
    ]
    landmarks = [name for day in sofa["landmark_days"] for name in landmark_columns(day, settings)]
    survival = [f"{name}_{day}" for day in settings["survival"]["horizons"] for name in ("time_to_death", "event")]
    return [
        *("sofa_baseline", "sofa_baseline_source", "monocytes_baseline"),
        *means,
        *("sofa_response", "sofa_response_rule"),
        *landmarks,
        *survival,
        "last_day_in_study",
        f"infection_resolved_d{sofa['end_of_treatment_day']}",
    ]


def landmark_columns(day: int, settings: Mapping[str, Any]) -> list[str]:
    """List the columns of one landmark: the score observed on it, change and response after it, and later mean."""
    end = settings["sofa"]["end_of_treatment_day"]
    return [f"sofa_d{day}", f"landmark_delta_d{day}", f"landmark_response_d{day}", f"landmark_mean_sofa_d{end}_d{day}"]


def label_columns(settings: Mapping[str, Any], *, endotype: bool, arm: bool) -> list[str]:
    """List the columns of labels.tsv in their order.

    Parameters
    ----------
    settings
        Sections `schedule`, `sofa`, `reversal`, `survival` of the configuration.
    endotype, arm
        Whether the role sees the classification, and the allocation.
    """
    sealed = (endotype_columns(settings) if endotype else []) + (arm_columns() if arm else [])
    return [*KEYS, *sealed, *open_columns(settings)]
