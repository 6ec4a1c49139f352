"""Draw the effect under every combination of rules."""

from immunosep.figures.style import save_figure
from immunosep.figures.trial import plot_sensitivity, tabulate_sensitivity
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        population = snakemake.params.population
        table = tabulate_sensitivity(
            read_table(snakemake.input.sensitivity), population=population, min_group=snakemake.params.min_group
        )
        figure = plot_sensitivity(table, population=population, shuffled=snakemake.params.shuffled)
        save_figure(figure, table, snakemake.output.table.removesuffix(".tsv"))
