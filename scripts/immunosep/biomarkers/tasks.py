"""Prediction tasks: what is predicted, for whom, from what, and whether the clock allows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from immunosep.biomarkers.guard import PLACES, as_text, task_problems, trial_rules
from immunosep.errors import InputError

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
#: Targets that may have one more class, and its name; `classes.decide_classes` says when.
_THIRD: Final = (re.compile(r"endotype|dynamic_endotype_d\d+"), "unclassified")


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
    population
        Values that participants must have, by column of the label table or of the clinical one; empty: everyone.
    layers
        Layers that may predict; None: all of the run.
    metric
        Column of the performance table that stands for the task where one number does.
    control
        A negative control: predicted from the omics to learn of the data, and never made into a model.
    third_class
        Value that is a class of its own where enough participants with it were sampled; None for none.
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
    population: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layers: tuple[str, ...] | None = None
    metric: str = "auroc"
    control: bool = False
    third_class: str | None = None

    @property
    def predicts_place(self) -> bool:
        """Whether the target is where somebody was treated."""
        return self.control and self.target in PLACES

    @property
    def baseline(self) -> bool:
        """Whether what came before the first dose predicts: without a landmark or a population of a later day."""
        return self.landmark is None and self.population_day == 1

    @property
    def shows_drugs(self) -> bool:
        """Whether the drugs' own analytes may predict: where the arm must not be found, they would tell it first."""
        return self.control and self.target == "arm"

    @property
    def sampled_days(self) -> tuple[int, ...]:
        """Days on which a sample makes somebody part of the population; empty: any sample, in a cohort without days.

        The population of a later day is who was sampled on it, for the clinical model as for all others.
        """
        if self.population_day > 1 and self.days:
            return (self.population_day if self.population_day in self.days else self.days[-1],)
        return self.days


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
    given, layers = entry.get("classes"), entry.get("layers")
    pattern, third = _THIRD
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
        population={name: tuple(map(as_text, values)) for name, values in (entry.get("population") or {}).items()},
        layers=tuple(layers) if layers else None,
        metric=entry.get("metric", "auroc"),
        control=entry.get("control", False),
        third_class=third if not given and pattern.fullmatch(timing.target) else None,
    )


def classes_of(target: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the classes of a target of the trial; None for another."""
    return next((classes for pattern, classes in CLASSES.items() if re.fullmatch(pattern, target)), None)


def class_names(task: Task, classes: pd.Series) -> list[str]:
    """Return the names of the classes that somebody has, in the order of the task."""
    present = set(classes)
    declared = [group[0] for group in task.classes or ()]
    return [name for name in declared if name in present] + sorted(present - set(declared))


def contrasts(task: Task, classes: pd.Series) -> dict[str, pd.Series]:
    """Return the yes-or-no questions of a task: 0 or 1 by participant, by the name of class 1.

    Two classes make one question, whether it is the second; more make one against the rest for each.
    """
    names = class_names(task, classes)
    asked = names[1:] if len(names) == 2 else names
    return {name: (classes == name).astype(int).rename("label") for name in asked}
