"""Assign taxonomy to the sequence variants."""

from immunosep.microbiome.classify import write_taxonomy
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_taxonomy(
            sequences_path=snakemake.input.sequences,
            reference_path=snakemake.input.reference,
            min_boot=snakemake.params.min_boot,
            seed=snakemake.params.seed,
            taxonomy_path=snakemake.output.taxonomy,
        )
