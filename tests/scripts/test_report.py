"""Rule scripts of the report, and the captions that stand beside its figures."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pytest
import yaml
from docutils.core import publish_doctree

from immunosep.io import read_table, write_h5ad, write_table
from support.figure_inputs import (
    CUTS,
    THRESHOLDS,
    association_table,
    biomarker_tables,
    clinical_table,
    completeness_table,
    factor_table,
    label_table,
    layer_data,
    library_table,
    missingness_tables,
    sealed_table,
    variance_table,
    verdict_table,
)

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "workflow/rules/report.smk").read_text()
FIGURE_RULES = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts/report").glob("*.py"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Write every input that a rule of the report reads, by the name that the rule gives it."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(5)
    completeness = completeness_table()
    libraries = library_table(completeness)
    curves, performance, predictions = biomarker_tables(rng)
    tables = {
        "completeness": completeness,
        "tests": missingness_tables()[0],
        "shares": missingness_tables()[1],
        "libraries": libraries,
        "verdicts": verdict_table(libraries[libraries["layer"] == "rna"]),
        "participants": clinical_table(),
        "labels": label_table(),
        "classification": sealed_table(rng),
        "variance": variance_table(),
        "factors": factor_table(),
        "associations": association_table(),
        "curves": curves,
        "performance": performance,
        "predictions": predictions,
    }
    paths = {name: str(folder / f"{name}.tsv") for name in tables}
    for name, table in tables.items():
        write_table(table, paths[name])
    paths["matrix"] = str(folder / "rna.h5ad")
    write_h5ad(layer_data(rng), paths["matrix"])
    return SimpleNamespace(**paths)


def stub(tmp_path, inputs):
    """Return what a rule script sees."""
    params = {
        "seed": 1,
        "rule": {**CUTS, "ferritin_borderline": 0.1, "hladr_borderline": 0.15},
        "thresholds": THRESHOLDS,
        "min_group": 5,
        "min_bin": 10,
        "label_columns": ["endotype"],
        "max_features": 20,
        "top": 5,
        "rounds": 20,
        "population": "itt",
    }
    return SimpleNamespace(
        input=inputs,
        output=SimpleNamespace(table=str(tmp_path / "figure.tsv")),
        params=SimpleNamespace(**params),
        wildcards=SimpleNamespace(layer="rna", modality="rna", task="endotype", endotype="SII"),
        log=[str(tmp_path / "rule.log")],
        config=yaml.safe_load((ROOT / "config/config.yaml").read_text()),
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_writes_the_figure_and_its_numbers(script, tmp_path, inputs):
    runpy.run_path(
        str(ROOT / f"scripts/report/{script}.py"),
        init_globals={"snakemake": stub(tmp_path, inputs)},
        run_name="__main__",
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "rule.log",
        *(f"figure.{e}" for e in ("pdf", "svg", "png", "tsv")),
    }
    assert len(read_table(tmp_path / "figure.tsv")) > 0


def test_pca_without_labels_has_no_endotype(tmp_path, inputs):
    blinded = stub(tmp_path, SimpleNamespace(matrix=inputs.matrix, participants=[], labels=[]))
    blinded.params.label_columns = []
    runpy.run_path(
        str(ROOT / "scripts/report/plot_layer_pca.py"), init_globals={"snakemake": blinded}, run_name="__main__"
    )
    assert "endotype" not in read_table(tmp_path / "figure.tsv")


def test_every_rule_has_its_script_and_every_script_its_rule():
    rules = re.findall(r"^rule (\w+):", RULES, re.MULTILINE)
    assert sorted(rules) == SCRIPTS
    assert re.findall(r"scripts/report/(\w+)\.py", RULES) == rules


@pytest.mark.parametrize("caption", sorted(path.name for path in (ROOT / "workflow/report").glob("*.rst")))
@pytest.mark.parametrize("role", ["blinded", "endotype", "unblinded"])
def test_caption_renders_as_valid_restructured_text(caption, role, tmp_path, inputs):
    snakemake = stub(tmp_path, inputs)
    snakemake.config["role"] = role
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string((ROOT / "workflow/report" / caption).read_text()).render(snakemake=snakemake)
    assert "{" not in text
    publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})


def test_every_figure_has_its_caption():
    targets = (ROOT / "workflow/rules/targets.smk").read_text()
    shown = set(re.findall(r'^    "(\w+)": \(', targets, re.MULTILINE))
    assert shown == set(re.findall(r'=shown\("[^"]+", "(\w+)"\)', FIGURE_RULES))
    assert all((ROOT / f"workflow/report/{caption}.rst").is_file() for caption in shown)
