"""Join a task's repeats and measure performance."""

from immunosep.biomarkers.steps import summarise_task
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        summarise_task(
            task_name=snakemake.wildcards.task,
            bootstrap=snakemake.params.bootstrap,
            seed=snakemake.params.seed,
            classes_path=snakemake.input.classes,
            repeats=snakemake.input.repeats,
            predictions_path=snakemake.output.predictions,
            performance_path=snakemake.output.performance,
            curves_path=snakemake.output.curves,
        )
