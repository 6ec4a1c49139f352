"""Personal data and treatment: recognised, masked, and not seen where there is none."""

import json

import pytest

from immunosep.findings import as_json, as_text, mask
from immunosep.intake_page import render_page
from immunosep.privacy import column_risk, value_risk
from support.trial import Trial


@pytest.mark.parametrize(
    "name",
    ["name", "Patient_Name", "surname", "firstName", "initials", "DOB", "date_of_birth", "BirthDate", "e-mail", "MRN",
     "phone", "postcode", "sample date", "comments", "HIV", "pregnancy"],
)  # fmt: skip
def test_personal_columns(name):
    assert column_risk(name) == "personal_column"


@pytest.mark.parametrize("name", ["arm", "Treatment", "study_drug", "anakinra", "IFNg", "dose mg", "placebo"])
def test_treatment_columns(name):
    assert column_risk(name) == "treatment_column"


@pytest.mark.parametrize("name", ["colour", "filename", "alarm", "sofa", "batch2", "rin", "updated", "charm", ""])
def test_harmless_columns(name):
    assert column_risk(name) == ""


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("anna.b@clinic.example", "e-mail"),
        ("2024-02-29", "date"),
        ("29.02.2024", "date"),
        ("2/29/24", "date"),
        ("29-Feb-2024", "date"),
        ("Feb 29, 2024", "date"),
        ("+30 210 583 1234", "telephone"),
        ("0030 210 5831234", "telephone"),
    ],
)
def test_personal_values(value, what):
    assert what in value_risk(value)


@pytest.mark.parametrize(
    "value",
    ["012345678", "4420.5", "GR03", "whole_blood", "GR03-012345678-D04-rna", "raw/x_L001_R1_001.fastq.gz", "515F-806R",
     "1.234.567", "R1", "P1_A12", "10.1"],
)  # fmt: skip
def test_harmless_values(value):
    assert value_risk(value) == ""


@pytest.mark.parametrize("value", ["M.K.", "Maria", "Müller, Anna", "J. R.", "Παπαδόπουλος"])
def test_names_in_a_column_of_codes(value):
    assert value_risk(value, is_code=True) == "a name or initials"


def test_mask_shows_one_character():
    assert mask("anna@clinic.example") == "a… (19 characters, masked)"


@pytest.mark.parametrize("secret", ["anna.b@clinic.example", "29.02.2024", "Anna Schmidt", "+30 210 5831234"])
def test_no_output_shows_a_personal_value(tmp_path, secret):
    trial = Trial(tmp_path).write()
    trial.manifest[3]["sample_code"] = secret
    trial.manifest[4]["table_id"] = secret if " " not in secret or "+" in secret else "ok"
    trial.participants[0]["participant_code"] = secret
    _, findings = trial.write_tables().check()
    assert [f.code for f in findings].count("personal_value") >= 2
    for text in (as_text(findings), json.dumps(as_json(findings)), render_page(findings, {}, [])):
        assert secret not in text
