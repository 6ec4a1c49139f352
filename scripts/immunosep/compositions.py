"""Arithmetic of compositions: parts of a whole, where only ratios carry information."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def clr(counts: npt.ArrayLike, pseudocount: float, reference: npt.NDArray[np.bool_] | None = None) -> Matrix:
    """Centred log-ratio of each row: log of the part over the geometric mean of the row.

    Parameters
    ----------
    counts
        Non-negative counts, samples x parts.
    pseudocount
        Added to every count, zero or not, because a zero has no logarithm. Counts, not fractions.
    reference
        Parts whose geometric mean is the denominator, at least one; None: all. A row depends on no other row, but it
        does depend on this set: it must be the same for all samples that are compared.

    Returns
    -------
    numpy.ndarray
        Natural logarithms, samples x parts; each row sums to 0 over the reference.

    Raises
    ------
    ValueError
        When a count is negative or missing, the pseudocount is not above 0, or the reference is empty.

    References
    ----------
    Aitchison 1982, J R Stat Soc B 44:139.
    """
    values = np.asarray(counts, dtype=np.float64)
    if pseudocount <= 0:
        raise ValueError(f"pseudocount is {pseudocount}; it must be above 0")
    if not np.all(values >= 0):
        raise ValueError("counts hold a negative or missing value")
    if reference is not None and not reference.any():
        raise ValueError("no part is left as the reference")
    logs = np.log(values + pseudocount)
    centre = logs if reference is None else logs[..., reference]
    return np.asarray(logs - centre.mean(axis=-1, keepdims=True))


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
