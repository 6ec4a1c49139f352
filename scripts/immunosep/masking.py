"""Hide what reveals a drug after its first dose, in the matrices that leave a run.

One place for all layers: a layer is masked when its AnnData is written, a ready matrix before anything reads it, and
everything after that (the MuData, factors, figures, tables) sees missing values. Files inside a layer's folder from
which it is built (reads, `quant.sf`, `gene_counts.h5ad`) are as telling as the raw data and are for the same eyes only.
"""

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.blinding import bare, fold
from immunosep.errors import InputError
from immunosep.layer import flag, observation_days

logger = logging.getLogger(__name__)

# Layers whose features are genes or peaks, known by whole names; a cytokine's may stand within a longer one.
_BY_SYMBOL = frozenset({"rna", "atac"})
# Layers that always hold genes or proteins: where none can be told, the mask has nothing to go by.
_MUST_TELL = frozenset({"rna", "proteome"})
# Joint names, the version of an Ensembl id, and the mark that makes a repeated symbol unique.
_JOINTS = re.compile(r"[_;,/|]|\.\d+|-(?=ensg)")
# Signs and spaces, and the hours of a stimulation written onto a name: IFNg24h.
_GAPS = re.compile(r"[\W_]+|(?<=[a-z])(?=\d+h(?:rs?)?(?![a-z0-9]))")
_LONGEST_NAME = 8
_IDENTIFIER = re.compile(
    r"ENSG\d{11}|(?<![A-Z0-9])(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})(?![A-Z0-9])"
)
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*|C\d+orf\d+")
_EXACT_IN_FLOAT32 = 2**24


def is_hidden(var: pd.DataFrame, layer: str, hidden: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Flag the features that are hidden after the first dose.

    Parameters
    ----------
    var
        Features: known by the index and, where there are such columns, by `symbol` and `uniprot`. Of a metabolome,
        whatever a column ``super_pathway`` or ``class`` calls a xenobiotic is hidden: co-medication follows the drug.
    layer
        Name of the layer.
    hidden
        `blinding.hidden_features`.
    """
    words = frozenset(hidden["words"])
    only_whole = layer in _BY_SYMBOL or layer.startswith("microbiome")
    # Within a compound's name a gene's would mean something else: cis-3, IP-9.
    split = _parts if only_whole or layer == "metabolome" else _runs
    chosen = np.zeros(len(var), dtype=bool)
    for names in _names(var):
        chosen |= np.array([not words.isdisjoint(split(name)) for name in names], dtype=bool)
        if not only_whole:
            chosen |= np.array([any(term in name for term in hidden["terms"]) for name in map(bare, names)], dtype=bool)
    if not only_whole:
        for kind in ("super_pathway", "class"):
            if kind in var:
                chosen |= var[kind].astype(str).str.lower().str.startswith("xenobiotic").to_numpy()
    return chosen


def _names(var: pd.DataFrame) -> list[list[str]]:
    """Return all that the features are called, column by column."""
    known = [var[column] for column in ("symbol", "uniprot") if column in var]
    return [column.astype(str).tolist() for column in (var.index.to_series(), *known)]


def _parts(name: str) -> Iterator[str]:
    """Yield the names within a joint name, such as ``IL12A_IL12B``."""
    return map(bare, _JOINTS.split(fold(name)))


def _runs(name: str) -> Iterator[str]:
    """Yield every run of words in a name: of ``IL-1Ra (LPS)`` il, il1ra, il1ralps, 1ra, ..."""
    words = [word for word in _GAPS.split(fold(name)) if word]
    for start in range(len(words)):
        for end in range(start + 1, min(start + _LONGEST_NAME, len(words)) + 1):
            yield "".join(words[start:end])


def can_tell(names: Collection[str]) -> bool:
    """Whether any of the names could be a gene's symbol, a UniProt accession or an Ensembl id.

    Names that are one word and a number (``OID20049``, ``probe12``) are a series and tell nothing.
    """
    if any(map(_IDENTIFIER.search, names)):
        return True
    stems = {re.sub(r"\d+", "#", name) for name in names if _SYMBOL.fullmatch(name)}
    return len(stems) > 1 or any("#" not in stem for stem in stems)


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

    Raises
    ------
    InputError
        When there are rows to mask and nothing tells which gene or protein any feature is.
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
    if rows.any() and layer in _MUST_TELL and not columns.any():
        _refuse_untold(data.var, layer)
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


def _refuse_untold(var: pd.DataFrame, layer: str) -> None:
    if not any(map(can_tell, _names(var))):
        raise InputError(
            f'{layer}: no feature (such as "{var.index[0]}") has the name of a gene, a UniProt accession or an Ensembl '
            "gene id, so that what tells the arm after the first dose cannot be masked in this role. Name the features "
            "so, or add the columns symbol or uniprot to the var of an .h5ad."
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
