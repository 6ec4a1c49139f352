"""Take a fixed peak set for the ATAC layer."""

from immunosep.atac.peaks import import_peaks
from immunosep.runlog import rule_logging

if __name__ == "__main__":
    with rule_logging(snakemake.log[0]):
        import_peaks(
            peaks=snakemake.input.peaks,
            lengths=snakemake.input.lengths,
            peaks_path=snakemake.output.peaks,
        )
