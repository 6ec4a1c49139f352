"""Early fusion, boosted trees, clinical plus omics, missingness; features that go with a definer; measured definers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from immunosep.biomarkers.blocks import definer_table, presence, with_definers
from immunosep.biomarkers.crossvalidate import evaluate_repeat, permutation_strata
from immunosep.biomarkers.estimators import SelectWithGaps
from immunosep.biomarkers.evaluate import performance_table
from immunosep.biomarkers.features import Predictors, _correlation
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.preparation import MeasuredValues
from immunosep.biomarkers.splits import outer_folds
from immunosep.biomarkers.tasks import Task
from immunosep.biomarkers.tuning import prepare, tune_boosted, tune_logistic
from immunosep.errors import InputError

SETTINGS = Settings(
    max_features=60,
    selected_features=(15,),
    penalty=(0.1, 1.0),
    inner_folds=3,
    factors=3,
    min_features=15,
    iterations=100,
    convergence="fast",
    drop_r2=0.01,
    l1_ratio=(0.0, 0.5),
    trees=10,
)
EVERYTHING = ("clinical", "layers", "mofa", "late_fusion", "early_fusion", "boosting", "clinical_omics", "missingness")


def task(comparators=EVERYTHING, feature_sets=("full",), target="endotype"):
    return Task("t", target, (1,), comparators, feature_sets, (), (("SII",), ("MALS",)))


def block(name, values, persons):
    features = np.array([f"{name}{index}" for index in range(values.shape[1])])
    return Predictors(name, values, persons, persons, features, np.zeros(values.shape[1], dtype=bool))


@pytest.fixture
def cohort():
    """Sixty participants; RNA, and a proteome that MALS often lack; ten features of each layer follow the class."""
    generator = np.random.default_rng(4)
    persons = np.array([f"GR01-{index:09d}" for index in range(60)])
    mals = np.arange(60) % 5 < 2
    blocks = {}
    for name, width in (("proteome", 30), ("rna", 50)):
        values = generator.normal(size=(60, width))
        values[:, :10] += 1.5 * mals[:, None]
        has = generator.random(60) >= (np.where(mals, 0.6, 0.1) if name == "proteome" else 0.1)
        blocks[name] = block(name, values[has], persons[has])
    blocks["clinical"] = block("clinical", generator.normal(size=(60, 2)), persons)
    blocks["missingness"] = presence(blocks, persons)
    return blocks, pd.Series(np.where(mals, "MALS", "SII"), index=persons)


def test_every_model_predicts_whoever_has_what_it_sees(cohort):
    blocks, classes = cohort
    folds = outer_folds(classes, folds=3, repeats=1, seed=1)
    table = evaluate_repeat(task(), blocks, classes, folds, SETTINGS, repeat=1, seed=1)
    served = table.groupby("model")["participant"].agg(set)
    assert set(served.index) == {
        *("clinical", "missingness", "rna", "proteome", "mofa", "late_fusion", "early_fusion", "clinical_omics"),
        *("boosting_rna", "boosting_proteome", "boosting_mofa", "boosting_early_fusion"),
    }
    either = set(blocks["rna"].participants) | set(blocks["proteome"].participants)
    for model in ("late_fusion", "mofa", "early_fusion", "boosting_early_fusion", "boosting_mofa"):
        assert served[model] == either
    assert served["boosting_rna"] == set(blocks["rna"].participants)
    for model in ("clinical", "clinical_omics", "missingness"):
        assert served[model] == set(classes.index)
    area = performance_table(table, "t", bootstrap=1, seed=1).set_index("model")["auroc"]
    assert area[["early_fusion", "clinical_omics", "late_fusion", "boosting_early_fusion", "rna"]].min() > 0.9
    # The proteome is missing for a reason, and the model that sees nothing else says so.
    assert area["missingness"] > 0.6
    assert not table.duplicated(["model", "participant"]).any()


def test_one_participant_alone_gets_the_same_answer_from_every_model(cohort):
    blocks, classes = cohort
    train, test = classes.index[:45], classes.index[45:]
    labels = (classes == "MALS").astype(int).loc[train]
    models = fit_models(task(), "full", blocks, labels, SETTINGS, 7, fit_factors("full", blocks, train, SETTINGS, 7))
    together = predict(models, blocks, test).set_index(["participant", "model"])["score"]
    for person in test[:5]:
        alone = predict(models, blocks, [person]).set_index(["participant", "model"])["score"]
        np.testing.assert_allclose(alone, together.loc[alone.index], rtol=1e-9, atol=1e-12)


def prepared(values, labels):
    from immunosep.biomarkers.estimators import preparing_pipeline

    persons = np.array([f"p{index:03d}" for index in range(len(labels))])
    return prepare(preparing_pipeline(MeasuredValues(), None), values, labels, persons, folds=4, seed=1)


def test_trees_find_what_a_line_cannot():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 3))
    labels = (values[:, 0] * values[:, 1] > 0).astype(int)
    rows = prepared(values, labels)
    line = tune_logistic(rows, selected=(), penalty=(0.1, 1.0))
    trees = tune_boosted(rows, selected=None, iterations=50, seed=1)
    assert line.inner_auroc < 0.65
    assert trees.inner_auroc > 0.8


def test_the_share_of_l1_is_chosen_by_the_inner_folds():
    """Two telling features among a hundred: a penalty that leaves features out predicts better."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=(150, 100))
    labels = (values[:, :2].sum(axis=1) + 0.3 * generator.normal(size=150) > 0).astype(int)
    model = tune_logistic(prepared(values, labels), selected=(), penalty=(0.1,), l1_ratio=(0.0, 1.0))
    assert model.parameters["l1_ratio"] == 1.0
    weight = np.abs(model.pipeline["model"].coef_[0])
    assert set(np.argsort(weight)[-2:]) == {0, 1}
    assert (weight > 0).sum() < 50


