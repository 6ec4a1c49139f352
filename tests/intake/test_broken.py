"""Every broken table of the corpus: all that is wrong is found, on its rows, and nothing else is."""

import pytest

from immunosep.codes import CODES
from intake import cases
from intake.corpus import expected, found, without_progress

BROKEN = cases.broken()
# What tables alone cannot do: a disk that fails (test_deep.py), and coming back after a withdrawal (test_withdraw.py).
ELSEWHERE = {"data_unreadable", "withdrawn_participant"}


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_all_that_is_wrong_is_found_and_nothing_else(case, tmp_path):
    lab = case.lab().write(tmp_path)
    outcome = lab.check(tmp_path)
    assert found(outcome) == expected(case, lab), case.story
    severities = {CODES[f.code].severity for f in case.expected}
    assert outcome.code == (2 if "error" in severities else 1)
    assert without_progress(outcome.stderr) == ""
    for item in case.expected:
        assert item.code in outcome.stdout
        assert f'id="kind-{item.code}"' in outcome.html
    for secret in case.secrets:
        assert secret not in outcome.everything


def test_every_kind_of_error_and_warning_has_a_case():
    found_by_a_case = {item.code for case in BROKEN for item in case.expected}
    serious = {code for code, entry in CODES.items() if entry.severity != "info"}
    assert serious - found_by_a_case == ELSEWHERE


def test_corpus_is_large_and_every_case_tells_its_story():
    assert len(BROKEN) >= 120
    assert len({case.name for case in BROKEN}) == len(BROKEN)
    assert all(case.story and case.expected for case in BROKEN)
