"""Refit a task's models on all participants."""

from immunosep.biomarkers.steps import freeze_model
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        freeze_model(
            task_name=snakemake.wildcards.task,
            biomarkers=snakemake.params.biomarkers,
            integration=snakemake.params.integration,
            seed=snakemake.params.seed,
            joined_path=snakemake.input.joined,
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants or None,
            folds_path=snakemake.input.folds,
            performance_path=snakemake.input.performance,
            model_path=snakemake.output.model,
            card_path=snakemake.output.card,
        )