@parametrize_with_checks([SelectWithGaps(k="all")])
def test_choice_with_gaps_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def test_strict_leaves_out_what_goes_with_a_definer_in_the_training_rows(cohort):
    blocks, classes = cohort
    rna = blocks["rna"]
    generator = np.random.default_rng(2)
    definers = pd.DataFrame({"ferritin": generator.lognormal(size=60), "hladr": np.nan}, index=classes.index)
    ferritin = definers["ferritin"].loc[rna.participants.tolist()].to_numpy()
    values = rna.values.copy()
    values[:, 3] = -np.log(ferritin) + 0.1 * generator.normal(size=len(values))
    # Feature 4 follows ferritin in the participants left out alone.
    held_out = np.isin(rna.participants, classes.index[45:])
    values[held_out, 4] = 5 * ferritin[held_out]
    with_values = with_definers({"rna": replace(rna, values=values)}, definers)["rna"]
    training = with_values.rows(classes.index[:45])
    assert training.feature_set("no_definers").usable.all()
    assert np.flatnonzero(~training.feature_set("no_definers_strict").usable).tolist() == [3]
    with pytest.raises(ValueError, match="needs the values"):
        rna.feature_set("no_definers_strict")


def test_correlation_over_the_rows_that_both_have():
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(30, 4)))
    table.iloc[:5, 1], table[2] = np.nan, 1.0
    other = table[0] + generator.normal(size=30)
    other[[3, 20]] = np.nan
    expected = [table[column].corr(other) for column in (0, 1, 3)]
    found = _correlation(table.to_numpy(), other.to_numpy())
    assert found[[0, 1, 3]] == pytest.approx(expected)
    assert found[2] == 0


def test_measured_definers_come_in_one_unit_from_the_sealed_table_or_from_ready_labels():
    sealed = pd.DataFrame(
        {
            "site": "GR01",
            "participant_code": ["1", "2", "3"],
            "ferritin": ["5000", "", "700"],
            "hladr": ["3000", "20", "9000"],
            "hladr_unit": ["receptors_per_cell", "percent", "receptors_per_cell"],
        }
    )
    labels = pd.DataFrame({"participant": ["GR01-1"], "endotype": ["MALS"]})
    table = definer_table(labels, sealed)
    assert table.loc["GR01-1"].tolist() == [5000, 3000]
    assert table.isna().loc["GR01-2"].tolist() == [True, True]
    assert definer_table(labels.assign(hladr="8000"), None)["hladr"].tolist() == [8000]
    counted = definer_table(labels.assign(monocytes_baseline="0.45"), sealed)
    assert counted.loc["GR01-1"].tolist() == [5000, 3000, 0.45]
    assert np.isnan(counted.loc["GR01-3", "monocytes_baseline"])
    with pytest.raises(InputError, match="no_definers_strict needs ferritin and HLA-DR"):
        definer_table(labels.assign(monocytes_baseline="0.45"), None)


def test_permutations_stay_within_site_and_within_an_endotype_that_is_no_target():
    labels = pd.DataFrame({"site": ["A", "A", "B"], "endotype": ["MALS", "SII", "SII"]}, index=["p", "q", "r"])
    assert permutation_strata(task(), labels).nunique() == 2
    assert permutation_strata(task(target="sofa_response"), labels).nunique() == 3
    assert permutation_strata(task(), labels[[]]).nunique() == 1
