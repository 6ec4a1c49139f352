"""Features chosen by the training participants alone, for each kind of layer, from its counts or values."""

import anndata
import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from immunosep.biomarkers.features import omics_predictors
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.preparation import LogCpm, LogRatios, MeasuredValues
from immunosep.biomarkers.tasks import Task
from immunosep.compositions import clr
from immunosep.integration.assemble import to_observations

FILTERS = {
    "rna": {"min_count": 10, "min_fraction": 0.1},
    "atac": {"min_cpm": 1, "min_fraction": 0.1},
    "proteome": {"min_detected": 0.5},
    "microbiome": {"min_prevalence": 0.1, "pseudocount": 0.5},
}
SETTINGS = Settings(
    max_features=40,
    selected_features=(10,),
    penalty=(0.1,),
    inner_folds=3,
    factors=3,
    min_features=15,
    iterations=100,
    convergence="fast",
    drop_r2=0.01,
)
TASK = Task("t", "endotype", (), ("layers", "mofa", "late_fusion"), ("full",), (), (("SII",), ("MALS",)))
KINDS = ("rna", "atac", "proteome", "microbiome_oral")
FEATURES = 60


@parametrize_with_checks([LogCpm(), LogCpm(min_cpm=1, min_fraction=0.2), LogRatios(), MeasuredValues()])
def test_preparations_keep_scikit_learns_contract(estimator, check):
    check(estimator)


def test_counts_reach_the_threshold_in_enough_training_rows():
    counts = np.array([[10, 9, 0, 900], [10, 30, 0, 0], [0, 0, 0, 50], [12, 0, 0, 7]])
    assert LogCpm(min_count=10, min_fraction=0.5).fit(counts).columns_.tolist() == [0, 3]
    assert LogCpm(min_count=10, min_fraction=0.25).fit(counts).columns_.tolist() == [0, 1, 3]
    assert LogCpm(np.array([True, True, True, False]), min_count=10).fit(counts).columns_.tolist() == [0, 1]
    # Totals 919, 40, 50, 19: at least half a million of a million.
    assert LogCpm(min_cpm=5e5, min_fraction=0.5).fit(counts).columns_.tolist() == [3]
    # None is common enough: the most frequent one stays.
    assert LogCpm(min_count=10**6).fit(counts[:, :3]).columns_.tolist() == [0]


def test_log_cpm_counts_the_whole_library_but_globin():
    fitted = LogCpm(counted=np.array([True, False, True]), min_fraction=1).fit([[5, 3, 0], [2, 2, 2]])
    assert fitted.columns_.tolist() == [0, 1]
    np.testing.assert_allclose(fitted.transform([[4, 100, 5]]), [np.log2(np.array([4.5, 100.5]) / 10 * 1e6)])


def test_log_ratios_are_between_the_genera_of_the_training_rows():
    fitted = LogRatios(min_prevalence=0.5, pseudocount=0.5).fit([[9, 0, 1, 5], [3, 0, 0, 8]])
    assert fitted.columns_.tolist() == [0, 2, 3]
    # A genus that training does not know leaves the sample's ratios as they are.
    for unknown in (0, 10_000):
        np.testing.assert_allclose(fitted.transform([[7, unknown, 2, 0]]), clr([[7, 2, 0]], 0.5))


def test_proteins_that_are_seldom_detected_are_not_chosen():
    npx = np.array([[1, 2, np.nan, 5], [2, 3, np.nan, 5], [3, 4, 1, 5], [4, 5, 2, np.nan]])
    below = np.zeros(npx.shape, dtype=bool)
    below[:3, 1], below[3, 2] = True, True
    # Detected: 4 of 4, 1 of 4, 1 of 2 that were measured, 3 of 3.
    assert MeasuredValues(min_detected=0.5).fit(npx, below_lod=below).columns_.tolist() == [0, 2, 3]
    assert MeasuredValues(min_detected=0.5).fit(npx).columns_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("preparation", "needed"),
    [
        (LogCpm(np.arange(6) != 4, counted=np.arange(6) != 1, min_count=5, min_fraction=0.5), [0, 1, 2, 3, 4, 5]),
        (LogCpm(np.arange(6) != 1, counted=np.arange(6) != 1, min_count=5, min_fraction=0.5), [0, 2, 3, 4, 5]),
        (LogRatios(np.arange(6) != 4, min_prevalence=0.5), [0, 1, 2]),
        (MeasuredValues(np.arange(6) != 4), [0, 1, 2, 3, 5]),
    ],
)
def test_a_model_that_is_passed_on_asks_for_the_columns_that_it_needs(preparation, needed):
    counts = np.array([[10, 9, 7, 0, 50, 0], [10, 30, 5, 0, 60, 0], [8, 8, 2, 1, 9, 0]])
    columns, copy = preparation.fit(counts).reduced()
    assert columns.tolist() == needed
    np.testing.assert_array_equal(copy.transform(counts[:, columns]), preparation.transform(counts))
    assert preparation.n_features_in_ == 6


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="X has 3"):
        LogCpm(usable=np.ones(4, dtype=bool)).fit(np.ones((2, 3)))


