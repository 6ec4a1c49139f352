"""What a ready matrix does not say of its features: which measure the endotype, and which the drugs."""

import logging

import anndata as ad
import pandas as pd

from immunosep.blinding import bare
from immunosep.layer import TRANSCRIPTS, definer_symbols, drug_symbols, flag, has_symbol

logger = logging.getLogger(__name__)

FLAGS = ("definer", "drug_analyte")
#: Parts of the names by which laboratories and cytometers call what defines the endotype.
DEFINER_TERMS = ("ferritin", "hladr")


def flag_features(data: ad.AnnData, layer: str, gene_sets: pd.DataFrame, drug_analytes: pd.DataFrame) -> None:
    """Write `definer` and `drug_analyte` into `var`, by the features' names, where a matrix does not have them.

    Without them a feature set without definers would hold them all, and say nothing.

    Parameters
    ----------
    data
        Features with a column `symbol`, else named by symbol. A community has no such features.
    layer
        Name of the layer.
    gene_sets, drug_analytes
        The tables of these names in `resources/`.
    """
    if layer.startswith("microbiome"):
        return
    names = pd.Series(data.var.index.astype(str), index=range(data.n_vars))
    symbols = data.var["symbol"].astype(str).set_axis(names.index) if "symbol" in data.var else names
    genes = layer in TRANSCRIPTS
    found = {
        "definer": has_symbol(symbols, definer_symbols(gene_sets)),
        "drug_analyte": has_symbol(symbols, drug_symbols(drug_analytes, "transcript" if genes else "protein")),
    }
    if not genes:
        plain = [names.map(bare), symbols.map(bare)]
        found["definer"] |= pd.concat([own.str.contains(term) for own in plain for term in DEFINER_TERMS], axis=1).any(
            axis=1
        )
    for name in FLAGS:
        if name not in data.var:
            data.var[name] = found[name].to_numpy(dtype=bool)
    counts = {name: int(flag(data.var, name).sum()) for name in FLAGS}
    logger.info("%s: of %d features %d measure a definer, %d a drug", layer, data.n_vars, *counts.values())
