"""From the clinical tables to the label table and the long table of endpoints.

The rules themselves are in `immunosep.labels`. This module reads values strictly (nothing ambiguous is coerced), lays
them out as participant x day arrays, and says beside every value which rule made it and how many days it rests on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep import labels
from immunosep.errors import InputError
from immunosep.io import read_table, write_table

logger = logging.getLogger(__name__)

KEYS = ["site", "participant_code"]
COMPONENTS = [f"sofa_{organ}" for organ in ("respiration", "coagulation", "liver", "cardiovascular", "cns", "renal")]
UNITS = {"ferritin": "ng/mL", "hladr": "receptors_per_cell"}
RESOLUTION_WINDOW = 1
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
# A dot or comma before exactly three digits is a thousands separator in one country and a decimal mark in the next.
_AMBIGUOUS = re.compile(r"[0-9]{1,3}([.,][0-9]{3})+", re.ASCII)
_DAY = re.compile(r"-?[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Cohort:
    """Clinical values of the participants, in the row order of `people`.

    Attributes
    ----------
    people
        The participants table with `participant`, sorted by it, index 0..n-1.
    randomised
        Shape (n,).
    course
        SOFA totals, deaths and discharges; days 0..last.
    ferritin, hladr
        Shape (n, days), NaN where missing.
    resolved
        Shape (n, days), 1 or 0, NaN where missing: resolution of the infection.
    last_contact
        Shape (n,); `labels.NEVER` where not recorded.
    """

    people: pd.DataFrame
    randomised: labels.BoolArray
    course: labels.SofaCourse
    ferritin: labels.FloatArray
    hladr: labels.FloatArray
    resolved: labels.FloatArray
    last_contact: labels.IntArray


def participant_ids(table: pd.DataFrame) -> pd.Series:
    """Join site and code: the same code at two sites is two people."""
    return table["site"] + "-" + table["participant_code"]


def _refuse(table: pd.DataFrame, column: str, wrong: pd.Series, file: str, fix: str) -> None:
    """Raise for the cells of a column that are wrong, with their lines in the file."""
    if wrong.any():
        rows = table.index[wrong]
        lines = [f"{file}, line {row + 2}, column {column}: {table.at[row, column]!r}: {fix}" for row in rows[:20]]
        if len(rows) > 20:
            lines.append(f"... and {len(rows) - 20} more of this kind.")
        raise InputError("\n".join(lines))


def parse_amounts(table: pd.DataFrame, column: str, file: str) -> labels.FloatArray:
    """Read a column of positive plain numbers with its unit column; NaN where empty.

    Raises
    ------
    InputError
        For what is not a plain number, an ambiguous separator (`4.420`, `4,420`), zero, or another unit.
    """
    text = table[column]
    filled = text != ""
    _refuse(
        table,
        column,
        filled & text.str.fullmatch(_AMBIGUOUS),
        file,
        "a dot or comma before three digits can mark thousands or decimals; write 4420, or 4.42",
    )
    _refuse(table, column, filled & ~text.str.fullmatch(_NUMBER), file, "write a plain number such as 4420 or 4420.5")
    unit = UNITS[column]
    unit_column = f"{column}_unit"
    _refuse(table, unit_column, filled & (table[unit_column] != unit), file, f"the unit has to be {unit}")
    numbers = np.array([float(Decimal(value)) if value else np.nan for value in text], dtype=float)
    _refuse(table, column, pd.Series(numbers == 0, index=table.index), file, "has to be above 0")
    return numbers


def parse_days(table: pd.DataFrame, column: str, file: str) -> labels.IntArray:
    """Read a column of trial days; `labels.NEVER` where empty."""
    text = table[column]
    _refuse(table, column, (text != "") & ~text.str.fullmatch(_DAY), file, "write a whole number of days")
    return np.array([int(value) if value else labels.NEVER for value in text], dtype=np.int64)


def parse_sofa(visits: pd.DataFrame, file: str) -> labels.IntArray:
    """Read SOFA totals, or the sum of the six components where all are given and the total is not."""
    for column, top in [("sofa_total", labels.SOFA_MAX), *((name, 4) for name in COMPONENTS)]:
        allowed = {"", *(str(score) for score in range(top + 1))}
        _refuse(visits, column, ~visits[column].isin(allowed), file, f"write a whole number from 0 to {top}")
    whole = visits[["sofa_total", *COMPONENTS]].replace("", str(labels.MISSING)).astype(np.int64)
    parts = whole[COMPONENTS].to_numpy()
    summed = np.where((parts != labels.MISSING).all(axis=1), parts.sum(axis=1), labels.MISSING)
    total = whole["sofa_total"].to_numpy()
    return np.where(total != labels.MISSING, total, summed)


def _unique(table: pd.DataFrame, columns: Sequence[str], file: str) -> None:
    doubled = table.duplicated(list(columns))
    _refuse(table, columns[-1], doubled, file, f"stands twice for the same {', '.join(columns)}; keep one row")


def read_cohort(
    participants: pd.DataFrame,
    visits: pd.DataFrame,
    last_day: int,
    *,
    participants_file: str = "participants.tsv",
    visits_file: str = "visits.tsv",
) -> Cohort:
    """Lay out the clinical tables as participant x day arrays.

    Participants who asked for erasure are left out. Values after the day of a withdrawal are not used, nor is a death
    after it: those participants are censored at the withdrawal.

    Parameters
    ----------
    participants, visits
        Tables as text, missing = empty.
    last_day
        Last trial day that any label reads; later visits are not looked at.
    participants_file, visits_file
        Names for messages.
    """
    _unique(participants, KEYS, participants_file)
    _unique(visits, [*KEYS, "visit_day"], visits_file)
    death = parse_days(participants, "death_day", participants_file)
    withdrawn = parse_days(participants, "withdrawn_day", participants_file)
    contact = parse_days(participants, "last_contact_day", participants_file)
    people = participants.assign(
        participant=participant_ids(participants),
        _death=np.where(death > withdrawn, labels.NEVER, death),
        _withdrawn=withdrawn,
        _contact=np.minimum(contact, withdrawn),
        _discharge=parse_days(participants, "discharge_day", participants_file),
    )
    erased = people["consent"] == "erase"
    if erased.any():
        logger.info("%d participants asked for erasure and have no labels", int(erased.sum()))
    people = people[~erased].sort_values("participant", ignore_index=True)
    if people.empty:
        raise InputError(f"{participants_file}: there is no participant left to derive labels for.")

    row = pd.Index(people["participant"]).get_indexer(pd.Index(participant_ids(visits)))
    day = parse_days(visits, "visit_day", visits_file)
    scores = parse_sofa(visits, visits_file)
    amounts = {name: parse_amounts(visits, name, visits_file) for name in UNITS}
    resolved = visits["infection_resolved"].map({"yes": 1.0, "no": 0.0}).to_numpy(dtype=np.float64)
    if (row < 0).any():
        logger.warning("%d visits belong to nobody in %s and are not used", int((row < 0).sum()), participants_file)
    wanted = (row >= 0) & (day >= 0) & (day <= last_day) & (day <= people["_withdrawn"].to_numpy()[row])
    shape = (len(people), last_day + 1)
    at = (row[wanted], day[wanted])

    def lay_out(values: npt.NDArray[Any]) -> labels.FloatArray:
        grid = np.full(shape, np.nan)
        grid[at] = values[wanted]
        return grid

    grid = np.full(shape, labels.MISSING, dtype=np.int64)
    grid[at] = scores[wanted]
    course = labels.SofaCourse(grid, people["_death"].to_numpy(), people["_discharge"].to_numpy())
    return Cohort(
        people=people.drop(columns=["_death", "_withdrawn", "_contact", "_discharge"]),
        randomised=(people["randomised"] == "yes").to_numpy(),
        course=course,
        ferritin=lay_out(amounts["ferritin"]),
        hladr=lay_out(amounts["hladr"]),
        resolved=lay_out(resolved),
        last_contact=people["_contact"].to_numpy(),
    )


def _numbers(mask: labels.BoolArray, values: Any) -> labels.FloatArray:
    """Keep numbers where the mask holds; elsewhere they are NaN. As floats, which the table writer formats."""
    return np.where(mask, np.asarray(values, dtype=float), np.nan)


def _texts(mask: labels.BoolArray, values: Any, otherwise: str = "") -> labels.TextArray:
    """Keep texts where the mask holds."""
    return np.where(mask, np.asarray(values, dtype=object), otherwise)


def sofa_columns(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give the SOFA labels: baseline, means until the primary day and the end of treatment, response."""
    sofa, enrolled = settings["sofa"], cohort.randomised
    baseline = cohort.course.baseline(sofa["baseline_fallback"])
    known = enrolled & (baseline != labels.MISSING)
    values, observed = labels.complete(cohort.course, sofa)
    columns: dict[str, Any] = {
        "sofa_baseline": _numbers(known, baseline),
        "sofa_baseline_source": _texts(known, cohort.course.baseline_source(sofa["baseline_fallback"])),
    }
    for last in (sofa["last_day"], sofa["end_of_treatment_day"]):
        mean = labels.mean_sofa(values, observed, sofa["first_day"], last)
        counted = known & (mean["n"] > 0).to_numpy()
        columns |= {
            f"mean_sofa_d{last}": _numbers(counted, mean["mean"]),
            f"delta_mean_sofa_d{last}": _numbers(counted, baseline - mean["mean"]),
            f"n_days_observed_d{last}": _numbers(counted, mean["n_observed"]),
            f"n_days_imputed_d{last}": _numbers(counted, mean["n_imputed"]),
            f"locf_fraction_d{last}": _numbers(counted, mean["locf_fraction"]),
            f"mostly_imputed_d{last}": _texts(counted, np.where(mean["locf_fraction"] > 0.5, "yes", "no")),
        }
    response, reason = labels.sofa_response(cohort.course, sofa, settings["sofa_response"])
    columns["sofa_response"] = _texts(enrolled, response)
    columns["sofa_response_rule"] = _texts(enrolled, reason, "not randomised")
    return pd.DataFrame(columns)


