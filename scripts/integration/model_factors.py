"""Fit a mixed model over the visits to every factor."""

from immunosep.integration.steps import model_courses
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        model_courses(
            joined_path=snakemake.input.joined,
            factors_path=snakemake.input.factors,
            group=snakemake.params.group,
            time=snakemake.params.time,
            models_path=snakemake.output.models,
        )
