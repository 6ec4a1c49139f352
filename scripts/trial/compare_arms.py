"""Compare the arms on every endpoint; only in the role that may see them."""

from immunosep.runlog import rule_logging
from immunosep.stats.trial import compare_arms

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        compare_arms(
            labels_path=snakemake.input.labels,
            endpoints_path=snakemake.input.endpoints,
            sensitivity_path=snakemake.input.sensitivity,
            participants_path=snakemake.input.participants,
            settings=snakemake.params.settings,
            shuffled=snakemake.params.shuffled,
            effects_path=snakemake.output.effects,
            sensitivity_effects_path=snakemake.output.sensitivity,
            populations_path=snakemake.output.populations,
            survival_path=snakemake.output.survival,
        )
