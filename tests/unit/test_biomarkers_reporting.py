"""Model card and items of TRIPOD+AI: what a run's tables say, what is said to be not run, and what is not told."""

import re

import pandas as pd
import pytest

from immunosep.biomarkers.reporting.card import covid, model_card
from immunosep.biomarkers.reporting.describe import define_target, kind_of_model
from immunosep.biomarkers.reporting.facts import TABLES, Facts
from immunosep.biomarkers.reporting.limits import known_limits, without
from immunosep.biomarkers.reporting.tripod import ITEMS, tripod_page, tripod_table
from immunosep.biomarkers.tasks import load_task
from immunosep.biomarkers.training import training_table
from support.tasks import report_settings

HEADER = {
    "format": "4",
    "status": "fitted",
    "labels": "as derived",
    "epoch": 2,
    "data_sha256": "d" * 64,
    "folds_sha256": "f" * 64,
    "versions": {"numpy": "2.0"},
    "frozen_upstream": ["rna: counted", "atac: consensus peaks"],
}
#: Letters of the parts of each item, from the checklist of Collins et al. 2024.
PARTS = {"3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg", "18": "abcdef", "20": "abc"} | {
    "23": "ab",
    "27": "abc",
}


def text_table(rows, columns=()):
    table = pd.DataFrame(rows).reindex(columns=list(columns) or None)
    return table.astype(object).where(table.notna(), "").astype(str)


def training(classes, groups=(), left_out=(), sampled=None):
    """A training table: participants of each class; (variable, level, class, n); (reason, n); sampled of rna."""
    rows = [{"kind": "class", "name": name, "n": n} for name, n in classes.items()]
    rows += [{"kind": "left_out", "name": reason, "n": n} for reason, n in left_out]
    rows += [{"kind": "group", "name": v, "level": level, "class": c, "n": n} for v, level, c, n in groups]
    for block in ("rna", "any layer"):
        for name, n in (sampled or classes).items():
            own = {"kind": "block", "name": block, "level": "sampled", "class": name}
            rows.append({**own, "n": n, "of": classes[name]})
    rows.append({"kind": "block", "name": "rna", "level": "features", "n": 20000})
    return text_table(rows, ["kind", "name", "level", "class", "n", "of", "value"])


def row(model, auroc=0.8, **changes):
    """A row of performance."""
    own = {"task": "t", "model": model, "feature_set": "full", "class": "response", "n": 276, "n_positive": 72}
    own |= {"prevalence": 0.26, "auroc": auroc, "auroc_low": 0.7, "auroc_high": 0.9, "auprc": 0.6, "brier": 0.15}
    own |= {"balanced_accuracy": 0.7, "calibration_slope": 1.0, "calibration_intercept": 0.1, "note": ""}
    return own | changes


def facts(target="sofa_response", header=None, controls=None, settings=None, task=None, **tables):
    """What a run of 276 participants with 72 responses says; its tables as given, the others not made."""
    entry = {"target": target, "days": [1], "comparators": ["clinical", "layers", "late_fusion"], **(task or {})}
    entry.setdefault("feature_sets", ["full"])
    section = {"tasks": {"t": entry}, "clinical": {"t": ["age_years", "sofa_baseline"]}}
    chosen = report_settings(section, **(settings or {}))
    made = {"training": training({"nonresponse": 204, "response": 72})}
    made["performance"] = text_table([row("clinical", 0.6), row("late_fusion"), row("rna", n=270)])
    return Facts(
        load_task("t", chosen["biomarkers"]),
        chosen,
        HEADER | (header or {}),
        {name: pd.DataFrame() for name in TABLES} | made | tables,
        controls or {},
    )


def items(found):
    return tripod_table(found).set_index("item")


def test_the_items_are_those_of_the_statement():
    numbers = [f"{item}{part}" for item in map(str, range(1, 28)) for part in PARTS.get(item, " ")]
    assert [item.number for item in ITEMS] == [number.strip() for number in numbers]
    assert len(ITEMS) == 52
    development = {item.number for item in ITEMS if item.applies_to == "development"}
    assert development == {"9a", "12a", "12b", "12c", "15", "22", "27a", "27b"}
    assert {item.number for item in ITEMS if item.applies_to == "evaluation"} == {"12f", "12g", "20c", "24"}


def test_the_status_says_what_is_left_to_the_author():
    table = items(facts())
    by_status = table.groupby("status").groups
    # 6a: these tables name no country.
    assert set(by_status["by hand"]) == {"2", "3c", "6a", "18a", "18b", "19"}
    assert (table.loc[by_status["filled"], "by_hand"] == "").all()
    assert (table.loc[by_status["by hand"], "says"] == "").all()
    assert table.loc[by_status["partly"], ["says", "by_hand"]].ne("").all(axis=None)
    page = tripod_page(facts(), tripod_table(facts()))
    assert page.count("*Fill in by hand:") == len(by_status["by hand"]) + len(by_status["partly"])


