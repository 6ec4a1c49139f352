"""Join the verdicts of all layers."""

from immunosep.qc import collect_verdicts
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        collect_verdicts(
            layers=snakemake.params.layers,
            paths=snakemake.input.verdicts,
            verdicts=snakemake.output.verdicts,
            summary=snakemake.output.summary,
        )
