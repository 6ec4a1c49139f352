"""Arithmetic of compositions: parts of a whole, where only ratios carry information."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def clr(counts: npt.ArrayLike, pseudocount: float) -> Matrix:
    """Centred log-ratio of each row: log of the part over the geometric mean of the row.

    Parameters
    ----------
    counts
        Non-negative counts, samples x parts.
    pseudocount
        Added to every count, zero or not, because a zero has no logarithm. Counts, not fractions.

    Returns
    -------
    numpy.ndarray
        Natural logarithms, samples x parts; each row sums to 0.

    Raises
    ------
    ValueError
        When a count is negative or missing, or the pseudocount is not above 0.

    References
    ----------
    Aitchison 1982, J R Stat Soc B 44:139.
    """
    values = np.asarray(counts, dtype=np.float64)
    if pseudocount <= 0:
        raise ValueError(f"pseudocount is {pseudocount}; it must be above 0")
    if not np.all(values >= 0):
        raise ValueError("counts hold a negative or missing value")
    logs = np.log(values + pseudocount)
    return logs - logs.mean(axis=-1, keepdims=True)


def closure(counts: npt.ArrayLike) -> Matrix:
    """Divide each row by its sum; a row without counts stays 0.

    Parameters
    ----------
    counts
        Non-negative counts, samples x parts.

    Returns
    -------
    numpy.ndarray
        Fractions, samples x parts.
    """
    values = np.asarray(counts, dtype=np.float64)
    totals = values.sum(axis=-1, keepdims=True)
    return np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)


def bray_curtis(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Bray-Curtis dissimilarity of two compositions: 0 the same, 1 nothing in common.

    Parameters
    ----------
    first, second
        Counts or fractions of the same parts in the same order; each is closed to 1 first.

    Returns
    -------
    float
        NaN when either has no counts at all.
    """
    a, b = closure(first), closure(second)
    if a.sum() == 0 or b.sum() == 0:
        return float("nan")
    return float(np.abs(a - b).sum() / 2)
