"""Gene counts, metrics and the variance-stabilising transformation."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from immunosep.blinding import bare
from immunosep.errors import InputError
from immunosep.io import read_table, write_h5ad, write_table
from immunosep.rna.counts import gene_counts
from immunosep.rna.matrix import build_rna, stabilise
from immunosep.rna.metrics import count_metrics, read_metrics, strand_agreement

SHARED = Path(__file__).parents[3] / "shared" / "data"
HEADER = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"


@pytest.fixture
def transcripts():
    return pd.DataFrame({"transcript_id": ["ENST1", "ENST2", "ENST3"], "gene_id": ["G2", "G2", "G1"]})


def quant(path, *reads):
    names = ["ENST1.4", "ENST2.1|ENSG2|x", "ENST3.2", "ENST9.1"]
    rows = (f"{name}\t500\t300\t1.0\t{value}\n" for name, value in zip(names, reads, strict=False))
    path.write_text(HEADER + "".join(rows))
    return path


def test_reads_are_summed_to_genes_and_rounded(tmp_path, transcripts):
    paths = [
        quant(tmp_path / "a.sf", 10.4, 5.3, 7.0, 99.0),
        quant(tmp_path / "empty.sf"),
        quant(tmp_path / "b.sf", 0.0, 1.0, 2.4, 0.0),
    ]
    counts = gene_counts(paths, transcripts, pd.Index(["G1", "G2", "G3"]))
    # ENST9 is in no gene of the annotation; G3 has no transcript; the second library has no row.
    assert counts.tolist() == [[7, 16, 0], [0, 0, 0], [2, 1, 0]]


def test_result_does_not_depend_on_the_chunk(tmp_path, transcripts, monkeypatch):
    paths = [quant(tmp_path / f"{i}.sf", i, 2 * i, 3 * i, 0) for i in range(5)]
    whole = gene_counts(paths, transcripts, pd.Index(["G1", "G2"]))
    monkeypatch.setattr("immunosep.rna.counts.CHUNK", 2)
    assert np.array_equal(gene_counts(paths, transcripts, pd.Index(["G1", "G2"])), whole)
    assert whole.tolist() == [[3 * i, 3 * i] for i in range(5)]


def test_foreign_transcriptome_is_an_input_error(tmp_path, transcripts):
    foreign = transcripts.assign(transcript_id=["YAL1", "YAL2", "YAL3"])
    with pytest.raises(InputError, match="one release"):
        gene_counts([quant(tmp_path / "a.sf", 1, 1, 1)], foreign, pd.Index(["G1"]))


@pytest.mark.parametrize(
    ("declared", "formats", "wanted"),
    [
        ("ISR", {"ISF": 10, "ISR": 70, "SR": 20}, 0.9),
        ("ISF", {"ISF": 10, "ISR": 70, "SR": 20}, 0.1),
        ("SR", {"SF": 0, "SR": 5}, 1.0),
        ("IU", {"ISF": 40, "ISR": 60}, 0.8),
        ("U", {"SF": 0, "SR": 7}, 0.0),
    ],
)
def test_strand_agreement(declared, formats, wanted):
    assert strand_agreement(formats, declared) == pytest.approx(wanted)


def test_strand_agreement_unknown():
    assert np.isnan(strand_agreement({"ISR": 5}, ""))
    assert np.isnan(strand_agreement({"expected_format": ""}, "ISR"))


def fastp(before, after, paired=True):
    report = {
        "summary": {"before_filtering": {"total_reads": before}, "after_filtering": {"total_reads": after}},
        "duplication": {"rate": 0.25},
    }
    return report | ({"read2_before_filtering": {}} if paired else {})


def test_read_metrics_of_pairs_and_of_single_reads():
    meta = {"num_processed": 90, "num_mapped": 60}
    both = read_metrics(fastp(200, 180), meta, {"ISR": 3}, "ISR")
    assert both == {
        "read_pairs": 100,
        "passed_fraction": 0.9,
        "duplication_fraction": 0.25,
        "mapped_fraction": pytest.approx(2 / 3),
        "strand_agreement": 1.0,
    }
    assert read_metrics(fastp(200, 180, paired=False), meta, {}, "")["read_pairs"] == 200


def test_read_metrics_without_reads():
    empty = read_metrics(fastp(0, 0), {"num_processed": 0, "num_mapped": 0}, {}, "ISR")
    assert (empty["read_pairs"], empty["mapped_fraction"], empty["passed_fraction"]) == (0, 0.0, 0.0)
    assert np.isnan(empty["duplication_fraction"])


def test_count_metrics_by_hand():
    genes = pd.DataFrame(
        {"globin": [True, False, False], "mitochondrial": [False, True, False]}, index=["HBB", "MT", "ACTB"]
    )
    counts = pd.DataFrame([[50, 20, 30], [0, 0, 0], [99, 9, 10]], index=["a", "none", "b"], columns=genes.index)
    table = count_metrics(counts, genes)
    assert table.loc["a"].tolist() == [50, 0.5, 0.2, 2]
    assert table.loc["b", "detected_genes"] == 1
    assert table.loc["none", "assigned_fragments"] == 0
    assert table.loc["none", ["globin_fraction", "mitochondrial_fraction"]].isna().all()


def simulated(n, g, seed=1):
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 100.0, g)
    return rng.negative_binomial(10, 10 / (10 + mean), size=(n, g))


def test_globin_genes_do_not_move_the_size_factors():
    counts = simulated(8, 200)
    controls = np.arange(200) >= 5
    _, factors, method, _ = stabilise(counts, controls)
    flooded = counts.copy()
    flooded[:4, :5] *= 1000
    again = stabilise(flooded, controls).size_factors
    assert method == "ratio"
    assert np.allclose(factors, again)
    # Median of ratios over the control genes, by hand.
    part = counts[:, controls]
    part = part[:, (part > 0).all(axis=0)]
    logs = np.log(part)
    assert np.allclose(factors, np.exp(np.median(logs - logs.mean(axis=0), axis=1)))


def test_a_zero_in_every_gene_takes_poscounts():
    counts = simulated(30, 60)
    counts[np.arange(60) % 30, np.arange(60)] = 0
    values, factors, method, trend = stabilise(counts, np.ones(60, dtype=bool))
    assert method == "poscounts"
    assert trend == "mean"  # one dispersion for all genes was simulated
    assert np.isfinite(values).all()
    assert (factors > 0).all()


def test_too_few_libraries_and_empty_libraries():
    with pytest.raises(InputError, match="at least 3"):
        stabilise(simulated(2, 20), np.ones(20, dtype=bool))
    counts = simulated(4, 20)
    counts[1, 5:] = 0
    with pytest.raises(InputError, match="no read in any gene but globin"):
        stabilise(counts, np.arange(20) >= 5)


@pytest.mark.realdata
@pytest.mark.skipif(not SHARED.is_dir(), reason="the public data (../shared/data) are not here")
def test_vst_is_that_of_deseq2():
    """R's DESeq2 `varianceStabilizingTransformation`, blind (PyDESeq2's test data)."""
    folder = SHARED / "de_r_deseq2_reference"
    counts = pd.read_csv(folder / "datasets__synthetic__test_counts.csv", index_col=0).T
    vst = pd.read_csv(folder / "single_factor__r_vst.csv", index_col=0).T
    factors = pd.read_csv(folder / "single_factor__r_test_size_factors.csv", index_col=0)["x"]
    values, ours, _, trend = stabilise(counts.to_numpy(), np.ones(counts.shape[1], dtype=bool))
    assert trend == "parametric"
    assert np.allclose(values, vst, rtol=1e-4)
    assert np.allclose(ours, factors)


@pytest.fixture
def layer(tmp_path):
    names = [f"S-{i:09d}-D01-rna" for i in range(5)]
    counts = simulated(5, 40)
    counts[:, 39] = 0
    genes = pd.DataFrame({"gene_id": [f"G{i:02d}" for i in range(40)]})
    genes = genes.assign(symbol=genes["gene_id"], chrom="chr1", start=0, end=9, strand="+", tss=0, biotype="x")
    genes = genes.assign(globin=[True] + [False] * 39, mitochondrial=False, definer=False, drug_analyte=False, sex="")
    data = ad.AnnData(counts.astype(np.int32), obs=pd.DataFrame(index=names), var=pd.DataFrame(index=genes["gene_id"]))
    write_h5ad(data, tmp_path / "counts.h5ad")
    write_table(genes, tmp_path / "genes.tsv")
    libraries = pd.DataFrame({"library": names, "sample_type": "sample", "visit_day": "1", "participant": names})
    write_table(libraries, tmp_path / "rna.tsv")
    verdicts = pd.DataFrame({"library": names, "metric": "overall", "value": "", "verdict": ["pass"] * 4 + ["fail"]})
    write_table(verdicts, tmp_path / "verdicts.tsv")
    return tmp_path, names, counts


def build(folder, min_count=10, min_fraction=0.1, hidden=None):
    build_rna(
        counts=folder / "counts.h5ad",
        genes=folder / "genes.tsv",
        libraries=folder / "rna.tsv",
        verdicts=folder / "verdicts.tsv",
        min_count=min_count,
        min_fraction=min_fraction,
        threads=1,
        hidden=hidden,
        matrix_path=folder / "rna.h5ad",
        genes_path=folder / "kept.tsv",
    )
    return ad.read_h5ad(folder / "rna.h5ad")


def test_build_rna_masks_later_visits_and_nothing_else(layer):
    folder, names, _ = layer
    plain = build(folder)
    libraries = read_table(folder / "rna.tsv")
    libraries.loc[libraries["library"] == names[1], "visit_day"] = "4"
    write_table(libraries, folder / "rna.tsv")
    gene = plain.var_names[0]
    hidden = {"after_day": 1, "words": [bare(plain.var.loc[gene, "symbol"] or gene)], "terms": []}
    masked = build(folder, hidden=hidden)
    gone = np.outer(masked.obs_names == names[1], masked.var["masked"])
    assert masked.var["masked"].sum() == 1
    for found, true in ((masked.X, plain.X), (masked.layers["counts"], plain.layers["counts"])):
        assert np.isnan(found[gone]).all()
        np.testing.assert_array_equal(found[~gone], true[~gone])


def test_build_rna_leaves_out_what_failed_and_says_so(layer):
    folder, names, counts = layer
    data = build(folder)
    assert data.obs_names.tolist() == names[:4]
    # A gene without a count in a passing library is not there at all.
    assert "G39" not in data.var_names
    assert data.X.dtype == np.float32
    assert np.array_equal(data.layers["counts"], counts[:4, data.var_names.str[1:].astype(int)])
    kept = pd.read_csv(folder / "kept.tsv", sep="\t", index_col=0)
    assert len(kept) == 40
    assert kept.loc["G39", "kept"] == "no"
    assert data.var["globin"].sum() == 1


def test_a_gene_in_exactly_the_wanted_fraction_of_libraries_stays(layer):
    folder, _, _ = layer
    names = [f"S-{i:09d}-D01-rna" for i in range(100)]
    counts = simulated(100, 40)
    counts[:, 38] = np.arange(100) < 55
    counts[:, 38] *= 50
    genes = pd.read_csv(folder / "genes.tsv", sep="\t")["gene_id"]
    write_h5ad(
        ad.AnnData(counts.astype(np.int32), obs=pd.DataFrame(index=names), var=pd.DataFrame(index=genes)),
        folder / "counts.h5ad",
    )
    libraries = pd.DataFrame({"library": names, "sample_type": "sample", "visit_day": "1", "participant": names})
    write_table(libraries, folder / "rna.tsv")
    write_table(
        pd.DataFrame({"library": names, "metric": "overall", "value": "", "verdict": "pass"}), folder / "verdicts.tsv"
    )
    assert build(folder, min_fraction=0.55).var.loc["G38", "kept"]
    assert not build(folder, min_fraction=0.56).var.loc["G38", "kept"]


def test_rare_genes_stay_in_the_matrix_and_bend_no_trend(layer):
    folder, _, counts = layer
    counts = counts.copy()
    counts[:, 30:38] = 0
    counts[0, 30:38] = 3
    rare = [f"G{i:02d}" for i in range(30, 38)]

    def built(genes):
        names = [f"S-{i:09d}-D01-rna" for i in range(5)]
        used = np.where(np.isin(np.arange(40), genes), counts, 0).astype(np.int32)
        index = [f"G{i:02d}" for i in range(40)]
        write_h5ad(ad.AnnData(used, pd.DataFrame(index=names), pd.DataFrame(index=index)), folder / "counts.h5ad")
        return build(folder)

    whole = built(range(40))
    without = built([*range(30), 38])
    assert whole.var_names[~whole.var["kept"]].tolist() == rare
    assert without.var["kept"].all()
    np.testing.assert_array_equal(whole[:, whole.var["kept"]].X, without.X)
    np.testing.assert_array_equal(whole.obs["size_factor"], without.obs["size_factor"])
    assert np.isfinite(whole.X).all()
    # More reads, a larger value; none, the same value in a gene that is kept and in one that is not.
    assert (whole["S-000000000-D01-rna", rare].X > whole["S-000000001-D01-rna", rare].X).all()


@pytest.mark.parametrize("trend", ["parametric", "mean"])
def test_other_genes_get_the_transformation_of_the_fitted_ones(trend):
    """A copy of a fitted gene that was not fitted gets the values that PyDESeq2 gives the gene."""
    if trend == "parametric":
        rng = np.random.default_rng(1)
        mean = rng.gamma(1.0, 200.0, 400) + 5
        dispersion = 0.05 + 2 / mean
        counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean), size=(12, 400))
        counts = counts[:, counts.any(axis=0)]
    else:
        # Dispersions that do not depend on the mean have no such trend; PyDESeq2 goes on with their mean.
        counts = simulated(6, 60)
    size = counts.shape[1]
    fitted = np.repeat([True, False], size)
    alone = stabilise(counts, np.ones(size, dtype=bool))
    both = stabilise(np.hstack([counts, counts]), np.ones(2 * size, dtype=bool), fitted)
    assert both.trend == alone.trend == trend
    np.testing.assert_array_equal(both.values[:, :size], alone.values)
    np.testing.assert_allclose(both.values[:, size:], alone.values, rtol=1e-12)


def test_build_rna_without_expressed_genes(layer):
    with pytest.raises(InputError, match="no gene reaches"):
        build(layer[0], min_count=10**9)
