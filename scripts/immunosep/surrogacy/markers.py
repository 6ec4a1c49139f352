"""Pre-specified markers of every observation: signature scores, single proteins, MOFA factors.

Pre-specified, because the trial is far too small to search the genome for surrogates and to test what was found on the
same participants.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import mudata
import numpy as np
import pandas as pd

from immunosep.genes import ALIASES
from immunosep.layer import definer_symbols, flag
from immunosep.stats.regression import FloatArray

logger = logging.getLogger(__name__)

BASELINE_DAY = 1
MIN_SHARE = 0.5
"""A signature is scored where at least this share of its genes was measured."""
FACTOR = "mofa:"
"""In front of the names of markers that are factors."""
LEARNED_LATER = (
    "learned over all visits, so described only: never diagnostic, prognostic, predictive or a candidate surrogate"
)
DETAILS = ["marker", "layer", "kind", "direction", "features", "expected", "definers", "note"]


def score_markers(
    joined: mudata.MuData,
    factors: pd.DataFrame,
    model_features: Mapping[str, Sequence[str]],
    gene_sets: pd.DataFrame,
    settings: Mapping[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the configured markers.

    Parameters
    ----------
    joined
        `multiomics.h5mu`.
    factors
        Observations x factors.
    model_features
        Names of the features that the factors were learned from, by layer.
    gene_sets
        `resources/gene_sets.tsv`.
    settings
        `surrogacy` of the configuration: `signatures` (names of gene sets, scored on `rna`), `proteins` (symbols),
        `factors` (whether MOFA factors are markers).

    Returns
    -------
    The scores: one row per observation (index), a column per marker, NaN where its layer is missing; and a table with
    `DETAILS` of every configured marker, those that could not be scored among them with the reason (`definers`: how
    many of its features measure what defines the endotypes; every feature of the model has a share in each factor).

    Notes
    -----
    A signature is the mean of its standardised genes, those that go down counted negative. Genes are standardised by
    mean and standard deviation of the baseline visit, so that a change over time is in units of the spread between
    participants before treatment. A protein that is measured by several assays is their mean. The two drugs' own
    proteins are no markers: their assays read the drug.
    """
    columns: dict[str, pd.Series] = {}
    details: list[tuple] = []
    definers = definer_symbols(gene_sets)
    for layer, wanted in (
        ("rna", {name: _members(gene_sets, name) for name in settings["signatures"]}),
        ("proteome", {symbol: pd.Series({symbol: 1.0}) for symbol in settings["proteins"]}),
    ):
        kind = "signature" if layer == "rna" else "protein"
        standardised = _standardise(joined, layer) if layer in joined.mod else None
        for name, members in wanted.items():
            marker = f"{layer}:{name}"
            circular = len(definers.intersection(members.index))
            known = (marker, layer, kind, _direction(members))
            if standardised is None:
                details.append((*known, 0, len(members), circular, f"not scored: the run has no layer {layer}"))
                continue
            scores, measured, note = _score(standardised, members, joined.mod[layer].var)
            details.append((*known, measured, len(members), circular, note and f"not scored: {note}"))
            if not note:
                columns[marker] = scores
    if settings["factors"]:
        learned_from = sum(map(len, model_features.values()))
        circular = sum(
            _count_definers(joined.mod[layer].var.loc[names], definers) for layer, names in model_features.items()
        )
        for name in map(str, factors):
            marker = f"{FACTOR}{name}"
            columns[marker] = factors[name]
            details.append((marker, "mofa", "factor", "", learned_from, learned_from, circular, LEARNED_LATER))
    scored = pd.DataFrame(columns, index=joined.obs_names)
    for marker, *_, note in details:
        if note.startswith("not scored"):
            logger.warning("%s %s", marker, note)
    return scored, pd.DataFrame(details, columns=DETAILS)


def _members(gene_sets: pd.DataFrame, name: str) -> pd.Series:
    """Return the sign of each gene of a set, indexed by symbol."""
    rows = gene_sets[gene_sets["gene_set"] == name]
    sign = rows["direction"].eq("down").map({True: -1.0, False: 1.0})
    return pd.Series(sign.to_numpy(), index=rows["symbol"].replace(ALIASES).to_numpy())


def _count_definers(var: pd.DataFrame, definers: frozenset[str]) -> int:
    """Count the features that measure a definer: by the layer's flag, or by their symbol."""
    named = var["symbol"].isin(definers).to_numpy() if "symbol" in var else np.zeros(len(var), dtype=bool)
    return int((flag(var, "definer") | named).sum())


def _direction(members: pd.Series) -> str:
    if members.nunique() > 1:
        return "up minus down"
    return "up" if members.iloc[0] > 0 else "down"


def _standardise(joined: mudata.MuData, layer: str) -> pd.DataFrame:
    """Return a layer, observations x features, in units of the baseline's spread; NaN where a feature does not vary."""
    data = joined.mod[layer]
    values = np.asarray(data.X.toarray() if hasattr(data.X, "toarray") else data.X, dtype=float)
    first = data.obs["visit_day"].to_numpy() == BASELINE_DAY
    reference = values[first] if first.sum() > 1 else values
    spread = np.nanstd(reference, axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: FloatArray = (values - np.nanmean(reference, axis=0)) / np.where(spread > 0, spread, np.nan)
    return pd.DataFrame(scaled, index=data.obs_names, columns=data.var_names)


def _score(standardised: pd.DataFrame, members: pd.Series, var: pd.DataFrame) -> tuple[pd.Series, int, str]:
    """Return the score, how many members were measured, and why there is no score."""
    symbols = pd.Series(var["symbol"].astype(str).to_numpy() if "symbol" in var else var.index, index=var.index)
    # One measurement per symbol: the mean of its assays.
    chosen = symbols[symbols.isin(members.index) & standardised.notna().any().to_numpy()]
    measured = chosen.nunique()
    if measured < MIN_SHARE * members.index.nunique():
        return pd.Series(dtype=float), measured, f"{measured} of {members.index.nunique()} features measured"
    per_symbol = standardised[chosen.index].T.groupby(chosen).mean().T
    signs = members[~members.index.duplicated()].reindex(per_symbol.columns)
    return (per_symbol * signs).mean(axis=1), measured, ""


def drop_drug_proteins(proteins: Sequence[str], drug_analytes: pd.DataFrame) -> list[str]:
    """Leave out the proteins that are the trial's drugs."""
    drugs = set(drug_analytes.loc[drug_analytes["kind"] == "protein", "symbol"])
    return [symbol for symbol in proteins if symbol not in drugs]
