"""From template bases to gzipped FASTQ, whole libraries at a time as byte arrays."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np

BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
_COMPLEMENT = np.arange(256, dtype=np.uint8)
_COMPLEMENT[np.frombuffer(b"ACGTN", dtype=np.uint8)] = np.frombuffer(b"TGCAN", dtype=np.uint8)
_ERROR_RATE = (10 ** (-np.arange(64) / 10)).astype(np.float32)
_PHRED_OFFSET = 33
_COMPRESSION = 1
# The base after each base in the cycle A C G T; a substitution moves one, two or three steps.
_CODE = np.zeros(256, dtype=np.uint8)
_CODE[BASES] = np.arange(4)


def text_to_bases(text: str) -> np.ndarray:
    """Return the ASCII bytes of a sequence, shape (length,)."""
    return np.frombuffer(text.encode(), dtype=np.uint8)


def complement(bases: np.ndarray) -> np.ndarray:
    """Complement bases elementwise, without reversing."""
    return _COMPLEMENT[bases]


def reverse_complement(bases: np.ndarray) -> np.ndarray:
    """Reverse-complement along the last axis."""
    return _COMPLEMENT[bases[..., ::-1]]


def draw_bases(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw uniformly random bases."""
    return BASES[rng.integers(0, 4, size)]


def substitute(bases: np.ndarray, where: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace the bases at a mask by another base, each of the three others equally likely."""
    bases = bases.copy()
    count = int(where.sum())
    bases[where] = BASES[(_CODE[bases[where]] + rng.integers(1, 4, count)) % 4]
    return bases


def sequence(
    templates: np.ndarray, rng: np.random.Generator, quality: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Sequence templates: draw qualities, then substitute bases as often as the qualities say.

    Parameters
    ----------
    templates
        Bases, shape (reads, cycles).
    quality
        Mean Phred score of the first and of the last cycle.

    Returns
    -------
    bases, qualities
        Both (reads, cycles) uint8; qualities as Phred scores 2 to 41.
    """
    reads, cycles = templates.shape
    profile = np.linspace(*quality, cycles, dtype=np.float32)
    scores = profile + rng.normal(0, 1.2, (reads, 1)).astype(np.float32)
    scores = np.clip(
        np.rint(scores).astype(np.int16) + rng.integers(-3, 3, (reads, cycles), dtype=np.int16), 2, 41
    ).astype(np.uint8)
    wrong = rng.random((reads, cycles), dtype=np.float32) < _ERROR_RATE[scores]
    return substitute(templates, wrong, rng), scores


def format_fastq(name: str, bases: np.ndarray, scores: np.ndarray, mate: int, first: int = 0) -> bytes:
    """Format reads as FASTQ text; reads are numbered from `first`, so mates share a name."""
    reads, _ = bases.shape
    digits = 8
    powers = 10 ** np.arange(digits - 1, -1, -1)
    number = (((first + np.arange(reads))[:, None] // powers) % 10 + ord("0")).astype(np.uint8)

    def column(text: str) -> np.ndarray:
        return np.broadcast_to(text_to_bases(text), (reads, len(text)))

    parts = [
        column(f"@{name}:"),
        number,
        column(f" {mate}:N:0:1\n"),
        bases,
        column("\n+\n"),
        scores + np.uint8(_PHRED_OFFSET),
        column("\n"),
    ]
    return np.concatenate(parts, axis=1).tobytes()


def write_gzip(path: Path, content: bytes) -> str:
    """Write gzip without name or time, so that equal content gives equal bytes; return the file's SHA-256."""
    packed = gzip.compress(content, compresslevel=_COMPRESSION, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed)
    return hashlib.sha256(packed).hexdigest()


def write_pair(
    files: list[tuple[Path, Path]],
    name: str,
    mates: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    quality: tuple[tuple[float, float], tuple[float, float]],
) -> list[tuple[str, str]]:
    """Sequence both mates of a library and write them, split over its lanes.

    Parameters
    ----------
    files
        Read 1 and read 2 file per lane; the library's pairs are divided over the lanes in equal parts.
    mates
        Templates of read 1 and read 2, each (pairs, cycles), in random order.
    quality
        First- and last-cycle mean Phred score, per mate.

    Returns
    -------
    list of (str, str)
        SHA-256 of the two files of each lane.
    """
    sequenced = [sequence(mate, rng, span) for mate, span in zip(mates, quality, strict=True)]
    bounds = np.linspace(0, len(mates[0]), len(files) + 1).astype(int)
    digests = []
    for lane, pair in enumerate(files):
        part = slice(bounds[lane], bounds[lane + 1])
        first, second = (
            write_gzip(path, format_fastq(f"{name}:{lane + 1}", bases[part], scores[part], mate + 1, bounds[lane]))
            for mate, (path, (bases, scores)) in enumerate(zip(pair, sequenced, strict=True))
        )
        digests.append((first, second))
    return digests
