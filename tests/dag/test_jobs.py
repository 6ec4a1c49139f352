"""What Snakemake plans: the jobs of the demonstration, and what a role or a ready matrix changes."""

import contextlib
import shutil

import pytest
import yaml

from immunosep.config import load_config
from immunosep.sealed import unseal
from immunosep.shuffle import shuffle_labels
from support.runs import DEMO, ROOT, planned_jobs, snakemake

RNA, ATAC, AMPLICON = 47, 40, 75  # libraries of the demonstration, controls included
DEMO_JOBS = {
    # intake, reference, labels
    "check_manifest": 1,
    "tabulate_samples": 1,
    "tabulate_libraries": 4,
    "unpack_genome": 1,
    "tabulate_genes": 1,
    "sort_blacklist": 1,
    "index_genome": 1,
    "index_transcriptome": 1,
    "derive_labels": 1,
    # rna
    "trim_rna": RNA,
    "quantify_rna": RNA,
    "count_genes": 1,
    "measure_rna": 1,
    "build_rna": 1,
    # atac
    "trim_atac": ATAC,
    "align_atac": ATAC,
    "extract_fragments": ATAC,
    "call_peaks": ATAC,
    "measure_atac": ATAC,
    "collect_atac_metrics": 1,
    "call_consensus": 1,
    "count_fragments": ATAC,
    "build_atac": 1,
    # proteome
    "read_proteome": 1,
    "measure_proteome": 1,
    "build_proteome": 1,
    # microbiome
    "trim_primers": AMPLICON,
    "denoise_run": 2,
    "find_chimeras": 1,
    "assign_taxa": 1,
    "measure_microbiome": 1,
    "build_microbiome": 1,
    "build_body_site": 3,
    # qc
    "judge_libraries": 4,
    "collect_verdicts": 1,
    "assess_missingness": 1,
    "run_multiqc": 1,
    # integration and biomarkers: two tasks, two repeats, all countries left out in turn; a negative control, one repeat
    "assemble_layers": 1,
    "fit_mofa_start": 2,
    "choose_mofa": 1,
    "associate_factors": 1,
    "enrich_weights": 1,
    "model_factors": 1,
    "trace_trajectories": 1,
    "split_folds": 3,
    "evaluate_repeat": 7,
    "summarise_task": 3,
    "assess_models": 2,
    "freeze_model": 2,
    "evaluate_panel": 4,
    "choose_panel": 2,
    "report_model": 2,
    # report
    "plot_availability": 1,
    "plot_missingness": 1,
    "plot_endotype_plane": 1,
    "plot_layer_qc": 4,
    "plot_layer_pca": 6,
    "plot_mofa_variance": 1,
    "plot_factor_associations": 1,
    "plot_mofa_stability": 1,
    "plot_factor_trajectories": 1,
    "plot_roc": 2,
    "plot_calibration": 2,
    "plot_decision_curve": 2,
    "all": 1,
}


def overlay(folder, name, **changes):
    """Write the demonstration's overlay with other top-level keys; return its path."""
    path = folder / name
    path.write_text(yaml.safe_dump(yaml.safe_load(DEMO.read_text()) | changes))
    return path


def differing(jobs):
    """Return the rules whose number of jobs is not that of the demonstration: (number, demonstration's number)."""
    return {
        rule: (jobs.get(rule, 0), DEMO_JOBS.get(rule, 0))
        for rule in jobs.keys() | DEMO_JOBS.keys()
        if jobs.get(rule) != DEMO_JOBS.get(rule)
    }


def test_the_demonstration(design):
    assert differing(planned_jobs(snakemake(design, "--dry-run"))) == {}


def test_blinded_without_the_sealed_tables(design):
    """No endotype task, no plane of ferritin and HLA-DR, and the sealed files need not be there."""
    config = overlay(design, "blinded.yaml", role="blinded")
    sealed = design / "resources/demo-sealed"
    shutil.move(sealed, design / "away")
    try:
        jobs = planned_jobs(snakemake(design, "--dry-run", configfile=config))
    finally:
        shutil.move(design / "away", sealed)
    assert differing(jobs) == {
        "plot_endotype_plane": (0, 1),
        "split_folds": (2, 3),
        "evaluate_repeat": (4, 7),
        "summarise_task": (2, 3),
        "assess_models": (1, 2),
        "freeze_model": (1, 2),
        "evaluate_panel": (2, 4),
        "choose_panel": (1, 2),
        "report_model": (1, 2),
        "plot_roc": (1, 2),
        "plot_calibration": (1, 2),
        "plot_decision_curve": (1, 2),
    }


