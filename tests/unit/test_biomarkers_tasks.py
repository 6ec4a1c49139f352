"""The clock, the classes and the folds: what may predict what, for whom, on which side of the split."""

import numpy as np
import pandas as pd
import pytest

from immunosep.biomarkers.classes import class_labels, too_small
from immunosep.biomarkers.splits import derive_seed, folds_digest, grouped_folds, keep_folds, outer_folds
from immunosep.biomarkers.tasks import contrasts, load_task
from immunosep.errors import InputError
from support.tasks import labels, section


def test_classes_of_the_trial():
    task = load_task("t", section("reversal_d15"))
    table = labels(reversal_d15=["reversed", "dead", "", "not_reversed"])
    classes = class_labels(task, table)
    assert classes.tolist() == ["reversed", "not_reversed", "not_reversed"]
    assert contrasts(task, classes)["reversed"].tolist() == [1, 0, 0]
    endotype = class_labels(
        load_task("t", section("endotype")), labels(endotype=["SII", "unclassified", "MALS", "undetermined"])
    )
    assert endotype.tolist() == ["SII", "MALS"]


def test_who_is_lost_before_the_horizon_is_no_survivor():
    task = load_task("t", section("event_28"))
    table = labels(event_28=["0", "1", "0", "0"], time_to_death_28=["28", "5", "27", ""])
    assert class_labels(task, table).tolist() == ["0", "1", "0"]
    assert class_labels(task, table).index.tolist() == [table["participant"][row] for row in (0, 1, 3)]


def test_classes_of_another_cohort():
    task = load_task("t", section("subtype", []))
    three = class_labels(task, labels(subtype=["Her2", "Basal", "LumA", "LumA"]))
    assert {name: list(values) for name, values in contrasts(task, three).items()} == {
        "Basal": [0, 1, 0, 0],
        "Her2": [1, 0, 0, 0],
        "LumA": [0, 0, 1, 1],
    }
    named = load_task("t", section("icu", [], classes=["no", "yes"]))
    asked = contrasts(named, class_labels(named, labels(icu=["yes", "no", "lost"])))
    assert {name: list(values) for name, values in asked.items()} == {"yes": [1, 0]}
    with pytest.raises(InputError, match="no column icu"):
        class_labels(named, labels(other=["a"]))
    with pytest.raises(InputError, match="one value"):
        class_labels(task, labels(subtype=["Her2", "Her2"]))


def test_a_class_that_nobody_has_makes_the_task_too_small():
    task = load_task("t", section("endotype"))
    classes = class_labels(task, labels(endotype=["SII"] * 9))
    assert too_small(task, classes, 8) == "not run: participants per class SII 9, MALS 0; 8 needed in each"
    both = class_labels(task, labels(endotype=["SII"] * 9 + ["MALS"] * 8))
    assert too_small(task, both, 8) == ""


def cohort(size=41):
    return pd.Series(np.where(np.arange(size) % 5 < 2, "MALS", "SII"), index=[f"GR01-{i:09d}" for i in range(size)])


def test_every_participant_is_tested_once_per_repeat_and_classes_are_spread():
    classes = cohort()
    folds = outer_folds(classes, folds=5, repeats=3, seed=1)
    assert (folds.groupby("repeat")["participant"].nunique() == 41).all()
    assert not folds.duplicated(["participant", "repeat"]).any()
    share = folds.assign(mals=folds["participant"].map(classes) == "MALS").groupby(["repeat", "fold"])["mals"].sum()
    assert share.max() - share.min() <= 1
    first, second = (folds[folds["repeat"] == r].set_index("participant")["fold"] for r in (1, 2))
    assert (first != second).any()


def test_folds_depend_on_labels_and_seed_not_on_order():
    classes = cohort()
    folds = outer_folds(classes, folds=5, repeats=2, seed=1)
    pd.testing.assert_frame_equal(folds, outer_folds(classes[::-1], folds=5, repeats=2, seed=1))
    assert not folds.equals(outer_folds(classes, folds=5, repeats=2, seed=2))
    assert folds["digest"].unique().tolist() == [folds_digest(folds.sample(frac=1, random_state=1))]
    # More repeats leave the first ones as they were.
    more = outer_folds(classes, folds=5, repeats=3, seed=1)
    assert more.loc[more["repeat"] < 3, "fold"].tolist() == folds["fold"].tolist()
    with pytest.raises(ValueError, match="more than one label"):
        outer_folds(pd.concat([classes, classes[:1]]), folds=5, repeats=1, seed=1)


def test_inner_folds_keep_all_rows_of_a_participant_on_one_side():
    persons = np.repeat([f"p{index:02d}" for index in range(12)], 4)
    target = np.repeat(np.arange(12) % 2, 4)
    tested = []
    for train, valid in grouped_folds(persons, target, folds=4, seed=3):
        assert not set(persons[train]) & set(persons[valid])
        assert len(train) + len(valid) == 48
        assert set(target[valid]) == {0, 1}
        tested += valid.tolist()
    assert sorted(tested) == list(range(48))
    with pytest.raises(ValueError, match="two participants"):
        list(grouped_folds(np.array(["a", "b", "c"]), np.array([0, 0, 1]), folds=2, seed=1))


def test_derived_seeds_differ_by_name_and_are_fixed():
    assert derive_seed(1, "outer", 1) == derive_seed(1, "outer", 1) != derive_seed(1, "outer", 2)
    assert 0 <= derive_seed(7, "x") < 2**31


def test_folds_stay_when_somebody_withdraws():
    classes = cohort()
    before = outer_folds(classes, folds=5, repeats=2, seed=1)
    left = classes.drop(classes.index[7])
    drawn = outer_folds(left, folds=5, repeats=3, seed=1)
    assert not drawn.merge(before, on=["participant", "repeat", "fold"]).equals(drawn)  # drawn anew, people move
    after = keep_folds(drawn, before[before["participant"] != classes.index[7]].astype(str))
    expected = before[before["participant"] != classes.index[7]]
    merged = after.merge(expected, on=["participant", "repeat"], suffixes=("", "_before"))
    assert len(merged) == 2 * 40
    assert (merged["fold"] == merged["fold_before"]).all()
    third = after["repeat"] == 3
    pd.testing.assert_series_equal(after.loc[third, "fold"], drawn.loc[third, "fold"])
    assert after["digest"].unique().tolist() == [folds_digest(after)]


def test_newcomers_get_the_fold_that_is_drawn_and_other_numbers_of_folds_are_told():
    classes = cohort()
    kept = outer_folds(classes.iloc[:40], folds=5, repeats=1, seed=1).astype(str)
    drawn = outer_folds(classes, folds=5, repeats=1, seed=1)
    after = keep_folds(drawn, kept)
    newcomer = after["participant"] == classes.index[40]
    assert after.loc[newcomer, "fold"].tolist() == drawn.loc[newcomer, "fold"].tolist()
    with pytest.raises(InputError, match="outer_folds asks for 4"):
        keep_folds(outer_folds(classes, folds=4, repeats=1, seed=1), kept)
    empty = outer_folds(classes.iloc[:0], folds=5, repeats=1, seed=1)
    assert keep_folds(empty, kept).empty
