"""Draw the QC metrics of one layer."""

from immunosep.figures.qc import plot_qc, tabulate_qc
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        layer, seed = snakemake.wildcards.layer, snakemake.params.seed
        table = tabulate_qc(
            read_table(snakemake.input.verdicts),
            read_table(snakemake.input.libraries),
            snakemake.params.thresholds,
            layer=layer,
            seed=seed,
            min_group=snakemake.params.min_group,
        )
        save_figure(plot_qc(table, layer=layer, seed=seed), table, snakemake.output.table.removesuffix(".tsv"))
