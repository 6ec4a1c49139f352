"""Predict every participant of one repeat by models fitted without them."""

from immunosep.biomarkers.steps import evaluate_one_repeat
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        evaluate_one_repeat(
            task_name=snakemake.wildcards.task,
            repeat=int(snakemake.wildcards.repeat),
            biomarkers=snakemake.params.biomarkers,
            integration=snakemake.params.integration,
            seed=snakemake.params.seed,
            joined_path=snakemake.input.joined,
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants or None,
            folds_path=snakemake.input.folds,
            predictions_path=snakemake.output.predictions,
        )
