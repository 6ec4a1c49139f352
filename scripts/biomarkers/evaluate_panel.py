"""Predict every participant of one repeat by a panel that was chosen without them."""

from immunosep.biomarkers.panel_steps import evaluate_panel
from immunosep.biomarkers.steps import Choices, Sources
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        evaluate_panel(
            task_name=snakemake.wildcards.task,
            repeat=int(snakemake.wildcards.repeat),
            sources=Sources(
                dict(zip(snakemake.params.modalities, snakemake.input.matrices, strict=True)),
                snakemake.input.labels,
                snakemake.input.participants or None,
                snakemake.input.folds,
                snakemake.input.classification or None,
            ),
            choices=Choices(**snakemake.params.choices),
            predictions_path=snakemake.output.predictions,
            chosen_path=snakemake.output.chosen,
        )
