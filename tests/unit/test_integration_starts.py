"""Random starts: the file of a model is the model, the highest bound wins, factors are found again by their scores."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from immunosep.integration.assemble import assemble, to_observations, write_h5mu
from immunosep.integration.mofa import fit_mofa
from immunosep.integration.starts import SavedModel, best_start, read_model, stability_table, start_seed
from immunosep.integration.steps import associate_factors, choose_start, fit_start
from immunosep.io import read_table
from support.factors import OPTIONS, planted_layers, planted_views


def test_the_file_of_a_model_holds_what_the_fit_holds_in_order_and_sign(tmp_path):
    views, _ = planted_views()
    features = {name: [f"{name}:{index}" for index in range(matrix.shape[1])] for name, matrix in views.items()}
    fit = fit_mofa(views, factors=5, seed=1, features=features, save_to=tmp_path / "m.hdf5")
    saved = read_model(tmp_path / "m.hdf5")
    assert saved.views == fit.views
    assert saved.features == features
    assert saved.names == ["factor1", "factor2", "factor3"]
    np.testing.assert_array_equal(saved.factors, fit.factors)
    for name in views:
        np.testing.assert_array_equal(saved.weights[name], fit.weights[name])
    np.testing.assert_allclose(saved.variance_explained, fit.variance_explained, rtol=1e-12)
    np.testing.assert_allclose(saved.variance_total, fit.variance_total, rtol=1e-6)
    assert saved.bound == fit.bound
    # The precision of the noise is that of the same features: mofapy2 spreads it over samples.
    assert fit.variance_explained.sum(axis=0)[0] == fit.variance_explained.sum(axis=0).max()


def model(factors, bound, weights=None):
    """A model of one view whose weights are its factors' first rows, unless they are given."""
    weights = factors[:20] if weights is None else weights
    return SavedModel(
        features={"rna": [f"g{index}" for index in range(len(weights))]},
        weights={"rna": weights},
        factors=factors,
        variance_explained=np.full((1, factors.shape[1]), 0.1),
        variance_total=np.array([0.2]),
        bound=bound,
    )


def test_factors_are_found_again_whatever_their_order_and_sign():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(200, 3))
    other = model(np.column_stack([-scores[:, 2], scores[:, 0]]), -5.0)
    table = stability_table({1: model(scores, -1.0), 2: other}, best=1).set_index("factor")
    assert table.loc["factor1", ["start", "matched_factor"]].tolist() == [2, "factor2"]
    assert table.loc["factor3", "matched_factor"] == "factor1"
    assert table.loc[["factor1", "factor3"], ["r", "r_weights"]].to_numpy() == pytest.approx(1)
    # The second factor is not in the other start: what it is matched with is no nearer than chance.
    expected = np.abs(np.corrcoef(scores.T)[1, [2, 0]]).max()
    assert table.loc["factor2", "r"] == pytest.approx(expected)
    assert (table["bound"] == -5.0).all()


def test_one_start_has_no_other_to_come_back_in():
    table = stability_table({1: model(np.eye(30)[:, :2], 0.0)}, best=1)
    assert table.empty
    assert list(table) == ["factor", "start", "bound", "matched_factor", "r", "r_weights"]


def test_the_highest_bound_wins_and_the_first_of_equals():
    one = model(np.eye(30)[:, :2], -10.0)
    assert best_start({1: one, 2: replace(one, bound=-3.0), 3: replace(one, bound=-4.0)}) == 2
    assert best_start({2: one, 1: one}) == 1


def test_every_start_has_a_seed_of_its_own_that_repeats():
    seeds = [start_seed(7, start) for start in range(1, 50)]
    assert len(set(seeds)) == 49
    assert seeds[0] == start_seed(7, 1) != start_seed(8, 1)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_steps_find_the_planted_factor_in_every_start_and_write_the_same_bytes_twice(tmp_path):
    layers, labels, truth = planted_layers()
    joined = assemble({name: to_observations(data, name, name) for name, data in layers.items()}, labels)
    write_h5mu(joined, tmp_path / "m.h5mu")
    names = ("factors", "weights", "variance", "stability")
    written = []
    for run in ("one", "two"):
        folder = tmp_path / run
        starts = [folder / f"{start}.hdf5" for start in (1, 2, 3)]
        folder.mkdir()
        for number, path in enumerate(starts, start=1):
            fit_start(joined_path=tmp_path / "m.h5mu", seed=1, start=number, model_path=path, **OPTIONS)
        tables = {f"{name}_path": folder / f"{name}.tsv" for name in names}
        choose_start(joined_path=tmp_path / "m.h5mu", start_paths=starts, model_path=folder / "mofa.hdf5", **tables)
        associate_factors(
            joined_path=tmp_path / "m.h5mu",
            factors_path=folder / "factors.tsv",
            variance_path=folder / "variance.tsv",
            stability_path=folder / "stability.tsv",
            participants_path=None,
            associations_path=folder / "associations.tsv",
            summary_path=folder / "summary.tsv",
        )
        written.append({path.name: path.read_bytes() for path in folder.glob("*.tsv")})
    assert written[0] == written[1]
    summary = read_table(tmp_path / "one/summary.tsv").set_index("factor")
    scores = pd.read_csv(tmp_path / "one/factors.tsv", sep="\t").filter(like="factor")
    found = scores.corrwith(pd.Series(truth)).abs()
    assert found.max() > 0.9
    assert summary.loc[found.idxmax(), ["starts", "recovered"]].tolist() == ["2", "2"]
    assert "batch" in set(summary["flag"])
    kept = read_model(tmp_path / "one/mofa.hdf5")
    assert kept.bound == max(read_model(path).bound for path in (tmp_path / "one").glob("[123].hdf5"))
    assert read_table(tmp_path / "one/stability.tsv").columns.tolist() == [
        "factor",
        "start",
        "bound",
        "matched_factor",
        "r",
        "r_weights",
    ]
