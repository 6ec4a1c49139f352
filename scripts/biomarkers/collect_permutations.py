"""Join a task's permutations."""

from immunosep.biomarkers.steps import collect_permutations
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        collect_permutations(
            parts=snakemake.input.parts,
            predictions_path=snakemake.input.predictions,
            permutations_path=snakemake.output.permutations,
        )
