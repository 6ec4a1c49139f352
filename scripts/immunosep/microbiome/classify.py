"""Naive Bayesian taxonomy of 16S sequences (Wang et al. 2007), reproducible to the byte.

The method is that of the RDP classifier and of DADA2's ``assignTaxonomy``. DADA2's own function breaks ties between
taxa with numbers from the operating system, which no seed governs: two runs give different bootstrap values and, near
the threshold, different taxa. Here each sequence draws from a generator of its own, seeded by the run's seed and the
sequence: its taxonomy depends on nothing else, neither on threads nor on the other sequences of the cohort.
"""

import gzip
import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.errors import InputError
from immunosep.io import PathLike, read_table, write_table
from immunosep.microbiome.taxonomy import RANKS

logger = logging.getLogger(__name__)

WORD = 8
N_WORDS = 4**WORD
BOOTSTRAPS = 100
# Scores closer than this are a tie; far below the effect of one word, far above rounding.
TIE = 1e-6
# Reference sequences whose words are counted at a time: bounds memory to some hundred megabytes.
CHUNK = 5000
SHORTEST = 50

# Two bits per base; anything else is no base and spoils the words it is part of.
_CODES = np.full(256, 255, dtype=np.uint8)
_CODES[np.frombuffer(b"ACGTUacgtu", dtype=np.uint8)] = [0, 1, 2, 3, 3, 0, 1, 2, 3, 3]

Words = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Classifier:
    """Word probabilities of the taxa of a reference.

    Attributes
    ----------
    lineages
        Taxa x ranks, text, sorted; empty below the lowest rank that the reference gives.
    log_probability
        Words x taxa, float32: log of the probability that a sequence of the taxon holds the word.
    """

    lineages: npt.NDArray[np.object_]
    log_probability: npt.NDArray[np.float32]


def words_of(sequences: Sequence[str]) -> tuple[Words, Words]:
    """List the distinct 8-letter words of each sequence.

    Parameters
    ----------
    sequences
        DNA or RNA text, any case. Words with other letters are left out.

    Returns
    -------
    owner, word
        Index of the sequence and code of the word (0 to 65,535), sorted by both, each pair once.
    """
    joined = "\n".join(sequences).encode("ascii", errors="replace")
    codes = _CODES[np.frombuffer(joined, dtype=np.uint8)]
    n = len(codes) - WORD + 1
    if n <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    word, valid = np.zeros(n, dtype=np.int64), np.ones(n, dtype=bool)
    for offset in range(WORD):
        letters = codes[offset : offset + n]
        valid &= letters < 4
        word = word * 4 + letters
    lengths = np.fromiter((len(sequence) + 1 for sequence in sequences), dtype=np.int64, count=len(sequences))
    owner = np.repeat(np.arange(len(sequences)), lengths)[:n]
    pairs = np.unique(owner[valid] * N_WORDS + word[valid])
    return pairs // N_WORDS, pairs % N_WORDS


def fit_classifier(lineages: Sequence[Sequence[str]], sequences: Sequence[str]) -> Classifier:
    """Count the words of a reference.

    Parameters
    ----------
    lineages
        Ranks of each reference sequence from kingdom down, at most `RANKS` many.
    sequences
        Reference sequences.

    Returns
    -------
    Classifier
        With ``P(word) = (n + 0.5) / (N + 1)`` over all N sequences and ``P(word | taxon) = (m + P(word)) / (M + 1)``
        over the M sequences of the taxon (Wang et al. 2007, doi 10.1128/AEM.00062-07).
    """
    padded = [tuple(lineage) + ("",) * (len(RANKS) - len(lineage)) for lineage in lineages]
    taxa = sorted(set(padded))
    index = {lineage: i for i, lineage in enumerate(taxa)}
    taxon = np.array([index[lineage] for lineage in padded], dtype=np.int64)
    counts = np.zeros((N_WORDS, len(taxa)), dtype=np.float32)
    for start in range(0, len(sequences), CHUNK):
        owner, word = words_of(sequences[start : start + CHUNK])
        np.add.at(counts, (word, taxon[start : start + CHUNK][owner]), 1)
    prior = (counts.sum(axis=1, dtype=np.float64) + 0.5) / (len(sequences) + 1)
    sizes = np.bincount(taxon, minlength=len(taxa))
    counts += prior[:, None].astype(np.float32)
    counts /= (sizes + 1).astype(np.float32)
    np.log(counts, out=counts)
    return Classifier(np.array(taxa, dtype=object).reshape(len(taxa), len(RANKS)), counts)


