"""Predict every participant of one repeat by models fitted without them."""

from immunosep.biomarkers.steps import Choices, Sources, evaluate_one_repeat
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        evaluate_one_repeat(
            task_name=snakemake.wildcards.task,
            repeat=snakemake.wildcards.repeat,
            sources=Sources(
                dict(zip(snakemake.params.modalities, snakemake.input.matrices, strict=True)),
                snakemake.input.labels,
                snakemake.input.participants or None,
                snakemake.input.folds,
                snakemake.input.classification or None,
            ),
            choices=Choices(**snakemake.params.choices),
            predictions_path=snakemake.output.predictions,
        )
