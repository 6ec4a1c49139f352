"""Write a task's folds of participants."""

from immunosep.biomarkers.steps import split_folds
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        split_folds(
            task_name=snakemake.wildcards.task,
            biomarkers=snakemake.params.biomarkers,
            seed=snakemake.params.seed,
            labels_path=snakemake.input.labels,
            kept_path=snakemake.input.kept or None,
            folds_path=snakemake.output.folds,
            elsewhere_path=snakemake.output.elsewhere,
        )
