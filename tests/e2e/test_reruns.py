"""An edit reruns what depends on it, and nothing else."""

import csv
import shutil

import pytest

from support.runs import SMALL, planned_jobs, snakemake

# What depends on the table of RNA libraries: the layer's metrics and matrix, and what all layers share.
AFTER_RNA_TABLE = {
    "check_manifest": 1,
    "tabulate_samples": 1,
    "tabulate_libraries": 1,
    "measure_rna": 1,
    "judge_libraries": 1,
    "build_rna": 1,
    "collect_verdicts": 1,
    "assess_missingness": 1,
    "run_multiqc": 1,
    "assemble_layers": 1,
    "fit_mofa_start": 2,
    "choose_mofa": 1,
    "associate_factors": 1,
    "enrich_weights": 1,
    "model_factors": 1,
    "trace_trajectories": 1,
    "split_folds": 2,
    "evaluate_repeat": 2,
    "summarise_task": 2,
    "assess_models": 2,
    "freeze_model": 2,
    "evaluate_panel": 2,
    "choose_panel": 2,
    "report_model": 2,
    "plot_availability": 1,
    "plot_missingness": 1,
    "plot_layer_qc": 1,
    "plot_layer_pca": 1,
    "plot_mofa_variance": 1,
    "plot_factor_associations": 1,
    "plot_mofa_stability": 1,
    "plot_factor_trajectories": 1,
    "plot_roc": 2,
    "plot_calibration": 2,
    "plot_decision_curve": 2,
    "all": 1,
}


@pytest.fixture
def keep(one_core):
    """Set files of the finished run aside for one test; they come back afterwards, with their times."""
    saved = []

    def set_aside(path):
        backup = path.with_name(path.name + ".saved")
        shutil.copy2(path, backup)
        saved.append((backup, path))
        return path

    yield set_aside
    for backup, path in saved:
        shutil.move(backup, path)


def plan(folder):
    return planned_jobs(snakemake(folder, "--dry-run", configfile=SMALL, project=folder / "project"))


def change_first_row(table, wanted, change):
    """Let `change` edit the first row of a table that `wanted` picks, in place."""
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    change(next(row for row in rows if wanted(row)))
    with table.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def change_first_rna_row(manifest, change):
    """Let `change` edit the first collected RNA row of a manifest in place."""
    change_first_row(manifest, lambda row: row["layer"] == "rna" and row["collected"] == "yes", change)


def test_nothing_is_left_to_do(one_core):
    assert plan(one_core) == {}


def test_a_rows_metadata_rerun_no_library(one_core, keep):
    change_first_rna_row(keep(one_core / "cohort/manifest.tsv"), lambda row: row.update(well="H12"))
    assert plan(one_core) == AFTER_RNA_TABLE


def test_a_rows_files_rerun_one_library_and_the_aggregates(one_core, keep):
    def rename_files(row):
        for column in ("fastq_1", "fastq_2"):
            old = one_core / "cohort" / row[column]
            row[column] = row[column].replace(old.name, f"renamed_{old.name}")
            shutil.copy2(old, one_core / "cohort" / row[column])

    change_first_rna_row(keep(one_core / "cohort/manifest.tsv"), rename_files)
    assert plan(one_core) == AFTER_RNA_TABLE | {"trim_rna": 1, "quantify_rna": 1, "count_genes": 1}


# One job per library, and what holds which libraries there are and how good they are.
OF_LIBRARIES = {
    "trim_rna", "quantify_rna", "trim_atac", "align_atac", "extract_fragments", "call_peaks", "measure_atac",
    "count_fragments", "trim_primers", "tabulate_samples", "tabulate_libraries", "judge_libraries", "collect_verdicts",
    "build_rna", "build_atac", "build_proteome", "build_microbiome", "build_body_site", "plot_availability",
}  # fmt: skip


def test_a_score_reruns_the_labels_and_no_library(one_core, keep):
    def one_point_more(row):
        row.update({name: str(int(row[name]) + 1) for name in ("sofa_total", "sofa_renal")})

    def whole(row):
        return row["visit_day"] == "4" and row["sofa_total"] not in ("", "24") and row["sofa_renal"] in ("0", "1", "2")

    change_first_row(keep(one_core / "cohort/clinical/visits.tsv"), whole, one_point_more)
    rules = plan(one_core)
    assert {"check_manifest", "derive_labels", "split_folds", "assess_missingness"} <= rules.keys()
    assert not rules.keys() & OF_LIBRARIES


def test_a_participants_sex_reruns_its_users_and_a_death_the_expected_samples_too(one_core, keep):
    participants = keep(one_core / "cohort/clinical/participants.tsv")
    change_first_row(participants, lambda row: row["sex"] == "F", lambda row: row.update(sex="M"))
    rules = plan(one_core)
    assert {"check_manifest", "derive_labels", "plot_layer_pca", "evaluate_repeat"} <= rules.keys()
    assert not rules.keys() & OF_LIBRARIES
    change_first_row(
        participants,
        lambda row: row["death_day"] == "" and row["last_contact_day"] == "90",
        lambda row: row.update(death_day="90"),
    )
    assert plan(one_core).keys() & OF_LIBRARIES == {"tabulate_samples", "plot_availability"}


def test_a_library_module_reruns_the_rules_that_use_it(one_core, keep):
    module = keep(one_core / "project/scripts/immunosep/figures/availability.py")
    module.write_text(module.read_text() + "\n_EDITED = True\n")
    assert plan(one_core) == {"plot_availability": 1, "all": 1}


def test_rewording_a_docstring_reruns_nothing(one_core, keep):
    module = keep(one_core / "project/scripts/immunosep/labels/sofa.py")
    module.write_text(module.read_text().replace('"""', '"""Reworded. ', 1))
    assert plan(one_core) == {}
