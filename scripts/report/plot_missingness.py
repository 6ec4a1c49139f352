"""Draw how many samples are missing by outcome."""

from immunosep.figures.missingness import plot_missingness, tabulate_missingness
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_missingness(
            read_table(snakemake.input.tests),
            read_table(snakemake.input.shares),
            min_group=snakemake.params.min_group,
        )
        save_figure(plot_missingness(table), table, snakemake.output.table.removesuffix(".tsv"))
