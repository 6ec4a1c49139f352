"""Draw what the MOFA factors follow."""

from immunosep.figures.factors import plot_associations, tabulate_associations
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_associations(read_table(snakemake.input.associations), top=snakemake.params.top)
        save_figure(plot_associations(table), table, snakemake.output.table.removesuffix(".tsv"))
