"""Draw survival by arm with the numbers at risk."""

from immunosep.figures.style import save_figure
from immunosep.figures.trial import hazard_ratio_texts, plot_survival, tabulate_survival
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        min_group = snakemake.params.min_group
        table = tabulate_survival(read_table(snakemake.input.survival), min_group=min_group)
        ratios = hazard_ratio_texts(read_table(snakemake.input.effects), snakemake.params.population)
        figure = plot_survival(table, ratios, min_group=min_group, shuffled=snakemake.params.shuffled)
        save_figure(figure, table, snakemake.output.table.removesuffix(".tsv"))
