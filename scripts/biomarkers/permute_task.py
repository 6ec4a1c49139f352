"""Run a task's whole pipeline on permuted classes."""

from immunosep.biomarkers.steps import Choices, Sources, permute
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        permute(
            task_name=snakemake.wildcards.task,
            permutation=int(snakemake.wildcards.repeat),
            sources=Sources(
                dict(zip(snakemake.params.modalities, snakemake.input.matrices, strict=True)),
                snakemake.input.labels,
                snakemake.input.participants or None,
                snakemake.input.folds,
                snakemake.input.classification or None,
            ),
            choices=Choices(**snakemake.params.choices),
            performance_path=snakemake.output.performance,
        )
