"""The mini-genome: chromosomes, genes with exons, planted accessible regions, SNPs, and its reference files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunosep.simulate.catalogue import genes_by_chromosome
from immunosep.simulate.fastq import complement, draw_bases, write_gzip
from immunosep.simulate.frames import records
from immunosep.simulate.seeds import generator

# Every nuclear gene owns a slot; its TSS and its distal region keep 3 kb from those of the neighbours, so that the
# flanks of one TSS (2 kb) hold no other planted region.
SLOT = 8_000
TSS_OFFSET = 1_500
DISTAL_OFFSET = 4_800
DISTAL_JITTER = 400
CHROMOSOME_TAIL = 8_000
BLACKLISTED = (3_000, 4_500)
REGION_HALF_WIDTH = 150
MITOCHONDRIAL_TRANSCRIPT = 380
MITOCHONDRIAL_START = 100
MITOCHONDRION_LENGTH = 4_000
TSS_REGIONS, DISTAL_REGIONS = 170, 120
SNPS = 110
SNP_RANGE = (15, 170)
LINE = 60
NONCODING = frozenset({"XIST"})


@dataclass
class Genome:
    """The reference and what is planted in it; coordinates are 0-based, half-open.

    Attributes
    ----------
    lengths
        Chromosome lengths, in order.
    bases
        All chromosomes joined, ASCII, shape (total length,).
    genes
        `gene_id`, `symbol`, `chrom`, `strand`, `tss`.
    transcripts
        `transcript_id`, `gene` (row of `genes`), `first` and `length`: its slice of `positions`.
    exons
        `transcript` (row of `transcripts`), `number`, `start`, `end`.
    positions
        For each transcript base, in transcript order, its index in `bases`.
    reversed_bases
        True where the transcript base is the complement of the genome's.
    regions
        Planted accessible regions: `chrom`, `start`, `end`, `name`, `centre` (index in `bases`).
    snps
        `chrom`, `position`, `index` (in `bases`), `ref`, `alt`, `symbol`, `frequency`.
    """

    lengths: dict[str, int]
    bases: np.ndarray
    genes: pd.DataFrame
    transcripts: pd.DataFrame
    exons: pd.DataFrame
    positions: np.ndarray
    reversed_bases: np.ndarray
    regions: pd.DataFrame
    snps: pd.DataFrame

    @property
    def offsets(self) -> dict[str, int]:
        """Index in `bases` at which each chromosome begins."""
        return dict(zip(self.lengths, np.cumsum([0, *self.lengths.values()])[:-1].tolist(), strict=True))

    def transcript_bases(self, bases: np.ndarray) -> np.ndarray:
        """Splice all transcripts, joined in order, out of a genome of the same shape (a haplotype)."""
        spliced = bases[self.positions]
        return np.where(self.reversed_bases, complement(spliced), spliced)

    def blacklist(self) -> pd.DataFrame:
        """One region per autosome, near its end: `chrom`, `start`, `end`."""
        rows = [
            (name, size - BLACKLISTED[1], size - BLACKLISTED[0])
            for name, size in self.lengths.items()
            if name[3:].isdigit()
        ]
        return pd.DataFrame(rows, columns=["chrom", "start", "end"])


def build_genome(seed: int) -> Genome:
    """Build the whole mini-genome from the seed."""
    placed = genes_by_chromosome()
    lengths = {name: len(symbols) * SLOT + CHROMOSOME_TAIL for name, symbols in placed.items()} | {
        "chrM": MITOCHONDRION_LENGTH
    }
    bases = draw_bases(generator(seed, "genome"), sum(lengths.values()))
    offsets = dict(zip(lengths, np.cumsum([0, *lengths.values()])[:-1].tolist(), strict=True))
    genes, transcripts, exons = place_genes(placed, generator(seed, "genes"))
    positions, flipped, spans = splice_positions(genes, transcripts, exons, offsets)
    transcripts = transcripts.assign(first=spans[:, 0], length=spans[:, 1])
    snps = place_snps(genes, exons, bases, offsets, generator(seed, "snps"))
    regions = place_regions(genes, offsets, set(snps["symbol"]), generator(seed, "regions"))
    return Genome(lengths, bases, genes, transcripts, exons, positions, flipped, regions, snps)


def place_genes(
    placed: dict[str, tuple[str, ...]], rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lay genes in their slots; every third with three or more exons gets a second transcript that skips one."""
    genes: list[tuple[str, str, str, str, int]] = []
    transcripts: list[tuple[str, int]] = []
    exons: list[tuple[int, int, int, int]] = []
    for chrom, symbols in placed.items():
        for slot, symbol in enumerate(symbols):
            number = len(genes) + 1
            strand = "+-"[int(rng.integers(2))]
            if chrom == "chrM":
                start = MITOCHONDRIAL_START + slot * MITOCHONDRIAL_TRANSCRIPT
                blocks = [(start, start + MITOCHONDRIAL_TRANSCRIPT)]
                tss = start if strand == "+" else start + MITOCHONDRIAL_TRANSCRIPT - 1
            else:
                blocks, tss = draw_exons(slot * SLOT, strand, rng)
            genes.append((f"ENSG99{number:09d}", symbol, chrom, strand, tss))
            versions = [blocks]
            if len(blocks) >= 3 and number % 3 == 0:
                versions.append([blocks[0], *blocks[2:]])
            for version in versions:
                transcripts.append((f"ENST99{len(transcripts) + 1:09d}", number - 1))
                exons += [(len(transcripts) - 1, k + 1, *block) for k, block in enumerate(version)]
    return (
        pd.DataFrame(genes, columns=["gene_id", "symbol", "chrom", "strand", "tss"]),
        pd.DataFrame(transcripts, columns=["transcript_id", "gene"]),
        pd.DataFrame(exons, columns=["transcript", "number", "start", "end"]),
    )


