"""Assemble the sequence variants of the libraries that passed quality control."""

from immunosep.microbiome.steps import write_microbiome
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_microbiome(
            asvs_path=snakemake.input.asvs,
            taxa_path=snakemake.input.taxa,
            libraries_path=snakemake.input.libraries,
            verdicts_path=snakemake.input.verdicts,
            pseudocount=snakemake.params.pseudocount,
            matrix_path=snakemake.output.matrix,
        )
