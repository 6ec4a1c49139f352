"""Browser tests: skipped, with the reason, where no Chromium and its driver are found."""

import os
from pathlib import Path

import pytest

from support.webdriver import Browser, find_browser


def pytest_collection_modifyitems(items):
    missing = pytest.mark.skipif(
        find_browser() is None, reason="no chromium with chromedriver on the PATH (envs/debian-test.txt names both)"
    )
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(missing)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Return a function that starts a browser of a kind once, and ends it with the module."""
    running = {}

    def get(**kind):
        key = tuple(sorted(kind.items()))
        if key not in running:
            running[key] = Browser(tmp_path_factory.mktemp("browser"), **kind).__enter__()
        return running[key]

    yield get
    for browser in running.values():
        browser.__exit__()


@pytest.fixture
def picture(tmp_path):
    """Return a function that keeps a picture for people: in the folder IMMUNOSEP_SCREENSHOTS, if that is set."""
    folder = Path(os.environ.get("IMMUNOSEP_SCREENSHOTS") or tmp_path)
    return lambda browser, name, **how: browser.picture(folder / f"{name}.png", **how)
