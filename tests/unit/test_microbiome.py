"""16S layer behind DADA2: names, reasons to drop, read counts, controls, matrices."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from immunosep.io import read_table, write_table
from immunosep.microbiome.matrix import build_body_site, build_microbiome
from immunosep.microbiome.reads import count_steps, describe_controls, measure_libraries, read_primer_report
from immunosep.microbiome.steps import measure_microbiome, write_body_site
from immunosep.microbiome.taxonomy import RANKS, asv_id, clean_taxonomy, drop_reasons, genus_names

BACILLI = ("Bacteria", "Firmicutes", "Bacilli", "Lactobacillales")
CLOSTRIDIA = ("Bacteria", "Firmicutes", "Clostridia", "Lachnospirales", "Lachnospiraceae")


def taxonomy(rows):
    """Table of (sequence, chimera, *ranks)."""
    padded = [(*row, *[""] * (len(RANKS) + 2 - len(row))) for row in rows]
    return pd.DataFrame(padded, columns=["sequence", "chimera", *RANKS])


VARIANTS = taxonomy(
    [
        ("AAAA", "no", *BACILLI, "Streptococcaceae", "Streptococcus"),
        ("CCCC", "no", *BACILLI, "Streptococcaceae", "Streptococcus"),
        ("GGGG", "no", *CLOSTRIDIA, "UCG-002"),
        ("TTTT", "yes"),
        ("ACGT", "no", "Bacteria", "Proteobacteria", "Alphaproteobacteria", "Rickettsiales", "Mitochondria"),
        ("CGTA", "no", "d__Eukaryota"),
        ("GTAC", "no"),
        ("TACG", "no", "Bacteria", "Cyanobacteria", "Cyanobacteriia", "Chloroplast"),
        ("TTAA", "no", *BACILLI),
    ]
)


def test_a_variant_is_named_by_the_md5_of_its_sequence():
    assert asv_id("ACGT") == hashlib.md5(b"ACGT").hexdigest()
    assert list(clean_taxonomy(VARIANTS).index[:1]) == [hashlib.md5(b"AAAA").hexdigest()]


def test_reasons_to_drop():
    reasons = drop_reasons(clean_taxonomy(VARIANTS))
    assert list(reasons) == [
        "", "", "", "chimera", "mitochondria", "eukaryote", "no kingdom", "chloroplast", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lineage", "name"),
    [
        ((*BACILLI, "Streptococcaceae", "Streptococcus"), "Streptococcus"),
        ((*CLOSTRIDIA, "UCG-002"), "Lachnospiraceae UCG-002"),
        ((*CLOSTRIDIA, "Incertae Sedis"), "Lachnospiraceae Incertae Sedis"),
        ((*CLOSTRIDIA, "uncultured"), "Lachnospiraceae uncultured"),
        ((*CLOSTRIDIA, "[Eubacterium] hallii group"), "[Eubacterium] hallii group"),
        ((*CLOSTRIDIA, "Escherichia-Shigella"), "Escherichia-Shigella"),
        (CLOSTRIDIA, "unclassified Lachnospiraceae"),
        (BACILLI, "unclassified Lactobacillales"),
        (("Bacteria",), "unclassified Bacteria"),
    ],
)
def test_genus_names(lineage, name):
    assert list(genus_names(taxonomy([("A", "no", *lineage)]))) == [name]


LIBRARIES = pd.DataFrame(
    [
        ("S1", "sample", "oral", "1"),
        ("S2", "sample", "nares", "1"),
        ("S3", "sample", "oral", "4"),
        ("16s-NC-B1-A1", "negative_control", "", ""),
        ("16s-PC-B1-A2", "positive_control", "", ""),
    ],
    columns=["library", "sample_type", "specimen", "visit_day"],
).assign(batch="B1", plate="P1", well="A1")
COUNTS = {
    "S1": {"AAAA": 60, "CCCC": 20, "GGGG": 10, "TTTT": 5, "GTAC": 5},
    "S3": {"AAAA": 30, "TTAA": 10},
    "16s-NC-B1-A1": {"GGGG": 2},
    "16s-PC-B1-A2": {"AAAA": 30, "CCCC": 30, "GGGG": 20, "TTAA": 20},
}


@pytest.fixture
def measured(tmp_path):
    counts = [(lib, sequence, n) for lib, row in COUNTS.items() for sequence, n in row.items()]
    write_table(pd.DataFrame(counts, columns=["library", "sequence", "count"]), tmp_path / "counts.tsv")
    write_table(VARIANTS, tmp_path / "taxonomy.tsv")
    write_table(LIBRARIES, tmp_path / "libraries.tsv")
    # S1 was sequenced in two runs; S2 lost all its reads at the primers.
    reports = {"r1": {"S1": (80, 70), "S2": (9, 0), "16s-NC-B1-A1": (3, 2)},
               "r2": {"S1": (70, 60), "S3": (60, 50), "16s-PC-B1-A2": (200, 100)}}  # fmt: skip
    tracking = {
        "r1": [("S1", 65, 60, 60, 50), ("S2", 0, 0, 0, 0), ("16s-NC-B1-A1", 2, 2, 2, 2)],
        "r2": [("S1", 60, 55, 55, 50), ("S3", 45, 44, 44, 40), ("16s-PC-B1-A2", 100, 100, 100, 100)],
    }
    columns = ["library", "filtered", "denoised_forward", "denoised_reverse", "merged"]
    report_paths, tracking_paths = [], []
    for run in reports:
        for name, (before, after) in reports[run].items():
            path = tmp_path / run / f"{name}.cutadapt.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"read_counts": {"input": before, "output": after}}))
            report_paths.append(path)
        write_table(pd.DataFrame(tracking[run], columns=columns), tmp_path / f"{run}.tsv")
        tracking_paths.append(tmp_path / f"{run}.tsv")
    mock = pd.DataFrame({"genus": ["Streptococcus", "Lactobacillus"], "fraction": [0.5, 0.5]})
    write_table(mock, tmp_path / "mock.tsv")
    names = ("asvs", "taxa", "dropped", "reads", "metrics", "controls")
    measure_microbiome(
        report_paths=report_paths,
        tracking_paths=tracking_paths,
        counts_path=tmp_path / "counts.tsv",
        taxonomy_path=tmp_path / "taxonomy.tsv",
        libraries_path=tmp_path / "libraries.tsv",
        mock_path=tmp_path / "mock.tsv",
        **{f"{name}_path": tmp_path / f"out_{name}.tsv" for name in names},
    )
    return {name: read_table(tmp_path / f"out_{name}.tsv") for name in names}


def test_reads_add_up_over_runs(measured):
    reads = measured["reads"].set_index("library")
    assert list(reads.columns) == [
        "raw", "with_primers", "filtered", "denoised_forward", "denoised_reverse", "merged", "nonchimeric", "kept",
    ]  # fmt: skip
    assert list(reads.loc["S1"]) == ["150", "130", "125", "115", "115", "100", "95", "90"]
    assert list(reads.loc["S2"]) == ["9", *["0"] * 7]


def test_metrics_of_samples_only_and_of_their_own_body_site(measured):
    table = measured["metrics"].assign(value=lambda t: t["value"].astype(float))
    metrics = table.set_index(["library", "metric"])["value"]
    assert set(table["library"]) == {"S1", "S2", "S3"}
    assert metrics["S1", "reads_oral"] == 90
    assert metrics["S2", "reads_nares"] == 0
    assert ("S1", "reads_nares") not in metrics.index
    assert ("S2", "merged_fraction") not in metrics.index, "nothing to merge is no fraction"
    assert metrics["S1", "merged_fraction"] == pytest.approx(100 / 125)
    assert metrics["S1", "nonchimeric_fraction"] == pytest.approx(0.95)
    assert metrics["S1", "bacterial_fraction"] == pytest.approx(90 / 95, rel=1e-5)
    p = np.array([6, 2, 1]) / 9
    assert metrics["S1", "shannon"] == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)
    assert metrics["S1", "observed_asvs"] == 3
    assert metrics["S2", "observed_asvs"] == 0


def test_what_leaves_has_a_row_with_reason_and_no_sequence(measured):
    dropped = measured["dropped"]
    assert "sequence" not in dropped
    rows = dropped.set_index("asv").loc[asv_id("GTAC")]
    assert (rows["reason"], rows["reads"], rows["libraries"], rows["length"]) == ("no kingdom", "5", "1", "4")
    assert len(dropped) == 5
    assert not set(dropped["asv"]) & set(measured["asvs"]["asv"])
    assert not set(dropped["asv"]) & set(measured["taxa"]["asv"])


def test_controls(measured):
    table = measured["controls"].set_index(["library", "measure", "genus"])
    assert table.loc[("16s-NC-B1-A1", "reads_kept", ""), "value"] == "2"
    assert table.loc[("16s-NC-B1-A1", "fraction", "Lachnospiraceae UCG-002"), "value"] == "1"
    mock = table.loc["16s-PC-B1-A2"]
    assert list(mock.loc[("fraction", "Streptococcus"), ["value", "expected"]]) == ["0.6", "0.5"]
    assert list(mock.loc[("fraction", "Lactobacillus"), ["value", "expected"]]) == ["0", "0.5"]
    # |0.6 - 0.5| + 0.2 + 0.2 + 0.5, halved.
    assert float(mock.loc[("bray_curtis", ""), "value"]) == pytest.approx(0.5)
    assert not set(table.index.get_level_values("library")) & {"S1", "S2", "S3"}


def test_without_a_mock_table_a_positive_control_lists_its_genera():
    steps = pd.DataFrame(0, index=["16s-PC-B1-A2"], columns=[
        "raw", "with_primers", "filtered", "denoised_forward", "denoised_reverse", "merged", "nonchimeric", "kept",
    ])  # fmt: skip
    genera = pd.DataFrame({"A": [3], "B": [1]}, index=["16s-PC-B1-A2"])
    table = describe_controls(steps, genera, LIBRARIES[LIBRARIES["library"] == "16s-PC-B1-A2"])
    fractions = table[table["measure"] == "fraction"]
    assert fractions[["genus", "value"]].to_numpy().tolist() == [["A", 0.75], ["B", 0.25]]
    assert "bray_curtis" not in set(table["measure"])


def matrices(measured):
    counts = measured["asvs"].astype({"count": int})
    verdicts = pd.DataFrame(
        [(name, "overall", "", "fail" if name == "S2" else "pass") for name in ("S1", "S2", "S3")],
        columns=["library", "metric", "value", "verdict"],
    )
    return build_microbiome(counts, measured["taxa"].set_index("asv"), LIBRARIES, verdicts, pseudocount=0.5)


def test_variant_matrix(measured):
    data = matrices(measured)
    assert list(data.obs_names) == ["S1", "S3"]
    assert list(data.var_names) == sorted(asv_id(s) for s in ("AAAA", "CCCC", "GGGG", "TTAA"))
    assert data.layers["counts"].sum(axis=1).tolist() == [90, 40]
    assert data["S3", asv_id("TTAA")].layers["counts"].item() == 10
    logs = np.log(np.asarray(data.layers["counts"]) + 0.5)
    np.testing.assert_allclose(data.X, logs - logs.mean(axis=1, keepdims=True), rtol=1e-5)


def test_genus_matrix_of_a_body_site(measured):
    data, genera = build_body_site(matrices(measured), "oral", pseudocount=0.5, min_prevalence=0.6)
    assert list(data.var_names) == ["Lachnospiraceae UCG-002", "Streptococcus", "unclassified Lactobacillales"]
    assert data.var["kept"].tolist() == [False, True, False]
    assert data[:, "Streptococcus"].layers["counts"].ravel().tolist() == [80, 30]
    # Ratios are those to the kept genera: of one alone, to itself.
    np.testing.assert_allclose(data.X[:, 1], 0)
    np.testing.assert_allclose(data.X[0], np.log((data.layers["counts"][0] + 0.5) / 80.5), rtol=1e-6)
    assert genera[["genus", "reads", "prevalence", "kept"]].to_numpy().tolist() == [
        ["Lachnospiraceae UCG-002", 10, 0.5, "no"],
        ["Streptococcus", 110, 1.0, "yes"],
        ["unclassified Lactobacillales", 10, 0.5, "no"],
    ]
    every, _ = build_body_site(matrices(measured), "oral", pseudocount=0.5, min_prevalence=0.1)
    np.testing.assert_allclose(every.X.sum(axis=1), 0, atol=1e-5)
    assert every.var.loc["Streptococcus", "family"] == "Streptococcaceae"


def test_a_body_site_without_libraries_is_an_empty_matrix(measured, tmp_path):
    matrices(measured).write_h5ad(tmp_path / "microbiome.h5ad")
    write_body_site(
        source_path=tmp_path / "microbiome.h5ad",
        body_site="nares",
        pseudocount=0.5,
        min_prevalence=0.1,
        matrix_path=tmp_path / "nares.h5ad",
        genera_path=tmp_path / "nares_genera.tsv",
    )
    assert read_table(tmp_path / "nares_genera.tsv").empty


def test_primer_reports_carry_the_library_in_their_name(tmp_path):
    path = tmp_path / "GR03-012345678-D04-16s-oral.cutadapt.json"
    path.write_text('{"read_counts": {"input": 7, "output": 5}}')
    assert read_primer_report(path) == ("GR03-012345678-D04-16s-oral", 7, 5)


def test_a_library_that_no_run_tracks_counts_nothing():
    tracking = pd.DataFrame(
        [("A", "1", "1", "1", "1")], columns=["library", "filtered", "denoised_forward", "denoised_reverse", "merged"]
    )
    steps = count_steps([("A", 3, 2), ("B", 4, 0)], tracking)
    assert steps.loc["B"].tolist() == [4, 0, 0, 0, 0, 0]


def test_measures_need_no_reads_at_all():
    steps = pd.DataFrame(0, index=["S1", "S2", "S3"], columns=[
        "raw", "with_primers", "filtered", "merged", "nonchimeric", "kept",
    ])  # fmt: skip
    nothing = pd.DataFrame({"library": [], "asv": [], "count": pd.Series([], dtype="int64")})
    table = measure_libraries(steps, nothing, LIBRARIES)
    assert set(table["metric"]) == {"reads_oral", "reads_nares", "observed_asvs"}
    assert table["value"].eq(0).all()
