"""Keep the best random start of MOFA."""

from immunosep.integration.steps import choose_start
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        choose_start(
            joined_path=snakemake.input.joined,
            start_paths=list(snakemake.input.starts),
            model_path=snakemake.output.model,
            factors_path=snakemake.output.factors,
            weights_path=snakemake.output.weights,
            variance_path=snakemake.output.variance,
            stability_path=snakemake.output.stability,
        )
