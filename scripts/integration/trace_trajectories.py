"""Follow the factors over the visits with MEFISTO."""

from immunosep.integration.steps import trace_trajectories
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        trace_trajectories(
            joined_path=snakemake.input.joined,
            factors_path=snakemake.input.factors,
            trajectories_path=snakemake.output.trajectories,
            summary_path=snakemake.output.summary,
            seed=snakemake.params.seed,
            **snakemake.params.settings,
        )
