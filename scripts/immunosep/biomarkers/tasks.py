"""Prediction tasks: what is predicted, from which days, and whether the clock allows it."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunosep.errors import InputError

logger = logging.getLogger(__name__)

#: Values of the trial's targets by class, the reference class first; a class is named by its first value.
CLASSES: dict[str, tuple[tuple[str, ...], ...]] = {
    "endotype": (("SII",), ("MALS",)),
    "sofa_response": (("nonresponse",), ("response",)),
    # Death before day 15 is no reversal (composite strategy, protocol).
    "reversal_d15": (("not_reversed", "dead"), ("reversed",)),
    "event_28": (("0",), ("1",)),
    "event_90": (("0",), ("1",)),
}

#: First day after baseline that enters the outcome. Day 1 is baseline: SOFA of day 1 is only the reference.
FIRST_OUTCOME_DAY = {"sofa_response": 2, "reversal_d15": 14, "event_28": 2, "event_90": 2}

#: Targets measured at the same time as the predictors, with the days on which that is so.
CONCURRENT_DAYS = {"endotype": (1,)}

#: Day on which a clinical predictor is known. One that is not listed may know the future and is refused.
CLINICAL_AVAILABLE_DAY = {
    "age_years": 0,
    "sex": 0,
    "site": 0,
    "country": 0,
    "infection": 0,
    "covid19": 0,
    "endotype": 0,
    "hours_sepsis_to_drug": 1,
    "sofa_baseline": 1,
}

#: Death by a horizon, as a label of yes or no.
_EVENT = re.compile(r"event_([0-9]+)")

#: Clinical predictors that define a target.
DEFINERS = {"endotype": ("endotype", "covid19"), "reversal_d15": ()}


@dataclass(frozen=True)
class Task:
    """One prediction task, checked.

    Attributes
    ----------
    name, target
        Name of the task; column of the label table.
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
    """

    name: str
    target: str
    days: tuple[int, ...]
    comparators: tuple[str, ...]
    feature_sets: tuple[str, ...]
    clinical: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...] | None


def load_task(name: str, biomarkers: Mapping[str, Any]) -> Task:
    """Return a task of the configuration, after checking that its predictors come before its outcome.

    Parameters
    ----------
    name
        Key of `biomarkers.tasks`.
    biomarkers
        The section `biomarkers` of the configuration.

    Raises
    ------
    InputError
        If a predictor is not known before the outcome begins, or defines the target.
    """
    entry = biomarkers["tasks"][name]
    target = entry["target"]
    given = entry.get("classes")
    task = Task(
        name=name,
        target=target,
        days=tuple(sorted(entry.get("days") or ())),
        comparators=tuple(entry["comparators"]),
        feature_sets=tuple(entry.get("feature_sets") or ("full",)),
        clinical=tuple((biomarkers.get("clinical") or {}).get(name, ())),
        classes=tuple((str(value),) for value in given) if given else CLASSES.get(target),
    )
    check_time(task, entry.get("first_outcome_day"))
    return task


def check_time(task: Task, first_outcome_day: int | None = None) -> None:
    """Refuse a task whose predictors may know its outcome.

    The rule: the last day of the predictors lies before the first post-baseline day that enters the outcome. A target
    that is measured at the same time (the endotype) allows only its own days.

    Parameters
    ----------
    task
        The task.
    first_outcome_day
        Needed for a target that the workflow does not know, when the task names days; it never loosens a known one.

    Raises
    ------
    InputError
        All violations at once.
    """
    problems = []
    outcome = FIRST_OUTCOME_DAY.get(task.target, first_outcome_day)
    if task.target in CONCURRENT_DAYS:
        late = [day for day in task.days if day not in CONCURRENT_DAYS[task.target]]
        if late:
            allowed = ", ".join(map(str, CONCURRENT_DAYS[task.target]))
            problems.append(f"{task.target} is measured at baseline: predictors of day {allowed} only, not {late}")
    elif task.days and outcome is None:
        problems.append(
            f"the workflow does not know when {task.target} begins: give first_outcome_day, the first day after "
            "baseline that enters it"
        )
    elif task.days and outcome is not None and task.days[-1] >= outcome:
        problems.append(
            f"predictors of day {task.days[-1]} and an outcome that begins on day {outcome}: the model would look into "
            f"its own outcome; use days before {outcome}"
        )
    for name in task.clinical:
        known = CLINICAL_AVAILABLE_DAY.get(name)
        if known is None:
            allowed = ", ".join(sorted(CLINICAL_AVAILABLE_DAY))
            problems.append(f"clinical predictor {name} has no day on which it is known; possible are {allowed}")
        elif outcome is not None and known >= outcome:
            problems.append(f"clinical predictor {name} is known on day {known}, the outcome begins on day {outcome}")
        if name == task.target or name in DEFINERS.get(task.target, ()):
            problems.append(f"clinical predictor {name} defines {task.target} or tells it")
    if problems:
        raise InputError("\n".join(f"biomarkers.tasks.{task.name}: {problem}." for problem in problems))


def class_labels(task: Task, labels: pd.DataFrame) -> pd.Series:
    """Return the class of each participant; participants with none of the task's classes are left out.

    Someone lost to follow-up before day 28 is neither dead nor a survivor of 28 days, and has no class of `event_28`.

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
