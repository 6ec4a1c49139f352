"""Rule scripts of integration and biomarkers, in the order of the rules, on a small cohort."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest

from immunosep.biomarkers.assess import TABLES
from immunosep.biomarkers.reporting.facts import TABLES as REPORTED
from immunosep.io import read_table, write_table
from support.tasks import report_settings

SCRIPTS = Path(__file__).parents[2] / "scripts"
INTEGRATION = {
    "factors": 3,
    "max_features": 40,
    "min_features": 15,
    "iterations": 100,
    "convergence": "fast",
    "drop_r2": 0.01,
}
MEFISTO = {
    "factors": 2,
    "max_features": 40,
    "max_observations": 30,
    "min_features": 15,
    "min_visits": 3,
    "min_participants": 5,
    "iterations": 40,
    "drop_r2": 0.01,
}
BIOMARKERS = {
    "tasks": {"endotype": {"target": "endotype", "days": [1], "comparators": ["clinical", "layers", "late_fusion"]}},
    "clinical": {"endotype": ["age_years"]},
    "cv": {"outer_folds": 2, "repeats": 1, "inner_folds": 2, "also": [], "min_site": 15},
    "max_features": 40,
    "selected_features": [10],
    "penalty": [0.1],
    "l1_ratio": [0.0],
    "trees": 5,
    "factors": 2,
    "bootstrap": 20,
    "min_per_class": 8,
    "min_unclassified": 20,
}


class Named(SimpleNamespace):
    """Named paths of a rule, as `snakemake.input` gives them."""


@pytest.fixture
def restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def write_inputs(folder):
    """Write two layers, labels and participants."""
    generator = np.random.default_rng(0)
    persons = [f"GR01-{index:09d}" for index in range(20)]
    mals = np.arange(20) % 2 == 0
    for name, size in (("rna", 40), ("proteome", 20)):
        values = generator.normal(size=(20, size)) + 2.0 * mals[:, None] * (np.arange(size) < 10)
        obs = pd.DataFrame(
            {"observation": [f"{p}-D01" for p in persons], "site": "GR01"}, index=[f"{p}-D01-{name}" for p in persons]
        )
        var = pd.DataFrame(index=[f"{name}{index}" for index in range(size)])
        anndata.AnnData(values.astype(np.float32), obs=obs, var=var).write_h5ad(folder / f"{name}.h5ad")
    endotype = np.where(mals, "MALS", "SII")
    write_table(pd.DataFrame({"participant": persons, "site": "GR01", "endotype": endotype}), folder / "labels.tsv")
    people = {"site": "GR01", "participant_code": [p[5:] for p in persons], "age_years": np.arange(40, 60)}
    write_table(pd.DataFrame(people), folder / "participants.tsv")
    genes = {"gene_set": "S", "direction": "up", "symbol": [f"rna{index}" for index in range(10)]}
    write_table(pd.DataFrame(genes), folder / "gene_sets.tsv")


def test_scripts_run_in_order_and_write_what_the_rules_promise(tmp_path, restored_logging):
    write_inputs(tmp_path)

    def run(script, inputs, outputs, **params):
        def located(value):
            return [str(tmp_path / name) for name in value] if isinstance(value, list) else str(tmp_path / value)

        stub = SimpleNamespace(
            input=Named(**{key: located(value) for key, value in inputs.items()}),
            output=Named(**{key: located(value) for key, value in outputs.items()}),
            params=Named(**params),
            wildcards=Named(task="endotype", repeat="1", start="1"),
            log=[str(tmp_path / f"{Path(script).name}.log")],
        )
        runpy.run_path(str(SCRIPTS / f"{script}.py"), run_name="__main__", init_globals={"snakemake": stub})
        assert all((tmp_path / value).stat().st_size for value in outputs.values())

    run(
        "integration/assemble_layers",
        {"matrices": ["rna.h5ad", "proteome.h5ad"], "labels": "labels.tsv"},
        {"joined": "m.h5mu"},
        modalities=["rna", "proteome"],
    )
    run("integration/fit_mofa_start", {"joined": "m.h5mu"}, {"model": "1.hdf5"}, settings=INTEGRATION, seed=1)
    tables = {"factors": "factors.tsv", "variance": "variance.tsv", "stability": "stability.tsv"}
    chosen = {"model": "mofa.hdf5", "weights": "weights.tsv", **tables}
    run("integration/choose_mofa", {"joined": "m.h5mu", "starts": ["1.hdf5"]}, chosen)
    run(
        "integration/associate_factors",
        {"joined": "m.h5mu", "participants": "participants.tsv", **tables},
        {"associations": "associations.tsv", "summary": "summary.tsv"},
    )
    kinds = read_table(tmp_path / "associations.tsv").groupby("kind")["variable"].agg(set).to_dict()
    assert kinds == {"clinical": {"age_years"}, "label": {"endotype"}}

    run(
        "integration/enrich_weights",
        {"joined": "m.h5mu", "model": "mofa.hdf5", "gene_sets": "gene_sets.tsv"},
        {"enrichment": "enrichment.tsv"},
    )
    one = {"joined": "m.h5mu", "factors": "factors.tsv"}
    run("integration/model_factors", one, {"models": "models.tsv"}, group="endotype", time="log2")
    traced = {"trajectories": "trajectories.tsv", "summary": "mefisto.tsv"}
    run("integration/trace_trajectories", one, traced, settings={**MEFISTO, "time": "log2"}, seed=1)
    assert read_table(tmp_path / "mefisto.tsv")["reason"][0].startswith("0 of 20 participants have 3 visits or more")
    drawn = {"stability": "stability.tsv", "summary": "summary.tsv"}
    run("integration/plot_mofa_stability", drawn, {"table": "13.tsv", "svg": "13.svg"})
    traced["labels"] = "labels.tsv"
    places = {"table": "14.tsv", "svg": "14.svg"}
    run("integration/plot_factor_trajectories", traced, places, column="endotype", min_group=5, time="log2")

    choices = {"biomarkers": BIOMARKERS, "integration": INTEGRATION, "filters": {}, "seed": 1}
    shared = {"modalities": ["rna", "proteome"], "choices": choices}
    source = {"matrices": ["rna.h5ad", "proteome.h5ad"], "folds": "folds.tsv", "classification": []}
    source |= {"labels": "labels.tsv", "participants": "participants.tsv"}
    run(
        "biomarkers/split_folds",
        {name: source[name] for name in ("matrices", "labels", "participants")} | {"kept": []},
        {"classes": "classes.tsv", "folds": "folds.tsv", "elsewhere": "places.tsv"},
        modalities=["rna", "proteome"],
        biomarkers=BIOMARKERS,
        seed=1,
    )
    run("biomarkers/evaluate_repeat", source, {"predictions": "one.tsv"}, **shared)
    summary = {"predictions": "predictions.tsv", "performance": "performance.tsv", "curves": "curves.tsv"}
    told = {"classes": "classes.tsv", "repeats": ["one.tsv"]}
    run("biomarkers/summarise_task", told, summary, bootstrap=20, seed=1)
    judged = {"labels": "labels.tsv", "participants": "participants.tsv", "predictions": "predictions.tsv"}
    worth = {name: f"{name}.tsv" for name in TABLES}
    settings = {"schemes": [], "prevalences": [0.1], "min_group": 5, "bootstrap": 20, "seed": 1, "target": "endotype"}
    run("biomarkers/assess_models", judged | {"elsewhere": []}, worth, **settings)
    run(
        "biomarkers/freeze_model",
        {**source, "performance": "performance.tsv"},
        {"model": "model.skops", "training": "training.tsv"},
        **shared,
        epoch=0,
        shuffled=False,
    )
    run("biomarkers/permute_task", source, {"performance": "permuted.tsv"}, **shared)
    run(
        "biomarkers/collect_permutations",
        {"parts": ["permuted.tsv"], "predictions": "predictions.tsv"},
        {"permutations": "permutations.tsv"},
    )
    made = {name: f"{name}.tsv" for name in REPORTED} | {"panel_summary": [], "panel_performance": []}
    run(
        "biomarkers/report_model",
        {**made, "model": "model.skops", "controls": ["performance.tsv"]},
        {"card": "model_card.md", "checklist": "tripod_ai.tsv", "page": "tripod_ai.md"},
        settings=report_settings(BIOMARKERS),
        controls=["country"],
    )
    assert len(read_table(tmp_path / "tripod_ai.tsv")) == 52
    performance = read_table(tmp_path / "performance.tsv").set_index("model")["auroc"].astype(float)
    assert performance["late_fusion"] > 0.9
    assert "p_value" in read_table(tmp_path / "permutations.tsv")


def test_a_users_mistake_ends_a_script_without_traceback(tmp_path, restored_logging, capsys):
    write_inputs(tmp_path)
    late = {**BIOMARKERS, "tasks": {"endotype": {**BIOMARKERS["tasks"]["endotype"], "days": [4]}}}
    stub = SimpleNamespace(
        input=Named(matrices=[], labels=str(tmp_path / "labels.tsv"), participants=[], kept=[]),
        output=Named(**{name: str(tmp_path / f"{name}.tsv") for name in ("classes", "folds", "elsewhere")}),
        params=Named(modalities=[], biomarkers=late, seed=1),
        wildcards=Named(task="endotype"),
        log=[str(tmp_path / "log")],
    )
    with pytest.raises(SystemExit):
        runpy.run_path(
            str(SCRIPTS / "biomarkers/split_folds.py"), run_name="__main__", init_globals={"snakemake": stub}
        )
    assert "measured at baseline" in capsys.readouterr().err
    assert not (tmp_path / "folds.tsv").exists()
