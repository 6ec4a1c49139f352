"""The pages of a finished run (`make demo`, the end-to-end tests), where there is one: they open and ask no one."""

import zipfile

import pytest

from support.runs import CACHE, ROOT

PAGES = ("results/intake/intake_report.html", "results/qc/multiqc.html", "results/report/report.zip")


def newest(page):
    """Return the newest copy of a run's page, or None."""
    found = [path for folder in (ROOT, *CACHE.glob("*")) if (path := folder / page).is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.rsplit("/", 1)[1])
def test_a_page_of_a_run_opens_without_errors_and_without_a_network(start, picture, tmp_path, page):
    path = newest(page)
    if path is None:
        pytest.skip(f"no run has left {page}")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            packed.extractall(tmp_path)
        path = next(tmp_path.glob("*/*.html"))
    browser = start()
    browser.size(1280, 900)
    browser.complaints()
    browser.open(path)
    assert browser.wait_for("return document.body.innerText.trim().length > 200")
    picture(browser, f"run-{path.stem}")
    assert [message for message in browser.complaints() if message.startswith("SEVERE")] == []
    assert [address for address in browser.requests() if not address.startswith(("file:", "data:", "blob:"))] == []
