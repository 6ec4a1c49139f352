"""Read the NPX tables and give every value its library."""

from immunosep.proteome.steps import read_tables
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        read_tables(
            tables=snakemake.input.tables,
            libraries_path=snakemake.input.libraries,
            values_path=snakemake.output.values,
            unmatched_path=snakemake.output.unmatched,
        )
