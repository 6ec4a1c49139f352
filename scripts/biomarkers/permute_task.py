"""Run a task's whole pipeline on permuted classes."""

from immunosep.biomarkers.steps import permute
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        permute(
            task_name=snakemake.wildcards.task,
            permutation=int(snakemake.wildcards.repeat),
            biomarkers=snakemake.params.biomarkers,
            integration=snakemake.params.integration,
            seed=snakemake.params.seed,
            joined_path=snakemake.input.joined,
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants or None,
            folds_path=snakemake.input.folds,
            performance_path=snakemake.output.performance,
        )
