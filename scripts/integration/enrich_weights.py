"""Test gene sets against the weights of the factors."""

from immunosep.integration.steps import enrich_weights
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        enrich_weights(
            joined_path=snakemake.input.joined,
            model_path=snakemake.input.model,
            gene_sets_path=snakemake.input.gene_sets,
            enrichment_path=snakemake.output.enrichment,
        )
