"""Recompute the protocol's sample size."""

from immunosep.runlog import rule_logging
from immunosep.stats.power import write_sample_size

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_sample_size(snakemake.params.assumed, snakemake.output.table)
