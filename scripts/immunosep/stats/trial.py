"""The trial's own comparisons of the arms: primary and secondary endpoints, populations, and how much a rule matters.

Three populations (all randomised, those with a dose, those who kept to the protocol), all participants and each
endotype; each comparison as published, and once more adjusted for endotype and country (the randomisation is stratified
by site) and, for SOFA, the baseline score.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from immunosep.io import PathLike, read_clinical, read_table, write_table
from immunosep.stats.comparisons import kaplan_meier
from immunosep.stats.groups import ALL, ARMS, Group, Row, groups, numeric

logger = logging.getLogger(__name__)

PRIMARY: Final = {"randomised": "itt", "dosed": "mitt"}
"""`trial.itt_population` of the configuration to name of the population."""
DRY_RUN: Final = "SHUFFLED LABELS: a dry run that says nothing about the trial"
_RESULT: Final = [
    *["n_active", "n_placebo", "events_active", "events_placebo", "share_active", "share_placebo"],
    *["mean_active", "mean_placebo", "sd_active", "sd_placebo"],
    *["estimate", "low", "high", "p_value", "test", "note"],
]
EFFECTS: Final = ["population", "group", "endpoint", "measure", "primary", *_RESULT]
RULES: Final = ["endpoint", "option", "criterion", "death_rule", "discharge_rule"]
SENSITIVITY: Final = ["population", "group", *RULES, "measure", *_RESULT]
CURVES: Final = ["group", "arm", "day", "at_risk", "events", "censored", "survival", "low", "high"]


def effects(
    labels: pd.DataFrame, endpoints: pd.DataFrame, participants: pd.DataFrame, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Compare the arms on every endpoint, population and group.

    Parameters
    ----------
    labels, endpoints
        Label table of the role `unblinded` and the long endpoints, text.
    participants
        The clinical table, text.
    settings
        Sections `trial`, `sofa`, `reversal`, `survival` of the configuration.

    Returns
    -------
    Columns `EFFECTS`; `primary` marks the one comparison that the trial was sized for.
    """
    sofa, end = settings["sofa"], settings["sofa"]["end_of_treatment_day"]
    primary = f"mean_sofa_d{sofa['last_day']}"
    ranked = f"{primary}_joint_rank"
    ranks = endpoints[endpoints["endpoint"] == ranked].set_index("participant")["value"]
    shares = {
        "sofa_response": ("response", "nonresponse"),
        f"reversal_d{settings['reversal']['day']}_binary": ("yes", "no"),
        f"infection_resolved_d{end}": ("yes", "no"),
    }
    rows: list[Row] = []
    for group in groups(labels, participants, settings["trial"]["confidence"]):
        for name in (primary, f"mean_sofa_d{end}"):
            value = numeric(group.table[name])
            rows += [group.compare_means(name, value), group.compare_adjusted_means(name, value)]
        rows.append(group.compare_ranks(ranked, numeric(ranks.reindex(group.table.index))))
        for name, (yes, no) in shares.items():
            event, known = (group.table[name] == yes).to_numpy(), group.table[name].isin([yes, no]).to_numpy()
            rows += [group.compare_shares(name, event, known), group.compare_odds(name, event, known)]
        for horizon in settings["survival"]["horizons"]:
            rows += [group.compare_survival(horizon, stratified=stratified) for stratified in (False, True)]
    main = (PRIMARY[settings["trial"]["itt_population"]], ALL, primary, "mean_difference")
    for row in rows:
        row["primary"] = "yes" if (row["population"], row["group"], row["endpoint"], row["measure"]) == main else "no"
    return pd.DataFrame(rows).reindex(columns=EFFECTS)


