"""Draw the arm's effect in windows along each marker."""

from immunosep.figures.style import save_figure
from immunosep.figures.surrogacy import plot_stepp
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        endotype = snakemake.wildcards.endotype
        stepp = read_table(snakemake.input.stepp)
        numbers = stepp.columns.difference(["endotype", "marker"])
        table = stepp[stepp["endotype"] == endotype].astype(dict.fromkeys(numbers, float)).astype({"n": int})
        save_figure(plot_stepp(table, endotype), table, snakemake.output.table.removesuffix(".tsv"))
