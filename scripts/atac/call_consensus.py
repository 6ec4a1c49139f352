"""Call the consensus peaks of the ATAC layer."""

from immunosep.atac.peaks import call_consensus
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        call_consensus(
            peaks=snakemake.input.peaks,
            names=snakemake.params.libraries,
            libraries=snakemake.input.libraries,
            verdicts=snakemake.input.verdicts,
            blacklist=snakemake.input.blacklist,
            lengths=snakemake.input.lengths,
            width=snakemake.params.width,
            min_participants=snakemake.params.min_participants,
            peaks_path=snakemake.output.peaks,
        )
