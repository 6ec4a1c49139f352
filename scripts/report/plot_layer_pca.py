"""Draw the first two principal components of one layer."""

from immunosep.figures.embedding import plot_pca, read_modality, tabulate_pca
from immunosep.figures.style import save_figure
from immunosep.io import read_clinical, read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        name = snakemake.wildcards.modality
        table = tabulate_pca(
            read_modality(snakemake.input.matrix, name),
            read_clinical(snakemake.input.participants, "participants") if snakemake.input.participants else None,
            read_table(snakemake.input.labels) if snakemake.input.labels else None,
            layer=name,
            label_columns=snakemake.params.label_columns,
            seed=snakemake.params.seed,
            max_features=snakemake.params.max_features,
            min_group=snakemake.params.min_group,
        )
        save_figure(plot_pca(table, layer=name), table, snakemake.output.table.removesuffix(".tsv"))
