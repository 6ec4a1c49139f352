"""What each intercurrent event does to each label: one test per cell of the table of the estimands.

Events: death, treatment stopped, emergency unblinding, discharge, withdrawal for the future, erasure, never dosed,
screening only. Labels: SOFA response, reversal, mortality, and whether prediction keeps the participant.
"""

import pandas as pd
import pytest

from immunosep.endpoints.steps import derive
from immunosep.stats.populations import populations
from support.clinic import SETTINGS, person, screened, visit

CODE = "000000007"
NAME = f"GR01-{CODE}"


def trial(arm=None, scores=None, values=None, **event):
    """Derive the labels of one participant to whom something happens, beside one to whom nothing does."""
    people = [person("GR01", CODE, dosed="yes", per_protocol="yes"), person("GR01", "000000008")]
    people[0] |= event
    people[1] |= {"dosed": "yes", "per_protocol": "yes"}
    scores = scores or {day: 10 - day // 2 for day in range(10)}
    values = values or {15: 9000}
    visits = [visit("GR01", CODE, day, scores.get(day, ""), "", values.get(day, "")) for day in {**scores, **values}]
    visits += [visit("GR01", "000000008", day, sofa=8) for day in range(1, 10)]
    classification = [screened("GR01", code, 900, 3000) for code in (CODE, "000000008")]
    codes = {"site": "GR01", "participant_code": CODE}
    allocation = pd.DataFrame([codes | {"arm": "active", "emergency_unblinded": "no"} | (arm or {})])
    tables = pd.DataFrame(people), pd.DataFrame(visits), pd.DataFrame(classification)
    derived = derive(*tables, SETTINGS, allocation=allocation)
    return tables[0], derived


def row_of(derived):
    return derived.labels.set_index("participant").loc[NAME]


def in_population(participants, derived, name):
    return NAME in populations(derived.labels, participants)[name]


PLAIN = row_of(trial()[1])


def test_without_an_event():
    assert (PLAIN["sofa_response"], PLAIN["reversal_d15"], PLAIN["event_90"]) == ("response", "reversed", 0)


class TestDeathByDay9:
    derived = trial(death_day="9", last_contact_day="9", values={7: 9000})[1]

    def test_sofa_response_is_composite(self):
        assert row_of(self.derived)["sofa_response"] == "nonresponse"
        assert row_of(self.derived)["sofa_response_rule"] == "A: dead by the end of day 9"

    def test_reversal_is_dead(self):
        assert row_of(self.derived)["reversal_d15"] == "dead"
        assert row_of(self.derived)["reversal_d15_binary"] == "no"

    def test_mortality_is_an_event(self):
        assert row_of(self.derived)[["event_28", "time_to_death_28", "event_90"]].tolist() == [1, 9, 1]

    def test_prediction_keeps_the_participant(self):
        assert NAME in derived_with_label(self.derived, "sofa_response")


def derived_with_label(derived, target):
    """Return who has a class of a target."""
    return derived.labels.loc[derived.labels[target].astype(str) != "", "participant"].tolist()


class TestDrugStopped:
    participants, derived = trial(per_protocol="no")

    @pytest.mark.parametrize("label", ["sofa_response", "reversal_d15", "event_28", "mean_sofa_d9"])
    def test_labels_follow_the_treatment_policy(self, label):
        assert row_of(self.derived)[label] == PLAIN[label]

    def test_itt_keeps_and_per_protocol_drops(self):
        assert in_population(self.participants, self.derived, "itt")
        assert in_population(self.participants, self.derived, "mitt")
        assert not in_population(self.participants, self.derived, "per_protocol")


class TestEmergencyUnblinding:
    participants, derived = trial(arm={"emergency_unblinded": "yes"})

    @pytest.mark.parametrize("label", ["sofa_response", "reversal_d15", "event_28", "mean_sofa_d9"])
    def test_labels_follow_the_treatment_policy(self, label):
        assert row_of(self.derived)[label] == PLAIN[label]

    def test_kept_and_flagged(self):
        assert row_of(self.derived)["emergency_unblinded"] == "yes"
        assert in_population(self.participants, self.derived, "itt")


class TestDischargeBeforeDay9:
    derived = trial(discharge_day="4", scores=dict.fromkeys(range(5), 10), values={1: 3000})[1]

    def test_sofa_response_carries_forward_and_zero_is_a_sensitivity(self):
        assert row_of(self.derived)["sofa_response"] == "nonresponse"
        rows = self.derived.sensitivity[self.derived.sensitivity["participant"] == NAME]
        by_rule = rows[rows["option"] == "A"].set_index("discharge_rule")["value"].to_dict()
        assert by_rule == {"locf": "nonresponse", "zero": "response", "missing": "nonresponse"}

    def test_missing_reversal_is_imputed_as_none(self):
        assert row_of(self.derived)[["reversal_d15", "reversal_rule"]].tolist() == [
            "not_reversed",
            "imputed_nonreversal",
        ]

    def test_mortality_is_censored_at_last_contact_not_at_discharge(self):
        assert row_of(self.derived)[["event_90", "time_to_death_90"]].tolist() == [0, 90]

    def test_prediction_keeps_the_participant(self):
        assert NAME in derived_with_label(self.derived, "sofa_response")


class TestWithdrawalForTheFuture:
    derived = trial(
        consent="withdrawn",
        withdrawn_day="5",
        scores={1: 10, 2: 10, 3: 4, 4: 4, 5: 0, 6: 0},
        values={15: 9000},
        death_day="8",
    )[1]

    def test_sofa_response_uses_the_days_before_and_carries_them_on(self):
        assert row_of(self.derived)["mean_sofa_d9"] == pytest.approx((10 + 10 + 7 * 4) / 9)
        assert row_of(self.derived)["n_days_observed_d9"] == 4

    def test_reversal_does_not_see_the_later_value(self):
        assert row_of(self.derived)["reversal_rule"] == "imputed_nonreversal"

    def test_mortality_is_censored(self):
        assert row_of(self.derived)[["event_28", "time_to_death_28"]].tolist() == [0, 5]

    def test_prediction_keeps_the_participant_until_then(self):
        row = row_of(self.derived)
        assert row["last_day_in_study"] == 4
        assert row["landmark_response_d4"] != ""
        assert row["landmark_response_d7"] == ""


@pytest.mark.parametrize("consent", ["erase", "deferred_pending"])
def test_erasure_removes_the_participant_from_everything(consent):
    derived = trial(consent=consent)[1]
    for table in (derived.labels, derived.endpoints, derived.sensitivity, derived.dynamic):
        assert NAME not in set(table["participant"])
    assert len(derived.labels) == 1


class TestNeverDosed:
    participants, derived = trial(dosed="no", per_protocol="no")

    def test_itt_keeps_who_was_randomised(self):
        assert in_population(self.participants, self.derived, "itt")
        assert row_of(self.derived)["sofa_response"] == PLAIN["sofa_response"]

    def test_modified_itt_drops(self):
        assert not in_population(self.participants, self.derived, "mitt")


class TestScreeningOnly:
    participants, derived = trial(randomised="no", dosed="no", per_protocol="no")

    def test_has_an_endotype_and_nothing_else(self):
        row = row_of(self.derived)
        assert row["endotype"] == "SII"
        assert row[["sofa_response", "reversal_d15", "arm"]].tolist() == ["", "", ""]
        assert row[["mean_sofa_d9", "event_28", "last_day_in_study"]].isna().all()
        assert NAME not in set(self.derived.endpoints["participant"])

    def test_is_in_no_population(self):
        assert not any(NAME in members for members in populations(self.derived.labels, self.participants).values())
