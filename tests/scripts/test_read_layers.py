"""Rule scripts of the read layers: each hands its files and settings to one library function."""

import importlib
import inspect
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

CASES = {
    "reference/tabulate_genes": "immunosep.genes.tabulate_genes",
    "rna/count_genes": "immunosep.rna.counts.count_genes",
    "rna/measure_rna": "immunosep.rna.metrics.measure_rna",
    "rna/build_rna": "immunosep.rna.matrix.build_rna",
    "atac/measure_atac": "immunosep.atac.qc.measure_atac",
    "atac/call_consensus": "immunosep.atac.peaks.call_consensus",
    "atac/import_peaks": "immunosep.atac.peaks.import_peaks",
    "atac/count_fragments": "immunosep.atac.counts.count_fragments",
    "atac/build_atac": "immunosep.atac.matrix.build_atac",
}
MEASURE_INPUTS = ("fragments", "peaks", "idxstats", "fastp", "genes", "lengths")


class Anything:
    """Stand-in for a part of `snakemake`: every attribute is its own name, so that a mix-up shows."""

    def __init__(self, part, names=()):
        self._part, self._names = part, names

    def __getattr__(self, name):
        return f"{self._part}.{name}"

    def items(self):
        return [(name, f"{self._part}.{name}") for name in self._names]


@pytest.mark.parametrize("script", CASES)
def test_script_calls_its_function(script, tmp_path, monkeypatch):
    module, name = CASES[script].rsplit(".", 1)
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    calls = []
    monkeypatch.setattr(f"{module}.{name}", lambda **given: calls.append(signature.bind(**given).arguments))
    stub = SimpleNamespace(
        log=[str(tmp_path / "rule.log")],
        input=Anything("input", MEASURE_INPUTS),
        output=Anything("output"),
        params=Anything("params"),
        wildcards=Anything("wildcards"),
        threads=3,
    )
    runpy.run_path(str(SCRIPTS / f"{script}.py"), init_globals={"snakemake": stub}, run_name="__main__")
    (arguments,) = calls
    assert set(arguments) == set(signature.parameters)
    for argument, value in arguments.items():
        if argument.endswith("_path"):
            assert value == f"output.{argument.removesuffix('_path')}"
        elif argument == "threads":
            assert value == 3
        elif isinstance(value, str) and value.startswith("input."):
            assert value == f"input.{argument}"
        else:
            assert value.split(".")[0] in ("params", "wildcards")


def test_collect_atac_metrics(tmp_path):
    for name, value in (("A", "0.50"), ("B", "7")):
        (tmp_path / f"{name}.m").write_text(f"library\tmetric\tvalue\n{name}\tfrip\t{value}\n")
        (tmp_path / f"{name}.p").write_text(f"library\tprofile\tposition\tvalue\n{name}\ttss\t-3\t1\n")
    stub = SimpleNamespace(
        log=[str(tmp_path / "rule.log")],
        input=SimpleNamespace(
            metrics=[tmp_path / "A.m", tmp_path / "B.m"], profiles=[tmp_path / "A.p", tmp_path / "B.p"]
        ),
        output=SimpleNamespace(metrics=tmp_path / "metrics.tsv", profiles=tmp_path / "profiles.tsv"),
    )
    runpy.run_path(str(SCRIPTS / "atac/collect_atac_metrics.py"), init_globals={"snakemake": stub}, run_name="__main__")
    # Cell by cell: 0.50 is not turned into 0.5.
    assert (tmp_path / "metrics.tsv").read_text() == "library\tmetric\tvalue\nA\tfrip\t0.50\nB\tfrip\t7\n"
    assert len((tmp_path / "profiles.tsv").read_text().splitlines()) == 3
