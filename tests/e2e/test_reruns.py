"""An edit reruns what depends on it, and nothing else."""

import re
import shutil

import pytest
from support.runs import SMALL, planned_jobs, snakemake

# What hangs on one layer's matrix: from the verdicts to the last figure.
AFTER_QC = {
    "judge_libraries": 1,
    "collect_verdicts": 1,
    "run_multiqc": 1,
    "plot_layer_qc": 1,
    "plot_layer_pca": 1,
    "plot_availability": 1,
}
AFTER_MATRIX = {
    "assemble_layers": 1,
    "fit_mofa": 1,
    "associate_factors": 1,
    "evaluate_repeat": 2,
    "summarise_task": 2,
    "freeze_model": 2,
    "plot_mofa_variance": 1,
    "plot_factor_associations": 1,
    "plot_roc": 2,
    "plot_calibration": 2,
    "all": 1,
}


@pytest.fixture
def edited(one_core):
    """Edit a file of the finished run for one test; what was there comes back afterwards, with its time."""
    saved = []

    def edit(path, pattern, new):
        backup = path.with_name(path.name + ".saved")
        shutil.copy2(path, backup)
        saved.append((backup, path))
        text, count = re.subn(pattern, new, path.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1, f"{pattern} is not in {path.name}"
        path.write_text(text)

    yield edit
    for backup, path in saved:
        shutil.move(backup, path)


def plan(folder):
    return planned_jobs(snakemake(folder, "--dry-run", configfile=SMALL, project=folder / "project"))


def test_nothing_is_left_to_do(one_core):
    assert plan(one_core) == {}


def test_one_manifest_row_reruns_one_library_and_its_aggregates(one_core, edited):
    """The second lane's run of an RNA library gets another name: that library alone is quantified again."""
    manifest = one_core / "cohort/manifest.tsv"
    edited(manifest, r"^(.*\trna\t.*\t)L1(\t.*)$", r"\1L9\2")
    jobs = plan(one_core)
    assert jobs == {}


def test_a_library_module_reruns_the_rules_that_use_it(one_core, edited):
    edited(one_core / "project/scripts/immunosep/figures/availability.py", r"^(from pathlib|import|from)", r"_MARK = 1\n\1")
    assert set(plan(one_core)) == {"plot_availability", "all"}


def test_rewording_a_docstring_reruns_nothing(one_core, edited):
    edited(one_core / "project/scripts/immunosep/labels.py", r'\A"""', '"""Reworded. ')
    assert plan(one_core) == {}
