"""Derive labels and endpoints from the clinical tables."""

from immunosep.endpoints.steps import derive_label_tables
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        derive_label_tables(
            participants=snakemake.input.participants,
            visits=snakemake.input.visits,
            classification=snakemake.input.get("classification"),
            allocation=snakemake.input.get("allocation"),
            settings=snakemake.params.settings,
            labels_path=snakemake.output.labels,
            endpoints_path=snakemake.output.endpoints,
            sensitivity_path=snakemake.output.sensitivity,
            landmarks_path=snakemake.output.landmarks,
            dynamic_path=snakemake.output.get("dynamic"),
        )
