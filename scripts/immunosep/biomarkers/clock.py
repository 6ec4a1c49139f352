"""What may predict what: when each outcome begins, and who is still there to be predicted.

The rule is `latest day of the predictors < first post-baseline day of the outcome`. Day 1 is sampled before the first
dose and is baseline: the SOFA of day 1 enters the response as its reference only. A later sample needs a landmark: the
population is then who is alive and in the study at the end of that day, and the outcome what comes after it. All days
come from the configuration. Standard library only, for the clock is asked while the run is planned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from immunosep.endpoints.columns import RESOLUTION_WINDOW

#: The first dose is given on this day, after the day's sample where that is a baseline (protocol, schedule).
FIRST_DOSE_DAY: Final = 1

_VISIT: Final = re.compile(r"dynamic_endotype_d([0-9]+)")
LANDMARK: Final = re.compile(r"landmark_(?:response|delta|mean_sofa_d[0-9]+)_d([0-9]+)")
EVENT: Final = re.compile(r"(event|time_to_death)_([0-9]+)")
_RESOLVED: Final = re.compile(r"infection_resolved_d([0-9]+)")


@dataclass(frozen=True)
class Outcome:
    """When a target happens.

    Attributes
    ----------
    first_day
        First post-baseline day that enters; None for a target that is no outcome (an endotype, the arm).
    concurrent
        The only days that may predict a target of the same day; empty: no such limit.
    landmark
        The target's own landmark, or None.
    allows_landmark
        A landmark makes predictors of later days possible.
    is_number
        A quantity, which classifiers do not predict.
    """

    first_day: int | None
    concurrent: tuple[int, ...] = ()
    landmark: int | None = None
    allows_landmark: bool = False
    is_number: bool = False


@dataclass(frozen=True)
class Timing:
    """A task's target, window and population, after its landmark has been worked in.

    Attributes
    ----------
    target
        Column of the label table.
    landmark
        The landmark day, or None.
    population_day
        Who is alive and in the study at the end of this day is predicted; 1: everyone.
    """

    target: str
    landmark: int | None
    population_day: int


def outcome_of(target: str, rules: Mapping[str, Any], landmark: int | None = None) -> Outcome | None:
    """Say when a target of the trial happens; None for a column that is no outcome.

    Parameters
    ----------
    target
        Column of the label table, after `under_landmark`.
    rules
        The result of `guard.rules_of`.
    landmark
        Landmark of the task.
    """
    sofa, reversal = rules["sofa"], rules["reversal"]
    # Death counts as non-response, and a gap takes an earlier score: whatever day is compared, the window begins here.
    begins = sofa["first_day"] + 1
    means = [f"mean_sofa_d{day}" for day in (sofa["last_day"], sofa["end_of_treatment_day"])]
    assessed = reversal["day"] - reversal["window"]
    fixed = {
        **dict.fromkeys(("endotype", "both_criteria", "borderline"), Outcome(None, concurrent=(1,))),
        "arm": Outcome(None),
        "sofa_response": Outcome(begins, allows_landmark=True),
        **dict.fromkeys([*means, *(f"delta_{name}" for name in means)], Outcome(begins, (), None, True, True)),
        f"reversal_d{reversal['day']}": Outcome(assessed),
        f"reversal_d{reversal['day']}_binary": Outcome(assessed),
        f"ferritin_below_cut_d{reversal['day']}": Outcome(assessed),
    }
    if target in fixed:
        return fixed[target]
    if match := _VISIT.fullmatch(target):
        return Outcome(None, concurrent=(int(match[1]),))
    if match := LANDMARK.fullmatch(target):
        day = int(match[1])
        return Outcome(day + 1, landmark=day, is_number="response" not in target)
    if match := EVENT.fullmatch(target):
        return Outcome((landmark or 1) + 1, (), landmark, True, match[1] != "event")
    if match := _RESOLVED.fullmatch(target):
        return Outcome(int(match[1]) - RESOLUTION_WINDOW)
    return None


def under_landmark(target: str, landmark: int | None, rules: Mapping[str, Any]) -> str:
    """Return the column that holds a target's outcome after a landmark; the target itself without one."""
    sofa = rules["sofa"]
    if landmark is None:
        return target
    last, end = sofa["last_day"], sofa["end_of_treatment_day"]
    return {
        "sofa_response": f"landmark_response_d{landmark}",
        f"mean_sofa_d{last}": f"landmark_delta_d{landmark}",
        f"delta_mean_sofa_d{last}": f"landmark_delta_d{landmark}",
        f"mean_sofa_d{end}": f"landmark_mean_sofa_d{end}_d{landmark}",
        f"delta_mean_sofa_d{end}": f"landmark_mean_sofa_d{end}_d{landmark}",
    }.get(target, target)


