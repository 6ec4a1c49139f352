"""Fragments, quality, peaks and counts of ATAC-seq against brute force and numbers worked out by hand."""

import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from immunosep.atac.counts import count_fragments, peak_counts
from immunosep.atac.files import read_bed, read_idxstats, read_lengths, read_summits
from immunosep.atac.fragments import Fragments, complexity, length_profile, read_fragments
from immunosep.atac.intervals import inside, locate, merge_intervals, overlaps
from immunosep.atac.matrix import annotate_peaks, build_atac
from immunosep.atac.peaks import best_windows, call_consensus, consensus_peaks, import_peaks, library_windows
from immunosep.atac.qc import (
    fraction_in_peaks,
    nuclear_starts,
    nucleosome_free_ratio,
    read_fractions,
    tss_enrichment,
    tss_profile,
)
from immunosep.errors import InputError
from immunosep.io import write_table


def fragments(start, end, support=None):
    start, end = np.asarray(start), np.asarray(end)
    return Fragments(start, end, np.ones_like(start) if support is None else np.asarray(support))


def random_fragments(rng, n, size):
    start = np.sort(rng.integers(0, size - 400, n))
    return fragments(start, start + rng.integers(20, 400, n))


# Intervals


def test_interval_arithmetic_against_brute_force():
    rng = np.random.default_rng(3)
    for _ in range(50):
        start = rng.integers(0, 200, rng.integers(1, 12))
        end = start + rng.integers(1, 30, len(start))
        covered = np.zeros(300, dtype=bool)
        for a, b in zip(start, end, strict=True):
            covered[a:b] = True
        left, right = merge_intervals(start, end)
        assert (left[1:] > right[:-1]).all()
        assert (right - left).sum() == covered.sum()
        positions = np.arange(300)
        assert np.array_equal(inside(positions, left, right), covered)
        found = overlaps(positions, positions + 7, left, right)
        assert np.array_equal(found, [covered[p : p + 7].any() for p in positions])


def test_empty_intervals():
    none = np.zeros(0, dtype=np.int64)
    assert merge_intervals(none, none)[0].size == 0
    assert locate(np.array([1, 2]), none, none).tolist() == [-1, -1]
    assert not overlaps(np.array([1]), np.array([9]), none, none).any()


# Files and fragments


def test_fragment_file(tmp_path):
    path = tmp_path / "fragments.tsv.gz"
    with gzip.open(path, "wt") as handle:
        handle.write("chr1\t10\t60\tA\t2\nchr1\t30\t330\tA\t1\nchr2\t5\t105\tA\t1\n")
    content = read_fragments(path)
    assert list(content) == ["chr1", "chr2"]
    assert content["chr1"].cut_sites().tolist() == [10, 30, 59, 329]
    assert content["chr1"].support.tolist() == [2, 1]
    sizes = length_profile(content, 250)
    # 9 bp are lost by the shift; longer fragments are counted with the longest.
    assert {i: int(n) for i, n in enumerate(sizes) if n} == {59: 1, 109: 1, 250: 1}


