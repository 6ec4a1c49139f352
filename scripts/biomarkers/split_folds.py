"""Write a task's classes and folds of participants."""

from immunosep.biomarkers.fold_steps import split_folds
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        split_folds(
            task_name=snakemake.wildcards.task,
            biomarkers=snakemake.params.biomarkers,
            seed=snakemake.params.seed,
            matrices=dict(zip(snakemake.params.modalities, snakemake.input.matrices, strict=True)),
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants or None,
            kept_path=snakemake.input.kept or None,
            classes_path=snakemake.output.classes,
            folds_path=snakemake.output.folds,
            elsewhere_path=snakemake.output.elsewhere,
        )
