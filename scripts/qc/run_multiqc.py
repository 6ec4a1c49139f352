"""One MultiQC report over all layers."""

from immunosep.multiqc_report import run_multiqc
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        run_multiqc(
            files=[*snakemake.input.reports, *snakemake.input.primers],
            verdicts=snakemake.input.verdicts,
            settings=snakemake.input.settings,
            report=snakemake.output.report,
            data=snakemake.output.data,
        )
