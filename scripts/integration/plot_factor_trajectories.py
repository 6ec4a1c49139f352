"""Draw the courses of the MEFISTO factors."""

from immunosep.figures.style import save_figure
from immunosep.figures.trajectories import plot_trajectories, tabulate_trajectories
from immunosep.io import read_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        table = tabulate_trajectories(
            read_table(snakemake.input.trajectories),
            read_table(snakemake.input.summary),
            read_table(snakemake.input.labels) if snakemake.input.labels else None,
            column=snakemake.params.column,
            min_group=snakemake.params.min_group,
        )
        save_figure(
            plot_trajectories(table, time=snakemake.params.time), table, snakemake.output.table.removesuffix(".tsv")
        )
