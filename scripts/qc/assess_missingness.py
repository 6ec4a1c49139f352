"""Test whether missing samples go with outcome, treatment, site or country."""

from immunosep.io import read_table, write_table
from immunosep.missingness import assess_missingness
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        tests, shares = assess_missingness(
            read_table(snakemake.input.completeness),
            read_table(snakemake.input.libraries),
            read_table(snakemake.input.verdicts),
            read_table(snakemake.input.labels),
            factors=snakemake.params.factors,
            seed=snakemake.params.seed,
        )
        write_table(tests, snakemake.output.tests)
        write_table(shares, snakemake.output.shares)