def classify(model: Classifier, sequence: str, seed: int) -> tuple[list[str], list[float]]:
    """Assign one sequence.

    Parameters
    ----------
    model
        See `fit_classifier`.
    sequence
        In the orientation of the reference.
    seed
        Seed of the run.

    Returns
    -------
    lineage, support
        Rank by rank: the best taxon and the percentage of 100 bootstraps (an eighth of the words, with replacement)
        that agree down to this rank. Empty and 0 for a sequence below 50 bases.
    """
    _, words = words_of([sequence])
    if len(sequence) < SHORTEST or len(words) == 0:
        return [""] * len(RANKS), [0.0] * len(RANKS)
    digest = hashlib.sha256(sequence.upper().encode()).digest()
    random = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    table = model.log_probability[words].astype(np.float64)
    draws = random.integers(len(words), size=(BOOTSTRAPS, max(1, len(words) // WORD)))
    weights = np.zeros((BOOTSTRAPS + 1, len(words)))
    weights[0] = 1
    np.add.at(weights[1:], (np.arange(BOOTSTRAPS)[:, None], draws), 1)
    scores = weights @ table
    tied = scores >= scores.max(axis=1, keepdims=True) - TIE
    winners = np.where(tied, random.random(scores.shape), -1.0).argmax(axis=1)
    best, others = model.lineages[winners[0]], model.lineages[winners[1:]]
    agrees = np.logical_and.accumulate(others == best, axis=1)
    return list(best), list(100.0 * agrees.mean(axis=0))


def assign_taxonomy(model: Classifier, sequences: Sequence[str], *, min_boot: float, seed: int) -> pd.DataFrame:
    """Assign sequences down to the lowest rank with enough support.

    Parameters
    ----------
    model
        See `fit_classifier`.
    sequences
        In the orientation of the reference.
    min_boot
        Lowest support (percent) at which a rank is named.
    seed
        Seed of the run.

    Returns
    -------
    pandas.DataFrame
        sequence and the ranks, empty where not assigned; ``support``: percentage at the lowest rank assigned.
    """
    rows = []
    for sequence in sequences:
        lineage, support = classify(model, sequence, seed)
        depth = sum(name != "" and value >= min_boot for name, value in zip(lineage, support, strict=True))
        lowest = support[depth - 1] if depth else support[0]
        rows.append((sequence, *lineage[:depth], *[""] * (len(RANKS) - depth), lowest))
    return pd.DataFrame(rows, columns=["sequence", *RANKS, "support"])


def read_reference(path: PathLike) -> tuple[list[list[str]], list[str]]:
    """Read a DADA2 training FASTA: the header is the lineage, its ranks joined by ``;``.

    Parameters
    ----------
    path
        FASTA, plain or gzip.

    Returns
    -------
    lineages, sequences
        In the order of the file.

    Raises
    ------
    InputError
        When the file holds no sequence, or a header is no lineage.
    """
    lineages, sequences = [], []
    for header, sequence in _read_fasta(path):
        ranks = [name.strip() for name in header.strip().removesuffix(";").split(";")]
        if not ranks[0] or len(ranks) > len(RANKS):
            raise InputError(
                f"{path}: header {header[:60]!r} is no lineage of 1 to {len(RANKS)} ranks joined by ';'. "
                "Use a training FASTA made for DADA2's assignTaxonomy (reference: taxonomy_16s)"
            )
        lineages.append(ranks)
        sequences.append(sequence)
    if not sequences:
        raise InputError(f"{path}: holds no sequence (reference: taxonomy_16s)")
    logger.info("%d reference sequences", len(sequences))
    return lineages, sequences


def _read_fasta(path: PathLike) -> Iterator[tuple[str, str]]:
    opener = gzip.open if str(path).endswith(".gz") else open
    header: str | None = None
    parts: list[str] = []
    with opener(path, "rt", encoding="utf-8") as handle:
        for line in handle:
            if line.startswith(">"):
                if header is not None:
                    yield header, "".join(parts)
                header, parts = line[1:].rstrip("\n"), []
            else:
                parts.append(line.strip())
    if header is not None:
        yield header, "".join(parts)


def write_taxonomy(
    *, sequences_path: PathLike, reference_path: PathLike, min_boot: float, seed: int, taxonomy_path: PathLike
) -> None:
    """Assign the sequences that are no chimeras; chimeras keep a row without taxonomy.

    Parameters
    ----------
    sequences_path
        Table: sequence, chimera (yes|no).
    reference_path
        See `read_reference`.
    min_boot, seed
        See `assign_taxonomy`.
    taxonomy_path
        Target: sequence, chimera, the ranks, support.
    """
    sequences = read_table(sequences_path)
    model = fit_classifier(*read_reference(reference_path))
    genuine = sequences.loc[sequences["chimera"] == "no", "sequence"]
    taxa = assign_taxonomy(model, list(genuine), min_boot=min_boot, seed=seed)
    write_table(sequences.merge(taxa, on="sequence", how="left", validate="one_to_one"), taxonomy_path)
