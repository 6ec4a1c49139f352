"""Enrichment of weights: the ordinary rank sum is scipy's, correlated sets keep their level, planted sets are found."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunosep.integration.assemble import assemble, to_observations
from immunosep.integration.enrichment import enrich, mean_correlation, rank_sum, standard_columns
from immunosep.integration.starts import fit_start, read_model
from support.factors import OPTIONS


@pytest.mark.parametrize("ties", [False, True])
def test_without_correlation_it_is_mann_and_whitneys_test(ties):
    generator = np.random.default_rng(1)
    for _ in range(5):
        values = generator.normal(size=80).round(1) if ties else generator.normal(size=80)
        members = generator.random(80) < 0.25
        auc, z, p = rank_sum(values, members, 0.0)
        expected = stats.mannwhitneyu(values[members], values[~members], method="asymptotic")
        assert p == pytest.approx(expected.pvalue, rel=1e-10)
        assert auc == pytest.approx(expected.statistic / (members.sum() * (~members).sum()))
        assert np.sign(z) == np.sign(auc - 0.5)


def test_the_variance_is_that_of_correlated_members():
    """Drawn 20,000 times: members share a part of their variance, all have the same distribution."""
    generator = np.random.default_rng(2)
    draws, n1, n2, rho = 20_000, 12, 60, 0.3
    members = np.arange(n1 + n2) < n1
    shared = np.sqrt(rho) * generator.normal(size=(draws, 1))
    first = shared + np.sqrt(1 - rho) * generator.normal(size=(draws, n1))
    values = np.hstack([first, generator.normal(size=(draws, n2))])
    tested = [rank_sum(row, members, rho) for row in values]
    assert np.std([z for _, z, _ in tested]) == pytest.approx(1, abs=0.03)
    assert np.mean([p < 0.05 for _, _, p in tested]) == pytest.approx(0.05, abs=0.01)
    # Taking the members for independent would find a set in one of three draws of nothing.
    assert np.mean([rank_sum(row, members, 0.0)[2] < 0.05 for row in values[:2000]]) > 0.25


def test_mean_correlation_is_that_of_all_pairs():
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(50, 6)) + generator.normal(size=(50, 1))
    pairs = np.corrcoef(matrix.T)[np.triu_indices(6, 1)]
    assert mean_correlation(standard_columns(matrix)) == pytest.approx(pairs.mean())
    matrix[:5, 0] = np.nan
    matrix = np.column_stack([matrix, np.full(50, 3.0)])
    standard = standard_columns(matrix)
    assert (standard[:5, 0] == 0).all()
    assert (standard[:, 6] == 0).all()
    assert standard[5:, 0].std() == pytest.approx(1)


@pytest.fixture(scope="module")
def enriched(tmp_path_factory):
    """A factor on the ten members of the set UP and, negative, on DOWN; MODULE moves by a cause of its own."""
    generator = np.random.default_rng(4)
    names = [f"GR01-{index:09d}-D01" for index in range(120)]
    factor, other = generator.normal(size=(2, 120))
    symbols = [
        f"{prefix}{index}" for prefix, size in (("U", 10), ("D", 10), ("M", 10), ("X", 70)) for index in range(size)
    ]
    effect = np.repeat([1.2, -1.2, 0.0, 0.0], [10, 10, 10, 70]) + 0.2 * generator.normal(size=100)
    values = factor[:, None] * effect + generator.normal(size=(120, 100)) + 5
    values[:, 20:30] += 1.5 * other[:, None]
    obs = pd.DataFrame({"observation": names}, index=[f"{name}-rna" for name in names])
    layer = anndata.AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame({"symbol": symbols}, index=symbols))
    data = assemble({"rna": to_observations(layer, "rna", "rna")})
    path = tmp_path_factory.mktemp("enrichment") / "m.hdf5"
    fit_start(data, seed=1, save_to=path, **{**OPTIONS, "max_features": 100})
    sets = [("S", "up", "U", 10), ("S", "down", "D", 10), ("MODULE", "up", "M", 10), ("FEW", "up", "X", 4)]
    rows = [(name, direction, f"{p}{index}") for name, direction, p, size in sets for index in range(size)]
    gene_sets = pd.DataFrame(rows, columns=["gene_set", "direction", "symbol"])
    model = read_model(path)
    closest = np.abs(np.corrcoef(factor, model.factors.T)[0, 1:]).argmax()
    return enrich(data, model, gene_sets), model.names[closest], model, data, gene_sets


def test_planted_sets_are_found_with_their_sign_and_a_module_of_another_cause_is_not(enriched):
    table, factor, _, data, _ = enriched
    own = table[table["factor"] == factor].set_index(["gene_set", "direction"])
    assert set(own.index) == {("S", "up"), ("S", "down"), ("MODULE", "up")}  # FEW has four members
    assert (own.loc[[("S", "up"), ("S", "down")], "q_value"] < 0.001).all()
    assert own.loc[("S", "up"), "statistic"] * own.loc[("S", "down"), "statistic"] < 0
    assert own.loc[("MODULE", "up"), "q_value"] > 0.05
    # The factor's own members are no longer correlated without it; the module, whose cause is another, still is.
    assert own.loc[("S", "up"), "correlation"] < 0.1
    expected = np.corrcoef(np.asarray(data.mod["rna"].X)[:, 20:30].T)[np.triu_indices(10, 1)].mean()
    assert own.loc[("MODULE", "up"), "correlation"] == pytest.approx(expected, abs=0.03)
    assert own["n"].tolist() == [10, 10, 10]


def test_the_statistic_is_that_of_the_weights_and_q_is_benjamini_hochbergs(enriched):
    table, factor, model, _, _ = enriched
    row = table[(table["factor"] == factor) & (table["direction"] == "down")].iloc[0]
    weights = model.weights["rna"][:, model.names.index(factor)]
    members = np.array([name.startswith("D") for name in model.features["rna"]])
    assert row["auc"] == pytest.approx(np.mean(weights[members][:, None] > weights[~members][None, :]))
    np.testing.assert_allclose(table["q_value"], stats.false_discovery_control(table["p_value"]))


def test_layers_without_symbols_and_sets_without_members_give_an_empty_table(enriched):
    _, _, model, data, gene_sets = enriched
    assert enrich(data, model, gene_sets.assign(symbol="none")).columns[-1] == "q_value"
    bare = assemble({"rna": data.mod["rna"].copy()})
    bare.mod["rna"].var = bare.mod["rna"].var.drop(columns="symbol")
    assert enrich(bare, model, gene_sets).empty
