"""Fragment files: reading, complexity of the library, lengths, cut sites."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from immunosep.atac.files import read_columns
from immunosep.io import PathLike

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fragments:
    """Fragments of one library on one chromosome.

    Attributes
    ----------
    start, end
        Shape (n,), 0-based, half-open, shifted to the centre of Tn5's cut; sorted by start.
    support
        Shape (n,). Read pairs seen at each fragment, duplicates included.
    """

    start: IntArray
    end: IntArray
    support: IntArray

    def cut_sites(self) -> IntArray:
        """Return the sorted positions of both cut sites of every fragment: its first and its last base."""
        return np.sort(np.concatenate([self.start, self.end - 1]))


class Complexity(NamedTuple):
    """ENCODE's measures of library complexity."""

    nrf: float
    pbc1: float
    pbc2: float


def read_fragments(path: PathLike) -> dict[str, Fragments]:
    """Read a fragment file: chromosome, start, end, library, read pairs.

    Parameters
    ----------
    path
        bgzip or plain, sorted by chromosome and start.

    Returns
    -------
    dict
        By chromosome. Empty for a file without fragments.
    """
    columns = {"chrom": (0, "category"), "start": (1, "int64"), "end": (2, "int64"), "support": (4, "int64")}
    table = read_columns(path, columns)
    return {
        str(chrom): Fragments(*(part[column].to_numpy() for column in ("start", "end", "support")))
        for chrom, part in table.groupby("chrom", observed=True)
    }


def complexity(support: IntArray) -> Complexity:
    """Compute non-redundant fraction and PCR bottleneck coefficients.

    Parameters
    ----------
    support
        Read pairs at each distinct place, duplicates included, after all other filters.

    Returns
    -------
    Complexity
        nrf: distinct places / pairs; pbc1: places with one pair / distinct places; pbc2: places with one pair / places
        with two (taken as one where there are none). NaN without fragments.

    References
    ----------
    ENCODE data standards, ATAC-seq.
    """
    if len(support) == 0:
        return Complexity(float("nan"), float("nan"), float("nan"))
    once = int((support == 1).sum())
    twice = int((support == 2).sum())
    return Complexity(len(support) / int(support.sum()), once / len(support), once / max(twice, 1))


def length_profile(fragments: Mapping[str, Fragments], longest: int) -> IntArray:
    """Count distinct fragments by length before the Tn5 shift; shape (longest + 1,), index = length in bp."""
    profile = np.zeros(longest + 1, dtype=np.int64)
    for part in fragments.values():
        profile += np.bincount(np.minimum(part.end - part.start + 9, longest), minlength=longest + 1)
    return profile
