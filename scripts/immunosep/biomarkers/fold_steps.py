"""The rule that decides who is in a task, with which class and in which fold: files in, files out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from immunosep.biomarkers.classes import Limits, decide_classes
from immunosep.biomarkers.features import predicting_rows
from immunosep.biomarkers.guard import may_predict
from immunosep.biomarkers.splits import keep_folds, outer_folds, place_folds
from immunosep.biomarkers.tasks import load_task
from immunosep.integration.assemble import read_samples
from immunosep.io import PathLike, read_clinical, read_table, write_table


def split_folds(
    *,
    task_name: str,
    biomarkers: Mapping[str, Any],
    seed: int,
    matrices: Mapping[str, PathLike],
    labels_path: PathLike,
    participants_path: PathLike | None,
    kept_path: PathLike | None,
    classes_path: PathLike,
    folds_path: PathLike,
    elsewhere_path: PathLike,
) -> None:
    """Write a task's classes and its folds: participant, repeat, fold, class, digest; those by place with a `scheme`.

    The layers are asked who was sampled, and for no value. Where somebody has withdrawn, `kept_path` holds the folds of
    the others, which they keep. A task with too few participants gets folds without rows. A negative control has one
    repeat, whose interval says enough of it, and is not predicted from elsewhere.
    """
    task = load_task(task_name, biomarkers)
    labels = read_table(labels_path)
    participants = read_clinical(participants_path, "participants") if participants_path else None
    own = {modality: path for modality, path in matrices.items() if may_predict(modality, task.layers)}
    cv = biomarkers["cv"]
    decision = decide_classes(
        task,
        labels,
        participants,
        sampled_on(own, task.sampled_days, baseline=task.baseline),
        Limits(
            # A class needs a participant in every fold in any case.
            min_per_class=max(biomarkers["min_per_class"], cv["outer_folds"]),
            min_unclassified=biomarkers["min_unclassified"],
            min_site=cv["min_site"],
        ),
    )
    write_table(decision.table, classes_path)
    classes = decision.classes
    repeats = 1 if task.control else cv["repeats"]
    folds = outer_folds(classes, folds=cv["outer_folds"], repeats=repeats, seed=seed)
    folds = keep_folds(folds, read_table(kept_path)) if kept_path else folds
    write_table(_with_classes(folds, classes), folds_path)
    places = labels.set_index("participant")[[name for name in ("country", "site") if name in labels]]
    schemes = () if task.control else cv["also"]
    elsewhere = [place_folds(classes, places, scheme, min_site=cv["min_site"]) for scheme in schemes]
    filled = [table for table in elsewhere if len(table)] or [folds.iloc[:0].assign(scheme="")]
    write_table(_with_classes(pd.concat(filled, ignore_index=True), classes), elsewhere_path)


def sampled_on(matrices: Mapping[str, PathLike], days: Sequence[int], *, baseline: bool = False) -> set[str]:
    """Return the participants with a sample in any layer.

    Parameters
    ----------
    matrices
        Layer matrices by modality.
    days
        Visit days that count; empty for a cohort without days.
    baseline
        See `features.predicting_rows`.
    """
    tables = {
        name: table for modality, path in matrices.items() for name, table in read_samples(path, modality).items()
    }
    return {
        participant
        for name, table in tables.items()
        for participant in table.loc[predicting_rows(table, name, days, baseline=baseline), "participant"]
    }


def _with_classes(folds: pd.DataFrame, classes: pd.Series) -> pd.DataFrame:
    """Write each participant's class into their rows, after the fold."""
    table = folds.assign(**{"class": folds["participant"].map(classes)})
    first = ["participant", "repeat", "fold", "class"]
    return table[[*first, *(name for name in table if name not in first)]]
