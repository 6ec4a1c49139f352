"""Draw which samples there are."""

from immunosep.figures.availability import plot_availability, tabulate_availability
from immunosep.figures.style import save_figure
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_availability(
            read_table(snakemake.input.completeness),
            read_table(snakemake.input.libraries),
            read_table(snakemake.input.verdicts),
            seed=snakemake.params.seed,
        )
        save_figure(plot_availability(table), table, snakemake.output.table.removesuffix(".tsv"))