def draw_exons(slot_start: int, strand: str, rng: np.random.Generator) -> tuple[list[tuple[int, int]], int]:
    """Draw 2 to 5 exons (600 to 2500 bp together) in transcript order; return them and the TSS."""
    count = int(rng.integers(2, 6))
    total = int(rng.integers(600, 2501))
    first = int(rng.integers(200, 320))
    rest = np.maximum(rng.dirichlet(np.full(count - 1, 5.0)) * (total - first), 80).astype(int)
    sizes = [first, *rest.tolist()]
    introns = [0, *rng.integers(90, 600, count - 1).tolist()]
    blocks, at = [], 0
    for size, intron in zip(sizes, introns, strict=True):
        blocks.append((at + intron, at + intron + size))
        at += intron + size
    if strand == "+":
        tss = slot_start + TSS_OFFSET
        return [(tss + start, tss + end) for start, end in blocks], tss
    tss = slot_start + SLOT - TSS_OFFSET - 1
    return [(tss + 1 - end, tss + 1 - start) for start, end in blocks], tss


def splice_positions(
    genes: pd.DataFrame, transcripts: pd.DataFrame, exons: pd.DataFrame, offsets: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for all transcripts, joined: genome index per base, whether it is complemented, and (first, length)."""
    pieces, flips, spans, at = [], [], [], 0
    blocks_of = exon_blocks(exons)
    gene_of = records(genes.iloc[transcripts["gene"].to_numpy()])
    for transcript, gene in enumerate(gene_of):
        minus = gene["strand"] == "-"
        blocks = [np.arange(*block)[:: -1 if minus else 1] for block in blocks_of[transcript]]
        index = np.concatenate(blocks) + offsets[gene["chrom"]]
        pieces.append(index)
        flips.append(np.full(len(index), minus))
        spans.append((at, len(index)))
        at += len(index)
    return np.concatenate(pieces), np.concatenate(flips), np.array(spans)


def exon_blocks(exons: pd.DataFrame) -> dict[int, list[tuple[int, int]]]:
    """Return the exons (start, end) of every transcript, in transcript order."""
    blocks: dict[int, list[tuple[int, int]]] = {}
    for exon in records(exons):
        blocks.setdefault(exon["transcript"], []).append((exon["start"], exon["end"]))
    return blocks


def place_snps(
    genes: pd.DataFrame, exons: pd.DataFrame, bases: np.ndarray, offsets: dict[str, int], rng: np.random.Generator
) -> pd.DataFrame:
    """Place common SNPs in first exons, near the TSS, so that RNA and ATAC reads cover them; autosomes only."""
    autosomal = np.flatnonzero(genes["chrom"].str.fullmatch(r"chr\d+").to_numpy())
    chosen = np.sort(rng.choice(autosomal, SNPS, replace=False))
    own = genes.iloc[chosen]
    step = rng.integers(*SNP_RANGE, SNPS)
    position = own["tss"].to_numpy() + np.where(own["strand"] == "+", step, -step)
    index = position + own["chrom"].map(offsets).to_numpy()
    ref = bases[index]
    shift = rng.integers(1, 4, SNPS)
    order = np.frombuffer(b"ACGT", dtype=np.uint8)
    alt = order[(np.searchsorted(order, ref) + shift) % 4]
    return pd.DataFrame(
        {"chrom": own["chrom"].to_numpy(), "position": position, "index": index, "ref": ref, "alt": alt,
         "symbol": own["symbol"].to_numpy(), "frequency": rng.uniform(0.3, 0.5, SNPS)}
    )  # fmt: skip


def place_regions(
    genes: pd.DataFrame, offsets: dict[str, int], always: set[str], rng: np.random.Generator
) -> pd.DataFrame:
    """Choose accessible TSSs (those with a SNP always) and distal regions."""
    nuclear = genes[genes["chrom"] != "chrM"]
    with_snp = nuclear.index[nuclear["symbol"].isin(always)]
    others = rng.permutation(nuclear.index.difference(with_snp))
    promoters = nuclear.loc[np.sort(np.r_[with_snp, others[: TSS_REGIONS - len(with_snp)]])]
    distal = nuclear.loc[np.sort(rng.choice(nuclear.index, DISTAL_REGIONS, replace=False))]
    sign = np.where(distal["strand"] == "+", 1, -1)
    jitter = rng.integers(-DISTAL_JITTER, DISTAL_JITTER, DISTAL_REGIONS)
    table = pd.concat(
        [
            pd.DataFrame(
                {"chrom": promoters["chrom"], "centre": promoters["tss"], "name": "tss_" + promoters["symbol"]}
            ),
            pd.DataFrame(
                {"chrom": distal["chrom"], "centre": distal["tss"] + sign * (DISTAL_OFFSET - TSS_OFFSET) + jitter,
                 "name": "distal_" + distal["symbol"]}
            ),
        ]
    )  # fmt: skip
    table["start"] = table["centre"] - REGION_HALF_WIDTH
    table["end"] = table["centre"] + REGION_HALF_WIDTH
    table["order"] = table["chrom"].map(offsets) + table["centre"]
    table = table.sort_values("order", ignore_index=True)
    return table.assign(centre=table["order"])[["chrom", "start", "end", "name", "centre"]]


def fasta(sequences: list[tuple[str, np.ndarray]]) -> bytes:
    """Format FASTA with 60 bases per line."""
    parts = []
    for name, bases in sequences:
        whole = len(bases) // LINE * LINE
        lines = np.c_[bases[:whole].reshape(-1, LINE), np.full(whole // LINE, ord("\n"), dtype=np.uint8)]
        tail = bases[whole:].tobytes() + b"\n" if whole < len(bases) else b""
        parts.append(f">{name}\n".encode() + lines.tobytes() + tail)
    return b"".join(parts)


def gtf(genome: Genome) -> str:
    """Format the annotation: gene, transcript and exon lines, versioned ids, gene_name and gene_biotype."""
    lines = ["#!genome-build synthetic\n"]
    blocks_of = exon_blocks(genome.exons)
    for number, gene in enumerate(records(genome.genes)):
        own = genome.transcripts.index[genome.transcripts["gene"] == number].tolist()
        biotype = "lncRNA" if gene["symbol"] in NONCODING else "protein_coding"
        base = f'gene_id "{gene["gene_id"]}.1"; gene_name "{gene["symbol"]}"; gene_biotype "{biotype}";'
        lines.append(gtf_line(gene, "gene", [block for transcript in own for block in blocks_of[transcript]], base))
        for transcript in own:
            name = genome.transcripts["transcript_id"].iloc[transcript]
            label = f'{base} transcript_id "{name}.1"; transcript_biotype "{biotype}";'
            lines.append(gtf_line(gene, "transcript", blocks_of[transcript], label))
            lines += [
                gtf_line(gene, "exon", [block], f'{label} exon_number "{k + 1}";')
                for k, block in enumerate(blocks_of[transcript])
            ]
    return "".join(lines)


def gtf_line(gene: dict[str, Any], kind: str, blocks: list[tuple[int, int]], attributes: str) -> str:
    """Format one GTF line that spans the blocks (GTF counts from 1, end included)."""
    start, end = min(block[0] for block in blocks) + 1, max(block[1] for block in blocks)
    return f"{gene['chrom']}\tsynthetic\t{kind}\t{start}\t{end}\t.\t{gene['strand']}\t.\t{attributes}\n"


def write_references(genome: Genome, folder: Path) -> None:
    """Write genome, annotation, transcriptome and blacklist into the cohort's reference folder."""
    offsets = genome.offsets
    chromosomes = [(name, genome.bases[offsets[name] : offsets[name] + size]) for name, size in genome.lengths.items()]
    write_gzip(folder / "genome.fa.gz", fasta(chromosomes))
    write_gzip(folder / "annotation.gtf.gz", gtf(genome).encode())
    spliced = genome.transcript_bases(genome.bases)
    sequences = [
        (f"{row['transcript_id']}.1", spliced[row["first"] : row["first"] + row["length"]])
        for row in records(genome.transcripts)
    ]
    write_gzip(folder / "transcriptome.fa.gz", fasta(sequences))
    genome.blacklist().to_csv(folder / "blacklist.bed", sep="\t", header=False, index=False, lineterminator="\n")


def draw_genotypes(genome: Genome, participants: list[str], seed: int) -> pd.DataFrame:
    """Draw two alleles per SNP and participant: rows participants, columns a (SNP, haplotype) pair of 0 or 1."""
    rows = [
        (generator(seed, "genotype", name).random((2, len(genome.snps))) < genome.snps["frequency"].to_numpy()).ravel()
        for name in participants
    ]
    return pd.DataFrame(np.array(rows, dtype=np.int8), index=participants)


def haplotypes(genome: Genome, alleles: np.ndarray) -> np.ndarray:
    """Return a person's two genomes, shape (2, total length); `alleles` is a row of :func:`draw_genotypes`."""
    both = np.tile(genome.bases, (2, 1))
    index, alt = genome.snps["index"].to_numpy(), genome.snps["alt"].to_numpy()
    for copy, carried in zip(both, alleles.reshape(2, -1).astype(bool), strict=True):
        copy[index[carried]] = alt[carried]
    return both
