"""16S reads with primers in them through the workflow, against what plain text search finds in the same files."""

import gzip
import re

import anndata
import numpy as np
import pandas as pd
import pytest

from support.realdata import metrics, run_workflow, working_folder, write_if_changed

pytestmark = pytest.mark.slow

LIBRARIES = {
    "MB01-000000001-D01-16s-rectum": "1_S103",
    "MB01-000000002-D01-16s-rectum": "1a_S103",
    "MB01-000000003-D01-16s-rectum": "2_S115",
    "MB01-000000004-D01-16s-rectum": "2a_S115",
}
PRIMERS = (("GTGYCAGCMGCCGCGGTAA", 1), ("GGACTACNVGGGTWTCTAAT", 2))  # 515F and 806R; wrong bases allowed
IUPAC = {"Y": "CT", "M": "AC", "N": "ACGTN", "V": "ACG", "W": "AT"}
MOCKS = ("12", "16", "20")


def training_set(folder):
    """Return the sequences of mock communities as a DADA2 training FASTA, down to the genus."""
    lineages, records = {}, []
    for mock in MOCKS:
        for name in pd.read_csv(folder / f"mock-{mock}__silva__123__99-otus__expected-taxonomy.tsv", sep="\t")[
            "Taxonomy"
        ]:
            ranks = [rank.split("__", 1)[1] for rank in name.split(";")[:6]]
            if len(ranks) == 6 and all(ranks):
                lineages[ranks[5]] = ranks
    for mock in MOCKS:
        for record in (folder / f"mock-{mock}__source__expected-sequences.fasta").read_text().split(">")[1:]:
            header, _, sequence = record.partition("\n")
            genus = re.split("[ _]", header)[0]
            if genus in lineages:
                records.append(f">{';'.join(lineages[genus])};\n{''.join(sequence.split())}\n")
    assert len(records) > 100
    return "".join(records)


@pytest.fixture(scope="module")
def amplicon(shared):
    folder = working_folder("amplicon", data=shared / "mb_16s_reads")
    write_if_changed(folder / "taxonomy.fa", training_set(shared / "mb_mock_compositions"))
    return run_workflow(folder, "amplicon", "results/microbiome/microbiome.h5ad", "results/microbiome/rectum.h5ad")


def read_mates(shared, sample):
    mates = []
    for mate in (1, 2):
        with gzip.open(shared / f"mb_16s_reads/{sample}_L001_R{mate}_001.fastq.gz", "rt") as handle:
            mates.append([line.strip() for number, line in enumerate(handle) if number % 4 == 1])
    return mates


def starts_with(reads, primer, errors):
    """Tell which reads begin with a primer, with so many wrong bases at most."""
    letters = np.array([list(read[: len(primer)].ljust(len(primer), "-")) for read in reads])
    wrong = [~np.isin(letters[:, i], list(IUPAC.get(base, base))) for i, base in enumerate(primer)]
    return np.sum(wrong, axis=0) <= errors


def test_pairs_with_primers_are_those_that_a_text_search_finds(amplicon, shared, compare):
    fractions = metrics(amplicon, "microbiome")["primer_fraction"]
    reads = pd.read_csv(amplicon / "results/microbiome/reads.tsv", sep="\t").set_index("library")
    for library, sample in LIBRARIES.items():
        forward, reverse = read_mates(shared, sample)
        assert reads.loc[library, "raw"] == len(forward)
        # One base in ten may be wrong, as for cutadapt: one of 19, two of 20.
        expected = np.mean(starts_with(forward, *PRIMERS[0]) & starts_with(reverse, *PRIMERS[1]))
        compare(f"16S, {sample}, pairs with both primers: text search | cutadapt", expected, fractions[library])
        # cutadapt also takes a primer with an insertion, with its first bases cut off, or further inside the read.
        assert expected - 0.001 <= fractions[library] <= expected + 0.03


def test_variants_are_in_the_reads_in_their_proportions(amplicon, shared, compare):
    """Counts of the commonest variants against the raw pairs that hold the two ends of the variant letter by letter."""
    data = anndata.read_h5ad(amplicon / "results/microbiome/microbiome.h5ad")
    counts = pd.DataFrame(np.asarray(data.layers["counts"]), data.obs_names, data.var["sequence"].astype(str))
    assert list(data.obs_names) == list(LIBRARIES)
    complement = str.maketrans("ACGT", "TGCA")
    seen, called = [], []
    for library, sample in LIBRARIES.items():
        forward, reverse = (
            [read[len(primer) :][:100] for read in mate]
            for (primer, _), mate in zip(PRIMERS, read_mates(shared, sample), strict=True)
        )
        pairs = pd.Series(list(zip(forward, reverse, strict=True))).value_counts()
        common = counts.loc[library].nlargest(10)
        ends = [(sequence[:100], sequence.translate(complement)[::-1][:100]) for sequence in common.index]
        seen += [pairs.get(end, 0) for end in ends]
        called += common.tolist()
    # V4 is 250 to 256 bp long; what is much shorter or longer is no bacterial amplicon.
    assert counts.columns.str.len().to_series().between(240, 270).mean() > 0.9
    rank = pd.Series(seen).corr(pd.Series(called), method="spearman")
    compare("16S, common variants: exact pairs among the reads and counts, Spearman", 1, rank)
    assert min(seen) > 0
    # DADA2 gives erroneous copies to their variant, so its counts are higher than those of the exact pairs.
    assert rank >= 0.8
    assert np.median(np.array(called) / np.array(seen)) < 3


def test_pairs_merge_and_few_are_chimeras(amplicon, compare):
    own = metrics(amplicon, "microbiome")
    for library, sample in LIBRARIES.items():
        compare(f"16S, {sample}, merged share of filtered pairs", 1, own.loc[library, "merged_fraction"])
    # 2x250 over 253 bases: the mates overlap nearly whole. With 2,500 pairs in a library, many variants are too rare
    # to be called in both of them, and do not merge.
    assert (own["merged_fraction"] > 0.5).all()
    assert (own["nonchimeric_fraction"] > 0.8).all()
