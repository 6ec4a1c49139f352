"""The clinical tables as arrays: strict reading, and the days of which each participant's values may be used.

Nothing ambiguous is coerced. Who asked for erasure is not there; from a withdrawal on nothing is used.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.errors import InputError
from immunosep.labels.arrays import MISSING, NEVER, BoolArray, FloatArray, IntArray
from immunosep.labels.sofa import SOFA_MAX, SofaCourse

logger = logging.getLogger(__name__)

KEYS = ["site", "participant_code"]
COMPONENTS = [f"sofa_{organ}" for organ in ("respiration", "coagulation", "liver", "cardiovascular", "cns", "renal")]
UNITS = {"ferritin": "ng/mL", "hladr": "receptors_per_cell"}
NO_CONSENT = ("erase", "deferred_pending")
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
    monocytes
        Shape (n, days), 10^9 per litre, NaN where missing.
    resolved
        Shape (n, days), 1 or 0, NaN where missing: resolution of the infection.
    last_contact
        Shape (n,); `NEVER` where not recorded.
    last_day_in_study
        Shape (n,): the last day that was lived to its end in the study; `NEVER` where nothing ended it.
    """

    people: pd.DataFrame
    randomised: BoolArray
    course: SofaCourse
    ferritin: FloatArray
    hladr: FloatArray
    monocytes: FloatArray
    resolved: FloatArray
    last_contact: IntArray
    last_day_in_study: IntArray


def participant_ids(table: pd.DataFrame) -> pd.Series:
    """Join site and code: the same code at two sites is two people."""
    return table["site"] + "-" + table["participant_code"]


def refuse(table: pd.DataFrame, column: str, wrong: pd.Series, file: str, fix: str) -> None:
    """Raise for the cells of a column that are wrong, with their lines in the file."""
    if wrong.any():
        rows = table.index[wrong]
        lines = [f"{file}, line {row + 2}, column {column}: {table.at[row, column]!r}: {fix}" for row in rows[:20]]
        if len(rows) > 20:
            lines.append(f"... and {len(rows) - 20} more of this kind.")
        raise InputError("\n".join(lines))


def parse_amounts(table: pd.DataFrame, column: str, file: str) -> FloatArray:
    """Read a column of positive plain numbers with its unit column; NaN where empty.

    Raises
    ------
    InputError
        For what is not a plain number, an ambiguous separator (`4.420`, `4,420`), zero, or another unit.
    """
    text = table[column]
    filled = text != ""
    refuse(
        table,
        column,
        filled & text.str.fullmatch(_AMBIGUOUS),
        file,
        "a dot or comma before three digits can mark thousands or decimals; write 4420, or 4.42",
    )
    refuse(table, column, filled & ~text.str.fullmatch(_NUMBER), file, "write a plain number such as 4420 or 4420.5")
    unit = UNITS[column]
    unit_column = f"{column}_unit"
    refuse(table, unit_column, filled & (table[unit_column] != unit), file, f"the unit has to be {unit}")
    numbers = np.array([float(Decimal(value)) if value else np.nan for value in text], dtype=float)
    refuse(table, column, pd.Series(numbers == 0, index=table.index), file, "has to be above 0")
    return numbers


def parse_days(table: pd.DataFrame, column: str, file: str) -> IntArray:
    """Read a column of trial days; `NEVER` where empty."""
    text = table[column]
    refuse(table, column, (text != "") & ~text.str.fullmatch(_DAY), file, "write a whole number of days")
    return np.array([int(value) if value else NEVER for value in text], dtype=np.int64)


def parse_sofa(visits: pd.DataFrame, file: str) -> IntArray:
    """Read SOFA totals, or the sum of the six components where all are given and the total is not."""
    for column, top in [("sofa_total", SOFA_MAX), *((name, 4) for name in COMPONENTS)]:
        allowed = {"", *(str(score) for score in range(top + 1))}
        refuse(visits, column, ~visits[column].isin(allowed), file, f"write a whole number from 0 to {top}")
    whole = visits[["sofa_total", *COMPONENTS]].replace("", str(MISSING)).astype(np.int64)
    parts = whole[COMPONENTS].to_numpy()
    summed = np.where((parts != MISSING).all(axis=1), parts.sum(axis=1), MISSING)
    total = whole["sofa_total"].to_numpy()
    return np.where(total != MISSING, total, summed)


