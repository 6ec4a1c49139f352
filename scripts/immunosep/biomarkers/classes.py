"""Who is in a task and with which class: decided once, before the folds, from labels and from who was sampled.

Folds, repeats, permutations, panel and frozen model take the classes from the table of the folds; nobody decides again.
"""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from immunosep.biomarkers.splits import site_groups
from immunosep.biomarkers.tasks import Task, class_names
from immunosep.errors import InputError

logger = logging.getLogger(__name__)

CLASSES_TABLE: Final = ("task", "class", "participants", "sampled", "enters", "note")
NO_CLASS: Final = "no class of the task"

#: Death by a horizon, as a label of yes or no.
_EVENT: Final = re.compile(r"event_([0-9]+)")


@dataclass(frozen=True)
class Limits:
    """How many participants make a class; names as in the configuration's section `biomarkers`.

    Attributes
    ----------
    min_per_class
        Participants that every class needs.
    min_unclassified
        Sampled participants that the third class of an endotype needs.
    min_site
        Smaller sites are pooled by country.
    """

    min_per_class: int
    min_unclassified: int
    min_site: int


@dataclass(frozen=True)
class Decision:
    """The classes of a task.

    Attributes
    ----------
    classes
        Class by participant, sorted; empty for a task that is not run.
    table
        Columns `CLASSES_TABLE`: everyone of the population in one row, by class and by the reason why they do not
        enter. The note of who enters is the same in all rows.
    """

    classes: pd.Series
    table: pd.DataFrame


def person_table(labels: pd.DataFrame, participants: pd.DataFrame | None) -> pd.DataFrame:
    """Return what is known of each participant: the label table, and the columns that the clinical one adds.

    Parameters
    ----------
    labels
        Label table, text, one row per participant.
    participants
        Clinical table of participants, or None.
    """
    table = labels.set_index("participant").sort_index()
    if participants is None:
        return table
    keyed = participants.set_index(participants["site"] + "-" + participants["participant_code"])
    return table.join(keyed[keyed.columns.difference(table.columns)])


def decide_classes(
    task: Task,
    labels: pd.DataFrame,
    participants: pd.DataFrame | None,
    sampled: Collection[str],
    limits: Limits,
) -> Decision:
    """Decide who is in a task and with which class.

    Parameters
    ----------
    task
        The task.
    labels, participants
        Label table; clinical table of participants, or None.
    sampled
        Participants with a sample on `task.sampled_days` in a layer of the task.
    limits
        Sizes.

    Returns
    -------
    Decision
        Those who were not sampled are left out where the population is who was sampled on a later day, of a third
        class, and of a negative control.

    Raises
    ------
    InputError
        If the target or a column of the population is missing.
    """
    rows = class_rows(task, labels[labels["participant"].isin(_population(task, labels, participants))])
    rows["sampled"] = rows.index.isin(list(sampled))
    if task.control or (task.population_day > 1 and task.days):
        _mark(rows, ~rows["sampled"], "no sample" + _on(task.sampled_days))
    remark = ""
    if task.third_class:
        remark = _third_class(rows, task.third_class, max(limits.min_unclassified, limits.min_per_class))
    if task.control:
        remark = f"negative control: {_expected(task)}"
    if task.predicts_place:
        _pool_places(rows, task, labels, limits)
    classes = rows.loc[rows["note"] == "", "class"].rename("class")
    reason = too_small(task, classes, limits.min_per_class)
    logger.info("task %s: %s %s", task.name, classes.value_counts().sort_index().to_dict(), remark)
    if reason:
        logger.warning("task %s %s", task.name, reason)
        _mark(rows, rows["note"] == "", reason)
        classes = classes.iloc[:0]
    return Decision(classes, _tabulate(task, rows, remark, reason))


