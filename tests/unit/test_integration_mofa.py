"""The factor model: its projection is mofapy2's own Z, its side effects are contained, its answers repeat."""

import warnings

import h5py
import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from immunosep.integration.mofa import MofaError, fit_mofa, most_variable
from immunosep.integration.projection import project, variance_explained
from immunosep.integration.transformer import MofaFactors
from support.factors import planted_views


@pytest.fixture(scope="module")
def trained():
    views, z = planted_views()
    return fit_mofa(views, factors=5, seed=1, convergence="medium"), views, z


def test_projection_of_training_samples_is_mofapy2s_own_z(trained):
    fit, views, _ = trained
    assert np.abs(project(fit, views) - fit.factors).max() < 1e-3


def test_planted_factors_are_found_and_surplus_ones_dropped(trained):
    fit, _, z = trained
    correlation = np.abs(np.corrcoef(z.T, fit.factors.T)[:3, 3:])
    assert fit.n_factors == 3
    assert (correlation.max(axis=1) > 0.95).all()


def test_projection_solves_the_posterior_written_out_for_one_sample(trained):
    """The formula with explicit loops over views, features and factors."""
    fit, views, _ = trained
    sample = 2  # lacks view1
    normal, right = np.diag(fit.prior), np.zeros(fit.n_factors)
    for name, matrix in views.items():
        for d, value in enumerate(matrix[sample]):
            if np.isnan(value):
                continue
            w = fit.weights[name][d]
            moment = np.outer(w, w)
            np.fill_diagonal(moment, fit.weights_square[name][d])
            normal = normal + fit.precision[name][d] * moment
            right = right + fit.precision[name][d] * w * (value - fit.mean[name][d]) / fit.scale[name]
    np.testing.assert_allclose(project(fit, views)[sample], np.linalg.solve(normal, right), rtol=1e-9)


def test_projection_does_not_depend_on_company_or_order_of_views(trained):
    fit, views, _ = trained
    whole = project(fit, views)
    alone = project(fit, {name: matrix[8:9] for name, matrix in reversed(views.items())})
    np.testing.assert_allclose(alone[0], whole[8], rtol=1e-9)


def test_an_absent_view_equals_a_view_of_missing_values_and_no_data_gives_the_prior(trained):
    fit, views, _ = trained
    absent = project(fit, {"view0": views["view0"], "view2": views["view2"]})
    empty = project(fit, {**views, "view1": np.full_like(views["view1"], np.nan)})
    np.testing.assert_allclose(absent, empty, rtol=1e-12)
    nothing = project(fit, {"view0": np.full((1, 80), np.nan)})
    assert (nothing == 0).all()


def test_unseen_samples_are_projected_near_their_true_factors():
    views, z = planted_views(seed=4, samples=120)
    train, test = slice(0, 90), slice(90, None)
    fit = fit_mofa({name: m[train] for name, m in views.items()}, factors=5, seed=1)
    seen = np.corrcoef(z[train].T, fit.factors.T)[:3, 3:]
    unseen = np.corrcoef(z[test].T, project(fit, {name: m[test] for name, m in views.items()}).T)[:3, 3:]
    best = np.abs(seen).argmax(axis=1)
    assert (np.abs(unseen[range(3), best]) > 0.93).all()


def test_variance_explained_is_mofapy2s_and_the_residuals(trained):
    fit, views, _ = trained
    np.testing.assert_allclose(variance_explained(fit, views, fit.factors), fit.variance_explained, rtol=1e-9)
    scaled = (views["view2"] - fit.mean["view2"]) / fit.scale["view2"]
    residual = scaled - np.outer(fit.factors[:, 0], fit.weights["view2"][:, 0])
    assert fit.variance_explained[2, 0] == pytest.approx(1 - (residual**2).sum() / (scaled**2).sum())


def test_an_ard_prior_on_the_factors_enters_the_projection():
    views, _ = planted_views(seed=2)
    fit = fit_mofa(views, factors=4, seed=1, convergence="medium", ard_factors=True)
    assert not np.allclose(fit.prior, 1)
    assert np.abs(project(fit, views) - fit.factors).max() < 1e-3


def test_fit_repeats_and_leaves_inputs_random_state_and_warnings_alone():
    views, _ = planted_views(seed=1, samples=30)
    before = {name: matrix.copy() for name, matrix in views.items()}
    np.random.seed(5)  # noqa: NPY002 - mofapy2 seeds the global generator; the point of this test
    filters = list(warnings.filters)
    first = fit_mofa(views, factors=3, seed=1)
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    assert drawn == np.random.random()  # noqa: NPY002
    assert warnings.filters == filters
    second = fit_mofa(views, factors=3, seed=1)
    assert first.factors.tobytes() == second.factors.tobytes()
    for name in views:
        np.testing.assert_array_equal(views[name], before[name])


def test_integer_views_stay_gaussian():
    """mofapy2's guess would take counts for Poisson and 0/1 for Bernoulli, and then reject the centred data."""
    generator = np.random.default_rng(0)
    views = {"counts": generator.poisson(5, (20, 16)).astype(float), "flags": np.eye(20)[:, :16]}
    fit = fit_mofa(views, factors=2, seed=1, drop_r2=None)
    assert fit.precision["flags"].shape == (16,)


