"""The demonstration's results against what was planted in its cohort."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

pytestmark = pytest.mark.slow


def read(path):
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def truth(demo):
    return demo / "resources/demo/truth"


@pytest.fixture(scope="module")
def swaps(truth):
    return set(read(truth / "swaps.tsv")["name"])


@pytest.fixture(scope="module")
def verdicts(demo):
    return read(demo / "results/qc/verdicts.tsv").query("metric == 'overall'")


def test_labels_are_the_planted_ones_exactly(demo, truth):
    planted = read(truth / "labels.tsv").set_index("participant").sort_index()
    derived = read(demo / "results/labels/labels.tsv").set_index("participant").sort_index()
    assert list(derived.index) == list(planted.index)
    pd.testing.assert_frame_equal(derived[planted.columns], planted)


def test_gene_counts_follow_the_fragments_that_were_drawn(demo, truth):
    drawn = read(truth / "gene_counts.tsv").set_index("gene_id").astype(int)
    matrix = anndata.read_h5ad(demo / "results/rna/rna.h5ad")
    # What responds to the trial drugs is masked at later visits in this role.
    matrix = matrix[:, matrix.var["kept"] & ~matrix.var["masked"]]
    counts = pd.DataFrame(matrix.layers["counts"], index=matrix.obs_names, columns=matrix.var_names).T
    genes = drawn.index.intersection(counts.index)
    assert len(genes) == len(counts) >= 220
    rho = {name: spearmanr(counts[name], drawn.loc[counts.index, name]).statistic for name in counts}
    assert min(rho.values()) >= 0.98, min(rho.items(), key=lambda item: item[1])


def test_planted_regions_are_found_and_no_others(demo, truth):
    columns = ["chrom", "start", "end"]
    found = pd.read_csv(demo / "results/atac/consensus_peaks.bed", sep="\t", header=None).iloc[:, :3]
    planted = pd.read_csv(truth / "peaks.bed", sep="\t", header=None).iloc[:, :3]
    found.columns = planted.columns = columns
    hit = np.zeros((len(planted), len(found)), dtype=bool)
    for chrom in planted["chrom"].unique():
        p, f = planted["chrom"] == chrom, found["chrom"] == chrom
        start = np.maximum.outer(planted.loc[p, "start"].to_numpy(), found.loc[f, "start"].to_numpy())
        end = np.minimum.outer(planted.loc[p, "end"].to_numpy(), found.loc[f, "end"].to_numpy())
        hit[np.ix_(p, f)] = start < end
    assert hit.any(axis=1).mean() >= 0.9  # recall
    assert hit.any(axis=0).mean() >= 0.9  # precision


def test_genus_composition_is_the_planted_one(demo, truth):
    drawn = read(truth / "genus_composition.tsv")
    drawn["fraction"] = drawn["fraction"].astype(float)
    matrix = anndata.read_h5ad(demo / "results/microbiome/microbiome.h5ad")
    counts = pd.DataFrame(matrix.layers["counts"], index=matrix.obs_names, columns=matrix.var["genus"].astype(str))
    counts = counts.T.groupby(level=0).sum().T
    found = counts.div(counts.sum(axis=1), axis=0)
    for name, row in found.iterrows():
        expected = drawn[drawn["library"] == name].set_index("genus")["fraction"]
        genera = expected.index.union(row.index)
        difference = expected.reindex(genera, fill_value=0) - row.reindex(genera, fill_value=0)
        assert difference.abs().sum() / 2 <= 0.15, name  # Bray-Curtis of two compositions
    assert len(found) >= 60


def test_a_factor_is_the_planted_one(demo, truth, swaps):
    planted = read(truth / "latent_factors.tsv").set_index("observation")["factor1"].astype(float)
    factors = read(demo / "results/integration/factors.tsv").set_index("observation")
    scores = factors.filter(regex=r"^factor\d+$").astype(float)
    common = scores.index.intersection(planted.index)
    correlation = scores.loc[common].corrwith(planted.loc[common]).abs()
    assert correlation.max() >= 0.8, correlation


def test_the_planted_failures_and_only_those_fail(verdicts, truth):
    failed = set(verdicts.loc[verdicts["verdict"] == "fail", "library"])
    assert failed == set(read(truth / "failed_libraries.tsv")["library"])


def test_a_failed_library_leaves_the_matrix_and_stays_in_the_table(demo, truth):
    for row in read(truth / "failed_libraries.tsv").itertuples():
        matrix = anndata.read_h5ad(demo / f"results/{row.layer}/{row.layer}.h5ad")
        assert row.library not in matrix.obs_names
        assert row.library in set(read(demo / f"results/qc/{row.layer}_verdicts.tsv")["library"])


def test_endotype_is_predicted_from_the_layers(demo):
    table = read(demo / "results/biomarkers/endotype/performance.tsv")
    fusion = table.query("model == 'late_fusion' and feature_set == 'no_definers'")
    assert len(fusion) == 1
    assert float(fusion["auroc"].iloc[0]) >= 0.85


def test_permuted_labels_are_not_predicted(demo):
    """Twenty reruns of the whole pipeline on endotypes that were shuffled between participants."""
    from immunosep.biomarkers.crossvalidate import permute_task
    from immunosep.biomarkers.evaluate import auroc
    from immunosep.biomarkers.steps import Choices, Sources, load_inputs
    from immunosep.config import feature_filters, load_config
    from support.runs import DEMO, ROOT

    config = load_config(ROOT / "config/config.yaml", DEMO)
    section = config["biomarkers"]
    section["tasks"]["endotype"] |= {"comparators": ["layers", "late_fusion"], "feature_sets": ["no_definers"]}
    matrices = {layer: demo / f"results/{layer}/{layer}.h5ad" for layer in ("rna", "atac", "proteome")}
    matrices |= {f"microbiome_{site}": demo / f"results/microbiome/{site}.h5ad" for site in ("nares", "oral", "rectum")}
    sources = Sources(
        matrices=matrices,
        labels=demo / "results/labels/labels.tsv",
        participants=demo / "resources/demo/clinical/participants.tsv",
        folds=demo / "results/biomarkers/endotype/folds.tsv",
    )
    choices = Choices(section, config["integration"], feature_filters(config), config["seed"])
    given = load_inputs("endotype", sources, choices)
    strata = pd.Series("all", index=given.classes.index)
    areas = []
    for permutation in range(20):
        table = permute_task(
            given.task,
            given.blocks,
            given.classes,
            strata,
            choices.settings,
            folds=section["cv"]["outer_folds"],
            permutation=permutation,
            seed=1,
        )
        fusion = table[table["model"] == "late_fusion"]
        areas.append(auroc(fusion["label"].astype(int), fusion["score"].astype(float)))
    # One area has a standard deviation of about 0.1 at 36 participants, their mean over 20 one of about 0.02.
    assert abs(np.mean(areas) - 0.5) <= 0.1, areas


def test_the_report_holds_every_figure(demo):
    import zipfile

    with zipfile.ZipFile(demo / "results/report/report.zip") as archive:
        names = archive.namelist()
    assert any(name.endswith("report.html") for name in names)
    figures = {path.stem for path in (demo / "results/figures").glob("*.png")}
    assert len(figures) >= 10


def test_a_second_run_does_nothing_and_says_so(demo):
    from support.runs import run_demo

    before = {p: p.stat().st_mtime_ns for p in (demo / "results").rglob("*") if p.is_file()}
    again = run_demo(demo)
    assert again.returncode == 0
    assert "Nothing was left to do" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in (demo / "results").rglob("*") if p.is_file()} == before