def test_numbers_come_from_the_tables():
    table = items(facts())["says"]
    assert "276; nonresponse 204, response 72" in table["20a"]
    assert "bears 3.3, 5.8 or 10.0 parameters" in table["10"]
    assert "rna 276 of 276" in table["11"]
    assert "Late fusion 0.80 (0.70 to 0.90)" in table["23a"]
    assert "response slope 1.00, intercept 0.10" in table["23a"]
    assert HEADER["data_sha256"] in table["18e"]
    assert "epoch 2" in table["18e"]
    assert table["7"].startswith("Libraries of rna that failed")
    assert "rna: counted; atac: consensus peaks" in table["7"]
    assert "10 x 5 outer folds" in table["12a"]
    assert "C of 0.01, 0.1 or 1" in table["12c"]


def test_what_was_not_run_is_said_to_be_so():
    table = items(facts())["says"]
    for item, words in {
        "11": "pattern of missing layers alone: not run",
        "12e": "Permutations of the whole pipeline: not run",
        "14": "within groups: not run",
        "23a": "Panel, chosen anew in every fold: not run",
        "23b": "Not run",
        "26": "Negative controls (site, country, arm before the first dose): not run",
    }.items():
        assert words in table[item], item
    card = model_card(facts())
    assert "- Panel, chosen anew in every fold: not run" in card
    assert "## Predictive values\n\nNot run." in card
    assert "- Without participants with COVID-19: not recorded in this run" in card


def test_a_task_without_a_model():
    """The note of the refusal counts the participants of a small class; card and items do not repeat it."""
    status = "not run: participants per class nonresponse 204, response 3; 8 needed in each"
    empty = training({"x": 0}).iloc[:0]
    performance = text_table([{"task": "t", "note": status}], row("x"))
    found = facts(header={"status": status}, training=empty, performance=performance)
    card = model_card(found)
    assert "No model: not run: a class has fewer than 8 participants." in card
    assert "## Performance" not in card
    table = items(found)["says"]
    assert table["23a"] == "No performance: not run: a class has fewer than 8 participants."
    assert not re.search(r"\b(3|204)\b", card + table["10"] + table["20a"] + table["20b"] + table["21"] + table["22"])
    other = facts(
        header={"status": "no layer has a sample on the task's days"}, training=empty, performance=performance
    )
    assert "No model: no layer has a sample on the task's days." in model_card(other)


def test_models_without_an_auroc_make_no_claim():
    found = facts(
        performance=text_table([row("rna", "", note="one class only among the participants with this layer")])
    )
    card = model_card(found)
    assert "No model has an AUROC." in card
    assert "stands for the task" not in card
    assert items(found)["says"]["23a"] == "No performance: no model has an AUROC."


def test_endotypes_are_told_where_they_are_seen():
    counts = [("endotype", "MALS", "response", 40), ("endotype", "SII", "response", 32)]
    table = training({"nonresponse": 204, "response": 72}, [*counts, ("endotype", "SII", "nonresponse", 204)])
    assert "- Endotypes: MALS 40, SII 236" in model_card(facts(training=table))
    assert "Endotypes" not in model_card(facts())


def test_shuffled_labels_stand_first():
    found = facts(header={"labels": "shuffled"})
    assert model_card(found).startswith("**SHUFFLED LABELS")
    assert tripod_page(found, tripod_table(found)).startswith("**SHUFFLED LABELS")


@pytest.mark.parametrize(
    ("target", "changes", "words"),
    [
        ("endotype", {"endotype": {"ferritin_cut": 5000, "hladr_cut": 8000}}, "ferritin above 5000 ng/mL"),
        (
            "sofa_response",
            {"sofa_response": {"threshold_tenths": 20}},
            "at least 2 points above the mean of days 1 to 9",
        ),
        (
            "sofa_response",
            {"sofa_response": {"option": "E"}},
            "alive at the end of day 7, and SOFA fallen by at least 25 %",
        ),
        ("sofa_response", {"sofa": {"death_rule": "worst24"}}, "death: worst24"),
        ("reversal_d15", {"reversal": {"hladr_above": 9000}}, "HLA-DR above 9000 receptors"),
        ("event_28", {}, "Death from any cause within 28 days of randomisation."),
    ],
)
def test_the_target_is_defined_by_the_configuration(target, changes, words):
    base = report_settings({})
    settings = {name: {**base[name], **own} for name, own in changes.items()}
    found = facts(target=target, settings=settings)
    assert words in define_target(found.task, found.settings)
    assert words in items(found)["says"]["8a"]
    assert words in model_card(found)


