"""Rule scripts of proteome and microbiome: each hands its files to one library function by name."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Named:
    """Stand-in for Snakemake's named files and values: any name gives itself."""

    def __init__(self, kind):
        self.kind = kind

    def __getattr__(self, name):
        return f"{self.kind}:{name}"

    def get(self, name):
        return getattr(self, name)


@pytest.mark.parametrize(
    ("script", "function", "expected"),
    [
        ("proteome/read_proteome.py", "immunosep.proteome.steps.read_tables",
         {"tables": "input:tables", "libraries_path": "input:libraries", "values_path": "output:values",
          "unmatched_path": "output:unmatched"}),
        ("proteome/measure_proteome.py", "immunosep.proteome.steps.measure",
         {"values_path": "input:values", "hidden": "params:hidden", "metrics_path": "output:metrics",
          "assays_path": "output:assays", "controls_path": "output:controls"}),
        ("proteome/build_proteome.py", "immunosep.proteome.steps.build",
         {"values_path": "input:values", "libraries_path": "input:libraries", "verdicts_path": "input:verdicts",
          "gene_sets_path": "input:gene_sets", "drug_analytes_path": "input:drug_analytes",
          "accessions_path": "input:accessions", "warned_values": "params:warned_values", "hidden": "params:hidden",
          "matrix_path": "output:matrix"}),
        ("microbiome/assign_taxa.py", "immunosep.microbiome.classify.write_taxonomy",
         {"sequences_path": "input:sequences", "reference_path": "input:reference", "min_boot": "params:min_boot",
          "seed": "params:seed", "taxonomy_path": "output:taxonomy"}),
        ("microbiome/measure_microbiome.py", "immunosep.microbiome.steps.measure_microbiome",
         {"report_paths": "input:reports", "tracking_paths": "input:tracking", "counts_path": "input:counts",
          "taxonomy_path": "input:taxonomy", "libraries_path": "input:libraries", "mock_path": "input:mock",
          "asvs_path": "output:asvs", "taxa_path": "output:taxa", "dropped_path": "output:dropped",
          "reads_path": "output:reads", "metrics_path": "output:metrics", "controls_path": "output:controls"}),
        ("microbiome/build_microbiome.py", "immunosep.microbiome.steps.write_microbiome",
         {"asvs_path": "input:asvs", "taxa_path": "input:taxa", "libraries_path": "input:libraries",
          "verdicts_path": "input:verdicts", "pseudocount": "params:pseudocount", "matrix_path": "output:matrix"}),
        ("microbiome/build_body_site.py", "immunosep.microbiome.steps.write_body_site",
         {"source_path": "input:matrix", "body_site": "wildcards:body_site", "pseudocount": "params:pseudocount",
          "min_prevalence": "params:min_prevalence", "matrix_path": "output:matrix", "genera_path": "output:genera"}),
    ],
)  # fmt: skip
def test_script_calls_its_function(tmp_path, monkeypatch, script, function, expected):
    seen = {}
    monkeypatch.setattr(function, lambda **given: seen.update(given))
    stub = SimpleNamespace(
        log=[str(tmp_path / "rule.log")],
        **{kind: Named(kind) for kind in ("input", "output", "params", "wildcards")},
    )
    runpy.run_path(str(SCRIPTS / script), init_globals={"snakemake": stub}, run_name="__main__")
    assert seen == expected
