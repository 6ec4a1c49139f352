"""The rules of the label stage: files in, files out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunosep.endpoints.cohort import KEYS, parse_days, read_cohort, refuse, refuse_doubles
from immunosep.endpoints.columns import RESOLUTION_WINDOW, label_columns
from immunosep.endpoints.long import endpoint_rows, landmark_counts, sensitivity_rows
from immunosep.endpoints.table import (
    arm_columns,
    dynamic_endotypes,
    landmark_columns,
    sealed_columns,
    sofa_columns,
    survival_columns,
)
from immunosep.errors import InputError
from immunosep.findings import as_text, errors
from immunosep.io import PathLike, read_clinical, read_table, write_table
from immunosep.label_table import check_label_table
from immunosep.labels.arrays import NEVER

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Derived:
    """All tables of the label stage, sorted, so that the order of rows in the inputs does not matter.

    Attributes
    ----------
    labels
        One row per participant.
    endpoints, sensitivity
        Long tables of the randomised.
    landmarks
        Counts per landmark.
    dynamic
        Endotype per participant and visit; None in a role that may not see endotypes.
    """

    labels: pd.DataFrame
    endpoints: pd.DataFrame
    sensitivity: pd.DataFrame
    landmarks: pd.DataFrame
    dynamic: pd.DataFrame | None


def derive(
    participants: pd.DataFrame,
    visits: pd.DataFrame,
    classification: pd.DataFrame | None,
    settings: Mapping[str, Any],
    *,
    allocation: pd.DataFrame | None = None,
    files: Mapping[str, str] | None = None,
) -> Derived:
    """Derive all labels and endpoints.

    Parameters
    ----------
    participants, visits
        Clinical tables as text.
    classification, allocation
        The sealed screening values and arms; None where the role may not see them, which leaves out every column that
        follows from them.
    settings
        The configuration's sections `schedule`, `endotype`, `sofa`, `sofa_response`, `reversal`, `survival`.
    files
        Names of the tables for messages.
    """
    names = {key: f"{key}.tsv" for key in ("participants", "visits", "classification", "allocation")}
    names |= dict(files or {})
    cohort = read_cohort(
        participants,
        visits,
        last_day_needed(visits, settings, names["visits"]),
        participants_file=names["participants"],
        visits_file=names["visits"],
    )
    survival = survival_columns(cohort, settings)
    parts = [cohort.people[["participant", *KEYS, "country", "randomised"]]]
    sealed = None
    if classification is not None:
        sealed = sealed_columns(cohort, classification, settings, names["classification"])
        parts.append(sealed.columns)
    if allocation is not None:
        parts.append(arm_columns(cohort, allocation, names["allocation"]))
    parts += [sofa_columns(cohort, settings), landmark_columns(cohort, settings), survival]
    order = label_columns(settings, endotype=classification is not None, arm=allocation is not None)
    return Derived(
        labels=pd.concat(parts, axis=1)[order],
        endpoints=endpoint_rows(cohort, survival, settings, sealed),
        sensitivity=sensitivity_rows(cohort, settings),
        landmarks=landmark_counts(cohort, settings),
        dynamic=None if classification is None else dynamic_endotypes(cohort, settings),
    )


def last_day_needed(visits: pd.DataFrame, settings: Mapping[str, Any], file: str) -> int:
    """Return the last day that the arrays have to hold: the latest that a rule reads, or the latest visit."""
    reversal, sofa = settings["reversal"], settings["sofa"]
    days = parse_days(visits, "visit_day", file)
    return max(
        sofa["last_day"],
        sofa["end_of_treatment_day"] + RESOLUTION_WINDOW,
        settings["sofa_response"]["decrease_day"],
        reversal["day"] + reversal["window"],
        *sofa["landmark_days"],
        *days[days < NEVER].tolist(),
    )


def derive_label_tables(
    *,
    participants: PathLike,
    visits: PathLike,
    classification: PathLike | None,
    allocation: PathLike | None,
    settings: Mapping[str, Any],
    labels_path: PathLike,
    endpoints_path: PathLike,
    sensitivity_path: PathLike,
    landmarks_path: PathLike,
    dynamic_path: PathLike | None,
) -> None:
    """Read the clinical tables and write the tables of `Derived`; sealed ones only where a path is given."""
    paths = {
        "participants": participants,
        "visits": visits,
        "classification": classification,
        "allocation": allocation,
    }
    tables = {name: read_clinical(path, name) for name, path in paths.items() if path}
    derived = derive(
        tables["participants"],
        tables["visits"],
        tables.get("classification"),
        settings,
        allocation=tables.get("allocation"),
        files={name: Path(path).name for name, path in paths.items() if path},
    )
    randomised = int((derived.labels["randomised"] == "yes").sum())
    logger.info("labels of %d participants, %d randomised", len(derived.labels), randomised)
    write_table(derived.labels, labels_path)
    write_table(derived.endpoints, endpoints_path)
    write_table(derived.sensitivity, sensitivity_path)
    write_table(derived.landmarks, landmarks_path)
    if derived.dynamic is not None and dynamic_path:
        write_table(derived.dynamic, dynamic_path)


def import_label_table(source: PathLike, labels_path: PathLike, *, declared: Collection[str], role: str) -> None:
    """Check a ready label table of another cohort and pass it on, sorted by participant.

    Parameters
    ----------
    source
        TSV with the column `participant` and label columns.
    labels_path
        Target.
    declared, role
        As in `label_table.check_label_table`.

    Raises
    ------
    InputError
        Without a `participant` column, without any label column, with a participant that is empty or stands twice, or
        with personal data or a sealed arm.
    """
    wrong = errors(check_label_table(Path(source), declared=declared, role=role))
    if wrong:
        raise InputError("The label table must not enter the workflow.\n\n" + as_text(wrong))
    table, file = read_table(source), Path(source).name
    if "participant" not in table.columns:
        raise InputError(f"{file}: there is no column 'participant'; the first line has: {', '.join(table.columns)}.")
    if len(table.columns) == 1:
        raise InputError(f"{file}: there is no label column beside 'participant'.")
    refuse(table, "participant", table["participant"].str.strip() == "", file, "name the participant")
    refuse_doubles(table, ["participant"], file)
    write_table(table.sort_values("participant", ignore_index=True), labels_path)
