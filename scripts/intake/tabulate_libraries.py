"""Write the library table of one layer."""

from immunosep.intake import write_library_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_library_table(snakemake.config, snakemake.wildcards.layer, snakemake.output.libraries)
