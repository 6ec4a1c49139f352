"""Tables about the cohort made of tables about people: counts and means, with small cells suppressed.

Every function takes tables read as text and returns a table to be shared. A count of 1 to k - 1 people, or of what is
theirs, is written as ``<k``; where one suppressed count could be worked out from the others of its line, a second one
is suppressed, as ``*``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunosep.qc import VERDICTS
from immunosep.stats.groups import ALL
from immunosep.stats.populations import POPULATIONS

SECOND = "*"
POOLED = "other sites"
# What a row of the trial's statistics is about.
_WHAT = ("population", "group", "endpoint", "option", "criterion", "death_rule", "discharge_rule", "measure", "arm")


def small(k: int) -> str:
    """Return what stands for a count below `k`."""
    return f"<{k}"


def suppress(counts: pd.DataFrame, k: int, people: pd.DataFrame | None = None) -> pd.DataFrame:
    """Suppress small counts, and so many others that none can be worked out from the sums of rows and columns.

    Parameters
    ----------
    counts
        Whole numbers; rows and columns are lines whose sums may be known.
    k
        Smallest number of people that may be told.
    people
        How many people each count of something else, such as libraries, is about; None where people were counted.

    Returns
    -------
    pandas.DataFrame
        The counts as text.
    """
    values = counts.to_numpy(dtype=int)
    own = values if people is None else people.to_numpy(dtype=int)
    first = (own > 0) & (own < k)
    hidden = first.copy()
    while True:
        line = _lonely(hidden)
        if line is None:
            break
        # The smallest of the others goes: it loses least.
        row, column = line
        candidates = np.where(hidden[row, column], np.iinfo(int).max, values[row, column])
        if candidates.min() == np.iinfo(int).max:
            break
        target = np.zeros_like(hidden)
        target[row, column] = _only(candidates == candidates.min())
        hidden |= target
    text = values.astype(str).astype(object)
    text[hidden] = SECOND
    text[first] = small(k)
    return pd.DataFrame(text, index=counts.index, columns=counts.columns)


def _only(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the first of the marked positions."""
    kept = np.zeros_like(mask)
    kept[np.flatnonzero(mask)[0]] = True
    return kept


def _lonely(hidden: NDArray[np.bool_]) -> tuple[slice | int, slice | int] | None:
    """Return a row or a column of at least two counts in which exactly one is hidden."""
    if hidden.shape[1] > 1:
        for row in np.flatnonzero(hidden.sum(axis=1) == 1):
            return int(row), slice(None)
    if hidden.shape[0] > 1:
        for column in np.flatnonzero(hidden.sum(axis=0) == 1):
            return slice(None), int(column)
    return None


def count_by(table: pd.DataFrame, rows: Sequence[str], column: str, k: int) -> pd.DataFrame:
    """Count rows by the values of some columns and, across, of another; counts of few `participant`s suppressed."""
    if table.empty:
        return pd.DataFrame(columns=list(rows))
    counts, people = _count(table, rows, column)
    order = counts.sort_index(key=_by_number).index if len(rows) == 1 else counts.index
    shown = suppress(counts.loc[order], k, people.loc[order])
    return shown.reset_index().rename_axis(None, axis="columns")


