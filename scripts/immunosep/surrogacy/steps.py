"""The rules of the surrogate stage: files in, files out. Role `unblinded` only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from immunosep.errors import InputError
from immunosep.integration.assemble import read_h5mu
from immunosep.integration.starts import read_model
from immunosep.io import PathLike, read_clinical, read_table, write_table
from immunosep.surrogacy.assess import (
    assess_endotype,
    baseline_associations,
    benefit,
    between_units,
    trial_frame,
)
from immunosep.surrogacy.grade import grade_markers
from immunosep.surrogacy.markers import drop_drug_proteins, score_markers

logger = logging.getLogger(__name__)

KEYS = ["participant", "visit_day"]


def write_markers(
    joined_path: PathLike,
    factors_path: PathLike,
    model_path: PathLike,
    gene_sets_path: PathLike,
    drug_analytes_path: PathLike,
    settings: Mapping[str, Any],
    scores_path: PathLike,
    details_path: PathLike,
) -> None:
    """Score the pre-specified markers of every observation."""
    proteins = drop_drug_proteins(settings["proteins"], read_table(drug_analytes_path))
    joined = read_h5mu(joined_path)
    factors = read_table(factors_path).set_index("observation").drop(columns=KEYS).apply(pd.to_numeric)
    learned_from = read_model(model_path).features if settings["factors"] else {}
    settings = {**settings, "proteins": proteins}
    scores, details = score_markers(joined, factors, learned_from, read_table(gene_sets_path), settings)
    if scores.empty or not scores.shape[1]:
        raise InputError("No marker of `surrogacy` can be scored: the run has neither rna nor proteome nor factors.")
    keys = joined.obs[KEYS].astype({"visit_day": int})
    write_table(keys.join(scores).rename_axis("observation").reset_index(), scores_path)
    write_table(details, details_path)


def read_markers(path: PathLike) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the table of `write_markers` as scores and keys, both indexed by observation."""
    table = read_table(path).set_index("observation")
    keys = table[KEYS].astype({"visit_day": int})
    return table.drop(columns=KEYS).apply(pd.to_numeric), keys


def read_trial(path: PathLike) -> pd.DataFrame:
    """Read the participants of the comparisons from the label table.

    Raises
    ------
    InputError
        When the table does not say arm and endotype, or nobody has both.
    """
    labels = read_table(path)
    missing = [name for name in ("arm", "endotype") if name not in labels]
    if missing:
        raise InputError(f"{path}: no column {' and '.join(missing)}; surrogates need the role unblinded.")
    frame = trial_frame(labels)
    if frame.empty:
        raise InputError(f"{path}: no randomised participant with an arm and an endotype.")
    return frame


def write_measures(
    labels_path: PathLike,
    participants_path: PathLike,
    scores_path: PathLike,
    endotype: str,
    settings: Mapping[str, Any],
    seed: int,
    measures_path: PathLike,
) -> None:
    """Compute the single-trial measures of one endotype."""
    scores, keys = read_markers(scores_path)
    frame = join_age(read_trial(labels_path), participants_path)
    write_table(assess_endotype(frame, scores, keys, endotype, settings, seed), measures_path)


def join_age(frame: pd.DataFrame, participants_path: PathLike) -> pd.DataFrame:
    """Add `age_years` of the clinical table; NaN where it is not known."""
    people = read_clinical(participants_path, "participants")
    codes = people["participant_code"].where(people["participant_code"] != "", people.get("sample_code", ""))
    age = pd.Series(pd.to_numeric(people["age_years"], errors="coerce").to_numpy(), index=people["site"] + "-" + codes)
    return frame.assign(age_years=age.reindex(frame.index))


def write_grades(
    labels_path: PathLike,
    participants_path: PathLike,
    scores_path: PathLike,
    details_path: PathLike,
    measures_paths: list[PathLike],
    settings: Mapping[str, Any],
    seed: int,
    outputs: Mapping[str, PathLike],
) -> None:
    """Grade the markers: baseline tests, interactions, comparison between units, and the category of each marker.

    Parameters
    ----------
    outputs
        Paths of `measures`, `baseline`, `interactions`, `stepp`, `between_units`, `unit_effects`, `grades`.
    """
    scores, keys = read_markers(scores_path)
    frame = join_age(read_trial(labels_path), participants_path)
    measures = pd.concat([_read_measures(path) for path in measures_paths], ignore_index=True)
    baseline = baseline_associations(frame, scores, keys)
    interaction, windows = benefit(frame, scores, keys, settings, seed)
    summary, effects = between_units(frame, scores, keys, settings, seed)
    details = read_table(details_path).astype({"definers": int})
    grades = grade_markers(measures, baseline, interaction, details, settings["fdr"])
    tables = {
        "measures": measures,
        "baseline": baseline,
        "interactions": interaction,
        "stepp": windows,
        "between_units": summary,
        "unit_effects": effects,
        "grades": grades,
    }
    for name, table in tables.items():
        write_table(table, outputs[name])
    logger.info("categories: %s", grades["best_category"].value_counts().to_dict())


def _read_measures(path: PathLike) -> pd.DataFrame:
    table = read_table(Path(path))
    numbers = ["visit_day", "estimate", "low", "high", "p_value", "n"]
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
