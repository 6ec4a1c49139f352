"""What may predict what: the truth table, cell by cell, and the sentences that explain a refusal."""

import pytest
import yaml

from immunosep.biomarkers.classes import class_labels
from immunosep.biomarkers.clock import outcome_of, time_task
from immunosep.biomarkers.guard import check_tasks, may_predict, rules_of, task_problems, trial_rules, visible_tasks
from immunosep.biomarkers.tasks import load_task
from immunosep.config import defaults, load_config
from immunosep.endpoints.columns import label_columns
from immunosep.errors import InputError
from immunosep.launch import BASE_CONFIG
from support.tasks import labels, section

RULES = trial_rules()
VISITS = (1, 2, 4, 7, 15, 21, 28, 90)
ALLOWED, LANDMARK, REFUSED = "allowed", "landmark", "refused"


def verdict(target, day, rules=RULES):
    """Say whether a sample of a day may predict a target: as it is, with a landmark on that day only, or never."""
    if not time_task(target, [day], None, rules)[1]:
        return ALLOWED
    return REFUSED if time_task(target, [day], day, rules)[1] else LANDMARK


SIGNS = {"+": ALLOWED, "L": LANDMARK, "-": REFUSED}


def row(text):
    """Read a row of the table: + allowed, L landmark only, - refused, by visit."""
    return {day: SIGNS[sign] for day, sign in zip(VISITS, text, strict=True)}


TABLE = {
    "endotype": row("+-------"),
    **{f"dynamic_endotype_d{own}": {day: ALLOWED if day == own else REFUSED for day in VISITS} for own in VISITS},
    "sofa_response": row("+LLL----"),
    "mean_sofa_d15": row("+LLL----"),
    "reversal_d15": row("++++----"),
    "event_28": row("+LLLLL--"),
    "event_90": row("+LLLLLL-"),
    "arm": row("++++++++"),
}


@pytest.mark.parametrize(("target", "day"), [(target, day) for target in TABLE for day in VISITS])
def test_truth_table(target, day):
    assert verdict(target, day) == TABLE[target][day]


@pytest.mark.parametrize(
    ("target", "like"),
    [
        ("mean_sofa_d9", "sofa_response"),
        ("delta_mean_sofa_d15", "mean_sofa_d15"),
        ("reversal_d15_binary", "reversal_d15"),
        ("ferritin_below_cut_d15", "reversal_d15"),
        ("infection_resolved_d15", "reversal_d15"),
        ("time_to_death_28", "event_28"),
        ("both_criteria", "endotype"),
    ],
)
def test_variants_of_a_target_follow_its_row(target, like):
    assert {day: verdict(target, day) for day in VISITS} == TABLE[like]


@pytest.mark.parametrize("landmark", [2, 4, 7])
def test_a_landmark_target_takes_predictors_until_its_day(landmark):
    target = f"landmark_response_d{landmark}"
    assert [day for day in VISITS if verdict(target, day) == ALLOWED] == [day for day in VISITS if day <= landmark]


def changed(**sections):
    """Return the clock of a configuration with other days."""
    base = defaults()
    return rules_of(base | {name: base[name] | values for name, values in sections.items()})


def test_the_days_are_the_configurations():
    early = changed(reversal={"day": 7, "window": 0})
    assert verdict("reversal_d7", 4, early) == ALLOWED
    assert verdict("reversal_d7", 7, early) == REFUSED
    assert time_task("reversal_d15", [1], None, early)[1] == [
        "the workflow does not know when reversal_d15 begins: give first_outcome_day, the first day after baseline "
        "that enters it, or settled where it was so before the first sample"
    ]
    later = changed(sofa={"first_day": 5, "landmark_days": [7]})
    assert verdict("sofa_response", 4, later) == ALLOWED
    assert verdict("sofa_response", 7, later) == LANDMARK
    assert verdict("sofa_response", 4, changed(sofa={"landmark_days": [2]})) == REFUSED


def test_an_outcome_of_another_cohort_is_predicted_among_those_sampled_last():
    timing, problems = time_task("survival", [0, 3], None, RULES, first_outcome_day=4)
    assert (timing.population_day, problems) == (3, [])
    assert "would look into its own outcome" in time_task("survival", [0, 4], None, RULES, first_outcome_day=4)[1][0]


