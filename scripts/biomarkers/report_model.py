"""Write what a task's model is, and its items of TRIPOD+AI."""

from immunosep.biomarkers.reporting.facts import TABLES
from immunosep.biomarkers.reporting.steps import report_model
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        report_model(
            task_name=snakemake.wildcards.task,
            settings=snakemake.params.settings,
            model_path=snakemake.input.model,
            tables={name: getattr(snakemake.input, name) or None for name in TABLES},
            controls=dict(zip(snakemake.params.controls, snakemake.input.controls, strict=True)),
            card_path=snakemake.output.card,
            checklist_path=snakemake.output.checklist,
            page_path=snakemake.output.page,
        )
