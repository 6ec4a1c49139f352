"""Layers join by observation, whatever their rows are called; nothing is merged or guessed."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from immunosep.errors import InputError
from immunosep.figures.embedding import read_modality
from immunosep.integration.assemble import assemble, read_h5mu, read_layer, to_observations, write_h5mu
from immunosep.integration.steps import assemble_layers


def layer(observations, suffix="rna", libraries=None, **obs):
    """A layer as its builder writes it: rows are libraries."""
    frame = pd.DataFrame(
        {
            "observation": observations,
            "participant": [name[:-4] for name in observations],
            "visit_day": [int(name[-2:]) for name in observations],
            "site": [name[:4] for name in observations],
            "country": "GR",
            **obs,
        },
        index=libraries or [f"{name}-{suffix}" for name in observations],
    )
    values = np.arange(len(observations) * 3, dtype=np.float32).reshape(-1, 3)
    return anndata.AnnData(values, obs=frame, var=pd.DataFrame(index=["a", "b", "c"]))


def test_layers_join_by_observation_with_labels(tmp_path):
    rna = to_observations(layer(["GR02-012345678-D01", "GR01-012345678-D04", "GR01-012345678-D01"]), "rna", "x")
    npx = to_observations(layer(["GR01-012345678-D01", "IT01-000000001-D01"], "proteome"), "proteome", "y")
    labels = pd.DataFrame(
        {"participant": ["GR01-012345678", "GR02-012345678"], "endotype": ["MALS", "SII"], "country": ["GR", "GR"]}
    )
    write_h5mu(assemble({"rna": rna, "proteome": npx}, labels), tmp_path / "m.h5mu")
    data = read_h5mu(tmp_path / "m.h5mu")
    assert data.obs_names.tolist() == [
        "GR01-012345678-D01",
        "GR01-012345678-D04",
        "GR02-012345678-D01",
        "IT01-000000001-D01",
    ]
    # The same code at two sites is two people; a participant without labels has empty ones.
    assert data.obs["participant"].tolist()[:3] == ["GR01-012345678", "GR01-012345678", "GR02-012345678"]
    assert data.obs["endotype"].tolist() == ["MALS", "MALS", "SII", ""]
    assert data.obs["visit_day"].tolist() == [1, 4, 1, 1]
    assert list(data.obs) == ["participant", "site", "country", "visit_day", "endotype"]
    assert data.mod["rna"].obs["library"].tolist()[1] == "GR01-012345678-D04-rna"
    # Values move with their rows: the second row of the input is the second after sorting, the first the third.
    assert np.asarray(data.mod["rna"].X)[:, 0].tolist() == [6, 3, 0]


def test_order_of_rows_and_layers_does_not_matter():
    names = ["GR01-012345678-D01", "GR02-012345678-D01", "IT01-000000001-D01"]
    first, second = layer(names), layer(names[:2], "atac")
    a = assemble({"rna": to_observations(first, "rna", ""), "atac": to_observations(second, "atac", "")})
    b = assemble(
        {
            "atac": to_observations(second[::-1].copy(), "atac", ""),
            "rna": to_observations(first[::-1].copy(), "rna", ""),
        }
    )
    pd.testing.assert_frame_equal(a.obs, b.obs)
    np.testing.assert_array_equal(a.mod["rna"].X, b.mod["rna"].X)


def test_technical_repeats_are_refused_by_name():
    data = layer(["GR01-012345678-D01", "GR01-012345678-D01"], libraries=["first", "second"])
    with pytest.raises(InputError, match="GR01-012345678-D01: first, second"):
        to_observations(data, "rna", "rna.h5ad")


def test_layers_that_disagree_are_refused():
    rna = to_observations(layer(["GR01-012345678-D01"]), "rna", "")
    npx = to_observations(layer(["GR01-012345678-D01"], "proteome"), "proteome", "")
    npx.obs["country"] = "IT"
    with pytest.raises(InputError, match="disagree about country of GR01-012345678-D01"):
        assemble({"rna": rna, "proteome": npx})


def test_no_layer_is_refused():
    with pytest.raises(InputError, match="no layer"):
        assemble({})


def test_ready_table_of_another_cohort(tmp_path):
    path = tmp_path / "proteins.tsv"
    path.write_text("id\tP1\tP2\n0012\t1.5\t\nC02-D04\t2\t3\n")
    data = read_layer(path, "proteome")["proteome"]
    assert data.obs_names.tolist() == ["0012", "C02-D04"]
    assert data.obs["participant"].tolist() == ["0012", "C02"]
    assert np.isnan(data.obs["visit_day"].iloc[0])
    assert data.obs["visit_day"].iloc[1] == 4
    assert np.isnan(data.X[0, 1])


def test_text_in_a_ready_table_is_named(tmp_path):
    path = tmp_path / "proteins.tsv"
    path.write_text("id\tP1\tP2\nA\t1,5\t2\n")
    with pytest.raises(InputError, match="P1"):
        read_layer(path, "proteome")


def test_microbiome_splits_by_body_site(tmp_path):
    observations = ["GR01-012345678-D01", "GR01-012345678-D01"]
    libraries = ["GR01-012345678-D01-16s-nares", "GR01-012345678-D01-16s-oral"]
    data = layer(observations, libraries=libraries, specimen=["nares", "oral"])
    data.write_h5ad(tmp_path / "microbiome.h5ad")
    parts = read_layer(tmp_path / "microbiome.h5ad", "microbiome")
    assert list(parts) == ["microbiome_nares", "microbiome_oral"]
    assert all(part.obs_names.tolist() == ["GR01-012345678-D01"] for part in parts.values())


def test_the_joint_file_holds_the_features_that_the_cohort_kept_and_the_layer_all(tmp_path):
    data = layer(["GR01-012345678-D01", "GR02-012345678-D01"])
    data.var["kept"] = [True, False, True]
    data.write_h5ad(tmp_path / "rna.h5ad")
    assemble_layers(
        matrices=[tmp_path / "rna.h5ad"], modalities=["rna"], labels_path=None, joined_path=tmp_path / "m.h5mu"
    )
    assert read_h5mu(tmp_path / "m.h5mu").mod["rna"].var_names.tolist() == ["a", "c"]
    assert read_layer(tmp_path / "rna.h5ad", "rna")["rna"].n_vars == 3
    assert read_modality(str(tmp_path / "rna.h5ad"), "rna").var_names.tolist() == ["a", "c"]


def test_scales_and_technical_covariates_are_kept_and_missing_layers_stay_absent(tmp_path):
    names = ["GR01-012345678-D01", "GR02-012345678-D01"]
    rna = layer(names, batch=["B1", "B2"], plate=["1", "1"], run="R1", qc_read_pairs=[10.0, 20.0])
    rna.uns["immunosep"] = {"scale": "log2 counts", "schema_version": "1"}
    rna.write_h5ad(tmp_path / "rna.h5ad")
    layer(names[:1], "flow").write_h5ad(tmp_path / "flow.h5ad")
    paths = [tmp_path / "rna.h5ad", tmp_path / "flow.h5ad"]
    assemble_layers(matrices=paths, modalities=["rna", "flow"], labels_path=None, joined_path=tmp_path / "m.h5mu")
    data = read_h5mu(tmp_path / "m.h5mu")
    assert dict(data.uns["immunosep"]["scales"]) == {"rna": "log2 counts", "flow": "as given"}
    assert data.mod["rna"].uns["immunosep"]["scale"] == "log2 counts"
    technical = data.mod["rna"].obs[["batch", "plate", "run", "qc_read_pairs"]]
    assert technical.loc["GR02-012345678-D01"].tolist() == ["B2", "1", "R1", 20.0]
    assert data.mod["flow"].n_obs == 1
    assert data.n_obs == 2
    assert data.obsm["flow"].ravel().tolist() == [True, False]


def test_counts_in_the_place_of_values_are_refused(tmp_path):
    data = layer(["GR01-000000001-D01", "GR01-000000002-D01"])
    data.layers["counts"] = np.asarray(data.X, dtype=np.int32)
    data.write_h5ad(tmp_path / "bare.h5ad")
    with pytest.raises(InputError, match=r"bare\.h5ad: X holds the counts themselves"):
        read_layer(tmp_path / "bare.h5ad", "rna")
    data.layers["counts"] = sparse.csr_matrix(data.X)
    data.X = sparse.csr_matrix(data.X)
    data.write_h5ad(tmp_path / "sparse.h5ad")
    with pytest.raises(InputError, match="X holds the counts themselves"):
        read_layer(tmp_path / "sparse.h5ad", "rna")
    data.X = np.log1p(data.layers["counts"].toarray())
    data.write_h5ad(tmp_path / "values.h5ad")
    assert read_layer(tmp_path / "values.h5ad", "rna")["rna"].n_obs == 2
    # A body site of which nothing passed has neither.
    data.layers["counts"] = np.zeros(data.shape, dtype=np.int32)
    data.X = np.zeros(data.shape, dtype=np.float32)
    data.write_h5ad(tmp_path / "empty.h5ad")
    assert read_layer(tmp_path / "empty.h5ad", "rna")["rna"].n_obs == 2