def test_a_landmark_has_its_own_definition():
    task = {"landmark": 4, "days": [4], "comparators": ["layers"]}
    found = facts(task=task)
    assert "SOFA of day 4 at least 1.4 points above the mean of days 5 to 9" in define_target(
        found.task, found.settings
    )
    assert kind_of_model(found) == "Prognostic: the outcome begins on day 5"
    assert kind_of_model(facts("endotype", task={"comparators": ["layers"]})).startswith("Diagnostic")
    assert "treatment moves the predictors" in items(found)["says"]["6c"]
    assert "treatment moves" not in items(facts())["says"]["6c"]


def test_the_task_of_a_subgroup_says_whom_it_is_about_and_what_may_predict():
    task = {"population": {"covid19": ["no"], "country": ["Greece", "Spain"]}, "layers": ["rna"], "metric": "auprc"}
    found = facts(task={**task, "comparators": ["layers", "late_fusion"]})
    card = model_card(found)
    assert "class of the target, of whom covid19 is no and country is Greece or Spain." in card
    assert "- Predictors: samples of day 1 of rna alone; clinical: age_years" in card
    assert "Its one number is the AUPRC: 0.60." in card
    assert "country is Greece or Spain" in items(found)["says"]["6b"]
    plain = model_card(facts())
    assert "of whom" not in plain
    assert "samples of day 1; clinical" in plain
    assert "Its one number is the AUROC: 0.80." in plain


def test_of_another_cohort_nothing_is_claimed():
    """A column of the name endotype in somebody's ready label table need not follow the trial's rule."""
    found = facts("endotype", settings={"own_labels": False})
    table = items(found)
    assert not any("NCT04990232" in text or "4420" in text for text in [*table["says"], model_card(found)])
    assert "its definition" in table.loc["8a", "by_hand"]
    assert table.loc["18d", "status"] == "by hand"


def test_of_a_ready_matrix_no_verdict_is_claimed():
    found = facts(settings={"raw_layers": []})
    assert "quality" not in items(found).loc["7", "says"]
    assert items(found).loc["7", "by_hand"].startswith("how rna came to be")
    assert "quality verdicts" not in model_card(found)


def test_small_counts_are_not_told():
    groups = [("sex", "F", "nonresponse", 100), ("sex", "F", "response", 3)]
    groups += [("sex", "M", "nonresponse", 104), ("sex", "M", "response", 69)]
    groups += [("country", name, "response", n) for name, n in (("GR", 70), ("IT", 2))]
    groups += [("country", name, "nonresponse", n) for name, n in (("GR", 203), ("IT", 1))]
    table = training(
        {"nonresponse": 204, "response": 72},
        groups,
        [("no value", 4), ("not randomised: no value", 391)],
        {"nonresponse": 203, "response": 70},
    )
    found = facts(training=table)
    told = items(found)["says"]
    assert "sex: F (nonresponse *, response <5), M (nonresponse *, response *)" in told["20b"]
    assert told["6a"] == "Participants by country: GR *, IT <5."
    assert "no value <5, not randomised: no value *" in told["20a"]
    assert told["11"].startswith("Participants with a sample: rna more than 271 of 276. With no layer at all: <5.")
    card = model_card(found)
    assert "- rna: more than 271 of 276 participants" in card
    assert not re.search(r"\b(273|391|203)\b", card + told["20a"] + told["11"])


def test_groups_bear_no_number_where_they_would_lay_open_whom_the_model_did_not_predict():
    columns = ["task", "model", "feature_set", "class", "variable", "level", "n", "auroc", "auroc_low", "auroc_high"]
    one = {"task": "t", "model": "late_fusion", "feature_set": "full", "class": "response", "variable": "sex"}
    groups = [{**one, "level": level, "n": 137, "auroc": 0.7, "auroc_low": 0.6, "auroc_high": 0.8} for level in "FM"]
    subgroups = text_table(groups, [*columns, "note"])
    assert "sex F 0.70 (0.60 to 0.80), N = 137" in items(facts(subgroups=subgroups))["says"]["23a"]
    lacking = text_table([row("late_fusion", n=274)])
    found = facts(subgroups=subgroups, performance=lacking)
    assert "sex F 0.70 (0.60 to 0.80); sex M" in items(found)["says"]["23a"]
    assert "more than 271" in model_card(found)


