"""Write the QC metrics of all RNA libraries."""

from immunosep.rna.metrics import measure_rna
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        measure_rna(
            counts=snakemake.input.counts,
            genes=snakemake.input.genes,
            libraries=snakemake.input.libraries,
            names=snakemake.params.libraries,
            fastp=snakemake.input.fastp,
            meta=snakemake.input.meta,
            formats=snakemake.input.formats,
            metrics_path=snakemake.output.metrics,
        )