def class_rows(task: Task, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the class of each participant by the labels alone, and why some have none.

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
    pandas.DataFrame
        class (the value, of who has no class), note (empty for who has one) by participant, sorted.

    Raises
    ------
    InputError
        If the column is missing, or holds fewer than two classes and none are named.
    """
    if task.target not in labels:
        raise InputError(
            f"biomarkers.tasks.{task.name}: the label table has no column {task.target}; it has "
            f"{', '.join(labels.columns)}. In the role blinded the endotype is not among them."
        )
    table = labels.set_index("participant").sort_index()
    values = table[task.target].astype(str).str.strip()
    rows = pd.DataFrame({"class": values, "note": ""})
    if task.population_day > 1 and "last_day_in_study" in table:
        gone = pd.to_numeric(table["last_day_in_study"], errors="coerce") < task.population_day
        _mark(rows, gone, f"gone by day {task.population_day}")
    if horizon := _EVENT.fullmatch(task.target):
        _mark(rows, _lost(table, horizon[1]), f"lost before day {horizon[1]}")
    _mark(rows, values == "", "no value")
    if task.classes is None:
        found = sorted(rows.loc[rows["note"] == "", "class"].unique())
        if len(found) < 2 and not task.control:
            raise InputError(f"biomarkers.tasks.{task.name}: {task.target} has one value, {', '.join(found)}")
        return rows
    known = values.map({value: group[0] for group in task.classes for value in group})
    _mark(rows, known.isna(), NO_CLASS)
    return rows.assign(**{"class": known.where(known.notna(), values)})


def class_labels(task: Task, labels: pd.DataFrame) -> pd.Series:
    """Return the class of each participant who has one by the labels alone (`class_rows`), sorted by participant."""
    rows = class_rows(task, labels)
    return rows.loc[rows["note"] == "", "class"].rename("class")


def too_small(task: Task, classes: pd.Series, minimum: int) -> str:
    """Return why a task is not run, or an empty text."""
    declared = [group[0] for group in task.classes or ()]
    names = declared + [name for name in class_names(task, classes) if name not in declared]
    counts = classes.value_counts().reindex(names, fill_value=0)
    if len(counts) > 1 and counts.min() >= minimum:
        return ""
    listed = ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
    wanted = f"{minimum} needed in each" if len(counts) > 1 else f"two classes of {minimum} needed"
    return f"not run: participants per class {listed}; {wanted}"


def remark_of(table: pd.DataFrame) -> str:
    """Return what a table of `decide_classes` says of the whole task: how it was decided, or why it is not run."""
    whole = table[(table["enters"] == "yes") | table["note"].str.startswith("not run")]
    return str(whole["note"].iloc[0]) if len(whole) else ""


def _mark(rows: pd.DataFrame, where: pd.Series, note: str) -> None:
    """Write why participants do not enter, of those who have no reason yet."""
    rows.loc[where & (rows["note"] == ""), "note"] = note


def _population(task: Task, labels: pd.DataFrame, participants: pd.DataFrame | None) -> pd.Index:
    """Return the participants with the values that the task's population asks for."""
    table = person_table(labels, participants)
    missing = [name for name in task.population if name not in table]
    if missing:
        raise InputError(
            f"biomarkers.tasks.{task.name}.population: {', '.join(missing)} stands in neither the label table nor the "
            "table of participants. Take it out, or add the column."
        )
    keep = np.ones(len(table), dtype=bool)
    for name, values in task.population.items():
        keep &= table[name].astype(str).str.strip().isin(values).to_numpy()
    return table.index[keep]


def _lost(table: pd.DataFrame, horizon: str) -> pd.Series:
    """Flag who has no event by the end of a follow-up that is shorter than the horizon: their class is not known."""
    if f"time_to_death_{horizon}" not in table:
        return pd.Series(False, index=table.index)
    followed = pd.to_numeric(table[f"time_to_death_{horizon}"], errors="coerce")
    return (table[f"event_{horizon}"].astype(str) == "0") & (followed < int(horizon))


def _third_class(rows: pd.DataFrame, name: str, minimum: int) -> str:
    """Let a value be a class of its own where enough participants with it were sampled; return what was decided.

    Participants who were screened and not enrolled have the value and seldom a sample: without one they do not enter.
    """
    found = (rows["class"] == name) & (rows["note"] == NO_CLASS) & rows["sampled"]
    count = int(found.sum())
    if count < minimum:
        return f"two classes: {count} {name} with a sample, {minimum} needed for a third"
    rows.loc[found, "note"] = ""
    return f"three classes: {count} {name} with a sample"


def _expected(task: Task) -> str:
    """Say what a negative control should find."""
    if task.target == "arm":
        # Below 0.5 means nothing: where arms are balanced within sites, a model that learns the sites comes out there.
        return "sampled before the first dose, so that an AUROC above 0.5 means swaps or a broken blind"
    return f"an AUROC above 0.5 says how far the layers tell the {task.target}"


def _pool_places(rows: pd.DataFrame, task: Task, labels: pd.DataFrame, limits: Limits) -> None:
    """Pool small sites by country, as the folds by place do, and leave out places that stay too small."""
    entering = rows.index[rows["note"] == ""]
    if task.target == "site" and len(entering):
        places = labels.set_index("participant").reindex(entering)
        places = places.reindex(columns=["country", "site"], fill_value="unknown")
        rows.loc[entering, "class"] = site_groups(places, min_site=limits.min_site)
    sizes = rows.loc[entering, "class"].value_counts()
    small = sizes.index[sizes < limits.min_per_class]
    if len(sizes) - len(small) >= 2:
        _mark(rows, rows["class"].isin(small), f"a place of fewer than {limits.min_per_class}")


def _on(days: tuple[int, ...]) -> str:
    return f" on day {', '.join(map(str, days))}" if days else ""


def _tabulate(task: Task, rows: pd.DataFrame, remark: str, reason: str) -> pd.DataFrame:
    """Count the participants by class and by the reason why they do not enter."""
    counts = rows.groupby(["class", "note"], sort=True).agg(
        participants=("sampled", "size"), sampled=("sampled", "sum")
    )
    table = counts.reset_index()
    if reason and reason not in set(table["note"]):
        nobody = pd.DataFrame([{"class": "", "note": reason, "participants": 0, "sampled": 0}])
        table = nobody if table.empty else pd.concat([nobody, table], ignore_index=True)
    enters = table["note"] == ""
    table["enters"] = np.where(enters, "yes", "no")
    table["note"] = table["note"].where(~enters, remark)
    table = table.assign(task=task.name).sort_values("enters", ascending=False, kind="stable", ignore_index=True)
    return table[list(CLASSES_TABLE)]
