"""ATAC-seq libraries: Tn5 fragments from planted regions and background, duplicates, chrM, adapter read-through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from immunosep.simulate.effects import PERSON_SPREAD, Effects
from immunosep.simulate.fastq import complement, text_to_bases, write_pair
from immunosep.simulate.genome import Genome
from immunosep.simulate.seeds import generator

READ_LENGTH = 50
QUALITY = ((37.0, 34.0), (37.0, 33.0))
ADAPTERS = (
    "CTGTCTCTTATACACATCTCCGAGCCCACGAGACTTCTGCCTATCTCGTATGC",
    "CTGTCTCTTATACACATCTGACGCTGCCGACGAGTGTAGATCTCGGTGGTCGCC",
)
MITOCHONDRIAL_SHARE, BLACKLIST_SHARE, DUPLICATE_SHARE = 0.10, 0.01, 0.07
PEAK_SHARE = (0.38, 0.46)
# Nucleosome-free, mono- and di-nucleosomal: share in regions, mean and SD of length, SD of the centre.
SIZES = ((0.62, 65, 18, 45), (0.28, 200, 20, 60), (0.10, 400, 30, 40))
SHORTEST, LONGEST = 36, 600
BASELINE_SPREAD = 0.3
# The two cuts of one transposase lie nine bases apart; sequenced ends reach over both.
TN5_LEFT, TN5_RIGHT = 4, 5


def baseline(genome: Genome, seed: int) -> np.ndarray:
    """Draw the cohort's mean accessibility per region (weights)."""
    return np.exp(generator(seed, "baseline", "atac").normal(0, BASELINE_SPREAD, len(genome.regions)))


def copies(chrom: pd.Series, sex: str) -> np.ndarray:
    """Return chromosome copies relative to an autosome's two."""
    table = {"chrX": 1.0 if sex == "F" else 0.5, "chrY": 0.0 if sex == "F" else 0.5}
    return chrom.map(table).fillna(1.0).to_numpy()


def accessibility(
    genome: Genome, weights: np.ndarray, effects: Effects, state: pd.Series, sex: str, seed: int
) -> np.ndarray:
    """Return the expected share of in-region fragments per region, summing to 1."""
    own = generator(seed, "person", "atac", state["participant"]).normal(0, PERSON_SPREAD, len(weights))
    share = weights * 2.0 ** (effects.shift(state) + own) * copies(genome.regions["chrom"], sex)
    return share / share.sum()


def draw_sizes(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw fragment lengths with a nucleosomal profile, and the spread of each fragment's centre."""
    classes = np.array(SIZES)
    kind = rng.choice(len(classes), count, p=classes[:, 0])
    size = rng.normal(classes[kind, 1], classes[kind, 2]).astype(np.int64)
    return np.clip(size, SHORTEST, LONGEST), classes[kind, 3]


def background_starts(genome: Genome, size: np.ndarray, sex: str, rng: np.random.Generator) -> np.ndarray:
    """Draw starts evenly over the nuclear chromosomes, by copy number, inside one chromosome each."""
    names = [name for name in genome.lengths if name != "chrM"]
    length = np.array([genome.lengths[name] for name in names])
    weight = length * copies(pd.Series(names), sex)
    chosen = rng.choice(len(names), len(size), p=weight / weight.sum())
    offset = np.array([genome.offsets[name] for name in names])
    return offset[chosen] + (rng.random(len(size)) * (length[chosen] - size)).astype(np.int64)


def draw_fragments(
    genome: Genome, share: np.ndarray, pairs: int, in_regions: float, sex: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw fragments as sequenced, [start, start + length) in the joined genome, duplicates included, shuffled."""
    duplicates = rng.binomial(pairs, DUPLICATE_SHARE)
    unique = pairs - duplicates
    size, spread = draw_sizes(rng, unique)
    kinds = rng.multinomial(
        unique,
        [in_regions, MITOCHONDRIAL_SHARE, BLACKLIST_SHARE, 1 - in_regions - MITOCHONDRIAL_SHARE - BLACKLIST_SHARE],
    )
    bound = np.cumsum(kinds)
    region = rng.choice(len(share), bound[0], p=share)
    centre = genome.regions["centre"].to_numpy()[region] + rng.normal(0, 1, bound[0]) * spread[: bound[0]]
    first = np.rint(centre - size[: bound[0]] / 2).astype(np.int64)
    # `first` is where the left transposase sits; the sequenced fragment reaches over both of its cuts.
    size[: bound[0]] += TN5_LEFT + TN5_RIGHT
    starts = [first - TN5_LEFT]
    length = genome.lengths["chrM"]
    starts.append(
        genome.offsets["chrM"] + (rng.random(kinds[1]) * (length - size[bound[0] : bound[1]])).astype(np.int64)
    )
    black = genome.blacklist()
    where = rng.integers(0, len(black), kinds[2])
    left = (black["start"] + black["chrom"].map(genome.offsets)).to_numpy()[where]
    room = (black["end"] - black["start"]).to_numpy()[where] - size[bound[1] : bound[2]]
    starts.append(left + (rng.random(kinds[2]) * room).astype(np.int64))
    starts.append(background_starts(genome, size[bound[2] :], sex, rng))
    start = np.concatenate(starts)
    again = rng.integers(0, unique, duplicates)
    order = rng.permutation(pairs)
    return np.r_[start, start[again]][order], np.r_[size, size[again]][order]


def read_through(
    bases: np.ndarray, start: np.ndarray, size: np.ndarray, copy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the templates of both mates; cycles beyond a short fragment read the Nextera adapter."""
    cycle = np.arange(READ_LENGTH)
    inside = np.minimum(cycle, size[:, None] - 1)
    beyond = np.maximum(cycle - size[:, None], 0)
    read = cycle < size[:, None]
    left = bases[copy[:, None], start[:, None] + inside]
    right = complement(bases[copy[:, None], (start + size - 1)[:, None] - inside])
    adapters = [text_to_bases(adapter)[beyond] for adapter in ADAPTERS]
    return np.where(read, left, adapters[0]), np.where(read, right, adapters[1])


def write_library(
    genome: Genome,
    haplotypes: np.ndarray,
    share: np.ndarray,
    pairs: int,
    sex: str,
    failed: bool,
    files: list[tuple[Path, Path]],
    name: str,
    seed: int,
) -> list[tuple[str, str]]:
    """Simulate and write one library; a failed one has background only. Return the files' digests."""
    rng = generator(seed, "reads", "atac", name)
    in_regions = 0.0 if failed else rng.uniform(*PEAK_SHARE)
    start, size = draw_fragments(genome, share, pairs, in_regions, sex, rng)
    # Molecules of either orientation: read 1 comes from the left end in one half.
    left, right = read_through(haplotypes, start, size, rng.integers(0, 2, pairs))
    swap = rng.random(pairs)[:, None] < 0.5
    return write_pair(files, name, oriented(left, right, size, swap), rng, QUALITY)


def oriented(left: np.ndarray, right: np.ndarray, size: np.ndarray, swap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exchange the mates of half of the molecules; the adapter past a short fragment stays that of the mate."""
    cycle = np.arange(READ_LENGTH)
    past = cycle >= size[:, None]
    first = np.where(past, left, np.where(swap, right, left))
    second = np.where(past, right, np.where(swap, left, right))
    return first, second
