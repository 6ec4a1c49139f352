"""Personal data and treatment in tables of measurements: the headers, the names of the samples, what describes them.

Vendors' exports and matrices have no closed schema, so that their columns are judged one by one. What describes an
assay and not a sample (a protein's full name) is no free text about a person.
"""

import logging
from collections.abc import Collection, Hashable, Iterable

import numpy as np
import pandas as pd

from immunosep.errors import InputError
from immunosep.privacy import column_risk, is_two_armed, mask, path_risk, pattern_risk, value_risk

logger = logging.getLogger(__name__)

_TOLD = {
    "personal_column": "column of personal data or free text",
    "treatment_column": "column that may reveal the treatment",
}
# Headers that mean a person or a treatment even where every other column is a feature; no symbol of a gene, a protein
# or a compound is among them, as DOB, TEL, CP or IFNG would be.
_NO_FEATURES = frozenset({
    "name", "surname", "initials", "date of birth", "birthdate", "birth date", "dateofbirth", "birth_date",
    "date_of_birth", "geburtsdatum", "date", "mrn", "email", "e-mail", "phone", "postcode", "comment", "comments",
    "pregnancy", "pregnant", "hiv", "arm", "treatment", "trt", "allocation", "study drug", "study_drug", "placebo",
    "dose", "treatment arm", "treatment_arm", "study arm", "study_arm", "randomisation", "randomization",
})  # fmt: skip


def check_annotations(
    table: pd.DataFrame,
    where: str,
    *,
    known: Collection[Hashable] = (),
    names: Hashable | None = None,
    assays: pd.Series | None = None,
) -> None:
    """Refuse a table whose columns or values look like personal data or a treatment; warn of two-armed columns.

    Parameters
    ----------
    table
        Rows that describe samples; numbers, text or categories.
    where
        File, for messages.
    known
        Columns whose name is one of the format's own; not judged, nor are their values.
    names
        Of these the column that names the samples: its values are judged.
    assays
        The assay of each row of a long table; a column with one value per assay describes the assay.

    Raises
    ------
    InputError
        Every column with what it looks like; values are masked.
    """
    problems = []
    for at, column in enumerate(table.columns):  # by position: a vendor's heading may occur twice
        if column in known and column != names:
            continue
        shown = mask(str(column)) if pattern_risk(str(column)) else str(column)
        risk = "" if column == names else column_risk(str(column))
        if risk:
            problems.append(f'  column "{shown}": {_TOLD[risk]}')
            continue
        values = _distinct(table.iloc[:, at])
        found = _value_problems(values, shown)
        two_armed = column != names and is_two_armed(values)
        if (
            (found or two_armed)
            and assays is not None
            and column != names
            and _one_per_assay(table.iloc[:, at], assays)
        ):
            found, two_armed = _value_problems(values, shown, patterns_only=True), False
        problems += found
        if two_armed:
            logger.warning('%s: column "%s" holds a code of two groups: see that it is not the arm', where, shown)
    _refuse(problems, where)


def check_features(header: Iterable[str], where: str) -> None:
    """Refuse a matrix in which a column that should be a feature has the name of a person's property or a treatment.

    Gene symbols and compounds may read like words (HLA-DOB, TEL, IFNG): whole names only are compared.
    """
    problems = []
    for column in header:
        if column.strip().casefold() in _NO_FEATURES:
            problems.append(f'  column "{column}": personal data or treatment, where every column is a feature')
        elif risk := pattern_risk(column):
            problems.append(f'  column "{mask(column)}": its name looks like {risk}')
    _refuse(problems, where)


def check_names(names: Iterable[str], where: str) -> None:
    """Refuse a matrix whose rows bear names that look like personal data."""
    _refuse(_value_problems(sorted(set(names)), "names of the rows"), where)


def _refuse(problems: list[str], where: str) -> None:
    if problems:
        lines = [f"{where} must not enter the workflow:", *problems]
        raise InputError("\n".join([*lines, "Remove the columns and values from the file; samples bear pseudonyms"]))


def _distinct(values: pd.Series) -> list[str]:
    """Distinct values as text; of numbers only as many as tell a two-armed code."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [str(value) for value in values.cat.categories]
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        unique = pd.unique(values.dropna())
        return [f"{float(value):g}" for value in unique] if len(unique) <= 2 else []
    return [str(value) for value in pd.unique(values.dropna())]


def _value_problems(values: Collection[str], shown: str, *, patterns_only: bool = False) -> list[str]:
    found: dict[str, list[str]] = {}
    for value in values:
        risk = pattern_risk(value) if patterns_only else (value_risk(value) or path_risk(value))
        if risk:
            found.setdefault(risk, []).append(value)
    return [
        f'  column "{shown}": {len(hits)} different value(s) look like {risk}, such as "{mask(hits[0])}"'
        for risk, hits in found.items()
    ]


def _one_per_assay(values: pd.Series, assays: pd.Series) -> bool:
    codes, _ = pd.factorize(values)
    groups, names = pd.factorize(assays)
    lowest = np.full(len(names), np.iinfo(np.int64).max)
    highest = np.full(len(names), np.iinfo(np.int64).min)
    np.minimum.at(lowest, groups, codes)
    np.maximum.at(highest, groups, codes)
    return len(names) > 1 and bool((lowest == highest).all())