def test_what_was_settled_before_the_first_sample_has_no_clock():
    timing, problems = time_task("delivery", [0, 30, 61], None, RULES, first_outcome_day="settled")
    assert (timing.population_day, problems) == (1, [])
    # A target of the trial is no such thing, whatever the task says.
    assert time_task("sofa_response", [2], None, RULES, first_outcome_day="settled")[1]


def test_the_latest_of_several_days_counts():
    assert time_task("sofa_response", [1, 4], None, RULES)[1]
    assert not time_task("sofa_response", [1, 2, 4], 4, RULES)[1]
    assert time_task("sofa_response", [1, 4, 7], 4, RULES)[1]


@pytest.mark.parametrize(
    ("target", "days", "landmark", "said"),
    [
        (
            "sofa_response",
            [4],
            None,
            "predictors of day 4 and an outcome that begins on day 2: the model would look into its own outcome; "
            "use days before 2, or landmark: 4 for what follows among those alive and in the study at its end",
        ),
        (
            "sofa_response",
            [15],
            None,
            "predictors of day 15 and an outcome that begins on day 2: the model would look into its own outcome; "
            "use days before 2",
        ),
        ("sofa_response", [5], 5, "landmark 5 is none of sofa.landmark_days (2, 4, 7)"),
        ("event_28", [28], 28, "landmark 28 and deaths until day 28: nothing is left to happen; use an earlier day"),
        ("event_28", [15], None, "landmark: 15 for what follows"),
        ("endotype", [4], None, "endotype is measured at baseline: predictors of day 1 only, not [4]"),
        (
            "dynamic_endotype_d4",
            [1],
            None,
            "dynamic_endotype_d4 is measured on day 4: predictors of day 4 only, not [1]",
        ),
        ("endotype", [1], 4, "endotype is measured at the same time as its predictors: leave landmark out"),
        ("reversal_d15", [4], 4, "reversal_d15 has no landmark: leave it out"),
        ("landmark_response_d4", [4], 7, "landmark 7 and a target of landmark 4: leave landmark out"),
        ("icu", [1], 2, "icu has no landmark"),
    ],
)
def test_a_refusal_explains_itself(target, days, landmark, said):
    assert any(said in problem for problem in time_task(target, days, landmark, RULES)[1])


def test_a_landmark_task_takes_the_outcome_and_the_population_of_its_landmark():
    clinical = ["sofa_baseline", "sofa_d4", "age_years"]
    task = load_task("t", section("sofa_response", [1, 4], clinical, ["clinical", "layers"], landmark=4))
    assert (task.target, task.landmark, task.population_day) == ("landmark_response_d4", 4, 4)
    assert task.classes == (("nonresponse",), ("response",))
    table = labels(
        landmark_response_d4=["response", "nonresponse", "", "response"], last_day_in_study=["90", "6", "3", ""]
    )
    assert class_labels(task, table).tolist() == ["response", "nonresponse", "response"]
    same = load_task("t", section("landmark_response_d4", [1, 4], clinical, ["clinical", "layers"]))
    assert same == task


def test_mortality_is_a_landmark_by_construction():
    task = load_task("t", section("event_28", [1, 7], landmark=7))
    table = labels(
        event_28=["1", "1", "0", "0", "0"],
        time_to_death_28=["5", "9", "28", "28", "6"],
        last_day_in_study=["4", "8", "90", "", "6"],
    )
    # The first died before the landmark, the last left before it.
    assert class_labels(task, table).tolist() == ["1", "0", "0"]


def test_who_is_gone_at_the_predictors_day_has_no_reversal_to_predict():
    table = labels(reversal_d15=["reversed", "dead", "dead"], last_day_in_study=["90", "3", "10"])
    assert class_labels(load_task("t", section("reversal_d15", [4])), table).tolist() == ["reversed", "not_reversed"]
    assert len(class_labels(load_task("t", section("reversal_d15", [1])), table)) == 3


