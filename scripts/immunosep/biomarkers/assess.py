"""The rule that judges the predictions of a task: tables in, tables out."""

from collections.abc import Mapping, Sequence

from immunosep.biomarkers.compare import differences_table, subgroup_levels, subgroup_table, transfer_table
from immunosep.biomarkers.evaluate import read_predictions
from immunosep.biomarkers.splits import derive_seed
from immunosep.biomarkers.utility import decision_table, predictive_table
from immunosep.io import PathLike, read_clinical, read_table, write_table

#: Names of the tables.
TABLES = ("decision_curve", "predictive_values", "differences", "subgroups", "transfer")


def assess_models(
    *,
    task_name: str,
    target: str,
    labels_path: PathLike,
    participants_path: PathLike | None,
    predictions_path: PathLike,
    elsewhere: Mapping[str, PathLike],
    prevalences: Sequence[float],
    min_group: int,
    bootstrap: int,
    seed: int,
    targets: Mapping[str, PathLike],
) -> None:
    """Write decision curve, predictive values, differences, subgroups and transfer of a task.

    A task that was not run gets tables without rows.

    Parameters
    ----------
    task_name, target
        The task, and what it predicts.
    labels_path, participants_path
        Label table; clinical table of participants, or None.
    predictions_path, elsewhere
        Predictions of all repeats, and by scheme of the splits by place.
    prevalences
        At which predictive values are stated.
    min_group
        Smallest class of a group of participants that has numbers.
    bootstrap, seed
        Resamples, and the seed of the configuration.
    targets
        Paths of the tables by name (`TABLES`).
    """
    predictions = read_predictions(predictions_path)
    participants = read_clinical(participants_path, "participants") if participants_path else None
    levels = subgroup_levels(read_table(labels_path), participants, target)
    draws = {"bootstrap": bootstrap, "seed": derive_seed(seed, "bootstrap", task_name)}
    places = {scheme: read_predictions(path) for scheme, path in elsewhere.items()}
    write_table(decision_table(predictions, task_name, **draws), targets["decision_curve"])
    write_table(predictive_table(predictions, task_name, prevalences, **draws), targets["predictive_values"])
    write_table(differences_table(predictions, task_name), targets["differences"])
    write_table(subgroup_table(predictions, levels, task_name, min_group=min_group, **draws), targets["subgroups"])
    write_table(transfer_table(places, task_name, **draws), targets["transfer"])
