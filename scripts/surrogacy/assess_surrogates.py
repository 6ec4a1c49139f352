"""Compute the single-trial measures of surrogacy in one endotype."""

from immunosep.runlog import rule_logging
from immunosep.surrogacy.steps import write_measures

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_measures(
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants,
            scores_path=snakemake.input.scores,
            endotype=snakemake.wildcards.endotype,
            settings=snakemake.params.settings,
            seed=snakemake.params.seed,
            measures_path=snakemake.output.measures,
        )
