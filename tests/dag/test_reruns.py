"""What an edit reruns, planned on a finished run of placeholders: no job has been run, every output is just there.

Placeholders have no record of the parameters they were made with, so that only the times of files speak; what an edit
changes in parameters is for the end-to-end tests.
"""

import os
import shutil
import time

import pytest

from support.runs import planned_jobs, snakemake

# Rules with one job per library.
PER_LIBRARY = {
    "trim_rna", "quantify_rna", "trim_atac", "align_atac", "extract_fragments", "call_peaks", "measure_atac",
    "count_fragments", "trim_primers",
}  # fmt: skip
# Rules that hold what the libraries are and how good they are.
OF_LIBRARIES = {"tabulate_samples", "tabulate_libraries", "judge_libraries", "collect_verdicts", "plot_availability"}
MADE, EDITED = 1000, 2000  # seconds from now: outputs, and inputs after an edit


@pytest.fixture(scope="module")
def finished(design, tmp_path_factory):
    """A folder in which every output of the demonstration is there and newer than its inputs."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(design, folder, ignore=shutil.ignore_patterns(".snakemake", "results", "logs"))
    # Without a record Snakemake also compares with the time of the rule's script: outputs are newer than any of them.
    made = time.time() + MADE
    done = snakemake(folder, "--summary")
    assert done.returncode == 0, done.stderr[-3000:]
    header, *lines = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    assert header[0] == "output_file"
    for name, *_ in lines:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (made, made))
    return folder


def planned_after(folder, *edited):
    """Rules that an edit of these inputs reruns; the files' times come back afterwards."""
    paths = [folder / "resources" / name for name in edited]
    times = [path.stat() for path in paths]
    now = time.time() + EDITED
    for path in paths:
        os.utime(path, (now, now))
    try:
        return set(planned_jobs(snakemake(folder, "--dry-run"))) - {"all"}
    finally:
        for path, before in zip(paths, times, strict=True):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_finished_run_has_nothing_to_do(finished):
    assert planned_after(finished) == set()


def test_a_score_reruns_labels_and_what_is_behind_them_and_no_library(finished):
    rules = planned_after(finished, "demo/clinical/visits.tsv")
    assert {"check_manifest", "derive_labels", "split_folds", "assess_missingness", "plot_missingness"} <= rules
    assert not rules & (PER_LIBRARY | OF_LIBRARIES)
    assert not {rule for rule in rules if rule.startswith(("build_", "measure_", "assign_"))}


def test_a_participants_row_reruns_its_users_and_no_library(finished):
    rules = planned_after(finished, "demo/clinical/participants.tsv")
    assert {"check_manifest", "derive_labels", "evaluate_repeat"} <= rules
    assert not rules & (PER_LIBRARY | OF_LIBRARIES)


def test_the_manifests_file_by_itself_reruns_its_check_alone(finished):
    """Everything else depends on what the rows say, by parameters, and not on the file."""
    assert planned_after(finished, "demo/manifest.tsv") == {"check_manifest"}
