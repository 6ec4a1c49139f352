"""Draw the decision curves of one task."""

from immunosep.figures.decision import plot_decision, tabulate_decision
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_decision(read_table(snakemake.input.curve))
        figure = plot_decision(table, task=snakemake.wildcards.task)
        save_figure(figure, table, snakemake.output.table.removesuffix(".tsv"))