def sensitivity_effects(
    labels: pd.DataFrame, sensitivity: pd.DataFrame, participants: pd.DataFrame, level: float
) -> pd.DataFrame:
    """Compare the arms under every combination of response criterion, death rule and discharge rule.

    Parameters
    ----------
    labels, sensitivity
        Label table of the role `unblinded` and the endpoints under every combination, text.
    participants
        The clinical table, text.
    level
        Coverage of the intervals.

    Returns
    -------
    Columns `SENSITIVITY`: one row per population, group and combination.
    """
    wide = {
        key: part.set_index("participant")["value"] for key, part in sensitivity.groupby(RULES, sort=True, dropna=False)
    }
    rows: list[Row] = []
    for group in groups(labels, participants, level):
        for key, column in wide.items():
            named = dict(zip(RULES, map(str, key), strict=True))
            value = column.reindex(group.table.index)
            if named["criterion"]:
                event, known = (value == "response").to_numpy(), value.isin(["response", "nonresponse"]).to_numpy()
                row = group.compare_shares(named["endpoint"], event, known)
            else:
                row = group.compare_means(named["endpoint"], numeric(value))
            rows.append(row | named)
    return pd.DataFrame(rows).reindex(columns=SENSITIVITY)


def _by_arm(group: Group) -> list[tuple[str, pd.DataFrame]]:
    return [(arm, group.table[group.table["arm"] == arm]) for arm in ARMS]


def population_counts(labels: pd.DataFrame, participants: pd.DataFrame, horizons: Sequence[int]) -> pd.DataFrame:
    """Count participants, emergency unblindings and deaths by population, group and arm."""
    rows = []
    for group in groups(labels, participants, 0.95):
        for arm, own in _by_arm(group):
            row: Row = {"population": group.population, "group": group.name, "arm": arm, "n": len(own)}
            row["emergency_unblinded"] = int((own["emergency_unblinded"] == "yes").sum())
            row |= {f"deaths_{horizon}": int((own[f"event_{horizon}"] == "1").sum()) for horizon in horizons}
            rows.append(row)
    return pd.DataFrame(rows)


def survival_curves(labels: pd.DataFrame, participants: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Estimate survival until the last horizon by arm, in all and within each endotype, in the primary population.

    Returns
    -------
    Columns `CURVES`, one row per day on which something happens.
    """
    horizon = max(settings["survival"]["horizons"])
    level, wanted = settings["trial"]["confidence"], PRIMARY[settings["trial"]["itt_population"]]
    parts = [pd.DataFrame(columns=CURVES)]
    for group in groups(labels, participants, level):
        for arm, own in _by_arm(group) if group.population == wanted else ():
            time, event = numeric(own[f"time_to_death_{horizon}"]), (own[f"event_{horizon}"] == "1").to_numpy()
            known = ~np.isnan(time)
            if known.any():
                parts.append(kaplan_meier(time[known], event[known], level).assign(group=group.name, arm=arm))
    filled = parts[1:] or parts
    return pd.concat(filled, ignore_index=True)[CURVES]


def compare_arms(
    *,
    labels_path: PathLike,
    endpoints_path: PathLike,
    sensitivity_path: PathLike,
    participants_path: PathLike,
    settings: Mapping[str, Any],
    shuffled: bool,
    effects_path: PathLike,
    sensitivity_effects_path: PathLike,
    populations_path: PathLike,
    survival_path: PathLike,
) -> None:
    """Read the labels of the role `unblinded`; write effects, sensitivity, populations and survival curves.

    Where the labels were shuffled for a dry run (`shuffled`), the note of every comparison says so.
    """
    labels, participants = read_table(labels_path), read_clinical(participants_path, "participants")
    table = effects(labels, read_table(endpoints_path), participants, settings)
    main = table[table["primary"] == "yes"].iloc[0]
    logger.info("primary: %.3g (%.3g to %.3g), p = %.3g", *main[["estimate", "low", "high", "p_value"]])
    by_rule = sensitivity_effects(labels, read_table(sensitivity_path), participants, settings["trial"]["confidence"])
    for made, path in ((table, effects_path), (by_rule, sensitivity_effects_path)):
        if shuffled:
            made["note"] = (DRY_RUN + "; " + made["note"]).str.removesuffix("; ")
        write_table(made, path)
    write_table(population_counts(labels, participants, settings["survival"]["horizons"]), populations_path)
    write_table(survival_curves(labels, participants, settings), survival_path)
