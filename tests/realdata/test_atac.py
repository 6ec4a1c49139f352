"""ATAC-seq reads cut from known places of the yeast genome, through the workflow."""

import gzip

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from support.realdata import metrics, run_workflow, working_folder

pytestmark = pytest.mark.slow

SAMPLES = {
    "A_rep1": "YS01-000000001-D01-atac",
    "A_rep2": "YS01-000000002-D01-atac",
    "B_rep1": "YS01-000000003-D01-atac",
    "B_rep2": "YS01-000000004-D01-atac",
}
GENOME = "ref_yeast/Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz"
PLACE = ["chrom", "start", "end"]
WORD = 36  # bases at the end of a fragment whose place in the genome has to be the only one


@pytest.fixture(scope="module")
def atac(shared):
    links = {"data": "atac_yeast_derived", "genome": "ref_yeast", "annotation": "rna_yeast"}
    folder = working_folder("atac_yeast", **{link: shared / name for link, name in links.items()})
    return run_workflow(folder, "atac_yeast", "results/atac/atac.h5ad")


@pytest.fixture(scope="module")
def words(shared):
    return Words(shared / GENOME)


@pytest.fixture(scope="module")
def truths(shared, words):
    """True nuclear fragments of each sample, with whether each end occurs once in the genome (False if too short)."""
    tables = {}
    for sample in SAMPLES:
        table = read_bed(shared / f"atac_yeast_derived/{sample}.truth.bed.gz", PLACE)
        long = table["end"] - table["start"] >= WORD
        table["left"] = words.unique(table["chrom"], table["start"])
        table["right"] = words.unique(table["chrom"], (table["end"] - WORD).where(long, table["start"]))
        tables[sample] = table[(table["chrom"] != "Mito") & long].reset_index(drop=True)
    return tables


def read_bed(path, names):
    return pd.read_csv(path, sep="\t", header=None, names=names, usecols=range(len(names)))


class Words:
    """All words of a genome on both strands, as numbers that differ unless by a freak of the hash."""

    def __init__(self, path):
        with gzip.open(path, "rt") as handle:
            records = [record.partition("\n") for record in handle.read().split(">")[1:]]
        sequences = [sequence.replace("\n", "") for _, _, sequence in records]
        names = [header.split()[0] for header, _, _ in records]
        self.offset = dict(zip(names, np.cumsum([0, *map(len, sequences)]), strict=False))
        code = np.zeros(256, np.uint64)
        code[list(b"ACGT")] = 1, 2, 3, 4
        bases = code[np.frombuffer("".join(sequences).encode(), np.uint8)]
        self.forward = self._number(bases)
        self.all = np.sort(np.concatenate([self.forward, self._number((np.uint64(5) - bases)[::-1])]))

    @staticmethod
    def _number(bases):
        factor = np.uint64(0x9E3779B97F4A7C15)
        parts = {1: bases}
        for length in (1, 2, 4, 8, 16):
            half = parts[length]
            parts[2 * length] = half[:-length] * (factor ** np.uint64(length)) + half[length:]
        return parts[32][:-4] * (factor ** np.uint64(4)) + parts[4][32:]

    def unique(self, chrom, start):
        """Tell for which places the word that starts there occurs nowhere else."""
        words = self.forward[chrom.map(self.offset).to_numpy() + start.to_numpy()]
        return np.searchsorted(self.all, words, "right") - np.searchsorted(self.all, words, "left") == 1


def test_fragments_are_where_the_reads_were_cut(atac, shared, truths, compare):
    for sample, library in SAMPLES.items():
        every = read_bed(shared / f"atac_yeast_derived/{sample}.truth.bed.gz", PLACE)
        assert metrics(atac, "atac").loc[library, "read_pairs"] == len(every)
        found = read_bed(atac / f"results/atac/{library}/fragments.tsv.gz", [*PLACE, "library", "pairs"])
        found["start"], found["end"] = found["start"] - 4, found["end"] + 5  # without the shift to the cut sites
        places = (
            every.groupby(PLACE).size().rename("true").to_frame().join(found.set_index(PLACE)["pairs"], how="outer")
        )
        correct = places.fillna(0).min(axis=1).sum() / found["pairs"].sum()
        compare(f"yeast ATAC, {sample}, share of the fragments that are true", 1, correct)
        assert correct >= 0.9999  # the reads have no errors, so only a copy of the sequence can mislead

        truth = truths[sample]
        there = pd.MultiIndex.from_frame(truth[PLACE]).isin(pd.MultiIndex.from_frame(found[PLACE]))
        once, repeated = truth["left"] & truth["right"], ~truth["left"] & ~truth["right"]
        compare(f"yeast ATAC, {sample}, true fragments found, ends occur once", 1, there[once].mean())
        compare(f"yeast ATAC, {sample}, true fragments found, ends are repeats", 0, there[repeated].mean())
        # Both mates need a mapping quality of 30: what occurs once is found, what occurs twice is left out (ribosomal
        # DNA alone is three fragments in ten). A word is shorter than a read, so a few repeats are told apart.
        assert there[once].mean() >= 0.999
        assert there[repeated].mean() <= 0.03


