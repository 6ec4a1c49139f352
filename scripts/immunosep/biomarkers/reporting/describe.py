"""A task in words, from its configuration: what is predicted, of whom, from what, and by which models."""

import re
from collections.abc import Mapping
from typing import Any, Final

from immunosep.biomarkers.clock import outcome_of
from immunosep.biomarkers.guard import CLINICAL_AVAILABLE_DAY
from immunosep.biomarkers.reporting.facts import Facts, joined
from immunosep.biomarkers.tasks import Task

#: The trial, as README.md names it. Holds where the workflow derives the labels itself.
PROTOCOL: Final = "BMJ Open 2022;12:e067251"
REGISTRATION: Final = "NCT04990232"
#: Groups of models, by their name in the configuration.
COMPARATORS: Final = {
    "clinical": "clinical predictors alone",
    "layers": "each layer alone",
    "mofa": "MOFA factors of all layers, participants left out projected exactly",
    "late_fusion": "late fusion of the layers' calibrated scores, for whichever layers a participant has",
    "early_fusion": "all layers side by side",
    "boosting": "gradient-boosted trees on each layer, on the factors and on all layers",
    "clinical_omics": "late fusion with the clinical model as one more voice",
    "missingness": "which layers a participant has, and nothing else",
}
FEATURE_SETS: Final = {
    "full": "all features",
    "no_definers": "without what measures ferritin or HLA-DR",
    "no_definers_strict": (
        "also without what goes with either of them, or with the count of monocytes, in the training fold"
    ),
}
SCHEMES: Final = {
    "leave_one_country_out": "each country left out in turn",
    "leave_one_site_group_out": "each site left out in turn, small ones pooled by country",
}
#: Option of the SOFA response -> what makes a response.
_RESPONSE: Final = {
    "A": "alive at the end of day {last}, and SOFA of day {first} at least {cut} points above the mean of days {first} "
    "to {last}",
    "B": "SOFA of day {first} at least {cut} points above the mean of days {first} to {last}; after a death its last "
    "score is carried forward",
    "C": "alive at the end of day {last}, and SOFA of day {first} at least {cut} points above that of day {last}",
    "D": "alive at the end of day {last}, and SOFA of day {first} at least {cut} points above the mean of days "
    "{second} to {last}",
    "E": "alive at the end of day {day}, and SOFA fallen by at least {percent} % on that day",
}


def define_target(task: Task, settings: Mapping[str, Any]) -> str:
    """Say in one sentence how the target is defined by the configuration; empty for a column that it does not define.

    Parameters
    ----------
    task
        The task, its landmark worked in.
    settings
        Sections `endotype`, `sofa`, `sofa_response`, `reversal` and `survival`.
    """
    target = task.target
    if re.fullmatch(r"endotype|both_criteria|borderline|dynamic_endotype_d\d+", target):
        return _define_endotype(target, settings["endotype"])
    if target == "sofa_response" or target.startswith("landmark_response"):
        return _define_response(task, settings["sofa"], settings["sofa_response"])
    if match := re.fullmatch(r"(reversal|ferritin_below_cut)_d(\d+)(?:_binary)?", target):
        return _define_reversal(match[1], settings["reversal"], settings["endotype"])
    if match := re.fullmatch(r"event_(\d+)", target):
        after = f", after day {task.landmark}" if task.landmark else ""
        return f"Death from any cause within {match[1]} days of randomisation{after}."
    if match := re.fullmatch(r"infection_resolved_d(\d+)", target):
        return f"Resolution of the infection around day {match[1]}, as recorded."
    return ""


def _define_endotype(target: str, rule: Mapping[str, Any]) -> str:
    where = "screening"
    if match := re.fullmatch(r"dynamic_endotype_d(\d+)", target):
        where = f"day {match[1]}"
    text = (
        f"By ferritin and HLA-DR of {where}: MALS, ferritin above {rule['ferritin_cut']:g} ng/mL; SII, ferritin at or "
        f"below it and HLA-DR below {rule['hladr_cut']:g} receptors per monocyte; else unclassified."
    )
    if target == "both_criteria":
        text += " Both criteria: both cuts are met."
    if target == "borderline":
        text += (
            f" Borderline: within {100 * rule['ferritin_borderline']:g} % of the ferritin cut, or within "
            f"{100 * rule['hladr_borderline']:g} % of the HLA-DR cut where that one decides."
        )
    return text


