"""Put every marker into its BEST category."""

from immunosep.runlog import rule_logging
from immunosep.surrogacy.steps import write_grades

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_grades(
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants,
            scores_path=snakemake.input.scores,
            details_path=snakemake.input.details,
            measures_paths=snakemake.input.measures,
            settings=snakemake.params.settings,
            seed=snakemake.params.seed,
            outputs=dict(snakemake.output.items()),
        )
