"""Count the fragments of one ATAC library in the consensus peaks."""

from immunosep.atac.counts import count_fragments
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        count_fragments(
            fragments=snakemake.input.fragments,
            peaks=snakemake.input.peaks,
            counts_path=snakemake.output.counts,
        )
