"""The guard of the prediction tasks: what breaks the clock, and which target does not exist, before a job starts.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from immunosep.biomarkers.clock import LANDMARK, Timing, outcome_of, time_task, under_landmark
from immunosep.config import defaults
from immunosep.endpoints.columns import SCREENED, label_columns
from immunosep.errors import InputError

SECTIONS: Final = ("schedule", "sofa", "sofa_response", "reversal", "survival")
"""Sections of the configuration that say when an outcome happens."""

#: Day on which a clinical predictor is known. One that is not listed may know the future and is refused.
CLINICAL_AVAILABLE_DAY: Final = {
    "age_years": 0,
    "sex": 0,
    "site": 0,
    "country": 0,
    "infection": 0,
    "covid19": 0,
    "endotype": 0,
    **dict.fromkeys(SCREENED, 0),
    "hours_sepsis_to_drug": 1,
    "sofa_baseline": 1,
    "monocytes_baseline": 1,
}
#: Clinical predictors that define a target, or tell it: only participants with MALS may have COVID-19.
DEFINERS: Final = {
    "endotype": ("endotype", "covid19", *SCREENED),
    "both_criteria": ("endotype", *SCREENED),
    "borderline": ("endotype", *SCREENED),
}

#: Targets that tell where somebody was treated.
PLACES: Final = ("site", "country")
#: What may be predicted as a negative control, to learn of the data; a ready label table may have others.
CONTROLS: Final = (*PLACES, "arm")
#: Comparators that see the omics alone, as a negative control has to.
OMICS_ALONE: Final = ("layers", "mofa", "late_fusion", "early_fusion", "boosting")
#: Columns that may define a task's population, known by the first dose or the trial's own populations.
POPULATION: Final = (
    *("endotype", "arm", "sex", "site", "country", "infection", "covid19"),
    *("randomised", "dosed", "per_protocol"),
)

_SCORE: Final = re.compile(r"sofa_d([0-9]+)")


def rules_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the configuration that the clock reads."""
    return {section: config[section] for section in SECTIONS}


def as_text(value: object) -> str:
    """Return a value of the configuration as the tables write it: YAML reads a bare `yes` as true."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def may_predict(modality: str, layers: Collection[str] | None) -> bool:
    """Say whether a modality belongs to a task's layers; None: all do. Body sites belong to the microbiome."""
    layer = "microbiome" if modality.startswith("microbiome_") else modality
    return layers is None or layer in layers


@cache
def trial_rules() -> Mapping[str, Any]:
    """Return the clock of the trial's own configuration."""
    return rules_of(defaults())


def clinical_problems(
    target: str,
    clinical: Sequence[str],
    timing: Timing,
    rules: Mapping[str, Any],
    first_outcome_day: int | Literal["settled"] | None = None,
    *,
    compares: bool = True,
) -> list[str]:
    """Say which clinical predictors know the outcome, define the target, or are missing beside a landmark.

    Parameters
    ----------
    target, first_outcome_day
        As the task names them.
    clinical
        Clinical predictors of the task.
    timing
        The result of `clock.time_task`.
    rules
        The result of `rules_of`.
    compares
        The task has the clinical model among its comparators.
    """
    outcome = outcome_of(timing.target, rules, timing.landmark)
    given = first_outcome_day if isinstance(first_outcome_day, int) else None
    first = given if outcome is None else outcome.first_day
    problems = []
    for name in clinical:
        score = _SCORE.fullmatch(name)
        known = int(score[1]) if score else CLINICAL_AVAILABLE_DAY.get(name)
        if name == "arm":
            problems.append(
                "clinical predictor arm: nobody knows it before the end; the surrogacy stage is where it acts"
            )
        elif known is None:
            allowed = ", ".join([*sorted(CLINICAL_AVAILABLE_DAY), "sofa_d<landmark day>"])
            problems.append(f"clinical predictor {name} has no day on which it is known; possible are {allowed}")
        elif first is not None and known >= first:
            problems.append(f"clinical predictor {name} is known on day {known}, the outcome begins on day {first}")
        elif outcome is not None and outcome.concurrent and known > max(outcome.concurrent):
            problems.append(f"clinical predictor {name} is known on day {known}, after {target}")
        if name == timing.target or name in DEFINERS.get(timing.target, ()):
            problems.append(f"clinical predictor {name} defines {target} or tells it")
    if compares and LANDMARK.fullmatch(timing.target):
        needed = [name for name in ("sofa_baseline", f"sofa_d{timing.landmark}") if name not in clinical]
        if needed:
            problems.append(
                f"a landmark needs the SOFA observed until then among its clinical predictors: add {', '.join(needed)}"
            )
    return problems


