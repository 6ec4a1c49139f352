"""Write the QC metrics and profiles of one ATAC library."""

from immunosep.atac.qc import measure_atac
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        measure_atac(
            library=snakemake.wildcards.library,
            **dict(snakemake.input.items()),
            mitochondrion=snakemake.params.mitochondrion,
            flank=snakemake.params.flank,
            max_insert=snakemake.params.max_insert,
            metrics_path=snakemake.output.metrics,
            profiles_path=snakemake.output.profiles,
        )
