"""Random streams: one independent generator per named purpose, all derived from the user's one seed."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return the random generator of one purpose.

    Streams are keyed by name, so that adding a library or a layer leaves the numbers of all others as they were.

    Parameters
    ----------
    seed
        The cohort's seed.
    *purpose
        Names that identify the stream, for example ``"rna", "GR03-012345678-D01-rna"``.
    """
    text = "\x1f".join((str(int(seed)), *purpose))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