def test_a_landmark_needs_the_score_until_then():
    given = section("sofa_response", [4], ["age_years"], ["clinical"], landmark=4)
    _, problems = task_problems("t", given, RULES)
    assert problems == [
        "a landmark needs the SOFA observed until then among its clinical predictors: add sofa_baseline, sofa_d4"
    ]
    assert not task_problems("t", section("sofa_response", [4], [], ["layers"], landmark=4), RULES)[1]


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        ("endotype", "ferritin", "has no day on which it is known"),
        ("endotype", "endotype", "defines endotype"),
        ("endotype", "covid19", "defines endotype or tells it"),
        ("endotype", "ferritin_screening", "defines endotype or tells it"),
        ("sofa_response", "mean_sofa_d9", "has no day on which it is known"),
        ("sofa_response", "sofa_d4", "is known on day 4, the outcome begins on day 2"),
        ("endotype", "sofa_d4", "is known on day 4, after endotype"),
        ("sofa_response", "arm", "the surrogacy stage"),
    ],
)
def test_clinical_predictors_that_know_too_much_are_refused(target, name, message):
    with pytest.raises(InputError, match=message):
        load_task("t", section(target, clinical=[name]))


def test_a_response_that_is_learned_from_the_cohort_is_no_target():
    with pytest.raises(InputError, match="the test fold would have helped to make its own labels"):
        load_task("t", section("sofa_response") | {"clock": changed(sofa_response={"option": "F"})})
    assert load_task("t", section("sofa_response") | {"clock": changed(sofa_response={"option": "D"})})
    # A landmark response is not one of the options.
    landmark = section("sofa_response", [4], landmark=4) | {"clock": changed(sofa_response={"option": "F"})}
    assert load_task("t", landmark).target == "landmark_response_d4"


def planned(folder, tasks, clinical=None, **more):
    """Check the tasks of a configuration, as the plan of a run does."""
    path = folder / "my.yaml"
    content = {"biomarkers": {"tasks": {"endotype": None, "sofa_response": None, **tasks}, "clinical": clinical or {}}}
    path.write_text(yaml.safe_dump(content | more))
    check_tasks(load_config(path))


def test_the_trials_own_tasks_pass_and_a_role_has_those_that_it_may_see():
    config = load_config(BASE_CONFIG)
    check_tasks(config)
    open_tasks = ["sofa_response", "landmark_d2", "landmark_d4", "landmark_d7"]
    assert visible_tasks(config) == [*open_tasks, "mortality_28d", "control_site", "control_country"]
    seen = ["endotype", *open_tasks, "reversal_d15", "mortality_28d", "control_site", "control_country"]
    assert visible_tasks(config | {"role": "endotype"}) == seen
    assert visible_tasks(config | {"role": "unblinded"}) == [*seen, "control_arm"]
    config["biomarkers"]["tasks"]["sofa_response"]["population"] = {"endotype": ["MALS"]}
    assert visible_tasks(config)[0] == "landmark_d2"


def test_clinical_predictors_beside_a_control_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"omics alone: take out biomarkers.clinical \(country\)"):
        planned(tmp_path, {"t": {"target": "site", "control": True, "comparators": ["layers"]}}, {"t": ["country"]})


def test_body_sites_belong_to_the_microbiome():
    assert may_predict("microbiome_oral", ["microbiome"])
    assert not may_predict("microbiome_oral", ["rna"])
    assert may_predict("anything", None)


