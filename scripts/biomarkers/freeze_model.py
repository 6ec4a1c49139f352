"""Refit a task's models on all participants."""

from immunosep.biomarkers.steps import Choices, Sources, freeze_model
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        freeze_model(
            task_name=snakemake.wildcards.task,
            sources=Sources(
                dict(zip(snakemake.params.modalities, snakemake.input.matrices, strict=True)),
                snakemake.input.labels,
                snakemake.input.participants or None,
                snakemake.input.folds,
                snakemake.input.classification or None,
            ),
            choices=Choices(**snakemake.params.choices),
            epoch=snakemake.params.epoch,
            shuffled=snakemake.params.shuffled,
            performance_path=snakemake.input.performance,
            model_path=snakemake.output.model,
            training_path=snakemake.output.training,
        )
