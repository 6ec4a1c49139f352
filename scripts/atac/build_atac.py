"""Build the AnnData of the ATAC layer."""

from immunosep.atac.matrix import build_atac
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        build_atac(
            counts=snakemake.input.counts,
            names=snakemake.params.libraries,
            peaks=snakemake.input.peaks,
            genes=snakemake.input.genes,
            libraries=snakemake.input.libraries,
            verdicts=snakemake.input.verdicts,
            promoter=snakemake.params.promoter,
            min_cpm=snakemake.params.min_cpm,
            min_fraction=snakemake.params.min_fraction,
            fixed_peaks=snakemake.params.fixed_peaks,
            hidden=snakemake.params.hidden,
            matrix_path=snakemake.output.matrix,
        )