def refuse_doubles(table: pd.DataFrame, columns: Sequence[str], file: str) -> None:
    """Raise for rows that repeat the values of key columns."""
    doubled = table.duplicated(list(columns))
    refuse(table, columns[-1], doubled, file, f"stands twice for the same {', '.join(columns)}; keep one row")


def read_cohort(
    participants: pd.DataFrame,
    visits: pd.DataFrame,
    last_day: int,
    *,
    participants_file: str = "participants.tsv",
    visits_file: str = "visits.tsv",
) -> Cohort:
    """Lay out the clinical tables as participant x day arrays.

    Participants who asked for erasure, or whose deferred consent is pending, are left out. From the day of a withdrawal
    on no value is used, nor a death: those participants are censored on that day, on which they were alive to withdraw.

    Parameters
    ----------
    participants, visits
        Tables as text, missing = empty.
    last_day
        Last trial day that any label reads; later visits are not looked at.
    participants_file, visits_file
        Names for messages.
    """
    refuse_doubles(participants, KEYS, participants_file)
    refuse_doubles(visits, [*KEYS, "visit_day"], visits_file)
    death = parse_days(participants, "death_day", participants_file)
    withdrawn = parse_days(participants, "withdrawn_day", participants_file)
    contact = parse_days(participants, "last_contact_day", participants_file)
    people = participants.assign(
        participant=participant_ids(participants),
        _death=np.where(death >= withdrawn, NEVER, death),
        _withdrawn=withdrawn,
        _contact=np.minimum(contact, withdrawn),
        _discharge=parse_days(participants, "discharge_day", participants_file),
    )
    absent = people["consent"].isin(NO_CONSENT)
    if absent.any():
        logger.info("%d participants erased or without consent so far have no labels", int(absent.sum()))
    people = people[~absent].sort_values("participant", ignore_index=True)
    if people.empty:
        raise InputError(f"{participants_file}: there is no participant left to derive labels for.")

    row = pd.Index(people["participant"]).get_indexer(pd.Index(participant_ids(visits)))
    day = parse_days(visits, "visit_day", visits_file)
    scores = parse_sofa(visits, visits_file)
    amounts = {name: parse_amounts(visits, name, visits_file) for name in UNITS}
    counted = visits["monocytes_10e9_l"]
    monocytes = pd.to_numeric(counted.where(counted != "")).to_numpy(dtype=np.float64)
    resolved = visits["infection_resolved"].map({"yes": 1.0, "no": 0.0}).to_numpy(dtype=np.float64)
    if (row < 0).any():
        logger.warning("%d visits belong to nobody in %s and are not used", int((row < 0).sum()), participants_file)
    wanted = (row >= 0) & (day >= 0) & (day <= last_day) & (day < people["_withdrawn"].to_numpy()[row])
    shape = (len(people), last_day + 1)
    at = (row[wanted], day[wanted])

    def lay_out(values: npt.NDArray[Any]) -> FloatArray:
        grid = np.full(shape, np.nan)
        grid[at] = values[wanted]
        return grid

    grid = np.full(shape, MISSING, dtype=np.int64)
    grid[at] = scores[wanted]
    course = SofaCourse(grid, people["_death"].to_numpy(), people["_discharge"].to_numpy())
    contact = people["_contact"].to_numpy()
    ended = np.minimum(np.minimum(course.death_day, people["_withdrawn"].to_numpy()) - 1, contact)
    return Cohort(
        people=people.drop(columns=["_death", "_withdrawn", "_contact", "_discharge"]),
        randomised=(people["randomised"] == "yes").to_numpy(),
        course=course,
        ferritin=lay_out(amounts["ferritin"]),
        hladr=lay_out(amounts["hladr"]),
        monocytes=lay_out(monocytes),
        resolved=lay_out(resolved),
        last_contact=contact,
        last_day_in_study=np.where(ended < NEVER - 1, ended, NEVER),
    )
