"""Check all input tables and write the intake's report, and what the batches follow."""

from immunosep.intake import write_intake_report
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_intake_report(
            snakemake.config,
            confounding=snakemake.output.confounding,
            json=snakemake.output.json,
            html=snakemake.output.html,
        )