@pytest.mark.parametrize(("auroc", "words"), [(0.66, "missing for a reason that goes with"), (0.55, "no sign")])
def test_missing_layers_that_predict_are_a_warning(auroc, words):
    performance = text_table([row("late_fusion"), row("missingness", auroc)])
    found = [text for text in known_limits(facts(performance=performance)) if text.startswith("Missing layers")]
    assert len(found) == 1
    assert words in found[0]
    assert f"{auroc:.2f}" in found[0]


def test_limits_name_the_lowest_group_the_controls_and_a_bad_slope():
    one = {"task": "t", "model": "late_fusion", "feature_set": "full", "class": "response", "note": ""}
    low = {"auroc_low": 0.1, "auroc_high": 0.9}
    groups = [("sex", "F", 0.7), ("country", "RO", 0.55), ("covid19", "no", 0.5)]
    subgroups = text_table(
        [{**one, **low, "variable": v, "level": level, "auroc": a, "n": 40} for v, level, a in groups]
    )
    performance = text_table([row("late_fusion", calibration_slope=0.5), row("clinical", 0.6)])
    difference = {**one, "reference": "clinical", "auroc_difference": 0.2, "low": -0.01, "high": 0.4}
    found = facts(
        subgroups=subgroups,
        performance=performance,
        differences=text_table([difference]),
        transfer=text_table([row("late_fusion", 0.71, scheme="leave_one_country_out", groups=5)]),
        permutations=text_table([{**one, "p_value": 0.0476, "n_permutations": 20}]),
        controls={"arm": text_table([row("late_fusion", 0.52)])},
    )
    text = " ".join(known_limits(found))
    # Who is left out for COVID-19 is no group of its own.
    assert "AUROC 0.55 (0.10 to 0.90) in country RO, N = 40." in text
    assert "each country left out in turn (5 groups) 0.71" in text
    assert "Negative control arm: AUROC 0.52 (0.70 to 0.90) (Late fusion)" in text
    assert "slope 0.50. Below 0.8" in text
    assert "AUROC +0.20 (-0.01 to 0.40), not shown to be better" in text
    assert "permutation p 0.048, from 20 reruns" in text
    assert all(line in model_card(found) for line in known_limits(found))


def test_who_is_not_of_the_task_is_counted_by_the_reason():
    """Of nine, two have an endotype of the task; one has one too and is not there, as who is gone before a landmark."""
    table = pd.DataFrame(
        {
            "participant": list("abcdefghi"),
            "site": ["GR01", "GR02", *["GR03"] * 7],
            "randomised": ["yes"] * 6 + ["no"] * 3,
            "endotype": ["MALS", "SII", "MALS", "unclassified", "unclassified", "", "unclassified", "", ""],
        }
    )
    classes = pd.Series({"a": "MALS", "b": "SII"})
    task = load_task("t", {"tasks": {"t": {"target": "endotype", "days": [1], "comparators": ["layers"]}}})
    found = training_table(task, classes, {}, table, None)
    left_out = found[found["kind"] == "left_out"].set_index("name")["n"].to_dict()
    assert left_out == {
        "has a class, and is not of the population": 1,
        "no value": 1,
        "not randomised: no value": 2,
        "not randomised: unclassified": 1,
        "unclassified": 2,
    }
    assert found.set_index("kind").loc["sites", "n"] == 2


def test_covid19_in_one_class_alone():
    def told(mals, sii):
        groups = [("covid19", "yes", "MALS", mals), ("covid19", "yes", "SII", sii), ("covid19", "no", "SII", 100)]
        return facts("endotype", training=training({"MALS": 112, "SII": 168}, groups))

    assert covid(told(20, 0)) == "in class MALS alone, so that the response to the virus may stand for the class"
    assert covid(told(20, 30)) == "in every class"
    assert covid(told(3, 0)) == "fewer than 5 participants in a class"
    assert covid(told(0, 0)) == "no participant"
    assert without(told(0, 0), "covid19") == "nobody to leave out"
    assert without(told(20, 0), "covid19") == "not run"
    assert covid(facts()) == "not recorded in this run"


def test_a_task_of_three_classes_speaks_of_their_mean():
    classes = {"MALS": 40, "SII": 60, "unclassified": 30}
    rows = [row("late_fusion", 0.7, **{"class": name, "calibration_slope": 1.1}) for name in classes]
    rows.append(
        row("late_fusion", 0.77, **{"class": "macro", "n_positive": "", "prevalence": "", "calibration_slope": ""})
    )
    found = facts("endotype", training=training(classes), performance=text_table(rows))
    assert found.main["class"] == "macro"
    table = items(found)["says"]
    assert "Late fusion 0.77" in table["23a"]
    assert table["23a"].count("slope 1.10") == 3
    assert "With 30 in the smallest class" in table["10"]