def test_unblinded_adds_what_uses_the_arm(design, monkeypatch):
    """The trial's statistics, the surrogacy and the control by the arm, and nothing else."""
    config = overlay(design, "unblinded.yaml", role="unblinded")
    monkeypatch.chdir(design)
    unseal(load_config(ROOT / "config/config.yaml", config), "unblinded", "test statistician")
    jobs = planned_jobs(snakemake(design, "--dry-run", configfile=config))
    assert differing(jobs) == {
        "compare_arms": (1, 0),
        "compute_sample_size": (1, 0),
        "plot_survival": (1, 0),
        "plot_sensitivity": (1, 0),
        "score_markers": (1, 0),
        "assess_surrogates": (2, 0),
        "grade_surrogates": (1, 0),
        "plot_surrogates": (2, 0),
        "plot_stepp": (2, 0),
        "split_folds": (4, 3),
        "evaluate_repeat": (8, 7),
        "summarise_task": (4, 3),
    }


def test_a_dry_run_with_shuffled_labels_has_every_station(design):
    """Made in the role blinded, with the sealed tables away; the overlay opens the shuffled ones."""
    config = overlay(design, "blinded.yaml", role="blinded")
    sealed = design / "resources/demo-sealed"
    shutil.move(sealed, design / "away")
    try:
        base = load_config(ROOT / "config/config.yaml", config)
        with contextlib.chdir(design):
            shuffle_labels(base, design / "dry", 1)
        dry = overlay(design, "dry.yaml", **yaml.safe_load((design / "dry/dry_run.yaml").read_text()))
        jobs = planned_jobs(snakemake(design, "--dry-run", configfile=dry))
    finally:
        shutil.move(design / "away", sealed)
    assert jobs["plot_endotype_plane"] == 1
    assert jobs["compare_arms"] == 1
    assert jobs["freeze_model"] == 2


def test_trajectories_are_optional_and_every_start_is_a_job(design):
    config = overlay(design, "starts.yaml", integration={"starts": 4, "mefisto": {"enabled": False}})
    jobs = planned_jobs(snakemake(design, "--dry-run", configfile=config))
    assert differing(jobs) == {
        "fit_mofa_start": (4, 2),
        "trace_trajectories": (0, 1),
        "plot_factor_trajectories": (0, 1),
    }


def test_a_negative_control_never_becomes_a_model(design):
    for name in ("model.skops", "panel.tsv"):
        done = snakemake(design, "--dry-run", f"results/biomarkers/control_country/{name}")
        assert done.returncode != 0
        assert "MissingRuleException" in done.stdout + done.stderr


def test_a_task_reads_its_own_layers_alone(design):
    content = yaml.safe_load(DEMO.read_text())
    content["biomarkers"]["tasks"]["control_country"] = {"layers": ["proteome"]}
    config = overlay(design, "layers.yaml", biomarkers=content["biomarkers"])
    performance = "results/biomarkers/control_country/performance.tsv"
    jobs = planned_jobs(snakemake(design, "--dry-run", performance, configfile=config))
    assert jobs["build_proteome"] == 1
    assert not {"build_rna", "build_atac", "build_microbiome"} & jobs.keys()


def test_a_layer_that_is_switched_off(design):
    config = overlay(design, "no_atac.yaml", layers={"atac": {"enabled": False}})
    jobs = planned_jobs(snakemake(design, "--dry-run", configfile=config))
    assert not [rule for rule in jobs if "atac" in rule or rule in ("call_peaks", "call_consensus", "index_genome")]
    assert jobs["quantify_rna"] == RNA


def test_a_fixed_peak_set_replaces_the_consensus(design):
    (design / "peaks.bed").write_text("chr1\t1\t501\n")
    config = overlay(design, "peaks.yaml", layers={"atac": {"peaks": "peaks.bed"}})
    done = snakemake(design, "--dry-run", "--printshellcmds", configfile=config)
    assert differing(planned_jobs(done)) == {"call_consensus": (0, 1), "import_peaks": (1, 0)}
    assert "consensus_peaks.bed" not in done.stdout


def test_a_ready_matrix_replaces_the_raw_processing(design):
    (design / "rna.tsv").write_text("observation\tgene\n")
    config = overlay(design, "matrix.yaml", layers={"rna": {"matrix": "rna.tsv"}})
    jobs = planned_jobs(snakemake(design, "--dry-run", configfile=config))
    assert not {"trim_rna", "quantify_rna", "build_rna"} & jobs.keys()
    assert jobs["assemble_layers"] == jobs["admit_matrix"] == 1


