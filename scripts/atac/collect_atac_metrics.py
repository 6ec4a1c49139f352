"""Join the metrics and the profiles of all ATAC libraries."""

from immunosep.atac.collect import collect_tables
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        collect_tables(snakemake.input.metrics, snakemake.output.metrics)
        collect_tables(snakemake.input.profiles, snakemake.output.profiles)
