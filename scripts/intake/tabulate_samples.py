"""Write the tables of all libraries, of what was left out, and of every expected sample."""

from immunosep.intake import write_sample_tables
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_sample_tables(
            snakemake.config,
            libraries=snakemake.output.libraries,
            rejected=snakemake.output.rejected,
            completeness=snakemake.output.completeness,
        )
