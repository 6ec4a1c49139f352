"""The full-size trial: sizes, keys, missing layers, and planted structure that can be found again."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from immunosep.io import read_h5ad
from immunosep.simulate import matrices
from immunosep.simulate.matrices import LAYERS, Layer, rank_auroc, simulate_matrices


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Sixty participants and small layers."""
    out = tmp_path_factory.mktemp("matrices")
    small = tuple(
        Layer(
            own.name, min(own.features, 400), own.share, own.specimen, {k: min(v, 40) for k, v in own.planted.items()}
        )
        for own in LAYERS
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "LAYERS", small)
        simulate_matrices(out, 60, seed=3)
    return out


def table(path):
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def test_full_size_plan():
    sizes = {layer.name: layer.features for layer in LAYERS}
    assert sizes == {
        "rna": 20_000, "atac": 100_000, "proteome": 3_000, "microbiome_nares": 500, "microbiome_oral": 500,
        "microbiome_rectum": 500,
    }  # fmt: skip
    planted = [layer.planted["endotype_score"] for layer in LAYERS[:3]]
    assert planted == [60, 200, 20]


def test_tables(trial):
    scores = table(trial / "truth/scores.tsv")
    assert len(scores) == 60 * 8
    labels = table(trial / "labels.tsv")
    assert labels["participant"].is_unique
    assert (labels.loc[labels["sofa_response"] != "", "sofa_baseline"] != "").all()
    assert {"participants.tsv", "visits.tsv"} == {path.name for path in (trial / "clinical").iterdir()}


@pytest.mark.parametrize("layer", [layer.name for layer in LAYERS])
def test_layer(trial, layer):
    data = read_h5ad(trial / f"{layer}.h5ad")
    keys = {"site", "country", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "batch",
            "plate", "well", "participant", "observation", "qc_verdict"}  # fmt: skip
    assert keys <= set(data.obs)
    assert data.X.dtype == np.float32
    assert np.isfinite(data.X).all()
    assert data.obs_names.is_unique
    assert not data.obs.duplicated("observation").any()
    assert data.uns["immunosep"]["layer"] == layer
    people = table(trial / "clinical/participants.tsv")
    died = people[people["death_day"] != ""]
    day = dict(zip(died["site"] + "-" + died["participant_code"], died["death_day"].astype(int), strict=True))
    assert all(
        visit <= day.get(name, 999) for name, visit in zip(data.obs["participant"], data.obs["visit_day"], strict=True)
    )
    assert not data.obs.duplicated(["plate", "well"]).any()


def test_fewer_are_sampled_later(trial):
    days = read_h5ad(trial / "rna.h5ad").obs["visit_day"].value_counts()
    assert days[1] > days[15] > 0
    assert days[15] > days[90]


def test_loadings_are_found_again(trial):
    data = read_h5ad(trial / "rna.h5ad")
    scores = pd.read_csv(trial / "truth/scores.tsv", sep="\t", index_col=0).loc[data.obs["observation"]]
    planted = pd.read_csv(trial / "truth/effects.tsv", sep="\t").query("layer == 'rna'")
    names = list(matrices.SCORES)
    predictors = np.c_[np.ones(len(data)), scores[names]]
    found = np.linalg.lstsq(predictors, data.X, rcond=None)[0][1:]
    truth = planted.pivot(index="kind", columns="feature", values="size").reindex(index=names, columns=data.var_names)
    truth = truth.fillna(0.0).to_numpy()
    for row in (0, 1, 2):
        assert np.corrcoef(found[row], truth[row])[0, 1] > 0.85


def test_drug_moves_its_own_assay(trial):
    data = read_h5ad(trial / "proteome.h5ad")
    scores = pd.read_csv(trial / "truth/scores.tsv", sep="\t", index_col=0).loc[data.obs["observation"]]
    value = data[:, data.var["symbol"] == "IL1RN"].X.ravel()
    assert data.var.loc[data.var["drug_analyte"], "symbol"].tolist() == ["IL1RN", "IFNG"]
    # Five SD of noise per unit of the response, which is 1 on average.
    slope, error = scipy.stats.linregress(scores["anakinra"], value)[0::4]
    assert slope == pytest.approx(5, abs=4 * error)
    assert error < 0.5


def test_drugs_move_the_genes_of_their_response():
    layer = LAYERS[0]
    var = matrices.feature_table(layer, seed=3)
    loadings = pd.DataFrame(matrices.draw_loadings(layer, var, seed=3).T, index=var["symbol"], columns=matrices.SCORES)
    assert (loadings.loc[["GBP1", "CXCL10", "HLA-DRA"], "interferon_gamma"] >= matrices.ARM_EFFECT[0]).all()
    assert (loadings.loc[["S100A8", "IL1R2"], "anakinra"] <= -matrices.ARM_EFFECT[0]).all()


def test_bayes_rate_is_the_auroc_of_the_score(trial):
    bayes = pd.read_csv(trial / "truth/bayes.tsv", sep="\t").set_index("task")
    scores = pd.read_csv(trial / "truth/scores.tsv", sep="\t").query("visit_day == 1").set_index("participant")
    labels = table(trial / "labels.tsv").set_index("participant").loc[scores.index]
    expected = roc_auc_score(labels["endotype"] == "MALS", scores["endotype_score"])
    assert bayes.at["endotype", "auroc"] == pytest.approx(expected, abs=1e-5)
    expected = roc_auc_score(labels["sofa_response"] == "response", -scores["factor1"])
    assert bayes.at["sofa_response", "auroc"] == pytest.approx(expected, abs=1e-5)
    assert 0.85 < bayes.at["endotype", "auroc"] < 1


def test_rank_auroc_by_hand():
    assert rank_auroc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])) == 0.75
    assert np.isnan(rank_auroc(np.array([1.0]), np.array([True])))


def test_same_seed_same_matrix(trial, tmp_path):
    layer = Layer("rna", 50, 0.8, "whole_blood", dict.fromkeys(matrices.SCORES, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "LAYERS", (layer,))
        for name in ("a", "b"):
            simulate_matrices(tmp_path / name, 12, seed=5)
    first, second = (read_h5ad(tmp_path / name / "rna.h5ad") for name in ("a", "b"))
    np.testing.assert_array_equal(first.X, second.X)
    assert (tmp_path / "a/labels.tsv").read_bytes() == (tmp_path / "b/labels.tsv").read_bytes()
