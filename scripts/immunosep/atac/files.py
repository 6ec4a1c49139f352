"""Readers of the small interval files of the layer. A file without rows is a valid file."""

import pandas as pd

from immunosep.io import PathLike


def read_bed(path: PathLike) -> pd.DataFrame:
    """Read the first three columns of a BED-like file: chrom, start, end."""
    return read_columns(path, {"chrom": (0, "str"), "start": (1, "int64"), "end": (2, "int64")})


def read_summits(path: PathLike) -> pd.DataFrame:
    """Read the summits of a narrowPeak file.

    Returns
    -------
    pandas.DataFrame
        Columns chrom, summit (0-based), score (-log10 of the p value, column 8).
    """
    columns = {"chrom": (0, "str"), "start": (1, "int64"), "score": (7, "float64"), "offset": (9, "int64")}
    table = read_columns(path, columns)
    return table.assign(summit=table["start"] + table["offset"])[["chrom", "summit", "score"]]


def read_lengths(path: PathLike) -> pd.Series:
    """Read the length of each chromosome from a FASTA index."""
    return read_columns(path, {"chrom": (0, "str"), "length": (1, "int64")}).set_index("chrom")["length"]


def read_idxstats(path: PathLike) -> pd.DataFrame:
    """Read `samtools idxstats`: mapped and unmapped reads by chromosome."""
    return read_columns(path, {"chrom": (0, "str"), "mapped": (2, "int64"), "unmapped": (3, "int64")}).set_index(
        "chrom"
    )


def read_columns(path: PathLike, columns: dict[str, tuple[int, str]]) -> pd.DataFrame:
    """Read some columns of a headerless table.

    Parameters
    ----------
    path
        Tab-separated, plain or compressed by its suffix; may be empty.
    columns
        Position (from 0, ascending) and type of each column, by the name it gets.
    """
    positions = [position for position, _ in columns.values()]
    types = {name: kind for name, (_, kind) in columns.items()}
    try:
        return pd.read_csv(path, sep="\t", header=None, usecols=positions, names=list(columns), dtype=types)
    except pd.errors.EmptyDataError:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
