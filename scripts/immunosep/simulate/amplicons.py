"""16S V4 amplicons: reference sequences of the genera, body-site communities, blanks, a mock, 2 x 250 bp reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunosep.simulate.catalogue import BODY_SITE_ORDER, CONTAMINANTS, GENERA, MOCK
from immunosep.simulate.effects import Effects
from immunosep.simulate.fastq import draw_bases, reverse_complement, substitute, text_to_bases, write_gzip, write_pair
from immunosep.simulate.genome import fasta
from immunosep.simulate.seeds import generator

FORWARD_PRIMER = "GTGYCAGCMGCCGCGGTAA"  # 515F, Parada 2016
REVERSE_PRIMER = "GGACTACNVGGGTWTCTAAT"  # 806R, Apprill 2015
IUPAC = {"A": "A", "C": "C", "G": "G", "T": "T", "Y": "CT", "M": "AC", "N": "ACGT", "V": "ACG", "W": "AT"}
INSERT, FLANK = 253, 110
READ_LENGTH = 250
QUALITY = ((37.5, 32.0), (37.0, 28.0))
DIVERGENCE = 0.13
VARIANT_SITES = 5
SECOND_VARIANT_EVERY = 2
SECOND_VARIANT_SHARE = 0.35
CHIMERA_SHARE, HOST_SHARE = 0.01, {"nares": 0.08, "oral": 0.03, "rectum": 0.02, "": 0.0}
# Precision of the Dirichlet around a community's mean: people differ much.
PERSON_SPREAD = 0.45
FAILED_PAIRS, BLANK_PAIRS = 0.04, 0.05
HOST_LENGTH = 20_000


@dataclass
class Reference:
    """16S sequences: `variants` (`genus`, `share` within the genus), `inserts` (variants, 253), `host` bases."""

    variants: pd.DataFrame
    inserts: np.ndarray
    flanks: tuple[np.ndarray, np.ndarray]
    host: np.ndarray


def build_reference(seed: int) -> Reference:
    """Derive the V4 inserts of all genera from one ancestor; every second genus has two variants."""
    rng = generator(seed, "16s")
    ancestor = draw_bases(rng, INSERT)
    rows, inserts = [], []
    for number, genus in enumerate(GENERA):
        own = substitute(ancestor, rng.random(INSERT) < DIVERGENCE, rng)
        two = number % SECOND_VARIANT_EVERY == 0
        rows.append((genus, 1 - SECOND_VARIANT_SHARE if two else 1.0))
        inserts.append(own)
        if two:
            where = np.zeros(INSERT, dtype=bool)
            where[rng.choice(INSERT, VARIANT_SITES, replace=False)] = True
            rows.append((genus, SECOND_VARIANT_SHARE))
            inserts.append(substitute(own, where, rng))
    flanks = (draw_bases(rng, FLANK), draw_bases(rng, FLANK))
    return Reference(
        pd.DataFrame(rows, columns=["genus", "share"]), np.array(inserts), flanks, draw_bases(rng, HOST_LENGTH)
    )


def resolve(primer: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Synthesize a degenerate primer: each molecule carries one of the allowed bases at each position."""
    columns = [text_to_bases(IUPAC[code])[rng.integers(0, len(IUPAC[code]), count)] for code in primer]
    return np.stack(columns, axis=1)


def write_references(reference: Reference, folder: Path, seed: int) -> None:
    """Write the training FASTA (ranks joined by ``;``, as DADA2 reads it) and the host FASTA."""
    rng = generator(seed, "16s", "sites")
    forward = resolve(FORWARD_PRIMER, 1, rng)[0]
    reverse = reverse_complement(resolve(REVERSE_PRIMER, 1, rng)[0])
    sequences = []
    for genus, insert in zip(reference.variants["genus"], reference.inserts, strict=True):
        ranks = ("Bacteria", *GENERA[genus][0], genus)
        flank = [substitute(side, rng.random(FLANK) < DIVERGENCE / 2, rng) for side in reference.flanks]
        sequences.append((";".join(ranks) + ";", np.concatenate([flank[0], forward, insert, reverse, flank[1]])))
    write_gzip(folder / "taxonomy_16s.fa.gz", fasta(sequences))
    write_gzip(folder / "host.fa.gz", fasta([("host_decoy_1", reference.host)]))


def community(record: dict[str, Any], effects: dict[str, Effects], states: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the genus fractions (summing to 1, order of the catalogue) of the material in one 16S library."""
    genera = list(GENERA)
    if record["sample_type"] == "positive_control":
        return np.isin(genera, MOCK) / len(MOCK)
    if record["sample_type"] == "negative_control":
        rng = generator(seed, "blank", record["library"])
        return np.isin(genera, CONTAMINANTS) * rng.dirichlet(np.ones(len(genera)) * 3)
    site = record["specimen"]
    mean = np.array([share[BODY_SITE_ORDER.index(site)] for _, share in GENERA.values()], dtype=float)
    state = states.loc[record["observation"]]
    own = generator(seed, "person", "microbiome", site, record["participant"]).normal(0, PERSON_SPREAD, len(genera))
    fraction = mean * 2.0 ** (effects[site].shift(state) + own)
    return fraction / fraction.sum()


def add_chimeras(insert: np.ndarray, parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace a few inserts by one chimera of the two most abundant templates, as an early PCR cycle makes them."""
    breakpoint_ = rng.integers(60, INSERT - 60)
    chimera = np.where(np.arange(INSERT) < breakpoint_, parents[0], parents[1])
    return np.where(rng.random(len(insert))[:, None] < CHIMERA_SHARE, chimera, insert)


def write_library(
    reference: Reference,
    fractions: np.ndarray,
    specimen: str,
    pairs: int,
    files: list[tuple[Path, Path]],
    name: str,
    seed: int,
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Simulate and write one 16S library; return bacterial pairs per genus and the files' digests.

    Host DNA carries no primer sites.
    """
    rng = generator(seed, "reads", "16s", name)
    host = rng.binomial(pairs, HOST_SHARE[specimen])
    count = pairs - host
    genera = list(GENERA)
    weight = (
        reference.variants["genus"].map(dict(zip(genera, fractions, strict=True))).to_numpy()
        * reference.variants["share"]
    )
    weight = weight.to_numpy() / weight.sum()
    variant = rng.choice(len(weight), count, p=weight)
    insert = add_chimeras(reference.inserts[variant], reference.inserts[np.argsort(-weight, kind="stable")[:2]], rng)
    molecule = np.concatenate(
        [resolve(FORWARD_PRIMER, count, rng), insert, reverse_complement(resolve(REVERSE_PRIMER, count, rng))], axis=1
    )
    at = rng.integers(0, HOST_LENGTH - 2 * READ_LENGTH, host)[:, None]
    cycle = np.arange(READ_LENGTH)
    first = np.concatenate([molecule[:, :READ_LENGTH], reference.host[at + cycle]])
    second = np.concatenate(
        [
            reverse_complement(molecule)[:, :READ_LENGTH],
            reverse_complement(reference.host[at + READ_LENGTH // 2 + cycle]),
        ]
    )
    order = rng.permutation(pairs)
    digests = write_pair(files, name, (first[order], second[order]), rng, QUALITY)
    row = {genus: k for k, genus in enumerate(genera)}
    return np.bincount(reference.variants["genus"].map(row).to_numpy()[variant], minlength=len(genera)), digests
