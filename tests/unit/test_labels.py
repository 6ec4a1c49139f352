"""Label rules against the trial's truth table and examples worked by hand."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunosep.errors import InputError
from immunosep.labels.arrays import MISSING, NEVER
from immunosep.labels.endotypes import classify
from immunosep.labels.landmark import landmark_response
from immunosep.labels.response import CRITERIA, DEATHS, OPTIONS, decide, decreased, expected_course, sofa_response
from immunosep.labels.reversal import reversal
from immunosep.labels.sofa import SofaCourse, complete, joint_rank, locf, mean_sofa
from immunosep.labels.survival import time_to_death

ENDOTYPE = {"ferritin_cut": 4420, "hladr_cut": 5000, "ferritin_borderline": 0.10, "hladr_borderline": 0.15}
SOFA = {
    "first_day": 1,
    "last_day": 9,
    "end_of_treatment_day": 15,
    "d15_mode": "mean_1_15",
    "landmark_days": [2, 4, 7],
    "baseline_fallback": "day0",
    "death_rule": "locf",
    "discharge_rule": "locf",
}
RESPONSE = {"option": "A", "threshold_tenths": 14, "decrease_percent": 25, "decrease_day": 7}
REVERSAL = {
    "day": 15,
    "window": 1,
    "ferritin_percent": 15,
    "hladr_above": 8000,
    "missing": "locf",
    "death": "not_reversed",
}
NAN = float("nan")


def course(*rows, death=None, discharge=None):
    """Build a course from lists that start at day 0; None is a gap."""
    width = max(map(len, rows))
    scores = np.full((len(rows), width), MISSING)
    for number, row in enumerate(rows):
        for day, score in enumerate(row):
            if score is not None:
                scores[number, day] = score
    never = [NEVER] * len(rows)
    return SofaCourse(scores, np.array(death or never), np.array(discharge or never))


def mean_of(one, last=9, **rules):
    return mean_sofa(*complete(one, SOFA | rules), 1, last).iloc[0]


def response_of(one, option="A", **rules):
    table = sofa_response(one, SOFA | rules, RESPONSE | {"option": option})
    return table["response"][0], table["rule"][0]


@pytest.mark.parametrize(
    ("ferritin", "hladr", "expected", "both"),
    [
        (4420, 3000, "SII", "no"),
        (4420.01, 3000, "MALS", "yes"),
        (4421, 20000, "MALS", "no"),
        (4420, 5000, "unclassified", "no"),
        (4420, 4999, "SII", "no"),
        (6000, NAN, "MALS", ""),
        (3000, NAN, "undetermined", "no"),
        (NAN, 3000, "undetermined", ""),
        (NAN, 9000, "undetermined", "no"),
        (NAN, NAN, "undetermined", ""),
    ],
)
def test_endotype_follows_the_truth_table(ferritin, hladr, expected, both):
    row = classify(np.array([ferritin]), np.array([hladr]), ENDOTYPE).iloc[0]
    assert (row["endotype"], row["both_criteria"]) == (expected, both)


def test_endotype_says_which_branch_decided_and_works_on_whole_columns():
    table = classify(np.array([9000, 100, 100, NAN]), np.array([1, 1, 9000, 1.0]), ENDOTYPE)
    assert table["endotype"].tolist() == ["MALS", "SII", "unclassified", "undetermined"]
    assert table["endotype_rule"].tolist() == [
        "ferritin > 4420",
        "ferritin <= 4420 and HLA-DR < 5000",
        "ferritin <= 4420 and HLA-DR >= 5000",
        "ferritin missing",
    ]


@pytest.mark.parametrize(
    ("ferritin", "hladr", "expected"),
    [
        (4862, 20000, "yes"),  # 4420 + 10 %, still within
        (4863, 20000, "no"),
        (3978, 20000, "yes"),  # 4420 - 10 %
        (3977, 20000, "no"),
        (1000, 5750, "yes"),  # 5000 + 15 %
        (1000, 5751, "no"),
        (1000, 4250, "yes"),
        (9000, 5000, "no"),  # far above the ferritin cut HLA-DR cannot change the label
        (NAN, 5000, ""),
    ],
)
def test_borderline_means_that_the_assays_spread_could_change_the_label(ferritin, hladr, expected):
    assert classify(np.array([ferritin]), np.array([hladr]), ENDOTYPE)["borderline"][0] == expected


def test_locf_fills_forward_and_never_backward():
    filled, source = locf(np.array([[MISSING, 5, MISSING, 7, MISSING], [MISSING] * 5]))
    assert filled.tolist() == [[MISSING, 5, 5, 7, 7], [MISSING] * 5]
    assert source.tolist() == [[-1, 1, 1, 3, 3], [-1] * 5]


def test_mean_sofa_by_hand():
    # Days 1 to 9: 10 9 (9) 8 (8) (8) 5 (5) 4 = 66, five days observed; day 10 does not count.
    row = mean_of(course([12, 10, 9, None, 8, None, None, 5, None, 4, 0]))
    assert row["total"] == 66
    assert row["mean"] == pytest.approx(22 / 3)
    assert (row["n"], row["n_observed"], row["n_imputed"]) == (9, 5, 4)
    assert row["locf_fraction"] == pytest.approx(4 / 9)
    assert row["last_observed_day"] == 9


def test_day_0_stands_in_for_a_missing_day_1_and_counts_as_imputed():
    one = course([11, None, 9] + [None] * 7)
    assert one.baseline("day0")[0] == 11
    assert one.baseline_source("day0")[0] == "day0"
    row = mean_of(one)
    assert (row["total"], row["n_observed"], row["n_imputed"]) == (11 + 8 * 9, 1, 8)
    assert one.baseline("none")[0] == MISSING
    assert mean_of(one, baseline_fallback="none")["n"] == 0
    assert np.isnan(mean_of(one, baseline_fallback="none")["mean"])
    assert response_of(one, baseline_fallback="none") == ("", "A: no baseline score")


@pytest.mark.parametrize(
    ("rule", "total", "n", "imputed"),
    # 12 10 8 on days 1 to 3, death on day 4 without a score that day.
    [("locf", 30 + 6 * 8, 9, 6), ("worst24", 38 + 5 * 24, 9, 6), ("exclude_days", 38, 4, 1)],
)
def test_death_rules_begin_the_day_after_death(rule, total, n, imputed):
    row = mean_of(course([None, 12, 10, 8] + [None] * 6, death=[4]), death_rule=rule)
    assert (row["total"], row["n"], row["n_imputed"]) == (total, n, imputed)


def test_scores_recorded_after_death_are_not_used():
    assert mean_of(course([None, 12, 10, 8, 24, 24, 24, 24, 24, 24], death=[3]))["total"] == 30 + 6 * 8


@pytest.mark.parametrize(("rule", "total", "n"), [("locf", 9 * 6, 9), ("zero", 3 * 6, 9), ("missing", 3 * 6, 3)])
def test_discharge_rules_concern_the_unobserved_days_after_discharge(rule, total, n):
    row = mean_of(course([None, 6, 6, 6] + [None] * 6, discharge=[3]), discharge_rule=rule)
    assert (row["total"], row["n"], row["n_observed"]) == (total, n, 3)


def test_discharge_rule_ends_with_readmission_and_death():
    # Discharged after day 2, scored again on day 5 (readmission): days 3 and 4 are at home, 6 and 7 are not.
    row = mean_of(course([None, 6, 6, None, None, 9] + [None] * 4, discharge=[2]), discharge_rule="zero")
    assert row["total"] == 6 + 6 + 0 + 0 + 9 * 5
    # Death after discharge carries the last living score, not the assumed zero.
    row = mean_of(course([None, 6, 6] + [None] * 7, discharge=[2], death=[4]), discharge_rule="zero")
    assert row["total"] == 6 + 6 + 0 + 0 + 6 * 5


@pytest.mark.parametrize("n", [5, 10, 15])
def test_threshold_is_reached_on_an_exact_tie(n):
    baseline, total = np.array([18]), np.array([18 * n - 14 * n // 10])
    assert decreased(baseline, total, np.array([n]), 14)[0]
    assert not decreased(baseline, total + 1, np.array([n]), 14)[0]


def test_the_tie_that_floats_get_wrong():
    assert 18 - 83 / 5 < 1.4
    assert decreased(np.array([18]), np.array([83]), np.array([5]), 14)[0]
    # The same through the label: death rule and all, window of five days.
    one = course([None, 18, 17, 16, 16, 16])
    assert sofa_response(one, SOFA | {"last_day": 5}, RESPONSE)["response"][0] == "response"


@given(st.integers(0, 24), st.lists(st.integers(0, 24), min_size=1, max_size=15), st.integers(1, 60))
def test_decreased_agrees_with_fractions(baseline, scores, tenths):
    expected = baseline - Fraction(sum(scores), len(scores)) >= Fraction(tenths, 10)
    assert decreased(np.array([baseline]), np.array([sum(scores)]), np.array([len(scores)]), tenths)[0] == expected


def test_response_needs_nine_days_of_sufficient_decrease():
    # Sum 77 of 9 days: 10 - 77/9 = 1.44; sum 78: 1.33.
    assert response_of(course([None, 10, 10, 9, 8, 8, 8, 8, 8, 8]))[0] == "response"
    assert response_of(course([None, 10, 10, 9, 8, 8, 8, 8, 8, 9])) == ("nonresponse", "A: decrease < 1.4")


def test_death_by_day_9_is_nonresponse_in_option_a_alone_by_composite_and_by_locf_response_in_b():
    improving = [None, 12, 8, 4] + [None] * 6
    assert response_of(course(improving, death=[9])) == ("nonresponse", "A: dead by the end of day 9")
    assert response_of(course(improving, death=[10]))[0] == "response"
    assert response_of(course(improving, death=[9]), "B")[0] == "response"
    assert response_of(course(improving, death=[9]), "B", death_rule="worst24")[0] == "response"
    assert response_of(course([None] * 10, death=[2]))[0] == "nonresponse"
    assert response_of(course([None] * 10))[0] == ""


def test_option_c_looks_at_day_9_only():
    assert response_of(course([None, 10, 10, 10, 10, 10, 10, 10, 10, 8]), "C")[0] == "response"
    assert response_of(course([None, 10, 5, 5, 5, 5, 5, 5, 5, 9]), "C")[0] == "nonresponse"


def test_option_d_leaves_out_day_1():
    # Days 2 to 9 sum to 68: 10 - 8.5 = 1.5; with day 1 the mean is 78/9 and the decrease 1.33.
    one = course([None, 10, 9, 9, 9, 9, 8, 8, 8, 8])
    assert response_of(one, "D")[0] == "response"
    assert response_of(one, "A")[0] == "nonresponse"


def test_option_e_is_a_quarter_by_day_7():
    assert response_of(course([None, 12, 12, 12, 12, 12, 12, 9, 12, 12]), "E") == ("response", "E: decrease >= 25 %")
    assert response_of(course([None, 12, 0, 0, 0, 0, 0, 10, 0, 0]), "E")[0] == "nonresponse"
    assert response_of(course([None, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "E")[0] == "nonresponse"
    assert response_of(course([None, 12, 6, 6, 6, 6, 6, 6], death=[8]), "E")[0] == "response"


def test_unknown_option_is_named():
    with pytest.raises(InputError, match="'G'"):
        response_of(course([None, 1, 1]), "G")


scores_by_day = st.lists(st.one_of(st.none(), st.integers(0, 24)), min_size=16, max_size=16)


@given(scores_by_day, scores_by_day, st.integers(1, 40), st.sampled_from(["locf", "worst24", "exclude_days"]))
def test_labels_of_day_9_do_not_see_later_data(first, second, death, rule):
    other = first[:10] + second[10:]
    here = course(first, death=[death])
    there = course(other, death=[death if death <= 9 else NEVER])
    for option in OPTIONS:
        assert response_of(here, option, death_rule=rule) == response_of(there, option, death_rule=rule)
    assert mean_of(here, death_rule=rule).equals(mean_of(there, death_rule=rule))


def trial(size, seed):
    """Random courses of many participants with gaps, deaths and discharges; day 0 to 28."""
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.normal(9, 3, (size, 1)) - 0.2 * np.arange(29) + rng.normal(0, 1.5, (size, 29)), 0, 24)
    scores = np.where(rng.random((size, 29)) < 0.2, MISSING, scores.round().astype(int))
    death = np.where(rng.random(size) < 0.3, rng.integers(2, 29, size), NEVER)
    discharge = np.where(rng.random(size) < 0.3, rng.integers(3, 29, size), NEVER)
    return SofaCourse(scores, death, discharge)


@pytest.mark.parametrize("seed", range(5))
def test_no_label_of_day_9_sees_what_comes_after_it(seed):
    """All options, the expected course of F included, the joint rank and the landmarks."""
    here, other = trial(40, seed), trial(40, seed + 100)
    scores = np.hstack([here.scores[:, :10], other.scores[:, 10:]])
    later_death = np.where(here.death_day <= 9, here.death_day, np.where(other.death_day > 9, other.death_day, NEVER))
    later_home = np.where(here.discharge_day < 9, here.discharge_day, NEVER)
    there = SofaCourse(scores, later_death, later_home)
    for option in OPTIONS:
        chosen = RESPONSE | {"option": option}
        assert sofa_response(here, SOFA, chosen).equals(sofa_response(there, SOFA, chosen)), option
    assert joint_rank(here, SOFA, 9).equals(joint_rank(there, SOFA, 9))
    for day in (2, 4, 7):
        first, second = (
            landmark_response(one, SOFA, 14, day, np.minimum(one.death_day - 1, 90), 9) for one in (here, there)
        )
        assert first.equals(second), day


@pytest.mark.parametrize("seed", range(3))
def test_a_landmark_sees_nothing_before_it_but_the_score_carried_to_it(seed):
    here, other = trial(40, seed), trial(40, seed + 100)
    scores = here.scores.copy()
    scores[:, 1:4] = np.where(here.scores[:, 1:4] == MISSING, MISSING, other.scores[:, 1:4])
    scores[:, 4] = np.where(here.scores[:, 4] == MISSING, 7, here.scores[:, 4])
    there = SofaCourse(scores, here.death_day, here.discharge_day)
    alive = np.minimum(here.death_day - 1, 90)
    seen = here.scores[:, 4] != MISSING
    known = seen & (here.baseline("day0") != MISSING) & (there.baseline("day0") != MISSING)
    first, second = (landmark_response(one, SOFA, 14, 4, alive, 9)[known] for one in (here, there))
    assert first.equals(second)
    assert known.sum() > 10


def test_option_f_is_the_residual_of_a_line_by_hand():
    one = course(*([None, first, *[rest] * 8] for first, rest in ((8, 8), (10, 10), (12, 12), (12, 8))))
    means = np.array([8, 10, 12, (12 + 8 * 8) / 9])
    baseline = np.array([8, 10, 12, 12])
    slope, intercept = np.polyfit(baseline, means, 1)
    assert expected_course(baseline, means) == pytest.approx((intercept, slope))
    table = sofa_response(one, SOFA, RESPONSE | {"option": "F"})
    below = intercept + slope * baseline - means
    assert (table["response"] == np.where(below >= 1.4, "response", "nonresponse")).all()
    assert table["response"].tolist().count("response") == 1
    assert table["rule"][3].startswith("F: mean >= 1.4 below the expected ")


def test_option_f_learns_from_the_cohort_alone_and_from_nobody_who_died():
    members = np.array([True] * 12 + [False])
    one = trial(13, 3)
    tampered = SofaCourse(one.scores.copy(), one.death_day, one.discharge_day)
    tampered.scores[12] = 24
    chosen = RESPONSE | {"option": "F"}
    pd.testing.assert_frame_equal(
        sofa_response(one, SOFA, chosen, members)[:12], sofa_response(tampered, SOFA, chosen, members)[:12]
    )
    with_dead = course(*[[None, 10, *[n] * 8] for n in (9, 8)], [None, 12, *[5] * 8], death=[NEVER, NEVER, 3])
    table = sofa_response(with_dead, SOFA, chosen)
    assert table["response"].tolist() == ["", "", "nonresponse"]
    assert table["rule"][0] == "F: too few participants for an expected course"
    assert expected_course(np.array([5, 5, 5]), np.array([1.0, 2, 3])) is None


def test_a_steeper_start_is_no_response_to_option_f():
    """Everyone falls by a quarter: those who start high respond by A; by F nobody beats the expected course."""
    one = course(*([None, start, *[start * 3 // 4] * 8] for start in (4, 8, 12, 16, 20)))
    assert set(sofa_response(one, SOFA, RESPONSE | {"option": "A"})["response"]) == {"response", "nonresponse"}
    assert set(sofa_response(one, SOFA, RESPONSE | {"option": "F"})["response"]) == {"nonresponse"}


def test_options_are_criteria_with_a_treatment_of_death():
    one = trial(60, 1)
    for option, (criterion, deaths) in OPTIONS.items():
        named, made = (
            sofa_response(one, SOFA, RESPONSE | {"option": option}),
            decide(one, SOFA, RESPONSE, criterion, deaths),
        )
        assert named["response"].equals(made["response"])
    improving = course([None, 12, 8, 4] + [None] * 6, death=[4])
    made = {deaths: decide(improving, SOFA, RESPONSE, "mean", deaths)["response"][0] for deaths in DEATHS}
    assert made == {
        "composite": "nonresponse",
        "locf": "response",
        "worst24": "nonresponse",
        "exclude_days": "response",
    }
    assert set(CRITERIA) == {criterion for criterion, _ in OPTIONS.values()}


def test_responses_count_the_days_of_their_window():
    table = sofa_response(course([None, 10, None, 9] + [None] * 6), SOFA, RESPONSE | {"option": "D"})
    assert table[["n_observed", "n_imputed"]].iloc[0].tolist() == [1, 7]
    table = sofa_response(course([None, 10, None, 9] + [None] * 6), SOFA, RESPONSE | {"option": "E"})
    assert table[["n_observed", "n_imputed"]].iloc[0].tolist() == [0, 1]


def test_joint_rank_puts_the_dead_behind_every_survivor_and_the_early_dead_last():
    rows = [[None, *[score] * 9] for score in (5, 24, 3, 3, 3)] + [[None] * 10]
    one = course(*rows, death=[NEVER, NEVER, 9, 2, 10, NEVER])
    value = joint_rank(one, SOFA, 9)["value"]
    assert value.tolist()[:5] == [5, 24, 25, 32, 3]
    assert np.isnan(value[5])


def landmark_of(one, day=4, in_study=90, **rules):
    last = np.minimum(one.death_day - 1, in_study)
    return landmark_response(one, SOFA | rules, 14, day, last, 9).iloc[0]


def test_a_landmark_compares_its_score_with_the_days_after_it():
    # S4 = 9; days 5 to 9: 8 8 7 (7) 7 = 37: 9 - 7.4 = 1.6.
    row = landmark_of(course([None, 12, 12, 12, 9, 8, 8, 7, None, 7, 0]))
    assert (row["population"], row["response"], row["n_observed"], row["n_imputed"]) == (True, "response", 4, 1)
    assert (row["delta"], row["mean"]) == (pytest.approx(1.6), pytest.approx(7.4))
    assert row["rule"] == "S4 - mean of days 5-9 >= 1.4"
    assert landmark_of(course([None, 12, 12, 12, 9, 8, 8, 8, 7, 8]))["response"] == "nonresponse"


def test_landmark_threshold_is_reached_on_an_exact_tie():
    # 18 - 83/5 = 1.4 on paper, below it in floats.
    assert 18 - 83 / 5 < 1.4
    assert landmark_of(course([None, 18, 18, 18, 18, 17, 17, 17, 16, 16]))["response"] == "response"


def test_who_is_dead_or_gone_at_the_landmark_is_not_in_its_population():
    improving = [None, 12, 12, 12, 12, 2, 2, 2, 2, 2]
    row = landmark_of(course(improving, death=[4]))
    assert (row["population"], row["response"], row["rule"]) == (
        False,
        "",
        "not in the population: dead by the end of day 4",
    )
    row = landmark_of(course(improving), in_study=3)
    assert (row["population"], row["response"], row["rule"]) == (
        False,
        "",
        "not in the population: left the study by day 4",
    )
    row = landmark_of(course(improving, death=[5]))
    assert (row["population"], row["response"], row["rule"]) == (True, "nonresponse", "dead by the end of day 9")
    row = landmark_of(course([None] * 10))
    assert (row["population"], row["response"]) == (True, "")


def reversed_state(kind, baseline, days, died=NEVER, **rule):
    values = np.full((1, 29), NAN)
    for day, value in days.items():
        values[0, day] = value
    empty = np.full((1, 29), NAN)
    ferritin, hladr = (values, empty) if kind == "MALS" else (empty, values)
    return reversal(
        np.array([kind], dtype=object), np.array([baseline]), ferritin, hladr, np.array([died]), REVERSAL | rule
    ).iloc[0]


@pytest.mark.parametrize(
    ("kind", "value", "state"),
    [
        ("MALS", 4250, "reversed"),
        ("MALS", 4251, "not_reversed"),
        ("SII", 8000, "not_reversed"),
        ("SII", 8001, "reversed"),
    ],
)
def test_reversal_at_the_cuts(kind, value, state):
    row = reversed_state(kind, 5000.0, {15: value})
    assert (row["state"], row["imputed"]) == (state, False)
    assert row["binary"] == {"reversed": "yes", "not_reversed": "no"}[state]


@given(st.integers(442001, 10_000_000))
def test_a_fall_of_exactly_15_percent_is_reversal_at_any_decimal(hundredths):
    baseline = hundredths / 100
    exact = Fraction(hundredths, 100) * Fraction(85, 100)
    assert reversed_state("MALS", baseline, {15: float(exact)})["state"] == "reversed"
    assert reversed_state("MALS", baseline, {15: float(exact) + 0.0001})["state"] == "not_reversed"


def test_reversal_takes_the_nearest_day_of_the_window_and_the_earlier_of_two():
    assert reversed_state("SII", 100.0, {14: 9000, 15: 10, 16: 9000})["state"] == "not_reversed"
    row = reversed_state("SII", 100.0, {14: 9000, 16: 10})
    assert (row["state"], row["rule"]) == ("reversed", "HLA-DR > 8000; value of day 14")
    assert reversed_state("SII", 100.0, {13: 10, 17: 9000})["imputed"]


def test_reversal_without_a_day_15_value():
    row = reversed_state("SII", 100.0, {2: 100, 7: 9000})
    assert (row["state"], row["imputed"]) == ("reversed", True)
    assert row["rule"] == "HLA-DR > 8000; last value carried forward"
    # Day 1 is before the first dose, so it is no evidence of reversal.
    row = reversed_state("SII", 100.0, {1: 9000})
    assert (row["state"], row["rule"], row["imputed"]) == ("not_reversed", "imputed_nonreversal", True)
    row = reversed_state("SII", 100.0, {7: 9000}, missing="missing")
    assert (row["state"], row["binary"], row["rule"]) == ("", "", "missing")


def test_death_by_day_15_is_a_state_of_its_own():
    row = reversed_state("MALS", 5000.0, {7: 100}, died=15)
    assert (row["state"], row["binary"], row["imputed"]) == ("dead", "no", False)
    assert reversed_state("MALS", 5000.0, {7: 100}, died=15, death="missing")["binary"] == ""
    assert reversed_state("MALS", 5000.0, {14: 100}, died=14)["state"] == "dead"
    assert reversed_state("MALS", 5000.0, {15: 100}, died=15)["state"] == "reversed"
    assert reversed_state("MALS", 5000.0, {15: 100}, died=16)["state"] == "reversed"


@pytest.mark.parametrize("kind", ["unclassified", "undetermined", ""])
def test_no_endotype_no_reversal(kind):
    row = reversed_state(kind, 100.0, {15: 9000})
    assert (row["state"], row["binary"], row["imputed"]) == ("", "", False)


@given(st.dictionaries(st.integers(17, 28), st.floats(1, 20000), max_size=5))
def test_reversal_does_not_see_later_values(later):
    assert reversed_state("MALS", 5000.0, {7: 4000.0, **later}).equals(reversed_state("MALS", 5000.0, {7: 4000.0}))


def test_survival_is_censored_at_contact_and_horizon():
    death = np.array([28, 29, NEVER, NEVER, NEVER])
    contact = np.array([NEVER, NEVER, 90, 12, NEVER])
    time, event = time_to_death(death, contact, 28)
    np.testing.assert_array_equal(time, [28, 28, 28, 12, NAN])
    np.testing.assert_array_equal(event, [1, 0, 0, 0, NAN])
    time, event = time_to_death(death, contact, 90)
    np.testing.assert_array_equal(time, [28, 29, 90, 12, NAN])
    np.testing.assert_array_equal(event, [1, 1, 0, 0, NAN])
