"""Check all input tables and write the intake's tables and report."""

from immunosep.intake import write_intake_report
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_intake_report(
            snakemake.config,
            libraries=snakemake.output.libraries,
            rejected=snakemake.output.rejected,
            completeness=snakemake.output.completeness,
            json=snakemake.output.json,
            html=snakemake.output.html,
        )
