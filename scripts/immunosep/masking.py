"""Hide what reveals a drug after its first dose, in the matrices that leave a run.

One place for all layers: a layer is masked when its AnnData is written, a ready matrix before anything reads it, and
everything after that (the MuData, factors, figures, tables) sees missing values. Files inside a layer's folder from
which it is built (reads, `quant.sf`, `gene_counts.h5ad`) are as telling as the raw data and are for the same eyes only.
"""

import logging
from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.blinding import bare
from immunosep.layer import flag, has_symbol, observation_days

logger = logging.getLogger(__name__)

# Layers whose features are genes or peaks, known by symbol alone; a peptide's or a compound's name may hold a term.
_BY_SYMBOL = frozenset({"rna", "atac"})
_EXACT_IN_FLOAT32 = 2**24


def is_hidden(var: pd.DataFrame, layer: str, hidden: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Flag the features that are hidden after the first dose.

    Parameters
    ----------
    var
        Features: `symbol` and `uniprot` where they are known, else the index is taken as symbol. Of a metabolome,
        whatever a column ``super_pathway`` or ``class`` calls a xenobiotic is hidden: co-medication follows the drug.
    layer
        Name of the layer.
    hidden
        `blinding.hidden_features`.
    """
    names = pd.Series(var.index.astype(str), index=range(len(var)))
    symbols = var["symbol"].astype(str).set_axis(names.index) if "symbol" in var else names
    chosen = has_symbol(symbols, hidden["symbols"]) | has_symbol(names, hidden["symbols"])
    if "uniprot" in var:
        chosen |= has_symbol(var["uniprot"].astype(str).set_axis(names.index), hidden["accessions"])
    if layer not in _BY_SYMBOL and not layer.startswith("microbiome"):
        for column in (symbols, names):
            plain = column.map(bare)
            chosen |= plain.map(lambda name: any(term in name for term in hidden["terms"])).astype(bool)
        for kind in ("super_pathway", "class"):
            if kind in var:
                chosen |= var[kind].astype(str).str.lower().str.startswith("xenobiotic").set_axis(names.index)
    return chosen.to_numpy(dtype=bool)


def mask_features(data: ad.AnnData, layer: str, hidden: Mapping[str, Any] | None) -> None:
    """Make the telling features missing at visits after the first dose, in place.

    Parameters
    ----------
    data
        Libraries x features; `obs["visit_day"]`. Afterwards `X` and every layer of numbers are NaN there (counts become
        floats, for no count means "not shown"), flags are False, `var["masked"]` names the features and
        `uns["immunosep"]["masked"]` says from when on.
    layer
        Name of the layer.
    hidden
        `blinding.hidden_features`; None changes nothing.
    """
    if hidden is None:
        return
    columns = is_hidden(data.var, layer, hidden)
    rows = observation_days(data) > hidden["after_day"]
    data.var["masked"] = columns
    data.uns["immunosep"] = {
        **data.uns.get("immunosep", {}),
        "masked": {"after_day": int(hidden["after_day"]), "features": int(columns.sum()), "rows": int(rows.sum())},
    }
    if not columns.any() and not layer.startswith("microbiome"):
        logger.warning("%s: no feature is known to reveal a drug; has the matrix symbols?", layer)
    if not (columns.any() and rows.any()):
        return
    data.X = _masked(data.X, rows, columns)
    for name in list(data.layers):
        data.layers[name] = _masked(data.layers[name], rows, columns)
    logger.info(
        "%s: %d features masked in %d libraries after day %d", layer, columns.sum(), rows.sum(), hidden["after_day"]
    )


def _masked(values: Any, rows: npt.NDArray[np.bool_], columns: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    # A trial's peaks by libraries take a gigabyte: no copy but the one that makes counts floats.
    dense = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    if dense.dtype == bool:
        dense[np.ix_(rows, columns)] = False
        return dense
    if np.issubdtype(dense.dtype, np.integer):
        dense = dense.astype(np.float32 if dense.max(initial=0) <= _EXACT_IN_FLOAT32 else np.float64)
    dense[np.ix_(rows, columns)] = np.nan
    return dense


def masked_here(data: ad.AnnData) -> npt.NDArray[np.bool_]:
    """Flag the features that are missing in some row of `data` because they were masked."""
    after = data.uns.get("immunosep", {}).get("masked", {}).get("after_day")
    if after is None or not (observation_days(data) > after).any():
        return np.zeros(data.n_vars, dtype=bool)
    return flag(data.var, "masked")