def _define_response(task: Task, sofa: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    cut = f"{response['threshold_tenths'] / 10:g}"
    rules = (
        f" A gap takes the score before it; death: {sofa['death_rule']}, discharge: {sofa['discharge_rule']}, without "
        f"a score of day {sofa['first_day']}: {sofa['baseline_fallback']}."
    )
    if task.landmark is not None:
        day, last = task.landmark, sofa["last_day"]
        return (
            f"Response: SOFA of day {day} at least {cut} points above the mean of days {day + 1} to {last}; a death on "
            f"these days is no response.{rules}"
        )
    text = _RESPONSE[response["option"]].format(
        first=sofa["first_day"],
        second=sofa["first_day"] + 1,
        last=sofa["last_day"],
        cut=cut,
        day=response["decrease_day"],
        percent=response["decrease_percent"],
    )
    return f"Response (option {response['option']}): {text}.{rules}"


def _define_reversal(kind: str, reversal: Mapping[str, Any], endotype: Mapping[str, Any]) -> str:
    when = f"on day {reversal['day']}, within {reversal['window']} day(s)"
    if kind == "ferritin_below_cut":
        return f"Ferritin at or below {endotype['ferritin_cut']:g} ng/mL {when}."
    return (
        f"Reversal {when}: with MALS, ferritin down by at least {reversal['ferritin_percent']:g} % from screening; "
        f"with SII, HLA-DR above {reversal['hladr_above']:g} receptors per monocyte. Missing: {reversal['missing']}; "
        f"death: {reversal['death']}."
    )


def kind_of_model(facts: Facts) -> str:
    """Say whether the task is a diagnosis or a prognosis, and when the outcome begins; empty where it is not known."""
    clock = facts.biomarkers["clock"]
    outcome = outcome_of(facts.task.target, clock, facts.task.landmark)
    given = facts.biomarkers["tasks"][facts.task.name].get("first_outcome_day")
    first_day = given if outcome is None else outcome.first_day
    if outcome is not None and outcome.concurrent:
        return "Diagnostic: target and predictors are of the same time"
    if first_day is not None:
        return f"Prognostic: the outcome begins on day {first_day}"
    return ""


def population(facts: Facts) -> str:
    """Say whom the task is about."""
    text = "participants with a class of the target"
    if facts.own_labels:
        text = f"participants of the trial ({REGISTRATION}) with a class of the target"
    day = facts.task.population_day
    text += f" who are alive, in the study and sampled by the end of day {day}" if day > 1 else ""
    # As the configuration has them: columns and their values.
    asked = [f"{name} is {joined(values, last='or')}" for name, values in facts.task.population.items()]
    return text + (f", of whom {joined(asked)}" if asked else "")


def samples(task: Task) -> str:
    """Name the samples that may predict: their visit days, and their layers where the task names them."""
    only = f" of {joined(task.layers)} alone" if task.layers else ""
    return f"samples of {days(task)}{only}"


def days(task: Task) -> str:
    """Name the visit days of the predictors."""
    if not task.days:
        return "no visit days"
    return f"day{'s' if len(task.days) > 1 else ''} {joined([str(day) for day in task.days])}"


def clinical(task: Task) -> str:
    """Name the clinical predictors, each with the day on which it is known."""
    if not task.clinical:
        return "none"
    return ", ".join(f"{name} (day {_known_on(name)})" for name in task.clinical)


def _known_on(name: str) -> int | str:
    score = re.fullmatch(r"sofa_d(\d+)", name)
    return int(score[1]) if score else CLINICAL_AVAILABLE_DAY.get(name, "not known")


def models(task: Task) -> str:
    """List the groups of models, each with what it sees."""
    return "; ".join(f"{name} ({COMPARATORS[name]})" for name in task.comparators)


def feature_sets(task: Task) -> str:
    """List the feature sets, each with what it leaves out."""
    return "; ".join(f"{name} ({FEATURE_SETS[name]})" for name in task.feature_sets)


def excludes_definers(facts: Facts) -> str:
    """Say whether what defines the endotype may predict, and how many such features are known."""
    task = facts.task
    strictest = next((name for name in reversed(list(FEATURE_SETS)) if name in task.feature_sets), "full")
    if strictest == "full":
        return "no: what measures ferritin or HLA-DR may predict"
    beside = " (beside it also with them)" if "full" in task.feature_sets else ""
    known = facts.training("block", level="definers").set_index("name")["n"]
    if (known.astype(int) == 0).all():
        return f"in the feature set {strictest}, and **no feature of any layer is known to be one**: it is as full"
    return f"yes, in the feature set {strictest}{beside}: {joined([f'{name} {n}' for name, n in known.items()])}"