def sealed_columns(
    cohort: Cohort, classification: pd.DataFrame, settings: Mapping[str, Any], file: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the labels that follow from the sealed classification, and the reversal's details.

    Returns
    -------
    The columns of the label table; and the result of `labels.reversal`.
    """
    _unique(classification, KEYS, file)
    amounts = pd.DataFrame(
        {name: parse_amounts(classification, name, file) for name in UNITS},
        index=pd.Index(participant_ids(classification)),
    ).reindex(cohort.people["participant"])
    screening_ferritin = amounts["ferritin"].to_numpy(dtype=float)
    table = labels.endotype(screening_ferritin, amounts["hladr"].to_numpy(dtype=float), settings["endotype"])
    rule = settings["reversal"]
    reversal = labels.reversal(
        np.where(cohort.randomised, table["endotype"], ""),
        screening_ferritin,
        cohort.ferritin,
        cohort.hladr,
        cohort.course.death_day,
        rule,
    )
    ferritin, _ = labels.nearest_value(cohort.ferritin, rule["day"], rule["window"])
    below = labels.flags(ferritin <= settings["endotype"]["ferritin_cut"], ~np.isnan(ferritin))
    name = f"reversal_d{rule['day']}"
    columns: dict[str, Any] = {
        name: reversal["state"],
        f"{name}_binary": reversal["binary"],
        "reversal_rule": _texts(cohort.randomised, reversal["rule"], "not randomised"),
        "baseline_source": np.where(reversal["state"] != "", "classification", ""),
        f"ferritin_below_cut_d{rule['day']}": _texts(cohort.randomised, below),
    }
    return table.assign(**columns), reversal


def other_columns(cohort: Cohort, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give survival at each horizon and the resolution of the infection at the end of treatment."""
    columns: dict[str, Any] = {}
    for horizon in settings["survival"]["horizons"]:
        time, event = labels.survival(cohort.course.death_day, cohort.last_contact, horizon)
        known = cohort.randomised & ~np.isnan(time)
        columns[f"time_to_death_{horizon}"] = _numbers(known, time)
        columns[f"event_{horizon}"] = _numbers(known, event)
    day = settings["sofa"]["end_of_treatment_day"]
    resolved, _ = labels.nearest_value(cohort.resolved, day, RESOLUTION_WINDOW)
    columns[f"infection_resolved_d{day}"] = _texts(cohort.randomised, labels.flags(resolved == 1, ~np.isnan(resolved)))
    return pd.DataFrame(columns)


def _rows(
    cohort: Cohort, endpoint: str, value: Any, rule: Any, observed: Any = np.nan, imputed: Any = np.nan
) -> pd.DataFrame:
    """Give one endpoint as rows of the long table; empty values are kept, with the rule that left them empty."""
    value = np.asarray(value)
    if value.dtype.kind == "f":
        # The column mixes numbers and words, so the table writer's float format does not reach it.
        value = np.array(["" if np.isnan(number) else f"{number:.6g}" for number in value], dtype=object)
    return pd.DataFrame(
        {
            "participant": cohort.people["participant"],
            "endpoint": endpoint,
            "value": value,
            "rule": rule,
            "n_observed": observed,
            "n_imputed": imputed,
        }
    )[cohort.randomised]


def endpoint_rows(cohort: Cohort, table: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Give the endpoints in long form, those under the other death rules and response options included.

    `mean_sofa_d9` and `sofa_response` follow the configuration; `mean_sofa_d9_<death rule>` and
    `sofa_response_<option>` show what another choice would have given.
    """
    sofa, course, parts = settings["sofa"], cohort.course, []
    for last in (sofa["last_day"], sofa["end_of_treatment_day"]):
        for death_rule in (None, "locf", "worst24", "exclude_days"):
            name = f"mean_sofa_d{last}" + (f"_{death_rule}" if death_rule else "")
            chosen = {**sofa, "death_rule": death_rule or sofa["death_rule"]}
            mean = labels.mean_sofa(*labels.complete(course, chosen), sofa["first_day"], last)
            rule = (
                f"mean of days {sofa['first_day']}-{last}; gaps: locf; deaths: {chosen['death_rule']}; "
                f"discharged: {chosen['discharge_rule']}"
            )
            counts = mean["n_observed"], mean["n_imputed"]
            parts.append(_rows(cohort, name, mean["mean"], rule, *counts))
            if death_rule is None:
                delta = course.baseline(sofa["baseline_fallback"]) - mean["mean"]
                parts.append(_rows(cohort, f"delta_{name}", delta, f"baseline - {name}", *counts))
    for option in (None, *labels.OPTIONS):
        name = "sofa_response" + (f"_{option}" if option else "")
        chosen = {**settings["sofa_response"], "option": option or settings["sofa_response"]["option"]}
        parts.append(_rows(cohort, name, *labels.sofa_response(course, sofa, chosen)))
    for horizon in settings["survival"]["horizons"]:
        rule = f"death of any cause; censored at last contact and on day {horizon}"
        parts += [_rows(cohort, name, table[name], rule) for name in (f"time_to_death_{horizon}", f"event_{horizon}")]
    resolved = f"infection_resolved_d{sofa['end_of_treatment_day']}"
    rule = f"as recorded within {RESOLUTION_WINDOW} day"
    parts.append(_rows(cohort, resolved, table[resolved], rule))
    return pd.concat(parts, ignore_index=True)


def derive(
    participants: pd.DataFrame,
    visits: pd.DataFrame,
    classification: pd.DataFrame | None,
    settings: Mapping[str, Any],
    *,
    files: Mapping[str, str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Derive all labels and endpoints.

    Parameters
    ----------
    participants, visits
        Clinical tables as text.
    classification
        The sealed screening values; None where the role may not see them, which leaves out every column that follows
        from them.
    settings
        The configuration's sections `endotype`, `sofa`, `sofa_response`, `reversal`, `survival`.
    files
        Names of the three tables for messages.

    Returns
    -------
    The label table, one row per participant; and the long endpoint table of the randomised participants. Both are
    sorted, so that the order of rows in the inputs does not matter.
    """
    names = {key: f"{key}.tsv" for key in ("participants", "visits", "classification")} | dict(files or {})
    reversal = settings["reversal"]
    last_day = max(
        settings["sofa"]["last_day"],
        settings["sofa"]["end_of_treatment_day"] + RESOLUTION_WINDOW,
        settings["sofa_response"]["decrease_day"],
        reversal["day"] + reversal["window"],
    )
    cohort = read_cohort(
        participants, visits, last_day, participants_file=names["participants"], visits_file=names["visits"]
    )
    table = cohort.people[["participant", *KEYS, "country", "randomised"]]
    sofa, other = sofa_columns(cohort, settings), other_columns(cohort, settings)
    endpoints = [endpoint_rows(cohort, other, settings)]
    if classification is None:
        table = pd.concat([table, sofa, other], axis=1)
    else:
        sealed, details = sealed_columns(cohort, classification, settings, names["classification"])
        table = pd.concat([table, sealed, sofa, other], axis=1)
        imputed = details["imputed"].astype(int)
        observed = details["state"].isin(["reversed", "not_reversed"]).astype(int) - imputed
        for suffix, column in (("", "state"), ("_binary", "binary")):
            name = f"reversal_d{reversal['day']}{suffix}"
            endpoints.append(_rows(cohort, name, details[column], details["rule"], observed, imputed))
    long = pd.concat(endpoints, ignore_index=True)
    return table, long.sort_values(["endpoint", "participant"], ignore_index=True, kind="stable")


def derive_label_tables(
    *,
    participants: str,
    visits: str,
    classification: str | None,
    settings: Mapping[str, Any],
    labels_path: str,
    endpoints_path: str,
) -> None:
    """Read the clinical tables, derive, and write `labels.tsv` and `endpoints.tsv`."""
    table, endpoints = derive(
        read_table(participants),
        read_table(visits),
        read_table(classification) if classification else None,
        settings,
        files={
            "participants": Path(participants).name,
            "visits": Path(visits).name,
            "classification": Path(classification).name if classification else "",
        },
    )
    logger.info("labels of %d participants, %d randomised", len(table), int((table["randomised"] == "yes").sum()))
    write_table(table, labels_path)
    write_table(endpoints, endpoints_path)


def import_label_table(source: str, labels_path: str) -> None:
    """Check a ready label table of another cohort and pass it on, sorted by participant.

    Raises
    ------
    InputError
        Without a `participant` column, without any label column, or with a participant that is empty or stands twice.
    """
    table, file = read_table(source), Path(source).name
    if "participant" not in table.columns:
        raise InputError(f"{file}: there is no column 'participant'; the first line has: {', '.join(table.columns)}.")
    if len(table.columns) == 1:
        raise InputError(f"{file}: there is no label column beside 'participant'.")
    _refuse(table, "participant", table["participant"].str.strip() == "", file, "name the participant")
    _unique(table, ["participant"], file)
    write_table(table.sort_values("participant", ignore_index=True), labels_path)
