"""Say what a task's predictions are worth."""

from immunosep.biomarkers.assess import TABLES, assess_models
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        assess_models(
            task_name=snakemake.wildcards.task,
            target=snakemake.params.target,
            labels_path=snakemake.input.labels,
            participants_path=snakemake.input.participants or None,
            predictions_path=snakemake.input.predictions,
            elsewhere=dict(zip(snakemake.params.schemes, snakemake.input.elsewhere, strict=True)),
            prevalences=snakemake.params.prevalences,
            min_group=snakemake.params.min_group,
            bootstrap=snakemake.params.bootstrap,
            seed=snakemake.params.seed,
            targets={name: getattr(snakemake.output, name) for name in TABLES},
        )
