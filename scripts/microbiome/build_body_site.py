"""Collapse the sequence variants of one body site to genera."""

from immunosep.microbiome.steps import write_body_site
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_body_site(
            source_path=snakemake.input.matrix,
            body_site=snakemake.wildcards.body_site,
            pseudocount=snakemake.params.pseudocount,
            min_prevalence=snakemake.params.min_prevalence,
            matrix_path=snakemake.output.matrix,
            genera_path=snakemake.output.genera,
        )
