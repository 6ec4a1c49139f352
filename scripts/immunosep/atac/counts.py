"""Fragments of one library in the peaks."""

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.atac.files import read_bed
from immunosep.atac.fragments import Fragments, read_fragments
from immunosep.atac.intervals import locate
from immunosep.io import PathLike, atomic_path

logger = logging.getLogger(__name__)


def count_fragments(fragments: PathLike, peaks: PathLike, counts_path: PathLike) -> None:
    """Write the counts of one library as a NumPy file, in the order of the peaks.

    Parameters
    ----------
    fragments
        Fragment file.
    peaks
        BED of `peaks.call_consensus` or `peaks.import_peaks`.
    counts_path
        Target `.npy`: int32, shape (peaks,).
    """
    table = read_bed(peaks)
    content = read_fragments(fragments)
    counts = peak_counts(content, table)
    logger.info("%d fragments in all, %d counts in peaks", sum(len(f.start) for f in content.values()), counts.sum())
    with atomic_path(counts_path) as temporary, temporary.open("wb") as handle:
        np.save(handle, counts)


def peak_counts(fragments: Mapping[str, Fragments], peaks: pd.DataFrame) -> npt.NDArray[np.int32]:
    """Count, for each peak, the fragments with at least one cut site in it.

    A fragment with both cut sites in one peak counts once ("paired insertion counts"): the two sites are not
    independent. A fragment that only spans a peak does not count: Tn5 did not cut there.

    Parameters
    ----------
    fragments
        By chromosome.
    peaks
        Columns chrom, start, end; disjoint, sorted by start within a chromosome.

    Returns
    -------
    numpy.ndarray
        Shape (len(peaks),), int32, in the order of `peaks`.
    """
    counts = np.zeros(len(peaks), dtype=np.int32)
    for chrom, rows in peaks.groupby("chrom", sort=False).indices.items():
        if chrom not in fragments:
            continue
        start, end = (peaks[column].to_numpy(np.int64)[rows] for column in ("start", "end"))
        part = fragments[str(chrom)]
        first = locate(part.start, start, end)
        last = locate(part.end - 1, start, end)
        last = np.where(last == first, -1, last)
        # -1 (no peak) is counted in an extra bin in front, which is left out.
        both = np.bincount(np.concatenate([first, last]) + 1, minlength=len(rows) + 1)[1:]
        counts[rows] = both
    return counts
