"""Rules along a course: eligibility, scores, consent, last contact, and the endotype behind a randomisation."""

import numpy as np
import pytest

from immunosep.clinical_rules import endotype_of
from immunosep.labels.endotypes import classify
from support.trial import FIRST, SECOND, Trial, codes

RULE = {"ferritin_cut": 4420, "hladr_cut": 5000, "ferritin_borderline": 0.1, "hladr_borderline": 0.15}
VALUES = {"ferritin": "5000", "ferritin_unit": "ng/mL", "hladr": "3000", "hladr_unit": "receptors_per_cell"}


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path).write()


def found(trial):
    """Code, first line, further lines and column of every finding."""
    return [(f.code, f.row, f.others, f.column) for f in trial.write_tables().check()[1]]


# ------------------------------------------------------------------------------------------------------- separators


@pytest.mark.parametrize("value", ["4.420", "4,420", "1.000", "4 420", "4'420"])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("visits", "sofa_total"), ("visits", "sofa_renal"), ("visits", "visit_day"), ("visits", "ferritin"),
        ("visits", "platelets_10e9_l"), ("participants", "age_years"), ("participants", "last_contact_day"),
        ("participants", "hours_sepsis_to_drug"),
    ],
)  # fmt: skip
def test_a_separator_that_can_be_read_in_two_ways_is_an_error_in_every_number(trial, table, column, value):
    getattr(trial, table)[0][column] = value
    assert ("ambiguous_separator", 2, (), column) in found(trial)


def test_three_decimals_are_decimals_where_thousands_are_impossible(trial):
    trial.visits[1] |= {"neutrophils_10e9_l": "4.420", "haemoglobin_g_dl": "10.125"}
    assert found(trial) == []


# ------------------------------------------------------------------------------------------------------ eligibility


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hours_sepsis_to_drug": "71.9"}, []),
        ({"hours_sepsis_to_drug": "0"}, []),
        ({"hours_sepsis_to_drug": "72"}, [("late_drug", 2, (), "hours_sepsis_to_drug")]),
        ({"hours_sepsis_to_drug": "72", "dosed": "no", "per_protocol": "no"}, []),
        ({"hours_sepsis_to_drug": "-1"}, [("out_of_range", 2, (), "hours_sepsis_to_drug")]),
    ],
)
def test_the_first_dose_comes_within_72_hours(trial, changes, expected):
    trial.participants[0] |= changes
    assert found(trial) == expected


def test_a_late_dose_within_the_protocol_is_told_as_such(trial):
    trial.participants[0]["hours_sepsis_to_drug"] = "80"
    (late,) = trial.write_tables().check()[1]
    assert late.severity == "warning"
    assert late.problem.endswith("per_protocol is yes")


@pytest.mark.parametrize(
    ("ferritin", "hladr", "expected"),
    [
        ("4420", "3000", []),
        ("6000", "", []),
        ("4420", "5000", [("not_eligible", "error")]),
        ("", "3000", [("endotype_unknown", "warning")]),
        ("3000", "", [("endotype_unknown", "warning")]),
    ],
)
def test_only_participants_with_an_endotype_of_the_trial_are_randomised(trial, ferritin, hladr, expected):
    trial.config["role"] = "endotype"
    trial.classification = [FIRST | VALUES | {"ferritin": ferritin, "hladr": hladr}, SECOND | VALUES]
    trial.unseal()
    assert [(f.code, f.severity) for f in trial.check()[1]] == expected
    trial.config["role"] = "blinded"
    assert trial.check()[1] == []


def test_a_randomised_participant_without_a_classification_is_told(trial):
    trial.config["role"] = "endotype"
    trial.classification = [FIRST | VALUES]
    trial.unseal()
    assert [(f.code, f.value) for f in trial.check()[1]] == [("endotype_unknown", "987654321")]


def test_screen_failures_may_have_any_endotype(trial):
    trial.config["role"] = "endotype"
    trial.participants[0] |= {"randomised": "no", "dosed": "no", "per_protocol": "no"}
    trial.classification = [FIRST | VALUES | {"ferritin": "4420", "hladr": "5000"}, SECOND | VALUES]
    trial.unseal()
    assert trial.check()[1] == []


def test_the_rule_for_one_is_the_rule_for_the_cohort():
    values = [None, 1.0, 4419.99, 4420.0, 4420.01, 4999.99, 5000.0, 5000.01, 20000.0]
    pairs = [(ferritin, hladr) for ferritin in values for hladr in values]
    columns = np.array([[np.nan if value is None else value for value in pair] for pair in pairs])
    cohort = classify(columns[:, 0], columns[:, 1], RULE)["endotype"].replace("undetermined", "")
    assert [endotype_of(*pair, RULE) for pair in pairs] == list(cohort)


# ----------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ({"1": "2"}, []),
        ({"1": "1"}, [("sofa_baseline_low", 5, (), "sofa_total")]),
        ({"0": "1", "1": "4"}, []),
        ({"0": "1", "2": "4"}, [("sofa_baseline_low", 5, (), "sofa_total")]),
        ({"4": "0"}, []),
        ({"3": "14", "4": "4"}, []),
        ({"3": "15", "4": "4"}, [("implausible", 6, (), "sofa_total")]),
        ({"3": "4", "4": "15", "5": "4"}, [("implausible", 6, (), "sofa_total"), ("implausible", 7, (), "sofa_total")]),
        ({"3": "15", "5": "4"}, []),
    ],
)
def test_scores_along_a_course(trial, totals, expected):
    person = {"site": "GR03", "participant_code": "000000077"}
    trial.participants.append(
        trial.participants[0] | person | {"randomised": "no", "dosed": "no", "per_protocol": "no"}
    )
    trial.visits += [person | {"visit_day": day, "sofa_total": total} for day, total in totals.items()]
    assert found(trial) == expected


def test_a_score_is_the_sum_of_its_components_where_the_total_is_empty(trial):
    trial.visits[0]["sofa_total"] = ""  # the components add up to 9
    trial.visits[1]["sofa_total"] = "20"
    assert found(trial) == [("implausible", 3, (), "sofa_total")]
    trial.visits[0] |= {"sofa_total": "10"}  # disagrees with them: no more is said of it
    assert found(trial) == [("sofa_sum", 2, (), "sofa_total")]


# -------------------------------------------------------------------------------------------- consent, last contact


def test_visits_from_the_withdrawal_on_are_one_warning(trial):
    trial.participants[0] |= {"consent": "withdrawn", "withdrawn_day": "2", "last_contact_day": "2"}
    trial.visits.append(FIRST | {"visit_day": "3", "sofa_total": "7"})
    trial.manifest = [row for row in trial.manifest if row.get("visit_day") != "4" or row["site"] != "GR03"]
    assert found(trial) == [("visit_after_withdrawal", 3, (5,), "visit_day")]


def test_visits_after_the_last_contact_are_one_warning(trial):
    trial.participants[1]["last_contact_day"] = "4"
    trial.visits += [SECOND | {"visit_day": day, "sofa_total": "5"} for day in ("4", "5", "6")]
    assert found(trial) == [("contact_before_data", 6, (7,), "visit_day")]


def test_visits_of_the_dead_are_told_once(trial):
    trial.participants[1] |= {"death_day": "4", "last_contact_day": "4"}
    trial.visits.append(SECOND | {"visit_day": "5", "sofa_total": "5"})
    assert codes(trial.write_tables().check()[1]) == ["day_after_death"]
