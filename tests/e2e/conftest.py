"""Runs of the demonstration, each made once a session."""

from pathlib import Path

import pytest

from support.runs import CACHE, CORES, SMALL, assert_success, copy_project, fresh, run_demo


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def demo():
    """Folder of a finished run, kept between sessions: the next one only does what has changed."""
    folder = CACHE / "demo"
    assert_success(run_demo(folder, "--cores", str(CORES)))
    return folder


@pytest.fixture(scope="session")
def one_core():
    """Folder of a small run on one core, with a copy of the project in it whose code a test may edit."""
    folder = fresh("one_core")
    project = copy_project(folder / "project")
    assert_success(run_demo(folder, "--configfile", str(SMALL), "--cores", "1", project=project))
    return folder
