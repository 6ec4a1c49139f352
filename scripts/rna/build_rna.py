"""Build the AnnData of the RNA layer."""

from immunosep.rna.matrix import build_rna
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        build_rna(
            counts=snakemake.input.counts,
            genes=snakemake.input.genes,
            libraries=snakemake.input.libraries,
            verdicts=snakemake.input.verdicts,
            min_count=snakemake.params.min_count,
            min_fraction=snakemake.params.min_fraction,
            threads=snakemake.threads,
            hidden=snakemake.params.hidden,
            matrix_path=snakemake.output.matrix,
            genes_path=snakemake.output.genes,
        )
