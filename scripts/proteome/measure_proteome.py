"""Measure libraries, assays and controls of the proteome."""

from immunosep.proteome.steps import measure
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        measure(
            values_path=snakemake.input.values,
            hidden=snakemake.params.hidden,
            metrics_path=snakemake.output.metrics,
            assays_path=snakemake.output.assays,
            controls_path=snakemake.output.controls,
        )
