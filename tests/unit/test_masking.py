"""What tells the arm is hidden after the first dose: these features, these visits, these roles, and nothing else."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from immunosep.biomarkers.features import omics_predictors
from immunosep.blinding import bare, hidden_features
from immunosep.config import check_config, defaults
from immunosep.errors import InputError
from immunosep.figures.embedding import tabulate_pca
from immunosep.integration.assemble import assemble, read_layer
from immunosep.integration.factors import cohort_views
from immunosep.integration.steps import admit_matrix
from immunosep.io import read_table
from immunosep.masking import can_tell, is_hidden, mask_features, masked_here
from immunosep.sealed import SHUFFLED, append_record, read_record
from support.runs import ROOT
from support.trial import FIRST, SECOND, Trial

HIDDEN = hidden_features(defaults())
SYMBOLS = ["ACTB", "GBP1", "S100A12", "IFNG", "TNF", "HLA-DRA"]
TELLING = np.array([False, True, True, True, False, True])
DAYS = (1, 1, 4, 4, 15, 15)
LATER = np.array(DAYS) > 1


def layer(rng, counts=True):
    """Return six observations of six genes: day 1, 4 and 15 of two participants."""
    names = [f"GR03-{code}-D{day:02d}" for day in (1, 4, 15) for code in ("012345678", "987654321")]
    obs = pd.DataFrame({"observation": names, "participant": [n[:-4] for n in names], "visit_day": DAYS}, index=names)
    obs["batch"] = "B1"
    var = pd.DataFrame({"symbol": SYMBOLS, "drug_analyte": False}, index=[f"ENSG{i}" for i in range(6)])
    values = rng.normal(size=(6, 6)).astype(np.float32)
    layers = {"counts": rng.integers(1, 99, (6, 6), dtype=np.int32)} if counts else {}
    layers["below_lod"] = rng.random((6, 6)) < 0.5
    return ad.AnnData(values, obs=obs, var=var, layers=layers, uns={"immunosep": {"layer": "rna"}})


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_masking_changes_the_telling_features_at_later_visits_and_nothing_else(rng):
    data = layer(rng)
    before = data.copy()
    mask_features(data, "rna", HIDDEN)
    gone = np.outer(LATER, TELLING)
    for after, old in ((data.X, before.X), (data.layers["counts"], before.layers["counts"])):
        assert np.isnan(after[gone]).all()
        np.testing.assert_array_equal(after[~gone], old[~gone])
    assert not data.layers["below_lod"][gone].any()
    np.testing.assert_array_equal(data.layers["below_lod"][~gone], before.layers["below_lod"][~gone])
    pd.testing.assert_frame_equal(data.obs, before.obs)
    pd.testing.assert_frame_equal(data.var.drop(columns="masked"), before.var)
    assert data.var["masked"].tolist() == TELLING.tolist()
    assert data.uns["immunosep"] == {"layer": "rna", "masked": {"after_day": 1, "features": 4, "rows": 4}}


def test_without_a_mask_nothing_changes(rng):
    data = layer(rng)
    before = data.copy()
    mask_features(data, "rna", None)
    np.testing.assert_array_equal(data.X, before.X)
    assert data.layers["counts"].dtype == np.int32
    assert "masked" not in data.var
    assert not masked_here(data).any()


def test_large_counts_stay_exact(rng):
    data = layer(rng)
    data.layers["counts"][0, 0] = 2**24 + 1
    mask_features(data, "rna", HIDDEN)
    assert data.layers["counts"][0, 0] == 2**24 + 1


def test_what_every_list_names_is_hidden():
    words = set(HIDDEN["words"])
    analytes = read_table(ROOT / "resources/drug_analytes.tsv")
    sets = read_table(ROOT / "resources/gene_sets.tsv").set_index("gene_set")["symbol"]
    genes = {
        *analytes.loc[analytes["kind"].isin(["protein", "transcript"]), "symbol"],
        *sets["IFNG_response"],
        *sets["IL1_response"],
    }
    assert set(map(bare, genes)) <= words
    known = read_table(ROOT / "resources/protein_accessions.tsv").set_index("symbol")
    assert known.loc[sorted(genes), "uniprot"].ne("").all()
    assert known.loc[sorted(genes), "ensembl"].str.fullmatch(r"ENSG\d{11}").all()
    assert {"p18510", "p01579", "q07325", "ensg00000111537"} <= words
    assert "p02794" not in words  # ferritin: not a drug's
    assert HIDDEN["after_day"] == 1


def flagged(names, name="metabolome", **columns):
    return [
        n for n, told in zip(names, is_hidden(pd.DataFrame(columns, index=names), name, HIDDEN), strict=True) if told
    ]


def test_features_are_known_by_symbol_accession_and_name():
    assert flagged(
        ["OID1", "OID2", "OID3"], "proteome", symbol=["IL-1ra", "IL6", "CXCL9"], uniprot=["P18510", "P05231", ""]
    ) == [
        "OID1",
        "OID3",
    ]
    assert flagged(["p1", "p2"], "atac", symbol=["GBP1", "ACTB"]) == ["p1"]
    compounds = ["4-acetamidophenol sulfate", "Paracetamol glucuronide", "L-Kynurenine", "leucine", "Caffeine"]
    assert flagged(compounds) == compounds[:3]
    classes = ["", "", "", "Amino acid", "Xenobiotics"]
    assert flagged(compounds, super_pathway=classes) == [*compounds[:3], "Caffeine"]
    cytokines = ["LPS_24h_IL-1Ra", "PHA_IFNg", "LPS_24h_TNF"]
    assert flagged(cytokines, "cytokine") == cytokines[:2]
    assert flagged(["monocytes HLA-DR", "neutrophils"], "flow") == ["monocytes HLA-DR"]
    assert flagged(["ENSG1", "ENSG2"], "rna", symbol=["KYNU", "ACTB"]) == []


@pytest.mark.parametrize(
    "name",
    ["IFN-γ", "IFNγ_LPS", "Interferon-γ", "IFN-ᵞ", "interferon gamma", "IFNy", "IFNg24h", "IP-10", "CXCL10/IP-10",
     "MIG", "IL1 receptor antagonist", "Interleukin-1 receptor antagonist protein", "IL-1RA", "IL1RA_HUMAN",
     "EN-RAGE", "FcγRI", "CD64", "P18510", "P01579-1", "sp|P01579|IFNG_HUMAN", "P18510;P05231",
     "Indoleamine 2,3-dioxygenase 1"],
)  # fmt: skip
def test_ordinary_spellings_of_a_protein_are_hidden(name):
    assert flagged([name, "TNF"], "proteome") == [name]
    assert flagged([name, "TNF"], "cytokine") == [name]
    assert flagged(["OID1", "OID2"], "proteome", symbol=[name, "TNF"]) == ["OID1"]


@pytest.mark.parametrize(
    "name",
    ["ENSG00000111537", "ENSG00000111537.4", "ENSG00000136689_IL1RN", "GBP2-ENSG00000162645", "MIG", "IFN-γ", "gbp1",
     "HLA-DRA.1"],
)  # fmt: skip
def test_genes_are_known_by_identifier_and_by_older_names(name):
    assert flagged([name, "ENSG00000075624"], "rna") == [name]


@pytest.mark.parametrize(
    ("layer_name", "names"),
    [
        ("proteome", ["MIGR1", "IL1RAP", "IFNGR1", "IFN-alpha", "IFN-β", "IL-1β", "IL-1α", "CXCL1", "IP-100"]),
        ("rna", ["IFNG-AS1", "MIGA1", "IFNGR2", "IL1RAPL1", "ENSG00000075624"]),
        ("metabolome", ["cis-3-methylglutaconate", "IP-9 sulfate", "leucine"]),
    ],
)
def test_names_that_only_begin_alike_are_shown(layer_name, names):
    assert flagged(names, layer_name) == []


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["OID20049", "OID20050"], False),
        (["1007_s_at", "AFFX-BioB-5_at"], False),
        (["seq.10000.28", "seq.10001.7"], False),
        (["ENST00000229135", "ENST00000229136"], False),
        (["NM_000619", "3458"], False),
        (["IL6", "TNFSF10"], True),
        (["ACTB"], True),
        (["P05231;P01375"], True),
        (["ENSG00000075624.17"], True),
    ],
)
def test_series_of_numbers_tell_no_gene(names, told):
    assert can_tell(names) is told


@pytest.mark.parametrize("name", ["rna", "proteome"])
def test_a_matrix_that_tells_no_gene_is_refused_where_something_is_to_be_masked(rng, name):
    data = layer(rng)
    data.var = pd.DataFrame(index=[f"OID{i}" for i in range(6)])
    baseline = data[:2].copy()
    mask_features(baseline, name, HIDDEN)
    with pytest.raises(InputError, match=r'no feature \(such as "OID0"\).*add the columns symbol or uniprot'):
        mask_features(data, name, HIDDEN)
    data.var["uniprot"] = ["P05231", "P01375", "", "", "", "P18510"]
    mask_features(data, name, HIDDEN)
    assert data.var["masked"].tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("role", "labels", "masked"),
    [("blinded", None, True), ("endotype", None, True), ("unblinded", None, False), ("blinded", "labels.tsv", False)],
)
def test_only_the_unblinded_role_lifts_the_mask(tmp_path, role, labels, masked):
    trial = Trial(tmp_path / "trial")
    config = check_config({"role": role, "sealed": trial.config["sealed"], "clinical": {"labels": labels}})
    assert (hidden_features(config) is not None) is masked


def test_shuffled_labels_do_not_lift_the_mask(tmp_path):
    trial = Trial(tmp_path / "trial")
    trial.classification = [FIRST, SECOND]
    trial.allocation = [FIRST | {"arm": "active"}, SECOND | {"arm": "placebo"}]
    trial.config["role"] = "unblinded"
    trial.unseal()
    config = check_config({"role": "unblinded", "sealed": trial.config["sealed"]})
    assert hidden_features(config) is None
    record = trial.config["sealed"]["record"]
    append_record(record, [read_record(record)[0]._replace(content=SHUFFLED)])
    assert hidden_features(config) == HIDDEN


def test_a_set_that_is_not_there():
    with pytest.raises(InputError, match=r"blinding\.gene_sets: IFN is not in"):
        hidden_features(check_config({"blinding": {"gene_sets": ["IFN"]}}))
    more = hidden_features(check_config({"blinding": {"gene_sets": [], "features": ["TNF", "ibuprofen"]}}))
    assert {"tnf", "ifng"} <= set(more["words"])
    assert "ibuprofen" in more["terms"]


def admit(folder, name, hidden=HIDDEN, participants=None):
    admit_matrix(
        matrix=folder / name,
        layer="rna",
        hidden=hidden,
        participants_path=participants,
        gene_sets_path=ROOT / "resources/gene_sets.tsv",
        drug_analytes_path=ROOT / "resources/drug_analytes.tsv",
        admitted_path=folder / "admitted.h5ad",
        left_out_path=folder / "left_out.tsv",
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_a_ready_matrix_carries_nothing_unmasked_along(tmp_path, rng, sparse):
    data = layer(rng)
    data.obs = data.obs[[]]
    if sparse:
        data.X = scipy.sparse.csr_matrix(data.X)
        data.layers["counts"] = scipy.sparse.csr_matrix(data.layers["counts"])
    data.raw = data
    data.obsm["X_pca"] = np.ones((6, 2))
    data.uns["markers"] = "GBP1"
    data.write_h5ad(tmp_path / "ready.h5ad")
    admit(tmp_path, "ready.h5ad")
    written = ad.read_h5ad(tmp_path / "admitted.h5ad")
    assert np.isnan(written.X).sum() == np.outer(LATER, TELLING).sum()
    assert written.raw is None
    assert not written.obsm
    assert set(written.uns) == {"immunosep"}


def test_a_table_is_masked_as_well(tmp_path, caplog):
    (tmp_path / "x.tsv").write_text("id\tGBP1\tTNF\nGR03-012345678-D01\t1\t2\nGR03-012345678-D04\t3\t4\n")
    admit(tmp_path, "x.tsv")
    np.testing.assert_array_equal(ad.read_h5ad(tmp_path / "admitted.h5ad").X, [[1, 2], [np.nan, 4]])
    (tmp_path / "y.tsv").write_text("id\tACTB\nGR03-012345678-D04\t3\n")
    admit(tmp_path, "y.tsv")
    assert "has the matrix symbols?" in caplog.text


def test_predictors_of_day_one_are_whole_and_later_ones_leave_the_masked_out(rng):
    data = layer(rng)
    plain = omics_predictors({"rna": data}, [1], {})["rna"]
    mask_features(data, "rna", HIDDEN)
    masked = omics_predictors({"rna": data}, [1], {})["rna"]
    np.testing.assert_array_equal(masked.values, plain.values)
    np.testing.assert_array_equal(masked.usable, plain.usable)
    later = omics_predictors({"rna": data}, [1, 4], {})["rna"]
    assert later.usable.tolist() == (~TELLING).tolist()
    assert np.isfinite(later.values).all()


def test_factors_and_components_copes_with_what_is_masked_and_does_not_draw_it(tmp_path, rng):
    data = layer(rng)
    mask_features(data, "rna", HIDDEN)
    data.write_h5ad(tmp_path / "rna.h5ad")
    joined = assemble(read_layer(tmp_path / "rna.h5ad", "rna"))
    views, features = cohort_views(joined, max_features=10, min_features=2)
    assert features == {"rna": ["ENSG0", "ENSG4"]}
    assert np.isfinite(views["rna"]).all()
    table = tabulate_pca(data, None, None, layer="rna", label_columns=[], seed=1, max_features=10, min_group=1)
    assert table.empty or table["features"].max() <= 2


def test_a_table_without_features_hides_none():
    for name in ("rna", "proteome"):
        assert is_hidden(pd.DataFrame(index=pd.Index([], dtype=str)), name, HIDDEN).tolist() == []
