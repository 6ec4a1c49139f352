"""Quality of one ATAC-seq library."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.atac.files import read_bed, read_idxstats, read_lengths
from immunosep.atac.fragments import Fragments, IntArray, complexity, length_profile, read_fragments
from immunosep.atac.intervals import inside, merge_intervals
from immunosep.genes import read_genes
from immunosep.io import PathLike, write_table

logger = logging.getLogger(__name__)

# Half width of the centre and width of the two outer stretches of the TSS profile, bp.
CENTRE = 50
OUTER = 100
# Fragment lengths, bp: without a nucleosome, and with one (Buenrostro 2013, doi 10.1038/nmeth.2688).
NUCLEOSOME_FREE = (1, 100)
MONONUCLEOSOME = (180, 247)


def measure_atac(
    library: str,
    fragments: PathLike,
    peaks: PathLike,
    idxstats: PathLike,
    fastp: PathLike,
    genes: PathLike,
    lengths: PathLike,
    mitochondrion: str,
    flank: int,
    max_insert: int,
    metrics_path: PathLike,
    profiles_path: PathLike,
) -> None:
    """Write the metrics of a library and its two profiles.

    Parameters
    ----------
    library
        Name of the library.
    fragments, peaks, idxstats, fastp
        Fragment file, narrowPeak file, `samtools idxstats` of all aligned reads, and fastp's JSON report.
    genes, lengths
        Table of genes; FASTA index of the genome.
    mitochondrion
        Name of the mitochondrial chromosome.
    flank
        Reach of the TSS profile, bp.
    max_insert
        Longest fragment, bp.
    metrics_path
        Target: library, metric, value.
    profiles_path
        Target: library, profile (``fragment_length`` or ``tss``), position (bp), value (fragments; cut sites).
    """
    content = read_fragments(fragments)
    support = np.concatenate([part.support for part in content.values()] or [np.zeros(0, dtype=np.int64)])
    nrf, pbc1, pbc2 = complexity(support)
    sizes = length_profile(content, max_insert)
    starts = nuclear_starts(read_genes(genes), read_lengths(lengths), mitochondrion, flank)
    tss = tss_profile(content, starts, flank)
    # A region with several summits stands in the file several times.
    regions = read_bed(peaks).drop_duplicates(ignore_index=True)
    mapped, mitochondrial = read_fractions(idxstats, mitochondrion)
    summary = json.loads(Path(fastp).read_text(encoding="utf-8"))["summary"]
    metrics = {
        "read_pairs": summary["before_filtering"]["total_reads"] // 2,
        "fragments": len(support),
        "mapped_fraction": mapped,
        "mitochondrial_fraction": mitochondrial,
        "nrf": nrf,
        "pbc1": pbc1,
        "pbc2": pbc2,
        "tss_enrichment": tss_enrichment(tss),
        "frip": fraction_in_peaks(content, regions),
        "peaks": len(regions),
        "nucleosome_free_ratio": nucleosome_free_ratio(sizes),
    }
    table = pd.DataFrame({"library": library, "metric": list(metrics), "value": list(metrics.values())})
    logger.info("%s", table.to_string(index=False))
    write_table(table.dropna(), metrics_path)
    profiles = pd.concat(
        [
            pd.DataFrame({"profile": "fragment_length", "position": np.arange(len(sizes)), "value": sizes}).iloc[1:],
            pd.DataFrame({"profile": "tss", "position": np.arange(-flank, flank + 1), "value": tss}),
        ]
    )
    profiles.insert(0, "library", library)
    write_table(profiles, profiles_path)


def read_fractions(idxstats: PathLike, mitochondrion: str) -> tuple[float, float]:
    """Compute the fraction of reads that align, and of the aligned those on the mitochondrion.

    Parameters
    ----------
    idxstats
        Output of `samtools idxstats` before any filter, duplicates included.
    mitochondrion
        Name of the mitochondrial chromosome.

    Returns
    -------
    mapped, mitochondrial : float
        0 and NaN for a library without aligned reads.
    """
    table = read_idxstats(idxstats)
    mapped = int(table["mapped"].sum())
    total = mapped + int(table["unmapped"].sum())
    if mapped == 0:
        return 0.0, float("nan")
    return mapped / total, int(table["mapped"].get(mitochondrion, 0)) / mapped


def nuclear_starts(genes: pd.DataFrame, lengths: pd.Series, mitochondrion: str, flank: int) -> pd.DataFrame:
    """List the distinct starts of transcription whose whole neighbourhood lies on a nuclear chromosome.

    Returns
    -------
    pandas.DataFrame
        Columns chrom, tss, strand.
    """
    starts = genes.loc[genes["chrom"] != mitochondrion, ["chrom", "tss", "strand"]].drop_duplicates(ignore_index=True)
    length = starts["chrom"].map(lengths).fillna(0)
    return starts[(starts["tss"] >= flank) & (starts["tss"] + flank < length)].reset_index(drop=True)


def tss_profile(fragments: Mapping[str, Fragments], starts: pd.DataFrame, flank: int) -> IntArray:
    """Count cut sites by their distance from starts of transcription, in the direction of transcription.

    Parameters
    ----------
    fragments
        By chromosome.
    starts
        Columns chrom, tss, strand.
    flank
        Reach in bp.

    Returns
    -------
    numpy.ndarray
        Shape (2 * flank + 1,), distance -flank to flank, summed over all starts.
    """
    profile = np.zeros(2 * flank + 1, dtype=np.int64)
    for chrom, places in starts.groupby("chrom", sort=False):
        if chrom not in fragments:
            continue
        sites = fragments[str(chrom)].cut_sites()
        tss = places["tss"].to_numpy()
        first = np.searchsorted(sites, tss - flank, side="left")
        count = np.searchsorted(sites, tss + flank, side="right") - first
        # Index of every (start, site) pair: runs first[i], first[i] + 1, ..., laid end to end.
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        distance = sites[np.repeat(first, count) + offset] - np.repeat(tss, count)
        sign = np.where(places["strand"].to_numpy() == "-", -1, 1)
        profile += np.bincount(distance * np.repeat(sign, count) + flank, minlength=2 * flank + 1)
    return profile


def tss_enrichment(profile: npt.NDArray[np.integer]) -> float:
    """Divide the mean cut sites within 50 bp of the start by the mean in the outermost 100 bp of both sides.

    Other tools smooth, or take the highest point, and give values two to three times as high; the thresholds in the
    configuration belong to this formula.

    Parameters
    ----------
    profile
        Shape (2 * flank + 1,) with flank > 150.

    Returns
    -------
    float
        NaN where the outer stretches are empty.
    """
    middle = len(profile) // 2
    outer = np.concatenate([profile[:OUTER], profile[-OUTER:]]).mean()
    centre = profile[middle - CENTRE : middle + CENTRE + 1].mean()
    return float(centre / outer) if outer > 0 else float("nan")


def fraction_in_peaks(fragments: Mapping[str, Fragments], peaks: pd.DataFrame) -> float:
    """Compute the fraction of cut sites inside peaks; NaN without fragments."""
    total = within = 0
    regions = dict(tuple(peaks.groupby("chrom", sort=False)))
    for chrom, part in fragments.items():
        sites = part.cut_sites()
        total += len(sites)
        if chrom in regions:
            start, end = merge_intervals(regions[chrom]["start"].to_numpy(), regions[chrom]["end"].to_numpy())
            within += int(inside(sites, start, end).sum())
    return within / total if total else float("nan")


def nucleosome_free_ratio(sizes: IntArray) -> float:
    """Divide the number of nucleosome-free fragments by that of mononucleosome fragments; NaN without the latter."""
    free = sizes[NUCLEOSOME_FREE[0] : NUCLEOSOME_FREE[1]].sum()
    mono = sizes[MONONUCLEOSOME[0] : MONONUCLEOSOME[1] + 1].sum()
    return float(free / mono) if mono else float("nan")
