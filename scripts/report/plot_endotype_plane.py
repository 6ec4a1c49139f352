"""Draw ferritin against HLA-DR; only in a role that may see the classification."""

from immunosep.figures.labels import plot_endotype_plane, tabulate_endotype_plane
from immunosep.figures.style import save_figure
from immunosep.io import read_clinical, read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_endotype_plane(
            read_table(snakemake.input.labels),
            read_clinical(snakemake.input.classification, "classification"),
            seed=snakemake.params.seed,
        )
        figure = plot_endotype_plane(table, snakemake.params.rule)
        save_figure(figure, table, snakemake.output.table.removesuffix(".tsv"))
