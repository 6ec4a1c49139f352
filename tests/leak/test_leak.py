"""No leak, with the figures printed: the pipeline on data that hold nothing, beside a wrong one that finds something.

Every number of the right pipeline comes from `crossvalidate.evaluate_repeat`, which the workflow's rules call. The
wrong splits exist in this file alone.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from immunosep.biomarkers.blocks import presence
from immunosep.biomarkers.crossvalidate import evaluate_repeat
from immunosep.biomarkers.evaluate import performance_table
from immunosep.biomarkers.features import Predictors
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.panel_steps import train_panel
from immunosep.biomarkers.splits import grouped_folds, outer_folds
from immunosep.biomarkers.steps import Choices, Inputs
from immunosep.biomarkers.tasks import Task

pytestmark = pytest.mark.leak

SETTINGS = Settings(
    max_features=300,
    selected_features=(20,),
    penalty=(0.1,),
    inner_folds=3,
    factors=3,
    min_features=15,
    iterations=40,
    convergence="fast",
    drop_r2=0.01,
    l1_ratio=(0.0, 0.5),
    trees=10,
)
EVERYTHING = ("clinical", "layers", "mofa", "late_fusion", "early_fusion", "boosting", "clinical_omics", "missingness")
SEEDS = range(3)


@pytest.fixture
def tell(capsys):
    """Print a line in spite of pytest's capture: the figures are what the test is for."""

    def print_line(text):
        with capsys.disabled():
            print(f"\n    {text}", end="")

    return print_line


def task(comparators=EVERYTHING):
    return Task("t", "endotype", (1,), comparators, ("full",), (), (("SII",), ("MALS",)))


def block(name, values, persons):
    """A block of rows sorted by observation."""
    rows = np.array([f"{person}-D{index:03d}" for index, person in enumerate(persons)])
    order = np.argsort(rows)
    features = np.array([f"{name}{index}" for index in range(values.shape[1])])
    return Predictors(
        name, values[order], rows[order], np.asarray(persons)[order], features, np.zeros(features.size, dtype=bool)
    )


def noise(seed, *, size=60, visits=4, features=(30, 50)):
    """Participants whose visits resemble each other, and classes that have nothing to do with them."""
    generator = np.random.default_rng(seed)
    persons = np.array([f"GR01-{index:09d}" for index in range(size)])
    classes = pd.Series(np.where(generator.permutation(size) % 2, "MALS", "SII"), index=persons)
    blocks = {}
    shared = generator.normal(size=(size, 3))
    for name, width in zip(("proteome", "rna"), features, strict=True):
        has = generator.random(size) >= 0.1
        # Something for the factors to find, which has nothing to do with the classes either.
        person = generator.normal(size=(size, width)) + shared @ generator.normal(0, 0.5, size=(3, width))
        values = np.repeat(person[has], visits, axis=0)
        values += 0.3 * generator.normal(size=values.shape)
        blocks[name] = block(name, values, np.repeat(persons[has], visits))
    blocks["clinical"] = block("clinical", generator.normal(size=(size, 2)), persons)
    blocks["missingness"] = presence(blocks, persons)
    return blocks, classes


def areas(table):
    return performance_table(table, "t", bootstrap=1, seed=1).set_index("model")["auroc"]


def cross_validate(blocks, classes, comparators=EVERYTHING, seed=1):
    folds = outer_folds(classes, folds=5, repeats=1, seed=seed)
    return evaluate_repeat(task(comparators), blocks, classes, folds, SETTINGS, repeat=1, seed=seed)


def test_noise_with_four_visits_is_chance_and_row_wise_folds_recognise_people(tell):
    found, wrong = [], []
    for seed in SEEDS:
        blocks, classes = noise(seed)
        found.append(areas(cross_validate(blocks, classes, seed=seed)))
        rna = blocks["rna"]
        target = (classes.loc[rna.participants.tolist()] == "MALS").astype(int).to_numpy()
        scores = np.zeros(target.size)
        # The mistake: every row is held to be a person, so that a participant's other visits are in the training rows.
        for train, test in grouped_folds(rna.observations, target, folds=5, seed=seed):
            model = KNeighborsClassifier(3).fit(rna.values[train], target[train])
            scores[test] = model.predict_proba(rna.values[test])[:, 1]
        wrong.append(roc_auc_score(target, scores))
    mean = pd.concat(found, axis=1).mean(axis=1)
    models = ", ".join(f"{name} {area:.2f}" for name, area in mean.items())
    tell(f"noise, four visits: AUROC {mean.mean():.2f} ({models})")
    tell(f"the same noise in row-wise folds: AUROC {np.mean(wrong):.2f}")
    assert len(mean) == 12
    assert abs(mean.mean() - 0.5) < 0.1
    assert abs(mean["late_fusion"] - 0.5) < 0.1
    # Each for itself: the mean of three AUROCs of 60 participants has a standard error of 0.044, so that a model that
    # finds nothing lies outside once in a thousand.
    assert (mean - 0.5).abs().max() < 0.15, mean
    assert np.mean(wrong) > 0.9


