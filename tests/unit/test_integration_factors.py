"""Tables around a factor model, against scipy and numbers by hand."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunosep.errors import InputError
from immunosep.integration.assemble import assemble, to_observations, write_h5mu
from immunosep.integration.factors import (
    associate,
    cohort_views,
    eta_squared,
    factors_table,
    fit_cohort,
    observation_variables,
    variance_table,
    weights_table,
)
from immunosep.integration.steps import associate_factors, fit_factors

OPTIONS = {
    "factors": 4,
    "max_features": 50,
    "min_features": 15,
    "iterations": 500,
    "convergence": "fast",
    "drop_r2": 0.01,
    "seed": 1,
}


@pytest.fixture(scope="module")
def joined():
    """Forty participants; one factor shared by two layers, a batch that shifts the second; a layer of five features."""
    generator = np.random.default_rng(1)
    names = [f"GR01-{index:09d}-D01" for index in range(40)]
    factor, batch = generator.normal(size=40), np.arange(40) % 2
    modalities = {}
    for name, size, rows in (("rna", 60, 40), ("proteome", 30, 35), ("flow", 5, 40)):
        values = generator.normal(size=(rows, size))
        values[:, :15] += 1.5 * factor[:rows, None]
        if name == "proteome":
            values[:, 15:] += 2.0 * batch[:rows, None]
        obs = pd.DataFrame(
            {"observation": names[:rows], "site": "GR01", "country": "GR", "batch": np.where(batch[:rows], "b1", "b2")},
            index=[f"{n}-{name}" for n in names[:rows]],
        )
        obs["qc_depth"] = np.arange(rows, dtype=float)
        var = pd.DataFrame({"symbol": [f"G{i}" for i in range(size)]}, index=[f"{name}_{i}" for i in range(size)])
        modalities[name] = to_observations(anndata.AnnData(values.astype(np.float32), obs=obs, var=var), name, name)
    labels = pd.DataFrame(
        {
            "participant": [n[:-4] for n in names],
            "response": np.where(factor > 0, "yes", "no"),
            "sofa_baseline": "9",
            "response_rule": names,
        }
    )
    return assemble(modalities, labels), factor


@pytest.fixture(scope="module")
def trained(joined, tmp_path_factory):
    return fit_cohort(joined[0], save_to=tmp_path_factory.mktemp("m") / "mofa.hdf5", **OPTIONS)


def test_views_keep_missing_layers_missing_and_leave_small_ones_out(joined):
    views, features = cohort_views(joined[0], max_features=20, min_features=15)
    assert list(views) == ["proteome", "rna"] or list(views) == ["rna", "proteome"]
    assert views["rna"].shape == (40, 20)
    assert np.isnan(views["proteome"][35:]).all()
    assert not np.isnan(views["proteome"][:35]).any()
    assert len(features["proteome"]) == 20


def test_no_usable_layer_is_an_input_error(joined, tmp_path):
    with pytest.raises(InputError, match="min_features"):
        fit_cohort(joined[0], save_to=tmp_path / "m.hdf5", **{**OPTIONS, "min_features": 500})


def test_shared_factor_and_batch_are_found_and_associated(joined, trained):
    data, truth = joined
    fit, _ = trained
    table = factors_table(data, fit)
    scores = table.filter(like="factor")
    correlation = np.abs([np.corrcoef(truth, scores[name])[0, 1] for name in scores])
    assert correlation.max() > 0.9
    found = associate(scores.set_axis(data.obs_names), observation_variables(data, None))
    batch = found[(found["variable"] == "proteome:batch")].set_index("factor")
    assert batch["effect"].max() > 0.8
    assert batch["q_value"].min() < 0.01
    best = scores.columns[correlation.argmax()]
    response = found[(found["variable"] == "response") & (found["factor"] == best)].iloc[0]
    assert (response["kind"], response["test"], response["n"]) == ("label", "kruskal", 40)
    assert response["q_value"] < 0.01
    # One value only: no test. A metric of one layer is tested on that layer's rows.
    assert not {"sofa_baseline", "response_rule"} & set(found["variable"])
    assert set(found.loc[found["variable"] == "proteome:qc_depth", "n"]) == {35}


def test_tables_hold_what_the_model_holds(joined, trained):
    data, _ = joined
    fit, features = trained
    weights = weights_table(data, fit, features, top=3)
    first = weights[(weights["layer"] == "rna") & (weights["factor"] == "factor1")]
    own = np.abs(fit.weights["rna"][:, 0])
    assert first["feature"].iloc[0] == features["rna"][own.argmax()]
    assert first["symbol"].iloc[0] == first["feature"].iloc[0].replace("rna_", "G")
    assert np.abs(first["weight"]).is_monotonic_decreasing
    variance = variance_table(fit).set_index(["layer", "factor"])["r2"]
    assert variance["rna", "factor1"] == fit.variance_explained[fit.views.index("rna"), 0]
    assert variance["proteome", "total"] == fit.variance_total[fit.views.index("proteome")]


def test_associations_are_scipys_and_benjamini_hochbergs():
    generator = np.random.default_rng(0)
    factors = pd.DataFrame({"factor1": generator.normal(size=30), "factor2": generator.normal(size=30)})
    age = factors["factor1"] + generator.normal(size=30)
    group = pd.Series(np.repeat(["a", "b", "c"], 10))
    variables = pd.DataFrame({"clinical|age": age.astype(str), "technical|batch": group})
    variables.loc[3, "clinical|age"] = ""
    table = associate(factors, variables).set_index(["variable", "factor"])
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
    row = associate(factors, plates).iloc[0]
    assert (row["test"], row["groups"]) == ("kruskal", 3)
    assert row["effect"] > 0.9


def test_a_constant_factor_is_not_tested():
    factors = pd.DataFrame({"factor1": np.zeros(12), "factor2": np.arange(12.0)})
    variables = pd.DataFrame({"technical|rna:qc_depth": np.arange(12.0), "technical|rna:batch": ["a", "b"] * 6})
    table = associate(factors, variables)
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


def test_steps_write_the_same_bytes_twice(joined, tmp_path):
    data, _ = joined
    write_h5mu(data, tmp_path / "m.h5mu")
    options = {name: value for name, value in OPTIONS.items() if name != "seed"}
    names = ("factors", "weights", "variance", "associations")
    written = []
    for run in ("one", "two"):
        paths = {name: tmp_path / f"{run}_{name}.tsv" for name in names}
        fit_factors(
            joined_path=tmp_path / "m.h5mu",
            seed=1,
            model_path=tmp_path / f"{run}.hdf5",
            factors_path=paths["factors"],
            weights_path=paths["weights"],
            variance_path=paths["variance"],
            **options,
        )
        associate_factors(
            joined_path=tmp_path / "m.h5mu",
            factors_path=paths["factors"],
            participants_path=None,
            associations_path=paths["associations"],
        )
        written.append([path.read_bytes() for path in paths.values()])
    assert written[0] == written[1]
    assert written[0][3].startswith(b"kind\tvariable\tfactor\ttest\tn\tgroups\teffect\tp_value\tq_value\n")
