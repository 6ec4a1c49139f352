"""Make the table of genes and the map from transcripts to genes."""

from immunosep.genes import tabulate_genes
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        tabulate_genes(
            annotation=snakemake.input.annotation,
            gene_sets=snakemake.input.gene_sets,
            drug_analytes=snakemake.input.drug_analytes,
            mitochondrion=snakemake.params.mitochondrion,
            genes_path=snakemake.output.genes,
            transcripts_path=snakemake.output.transcripts,
        )