def test_a_run_from_matrices_alone_needs_no_manifest(design):
    for layer in ("rna", "proteome"):
        (design / f"{layer}.tsv").write_text("observation\tfeature\n")
    (design / "labels.tsv").write_text("participant\tseverity\n")
    layers = {name: {"matrix": f"{name}.tsv"} for name in ("rna", "proteome")}
    layers |= {name: {"enabled": False} for name in ("atac", "microbiome")}
    config = overlay(
        design,
        "matrices.yaml",
        manifest=None,
        sites=None,
        clinical={"participants": None, "visits": None, "labels": "labels.tsv"},
        layers=layers,
        biomarkers={
            # The trial's own tasks, which the table has no column for, are left out by themselves.
            "tasks": {"severity": {"target": "severity", "days": []}},
            "cv": {"repeats": 1},
        },
    )
    jobs = planned_jobs(snakemake(design, "--dry-run", configfile=config))
    assert set(jobs) == {
        "all",
        "admit_matrix",
        "assemble_layers",
        "associate_factors",
        "enrich_weights",
        "model_factors",
        "trace_trajectories",
        "plot_mofa_stability",
        "plot_factor_trajectories",
        "evaluate_repeat",
        "fit_mofa_start",
        "choose_mofa",
        "freeze_model",
        "import_labels",
        "assess_models",
        "plot_calibration",
        "plot_decision_curve",
        "plot_factor_associations",
        "plot_layer_pca",
        "plot_mofa_variance",
        "plot_roc",
        "split_folds",
        "summarise_task",
        "evaluate_panel",
        "choose_panel",
        "report_model",
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"layers": {"rna": {"matrix": "absent.h5ad"}}}, "layers.rna.matrix: absent.h5ad is not there"),
        ({"layers": {"atac": {"peaks": "absent.bed"}}}, "layers.atac.peaks: absent.bed is not there"),
        ({"reference": {"genome": None}}, "reference.genome: layer rna needs it"),
        ({"clinical": {"participants": None, "visits": None}}, "clinical.visits: the derivation of labels needs it"),
        ({"sealed": {"classification": "absent.tsv"}}, "absent.tsv: file cannot be read"),
        ({"role": "open"}, "role: 'open' is not one of blinded, endotype, unblinded"),
        (
            {"biomarkers": {"tasks": {"typo": {"target": "sofa_respons"}}}},
            "biomarkers.tasks.typo: the label table has no column sofa_respons; did you mean sofa_response?",
        ),
        (
            {"biomarkers": {"tasks": {"late": {"target": "sofa_response", "days": [1, 4]}}}},
            "the model would look into its own outcome",
        ),
    ],
)
def test_a_missing_input_is_told_without_a_traceback(design, changes, told):
    done = snakemake(design, "--dry-run", configfile=overlay(design, "absent.yaml", **changes))
    assert done.returncode == 2
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception" not in done.stdout + done.stderr


@pytest.mark.parametrize("broken", ["manifest", "config"])
def test_mistakes_end_the_run_before_any_job(design, broken):
    """Exit code 2, every mistake named, no traceback, nothing written."""
    manifest = (design / "resources/demo/manifest.tsv").read_text().splitlines()
    cells = [line.split("\t") for line in manifest[:6]]
    where = {name: index for index, name in enumerate(cells[0])}
    cells[1][where["sample_code"]] = "1234"
    cells[2][where["layer"]] = "rnaa"
    cells[3][where["site"]] = "XX99"
    (design / "broken.tsv").write_text("\n".join(["\t".join(row) for row in cells] + manifest[6:]) + "\n")
    changes = {"manifest": {"manifest": "broken.tsv"}, "config": {"rolle": "blinded", "seed": -1}}[broken]
    before = {path for path in design.rglob("*") if ".snakemake" not in path.parts}
    done = snakemake(design, "--dry-run", configfile=overlay(design, "broken.yaml", **changes))
    text = done.stdout + done.stderr
    assert done.returncode == 2
    assert "Traceback" not in text
    for word in {"manifest": ("1234", "rnaa", "XX99"), "config": ("rolle", "seed")}[broken]:
        assert word in text
    after = {path for path in design.rglob("*") if ".snakemake" not in path.parts}
    assert after - before <= {design / "broken.yaml"}
