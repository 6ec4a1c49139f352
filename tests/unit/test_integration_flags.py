"""What a ready matrix does not say of its features is told by their names."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from immunosep.integration.flags import flag_features
from immunosep.io import read_table
from support.runs import ROOT

TABLES = [read_table(ROOT / f"resources/{name}.tsv") for name in ("gene_sets", "drug_analytes")]


def flagged(layer, names, symbols=None, **flags):
    var = pd.DataFrame(flags, index=names)
    if symbols is not None:
        var["symbol"] = symbols
    data = ad.AnnData(np.ones((2, len(names))), var=var)
    flag_features(data, layer, *TABLES)
    return {kind: data.var_names[data.var[kind]].tolist() for kind in ("definer", "drug_analyte") if kind in data.var}


@pytest.mark.parametrize(
    ("layer", "definers", "drugs"),
    [
        ("rna", ["HLA-DRA", "FTH1"], ["HLA-DRA", "CXCL9"]),
        ("olink_ht", ["HLA-DRA", "FTH1", "Ferritin (serum)"], ["IL1RN"]),
    ],
)
def test_by_name_or_symbol(layer, definers, drugs):
    names = ["HLA-DRA", "TNF", "FTH1", "IL1RN", "CXCL9", "Ferritin (serum)", "FTH1P3"]
    assert flagged(layer, names) == {"definer": definers, "drug_analyte": drugs}
    numbered = {name: f"OID{at}" for at, name in enumerate(names)}
    found = flagged(layer, list(numbered.values()), symbols=names)
    assert found == {
        "definer": [numbered[name] for name in definers],
        "drug_analyte": [numbered[name] for name in drugs],
    }


def test_a_cytometers_names():
    names = ["mHLA-DR receptors per CD14+ cell", "CD4+ T cells", "HLA DR MFI"]
    assert flagged("flow", names)["definer"] == [names[0], names[2]]


def test_what_a_matrix_says_stays():
    names = ["HLA-DMA", "TNF"]
    assert flagged("rna", names, definer=[False, True])["definer"] == ["TNF"]
    assert flagged("rna", names, drug_analyte=[False, True])["drug_analyte"] == ["TNF"]
    assert flagged("microbiome_oral", names) == {}
