"""Clinical tables: units, scores, courses, consent, and who may open what."""

import builtins
import io
from pathlib import Path

import pytest

from immunosep.errors import InputError
from immunosep.sealed import may_open
from support.trial import FIRST, SECOND, Trial, codes, read_clinical

VALUES = {"ferritin": "5000", "ferritin_unit": "ng/mL", "hladr": "3000", "hladr_unit": "receptors_per_cell"}


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path).write()


def found(trial):
    """Code, line and column of every finding."""
    return [(f.code, f.row, f.column) for f in trial.write_tables().check()[1]]


def test_good_tables_are_read_as_text(trial):
    clinical = read_clinical(trial.config)
    assert list(clinical.participants) == [("GR03", "012345678"), ("RO06", "987654321")]
    assert clinical.visits[0]["ferritin"] == "4420.5"
    assert clinical.classification is None
    assert clinical.allocation is None


def test_read_clinical_stops_on_every_error(trial):
    trial.visits[0]["ferritin"] = "4.420"
    trial.participants[1]["sex"] = "female"
    trial.write_tables()
    with pytest.raises(InputError) as caught:
        read_clinical(trial.config)
    assert "4.420" in str(caught.value)
    assert "female" in str(caught.value)


@pytest.mark.parametrize(
    ("index", "changes", "expected"),
    [
        (0, {"ferritin": "4.420"}, ("ambiguous_separator", 2, "ferritin")),
        (0, {"ferritin_unit": ""}, ("unit_missing", 2, "ferritin_unit")),
        (0, {"ferritin_unit": "ug/L"}, ("unit_wrong", 2, "ferritin_unit")),
        (0, {"ferritin": "9.9"}, ("implausible", 2, "ferritin")),
        (2, {"hladr": "25", "hladr_unit": "%"}, ("unit_percent", 4, "hladr_unit")),
        (2, {"hladr": "99"}, ("implausible", 4, "hladr")),
        (1, {"haemoglobin_g_dl": "0"}, ("implausible", 3, "haemoglobin_g_dl")),
        (1, {"haemoglobin_g_dl": "21"}, ("implausible", 3, "haemoglobin_g_dl")),
        (1, {"neutrophils_10e9_l": "450"}, ("implausible", 3, "neutrophils_10e9_l")),
        (1, {"lymphocytes_10e9_l": "80"}, ("implausible", 3, "lymphocytes_10e9_l")),
        (1, {"monocytes_10e9_l": "60"}, ("implausible", 3, "monocytes_10e9_l")),
        (1, {"platelets_10e9_l": "0"}, ("implausible", 3, "platelets_10e9_l")),
        (0, {"sofa_total": "10"}, ("sofa_sum", 2, "sofa_total")),
        (0, {"sofa_total": "14", "sofa_renal": ""}, ("sofa_sum", 2, "sofa_total")),
        (0, {"sofa_renal": "5"}, ("out_of_range", 2, "sofa_renal")),
        (1, {"visit_day": "1"}, ("duplicate_key", 2, "visit_day")),
        (1, {"visit_day": "40"}, ("visit_not_scheduled", 3, "visit_day")),
        (1, {"participant_code": "000000009"}, ("unknown_participant", 3, "participant_code")),
        (1, {"site": "GR3"}, ("unknown_site", 3, "site")),
    ],
)
def test_one_mistake_in_the_visits(trial, index, changes, expected):
    trial.visits[index] |= changes
    assert found(trial) == [expected]


@pytest.mark.parametrize(
    ("column", "legal", "odd"),
    [("age_years", "104", "112"), ("discharge_day", "380", "900"), ("last_contact_day", "380", "900")],
)
def test_numbers_that_no_participant_has(trial, column, legal, odd):
    trial.participants[0] |= {"last_contact_day": "", "discharge_day": "", "death_day": "", column: legal}
    assert found(trial) == []
    trial.participants[0][column] = odd
    assert found(trial) == [("implausible", 2, column)]


