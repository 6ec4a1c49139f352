"""Fit MOFA to all observations from one random start."""

from immunosep.integration.steps import fit_start
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        fit_start(
            joined_path=snakemake.input.joined,
            seed=snakemake.params.seed,
            start=int(snakemake.wildcards.start),
            model_path=snakemake.output.model,
            **snakemake.params.settings,
        )
