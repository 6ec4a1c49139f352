"""Mask a ready matrix."""

from immunosep.integration.steps import mask_matrix
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        mask_matrix(
            matrix=snakemake.input.matrix,
            layer=snakemake.wildcards.matrix,
            hidden=snakemake.params.hidden,
            masked_path=snakemake.output.masked,
        )