def test_a_target_that_does_not_exist_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(InputError) as caught:
        planned(tmp_path, {"a": {"target": "sofa_respons"}, "b": {"target": "xyz", "first_outcome_day": 4}})
    text = str(caught.value)
    assert "biomarkers.tasks.a: the label table has no column sofa_respons; did you mean sofa_response?" in text
    assert "biomarkers.tasks.b: the label table has no column xyz; there are participant, " in text


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"target": "mean_sofa_d9"}, "mean_sofa_d9 is a number, and tasks predict classes"),
        ({"target": "sofa_response_rule"}, "it is no outcome to predict"),
        ({"target": "country", "first_outcome_day": 4}, "as a negative control it needs control: true"),
        ({"target": "sofa_response", "control": True}, "sofa_response is an outcome and no negative control"),
        ({"target": "randomised", "control": True}, "negative controls of the trial are site, country, arm"),
        ({"target": "arm", "control": True, "days": [1, 2]}, "after the first dose the arm is no negative control"),
        ({"target": "site", "control": True, "days": []}, "days is empty"),
        ({"target": "site", "control": True, "landmark": 4}, "a negative control has no landmark"),
        ({"target": "site", "control": True, "comparators": ["clinical", "layers"]}, "take out clinical"),
        ({"target": "endotype", "layers": ["rnaa"]}, "there is no layer rnaa; did you mean rna?"),
        ({"target": "endotype", "population": {"event_28": ["0"]}}, "would choose participants by their outcome"),
        ({"target": "endotype", "days": []}, "days is empty"),
        ({"target": "sofa_response", "days": [1, 4]}, "would look into its own outcome"),
        ({"target": "dynamic_endotype_d3", "days": [3]}, "no column dynamic_endotype_d3"),
        ({"target": "sofa_response", "days": [5], "landmark": 5}, "none of sofa.landmark_days"),
    ],
)
def test_the_plan_refuses(tmp_path, task, said):
    with pytest.raises(InputError, match=r"biomarkers\.tasks\.t: ") as caught:
        planned(tmp_path, {"t": task})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "task",
    [
        {"target": "arm", "days": [4]},
        {"target": "event_90", "days": [28], "landmark": 28},
        {"target": "dynamic_endotype_d7", "days": [7]},
        {"target": "reversal_d15", "days": [1, 2, 4, 7]},
        {"target": "site", "control": True, "days": [4]},
        {"target": "arm", "control": True},
        {"target": "sofa_response", "layers": ["microbiome"], "population": {"endotype": ["MALS"], "dosed": [True]}},
    ],
)
def test_the_plan_passes(tmp_path, task):
    planned(tmp_path, {"t": task | {"comparators": ["layers"]}})


def test_every_outcome_of_the_label_table_is_on_the_clock():
    """A column is an outcome with a day, or bookkeeping; none is forgotten."""
    columns = label_columns(RULES, endotype=True, arm=True)
    assert [column for column in columns if outcome_of(column, RULES) is None] == [
        *("participant", "site", "participant_code", "country", "randomised"),
        *("endotype_rule", "ferritin_screening", "hladr_screening"),
        *("reversal_rule", "baseline_source", "emergency_unblinded"),
        *("sofa_baseline", "sofa_baseline_source", "monocytes_baseline"),
        *("n_days_observed_d9", "n_days_imputed_d9", "locf_fraction_d9", "mostly_imputed_d9"),
        "last_observed_day_d9",
        *("n_days_observed_d15", "n_days_imputed_d15", "locf_fraction_d15", "mostly_imputed_d15"),
        "last_observed_day_d15",
        *("sofa_response_rule", "sofa_d2", "sofa_d4", "sofa_d7", "last_day_in_study"),
    ]


def test_landmarks_lie_before_the_last_day(tmp_path):
    with pytest.raises(InputError, match=r"sofa.landmark_days: \[9\] leave no day"):
        planned(tmp_path, {}, sofa={"landmark_days": [4, 9]})


def test_a_ready_label_table_shows_its_columns_at_plan_time(tmp_path):
    table = tmp_path / "labels.tsv"
    table.write_text("participant\ticu\nP1\tyes\n")
    clinical = {"labels": str(table)}
    path = tmp_path / "my.yaml"
    tasks = {"endotype": None, "sofa_response": None, "icu": {"target": "icu", "days": []}}
    path.write_text(yaml.safe_dump({"clinical": clinical, "biomarkers": {"tasks": tasks, "clinical": {}}}))
    check_tasks(load_config(path))
    tasks["icu"]["target"] = "icuu"
    path.write_text(yaml.safe_dump({"clinical": clinical, "biomarkers": {"tasks": tasks, "clinical": {}}}))
    with pytest.raises(InputError, match="no column icuu; did you mean icu"):
        check_tasks(load_config(path))


def test_beside_a_ready_table_the_trials_tasks_run_where_it_has_their_labels(tmp_path):
    table = tmp_path / "labels.tsv"
    # The response is there, the responses after a landmark are not.
    table.write_text("participant\ticu\thospital\tevent_28\tsofa_response\nP1\tyes\tA\t0\tresponse\n")
    path = tmp_path / "my.yaml"
    control = {"target": "hospital", "control": True, "days": [], "comparators": ["layers"]}
    tasks = {"hospital": control, "icu": {"target": "icu", "days": []}}
    path.write_text(yaml.safe_dump({"clinical": {"labels": str(table)}, "biomarkers": {"tasks": tasks}}))
    config = load_config(BASE_CONFIG, path)
    check_tasks(config)
    assert visible_tasks(config) == ["sofa_response", "mortality_28d", "hospital", "icu"]
