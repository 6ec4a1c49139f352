"""Label rules against the trial's truth table and examples worked by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunosep import labels
from immunosep.errors import InputError
from immunosep.labels import MISSING, NEVER

ENDOTYPE = {"ferritin_cut": 4420, "hladr_cut": 5000, "ferritin_borderline": 0.10, "hladr_borderline": 0.15}
SOFA = {
    "first_day": 1,
    "last_day": 9,
    "end_of_treatment_day": 15,
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
    return labels.SofaCourse(scores, np.array(death or never), np.array(discharge or never))


def mean_of(one, last=9, **rules):
    return labels.mean_sofa(*labels.complete(one, SOFA | rules), 1, last).iloc[0]


def response_of(one, option="A", **rules):
    label, reason = labels.sofa_response(one, SOFA | rules, RESPONSE | {"option": option})
    return label[0], reason[0]


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
    row = labels.endotype(np.array([ferritin]), np.array([hladr]), ENDOTYPE).iloc[0]
    assert (row["endotype"], row["both_criteria"]) == (expected, both)


def test_endotype_says_which_branch_decided_and_works_on_whole_columns():
    table = labels.endotype(np.array([9000, 100, 100, NAN]), np.array([1, 1, 9000, 1.0]), ENDOTYPE)
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
    assert labels.endotype(np.array([ferritin]), np.array([hladr]), ENDOTYPE)["borderline"][0] == expected


def test_locf_fills_forward_and_never_backward():
    filled, source = labels.locf(np.array([[MISSING, 5, MISSING, 7, MISSING], [MISSING] * 5]))
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
    assert labels.decreased(baseline, total, np.array([n]), 14)[0]
    assert not labels.decreased(baseline, total + 1, np.array([n]), 14)[0]


def test_the_tie_that_floats_get_wrong():
    assert 18 - 83 / 5 < 1.4
    assert labels.decreased(np.array([18]), np.array([83]), np.array([5]), 14)[0]
    # The same through the label: death rule and all, window of five days.
    one = course([None, 18, 17, 16, 16, 16])
    assert labels.sofa_response(one, SOFA | {"last_day": 5}, RESPONSE)[0][0] == "response"


@given(st.integers(0, 24), st.lists(st.integers(0, 24), min_size=1, max_size=15), st.integers(1, 60))
def test_decreased_agrees_with_fractions(baseline, scores, tenths):
    expected = baseline - Fraction(sum(scores), len(scores)) >= Fraction(tenths, 10)
    assert (
        labels.decreased(np.array([baseline]), np.array([sum(scores)]), np.array([len(scores)]), tenths)[0] == expected
    )


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
    with pytest.raises(InputError, match="'F'"):
        response_of(course([None, 1, 1]), "F")


scores_by_day = st.lists(st.one_of(st.none(), st.integers(0, 24)), min_size=16, max_size=16)


@given(scores_by_day, scores_by_day, st.integers(1, 40), st.sampled_from(["locf", "worst24", "exclude_days"]))
def test_labels_of_day_9_do_not_see_later_data(first, second, death, rule):
    other = first[:10] + second[10:]
    here = course(first, death=[death])
    there = course(other, death=[death if death <= 9 else NEVER])
    for option in ("A", "B", "C", "D", "E"):
        assert response_of(here, option, death_rule=rule) == response_of(there, option, death_rule=rule)
    assert mean_of(here, death_rule=rule).equals(mean_of(there, death_rule=rule))


def reversed_state(kind, baseline, days, died=NEVER, **rule):
    values = np.full((1, 29), NAN)
    for day, value in days.items():
        values[0, day] = value
    empty = np.full((1, 29), NAN)
    ferritin, hladr = (values, empty) if kind == "MALS" else (empty, values)
    return labels.reversal(
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
    time, event = labels.survival(death, contact, 28)
    np.testing.assert_array_equal(time, [28, 28, 28, 12, NAN])
    np.testing.assert_array_equal(event, [1, 0, 0, 0, NAN])
    time, event = labels.survival(death, contact, 90)
    np.testing.assert_array_equal(time, [28, 29, 90, 12, NAN])
    np.testing.assert_array_equal(event, [1, 1, 0, 0, NAN])
