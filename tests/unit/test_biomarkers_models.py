"""No leak, and no signal lost: the models on noise, on planted signal, and with a test participant tampered with."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.utils.estimator_checks import parametrize_with_checks

from immunosep.biomarkers.crossvalidate import evaluate_repeat, permute_classes, permute_task
from immunosep.biomarkers.estimators import TopVariance, by_participant, log_loss, preparing_pipeline, row_weights
from immunosep.biomarkers.evaluate import performance_table
from immunosep.biomarkers.features import Predictors, clinical_predictors, frozen_upstream, omics_predictors, stack
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.preparation import MeasuredValues
from immunosep.biomarkers.splits import outer_folds
from immunosep.biomarkers.tasks import Task, load_task
from immunosep.biomarkers.tuning import prepare, tune_logistic
from immunosep.config import load_config
from immunosep.errors import InputError
from immunosep.integration.assemble import to_observations
from support.runs import ROOT

SETTINGS = Settings(
    max_features=200,
    selected_features=(20,),
    penalty=(0.1, 1.0),
    inner_folds=4,
    factors=4,
    min_features=15,
    iterations=300,
    convergence="fast",
    drop_r2=0.01,
)
FILTERS = {"rna": {"min_count": 20, "min_fraction": 0.5}}
ALL = ("clinical", "layers", "mofa", "late_fusion")


def task(comparators=ALL, feature_sets=("full",), clinical=()):
    return Task("t", "endotype", (1,), comparators, feature_sets, clinical, (("SII",), ("MALS",)))


def block(name, values, persons, definers=0):
    rows = np.array([f"{person}-D{index:02d}" for index, person in enumerate(persons)])
    order = np.argsort(rows)
    features = np.array([f"{name}{index}" for index in range(values.shape[1])])
    return Predictors(
        name, values[order], rows[order], np.asarray(persons)[order], features, np.arange(values.shape[1]) < definers
    )


def cohort(size=50, effect=0.0, rows=1, seed=0, missing=0.1, features=(120, 40), definers=0, within=0.3):
    """Participants with repeated rows that resemble each other; `effect` on fifteen features of each layer."""
    generator = np.random.default_rng(seed)
    persons = np.array([f"GR01-{index:09d}" for index in range(size)])
    classes = pd.Series(np.where(np.arange(size) % 5 < 2, "MALS", "SII"), index=persons)
    blocks = {}
    for name, count in zip(("rna", "proteome"), features, strict=True):
        has = generator.random(size) >= missing
        person = generator.normal(size=(size, count))
        person[:, :15] += effect * (classes == "MALS").to_numpy()[:, None]
        values = np.repeat(person[has], rows, axis=0)
        values = values + within * generator.normal(size=values.shape)
        blocks[name] = block(name, values, np.repeat(persons[has], rows), definers)
    blocks["clinical"] = block("clinical", generator.normal(size=(size, 2)), persons)
    return blocks, classes


def auroc_by_model(table):
    return performance_table(table, "t", bootstrap=1, seed=1).set_index(["model", "feature_set"])["auroc"]


@pytest.mark.slow
def test_noise_with_four_visits_gives_chance_and_row_wise_folds_would_not():
    means = []
    for seed in range(3):
        blocks, classes = cohort(rows=4, seed=seed)
        folds = outer_folds(classes, folds=5, repeats=1, seed=seed)
        means.append(auroc_by_model(evaluate_repeat(task(), blocks, classes, folds, SETTINGS, repeat=1, seed=1)))
    mean = pd.concat(means, axis=1).mean(axis=1)
    assert len(mean) == 5
    assert abs(mean.mean() - 0.5) < 0.1
    # The same classifier, told that every row is a person of its own, recognises people.
    rna = blocks["rna"]
    target = (classes.loc[rna.participants.tolist()] == "MALS").astype(int).to_numpy()
    rows = prepare(preparing_pipeline(MeasuredValues(), 200), rna.values, target, rna.observations, folds=4, seed=1)
    leaking = tune_logistic(rows, selected=(100,), penalty=(1.0,))
    assert leaking.inner_auroc > 0.9


def test_feature_choice_is_inside_the_fold():
    """Choosing 20 of 3,000 noise features on all participants would give 0.9 and more."""
    areas = []
    for seed in range(3):
        blocks, classes = cohort(size=40, features=(3000, 20), seed=seed, missing=0)
        folds = outer_folds(classes, folds=5, repeats=1, seed=seed)
        table = evaluate_repeat(task(("layers",)), blocks, classes, folds, SETTINGS, repeat=1, seed=1)
        areas.append(auroc_by_model(table)["rna", "full"])
    assert abs(np.mean(areas) - 0.5) < 0.15


def test_planted_signal_is_found_and_late_fusion_serves_everyone_with_a_layer():
    blocks, classes = cohort(effect=1.0, missing=0.3, seed=2)
    folds = outer_folds(classes, folds=5, repeats=1, seed=1)
    table = evaluate_repeat(task(), blocks, classes, folds, SETTINGS, repeat=1, seed=1)
    area = auroc_by_model(table)
    assert area["rna", "full"] > 0.85
    assert area["proteome", "full"] > 0.85
    assert area["late_fusion", "full"] > 0.9
    served = table.groupby("model")["participant"].agg(set)
    assert served["rna"] == set(blocks["rna"].participants) != set(classes.index)
    assert served["late_fusion"] == served["mofa"] == served["rna"] | served["proteome"]
    assert served["clinical"] == set(classes.index)
    assert not table.duplicated(["model", "participant"]).any()
    fold = table.merge(folds, on=["participant", "repeat"], suffixes=("", "_given"))
    assert (fold["fold"] == fold["fold_given"]).all()
    probability = 1 / (1 + np.exp(-table["score"]))
    assert np.corrcoef(probability, table["probability"])[0, 1] > 0.95


def artefacts(models):
    """All that was learned, as bytes."""
    parts = []
    for tuned in [*models.blocks.values(), models.joint]:
        parts += [tuned.pipeline["model"].coef_, tuned.pipeline["scale"].mean_, tuned.pipeline["impute"].statistics_]
        parts += [np.array(list(vars(tuned.calibration).values())), tuned.inner.to_numpy()]
    fit = models.factors.mofa.fit_
    parts += [fit.factors, *fit.weights.values(), *fit.mean.values(), *fit.precision.values()]
    stack = models.fusion.stack
    parts += [stack.middle, stack.difference, stack.covariance, np.array([*vars(models.fusion.calibration).values()])]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def test_a_test_participants_values_leave_every_training_artefact_as_it_was():
    blocks, classes = cohort(effect=0.5, seed=1)
    train, test = classes.index[:40], classes.index[40:]
    labels = (classes == "MALS").astype(int)

    def fitted(given):
        factors = fit_factors("full", given, train, SETTINGS, 7)
        return fit_models(task(), "full", given, labels.loc[train], SETTINGS, 7, factors)

    tampered = {}
    for name, own in blocks.items():
        values = own.values.copy()
        values[np.isin(own.participants, test)] = 1e6
        tampered[name] = Predictors(name, values, own.observations, own.participants, own.features, own.definer)
    first, second = fitted(blocks), fitted(tampered)
    assert artefacts(first) == artefacts(second)
    pd.testing.assert_frame_equal(predict(first, blocks, train), predict(second, tampered, train))
    assert not predict(first, blocks, test)["score"].equals(predict(second, tampered, test)["score"])


def test_a_perfect_leak_in_the_test_rows_is_not_exploited():
    """A column that is zero in training and the label in the test rows of fold 1 must not move their predictions."""
    blocks, classes = cohort(seed=3, missing=0)
    folds = outer_folds(classes, folds=5, repeats=1, seed=1)
    persons = blocks["rna"].participants
    tested = (folds.set_index("participant")["fold"].loc[persons.tolist()] == 1).to_numpy()
    scores = []
    for leak in (0.0, 50.0):
        values = blocks["rna"].values.copy()
        values[:, 0] = leak * tested * (classes.loc[persons.tolist()] == "MALS").to_numpy()
        table = evaluate_repeat(
            task(("layers", "mofa")), {"rna": block("rna", values, persons)}, classes, folds, SETTINGS, repeat=1, seed=1
        )
        scores.append(table.loc[table["fold"] == 1, "score"].to_numpy())
    np.testing.assert_array_equal(*scores)


def test_one_patient_alone_gets_the_same_prediction_as_in_company():
    blocks, classes = cohort(effect=0.7, seed=5)
    labels = (classes == "MALS").astype(int)
    train, test = classes.index[:40], classes.index[40:]
    factors = fit_factors("full", blocks, train, SETTINGS, 7)
    models = fit_models(task(), "full", blocks, labels.loc[train], SETTINGS, 7, factors)
    together = predict(models, blocks, test).set_index(["participant", "model"])["score"]
    for person in test[:4]:
        alone = predict(models, blocks, [person]).set_index(["participant", "model"])["score"]
        np.testing.assert_allclose(alone, together.loc[alone.index], rtol=1e-9, atol=1e-12)


def test_order_of_participants_and_layers_changes_nothing():
    blocks, classes = cohort(effect=0.5, seed=6)
    folds = outer_folds(classes, folds=4, repeats=1, seed=1)
    first = evaluate_repeat(task(), blocks, classes, folds, SETTINGS, repeat=1, seed=1)
    second = evaluate_repeat(
        task(),
        dict(reversed(blocks.items())),
        classes[::-1],
        folds.sample(frac=1, random_state=1),
        SETTINGS,
        repeat=1,
        seed=1,
    )
    pd.testing.assert_frame_equal(first, second)


def test_without_definers_their_signal_is_gone():
    blocks, classes = cohort(effect=3.0, missing=0, definers=15, seed=1)
    folds = outer_folds(classes, folds=5, repeats=1, seed=1)
    table = evaluate_repeat(
        task(("layers",), ("full", "no_definers")), blocks, classes, folds, SETTINGS, repeat=1, seed=1
    )
    area = auroc_by_model(table)
    assert area["rna", "full"] > 0.95
    assert area["rna", "no_definers"] < 0.8


@pytest.mark.slow
def test_permuted_classes_give_chance():
    blocks, classes = cohort(effect=1.5, missing=0, seed=1)
    sites = pd.Series("GR01", index=classes.index)
    areas = [
        auroc_by_model(
            permute_task(
                task(("layers", "late_fusion")),
                blocks,
                classes,
                sites,
                SETTINGS,
                folds=5,
                permutation=number,
                seed=1,
            )
        ).mean()
        for number in range(8)
    ]
    assert abs(np.mean(areas) - 0.5) < 0.1


def test_permutation_keeps_the_classes_of_each_site():
    classes = pd.Series(["a", "b"] * 10, index=[f"p{index:02d}" for index in range(20)])
    sites = pd.Series(np.repeat(["S1", "S2"], [6, 14]), index=classes.index)
    shuffled = permute_classes(classes, sites, 3)
    assert not shuffled.equals(classes)
    pd.testing.assert_frame_equal(pd.crosstab(shuffled, sites), pd.crosstab(classes, sites))
    assert shuffled.equals(permute_classes(classes[::-1], sites, 3))


def test_small_classes_get_no_model_and_no_prediction():
    blocks, classes = cohort(size=40, missing=0, seed=1)
    few = blocks["proteome"].rows([*classes.index[classes == "MALS"][:2], *classes.index[classes == "SII"]])
    models = fit_models(
        task(("layers", "late_fusion")),
        "full",
        {"rna": blocks["rna"], "proteome": few},
        (classes == "MALS").astype(int),
        SETTINGS,
        1,
    )
    assert list(models.blocks) == ["rna"]
    assert models.fusion.stack.layers == ["rna"]


def test_a_participant_with_only_a_layer_that_mofa_left_out_gets_the_training_prevalence():
    blocks, classes = cohort(effect=1.0, features=(120, 40), missing=0, seed=4)
    few = blocks["proteome"]
    blocks["proteome"] = block("proteome", few.values[:, :10], few.participants)
    train, test = classes.index[:40], classes.index[40:]
    blocks["rna"] = blocks["rna"].take(~np.isin(blocks["rna"].participants, [train[0], test[0]]))
    labels = (classes == "MALS").astype(int).loc[train]
    factors = fit_factors("full", blocks, train, SETTINGS, 7)
    assert list(factors.mofa.columns_) == ["rna"]
    assert train[0] not in factors.scores.participants
    models = fit_models(task(), "full", blocks, labels, SETTINGS, 7, factors)
    table = predict(models, blocks, test).query("model == 'mofa'").set_index("participant")
    assert set(table.index) == set(test)
    assert table.loc[test[0], "score"] == 0
    # The prevalence among those whom the model was trained on: the first participant is a MALS without RNA.
    assert table.loc[test[0], "probability"] == pytest.approx(15 / 39)
    assert (table["score"].drop(test[0]) != 0).all()
    nobody = predict(models, blocks, [test[0]]).query("model == 'mofa'")
    assert nobody["score"].tolist() == [0]


def test_rows_count_once_per_participant():
    persons = np.array(["b", "a", "b"])
    assert row_weights(persons).tolist() == [0.5, 1, 0.5]
    assert by_participant(np.array([1.0, 5, 3]), persons).to_dict() == {"a": 5, "b": 2}
    assert log_loss(np.array([0.0, 0.0]), np.array([0, 1])) == pytest.approx(np.log(2))
    assert log_loss(np.array([800.0]), np.array([0])) == pytest.approx(800)


@parametrize_with_checks([TopVariance(), TopVariance(2)])
def test_variance_filter_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def multiomics():
    """Two participants, two days; RNA with counts, a globin gene, a drug and a definer; proteome without counts."""
    names = ["GR01-000000001-D01", "GR01-000000001-D04", "GR01-000000002-D01"]
    obs = pd.DataFrame({"observation": names, "site": "GR01", "country": "GR"}, index=[f"{n}-rna" for n in names])
    var = pd.DataFrame(
        {
            "globin": [False, True, False, False],
            "drug_analyte": [False, False, True, False],
            "definer": [True, False, False, False],
        },
        index=["g1", "HBB", "IL1RN", "g2"],
    )
    counts = np.array([[10, 1000, 3, 80], [0, 5, 1, 20], [7, 100, 9, 60]])
    rna = AnnData(counts.astype(np.float32) * 0, obs=obs, var=var, layers={"counts": counts})
    npx = AnnData(np.array([[1.5, np.nan]], dtype=np.float32), obs=obs.iloc[:1].rename(index=lambda n: n + "p"))
    npx.var = pd.DataFrame({"drug_analyte": [False, True]}, index=["p1", "IFNG"])
    return {"rna": to_observations(rna, "rna", ""), "proteome": to_observations(npx, "proteome", "")}


def test_predictors_are_counts_on_the_days_asked_for():
    blocks = omics_predictors(multiomics(), [1], FILTERS)
    rna = blocks["rna"]
    assert rna.observations.tolist() == ["GR01-000000001-D01", "GR01-000000002-D01"]
    assert rna.features.tolist() == ["g1", "HBB", "IL1RN", "g2"]
    fitted = rna.preparation.fit(rna.values)
    assert rna.features[fitted.columns_].tolist() == ["HBB", "g2"]
    # Without the globin gene the library has 10 + 3 + 80 counts.
    np.testing.assert_allclose(rna.prepared(fitted).values[0], np.log2(np.array([1000.5, 80.5]) / 94 * 1e6))
    assert rna.feature_set("no_definers").usable.tolist() == [False, True, True, True]
    assert blocks["proteome"].values.tolist()[0][0] == 1.5
    assert omics_predictors(multiomics(), [7], FILTERS) == {}
    assert omics_predictors(multiomics(), [1, 4], FILTERS)["rna"].participants.size == 3
    # All visits together would look into every outcome.
    with pytest.raises(InputError, match=r"layer rna has visit days \(1, 4\)"):
        omics_predictors(multiomics(), [], FILTERS)


def test_of_the_day_of_the_first_dose_only_what_was_surely_before_it_is_a_baseline():
    layers = multiomics()
    rna = layers["rna"]
    for said, baseline in {("yes", "no"): [1], ("yes", ""): [1], ("yes", "yes"): [1, 2]}.items():
        rna.obs["pre_dose"] = [said[0], "no", said[1]]
        found = omics_predictors(layers, [1], FILTERS, baseline=True)["rna"]
        assert found.participants.tolist() == [f"GR01-00000000{number}" for number in baseline]
        # After a landmark, or for a population of a later day, it is one sample among others.
        assert omics_predictors(layers, [1, 4], FILTERS)["rna"].participants.size == 3
    rna.obs["pre_dose"] = ["", "no", "no"]
    with pytest.raises(InputError, match="layer rna: none of 2 samples of day 1 is said to be from before"):
        omics_predictors(layers, [1], FILTERS, baseline=True)
    # A ready matrix does not say, and is believed.
    del rna.obs["pre_dose"]
    assert omics_predictors(layers, [1], FILTERS, baseline=True)["rna"].participants.size == 2


def test_the_drugs_may_tell_the_arm_where_it_must_not_be_found():
    def usable(days, **more):
        return [block.usable.tolist() for block in omics_predictors(multiomics(), days, FILTERS, **more).values()]

    assert usable([1, 4], drugs=True) == [[True] * 4, [True] * 2]
    assert usable([1, 4]) == [[True, True, False, True], [True, False]]
    # Before the first dose a transcript is what it is; an assay reads the drug itself, whatever it reads before.
    assert usable([1]) == [[True] * 4, [True, False]]
    tasks = load_config(ROOT / "config/config.yaml")["biomarkers"]
    found = {name: load_task(name, tasks) for name in ("control_arm", "control_site", "endotype", "landmark_d4")}
    assert [name for name, own in found.items() if own.shows_drugs] == ["control_arm"]
    assert [name for name, own in found.items() if not own.baseline] == ["landmark_d4"]


def test_what_spreads_over_orders_of_magnitude_predicts_as_a_logarithm():
    labels = pd.DataFrame({"participant": ["a", "b", "c"], "ferritin_screening": ["4096", "", "512"], "age": "70"})
    own = Task("t", "reversal_d15", (1,), ("clinical",), ("full",), ("ferritin_screening", "age"), None)
    found = clinical_predictors(own, labels, None)
    np.testing.assert_array_equal(found.values, [[12, 70], [np.nan, 70], [9, 70]])


def test_what_was_made_over_the_cohort_is_named():
    layers = multiomics()
    layers["rna"].uns["immunosep"] = {"frozen_upstream": "nothing"}
    layers["proteome"].uns["immunosep"] = {"method": "NPX as delivered", "normalization": "Plate control"}
    assert frozen_upstream(layers) == [
        "proteome: NPX as delivered, normalisation Plate control",
        "rna: nothing",
    ]


def test_blocks_stack_on_the_union_of_observations():
    joint, views = stack(list(omics_predictors(multiomics(), [1, 4], FILTERS).values()))
    assert joint.observations.size == 3
    assert views.count("rna") == 4
    column = joint.features.tolist().index("proteome:p1")
    assert joint.values[0, column] == 1.5
    assert np.isnan(joint.values[1:, column]).all()


def test_clinical_predictors_encode_categories_and_keep_gaps():
    labels = pd.DataFrame(
        {
            "participant": ["GR01-1", "GR01-2", "IT01-1"],
            "site": ["GR01", "GR01", "IT01"],
            "country": ["GR", "GR", "IT"],
            "sofa_baseline": ["9", "", "12"],
        }
    )
    persons = pd.DataFrame(
        {
            "site": ["IT01", "GR01", "GR01"],
            "participant_code": ["1", "2", "1"],
            "country": "XX",
            "sex": ["F", "", "M"],
        }
    )
    clinical = clinical_predictors(task(clinical=("sofa_baseline", "sex", "country")), labels, persons)
    assert clinical.features.tolist() == ["sofa_baseline", "sex=M", "country=IT"]
    np.testing.assert_array_equal(clinical.values, [[9, 1, 0], [np.nan, np.nan, 0], [12, 0, 1]])
    with pytest.raises(InputError, match="age_years stands in neither"):
        clinical_predictors(task(clinical=("age_years",)), labels, persons)
    assert clinical_predictors(task(), labels, persons) is None
