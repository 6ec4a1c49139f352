"""Draw predicted against observed probability of one task's main models."""

from immunosep.figures.performance import plot_calibration, tabulate_calibration
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_calibration(
            read_table(snakemake.input.curves),
            read_table(snakemake.input.performance),
            min_bin=snakemake.params.min_bin,
        )
        figure = plot_calibration(table, task=snakemake.wildcards.task)
        save_figure(figure, table, snakemake.output.table.removesuffix(".tsv"))
