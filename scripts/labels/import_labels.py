"""Check a ready label table of another cohort and pass it on."""

from immunosep.endpoints.steps import import_label_table
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        import_label_table(
            snakemake.input.labels,
            snakemake.output.labels,
            declared=snakemake.params.declared,
            role=snakemake.params.role,
        )
