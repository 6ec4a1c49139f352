"""Assemble the proteome matrix of the libraries that passed quality control."""

from immunosep.proteome.steps import build
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        build(
            values_path=snakemake.input.values,
            libraries_path=snakemake.input.libraries,
            verdicts_path=snakemake.input.verdicts,
            gene_sets_path=snakemake.input.gene_sets,
            drug_analytes_path=snakemake.input.drug_analytes,
            accessions_path=snakemake.input.accessions,
            warned_values=snakemake.params.warned_values,
            hidden=snakemake.params.hidden,
            matrix_path=snakemake.output.matrix,
        )