def time_task(
    target: str,
    days: Sequence[int],
    landmark: int | None,
    rules: Mapping[str, Any],
    first_outcome_day: int | Literal["settled"] | None = None,
) -> tuple[Timing, list[str]]:
    """Work a task's landmark in, and say what its days break.

    Parameters
    ----------
    target, landmark
        As the task names them.
    days
        Visit days of the predictors, sorted; empty for a cohort without days.
    rules
        The result of `guard.rules_of`.
    first_outcome_day
        Of a target that is not the trial's; it never loosens a known one. `settled`: it was so before the first sample.

    Returns
    -------
    Timing, and sentences without a full stop; none where the clock allows the task.
    """
    column = under_landmark(target, landmark, rules)
    outcome = outcome_of(column, rules, landmark)
    latest = days[-1] if days else 1
    if outcome is None:
        # Who was sampled on the last of the days is predicted, as with every outcome; what was settled has no such day.
        happens = isinstance(first_outcome_day, int)
        timing = Timing(column, landmark, landmark or (latest if happens else 1))
        return timing, _unknown_problems(target, days, landmark, first_outcome_day)
    said, landmark = landmark, outcome.landmark if outcome.landmark is not None else landmark
    timing = Timing(column, landmark, landmark or (latest if outcome.first_day else 1))
    if outcome.concurrent:
        return timing, _concurrent_problems(target, days, landmark, outcome)
    problems = _landmark_problems(target, landmark, outcome, rules)
    if said not in (None, landmark):
        problems.append(f"landmark {said} and a target of landmark {landmark}: leave landmark out")
    if outcome.first_day is not None and days and latest >= outcome.first_day:
        problems.append(_late(target, latest, outcome, rules))
    return timing, problems


def _late(target: str, latest: int, outcome: Outcome, rules: Mapping[str, Any]) -> str:
    """Explain why predictors are too late, and how a landmark would mend it where one can."""
    text = (
        f"predictors of day {latest} and an outcome that begins on day {outcome.first_day}: the model would look into "
        f"its own outcome; use days before {outcome.first_day}"
    )
    if not outcome.allows_landmark:
        return text
    event = EVENT.fullmatch(target)
    if not (latest < int(event[2]) if event else latest in rules["sofa"]["landmark_days"]):
        return text
    return f"{text}, or landmark: {latest} for what follows among those alive and in the study at its end"


def _unknown_problems(
    target: str, days: Sequence[int], landmark: int | None, first_outcome_day: int | Literal["settled"] | None
) -> list[str]:
    problems = []
    if landmark is not None:
        problems.append(f"{target} has no landmark: its outcome after a visit is not known; leave landmark out")
    if days and first_outcome_day is None:
        problems.append(
            f"the workflow does not know when {target} begins: give first_outcome_day, the first day after baseline "
            "that enters it, or settled where it was so before the first sample"
        )
    elif days and isinstance(first_outcome_day, int) and days[-1] >= first_outcome_day:
        problems.append(_late(target, days[-1], Outcome(first_outcome_day), {}))
    return problems


def _concurrent_problems(target: str, days: Sequence[int], landmark: int | None, outcome: Outcome) -> list[str]:
    own = ", ".join(map(str, outcome.concurrent))
    problems = []
    if landmark is not None:
        problems.append(f"{target} is measured at the same time as its predictors: leave landmark out")
    late = [day for day in days if day not in outcome.concurrent]
    if late:
        where = "at baseline" if outcome.concurrent == (1,) else f"on day {own}"
        problems.append(f"{target} is measured {where}: predictors of day {own} only, not {late}")
    return problems


def _landmark_problems(target: str, landmark: int | None, outcome: Outcome, rules: Mapping[str, Any]) -> list[str]:
    if landmark is None:
        return []
    if match := EVENT.fullmatch(target):
        if landmark >= int(match[2]):
            return [
                f"landmark {landmark} and deaths until day {match[2]}: nothing is left to happen; use an earlier day"
            ]
        return []
    if outcome.first_day is None or outcome.landmark is None:
        return [f"{target} has no landmark: leave it out"]
    if outcome.landmark not in rules["sofa"]["landmark_days"]:
        known = ", ".join(map(str, rules["sofa"]["landmark_days"])) or "none"
        return [f"landmark {landmark} is none of sofa.landmark_days ({known})"]
    return []