def layer(kind, persons, mals, generator):
    """Return a layer of one row per person: six features follow the class."""
    effect = 1 + 2.0 * mals[:, None] * (np.arange(FEATURES) < 6)
    obs = pd.DataFrame({"observation": persons}, index=[f"{person}-{kind}" for person in persons])
    var = pd.DataFrame(index=[f"{kind}{index}" for index in range(FEATURES)])
    if kind == "proteome":
        npx = (effect + generator.normal(size=(len(persons), FEATURES))).astype(np.float32)
        data = anndata.AnnData(npx, obs=obs, var=var, layers={"below_lod": npx < -0.5})
    else:
        counts = generator.negative_binomial(5, 1 / (1 + 6 * effect)).astype(np.int32)
        data = anndata.AnnData(np.zeros(counts.shape, np.float32), obs=obs, var=var, layers={"counts": counts})
    return to_observations(data, kind, kind)


@pytest.fixture
def trial():
    generator = np.random.default_rng(3)
    persons = np.array([f"GR01-{index:09d}" for index in range(50)])
    mals = np.arange(50) % 5 < 2
    labels = pd.Series(mals.astype(int), index=persons)
    return {kind: layer(kind, persons, mals, generator) for kind in KINDS}, labels


def learn(layers, labels, train):
    blocks = omics_predictors(layers, [], FILTERS)
    factors = fit_factors("full", blocks, train, SETTINGS, 7)
    return blocks, fit_models(TASK, "full", blocks, labels.loc[train], SETTINGS, 7, factors)


def artefacts(models):
    """All that was learned, as bytes, by name."""
    found = {}
    for name, tuned in {**models.blocks, "joint": models.joint}.items():
        steps = tuned.pipeline.named_steps
        found[f"{name} features"] = steps["prepare"].columns_.tobytes() + steps["variance"].kept_.tobytes()
        if steps["select"] != "passthrough":
            found[f"{name} choice"] = steps["select"].get_support().tobytes()
        found[f"{name} scaler"] = b"".join(part.tobytes() for part in (steps["scale"].mean_, steps["scale"].scale_))
        found[f"{name} model"] = steps["model"].coef_.tobytes() + steps["model"].intercept_.tobytes()
        found[f"{name} calibration"] = (
            repr((tuned.calibration, tuned.parameters)).encode() + tuned.inner.to_numpy().tobytes()
        )
    fit = models.factors.mofa.fit_
    found["mofa"] = b"".join(part.tobytes() for part in (fit.factors, *fit.weights.values(), *fit.mean.values()))
    found |= {f"mofa {name}": one.columns_.tobytes() for name, one in models.factors.preparations.items()}
    found["fusion"] = repr(models.fusion).encode()
    return found


def tampered(data, rows, generator):
    """Return a layer with other raw values in some rows."""
    changed = data.copy()
    size = (int(rows.sum()), data.n_vars)
    if "counts" in data.layers:
        changed.layers["counts"][rows] = generator.integers(0, 100_000, size)
    else:
        changed.X[rows] = generator.normal(50, 20, size)
        changed.layers["below_lod"][rows] = ~data.layers["below_lod"][rows]
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_participants_raw_values_leave_every_training_artefact_bit_identical(trial, kind):
    layers, labels = trial
    train, test = labels.index[:40], labels.index[40:]
    blocks, first = learn(layers, labels, train)
    other = {**layers, kind: tampered(layers[kind], layers[kind].obs_names.isin(test), np.random.default_rng(0))}
    other_blocks, second = learn(other, labels, train)
    before, after = artefacts(first), artefacts(second)
    assert len(before) > 20
    assert [name for name in before if before[name] != after[name]] == []
    # Tampering did reach the test participants, and a training participant's values do reach the models.
    assert not predict(first, blocks, test)["score"].equals(predict(second, other_blocks, test)["score"])
    inside = {**layers, kind: tampered(layers[kind], layers[kind].obs_names.isin(train[:1]), np.random.default_rng(0))}
    third = artefacts(learn(inside, labels, train)[1])
    assert third[f"{kind} model"] != before[f"{kind} model"]
    assert third["mofa"] != before["mofa"]


@pytest.mark.parametrize("kind", ["rna", "atac", "microbiome_oral"])
def test_what_occurs_in_test_participants_only_cannot_enter_the_model(trial, kind):
    """The commonest and most telling feature of the test participants, absent in training."""
    layers, labels = trial
    train, test = labels.index[:40], labels.index[40:]
    data = layers[kind].copy()
    here = data.obs_names.isin(test)
    data.layers["counts"][:, 7] = 0
    data.layers["counts"][here, 7] = 5000 * labels.loc[data.obs_names[here]].to_numpy() + 100
    blocks, models = learn({**layers, kind: data}, labels, train)
    assert 7 not in models.blocks[kind].pipeline["prepare"].columns_
    assert 7 not in models.factors.preparations[kind].columns_
    assert 7 in omics_predictors({kind: data}, [], FILTERS)[kind].preparation.fit(blocks[kind].values).columns_


def test_a_protein_below_the_limit_in_training_cannot_enter_the_model(trial):
    layers, labels = trial
    train = labels.index[:40]
    data = layers["proteome"].copy()
    data.layers["below_lod"][:, 7] = data.obs_names.isin(train)
    _, models = learn({**layers, "proteome": data}, labels, train)
    assert 7 not in models.blocks["proteome"].pipeline["prepare"].columns_
