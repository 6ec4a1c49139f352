"""Score the pre-specified markers of every observation."""

from immunosep.runlog import rule_logging
from immunosep.surrogacy.steps import write_markers

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        write_markers(
            joined_path=snakemake.input.joined,
            factors_path=snakemake.input.factors,
            model_path=snakemake.input.model,
            gene_sets_path=snakemake.input.gene_sets,
            drug_analytes_path=snakemake.input.drug_analytes,
            settings=snakemake.params.settings,
            scores_path=snakemake.output.scores,
            details_path=snakemake.output.details,
        )
