"""Join the layers' matrices and the labels in one MuData."""

from immunosep.integration.steps import assemble_layers
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        assemble_layers(
            matrices=snakemake.input.matrices,
            modalities=snakemake.params.modalities,
            labels_path=snakemake.input.labels,
            joined_path=snakemake.output.joined,
        )
