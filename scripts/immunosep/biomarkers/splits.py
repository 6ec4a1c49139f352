"""Folds of participants: written once per task from the labels alone, shared by all models and layers."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from immunosep.errors import InputError

Rows = NDArray[np.intp]
#: Splits by where participants were treated.
SCHEMES = ("leave_one_country_out", "leave_one_site_group_out")


def derive_seed(seed: int, *parts: object) -> int:
    """Return a seed for one step: the same for the same names, on every machine, unrelated for others."""
    text = "|".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % (2**31 - 1)


def outer_folds(labels: pd.Series, *, folds: int, repeats: int, seed: int) -> pd.DataFrame:
    """Assign each participant to one test fold per repeat, stratified by label.

    By the label alone: the endotype is sealed in the default role, and folds must not depend on who looks.

    Parameters
    ----------
    labels
        Class by participant, each participant once. Their order does not matter.
    folds, repeats
        Number of folds and of repeats.
    seed
        Seed of the configuration.

    Returns
    -------
    pandas.DataFrame
        participant, repeat (from 1), fold (from 1), digest: SHA-256 of the assignment, the same in every row. No rows
        for no participants.
    """
    labels = labels.sort_index()
    if labels.index.has_duplicates:
        raise ValueError("a participant has more than one label")
    if labels.empty:
        return pd.DataFrame(columns=["participant", "repeat", "fold", "digest"])
    parts = []
    for repeat in range(1, repeats + 1):
        splitter = StratifiedKFold(folds, shuffle=True, random_state=derive_seed(seed, "outer", repeat))
        fold = np.zeros(len(labels), dtype=int)
        for number, (_, test) in enumerate(splitter.split(labels, labels), start=1):
            fold[test] = number
        parts.append(pd.DataFrame({"participant": labels.index, "repeat": repeat, "fold": fold}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(digest=folds_digest(table))


def place_folds(labels: pd.Series, places: pd.DataFrame, scheme: str, *, min_site: int) -> pd.DataFrame:
    """Assign each participant to the fold of the country or the site that is left out with them.

    Nothing is drawn: the folds follow from where people were treated.

    Parameters
    ----------
    labels
        Class by participant.
    places
        `country` and `site` by participant.
    scheme
        One of `SCHEMES`.
    min_site
        Sites with fewer participants are pooled with the other small ones of their country.

    Returns
    -------
    pandas.DataFrame
        As `outer_folds`, with one repeat and a column `scheme`. No rows where there is one group, or the tables do not
        say where people were treated.
    """
    empty = pd.DataFrame(columns=["participant", "repeat", "fold", "digest", "scheme"])
    needed = ["country"] if scheme == "leave_one_country_out" else ["country", "site"]
    own = places.reindex(labels.sort_index().index)
    if not set(needed) <= set(own) or (own[needed].fillna("") == "").any(axis=None):
        return empty
    groups = own["country"] if scheme == "leave_one_country_out" else site_groups(own, min_site=min_site)
    if groups.nunique() < 2:
        return empty
    fold = groups.map({name: number for number, name in enumerate(sorted(groups.unique()), start=1)})
    table = pd.DataFrame({"participant": own.index, "repeat": 1, "fold": fold.to_numpy()})
    return table.assign(digest=folds_digest(table), scheme=scheme)


def site_groups(places: pd.DataFrame, *, min_site: int) -> pd.Series:
    """Return the site of each participant, or the country where the site has fewer than `min_site` of them.

    Parameters
    ----------
    places
        `country` and `site` by participant.
    min_site
        Sites with fewer participants are pooled with the other small ones of their country.

    Returns
    -------
    pandas.Series
        `site <site>` or `country <country>` by participant.
    """
    sizes = places["site"].map(places["site"].value_counts())
    return ("site " + places["site"]).where(sizes >= min_site, "country " + places["country"])


def keep_folds(drawn: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Give the participants of an earlier assignment their folds of then; newcomers have those that were drawn.

    When somebody withdraws, the folds of the others stay: drawn anew, they would move everybody's results.

    Parameters
    ----------
    drawn
        As `outer_folds` returns it.
    kept
        The earlier assignment: participant, repeat, fold, as text. Who is not in `drawn` is passed over.

    Returns
    -------
    pandas.DataFrame
        As `drawn`, with the digest of the result.

    Raises
    ------
    InputError
        When the earlier assignment has more folds than are drawn now, or fewer.
    """
    if drawn.empty:
        return drawn
    kept = kept[["participant", "repeat", "fold"]].astype({"repeat": int, "fold": int})
    if set(kept["fold"]) != set(drawn["fold"]):
        raise InputError(
            f"The folds kept from before a withdrawal are {kept['fold'].nunique()}, and biomarkers.cv.outer_folds asks "
            f"for {drawn['fold'].nunique()}. Set it back, or delete the kept folds to have all of them drawn anew."
        )
    merged = drawn.merge(kept, on=["participant", "repeat"], how="left", suffixes=("", "_kept"))
    table = drawn.assign(fold=merged["fold_kept"].fillna(merged["fold"]).astype(int).to_numpy())
    return table.assign(digest=folds_digest(table))


def folds_digest(folds: pd.DataFrame) -> str:
    """Return the SHA-256 of the assignment, whatever the order of its rows."""
    rows = map("\t".join, folds[["participant", "repeat", "fold"]].astype(str).to_numpy())
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def grouped_folds(
    participants: NDArray[np.str_], labels: NDArray[np.integer], *, folds: int, seed: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield (training rows, validation rows) with all rows of a participant on one side, stratified by label.

    Parameters
    ----------
    participants, labels
        Per row. All rows of a participant have the same label.
    folds
        Wanted number; reduced to the size of the smaller class.
    seed
        Seed.

    Raises
    ------
    ValueError
        If a class has fewer than two participants.
    """
    names, first = np.unique(participants, return_index=True)
    person_labels = labels[first]
    smallest = int(np.bincount(person_labels).min())
    if smallest < 2 or np.unique(person_labels).size < 2:
        raise ValueError("each class needs two participants in the training fold")
    splitter = StratifiedKFold(min(folds, smallest), shuffle=True, random_state=seed)
    for train, valid in splitter.split(names, person_labels):
        yield (
            np.flatnonzero(np.isin(participants, names[train])),
            np.flatnonzero(np.isin(participants, names[valid])),
        )
