"""Draw each marker's treatment effect, and what of the effect on SOFA goes through it."""

from immunosep.figures.style import save_figure
from immunosep.figures.surrogacy import plot_surrogates, tabulate_surrogates
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        endotype = snakemake.wildcards.endotype
        table = tabulate_surrogates(read_table(snakemake.input.measures), read_table(snakemake.input.grades), endotype)
        save_figure(plot_surrogates(table, endotype), table, snakemake.output.table.removesuffix(".tsv"))
