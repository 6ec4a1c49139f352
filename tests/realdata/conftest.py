"""Public data beside the checkout; without them these tests are skipped and say so."""

from pathlib import Path

import pytest

from support.runs import ROOT

SHARED = ROOT.parent / "shared" / "data"
FOUND = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[FOUND] = []


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.realdata)
            if not SHARED.is_dir():
                item.add_marker(pytest.mark.skip(reason="the public data (../shared/data) are not here"))


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[FOUND]:
        terminalreporter.section("known answers: expected, found")
        for what, expected, found in config.stash[FOUND]:
            terminalreporter.write_line(f"{what:<70} {expected:>12.6g} {found:>12.6g}")


@pytest.fixture
def compare(request):
    """Note an expected and a found value for the table at the end of the run; the test itself asserts."""
    return lambda what, expected, found: request.config.stash[FOUND].append((what, float(expected), float(found)))


@pytest.fixture(scope="session")
def shared():
    """Folder of the public data."""
    return SHARED
