"""Every good table of the corpus: no error and no warning, and notes only where the corpus says so."""

import pytest

from immunosep.codes import CODES
from intake import cases
from intake.corpus import expected, found, without_progress

GOOD = cases.good()


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_no_false_alarm(case, tmp_path):
    lab = case.lab().write(tmp_path)
    outcome = lab.check(tmp_path)
    assert found(outcome) == expected(case, lab), case.story
    assert outcome.code == 0
    assert without_progress(outcome.stderr) == ""


def test_good_tables_are_thirty_and_differ():
    assert len(GOOD) >= 30
    assert {CODES[f.code].severity for case in GOOD for f in case.expected} == {"info"}
    assert len({case.story for case in GOOD}) == len(GOOD)