def overlaps(peaks, others):
    """Tell which peaks touch any of the others."""
    result = pd.Series(False, index=peaks.index)
    for chrom, own in peaks.groupby("chrom"):
        other = others[others["chrom"] == chrom]
        before = own["start"].to_numpy()[:, None] < other["end"].to_numpy()
        after = own["end"].to_numpy()[:, None] > other["start"].to_numpy()
        result[own.index] = (before & after).any(axis=1)
    return result


def test_expected_peaks_are_found(atac, shared, truths, compare):
    """The expected peaks are of whole fragments (BEDPE), ours of smoothed cut sites: more and narrower ones."""
    for sample, library in SAMPLES.items():
        expected = read_bed(shared / f"atac_yeast_derived/expected/{sample}_peaks.narrowPeak", PLACE)
        ours = read_bed(atac / f"results/atac/{library}/peaks.narrowPeak", PLACE).drop_duplicates()
        truth = truths[sample]
        own = [
            truth["left"][(truth["chrom"] == chrom) & (truth["start"] < end) & (truth["end"] > start)].mean()
            for chrom, start, end in expected.itertuples(index=False)
        ]
        unique = np.array(own) >= 0.5  # false for the mitochondrion, whose fragments are not among these
        hit = overlaps(expected, ours)
        compare(f"yeast ATAC, {sample}, peaks: fragments | cut sites", len(expected), len(ours))
        compare(f"yeast ATAC, {sample}, expected peaks found, off the repeats", 1, hit[unique].mean())
        # Fragments in repeats are left out here and were not there. Cut sites and whole fragments differ: a few
        # of the remaining peaks are peaks in one of them only.
        assert unique.mean() >= 0.8
        assert hit[unique].mean() >= 0.93
        assert len(expected) <= len(ours) <= 2 * len(expected)


def test_regions_thinned_in_b_are_down_in_the_counts(atac, shared, compare):
    """100 regions kept at 20 % in B: log2(0.2) = -2.3; measured once from the true fragments: median -2.2."""
    data = anndata.read_h5ad(atac / "results/atac/atac.h5ad")
    assert list(data.obs_names) == list(SAMPLES.values())
    counts = pd.DataFrame(scipy.sparse.csr_array(data.layers["counts"]).toarray())
    regions = read_bed(shared / "atac_yeast_derived/differential_regions_truth.bed", PLACE)
    peaks = data.var[PLACE].reset_index(drop=True)
    peaks = peaks.astype({"chrom": str, "start": int, "end": int})
    thinned = overlaps(peaks, regions).to_numpy()
    scaled = counts.div(counts.loc[:, ~thinned].sum(axis=1), axis=0) * counts.to_numpy().sum() / len(counts)
    change = np.log2((scaled.iloc[2:].sum() + 0.5) / (scaled.iloc[:2].sum() + 0.5))
    covered = overlaps(regions, peaks).mean()
    compare("yeast ATAC, thinned regions with a consensus peak", 1, covered)
    compare("yeast ATAC, median log2 fold change of thinned regions", -2.2, change[thinned].median())
    compare("yeast ATAC, median log2 fold change elsewhere", 0, change[~thinned].median())
    assert covered >= 0.8
    # A consensus peak may reach over the edge of a region into counts that were kept.
    assert -2.5 <= change[thinned].median() <= -1.9
    assert abs(change[~thinned].median()) <= 0.05
    assert (change[thinned] < change[~thinned].quantile(0.05)).mean() >= 0.9
