"""An edit reruns what depends on it, and nothing else."""

import shutil

import pytest

from support.runs import SMALL, planned_jobs, snakemake

AGGREGATES_OF_RNA = {
    "tabulate_libraries",
}


@pytest.fixture
def edited(one_core):
    """Edit a file of the finished run for one test; what was there comes back afterwards, with its time."""
    saved = []

    def edit(path, old, new, count=1):
        backup = path.with_name(path.name + ".saved")
        shutil.copy2(path, backup)
        saved.append((backup, path))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, count))

    yield edit
    for backup, path in saved:
        shutil.move(backup, path)


def plan(folder):
    return planned_jobs(snakemake(folder, "--dry-run", configfile=SMALL, project=folder / "project"))


def test_nothing_is_left_to_do(one_core):
    assert plan(one_core) == {}


def test_rewording_a_comment_reruns_nothing(one_core, edited):
    edited(one_core / "project/scripts/immunosep/labels.py", '"""', '"""Reworded. ')
    assert plan(one_core) == {}
