"""Endpoints in long form: every value with the rule that made it, the days it rests on and the days filled in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from immunosep.endpoints.cohort import Cohort
from immunosep.endpoints.columns import RESOLUTION_WINDOW
from immunosep.endpoints.table import Sealed, landmark_table, mean_window
from immunosep.labels.response import CRITERIA, DEATHS, OPTIONS, decide, sofa_response
from immunosep.labels.reversal import nearest_value
from immunosep.labels.sofa import DEATH_RULES, DISCHARGE_RULES, complete, joint_rank, mean_sofa

COLUMNS = ["participant", "endpoint", "value", "rule", "n_observed", "n_imputed"]
SENSITIVITY = [
    *["participant", "endpoint", "option", "criterion", "death_rule", "discharge_rule"],
    *["value", "rule", "n_observed", "n_imputed"],
]


def _rows(cohort: Cohort, endpoint: str, value: Any, rule: Any, observed: Any, imputed: Any) -> pd.DataFrame:
    """Give one endpoint as rows of the long table; empty values are kept, with the rule that left them empty."""
    value = np.asarray(value)
    if value.dtype.kind == "f":
        # The column mixes numbers and words, so the table writer's float format does not reach it.
        value = np.array(["" if np.isnan(number) else f"{number:.6g}" for number in value], dtype=object)
    table = pd.DataFrame(
        {
            "participant": cohort.people["participant"],
            "endpoint": endpoint,
            "value": value,
            "rule": rule,
            "n_observed": np.asarray(observed, dtype=np.int64),
            "n_imputed": np.asarray(imputed, dtype=np.int64),
        }
    )
    return table[cohort.randomised]


def _mean_rule(settings: Mapping[str, Any], last: int, deaths: str, discharged: str) -> str:
    start, end = mean_window(settings, last)
    what = f"mean of days {start}-{end}" if start < end else f"score of day {end}"
    return f"{what}; gaps: locf; deaths: {deaths}; discharged: {discharged}"


def _means(cohort: Cohort, settings: Mapping[str, Any]) -> list[pd.DataFrame]:
    """Give the means by the configured death rule and by each of them, the decrease, and the joint rank."""
    sofa, course, parts = settings["sofa"], cohort.course, []
    for last in (sofa["last_day"], sofa["end_of_treatment_day"]):
        for death_rule in (None, *DEATH_RULES):
            name = f"mean_sofa_d{last}" + (f"_{death_rule}" if death_rule else "")
            chosen = {**sofa, "death_rule": death_rule or sofa["death_rule"]}
            mean = mean_sofa(*complete(course, chosen), *mean_window(settings, last))
            rule = _mean_rule(settings, last, chosen["death_rule"], sofa["discharge_rule"])
            counts = mean["n_observed"], mean["n_imputed"]
            parts.append(_rows(cohort, name, mean["mean"], rule, *counts))
            if death_rule is None:
                delta = course.baseline(sofa["baseline_fallback"]) - mean["mean"]
                parts.append(_rows(cohort, f"delta_{name}", delta, f"baseline - {name}", *counts))
        ranked = joint_rank(course, sofa, last)
        rule = f"rank only: mean of days {sofa['first_day']}-{last}; deaths above all survivors, the earlier the higher"
        name = f"mean_sofa_d{last}_joint_rank"
        parts.append(_rows(cohort, name, ranked["value"], rule, ranked["n_observed"], ranked["n_imputed"]))
    return parts


def _responses(cohort: Cohort, settings: Mapping[str, Any]) -> list[pd.DataFrame]:
    """Give the response by the configured option and by each of them, and the landmark responses."""
    sofa, parts = settings["sofa"], []
    for option in (None, *OPTIONS):
        name = "sofa_response" + (f"_{option}" if option else "")
        chosen = {**settings["sofa_response"], "option": option or settings["sofa_response"]["option"]}
        made = sofa_response(cohort.course, sofa, chosen, cohort.randomised)
        parts.append(_rows(cohort, name, made["response"], made["rule"], made["n_observed"], made["n_imputed"]))
    for day in sofa["landmark_days"]:
        made = landmark_table(cohort, settings, day, sofa["last_day"])
        for name, column in ((f"landmark_response_d{day}", "response"), (f"landmark_delta_d{day}", "delta")):
            parts.append(_rows(cohort, name, made[column], made["rule"], made["n_observed"], made["n_imputed"]))
    return parts


def endpoint_rows(
    cohort: Cohort, table: pd.DataFrame, settings: Mapping[str, Any], sealed: Sealed | None
) -> pd.DataFrame:
    """Give the endpoints of the randomised, those under the other death rules and response options included.

    `mean_sofa_d9` and `sofa_response` follow the configuration; `mean_sofa_d9_<death rule>` and
    `sofa_response_<option>` show what another choice would have given. For survival the days observed are those of the
    follow-up; for a single value (reversal, resolution) it is one or none.

    Parameters
    ----------
    cohort
        The clinical values.
    table
        The result of `table.survival_columns`.
    settings
        The configuration's sections of the labels.
    sealed
        None where the role may not see the classification.
    """
    parts = _means(cohort, settings) + _responses(cohort, settings)
    for horizon in settings["survival"]["horizons"]:
        rule = f"death of any cause; censored at last contact and on day {horizon}"
        names = (f"time_to_death_{horizon}", f"event_{horizon}")
        followed = table[names[0]].fillna(0)
        parts += [_rows(cohort, name, table[name], rule, followed, 0 * followed) for name in names]
    day = settings["sofa"]["end_of_treatment_day"]
    name = f"infection_resolved_d{day}"
    seen = ~np.isnan(nearest_value(cohort.resolved, day, RESOLUTION_WINDOW)[0])
    parts.append(_rows(cohort, name, table[name], f"as recorded within {RESOLUTION_WINDOW} day", seen, 0 * seen))
    if sealed is not None:
        details = sealed.reversal
        imputed = details["imputed"].astype(int)
        measured = details["state"].isin(["reversed", "not_reversed"]).astype(int) - imputed
        for suffix, column in (("", "state"), ("_binary", "binary")):
            name = f"reversal_d{settings['reversal']['day']}{suffix}"
            parts.append(_rows(cohort, name, details[column], details["rule"], measured, imputed))
    long = pd.concat(parts, ignore_index=True)[COLUMNS]
    return long.sort_values(["endpoint", "participant"], ignore_index=True, kind="stable")


def sensitivity_rows(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give mean SOFA and response under every combination of criterion, treatment of death and of discharge.

    Returns
    -------
    Columns `SENSITIVITY`. `option` is the letter of a response whose criterion and treatment of death make one of the
    named options, else empty.
    """
    letters = {pair: option for option, pair in OPTIONS.items()}
    sofa, parts = settings["sofa"], []
    for deaths, discharged in product(DEATH_RULES, DISCHARGE_RULES):
        chosen = {**sofa, "death_rule": deaths, "discharge_rule": discharged}
        completed = complete(cohort.course, chosen)
        for last in (sofa["last_day"], sofa["end_of_treatment_day"]):
            mean = mean_sofa(*completed, *mean_window(settings, last))
            rule = _mean_rule(settings, last, deaths, discharged)
            rows = _rows(cohort, f"mean_sofa_d{last}", mean["mean"], rule, mean["n_observed"], mean["n_imputed"])
            parts.append(rows.assign(option="", criterion="", death_rule=deaths, discharge_rule=discharged))
    for criterion, deaths, discharged in product(CRITERIA, DEATHS, DISCHARGE_RULES):
        chosen = {**sofa, "discharge_rule": discharged}
        made = decide(cohort.course, chosen, settings["sofa_response"], criterion, deaths, cohort.randomised)
        rows = _rows(cohort, "sofa_response", made["response"], made["rule"], made["n_observed"], made["n_imputed"])
        option = letters.get((criterion, deaths), "")
        parts.append(rows.assign(option=option, criterion=criterion, death_rule=deaths, discharge_rule=discharged))
    order = ["endpoint", "criterion", "death_rule", "discharge_rule", "participant"]
    return pd.concat(parts, ignore_index=True)[SENSITIVITY].sort_values(order, ignore_index=True, kind="stable")


def landmark_counts(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Count, per landmark, the randomised, who left before it and why, the population and its responses."""
    rows = []
    for day in settings["sofa"]["landmark_days"]:
        made = landmark_table(cohort, settings, day, settings["sofa"]["last_day"])
        inside, alive = made["population"].to_numpy(), cohort.course.alive_after(day)
        answers = made.loc[inside, "response"].value_counts()
        rows.append(
            {
                "landmark_day": day,
                "randomised": int(cohort.randomised.sum()),
                "dead": int((cohort.randomised & ~alive).sum()),
                "left_study": int((cohort.randomised & alive & ~inside).sum()),
                "population": int(inside.sum()),
                "response": int(answers.get("response", 0)),
                "nonresponse": int(answers.get("nonresponse", 0)),
                "unknown": int(answers.get("", 0)),
            }
        )
    return pd.DataFrame(rows)
