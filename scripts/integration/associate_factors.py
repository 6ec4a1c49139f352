"""Test every factor against technical, clinical and label variables."""

from immunosep.integration.steps import associate_factors
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        associate_factors(
            joined_path=snakemake.input.joined,
            factors_path=snakemake.input.factors,
            variance_path=snakemake.input.variance,
            stability_path=snakemake.input.stability,
            participants_path=snakemake.input.participants or None,
            associations_path=snakemake.output.associations,
            summary_path=snakemake.output.summary,
        )
