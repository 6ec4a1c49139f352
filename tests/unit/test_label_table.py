"""A ready label table: personal data and a sealed arm are told, the labels that tasks predict are the user's own."""

import pytest

from immunosep.findings import as_text
from immunosep.intake import check_inputs
from immunosep.label_table import check_label_table, targets
from support.trial import Trial


def told(folder, text, role="blinded", declared=("subtype",)):
    (folder / "labels.tsv").write_text(text)
    found = check_label_table(folder / "labels.tsv", declared=declared, role=role)
    return [(f.code, f.column, f.row) for f in found], as_text(found)


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("patient_name", "x", ("personal_column", "patient_name", 1)),
        ("date_of_birth", "x", ("personal_column", "date_of_birth", 1)),
        ("arm", "A", ("treatment_column", "arm", 1)),
        ("seen_by", "Mrs Papadopoulou", ("personal_value", "seen_by", 2)),
        ("visit", "01.02.1950", ("personal_value", "visit", 2)),
        ("subtype", "01.02.1950", ("personal_value", "subtype", 2)),
    ],
)
def test_personal_data_and_the_arm_are_told_masked(tmp_path, header, value, expected):
    found, text = told(tmp_path, f"participant\tx\t{header}\nP1\t1\t{value}\nP2\t2\t\n")
    assert found == [expected]
    assert value == "x" or f'"{value}"' not in text


def test_a_name_in_place_of_a_pseudonym(tmp_path):
    found, text = told(tmp_path, "participant\tsubtype\nMaria Papadopoulou\tA\nP2\tB\n")
    assert found == [("personal_value", "participant", 2)]
    assert "Papadopoulou" not in text


def test_harmless_tables_pass(tmp_path):
    text = "participant\tsubtype\tage\tmars\nP1\tsurvived beyond day one of the stay\t61\tMARS1\nP2\tB\t\t\n"
    assert told(tmp_path, text)[0] == []


def test_a_declared_label_may_have_any_name_but_an_arms(tmp_path):
    text = "participant\tname\tarm\nP1\tA\tplacebo\nP2\tB\tactive\n"
    declared = ("name", "arm")
    for role in ("blinded", "endotype"):
        assert told(tmp_path, text, role, declared)[0] == [("treatment_column", "arm", 1)]
    assert told(tmp_path, text, "unblinded", declared)[0] == []
    assert told(tmp_path, text, "unblinded", ())[0] == [("personal_column", "name", 1)]


def test_the_check_reads_the_label_table_of_a_configuration(tmp_path):
    trial = Trial(tmp_path / "trial").write()
    labels = tmp_path / "labels.tsv"
    trial.config["clinical"]["labels"] = str(labels)
    trial.config["biomarkers"] = {"tasks": {"a": {"target": "subtype"}, "b": None}}
    assert targets(trial.config) == ["subtype"]
    labels.write_text("participant\tpatient_name\tsubtype\nP1\tMaria\tA\n")
    _, findings = check_inputs(trial.config)
    assert [(f.code, f.file) for f in findings if f.severity == "error"] == [("personal_column", str(labels))]
    labels.write_text("participant\tsubtype\nP1\tA\n")
    assert [f for f in check_inputs(trial.config)[1] if f.severity == "error"] == []