@pytest.mark.parametrize(
    "changes",
    [
        {"neutrophils_10e9_l": "0", "lymphocytes_10e9_l": "0", "platelets_10e9_l": "2", "haemoglobin_g_dl": "3.5"},
        {"neutrophils_10e9_l": "60", "monocytes_10e9_l": "0", "platelets_10e9_l": "900", "haemoglobin_g_dl": "19"},
        {"sofa_total": ""},
        {"sofa_renal": "", "sofa_total": "11"},
        {"ferritin": "10"},
        {"ferritin": "", "ferritin_unit": ""},
    ],
)
def test_no_false_alarm_in_the_visits(trial, changes):
    trial.visits[0] |= changes
    assert found(trial) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"age_years": "17"}, ("under_age", 2, "age_years")),
        ({"age_years": "7O"}, ("not_integer", 2, "age_years")),
        ({"country": "RO"}, ("country_mismatch", 2, "country")),
        ({"randomised": "no"}, ("not_randomised", 2, "dosed")),
        ({"death_day": "20"}, ("contact_mismatch", 2, "last_contact_day")),
        ({"death_day": "20", "last_contact_day": "19"}, ("contact_mismatch", 2, "last_contact_day")),
        ({"death_day": "20", "last_contact_day": "", "discharge_day": "21"}, ("day_after_death", 2, "discharge_day")),
        ({"consent": "withdrawn"}, ("withdrawal_mismatch", 2, "withdrawn_day")),
        ({"withdrawn_day": "9"}, ("withdrawal_mismatch", 2, "withdrawn_day")),
        ({"infection": "CAP,BSI"}, ("bad_pattern", 2, "infection")),
        ({"sex": "W"}, ("not_allowed", 2, "sex")),
        ({"date_of_birth": "x"}, ("personal_column", 1, "date_of_birth")),
        ({"arm": "x"}, ("treatment_column", 1, "arm")),
    ],
)
def test_one_mistake_in_the_participants(trial, changes, expected):
    trial.participants[0] |= changes
    assert found(trial) == [expected]


@pytest.mark.parametrize(
    "changes",
    [
        {"age_years": "17", "randomised": "no", "dosed": "no", "per_protocol": "no"},
        {"death_day": "40", "last_contact_day": "40", "discharge_day": "12"},
        {"death_day": "40", "last_contact_day": ""},
        {"consent": "withdrawn", "withdrawn_day": "60"},
        {"infection": ""},
    ],
)
def test_no_false_alarm_in_the_participants(trial, changes):
    trial.participants[0] |= changes
    assert found(trial) == []


def test_a_cohort_may_have_no_visits(trial):
    trial.visits = []
    assert found(trial) == [("table_without_rows", 0, "")]
    assert read_clinical(trial.config).visits == ()


def test_visit_after_death(trial):
    trial.participants[1] |= {"death_day": "4", "last_contact_day": "4"}
    trial.visits[2]["visit_day"] = "5"
    assert found(trial) == [("day_after_death", 4, "visit_day")]


def test_a_mistyped_participant_gives_one_finding_and_not_one_per_visit(trial):
    trial.participants[0]["participant_code"] = "12345678"
    assert ("code_leading_zero", 2, "participant_code") in found(trial)
    assert "unknown_participant" not in {code for code, _, _ in found(trial)}


@pytest.mark.parametrize(
    ("role", "classification", "allocation"),
    [("blinded", False, False), ("endotype", True, False), ("unblinded", True, True)],
)
def test_roles(trial, monkeypatch, role, classification, allocation):
    assert (may_open("classification", role), may_open("allocation", role)) == (classification, allocation)
    trial.classification = [FIRST | VALUES, SECOND | VALUES]
    trial.allocation = [FIRST | {"arm": "active"}, SECOND | {"arm": "placebo"}]
    trial.unseal("unblinded")
    trial.config["role"] = role
    opened = []
    really_open = io.open

    def spy(file, *arguments, **more):
        opened.append(Path(file).name)
        return really_open(file, *arguments, **more)

    monkeypatch.setattr(io, "open", spy)
    monkeypatch.setattr(builtins, "open", spy)
    clinical = read_clinical(trial.config)
    assert "participants.tsv" in opened
    assert ("classification.tsv" in opened, "allocation.tsv" in opened) == (classification, allocation)
    assert (clinical.classification is not None, clinical.allocation is not None) == (classification, allocation)


def test_blinded_needs_no_sealed_file_and_the_others_do(trial):
    assert found(trial) == []
    trial.config["role"] = "unblinded"
    assert [code for code, _, _ in found(trial)] == ["file_unreadable", "file_unreadable"]


def test_sealed_rows_are_checked(trial):
    trial.config["role"] = "unblinded"
    trial.classification = [FIRST | VALUES | {"hladr": "5.000"}, SECOND | VALUES | {"ferritin_unit": "%"}]
    trial.allocation = [FIRST | {"arm": "Active"}, SECOND | {"arm": "placebo", "participant_code": "000000001"}]
    trial.unseal()
    assert codes(trial.check()[1]) == ["ambiguous_separator", "not_allowed", "unit_percent", "unknown_participant"]


def test_arm_of_a_participant_who_was_not_randomised(trial):
    trial.config["role"] = "unblinded"
    trial.participants[0] |= {"randomised": "no", "dosed": "no", "per_protocol": "no"}
    trial.classification = [SECOND | VALUES]
    trial.allocation = [FIRST | {"arm": "active"}]
    trial.unseal()
    assert codes(trial.check()[1]) == ["not_randomised"]


def test_a_ready_label_table_makes_clinical_tables_optional(trial):
    labels = trial.folder / "labels.tsv"
    labels.write_text("participant\tsubtype\nP1\tA\n")
    trial.config["clinical"] |= {"labels": str(labels), "participants": "none.tsv", "visits": None}
    trial.config["role"] = "unblinded"
    assert found(trial) == []