def _count(table: pd.DataFrame, rows: Sequence[str], column: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the number of rows, and of people, by the values of some columns and, across, of another."""
    groups = table.groupby([*rows, column], sort=True)
    return groups.size().unstack(column, fill_value=0), groups["participant"].nunique().unstack(column, fill_value=0)


def _by_number(index: pd.Index) -> pd.Index:
    numbers = pd.to_numeric(index.to_series(), errors="coerce")
    return index if numbers.isna().any() else pd.Index(numbers)


def verdicts_by_site(verdicts: pd.DataFrame, libraries: pd.DataFrame, names: pd.Series, k: int) -> pd.DataFrame:
    """Count the verdicts of each site and layer; sites bear other names, and small ones are pooled.

    Parameters
    ----------
    verdicts
        ``results/qc/verdicts.tsv``.
    libraries
        ``results/intake/libraries.tsv``.
    names
        The name that stands for each site.
    k
        Participants that a site of its own must have; smallest count that may be told.
    """
    overall = verdicts.loc[verdicts["metric"] == "overall", ["layer", "library", "verdict"]]
    table = overall.merge(
        libraries.loc[libraries["participant"] != "", ["library", "site", "participant"]], on="library"
    )
    people = table.groupby("site")["participant"].nunique().sort_values(kind="stable")
    pooled = set(people.index[people < k])
    # A pool that is small itself, or that hides one site alone, would tell what it hides: it takes the next site in.
    for site in people.index:
        if not pooled or (len(pooled) > 1 and people[list(pooled)].sum() >= k):
            break
        pooled.add(site)
    table["site"] = table["site"].map(lambda site: POOLED if site in pooled else names[site])
    few = table.groupby(["layer", "site"])["participant"].transform("nunique") < k
    counts, own = _count_verdicts(table, ["layer", "site"])
    parts = [suppress(part, k, own.loc[part.index]) for _, part in counts.groupby(level="layer", sort=True)]
    shown = pd.concat(parts) if parts else counts.astype(str)
    for key in table.loc[few, ["layer", "site"]].drop_duplicates().itertuples(index=False):
        shown.loc[tuple(key)] = small(k)  # a group of fewer people, however many libraries they have
    return shown.reset_index().rename_axis(None, axis="columns")


def verdicts_by_layer(verdicts: pd.DataFrame, libraries: pd.DataFrame, k: int) -> pd.DataFrame:
    """Count the verdicts of each layer, controls included; they are about nobody.

    Parameters
    ----------
    verdicts, libraries, k
        As in `verdicts_by_site`.
    """
    overall = verdicts.loc[verdicts["metric"] == "overall", ["layer", "library", "verdict"]]
    table = overall.merge(libraries[["library", "participant"]], on="library", how="left")
    table["participant"] = table["participant"].mask(table["participant"] == "")
    counts, people = _count_verdicts(table, ["layer"])
    return suppress(counts, k, people).reset_index().rename_axis(None, axis="columns")


def _count_verdicts(table: pd.DataFrame, rows: Sequence[str]) -> list[pd.DataFrame]:
    return [part.reindex(columns=list(VERDICTS), fill_value=0) for part in _count(table, rows, "verdict")]


def common_genera(genera: pd.DataFrame, present: pd.DataFrame, participants: pd.Series, k: int) -> pd.DataFrame:
    """Keep the genera that enough people carry; how common one is that few do not carry is suppressed.

    Parameters
    ----------
    genera
        Text columns genus, family, prevalence.
    present
        Whether a library holds a genus; libraries by genera.
    participants
        Of each library.
    k
        Smallest number of people that may be told.
    """
    carriers = present.groupby(participants.to_numpy()).any()
    number = genera["genus"].map(carriers.sum())
    table = genera.loc[number >= k, ["genus", "family", "prevalence"]]
    few_without = (len(carriers) - number).between(1, k - 1)
    return table.assign(prevalence=table["prevalence"].mask(few_without, SECOND))


def label_counts(labels: pd.DataFrame, columns: Sequence[str], k: int) -> pd.DataFrame:
    """Count the randomised by the values of each label, one label at a time: variable, value, participants."""
    people = labels[labels["randomised"] == "yes"]
    parts = []
    for name in (name for name in columns if name in people):
        values = people[name].replace("", "unknown")
        counts = suppress(values.value_counts().sort_index().to_frame("participants"), k)
        parts.append(counts.rename_axis("value").reset_index().assign(variable=name))
    columns = ["variable", "value", "participants"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def describe_endpoints(endpoints: pd.DataFrame, k: int) -> pd.DataFrame:
    """Describe each endpoint: number, mean and standard deviation, or the number with each value.

    Parameters
    ----------
    endpoints
        ``results/labels/endpoints.tsv``.
    k
        Smallest number of participants that may be told or described.
    """
    rows = []
    for endpoint, table in endpoints[endpoints["value"] != ""].groupby("endpoint", sort=True):
        values = pd.to_numeric(table["value"], errors="coerce")
        if values.isna().any() or values.nunique() <= 2:
            counts = suppress(table["value"].value_counts().sort_index().to_frame("n"), k)["n"]
            rows += [{"endpoint": endpoint, "value": value, "participants": n} for value, n in counts.items()]
        elif len(values) >= k:
            described = {"participants": str(len(values)), "mean": values.mean(), "sd": values.std()}
            rows.append({"endpoint": endpoint, "value": "", **described})
        else:
            rows.append({"endpoint": endpoint, "value": "", "participants": small(k)})
    return pd.DataFrame(rows, columns=["endpoint", "value", "participants", "mean", "sd"])


def suppress_columns(table: pd.DataFrame, keys: Sequence[str], k: int) -> pd.DataFrame:
    """Suppress the small counts of a table that is all counts but for its keys."""
    counts = table.drop(columns=list(keys)).apply(pd.to_numeric).fillna(0).astype(int)
    return pd.concat([table[list(keys)], suppress(counts, k)], axis="columns")


def without_small(
    table: pd.DataFrame, columns: Sequence[str], k: int, parts: Sequence[tuple[str, str]] = ()
) -> pd.DataFrame:
    """Leave out the rows in which a count of people, or the rest of one, is between 1 and k - 1.

    Parameters
    ----------
    table
        Text.
    columns
        Counts; those that the table does not have are passed over.
    k
        Smallest number of people that may be told.
    parts
        Count and the count that it is a part of: of 100, 98 who responded tell of 2 who did not.
    """
    if table.empty:
        return table
    counts = table[[column for column in columns if column in table]].apply(pd.to_numeric, errors="coerce")
    rests = [counts[whole] - counts[part] for part, whole in parts]
    counts = pd.concat([counts, *rests], axis="columns")
    return table[~((counts > 0) & (counts < k)).any(axis="columns")]


def without_near(table: pd.DataFrame, columns: Sequence[str], k: int) -> pd.DataFrame:
    """Leave out the rows from which, beside another one, a count of 1 to k - 1 people could be worked out.

    Parameters
    ----------
    table
        Text. Rows that differ in `population` alone (each of `POPULATIONS` within the one before), or in `group` alone
        (parts of `ALL`), are about the same people but for some.
    columns
        Counts; those that the table does not have are passed over.
    k
        Smallest number of people that may be told.

    Returns
    -------
    pandas.DataFrame
        Without the populations that differ by few from a larger one that stays, and, where the groups together lack few
        of all, without the smallest of them.
    """
    if table.empty:
        return table
    counts = [column for column in columns if column in table]
    numbers = table[counts].apply(pd.to_numeric, errors="coerce")
    same = [column for column in table if column in _WHAT]

    def few(difference: pd.Series) -> bool:
        return bool(difference.abs().between(1, k - 1).any())

    gone: set[object] = set()
    if "population" in table:
        order = table["population"].map(POPULATIONS.index).sort_values(kind="stable").index
        keys = table.loc[order, [column for column in same if column != "population"]].agg("\t".join, axis=1)
        for rows in keys.groupby(keys).groups.values():
            stay: list[object] = []
            for row in rows:
                near = any(few(numbers.loc[row] - numbers.loc[other]) for other in stay)
                (gone.add if near else stay.append)(row)
    if "group" in table:
        left = table.drop(index=list(gone))
        keys = left[[column for column in same if column != "group"]].agg("\t".join, axis=1)
        for rows in keys.groupby(keys).groups.values():
            whole = [row for row in rows if left.at[row, "group"] == ALL]
            parts = numbers.loc[rows.difference(whole)].sort_values(counts[0], kind="stable").index.tolist()
            while whole and parts and few(numbers.loc[whole[0]] - numbers.loc[parts].sum(min_count=1)):
                gone.add(parts.pop(0))
    return table.drop(index=list(gone))


def large_classes(performance: pd.DataFrame, k: int) -> pd.DataFrame:
    """Keep the models whose classes all have enough participants; what compares a small class is left out."""
    positive = pd.to_numeric(performance["n_positive"], errors="coerce")
    rest = pd.to_numeric(performance["n"], errors="coerce") - positive
    return performance[~((positive < k) | (rest < k))]
