"""Gene counts from salmon's abundances of transcripts."""

import logging
from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from pytximport import tximport

from immunosep.errors import InputError
from immunosep.genes import read_genes
from immunosep.io import PathLike, read_table, write_h5ad

logger = logging.getLogger(__name__)

# Libraries read at once: a human transcriptome takes 6 MB per library and there may be thousands of libraries.
CHUNK = 64


def count_genes(
    quants: Sequence[PathLike],
    libraries: Sequence[str],
    transcripts: PathLike,
    genes: PathLike,
    counts_path: PathLike,
) -> None:
    """Write the counts of all libraries as AnnData: libraries x genes, int32.

    Parameters
    ----------
    quants
        salmon's `quant.sf` of each library, in the order of `libraries`.
    libraries
        Names of the libraries.
    transcripts
        Table with columns transcript_id, gene_id.
    genes
        Table of genes; its order is the order of the columns. Genes without a transcript in the index count 0.
    counts_path
        Target `.h5ad`.
    """
    order = read_genes(genes).index
    counts = gene_counts(quants, read_table(transcripts), order)
    data = ad.AnnData(X=counts, obs=pd.DataFrame(index=list(libraries)), var=pd.DataFrame(index=order))
    logger.info("%d libraries x %d genes, %d counts", *counts.shape, counts.sum(dtype="int64"))
    write_h5ad(data, counts_path)


def gene_counts(quants: Sequence[PathLike], transcripts: pd.DataFrame, genes: pd.Index) -> npt.NDArray[np.int32]:
    """Sum the estimated read numbers of transcripts to genes and round.

    The estimates are summed as they are (`counts_from_abundance=None`): they are the numbers of fragments, which is
    what a count model and a check against truth need, and unlike length-scaled counts they do not change with the
    fragment length distribution, which salmon learns with a random element.

    Parameters
    ----------
    quants
        Paths of `quant.sf`. A table without rows is a library of which nothing mapped.
    transcripts
        Columns transcript_id, gene_id.
    genes
        Gene identifiers wanted, in this order.

    Returns
    -------
    numpy.ndarray
        Shape (len(quants), len(genes)).

    Raises
    ------
    InputError
        When no transcript of the index is in `transcripts`, so that annotation and transcriptome do not belong
        together.
    """
    counts = np.zeros((len(quants), len(genes)), dtype=np.int32)
    filled = np.flatnonzero([_has_rows(path) for path in quants])
    for start in range(0, len(filled), CHUNK):
        rows = filled[start : start + CHUNK]
        counts[rows] = _chunk([quants[row] for row in rows], transcripts, genes)
    return counts


def _has_rows(path: PathLike) -> bool:
    """Tell whether a table has a second line."""
    with Path(path).open(encoding="utf-8") as handle:
        handle.readline()
        return bool(handle.readline())


def _chunk(quants: Sequence[PathLike], transcripts: pd.DataFrame, genes: pd.Index) -> npt.NDArray[np.int32]:
    """Read some libraries with pytximport; shape (libraries, genes)."""
    known = pd.read_csv(quants[0], sep="\t", usecols=["Name"], dtype=str)["Name"]
    names = _without_version(known)
    mapping = transcripts.assign(transcript_id=_without_version(transcripts["transcript_id"]))
    unknown = ~names.isin(mapping["transcript_id"])
    if unknown.all():
        raise InputError(
            f"No transcript of the transcriptome is in the annotation (transcriptome: {names.iloc[0]}, annotation: "
            f"{mapping['transcript_id'].iloc[0]}). reference.transcriptome and reference.annotation must be of one "
            "release."
        )
    if unknown.any():
        logger.warning("%d of %d transcripts are not in the annotation and are left out", unknown.sum(), len(names))
    result = tximport(
        [str(Path(path)) for path in quants],
        data_type="salmon",
        transcript_gene_map=mapping,
        counts_from_abundance=None,
        output_type="xarray",
    )
    summed = result["counts"].to_pandas()
    summed.index = result["gene_id"].to_numpy()
    return np.rint(summed.reindex(genes, fill_value=0.0).to_numpy().T).astype(np.int32)


def _without_version(names: pd.Series) -> pd.Series:
    """Reduce names of transcripts to the form in which pytximport compares them."""
    return names.str.split("|", n=1).str[0].str.split(".", n=1).str[0]