def test_choice_of_features_is_inside_the_fold_and_outside_it_finds_what_is_not_there(tell):
    found, wrong = [], []
    for seed in SEEDS:
        blocks, classes = noise(seed, size=50, visits=1, features=(20, 3000))
        rna = {"rna": blocks["rna"]}
        found.append(areas(cross_validate(rna, classes, ("layers",), seed))["rna"])
        # The mistake: the twenty features that go with the class best are chosen on everyone.
        target = (classes.loc[rna["rna"].participants.tolist()] == "MALS").astype(int).to_numpy()
        best = np.argsort(f_classif(rna["rna"].values, target)[0])[-20:]
        chosen = {"rna": block("rna", rna["rna"].values[:, best], rna["rna"].participants)}
        wrong.append(areas(cross_validate(chosen, classes, ("layers",), seed))["rna"])
    tell(f"20 of 3,000 noise features chosen inside the fold: AUROC {np.mean(found):.2f}")
    tell(f"the same chosen before the folds: AUROC {np.mean(wrong):.2f}")
    assert abs(np.mean(found) - 0.5) < 0.1
    assert np.mean(wrong) > 0.9


def learned(models):
    """All that was learned, as bytes, by name."""
    parts = models.blocks | {f"boosting_{name}": tuned for name, tuned in models.boosted.items()}
    parts |= {"mofa": models.joint, "early_fusion": models.early.model}
    found = {}
    for name, tuned in parts.items():
        steps = tuned.pipeline.named_steps
        model = steps["model"]
        found[f"{name} model"] = (
            model.coef_.tobytes() + model.intercept_.tobytes()
            if hasattr(model, "coef_")
            else b"".join(tree.nodes.tobytes() for trees in model._predictors for tree in trees)
        )
        found[f"{name} choice"] = b"" if steps["select"] == "passthrough" else steps["select"].get_support().tobytes()
        found[f"{name} calibration"] = repr((tuned.calibration, tuned.parameters)).encode()
        found[f"{name} inner"] = tuned.inner.to_numpy().tobytes()
        if "scale" in steps:
            found[f"{name} scale"] = steps["scale"].mean_.tobytes() + steps["scale"].scale_.tobytes()
    fit = models.factors.mofa.fit_
    found["factors"] = b"".join(part.tobytes() for part in (fit.factors, *fit.weights.values(), *fit.mean.values()))
    for name in ("fusion", "clinical_omics"):
        fusion = getattr(models, name)
        stack = fusion.stack
        found[f"{name} stack"] = b"".join(part.tobytes() for part in (stack.middle, stack.difference, stack.covariance))
        found[f"{name} calibration"] = repr((stack.layers, fusion.calibration)).encode()
    return found


@pytest.mark.parametrize(
    ("tampered", "feature_set"),
    [("rna", "full"), ("proteome", "full"), ("clinical", "full"), ("rna", "no_definers_strict")],
)
def test_a_test_participants_values_leave_every_training_artefact_bit_identical(tampered, feature_set, tell):
    blocks, classes = noise(1, visits=2)
    for name in ("rna", "proteome"):
        own = blocks[name]
        # What goes with a definer is left out, by the training rows: the first feature is one itself, nearly.
        near = own.values[:, :1] + np.random.default_rng(5).normal(0, 0.1, (len(own.values), 1))
        blocks[name] = replace(own, definer=np.arange(own.features.size) == 1, definer_values=near)
    train, test = classes.index[:48], classes.index[48:]
    labels = (classes == "MALS").astype(int)

    def fit(given):
        factors = fit_factors(feature_set, given, train, SETTINGS, 7)
        return fit_models(task(), feature_set, given, labels.loc[train], SETTINGS, 7, factors)

    values = blocks[tampered].values.copy()
    values[np.isin(blocks[tampered].participants, test)] += 3
    # The definers of the test participants as well: they would choose other features.
    moved = np.isin(blocks[tampered].participants, test)[:, None] * np.random.default_rng(6).normal(0, 9, values.shape)
    other = {**blocks, tampered: replace(blocks[tampered], values=values)}
    if tampered != "clinical":
        definers = blocks[tampered].definer_values + moved[:, :1]
        other[tampered] = replace(other[tampered], definer_values=definers)
    first, second = fit(blocks), fit(other)
    before, after = learned(first), learned(second)
    different = [name for name in before if before[name] != after[name]]
    tell(f"{tampered} of twelve changed, {feature_set}: {len(different)} of {len(before)} artefacts differ")
    assert len(before) > 40
    assert different == []
    pd.testing.assert_frame_equal(predict(first, blocks, train), predict(second, other, train))
    # The change did reach the test participants.
    pipeline = first.blocks[tampered].pipeline
    raw = [pipeline.decision_function(given[tampered].rows(test).values) for given in (blocks, other)]
    assert not np.array_equal(*raw)


