"""Who is in a task and with which class: three classes or two, populations, places."""

import numpy as np
import pandas as pd
import pytest

from immunosep.biomarkers.classes import Limits, decide_classes, person_table, remark_of
from immunosep.biomarkers.splits import place_folds
from immunosep.biomarkers.tasks import contrasts, load_task
from immunosep.errors import InputError
from support.tasks import labels, section

LIMITS = Limits(min_per_class=8, min_unclassified=20, min_site=15)


def decide(task, table, sampled=None, participants=None, limits=LIMITS):
    return decide_classes(task, table, participants, table["participant"] if sampled is None else sampled, limits)


def flow(decision):
    """Return the numbers of a decision: (class, enters) -> (participants, sampled)."""
    table = decision.table
    keys = zip(table["class"], table["enters"], strict=True)
    return dict(zip(keys, zip(table["participants"], table["sampled"], strict=True), strict=True))


def screened(unclassified):
    """A label table of 10 SII, 9 MALS and others who were not enrolled."""
    return labels(endotype=["SII"] * 10 + ["MALS"] * 9 + ["unclassified"] * unclassified + ["undetermined"] * 2)


@pytest.mark.parametrize("target", ["endotype", "dynamic_endotype_d1"])
@pytest.mark.parametrize(("with_sample", "classes"), [(19, 2), (20, 3)])
def test_the_unclassified_are_a_class_where_enough_were_sampled(target, with_sample, classes):
    """Thirty have the label; it is their samples that count, and without one they never enter."""
    table = screened(30).rename(columns={"endotype": target})
    named = table.set_index("participant")[target]
    sampled = [*named.index[named.isin(["SII", "MALS"])][1:], *named.index[named == "unclassified"][:with_sample]]
    task = load_task("t", section(target))
    decision = decide(task, table, sampled)
    told = {2: "two classes: 19 unclassified with a sample, 20 needed for a third"}
    told[3] = "three classes: 20 unclassified with a sample"
    assert remark_of(decision.table) == told[classes]
    assert decision.classes.value_counts().to_dict() == {"SII": 10, "MALS": 9} | (
        {"unclassified": 20} if classes == 3 else {}
    )
    # The one without a sample is in the task, for the clinical model.
    assert flow(decision)["SII", "yes"] == (10, 9)
    left = flow(decision)["unclassified", "no"]
    assert left == ((10, 0) if classes == 3 else (30, 19))
    assert flow(decision)["undetermined", "no"] == (2, 0)
    asked = contrasts(task, decision.classes)
    assert list(asked) == (["SII", "MALS", "unclassified"] if classes == 3 else ["MALS"])


def test_classes_that_are_named_stay_two_and_the_limit_is_the_configurations():
    named = load_task("t", section("endotype", classes=["SII", "MALS"]))
    assert set(decide(named, screened(40)).classes) == {"SII", "MALS"}
    few = Limits(min_per_class=8, min_unclassified=3, min_site=15)
    task = load_task("t", section("endotype"))
    # A third class also needs what every class needs: it must not take the other two away.
    assert set(decide(task, screened(7), limits=few).classes) == {"SII", "MALS"}
    assert set(decide(task, screened(8), limits=few).classes) == {"SII", "MALS", "unclassified"}


def test_a_task_that_is_too_small_enters_nobody_and_says_why():
    task = load_task("t", section("endotype"))
    decision = decide(task, labels(endotype=["SII"] * 9 + ["MALS"] * 7))
    assert decision.classes.empty
    assert set(decision.table["enters"]) == {"no"}
    assert remark_of(decision.table) == "not run: participants per class SII 9, MALS 7; 8 needed in each"
    nobody = decide(task, labels(endotype=[""] * 4))
    assert remark_of(nobody.table) == "not run: participants per class SII 0, MALS 0; 8 needed in each"


def test_a_population_is_who_has_its_values():
    table = labels(endotype=["SII", "MALS"] * 20, arm=["active"] * 30 + ["placebo"] * 10, site="GR01")
    people = pd.DataFrame({"site": "GR01", "participant_code": table["participant"].str[5:]})
    people["dosed"] = ["yes"] * 36 + ["no"] * 4
    task = load_task("t", section("endotype", population={"dosed": [True], "arm": ["active", "placebo"]}))
    assert task.population == {"dosed": ("yes",), "arm": ("active", "placebo")}
    assert decide(task, table, participants=people).classes.index.tolist() == table["participant"][:36].tolist()
    assert len(person_table(table, people).columns) == 5
    active = load_task("t", section("endotype", population={"arm": ["active"]}))
    assert len(decide(active, table).classes) == 30
    with pytest.raises(InputError, match=r"biomarkers.tasks.t.population: dosed stands in neither"):
        decide(task, table)


def places():
    """Two large sites, small ones in three countries, and people who were screened only."""
    sites = ["GR01"] * 20 + ["GR02"] * 16 + ["GR03"] * 6 + ["GR04"] * 5 + ["IT01"] * 7 + ["IT02"] * 6 + ["RO01"] * 5
    table = labels(site=[*sites, *["GR02"] * 9])
    table["country"] = table["site"].str[:2]
    return table, table["participant"][: len(sites)]


def test_sites_are_pooled_as_the_folds_by_place_pool_them_and_small_pools_left_out():
    table, sampled = places()
    task = load_task("t", section("site", control=True))
    decision = decide(task, table, sampled)
    assert decision.classes.value_counts().to_dict() == {
        "site GR01": 20,
        "site GR02": 16,
        "country IT": 13,
        "country GR": 11,
    }
    assert flow(decision)["country RO", "no"] == (5, 5)
    assert flow(decision)["GR02", "no"] == (9, 0)
    assert remark_of(decision.table).startswith("negative control: an AUROC above 0.5 says how far")
    known = table.set_index("participant").loc[sampled, ["country", "site"]]
    folds = place_folds(known["site"], known, "leave_one_site_group_out", min_site=15).set_index("participant")["fold"]
    grouped = pd.DataFrame({"fold": folds, "class": decision.classes}).dropna()
    assert (grouped.groupby("fold")["class"].nunique() == 1).all()
    assert (grouped.groupby("class")["fold"].nunique() == 1).all()
    country = decide(load_task("t", section("country", control=True)), table, sampled)
    assert country.classes.value_counts().to_dict() == {"GR": 47, "IT": 13}


def test_one_place_alone_cannot_be_told_from_another():
    table = labels(site=["GR01"] * 20, country=["GR"] * 20)
    decision = decide(load_task("t", section("country", control=True)), table)
    assert remark_of(decision.table) == "not run: participants per class GR 20; two classes of 8 needed"


def test_a_later_days_population_was_sampled_on_it():
    table = labels(
        event_28=["0", "1"] * 10, time_to_death_28=["28", "9"] * 10, last_day_in_study=["90"] * 18 + ["3"] * 2
    )
    task = load_task("t", section("event_28", [1, 4], landmark=4))
    decision = decide(task, table, table["participant"][:17])
    assert (task.sampled_days, len(decision.classes)) == ((4,), 17)
    told = decision.table[decision.table["enters"] == "no"]
    assert dict(zip(told["note"], told["participants"], strict=True)) == {"gone by day 4": 1, "no sample on day 4": 1}


def test_the_order_of_the_rows_changes_nothing():
    table = screened(25)
    shuffled = table.iloc[np.random.default_rng(1).permutation(len(table))]
    task = load_task("t", section("endotype"))
    first, second = decide(task, table), decide(task, shuffled)
    pd.testing.assert_series_equal(first.classes, second.classes)
    pd.testing.assert_frame_equal(first.table, second.table)
