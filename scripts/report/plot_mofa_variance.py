"""Draw the variance that each MOFA factor explains."""

from immunosep.figures.factors import plot_variance, tabulate_variance
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_variance(read_table(snakemake.input.variance), read_table(snakemake.input.factors))
        save_figure(plot_variance(table), table, snakemake.output.table.removesuffix(".tsv"))
