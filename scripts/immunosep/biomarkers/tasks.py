"""Prediction tasks: what is predicted, from which days, and whether the clock allows it."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from immunosep.biomarkers.guard import task_problems, trial_rules
from immunosep.errors import InputError

logger = logging.getLogger(__name__)

_YES: Final = (("no",), ("yes",))
#: Values of the trial's targets by class, the reference class first; a class is named by its first value. Names of
#: targets as patterns, because their days are the configuration's.
CLASSES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    r"endotype|dynamic_endotype_d\d+": (("SII",), ("MALS",)),
    r"sofa_response|landmark_response_d\d+": (("nonresponse",), ("response",)),
    # Death before the day is no reversal (composite strategy, protocol).
    r"reversal_d\d+": (("not_reversed", "dead"), ("reversed",)),
    r"event_\d+": (("0",), ("1",)),
    r"arm": (("placebo",), ("active",)),
    r"reversal_d\d+_binary|ferritin_below_cut_d\d+|infection_resolved_d\d+|both_criteria|borderline": _YES,
}

#: Death by a horizon, as a label of yes or no.
_EVENT: Final = re.compile(r"event_([0-9]+)")


@dataclass(frozen=True)
class Task:
    """One prediction task, checked.

    Attributes
    ----------
    name, target
        Name of the task; column of the label table, that of the landmark where there is one.
    days
        Visit days of the omics predictors; empty for a cohort without days.
    comparators
        Groups of models: clinical, layers, mofa, late_fusion.
    feature_sets
        full, no_definers.
    clinical
        Clinical predictors.
    classes
        Label values by class, the reference class first; None: every value of the column is a class.
    landmark
        Day after which the outcome begins; None without one.
    population_day
        Only who is alive and in the study at the end of this day is predicted; 1: everyone.
    """

    name: str
    target: str
    days: tuple[int, ...]
    comparators: tuple[str, ...]
    feature_sets: tuple[str, ...]
    clinical: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...] | None
    landmark: int | None = None
    population_day: int = 1


def load_task(name: str, biomarkers: Mapping[str, Any]) -> Task:
    """Return a task of the configuration, after checking that its predictors come before its outcome.

    Parameters
    ----------
    name
        Key of `biomarkers.tasks`.
    biomarkers
        The section `biomarkers` of the configuration; `clock` in it, the result of `guard.rules_of`, stands for the
        configuration's days. Without it those of the trial hold.

    Raises
    ------
    InputError
        If a predictor is not known before the outcome begins, or defines the target; all violations at once.
    """
    entry = biomarkers["tasks"][name]
    timing, problems = task_problems(name, biomarkers, biomarkers.get("clock") or trial_rules())
    if problems:
        raise InputError("\n".join(f"biomarkers.tasks.{name}: {problem}." for problem in problems))
    given = entry.get("classes")
    return Task(
        name=name,
        target=timing.target,
        days=tuple(sorted(entry.get("days") or ())),
        comparators=tuple(entry["comparators"]),
        feature_sets=tuple(entry.get("feature_sets") or ("full",)),
        clinical=tuple((biomarkers.get("clinical") or {}).get(name, ())),
        classes=tuple((str(value),) for value in given) if given else classes_of(timing.target),
        landmark=timing.landmark,
        population_day=timing.population_day,
    )


def classes_of(target: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the classes of a target of the trial; None for another."""
    return next((classes for pattern, classes in CLASSES.items() if re.fullmatch(pattern, target)), None)


def class_labels(task: Task, labels: pd.DataFrame) -> pd.Series:
    """Return the class of each participant; participants with none of the task's classes are left out.

    Someone lost to follow-up before day 28 is neither dead nor a survivor of 28 days, and has no class of `event_28`.
    Where predictors come from a later day, only those have a class who were alive and in the study at its end.

    Parameters
    ----------
    task
        The task.
    labels
        Label table, text, one row per participant.

    Returns
    -------
    pandas.Series
        Name of the class by participant, sorted by participant.

    Raises
    ------
    InputError
        If the column is missing or holds fewer than two classes.
    """
    if task.target not in labels:
        raise InputError(
            f"biomarkers.tasks.{task.name}: the label table has no column {task.target}; it has "
            f"{', '.join(labels.columns)}. In the role blinded the endotype is not among them."
        )
    values = labels.set_index("participant")[task.target].astype(str).str.strip()
    values = values[values != ""]
    values = values.drop(_lost_before_horizon(task.target, labels).intersection(values.index))
    values = values.drop(_gone(task, labels).intersection(values.index))
    if task.classes is None:
        names = {level: level for level in sorted(values.unique())}
        if len(names) < 2:
            raise InputError(f"biomarkers.tasks.{task.name}: {task.target} has one value, {', '.join(names)}")
    else:
        names = {value: group[0] for group in task.classes for value in group}
    coded = values.map(names)
    left_out = values[coded.isna()].value_counts().to_dict()
    if left_out:
        logger.info("task %s: participants of other classes left out: %s", task.name, left_out)
    return coded.dropna().sort_index().rename("class")


def _lost_before_horizon(target: str, labels: pd.DataFrame) -> pd.Index:
    """Return who has no event by the end of a follow-up that is shorter than the horizon: their class is not known."""
    horizon = _EVENT.fullmatch(target)
    time = f"time_to_death_{horizon[1]}" if horizon else ""
    if not horizon or time not in labels:
        return pd.Index([])
    lost = (labels[target].astype(str) == "0") & (pd.to_numeric(labels[time], errors="coerce") < int(horizon[1]))
    if lost.any():
        logger.info("%s: %d participants lost before day %s are left out", target, int(lost.sum()), horizon[1])
    return pd.Index(labels.loc[lost, "participant"])


def _gone(task: Task, labels: pd.DataFrame) -> pd.Index:
    """Return who was dead or out of the study at the end of the day that the population is defined by."""
    if task.population_day <= 1 or "last_day_in_study" not in labels:
        return pd.Index([])
    gone = pd.to_numeric(labels["last_day_in_study"], errors="coerce") < task.population_day
    logger.info("task %s: %d participants gone by day %d are left out", task.name, int(gone.sum()), task.population_day)
    return pd.Index(labels.loc[gone, "participant"])


def contrasts(task: Task, classes: pd.Series) -> dict[str, pd.Series]:
    """Return the yes-or-no questions of a task: 0 or 1 by participant, by the name of class 1.

    Two classes make one question, whether it is the second; more make one against the rest for each.
    """
    names = sorted(classes.unique()) if task.classes is None else [group[0] for group in task.classes]
    asked = names[1:] if len(names) == 2 else names
    return {name: (classes == name).astype(int).rename("label") for name in asked}


def too_small(task: Task, classes: pd.Series, minimum: int) -> str:
    """Return why a task is not run, or an empty text."""
    names = sorted(classes.unique()) if task.classes is None else [group[0] for group in task.classes]
    counts = classes.value_counts().reindex(names, fill_value=0)
    if counts.min() >= minimum:
        return ""
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"not run: participants per class {listed}; {minimum} needed in each"