def test_files_without_rows(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("")
    with gzip.open(tmp_path / "empty.gz", "wt"):
        pass
    assert read_fragments(tmp_path / "empty.gz") == {}
    assert read_bed(empty).columns.tolist() == ["chrom", "start", "end"]
    assert read_summits(empty).empty


def test_summits_and_lengths(tmp_path):
    (tmp_path / "p").write_text("chr1\t100\t400\tx\t50\t.\t3.2\t12.5\t9.1\t130\n")
    assert read_summits(tmp_path / "p").to_numpy().tolist() == [["chr1", 230, 12.5]]
    (tmp_path / "g.fai").write_text("chr1\t1000\t6\t60\t61\n2\t50\t9\t60\t61\n")
    assert read_lengths(tmp_path / "g.fai").to_dict() == {"chr1": 1000, "2": 50}


def test_complexity_by_hand():
    # Ten pairs: six places seen once, one seen twice, ... 6 + 2 + 4 = 12 pairs at 8 places.
    assert complexity(np.array([1, 1, 1, 1, 1, 1, 2, 4])) == (8 / 12, 6 / 8, 6.0)
    assert complexity(np.array([1, 1, 3])).pbc2 == 2.0
    assert all(np.isnan(complexity(np.zeros(0, dtype=int))))


# Quality


def test_read_fractions(tmp_path):
    path = tmp_path / "idxstats"
    path.write_text("chr1\t1000\t70\t2\nchrM\t100\t20\t0\n*\t0\t0\t8\n")
    assert read_idxstats(path)["mapped"].to_dict() == {"chr1": 70, "chrM": 20, "*": 0}
    assert read_fractions(path, "chrM") == (0.9, 20 / 90)
    path.write_text("chr1\t1000\t0\t0\n*\t0\t0\t8\n")
    mapped, mitochondrial = read_fractions(path, "chrM")
    assert mapped == 0.0
    assert np.isnan(mitochondrial)


def test_tss_profile_against_brute_force():
    rng = np.random.default_rng(5)
    content = {"chr1": random_fragments(rng, 400, 5000), "chr2": random_fragments(rng, 100, 5000)}
    starts = pd.DataFrame(
        [("chr1", 1000, "+"), ("chr1", 1100, "-"), ("chr2", 2500, "-"), ("chr3", 900, "+")],
        columns=["chrom", "tss", "strand"],
    )
    wanted = np.zeros(401, dtype=int)
    for chrom, tss, strand in starts.itertuples(index=False):
        for site in content[chrom].cut_sites() if chrom in content else []:
            distance = (site - tss) * (-1 if strand == "-" else 1)
            if abs(distance) <= 200:
                wanted[distance + 200] += 1
    assert wanted.sum() > 50
    assert np.array_equal(tss_profile(content, starts, 200), wanted)


def test_tss_enrichment_formula():
    profile = np.full(4001, 2)
    profile[2000 - 50 : 2000 + 51] = 16
    assert tss_enrichment(profile) == 8.0
    profile[[2000 - 51, 2000 + 51, 100, 3900]] = 999  # just outside both stretches
    assert tss_enrichment(profile) == 8.0
    assert np.isnan(tss_enrichment(np.zeros(4001, dtype=int)))


def test_nuclear_starts_need_room():
    genes = pd.DataFrame(
        [("chr1", 100, "+"), ("chr1", 99, "+"), ("chr1", 899, "-"), ("chr1", 900, "-"), ("chrM", 500, "+")],
        columns=["chrom", "tss", "strand"],
    )
    found = nuclear_starts(genes, pd.Series({"chr1": 1000, "chrM": 1000}), "chrM", 100)
    assert found["tss"].tolist() == [100, 899]


def test_fraction_in_peaks_counts_sites():
    content = {"chr1": fragments([10, 100], [61, 300]), "chr2": fragments([5], [50])}
    peaks = pd.DataFrame({"chrom": ["chr1", "chr1"], "start": [0, 40], "end": [50, 61]})
    # Sites 10 and 60 lie in peaks; 100, 299, 5 and 49 do not.
    assert fraction_in_peaks(content, peaks) == 2 / 6
    assert np.isnan(fraction_in_peaks({}, peaks))


def test_nucleosome_free_ratio():
    sizes = np.zeros(2001, dtype=int)
    sizes[[50, 99]] = 3
    sizes[[100, 179, 248]] = 100
    sizes[[180, 247]] = 1
    assert nucleosome_free_ratio(sizes) == 3.0


# Consensus


def greedy(start, score, width):
    """Remove overlaps one window after another, as the method is published."""
    kept = []
    for i in sorted(range(len(start)), key=lambda i: (-score[i], start[i])):
        if all(abs(start[i] - start[j]) >= width for j in kept):
            kept.append(i)
    return sorted((int(start[i]), float(score[i])) for i in kept)


@pytest.mark.parametrize("n", [1, 2, 10, 300])
def test_best_windows_is_the_greedy_method(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        start = rng.integers(0, 20 * n, n)
        score = rng.integers(1, 6, n).astype(float)  # many ties
        found = best_windows(start, score, 51)
        assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == greedy(start, score, 51)


def test_best_windows_of_a_chain():
    # The middle window falls to the left one; the right one then stays although it is worse than the middle.
    start, _ = best_windows(np.array([0, 40, 80]), np.array([3.0, 2.0, 1.0]), 50)
    assert start.tolist() == [0, 80]


def test_library_windows_edges_blacklist_and_score():
    summits = pd.DataFrame(
        [("chr1", 250, 1.0), ("chr1", 249, 9.0), ("chr1", 749, 3.0), ("chr1", 1400, 6.0), ("chr2", 300, 5.0)],
        columns=["chrom", "summit", "score"],
    )
    blacklist = pd.DataFrame({"chrom": ["chr1"], "start": [1650], "end": [1700]})
    table = library_windows(summits, 501, pd.Series({"chr1": 2000, "chr2": 550}), blacklist)
    # 249 would begin at -1, chr2's would end at 551; 1400's ends at 1651 and touches the blacklist;
    # 250 and 749 overlap.
    assert table[["chrom", "start"]].to_numpy().tolist() == [["chr1", 499]]
    assert table["score"].tolist() == [1e6]


def test_participants_are_counted_not_visits():
    def windows(*start):
        return pd.DataFrame({"chrom": "chr1", "start": start, "score": np.arange(len(start), 0, -1.0)})

    pooled = {"p1-D01": windows(100, 5000), "p1-D04": windows(110), "p2-D01": windows(5010), "p3-D01": windows(90_000)}
    participants = pd.Series({"p1-D01": "p1", "p1-D04": "p1", "p2-D01": "p2", "p3-D01": "p3"})
    table = consensus_peaks(pooled, participants, 501).set_index("start")
    assert table["n_participants"].to_dict() == {100: 1, 5000: 2, 90_000: 1} or table["n_participants"].to_dict() == {
        100: 1,
        5010: 2,
        90_000: 1,
    }


# Counts and matrix


def test_peak_counts_against_brute_force():
    rng = np.random.default_rng(9)
    content = {"chr1": random_fragments(rng, 500, 6000), "chr3": random_fragments(rng, 50, 6000)}
    peaks = pd.DataFrame(
        {"chrom": ["chr1", "chr1", "chr2", "chr1"], "start": [100, 900, 100, 2000], "end": [400, 901, 400, 2501]}
    )
    wanted = [
        sum(a <= s < b or a <= e - 1 < b for s, e in zip(content[c].start, content[c].end, strict=True))
        if c in content
        else 0
        for c, a, b in peaks.itertuples(index=False)
    ]
    assert peak_counts(content, peaks).tolist() == wanted
    assert wanted[3] > 10


def test_a_fragment_that_spans_a_peak_does_not_count():
    content = {"chr1": fragments([0, 100], [1000, 150])}
    assert peak_counts(content, pd.DataFrame({"chrom": ["chr1"], "start": [90], "end": [591]})).tolist() == [1]


GENES = pd.DataFrame(
    {
        "symbol": ["CD74", "STAT1", "OTHER"],
        "chrom": ["chr1", "chr1", "chr2"],
        "start": [100_000, 300_000, 10],
        "end": [110_000, 320_000, 900],
        "strand": ["+", "-", "+"],
        "tss": [100_000, 319_999, 10],
        "definer": [True, False, False],
        "drug_analyte": [False, True, False],
    },
    index=["G1", "G2", "G3"],
)


def test_annotation_of_peaks():
    start = [49_499, 49_500, 159_998, 160_000, 317_800, 322_001]
    peaks = pd.DataFrame({"chrom": "chr1", "start": start}).assign(end=lambda t: t["start"] + 501)
    peaks.loc[len(peaks)] = ["chr9", 10, 511]
    table = annotate_peaks(peaks, GENES, 2000)
    # The definer's neighbourhood is 50,000 to 160,000, half-open.
    assert table["definer"].tolist() == [False, True, True, False, False, False, False]
    assert table["drug_analyte"].tolist() == [False, False, False, False, True, False, False]
    assert table["symbol"].tolist() == ["CD74"] * 4 + ["STAT1"] * 2 + [""]
    # Middle 318,050; minus gene from 319,999: 1,949 downstream. Middle 322,251: upstream.
    assert table["distance"].tolist()[4:6] == [1949, -2252]
    assert np.isnan(table["distance"].iloc[6])


@pytest.fixture
def layer(tmp_path):
    names = [f"S-{i:09d}-D01-atac" for i in range(3)]
    for name in names:
        (tmp_path / f"{name}.narrowPeak").write_text("chr1\t900\t1300\tx\t1\t.\t1\t20\t1\t100\n")
        with gzip.open(tmp_path / f"{name}.gz", "wt") as handle:
            handle.write("chr1\t1000\t1100\tx\t1\nchr1\t5000\t5100\tx\t1\n")
    libraries = pd.DataFrame({"library": names, "sample_type": "sample", "visit_day": "1", "participant": names})
    write_table(libraries, tmp_path / "atac.tsv")
    verdicts = pd.DataFrame({"library": names, "metric": "overall", "value": "", "verdict": ["pass", "pass", "fail"]})
    write_table(verdicts, tmp_path / "verdicts.tsv")
    (tmp_path / "genome.fai").write_text("chr1\t9000\t1\t60\t61\n")
    (tmp_path / "blacklist.bed").write_text("")
    genes = GENES.rename_axis("gene_id").reset_index().assign(biotype="x", globin=False, mitochondrial=False, sex="")
    write_table(genes, tmp_path / "genes.tsv")
    return tmp_path, names


def consensus(folder, names, least):
    call_consensus(
        peaks=[folder / f"{name}.narrowPeak" for name in names],
        names=names,
        libraries=folder / "atac.tsv",
        verdicts=folder / "verdicts.tsv",
        blacklist=folder / "blacklist.bed",
        lengths=folder / "genome.fai",
        width=501,
        min_participants=least,
        peaks_path=folder / "peaks.bed",
    )


def test_from_peaks_to_matrix(layer):
    folder, names = layer
    consensus(folder, names, 2)
    assert (folder / "peaks.bed").read_text() == "chr1\t750\t1251\tchr1:750-1251\t1e+06\t2\n"
    data = matrix(folder, names)
    assert data.obs_names.tolist() == names[:2]
    assert data.var_names.tolist() == ["chr1:750-1251"]
    assert data.layers["counts"].tolist() == [[1], [1]]
    # The one count of a library is a million of a million.
    assert data.X.tolist() == [[pytest.approx(np.log2(1e6 + 1))]] * 2
    assert data.uns["immunosep"]["frozen_upstream"] == "consensus peaks of the cohort"


def matrix(folder, names, min_cpm=1, min_fraction=0.1, fixed_peaks=False):
    for name in names:
        count_fragments(folder / f"{name}.gz", folder / "peaks.bed", folder / f"{name}.npy")
    build_atac(
        counts=[folder / f"{name}.npy" for name in names],
        names=names,
        peaks=folder / "peaks.bed",
        genes=folder / "genes.tsv",
        libraries=folder / "atac.tsv",
        verdicts=folder / "verdicts.tsv",
        promoter=2000,
        min_cpm=min_cpm,
        min_fraction=min_fraction,
        fixed_peaks=fixed_peaks,
        hidden=None,
        matrix_path=folder / "atac.h5ad",
    )
    return ad.read_h5ad(folder / "atac.h5ad")


def fixed(folder, text):
    (folder / "given.bed").write_text(text)
    import_peaks(peaks=folder / "given.bed", lengths=folder / "genome.fai", peaks_path=folder / "peaks.bed")


def test_a_fixed_peak_set_takes_the_place_of_the_consensus(layer):
    folder, names = layer
    fixed(folder, "chr1\t4900\t5401\tb\nchr1\t100\t300\ta\nchr1\t1000\t1200\tc\nchrX\t1\t9\td\n")
    lines = (folder / "peaks.bed").read_text().splitlines()
    assert lines[0] == "chr1\t100\t300\tchr1:100-300"
    assert len(lines) == 4
    with gzip.open(folder / f"{names[0]}.gz", "at") as handle:
        handle.write("chr1\t5200\t5300\tx\t1\n" * 2)
    data = matrix(folder, names, min_cpm=6e5, min_fraction=1, fixed_peaks=True)
    # Peaks that no library reaches leave; the others say what the cohort would keep.
    assert data.var_names.tolist() == ["chr1:1000-1200", "chr1:4900-5401"]
    assert data.layers["counts"].tolist() == [[1, 3], [1, 1]]
    assert data.var["kept"].tolist() == [False, False]
    assert matrix(folder, names, min_cpm=5e5, min_fraction=1).var["kept"].tolist() == [False, True]
    assert matrix(folder, names, min_cpm=5e5, min_fraction=0.5).var["kept"].tolist() == [True, True]
    assert data.uns["immunosep"]["frozen_upstream"] == "nothing, a fixed peak set"
    assert not {"score", "n_participants"} & set(data.var)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("track name=x\nchr1\t1\t9\n", "not a BED"),
        ("chr1\t9\t9\n", r"empty interval \(1\), first chr1:9-9"),
        ("chr1\t1\t9\nchr1\t8\t20\n", r"overlap with the peak before \(1\), first chr1:8-20"),
        ("1\t1\t9\n", "none of 1 peaks lies on the genome"),
        ("", "none of 0 peaks lies on the genome"),
    ],
)
def test_a_fixed_peak_set_that_cannot_be_used_is_refused(layer, text, told):
    folder, _ = layer
    with pytest.raises(InputError, match=told):
        fixed(folder, text)
    assert not (folder / "peaks.bed").exists()


def test_no_fragment_in_any_peak_is_said(layer):
    folder, names = layer
    fixed(folder, "chr1\t8000\t8100\n")
    with pytest.raises(InputError, match=r"has a fragment in any of 1 peaks"):
        matrix(folder, names, fixed_peaks=True)


def test_no_shared_peak_is_said(layer):
    folder, names = layer
    with pytest.raises(InputError, match="3 participants"):
        consensus(folder, names, 3)


def test_no_passing_library_is_said(layer):
    folder, names = layer
    write_table(
        pd.DataFrame({"library": names, "metric": "overall", "value": "", "verdict": "fail"}), folder / "verdicts.tsv"
    )
    with pytest.raises(InputError, match="no library passed QC"):
        consensus(folder, names, 2)
