"""The ATAC layer as AnnData: counts per consensus peak, normalised values, nearest genes, QC."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from immunosep.atac.intervals import merge_intervals, overlaps
from immunosep.errors import InputError
from immunosep.genes import read_genes
from immunosep.io import PathLike, read_table, write_h5ad
from immunosep.layer import SCHEMA_VERSION, common_enough, counts_per_million, passing_obs
from immunosep.masking import mask_features

logger = logging.getLogger(__name__)

# Peaks so near to a gene that defines the endotype are taken for its regulatory elements, bp.
DEFINER_FLANK = 50_000


def build_atac(
    counts: Sequence[PathLike],
    names: Sequence[str],
    peaks: PathLike,
    genes: PathLike,
    libraries: PathLike,
    verdicts: PathLike,
    promoter: int,
    min_cpm: float,
    min_fraction: float,
    fixed_peaks: bool,
    hidden: Mapping[str, Any] | None,
    matrix_path: PathLike,
) -> None:
    """Write the AnnData of the libraries that passed QC.

    The matrix holds every peak with a count in any of them, because the classifiers choose their peaks from the
    training participants alone; `var["kept"]` is the choice over the whole cohort, for all that describes the cohort.

    Parameters
    ----------
    counts
        `.npy` file of each library, in the order of `names`.
    names
        Names of the libraries.
    peaks
        BED of `peaks.call_consensus` or `peaks.import_peaks`.
    genes
        Table of genes.
    libraries, verdicts
        Library table and verdicts of the layer.
    promoter
        Reach of a promoter around the start of transcription, bp.
    min_cpm, min_fraction
        A peak is kept when it reaches `min_cpm` counts per million in this fraction of the libraries.
    fixed_peaks
        Whether the peaks come from elsewhere and nothing about them was learned from the cohort.
    hidden
        What is masked after the first dose (`blinding.hidden_features`), or None.
    matrix_path
        Target `.h5ad`: `layers["counts"]` fragments with a cut site in the peak, `X` log2(counts per million + 1) where
        the million are the library's counts in all peaks of the set.

    Raises
    ------
    InputError
        When no library has a fragment in any peak.
    """
    obs = passing_obs(read_table(libraries), read_table(verdicts))
    paths = dict(zip(names, counts, strict=True))
    matrix = np.stack([np.load(paths[name]) for name in obs.index])
    found = np.asarray(matrix.any(axis=0))
    if not found.any():
        raise InputError(
            f"ATAC: none of the {len(obs)} libraries that passed QC has a fragment in any of {len(found)} peaks. "
            "Check that layers.atac.peaks is of the genome that the reads were aligned to."
        )
    matrix = matrix[:, found]
    total = matrix.sum(axis=1, dtype=np.int64, keepdims=True)
    cpm = counts_per_million(matrix, total)
    var = annotate_peaks(read_peaks(peaks).loc[found].dropna(axis=1, how="all"), read_genes(genes), promoter)
    var["kept"] = common_enough(cpm >= min_cpm, min_fraction)
    data = ad.AnnData(
        X=np.log2(cpm + 1.0).astype(np.float32),
        obs=obs,
        var=var,
        layers={"counts": matrix},
        uns={
            "immunosep": {
                "schema_version": SCHEMA_VERSION,
                "layer": "atac",
                "counts": "fragments with at least one cut site in the peak",
                "scale": "log2(CPM + 1), CPM of the counts in all peaks",
                "frozen_upstream": "nothing, a fixed peak set" if fixed_peaks else "consensus peaks of the cohort",
                "min_cpm": min_cpm,
                "min_fraction": min_fraction,
                "definer_flank": DEFINER_FLANK,
            }
        },
    )
    logger.info("%d libraries, %d peaks of %d with a count, %d kept", *data.shape, len(found), var["kept"].sum())
    mask_features(data, "atac", hidden)
    write_h5ad(data, matrix_path)


def read_peaks(path: PathLike) -> pd.DataFrame:
    """Read peaks, indexed by name: chrom, start, end, score, n_participants; the last two NaN in a fixed set."""
    columns = ["chrom", "start", "end", "name", "score", "n_participants"]
    peaks = pd.read_csv(path, sep="\t", header=None, names=columns, dtype={"chrom": str, "name": str})
    return peaks.set_index("name").rename_axis(None)


def annotate_peaks(peaks: pd.DataFrame, genes: pd.DataFrame, promoter: int) -> pd.DataFrame:
    """Add the nearest gene and the flags of the features.

    Parameters
    ----------
    peaks
        Columns chrom, start, end; disjoint within a chromosome.
    genes
        Table of genes, indexed by gene_id.
    promoter
        Reach of a promoter, bp.

    Returns
    -------
    pandas.DataFrame
        `peaks` with gene_id and symbol of the gene whose start of transcription is nearest to the middle of the peak
        (empty on a chromosome without genes), distance (bp, negative upstream of the start in the direction of
        transcription; NaN without a gene), definer (within 50 kb of a gene that defines the endotype) and drug_analyte
        (in the promoter of a gene whose transcript a trial drug moves).
    """
    middle = (peaks["start"] + peaks["end"]) // 2
    nearest = pd.DataFrame({"gene_id": "", "symbol": "", "distance": np.nan}, index=peaks.index)
    ordered = genes.sort_values(["tss", "symbol"], kind="stable")
    for chrom, names in peaks.groupby("chrom", sort=False).groups.items():
        here, place = ordered[ordered["chrom"] == chrom], middle.loc[names].to_numpy()
        if here.empty:
            continue
        tss = here["tss"].to_numpy()
        right = np.searchsorted(tss, place).clip(max=len(tss) - 1)
        left = (right - 1).clip(min=0)
        choice = np.where(np.abs(place - tss[left]) <= np.abs(tss[right] - place), left, right)
        sign = np.where(here["strand"].to_numpy()[choice] == "-", -1, 1)
        nearest.loc[names, "gene_id"] = here.index.to_numpy()[choice]
        nearest.loc[names, "symbol"] = here["symbol"].to_numpy()[choice]
        nearest.loc[names, "distance"] = (place - tss[choice]) * sign
    return peaks.assign(
        **nearest,
        definer=near_genes(peaks, genes[genes["definer"]], DEFINER_FLANK),
        drug_analyte=near_starts(peaks, genes[genes["drug_analyte"]], promoter),
    )


def near_genes(peaks: pd.DataFrame, genes: pd.DataFrame, flank: int) -> pd.Series:
    """Flag the peaks that overlap the body of any of the genes, widened by `flank` on both sides."""
    return _touch(peaks, genes["chrom"], genes["start"] - flank, genes["end"] + flank)


def near_starts(peaks: pd.DataFrame, genes: pd.DataFrame, flank: int) -> pd.Series:
    """Flag the peaks within `flank` of the start of transcription of any of the genes."""
    return _touch(peaks, genes["chrom"], genes["tss"] - flank, genes["tss"] + flank + 1)


def _touch(peaks: pd.DataFrame, chrom: pd.Series, start: pd.Series, end: pd.Series) -> pd.Series:
    """Flag the peaks that overlap any of the regions."""
    flags = pd.Series(False, index=peaks.index)
    for name, names in peaks.groupby("chrom", sort=False).groups.items():
        here = chrom == name
        regions = merge_intervals(start[here].to_numpy(np.int64), end[here].to_numpy(np.int64))
        part = peaks.loc[names]
        flags.loc[names] = overlaps(part["start"].to_numpy(np.int64), part["end"].to_numpy(np.int64), *regions)
    return flags
