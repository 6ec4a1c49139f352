"""The command as people and programs run it: a process of its own, in any locale, with anything in its way."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from immunosep import cli
from intake.lab import Lab

SCRIPTS = Path(cli.__file__).parents[1]


def immunosep(
    folder: Path, *words: str | bytes | Path, locale: str = "C.UTF-8", **more
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with nothing of this process's environment but where the package is."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "strict"} | more
    return subprocess.run(
        [sys.executable, "-m", "immunosep.cli", *words],
        cwd=folder,
        env={"PYTHONPATH": str(SCRIPTS), "LC_ALL": locale, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        timeout=60,
        **options,
    )


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file below a folder."""
    return {str(p): (p.stat().st_mode, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


def broken(lab: Lab) -> Lab:
    """Put in mistakes whose messages hold letters of several scripts."""
    lab.put("manifest", "rna day 4", batch="Läufe1", collected="ναι")
    lab.put("manifest", "rna second", sample_code="٣٠٠٠٠٠٠١١")
    return lab


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.mark.parametrize(
    ("row", "cells", "code"),
    [
        ("rna", {}, 0),
        ("nares", {"assay": "shotgun"}, 1),
        ("rna second", {"sample_code": "60000021"}, 2),
    ],
)
def test_exit_codes(lab, tmp_path, row, cells, code):
    lab.put("manifest", row, **cells)
    lab.write(tmp_path)
    process = immunosep(tmp_path / "lab", *lab.command())
    assert (process.returncode, process.stderr) == (code, "")


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_any_locale(lab, tmp_path, locale):
    broken(lab).write(tmp_path)
    process = immunosep(tmp_path / "lab", *lab.command(), "--report", "page.html", locale=locale)
    assert (process.returncode, process.stderr) == (2, "")
    assert "Läufe1" in process.stdout
    assert "ναι" in (tmp_path / "lab" / "page.html").read_text(encoding="utf-8")


def test_a_terminal_that_knows_ascii_only(lab, tmp_path):
    broken(lab).write(tmp_path)
    command = [sys.executable, "-m", "immunosep.cli", *lab.command()]
    environment = {"PYTHONPATH": str(SCRIPTS), "PYTHONIOENCODING": "ascii"}
    process = subprocess.run(command, cwd=tmp_path / "lab", env=environment, capture_output=True, check=False)
    assert (process.returncode, process.stderr) == (2, b"")
    assert b"L\\xe4ufe1" in process.stdout


def test_json_and_page_are_whole(lab, tmp_path):
    broken(lab).write(tmp_path)
    process = immunosep(tmp_path / "lab", *lab.command(), "--json", "check.json", "--report", "check.html")
    content = json.loads((tmp_path / "lab" / "check.json").read_text(encoding="utf-8"))
    assert content["counts"] == {"error": 3, "warning": 0, "info": 0}
    assert {item["row"] for item in content["findings"]} == {4, 5}
    page = Page()
    page.feed((tmp_path / "lab" / "check.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert page.addresses == []
    assert process.stderr == ""


class Page(HTMLParser):
    """Elements that are still open at the end, and addresses that the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in ("meta", "input", "br", "link", "img", "col", "hr", "wbr"):
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_nothing_is_changed_and_nothing_is_written_unasked(lab, tmp_path):
    broken(lab).write(tmp_path)
    before = snapshot(tmp_path)
    immunosep(tmp_path / "lab", *lab.command(), "--deep")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "manifest.tsv/check.json"],
        ["--report", "clinical"],
        ["--json", "manifest.tsv"],
        ["--report", "clinical/visits.tsv"],
        ["--deep", "--no-files"],
        ["--deeep"],
        ["--config", "none.yaml"],
    ],
)
def test_what_is_refused_leaves_nothing_behind(lab, tmp_path, words):
    lab.write(tmp_path)
    before = snapshot(tmp_path)
    process = immunosep(tmp_path / "lab", *lab.command(), *words)
    assert process.returncode == 2
    assert process.stderr.strip()
    assert "Traceback" not in process.stderr
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("what", ["absent", "folder", "unreadable", "broken link", "endless"])
def test_a_manifest_that_is_no_file(lab, tmp_path, what):
    lab.write(tmp_path)
    path = tmp_path / "lab" / "manifest.tsv"
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "unreadable":
        # The root user reads everything but this.
        path.symlink_to("/proc/self/mem")
    elif what == "broken link":
        path.symlink_to("nowhere.tsv")
    elif what == "endless":
        path.symlink_to(path)
    process = immunosep(tmp_path / "lab", *lab.command(), "--report", "../page.html")
    assert process.returncode == 2
    assert "file_unreadable" in process.stdout
    assert "Traceback" not in process.stdout + process.stderr
    assert "manifest.tsv" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Πίνακας δειγμάτων.tsv", "a b;$(touch x)'.tsv", "-manifest.tsv", "line\nbreak.tsv"])
def test_names_of_files_that_few_expect(lab, tmp_path, name):
    broken(lab).write(tmp_path)
    (tmp_path / "lab" / "manifest.tsv").rename(tmp_path / "lab" / name)
    process = immunosep(tmp_path / "lab", "check", "--json", "../check.json", "--report", "../page.html", "--", name)
    assert (process.returncode, process.stderr) == (2, "")
    assert not (tmp_path / "lab" / "x").exists()
    findings = json.loads((tmp_path / "check.json").read_bytes())["findings"]
    assert {item["file"] for item in findings} == {name.replace("\n", "\\n")}


def test_a_name_that_is_no_text(lab, tmp_path):
    broken(lab).write(tmp_path)
    name = os.fsdecode(b"manifest-\xff.tsv")
    (tmp_path / "lab" / "manifest.tsv").rename(tmp_path / "lab" / name)
    words = ["check", os.fsencode(name), "--json", "../check.json", "--report", "../page.html"]
    process = immunosep(tmp_path / "lab", *words, text=False, errors=None)
    assert (process.returncode, process.stderr) == (2, b"")
    json.loads((tmp_path / "check.json").read_bytes())
    (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_reader_that_has_seen_enough(lab, tmp_path):
    for number in range(3000):
        lab.copy("manifest", "rna second", f"copy {number}", sample_code=f"{number}", batch=f"B {number}")
    lab.write(tmp_path)
    command = " ".join([sys.executable, "-m", "immunosep.cli", *lab.command(), "| head -n 1"])
    process = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path / "lab", env={"PYTHONPATH": str(SCRIPTS), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert process.stderr == ""
    assert len(process.stdout.splitlines()) == 1


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", "> /dev/full"])
def test_nowhere_to_write_to(lab, tmp_path, redirection):
    broken(lab).write(tmp_path)
    command = " ".join([sys.executable, "-m", "immunosep.cli", *lab.command(), "--json ../check.json", redirection])
    process = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path / "lab", env={"PYTHONPATH": str(SCRIPTS), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "Exception" not in process.stderr
