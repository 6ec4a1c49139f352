"""Choose the panel on all participants; say how stable it is and how well the procedure predicts."""

from immunosep.biomarkers.panel_steps import choose_final_panel
from immunosep.biomarkers.steps import Choices, Sources
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        choose_final_panel(
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
            predictions=list(snakemake.input.predictions),
            chosen=list(snakemake.input.chosen),
            panel_path=snakemake.output.panel,
            summary_path=snakemake.output.summary,
            performance_path=snakemake.output.performance,
            model_path=snakemake.output.model,
        )
