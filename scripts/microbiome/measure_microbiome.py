"""Count the reads of each step, set apart what is not bacterial, describe the controls."""

from immunosep.microbiome.steps import measure_microbiome
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        measure_microbiome(
            report_paths=snakemake.input.reports,
            tracking_paths=snakemake.input.tracking,
            counts_path=snakemake.input.counts,
            taxonomy_path=snakemake.input.taxonomy,
            libraries_path=snakemake.input.libraries,
            mock_path=snakemake.input.get("mock") or None,
            asvs_path=snakemake.output.asvs,
            taxa_path=snakemake.output.taxa,
            dropped_path=snakemake.output.dropped,
            reads_path=snakemake.output.reads,
            metrics_path=snakemake.output.metrics,
            controls_path=snakemake.output.controls,
        )
