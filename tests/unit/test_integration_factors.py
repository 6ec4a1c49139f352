"""Tables around a factor model, against scipy and numbers by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunosep.errors import InputError
from immunosep.integration.assemble import assemble, to_observations
from immunosep.integration.factors import associate, cohort_views, eta_squared, observation_variables, technical_flag
from immunosep.integration.starts import fit_start, read_model
from immunosep.integration.tables import factors_table, summarise_factors, variance_table, weights_table
from support.factors import OPTIONS, planted_layers


@pytest.fixture(scope="module")
def joined():
    layers, labels, factor = planted_layers()
    return assemble({name: to_observations(data, name, name) for name, data in layers.items()}, labels), factor


@pytest.fixture(scope="module")
def trained(joined, tmp_path_factory):
    path = tmp_path_factory.mktemp("m") / "mofa.hdf5"
    fit_start(joined[0], seed=1, save_to=path, **OPTIONS)
    return read_model(path)


def test_views_keep_missing_layers_missing_and_leave_small_ones_out(joined):
    views, features = cohort_views(joined[0], max_features=20, min_features=15)
    assert list(views) == ["proteome", "rna"] or list(views) == ["rna", "proteome"]
    assert views["rna"].shape == (40, 20)
    assert np.isnan(views["proteome"][35:]).all()
    assert not np.isnan(views["proteome"][:35]).any()
    assert len(features["proteome"]) == 20


def test_no_usable_layer_is_an_input_error(joined, tmp_path):
    with pytest.raises(InputError, match="min_features"):
        fit_start(joined[0], save_to=tmp_path / "m.hdf5", seed=1, **{**OPTIONS, "min_features": 500})


def test_shared_factor_and_batch_are_found_and_associated(joined, trained):
    data, truth = joined
    table = factors_table(data, trained)
    scores = table.filter(like="factor")
    correlation = np.abs([np.corrcoef(truth, scores[name])[0, 1] for name in scores])
    assert correlation.max() > 0.9
    found = associate(scores.set_axis(data.obs_names), observation_variables(data, None), data.obs["participant"])
    batch = found[(found["variable"] == "proteome:batch")].set_index("factor")
    assert batch["effect"].max() > 0.8
    assert batch["q_value"].min() < 0.01
    assert batch.loc[batch["effect"].idxmax(), "flag"] == "batch"
    assert set(found.loc[found["kind"] == "label", "flag"]) == {""}
    best = scores.columns[correlation.argmax()]
    response = found[(found["variable"] == "response") & (found["factor"] == best)].iloc[0]
    assert (response["kind"], response["test"], response["n"]) == ("label", "kruskal", 40)
    assert response["q_value"] < 0.01
    # One value only: no test. A metric of one layer is tested on that layer's rows.
    assert not {"sofa_baseline", "response_rule"} & set(found["variable"])
    assert set(found.loc[found["variable"] == "proteome:qc_depth", "n"]) == {35}


def test_tables_hold_what_the_model_holds(joined, trained):
    data, _ = joined
    weights = weights_table(data, trained, top=3)
    first = weights[(weights["layer"] == "rna") & (weights["factor"] == "factor1")]
    own = np.abs(trained.weights["rna"][:, 0])
    assert first["feature"].iloc[0] == trained.features["rna"][own.argmax()]
    assert first["symbol"].iloc[0] == first["feature"].iloc[0].replace("rna_", "G")
    assert np.abs(first["weight"]).is_monotonic_decreasing
    variance = variance_table(trained).set_index(["layer", "factor"])["r2"]
    assert variance["rna", "factor1"] == trained.variance_explained[trained.views.index("rna"), 0]
    assert variance["proteome", "total"] == trained.variance_total[trained.views.index("proteome")]


def everyone(factors):
    """Each observation is of a participant of its own."""
    return factors.index.to_series().astype(str)


def test_visits_do_not_multiply_participants():
    # 12 participants with 20 visits each, who differ in the factor; half of them, at random, died.
    generator = np.random.default_rng(5)
    level = generator.normal(size=12)
    participants = pd.Series(np.repeat(np.arange(12), 20)).astype(str)
    factors = pd.DataFrame({"factor1": np.repeat(level, 20) + 0.1 * generator.normal(size=240)})
    day = np.tile(np.arange(20), 12)
    variables = pd.DataFrame({"label|died": np.repeat(np.arange(12) % 2, 20).astype(str), "technical|visit_day": day})
    variables.loc[0, "label|died"] = ""
    table = associate(factors, variables, participants).set_index("variable")
    means = factors["factor1"].where(variables["label|died"] != "").groupby(np.repeat(np.arange(12), 20)).mean()
    rho, p = stats.spearmanr(means, np.arange(12) % 2)
    assert table.loc["died", ["unit", "n"]].tolist() == ["participant", 12]
    assert table.loc["died", "effect"] == pytest.approx(rho)
    assert table.loc["died", "p_value"] == pytest.approx(p)
    assert table.loc["visit_day", ["unit", "n"]].tolist() == ["observation", 240]
    # A MuData holds participants as categories; one of whom nothing is known is not among those tested.
    variables.loc[participants == "3", "label|died"] = ""
    table = associate(factors, variables, participants.astype("category")).set_index("variable")
    assert table.loc["died", ["unit", "n"]].tolist() == ["participant", 11]


def test_associations_are_scipys_and_benjamini_hochbergs():
    generator = np.random.default_rng(0)
    factors = pd.DataFrame({"factor1": generator.normal(size=30), "factor2": generator.normal(size=30)})
    age = factors["factor1"] + generator.normal(size=30)
    group = pd.Series(np.repeat(["a", "b", "c"], 10))
    variables = pd.DataFrame({"clinical|age": age.astype(str), "technical|batch": group})
    variables.loc[3, "clinical|age"] = ""
    table = associate(factors, variables, everyone(factors)).set_index(["variable", "factor"])
    known = np.arange(30) != 3
    rho, p = stats.spearmanr(factors["factor1"][known], age[known])
    assert table.loc[("age", "factor1"), "effect"] == pytest.approx(rho)
    assert table.loc[("age", "factor1"), "p_value"] == pytest.approx(p)
    assert table.loc[("age", "factor1"), "n"] == 29
    parts = [factors["factor2"][group == level] for level in "abc"]
    assert table.loc[("batch", "factor2"), "p_value"] == pytest.approx(stats.kruskal(*parts).pvalue)
    ordered = np.sort(table["p_value"])
    by_hand = np.minimum.accumulate((ordered * 4 / np.arange(1, 5))[::-1])[::-1]
    np.testing.assert_allclose(np.sort(table["q_value"]), np.sort(np.minimum(by_hand, 1)))


def test_plates_with_numbers_for_names_are_categories():
    factors = pd.DataFrame({"factor1": np.tile([0.0, 5.0, 0.1], 6) + np.arange(18) / 100})
    plates = pd.DataFrame({"technical|rna:plate": np.tile(["1", "2", "3"], 6)})
    row = associate(factors, plates, everyone(factors)).iloc[0]
    assert (row["test"], row["groups"]) == ("kruskal", 3)
    assert row["effect"] > 0.9


def test_a_constant_factor_is_not_tested():
    factors = pd.DataFrame({"factor1": np.zeros(12), "factor2": np.arange(12.0)})
    variables = pd.DataFrame({"technical|rna:qc_depth": np.arange(12.0), "technical|rna:batch": ["a", "b"] * 6})
    table = associate(factors, variables, everyone(factors))
    assert set(table["factor"]) == {"factor2"}
    assert table["q_value"].notna().all()


def test_drug_analytes_stay_out_of_the_factors(joined):
    layers = {name: layer.copy() for name, layer in joined[0].mod.items()}
    layers["proteome"].var["drug_analyte"] = [True] * 3 + [False] * 27
    views, features = cohort_views(assemble(layers), max_features=50, min_features=15)
    assert features["proteome"] == [f"proteome_{index}" for index in range(3, 30)]
    np.testing.assert_array_equal(views["proteome"][:35], layers["proteome"].X[:, 3:])


def test_eta_squared_by_hand():
    # Groups 1,3 and 5,7: mean 4, between 4*4 = 16, total 9+1+1+9 = 20.
    assert eta_squared(np.array([1.0, 3, 5, 7]), ["a", "a", "b", "b"]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("variable", "flag"),
    [
        ("rna:qc_read_pairs", "depth"),
        ("rna:qc_assigned_fragments", "depth"),
        ("rna:size_factor", "depth"),
        ("atac:qc_fragments", "depth"),
        ("microbiome_oral:qc_reads", "depth"),
        ("rna:qc_mapped_fraction", "quality"),
        ("proteome:plate", "plate"),
        ("rna:run", "run"),
        ("site", ""),
        ("visit_day", ""),
    ],
)
def test_technical_variables_are_told_apart(variable, flag):
    assert technical_flag(variable) == flag


def test_a_factor_that_is_sequencing_depth_is_flagged_and_summed_up(caplog):
    generator = np.random.default_rng(3)
    depth = generator.normal(size=60)
    factors = pd.DataFrame({"factor1": depth + 0.1 * generator.normal(size=60), "factor2": generator.normal(size=60)})
    variables = pd.DataFrame({"technical|rna:qc_read_pairs": depth, "clinical|age_years": depth})
    found = associate(factors, variables, everyone(factors))
    flags = found.set_index(["variable", "factor"])["flag"]
    assert flags["rna:qc_read_pairs", "factor1"] == "depth"
    assert (flags.drop(("rna:qc_read_pairs", "factor1")) == "").all()  # age is as close, and no fault of the laboratory
    assert "factor1 is depth: rna:qc_read_pairs" in caplog.text
    variance = pd.DataFrame(
        [("rna", "factor1", 0.2), ("rna", "factor2", 0.01), ("atac", "factor2", 0.1), ("rna", "total", 0.2)],
        columns=["layer", "factor", "r2"],
    )
    rows = [("factor1", 2, 0.0, "factor1", 0.99, 0.9), ("factor1", 3, 0.0, "factor2", 0.95, 0.9)]
    rows += [("factor2", 2, 0.0, "factor2", 0.4, 0.3), ("factor2", 3, 0.0, "factor1", 0.92, 0.8)]
    stability = pd.DataFrame(rows, columns=["factor", "start", "bound", "matched_factor", "r", "r_weights"])
    summary = summarise_factors(variance, stability, found).set_index("factor")
    assert summary.loc["factor1", ["layer", "starts", "recovered", "flag", "follows"]].tolist() == [
        "rna",
        2,
        2,
        "depth",
        "rna:qc_read_pairs",
    ]
    assert summary.loc["factor1", "stability"] == pytest.approx(0.97)
    assert summary.loc["factor2", ["layer", "recovered", "lowest", "flag"]].tolist() == ["atac", 1, 0.4, ""]
    alone = summarise_factors(variance, stability.iloc[:0], found).set_index("factor")
    assert alone["starts"].tolist() == [0, 0]
    assert alone["stability"].isna().all()
