"""A rule's script logs to its file and ends a user's mistake without a traceback."""

import logging
import os

import pytest

from immunosep.errors import InputError
from immunosep.runlog import rule_logging


def test_output_and_logging_go_to_the_log(tmp_path, capsys):
    log = tmp_path / "rule.log"
    with rule_logging(str(log)):
        print("printed")
        logging.getLogger("immunosep.x").info("logged")
    text = log.read_text()
    assert "printed" in text
    assert "immunosep.x: logged" in text
    assert capsys.readouterr().out == ""


def test_a_users_mistake_is_said_without_a_traceback(tmp_path, capsys):
    log = tmp_path / "rule.log"
    with pytest.raises(SystemExit) as caught, rule_logging(str(log)):
        raise InputError("line 3: mend it")
    assert caught.value.code == 1
    assert "line 3: mend it" in capsys.readouterr().err
    assert "Traceback" not in log.read_text()


def test_any_other_error_keeps_its_traceback_in_the_log(tmp_path):
    log = tmp_path / "rule.log"
    with pytest.raises(ZeroDivisionError), rule_logging(str(log)):
        _ = 1 / 0
    assert "Traceback" in log.read_text()


def test_numerical_libraries_are_held_to_one_thread(tmp_path):
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    with rule_logging(str(tmp_path / "l")):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert os.environ["OMP_NUM_THREADS"] == "1"