def test_the_saved_model_holds_no_data(tmp_path):
    views, _ = planted_views(samples=30)
    fit_mofa(views, factors=3, seed=1, save_to=tmp_path / "mofa.hdf5", names=[f"S-{i}" for i in range(30)])
    with h5py.File(tmp_path / "mofa.hdf5") as file:
        assert "data" not in file
        assert set(file["expectations"]) == {"W", "Z", "Tau"}
        assert file["samples/all"][0] == b"S-0"
    assert [path.name for path in tmp_path.iterdir()] == ["mofa.hdf5"]


def test_giving_up_is_an_exception_and_not_the_end_of_the_process():
    generator = np.random.default_rng(0)
    with pytest.raises(MofaError, match="shut down"):
        fit_mofa({"noise": generator.normal(size=(200, 30))}, factors=2, seed=1, drop_r2=0.9)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({}, "at least one view"),
        ({"a": np.eye(4), "b": np.eye(3)}, "differ in their number"),
        ({"a": np.array([[1.0, np.inf], [0, 1]])}, "infinite"),
        ({"a": np.column_stack([np.arange(4.0), np.full(4, 7.1)])}, "1 features that do not vary"),
        ({"a": np.column_stack([np.arange(4.0), np.full(4, np.nan)])}, "1 features that do not vary"),
    ],
)
def test_bad_views_are_named_before_mofapy2_sees_them(views, message):
    with pytest.raises(ValueError, match=message):
        fit_mofa(views, factors=2, seed=1)


def test_projection_refuses_unknown_views_and_shapes(trained):
    fit, views, _ = trained
    with pytest.raises(ValueError, match="not in the model"):
        project(fit, {"other": views["view0"]})
    with pytest.raises(ValueError, match="79 features, the model 80"):
        project(fit, {"view0": views["view0"][:, 1:]})
    with pytest.raises(ValueError, match="number of samples"):
        project(fit, {"view0": views["view0"], "view2": views["view2"][1:]})


def test_most_variable_ignores_missing_and_rounding():
    matrix = np.array([[1, 0.1, np.nan, 5], [2, 0.1, np.nan, 9], [np.nan, 0.1, np.nan, 1]], dtype=float)
    assert most_variable(matrix, None).tolist() == [0, 3]
    assert most_variable(matrix, 1).tolist() == [3]
    assert most_variable(np.full((7, 1), 1e6 + 0.1), None).size == 0


def test_transformer_by_view_equals_the_functions():
    views, _ = planted_views(samples=40)
    matrix = np.hstack(list(views.values()))
    names = [name for name, m in views.items() for _ in range(m.shape[1])]
    model = MofaFactors(names, n_factors=3, max_features=30, min_features=26).fit(matrix)
    assert set(model.columns_) == {"view0", "view1"}  # view2 has 25 features
    assert all(columns.size == 30 for columns in model.columns_.values())
    assert model.get_feature_names_out()[0] == "mofafactors0"
    assert model.transform(matrix).shape == (40, model.fit_.n_factors)
    again = clone(model).fit(matrix)
    assert again.transform(matrix).tobytes() == model.transform(matrix).tobytes()


@pytest.fixture(scope="module")
def transformer():
    """A transformer of three views, its data and the view of each column."""
    views, _ = planted_views(seed=6)
    names = np.array([name for name, matrix in views.items() for _ in range(matrix.shape[1])])
    matrix = np.hstack(list(views.values()))
    return MofaFactors(names.tolist(), n_factors=5, convergence="medium").fit(matrix), matrix, names


def test_transformer_gives_mofapy2s_own_factors_of_the_training_samples(transformer):
    model, matrix, _ = transformer
    assert np.isnan(matrix).any()
    assert np.abs(model.transform(matrix) - model.fit_.factors).max() < 1e-3


@pytest.mark.parametrize("kept", [("view0",), ("view1", "view2"), ("view0", "view1", "view2"), ()])
def test_transformer_projects_new_samples_with_any_layers(transformer, kept):
    """A layer that a sample lacks is missing values; the answer is that of the posterior without the layer."""
    model, _, names = transformer
    views, _ = planted_views(seed=7, samples=8)
    new = np.hstack(list(views.values()))
    new[:, ~np.isin(names, kept)] = np.nan
    found = model.transform(new)
    expected = project(model.fit_, {name: views[name] for name in kept}) if kept else np.zeros_like(found)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    # Each sample alone gives the same, whatever the others lack.
    np.testing.assert_allclose(np.vstack([model.transform(row[None]) for row in new]), found, rtol=1e-9, atol=1e-12)


def test_transformer_survives_skops_with_the_same_output(transformer, tmp_path):
    model, matrix, _ = transformer
    skops.io.dump(model, tmp_path / "m.skops")
    unknown = skops.io.get_untrusted_types(file=tmp_path / "m.skops")
    assert all(name.startswith("immunosep.") for name in unknown)
    loaded = skops.io.load(tmp_path / "m.skops", trusted=unknown)
    assert loaded.transform(matrix).tobytes() == model.transform(matrix).tobytes()
    assert loaded.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()
    assert clone(loaded).get_params() == model.get_params()


# No check is left out; scikit-learn itself skips the one for other array libraries unless SCIPY_ARRAY_API is set.
# Thirty iterations: the checks fit the model some hundred times and ask for nothing that more would change.
@parametrize_with_checks([MofaFactors(n_factors=2, iterations=30, drop_r2=None)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)
