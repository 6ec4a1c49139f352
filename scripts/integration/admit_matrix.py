"""Admit a ready matrix to the run."""

from immunosep.integration.steps import admit_matrix
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        admit_matrix(
            matrix=snakemake.input.matrix,
            layer=snakemake.wildcards.matrix,
            hidden=snakemake.params.hidden,
            participants_path=snakemake.input.participants or None,
            gene_sets_path=snakemake.input.gene_sets,
            drug_analytes_path=snakemake.input.drug_analytes,
            admitted_path=snakemake.output.admitted,
            left_out_path=snakemake.output.left_out,
        )
