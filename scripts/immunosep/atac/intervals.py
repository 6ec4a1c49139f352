"""Interval arithmetic on sorted arrays: positions are 0-based, intervals half-open, one chromosome at a time."""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def merge_intervals(start: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
    """Join intervals that overlap or touch.

    Parameters
    ----------
    start, end
        Shape (n,), in any order.

    Returns
    -------
    start, end : numpy.ndarray
        Sorted, disjoint.
    """
    if len(start) == 0:
        return start, end
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    opens = np.concatenate([[True], start[1:] > reach[:-1]])
    return start[opens], reach[np.concatenate([np.flatnonzero(opens)[1:] - 1, [len(start) - 1]])]


def locate(positions: IntArray, start: IntArray, end: IntArray) -> IntArray:
    """Find the interval that holds each position.

    Parameters
    ----------
    positions
        Shape (m,), in any order.
    start, end
        Sorted, disjoint intervals.

    Returns
    -------
    numpy.ndarray
        Shape (m,): index of the interval, -1 where there is none.
    """
    index = np.searchsorted(start, positions, side="right") - 1
    if len(start) == 0:
        return index
    return np.where((index >= 0) & (positions < end[index]), index, -1)


def inside(positions: IntArray, start: IntArray, end: IntArray) -> BoolArray:
    """Tell which positions lie in sorted, disjoint intervals."""
    return locate(positions, start, end) >= 0


def overlaps(start: IntArray, end: IntArray, other_start: IntArray, other_end: IntArray) -> BoolArray:
    """Tell which intervals overlap any of the other, sorted and disjoint, intervals by at least one base."""
    before_end = np.searchsorted(other_start, end, side="left")
    ended = np.searchsorted(other_end, start, side="right")
    return before_end > ended
