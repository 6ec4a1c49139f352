"""Rule scripts of the surrogacy stage, in a chain, on a trial whose drug moves one signature."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest

from immunosep.config import load_config
from immunosep.integration.assemble import assemble, to_observations, write_h5mu
from immunosep.integration.starts import fit_start
from immunosep.io import read_table, write_table
from support.clinic import planted_trial

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "workflow/rules/surrogacy.smk").read_text()
CONFIG = load_config()
SECTIONS = ("schedule", "endotype", "sofa", "sofa_response", "reversal", "survival", "trial")
SETTINGS = {
    **CONFIG["surrogacy"],
    "signatures": ["IFNG_response"],
    "proteins": ["IL18", "IFNG"],
    "days": [4],
    "min_per_arm": 5,
    "bootstrap": 100,
    "stepp": {"window": 20, "step": 8, "permutations": 19},
}


class Files(SimpleNamespace):
    """Named files as Snakemake has them."""

    def items(self):
        return vars(self).items()

    def get(self, name):
        return getattr(self, name, None)


def run(script, folder, inputs, outputs, wildcards=None, **params):
    stub = SimpleNamespace(
        log=[str(folder / "rule.log")],
        params=SimpleNamespace(**params),
        wildcards=SimpleNamespace(**(wildcards or {})),
        input=Files(**inputs),
        output=Files(**{name: str(folder / path) for name, path in outputs.items()}),
    )
    runpy.run_path(str(ROOT / "scripts" / script), init_globals={"snakemake": stub}, run_name="__main__")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surrogacy")
    names = ("participants", "visits", "classification", "allocation")
    paths = {name: str(folder / f"{name}.tsv") for name in names}
    for name, table in zip(names, planted_trial(120, 3, benefit=2), strict=True):
        write_table(table, paths[name])
    made = {name: f"{name}.tsv" for name in ("labels", "endpoints", "landmarks", "dynamic", "sensitivity")}
    settings = {section: CONFIG[section] for section in SECTIONS}
    run("labels/derive_labels.py", folder, paths, made, settings=settings)
    labels = read_table(folder / "labels.tsv")
    symbols = read_table(ROOT / "resources/gene_sets.tsv").query("gene_set == 'IFNG_response'")["symbol"].tolist()
    generator = np.random.default_rng(4)
    people = [name for name in labels["participant"] for _ in (1, 4)]
    days = np.tile([1, 4], len(labels))
    treated = labels.set_index("participant").loc[people, "arm"].eq("active").to_numpy() & (days == 4)
    parts = {}
    for layer, own in (("rna", [*symbols, "OTHER"]), ("proteome", ["IL18", "IFNG"])):
        values = generator.normal(8, 1, (len(people), len(own))).astype(np.float32)
        if layer == "rna":
            values[:, : len(symbols)] += 2.0 * treated[:, None]
        obs = pd.DataFrame({"observation": [f"{p}-D{d:02d}" for p, d in zip(people, days, strict=True)]})
        obs.index = obs["observation"] + f"-{layer}"
        data = anndata.AnnData(values, obs=obs, var=pd.DataFrame({"symbol": own}, index=[f"{layer}{s}" for s in own]))
        parts[layer] = to_observations(data, layer, layer)
    joined = assemble(parts, labels)
    write_h5mu(joined, folder / "multiomics.h5mu")
    factors = joined.obs[["participant", "visit_day"]].assign(factor1=generator.normal(size=joined.n_obs))
    write_table(factors.rename_axis("observation").reset_index(), folder / "factors.tsv")
    small = {"factors": 1, "max_features": 50, "min_features": 2, "iterations": 20, "convergence": "fast", "drop_r2": 0}
    fit_start(joined, seed=1, save_to=folder / "mofa.hdf5", **small)
    run(
        "surrogacy/score_markers.py",
        folder,
        {
            "joined": str(folder / "multiomics.h5mu"),
            "factors": str(folder / "factors.tsv"),
            "model": str(folder / "mofa.hdf5"),
            "gene_sets": str(ROOT / "resources/gene_sets.tsv"),
            "drug_analytes": str(ROOT / "resources/drug_analytes.tsv"),
        },
        {"scores": "scores.tsv", "details": "markers.tsv"},
        settings=SETTINGS,
    )
    inputs = {name: str(folder / f"{name}.tsv") for name in ("labels", "participants", "scores")}
    for endotype in ("MALS", "SII"):
        run(
            "surrogacy/assess_surrogates.py",
            folder,
            inputs,
            {"measures": f"measures_{endotype}.tsv"},
            {"endotype": endotype},
            settings=SETTINGS,
            seed=1,
        )
    measures = [str(folder / f"measures_{endotype}.tsv") for endotype in ("MALS", "SII")]
    tables = ("measures", "baseline", "interactions", "stepp", "between_units", "unit_effects", "grades")
    run(
        "surrogacy/grade_surrogates.py",
        folder,
        {**inputs, "details": str(folder / "markers.tsv"), "measures": measures},
        {name: f"{name}.tsv" for name in tables},
        settings=SETTINGS,
        seed=1,
    )
    return folder


def test_the_drugs_effect_on_its_signature_is_found(folder):
    measures = read_table(folder / "measures.tsv").query(
        "marker == 'rna:IFNG_response' and measure == 'prentice_2_arm_on_marker' and family == 'continuous'"
    )
    assert set(measures["endotype"]) == {"MALS", "SII"}
    # Planted: two standard deviations.
    assert (measures["low"].astype(float) < 2).all()
    assert (measures["high"].astype(float) > 1.5).all()
    grades = read_table(folder / "grades.tsv").set_index(["endotype", "marker"])["categories"]
    assert "pharmacodynamic" in grades[("SII", "rna:IFNG_response")]
    assert "pharmacodynamic" not in grades[("SII", "proteome:IL18")]


def test_the_drugs_own_protein_is_no_marker(folder):
    assert set(read_table(folder / "markers.tsv")["marker"]) == {"rna:IFNG_response", "proteome:IL18", "mofa:factor1"}


def test_a_factor_says_what_it_was_learned_from(folder):
    markers = read_table(folder / "markers.tsv").set_index("marker")
    rna = int(markers.loc["rna:IFNG_response", "features"])
    assert int(markers.loc["mofa:factor1", "features"]) == rna + 3  # another gene and two proteins
    assert markers.loc["mofa:factor1", "definers"] == markers.loc["rna:IFNG_response", "definers"]
    baseline = read_table(folder / "baseline.tsv").query("marker == 'mofa:factor1'")
    assert set(baseline["estimate"]) == {""}


@pytest.mark.parametrize(
    ("script", "inputs"), [("plot_surrogates", ("measures", "grades")), ("plot_stepp", ("stepp",))]
)
def test_figures_are_drawn(script, inputs, folder):
    run(
        f"surrogacy/{script}.py",
        folder,
        {name: str(folder / f"{name}.tsv") for name in inputs},
        {"table": f"{script}.tsv"},
        {"endotype": "SII"},
    )
    assert (folder / f"{script}.png").stat().st_size > 10_000
    assert len(read_table(folder / f"{script}.tsv"))


def test_every_rule_has_its_script_and_every_script_its_rule():
    rules = re.findall(r"^ +rule (\w+):", RULES, re.MULTILINE)
    assert re.findall(r"scripts/surrogacy/(\w+)\.py", RULES) == rules
    assert sorted(rules) == sorted(path.stem for path in (ROOT / "scripts/surrogacy").glob("*.py"))