def task_problems(name: str, biomarkers: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[Timing, list[str]]:
    """Say all that the clock has against one task.

    Parameters
    ----------
    name
        Key of `biomarkers.tasks`.
    biomarkers
        The section `biomarkers` of the configuration.
    rules
        The result of `rules_of`.
    """
    entry = biomarkers["tasks"][name]
    target, days = entry["target"], sorted(entry.get("days") or ())
    first_outcome_day = entry.get("first_outcome_day")
    clinical = (biomarkers.get("clinical") or {}).get(name, ())
    timing, problems = time_task(target, days, entry.get("landmark"), rules, first_outcome_day)
    if entry.get("control"):
        # What is no outcome has no clock: a place and an arm were there from the beginning.
        return timing, _control_problems(entry, timing, clinical, rules)
    compares = "clinical" in entry["comparators"]
    problems += clinical_problems(target, clinical, timing, rules, first_outcome_day, compares=compares)
    if target == "sofa_response" and timing.landmark is None and rules["sofa_response"]["option"] == "F":
        problems.append(
            "sofa_response by option F is a residual of a line through all participants, those to be predicted among "
            "them: the test fold would have helped to make its own labels; choose one of the options A to E"
        )
    return timing, problems


def _control_problems(
    entry: Mapping[str, Any], timing: Timing, clinical: Sequence[str], rules: Mapping[str, Any]
) -> list[str]:
    """Say what is wrong with a negative control."""
    target, days = entry["target"], entry.get("days") or ()
    problems = []
    if target not in CONTROLS and outcome_of(timing.target, rules, timing.landmark) is not None:
        problems.append(f"{target} is an outcome and no negative control: leave control out")
    if entry.get("landmark") is not None:
        problems.append("a negative control has no landmark: leave it out")
    if target == "arm" and any(day > 1 for day in days):
        problems.append("after the first dose the arm is no negative control: days [1], or leave control out")
    others = [name for name in entry["comparators"] if name not in OMICS_ALONE]
    if others or clinical:
        told = [*others, *(f"biomarkers.clinical ({', '.join(clinical)})" for _ in clinical[:1])]
        problems.append(f"a negative control is predicted from the omics alone: take out {', '.join(told)}")
    return problems


def check_tasks(config: Mapping[str, Any]) -> None:
    """Refuse tasks that the clock forbids or whose target does not exist; all of them at once.

    Parameters
    ----------
    config
        Checked configuration. With a ready label table its header is read.

    Raises
    ------
    InputError
        One line for every problem.
    """
    rules, ready = rules_of(config), bool(config["clinical"]["labels"])
    everything = label_columns(rules, endotype=True, arm=True)
    columns = _header(config["clinical"]["labels"]) if ready else everything
    absent = set(everything).difference(columns)
    problems = []
    for name, entry in config["biomarkers"]["tasks"].items():
        if entry is None or _column(entry, rules) in absent:
            continue
        timing, own = task_problems(name, config["biomarkers"], rules)
        own += _column_problems(entry, timing, columns, rules, ready=ready)
        own += _choice_problems(entry, config["layers"], ready=ready)
        problems += [f"  biomarkers.tasks.{name}: {problem}." for problem in own]
    late = [day for day in config["sofa"]["landmark_days"] if day >= config["sofa"]["last_day"]]
    if late:
        problems.append(f"  sofa.landmark_days: {late} leave no day until sofa.last_day; take them out.")
    if problems:
        raise InputError("The prediction tasks have {} mistake(s):\n{}".format(len(problems), "\n".join(problems)))


def visible_tasks(config: Mapping[str, Any]) -> list[str]:
    """List the tasks of a run that `check_tasks` has passed.

    One whose target or population the role may not see is left out, and beside a ready label table one of the trial
    whose target it lacks.
    """
    role, ready, rules = config["role"], config["clinical"]["labels"], rules_of(config)
    everything = set(label_columns(config, endotype=True, arm=True))
    seen = (
        _header(ready)
        if ready
        else label_columns(config, endotype=role in ("endotype", "unblinded"), arm=role == "unblinded")
    )
    hidden = everything.difference(seen)
    return [
        name
        for name, entry in config["biomarkers"]["tasks"].items()
        if entry is not None and not hidden & {_column(entry, rules), *(() if ready else entry["population"])}
    ]


def _column(entry: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    """Return the column of the label table that a task predicts."""
    return under_landmark(entry["target"], entry.get("landmark"), rules)


def _header(path: str) -> list[str]:
    """Read the columns of a ready label table."""
    if not Path(path).is_file():
        raise InputError(f"clinical.labels: {path} is not there; give the path of the label table.")
    with Path(path).open(encoding="utf-8-sig") as lines:
        return lines.readline().rstrip("\r\n").split("\t")


def _column_problems(
    entry: Mapping[str, Any], timing: Timing, columns: Collection[str], rules: Mapping[str, Any], *, ready: bool
) -> list[str]:
    """Say what is wrong with a target as a column of the label table."""
    target = entry["target"]
    # A landmark that is not configured has no column; the clock has said so already.
    if timing.target not in columns and target not in columns:
        near = get_close_matches(target, columns, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
        return [f"the label table has no column {target}; {hint}"]
    if ready:
        return []
    if not entry.get("days"):
        return ["days is empty: the trial's samples have visit days; say which may predict"]
    if entry.get("control"):
        return [] if target in CONTROLS else [f"negative controls of the trial are {', '.join(CONTROLS)}"]
    outcome = outcome_of(timing.target, rules, timing.landmark)
    if outcome is None:
        hint = "; as a negative control it needs control: true" if target in CONTROLS else ""
        return [f"{target} says how a label came about or who somebody is; it is no outcome to predict{hint}"]
    if outcome.is_number:
        return [f"{target} is a number, and tasks predict classes; choose a response, a reversal or an event"]
    return []


def _choice_problems(entry: Mapping[str, Any], layers: Collection[str], *, ready: bool) -> list[str]:
    """Say which layers a task names that do not exist, and by what its population cannot be defined."""
    problems = []
    for name in entry.get("layers") or ():
        if name not in layers:
            near = get_close_matches(name, layers, n=1) or sorted(layers)
            problems.append(f"there is no layer {name}; did you mean {' or '.join(near)}?")
    unknown = [] if ready else [name for name in entry.get("population") or () if name not in POPULATION]
    if unknown:
        problems.append(
            f"population by {', '.join(unknown)}: what happens later would choose participants by their outcome; "
            f"possible are {', '.join(POPULATION)}"
        )
    return problems
