"""Draw the ROC curves and AUROCs of one task."""

from immunosep.figures.performance import plot_roc, tabulate_roc
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_roc(
            read_table(snakemake.input.curves),
            read_table(snakemake.input.performance),
            read_table(snakemake.input.predictions),
            rounds=snakemake.params.rounds,
            seed=snakemake.params.seed,
        )
        figure = plot_roc(table, task=snakemake.wildcards.task)
        save_figure(figure, table, snakemake.output.table.removesuffix(".tsv"))
