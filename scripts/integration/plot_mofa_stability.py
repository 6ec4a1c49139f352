"""Draw which MOFA factors come back in other random starts."""

from immunosep.figures.factors import plot_stability, tabulate_stability
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_stability(read_table(snakemake.input.stability), read_table(snakemake.input.summary))
        save_figure(plot_stability(table), table, snakemake.output.table.removesuffix(".tsv"))
