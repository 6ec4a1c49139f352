"""Sum the abundances of transcripts to counts of genes."""

from immunosep.rna.counts import count_genes
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        count_genes(
            quants=snakemake.input.quants,
            libraries=snakemake.params.libraries,
            transcripts=snakemake.input.transcripts,
            genes=snakemake.input.genes,
            counts_path=snakemake.output.counts,
        )
