"""RNA-seq libraries: expression profiles, stranded fragments of the person's own transcripts, 2 x 75 bp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from immunosep.simulate.catalogue import MITOCHONDRIAL_GENES, Y_GENES, members
from immunosep.simulate.effects import PERSON_SPREAD, Effects
from immunosep.simulate.fastq import reverse_complement, write_pair
from immunosep.simulate.genome import Genome
from immunosep.simulate.seeds import generator

READ_LENGTH = 75
FRAGMENTS = (150, 301)
QUALITY = ((37.0, 32.0), (36.0, 29.0))
GLOBIN_SHARE, GLOBIN_SHARE_FAILED = 0.08, 0.70
MITOCHONDRIAL_SHARE = 0.06
# Pairs from introns and intergenic DNA: they map to the decoy, not to a transcript.
GENOMIC_SHARE = 0.03
FAILED_PAIRS = 0.05
BASELINE_SPREAD = 0.75
BATCH_SPREAD = 0.15


def baseline(genome: Genome, seed: int) -> np.ndarray:
    """Draw the cohort's mean expression per gene (weights); sex genes and definers are well expressed."""
    rng = generator(seed, "baseline", "rna")
    weights = np.exp(rng.normal(0, BASELINE_SPREAD, len(genome.genes)))
    symbols = genome.genes["symbol"]
    visible = symbols.isin([*Y_GENES, *members("sex_X", "definers")]).to_numpy()
    weights[visible] = np.maximum(weights[visible], 1.2)
    weights[symbols.isin(["XIST", "RPS4Y1"])] = 3.0
    return weights


def expression(
    genome: Genome,
    weights: np.ndarray,
    effects: Effects,
    state: pd.Series,
    sex: str,
    batch: str,
    failed: bool,
    seed: int,
) -> np.ndarray:
    """Return the expected share of fragments per gene, summing to 1, for one library."""
    symbols = genome.genes["symbol"]
    own = generator(seed, "person", "rna", state["participant"]).normal(0, PERSON_SPREAD, len(weights))
    shift = generator(seed, "batch", "rna", batch).normal(0, BATCH_SPREAD, len(weights))
    share = weights * 2.0 ** (effects.shift(state) + own + shift)
    share[symbols.isin(Y_GENES if sex == "F" else ["XIST"]).to_numpy()] = 0.0
    globin = symbols.isin(members("globin")).to_numpy()
    mitochondrial = symbols.isin(MITOCHONDRIAL_GENES).to_numpy()
    wobble = generator(seed, "globin", str(state.name)).normal(0, 0.2)
    parts = {
        "globin": (globin, GLOBIN_SHARE_FAILED if failed else GLOBIN_SHARE * np.exp(wobble)),
        "mitochondrial": (mitochondrial, MITOCHONDRIAL_SHARE),
    }
    rest = ~(globin | mitochondrial)
    share[rest] *= (1 - sum(size for _, size in parts.values())) / share[rest].sum()
    for mask, size in parts.values():
        share[mask] *= size / share[mask].sum()
    return share


def draw_fragments(
    genome: Genome, share: np.ndarray, pairs: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw fragments: gene, first base (index in `Genome.positions`) and length, in random order."""
    gene_of = genome.transcripts["gene"].to_numpy()
    first_of_gene = ~genome.transcripts["gene"].duplicated().to_numpy()
    isoforms = np.bincount(gene_of)
    # The main isoform takes 70 % where there are two.
    within = np.where(isoforms[gene_of] == 1, 1.0, np.where(first_of_gene, 0.7, 0.3))
    counts = rng.multinomial(pairs, share[gene_of] * within / (share[gene_of] * within).sum())
    transcript = rng.permutation(np.repeat(np.arange(len(gene_of)), counts))
    length = genome.transcripts["length"].to_numpy()[transcript]
    size = np.minimum(rng.integers(*FRAGMENTS, pairs), length)
    start = (rng.random(pairs) * (length - size + 1)).astype(np.int64)
    return gene_of[transcript], genome.transcripts["first"].to_numpy()[transcript] + start, size


def write_library(
    genome: Genome,
    haplotypes: np.ndarray,
    share: np.ndarray,
    pairs: int,
    files: list[tuple[Path, Path]],
    name: str,
    seed: int,
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Simulate and write one library; return fragments per gene and the files' digests.

    Read 1 is antisense and read 2 sense to the transcript (salmon's ISR).
    """
    rng = generator(seed, "reads", "rna", name)
    genomic = rng.binomial(pairs, GENOMIC_SHARE)
    gene, start, size = draw_fragments(genome, share, pairs - genomic, rng)
    spliced = np.stack([genome.transcript_bases(copy) for copy in haplotypes])
    copy = rng.integers(0, 2, len(start))[:, None]
    cycle = np.arange(READ_LENGTH)
    left = spliced[copy, start[:, None] + cycle]
    right = reverse_complement(spliced[copy, (start + size - READ_LENGTH)[:, None] + cycle])
    at = rng.integers(0, genome.bases.size - FRAGMENTS[1], genomic)
    far = at + rng.integers(*FRAGMENTS, genomic) - READ_LENGTH
    left = np.concatenate([left, haplotypes[0][at[:, None] + cycle]])
    right = np.concatenate([right, reverse_complement(haplotypes[0][far[:, None] + cycle])])
    order = rng.permutation(pairs)
    digests = write_pair(files, name, (right[order], left[order]), rng, QUALITY)
    return np.bincount(gene, minlength=len(genome.genes)), digests