@pytest.mark.parametrize("feature_set", ["full", "no_definers_strict"])
def test_a_test_participants_values_leave_the_panel_bit_identical(feature_set, tell):
    blocks, classes = noise(1, visits=2)
    # Something to be chosen, so that there is a panel.
    shift = 3.0 * (classes.loc[blocks["rna"].participants.tolist()] == "MALS").to_numpy()
    blocks["rna"] = replace(blocks["rna"], values=blocks["rna"].values + shift[:, None] * (np.arange(50) < 3))
    for name in ("rna", "proteome"):
        near = blocks[name].values[:, 9:10] + np.random.default_rng(5).normal(0, 0.1, (len(blocks[name].values), 1))
        blocks[name] = replace(blocks[name], definer_values=near)
    train, test = classes.index[:48], classes.index[48:]
    labels = (classes == "MALS").astype(int).loc[train]
    rule = {"size": 10, "pairs": 10, "expected_false": 0.2, "frequency": 0.7}
    choices = Choices({"panel": rule, "max_features": 40}, {}, {}, 1)
    inputs = Inputs(task(), classes, pd.Series("all", classes.index), blocks, [])
    moved = {}
    for name in ("rna", "proteome"):
        theirs = np.isin(blocks[name].participants, test)[:, None]
        noisy = np.random.default_rng(6).normal(0, 9, blocks[name].values.shape) * theirs
        moved[name] = replace(
            blocks[name],
            values=blocks[name].values + noisy,
            definer_values=blocks[name].definer_values + noisy[:, :1],
        )
    first = train_panel(inputs, feature_set, labels, choices, 7)
    second = train_panel(replace(inputs, blocks=blocks | moved), feature_set, labels, choices, 7)

    def learned_of(trained):
        panel = trained.panel
        parts = {"names": repr([trained.names[column] for column in panel.columns]).encode()}
        parts["columns"], parts["frequency"] = panel.columns.tobytes(), panel.stability.frequency.tobytes()
        parts["fill"], parts["centre"] = panel.imputer.statistics_.tobytes(), panel.scaler.mean_.tobytes()
        parts["scale"], parts["model"] = panel.scaler.scale_.tobytes(), panel.model.coef_.tobytes()
        for name, (fitted, varying) in trained.layers.items():
            parts[f"{name} columns"], parts[f"{name} varying"] = fitted.columns_.tobytes(), varying.tobytes()
        return parts

    before, after = learned_of(first), learned_of(second)
    different = [name for name in before if before[name] != after[name]]
    tell(f"rna and proteome of twelve changed, panel, {feature_set}: {len(different)} of {len(before)} differ")
    assert different == []
    # Of 80 features two may count as chosen in a half, and here those are planted ones.
    assert {first.names[column] for column in first.panel.columns} <= {("rna", f"rna{place}") for place in range(3)}
    assert first.panel.columns.size
    # The change did reach the test participants.
    rows = [trained.panel.evidence(trained.table.rows(test).values) for trained in (first, second)]
    assert not np.array_equal(*rows)


def test_the_order_of_rows_participants_and_layers_changes_nothing(tell):
    blocks, classes = noise(2, visits=1)
    generator = np.random.default_rng(0)
    shuffled = {name: blocks[name] for name in generator.permutation(list(blocks))}
    folds = outer_folds(classes, folds=5, repeats=1, seed=1)
    again = outer_folds(classes.sample(frac=1, random_state=3), folds=5, repeats=1, seed=1)
    pd.testing.assert_frame_equal(folds, again)
    first = evaluate_repeat(task(), blocks, classes, folds, SETTINGS, repeat=1, seed=1)
    second = evaluate_repeat(
        task(),
        shuffled,
        classes.sample(frac=1, random_state=3),
        folds.sample(frac=1, random_state=4),
        SETTINGS,
        repeat=1,
        seed=1,
    )
    tell(f"participants, folds and layers in another order: {len(first)} predictions, equal to the last bit")
    pd.testing.assert_frame_equal(first, second)


def test_a_perfect_leak_in_the_test_rows_alone_is_not_exploited(tell):
    """A feature that is the class in fold 1's test rows and zero elsewhere moves no prediction of that fold."""
    blocks, classes = noise(3, visits=1)
    folds = outer_folds(classes, folds=5, repeats=1, seed=1)
    own = folds.set_index("participant")["fold"]
    # Two folds are enough: fold 1, and everyone else together.
    folds = folds.assign(fold=folds["fold"].clip(upper=2))
    tables = []
    for leak in (0.0, 50.0):
        given = dict(blocks)
        for name in ("rna", "proteome"):
            persons = blocks[name].participants.tolist()
            values = blocks[name].values.copy()
            planted = np.where(classes.loc[persons] == "MALS", leak, -leak) + np.linspace(0, 1, len(persons))
            values[:, 0] = (own.loc[persons] == 1).to_numpy() * planted
            given[name] = replace(blocks[name], values=values)
        table = evaluate_repeat(task(), given, classes, folds, SETTINGS, repeat=1, seed=1)
        tables.append(table[table["fold"] == 1])
    without, with_leak = tables
    with_it, without_it = areas(with_leak).mean(), areas(without).mean()
    tell(f"a perfect leak in the test rows: AUROC of fold 1 {with_it:.2f}, without it {without_it:.2f}")
    np.testing.assert_array_equal(without["score"], with_leak["score"])
