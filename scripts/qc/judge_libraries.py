"""Judge the libraries of one layer."""

from immunosep.qc import judge_libraries
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        judge_libraries(
            metrics=snakemake.input.metrics,
            libraries=snakemake.input.libraries,
            thresholds=snakemake.params.thresholds,
            verdicts=snakemake.output.verdicts,
        )
