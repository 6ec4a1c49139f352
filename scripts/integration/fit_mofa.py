"""Fit MOFA to all observations."""

from immunosep.integration.steps import fit_factors
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        fit_factors(
            joined_path=snakemake.input.joined,
            seed=snakemake.params.seed,
            **snakemake.params.settings,
            model_path=snakemake.output.model,
            factors_path=snakemake.output.factors,
            weights_path=snakemake.output.weights,
            variance_path=snakemake.output.variance,
        )
