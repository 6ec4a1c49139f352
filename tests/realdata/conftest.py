"""Public data beside the checkout; without them these tests are skipped and say so."""

from pathlib import Path

import pytest

from support.runs import ROOT

SHARED = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.realdata)
            if not SHARED.is_dir():
                item.add_marker(pytest.mark.skip(reason="the public data (../shared/data) are not here"))


@pytest.fixture(scope="session")
def shared():
    """Folder of the public data."""
    return SHARED
