"""The peaks that are counted: consensus peaks of the cohort, or a fixed set from elsewhere.

Consensus peaks are fixed-width windows around summits, the best of each place, shared by participants.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.atac.files import read_bed, read_lengths, read_summits
from immunosep.atac.intervals import BoolArray, IntArray, merge_intervals, overlaps
from immunosep.errors import InputError
from immunosep.io import PathLike, atomic_path, read_table
from immunosep.layer import passing_obs

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


def call_consensus(
    peaks: Sequence[PathLike],
    names: Sequence[str],
    libraries: PathLike,
    verdicts: PathLike,
    blacklist: PathLike,
    lengths: PathLike,
    width: int,
    min_participants: int,
    peaks_path: PathLike,
) -> None:
    """Write the consensus peaks of the libraries that passed QC.

    Parameters
    ----------
    peaks
        narrowPeak file of each library, in the order of `names`.
    names
        Names of the libraries.
    libraries, verdicts
        Library table and verdicts of the layer.
    blacklist, lengths
        BED of regions to leave out; FASTA index of the genome.
    width
        Width of a peak, bp, odd.
    min_participants
        A peak is kept when so many participants have a peak there; visits of one participant count once.
    peaks_path
        Target BED: chrom, start, end, name (chrom:start-end), score (per million, best library), number of
        participants.

    Raises
    ------
    InputError
        When no library passed QC, or no peak is left.
    """
    obs = passing_obs(read_table(libraries), read_table(verdicts))
    if obs.empty:
        raise InputError(
            "ATAC: no library passed QC. See results/qc/atac_verdicts.tsv for the reasons, or set "
            "layers.atac.enabled: false."
        )
    paths = dict(zip(names, peaks, strict=True))
    sizes = read_lengths(lengths)
    forbidden = read_bed(blacklist)
    windows = {name: library_windows(read_summits(paths[name]), width, sizes, forbidden) for name in obs.index}
    consensus = consensus_peaks(windows, obs["participant"], width)
    shared = consensus[consensus["n_participants"] >= min_participants]
    logger.info(
        "%d places with a peak in any of %d libraries, %d in at least %d participants",
        len(consensus),
        len(windows),
        len(shared),
        min_participants,
    )
    if shared.empty:
        raise InputError(
            f"ATAC: none of {len(consensus)} peaks of {len(windows)} libraries that passed QC is present in "
            f"{min_participants} participants (layers.atac.min_participants). See results/qc/atac_verdicts.tsv."
        )
    _write_peaks(shared.assign(end=shared["start"] + width), ["score", "n_participants"], peaks_path)


def import_peaks(peaks: PathLike, lengths: PathLike, peaks_path: PathLike) -> None:
    """Write a fixed peak set, made from other samples, in the place of the consensus peaks.

    Nothing about these peaks is learned from the cohort, so that nothing about them can leak from a test participant.

    Parameters
    ----------
    peaks
        BED (also gzipped) of peaks that do not overlap, in any order; columns after the third are not read.
    lengths
        FASTA index of the genome.
    peaks_path
        Target BED, sorted: chrom, start, end, name (chrom:start-end).

    Raises
    ------
    InputError
        When the file is no BED, an interval is empty, peaks overlap, or none lies on the genome.
    """
    try:
        table = read_bed(peaks).sort_values(["chrom", "start", "end"], ignore_index=True)
    except ValueError as error:
        raise InputError(
            f"{peaks}: not a BED of chrom, start, end, separated by tabs ({error}). Remove lines that are no interval, "
            "such as a header."
        ) from None
    sizes = table["chrom"].map(read_lengths(lengths))
    outside = ~((table["start"] >= 0) & (table["end"] <= sizes))
    follows = table["chrom"].eq(table["chrom"].shift())
    problems = {
        "empty interval": table["end"] <= table["start"],
        "overlap with the peak before": follows & (table["start"] < table["end"].shift()),
    }
    lines = [
        f"{peaks}: {what} ({wrong.sum()}), first {_peak_names(table[wrong]).iloc[0]}"
        for what, wrong in problems.items()
        if wrong.any()
    ]
    if outside.all():
        lines.append(f"{peaks}: none of {len(table)} peaks lies on the genome; are the chromosomes named alike?")
    if lines:
        raise InputError("\n".join([*lines, "layers.atac.peaks wants disjoint intervals on the genome of reference."]))
    if outside.any():
        logger.warning("%d of %d peaks lie outside the genome and count nothing", outside.sum(), len(table))
    _write_peaks(table, [], peaks_path)


def _peak_names(table: pd.DataFrame) -> pd.Series:
    return table["chrom"] + ":" + table["start"].astype(str) + "-" + table["end"].astype(str)


def _write_peaks(table: pd.DataFrame, extra: list[str], path: PathLike) -> None:
    """Write a BED of chrom, start, end, name and further columns."""
    columns = ["chrom", "start", "end", "name", *extra]
    with atomic_path(path) as temporary:
        table.assign(name=_peak_names(table))[columns].to_csv(
            temporary, sep="\t", index=False, header=False, float_format="%.6g"
        )


def library_windows(summits: pd.DataFrame, width: int, lengths: pd.Series, blacklist: pd.DataFrame) -> pd.DataFrame:
    """Turn the summits of one library into disjoint windows with comparable scores.

    Parameters
    ----------
    summits
        Columns chrom, summit, score.
    width
        Width of a window in bp, odd: the summit is its middle.
    lengths
        Length of each chromosome; windows that reach beyond it are left out.
    blacklist
        Columns chrom, start, end; windows that overlap it are left out.

    Returns
    -------
    pandas.DataFrame
        Columns chrom, start, score (per million of the library's total), sorted by chrom and start.
    """
    table = summits.assign(start=summits["summit"] - width // 2)[["chrom", "start", "score"]]
    within = (table["start"] >= 0) & (table["start"] + width <= table["chrom"].map(lengths).fillna(0))
    table = table[within]
    regions = {chrom: _merged(part) for chrom, part in blacklist.groupby("chrom", sort=False)}
    kept = []
    for chrom, part in table.groupby("chrom", sort=True):
        start, score = part["start"].to_numpy(np.int64), part["score"].to_numpy()
        if chrom in regions:
            free = ~overlaps(start, start + width, *regions[chrom])
            start, score = start[free], score[free]
        start, score = best_windows(start, score, width)
        kept.append(pd.DataFrame({"chrom": chrom, "start": start, "score": score}))
    if not kept:
        return table.iloc[:0]
    result = pd.concat(kept, ignore_index=True)
    result["score"] *= 1e6 / result["score"].sum()
    return result


def _merged(regions: pd.DataFrame) -> tuple[IntArray, IntArray]:
    return merge_intervals(regions["start"].to_numpy(np.int64), regions["end"].to_numpy(np.int64))


def best_windows(start: IntArray, score: FloatArray, width: int) -> tuple[IntArray, FloatArray]:
    """Remove overlaps iteratively: the best window stays, those that overlap it go, then the best of the rest.

    Instead of one window after another, each round keeps all windows that are better than every window they overlap.
    That gives the same result in a few rounds, each a sweep over the sorted windows.

    Parameters
    ----------
    start, score
        Shape (n,), in any order. Of equal scores the leftmost window is better.
    width
        Width of every window.

    Returns
    -------
    start, score : numpy.ndarray
        The windows kept, sorted by start.

    References
    ----------
    Corces 2018, doi 10.1126/science.aav1898.
    """
    # Of windows at one place only the best can stay. That also bounds the neighbours of a window by 2 * width.
    order = np.lexsort((-score, start))
    first = np.concatenate([[True], np.diff(start[order]) > 0]) if len(order) else np.zeros(0, dtype=bool)
    start, score = start[order][first], score[order][first]
    rank = np.empty(len(start), dtype=np.int64)
    rank[np.lexsort((-start, score))] = np.arange(len(start))
    alive = np.arange(len(start))
    kept: list[IntArray] = []
    while len(alive):
        place, value = start[alive], rank[alive]
        left = np.searchsorted(place, place - width, side="right")
        right = np.searchsorted(place, place + width, side="left")
        # reduceat takes the maximum from each index to the next one; every second result is a left-to-right stretch.
        bounds = np.column_stack([left, right]).ravel()
        best = np.maximum.reduceat(np.append(value, -1), bounds)[::2]
        winners = best == value
        kept.append(alive[winners])
        chosen = place[winners]
        alive = alive[~overlaps(place, place + width, chosen, chosen + width)]
    if not kept:
        return start, score
    stay = np.sort(np.concatenate(kept))
    return start[stay], score[stay]


def consensus_peaks(windows: Mapping[str, pd.DataFrame], participants: pd.Series, width: int) -> pd.DataFrame:
    """Join the windows of all libraries to one set without overlaps and count the participants behind each.

    Parameters
    ----------
    windows
        By library, as `library_windows` returns them.
    participants
        Participant of each library.
    width
        Width of every window.

    Returns
    -------
    pandas.DataFrame
        Columns chrom, start, score, n_participants; sorted by chrom and start. A participant counts where any of its
        libraries has a window that overlaps.
    """
    pooled = pd.concat([table.assign(participant=participants[name]) for name, table in windows.items()])
    parts = []
    for chrom, here in pooled.groupby("chrom", sort=True):
        start, score = best_windows(here["start"].to_numpy(np.int64), here["score"].to_numpy(), width)
        count = np.zeros(len(start), dtype=np.int64)
        for _, own in here.groupby("participant", sort=True):
            count += _touched(start, _merged(own.assign(end=own["start"] + width)), width)
        parts.append(pd.DataFrame({"chrom": chrom, "start": start, "score": score, "n_participants": count}))
    if not parts:
        return pooled[["chrom", "start", "score"]].assign(n_participants=0)
    return pd.concat(parts, ignore_index=True)


def _touched(start: IntArray, regions: tuple[IntArray, IntArray], width: int) -> BoolArray:
    return overlaps(start, start + width, *regions)
