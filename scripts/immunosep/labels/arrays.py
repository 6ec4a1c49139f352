"""What the label rules share: array types, the values that stand for 'missing' and 'never', flags.

Time is the trial day: day 1 is the day of randomisation and first dose, day 0 is screening, and a `death_day` of d
means that the participant died on day d. Scores are held as integers with `MISSING` for a gap, so that the published
cut of 1.4 points is compared without rounding; concentrations are floats with NaN for a gap.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]

MISSING = -1
NEVER = 1_000_000
"""Stands for 'this did not happen' in arrays of days."""
TIE = 1e-12
"""Two products of doubles that are equal on paper differ by a few units in the last place; measurements do not."""


def flags(truth: BoolArray, known: BoolArray) -> TextArray:
    """Spell a truth value as `yes`, `no`, or the empty text where it is not known."""
    return np.where(known, np.where(truth, "yes", "no"), "").astype(object)


def texts(values: npt.ArrayLike) -> TextArray:
    """Hold texts as objects, which pandas writes as they are."""
    return np.asarray(values, dtype=object)
