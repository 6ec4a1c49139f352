"""Small synthetic tables for the tests of figures."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd

from immunosep.figures import availability, embedding, factors, labels, missingness, performance, qc, trajectories
from immunosep.missingness import assess_missingness

PARTICIPANTS = [f"GR{1 + index % 3:02d}-{(index + 1) * 1234567:09d}" for index in range(24)]
CUTS = {"ferritin_cut": 4420, "hladr_cut": 5000}


def completeness_table(participants=PARTICIPANTS) -> pd.DataFrame:
    rows = [
        (name, day, layer, "", "collected", "") for name in participants for day in "14" for layer in ("rna", "atac")
    ]
    table = pd.DataFrame(rows, columns=["participant", "visit_day", "layer", "specimen", "status", "reason"])
    table.loc[table.index[1], ["status", "reason"]] = ["missing", "died"]
    return table


def library_table(completeness: pd.DataFrame) -> pd.DataFrame:
    kept = completeness[completeness["status"] == "collected"].copy()
    kept["library"] = kept["participant"] + "-D0" + kept["visit_day"] + "-" + kept["layer"]
    kept["batch"] = np.where(np.arange(len(kept)) % 2, "B1", "B2")
    return kept


def verdict_table(libraries: pd.DataFrame, metrics=("mapped_fraction",), fail=()) -> pd.DataFrame:
    rows = []
    for position, library in enumerate(libraries["library"]):
        word = "fail" if library in fail else "pass"
        rows += [(library, metric, f"{0.5 + 0.01 * (position % 30):g}", word) for metric in metrics]
        rows.append((library, "overall", "", word))
    return pd.DataFrame(rows, columns=["library", "metric", "value", "verdict"])


def layer_data(rng, participants=PARTICIPANTS, features=30) -> ad.AnnData:
    obs = pd.DataFrame(
        {
            "participant": participants,
            "batch": ["B1" if index % 2 else "B2" for index in range(len(participants))],
            "country": ["GR"] * len(participants),
            "visit_day": 1,
        },
        index=[f"{name}-D01-rna" for name in participants],
    )
    matrix = rng.normal(size=(len(participants), features)).astype("float32")
    return ad.AnnData(matrix, obs=obs, var=pd.DataFrame(index=[f"g{index}" for index in range(features)]))


def clinical_table(participants=PARTICIPANTS) -> pd.DataFrame:
    sex = ["F" if index % 2 else "M" for index in range(len(participants))]
    site, code = [name[:4] for name in participants], [name[5:] for name in participants]
    return pd.DataFrame({"site": site, "participant_code": code, "sex": sex}, dtype=str)


def label_table(participants=PARTICIPANTS) -> pd.DataFrame:
    endotype = ["MALS" if index % 3 == 0 else "SII" for index in range(len(participants))]
    return pd.DataFrame(
        {"participant": participants, "endotype": endotype, "both_criteria": "no", "borderline": "no"}, dtype=str
    )


def sealed_table(rng, participants=PARTICIPANTS) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "site": [name[:4] for name in participants],
            "participant_code": [name[5:] for name in participants],
            "ferritin": [f"{value:.2f}" for value in rng.lognormal(8, 1, len(participants))],
            "hladr": [f"{value:.0f}" for value in rng.lognormal(8.5, 1, len(participants))],
        },
        dtype=str,
    )


def biomarker_tables(rng) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    truth = np.array([0, 1] * 12)
    curves, scores, results = [], [], []
    for model in ("clinical", "rna", "mofa", "late_fusion"):
        for feature_set in ("full", "no_definers"):
            key = (model, feature_set, "MALS")
            score = truth + rng.normal(size=truth.size)
            curves += [(*key, "roc", x, y, 24) for x, y in ((0, 0), (0.25, 0.75), (1, 1))]
            curves += [(*key, "calibration", x, y, n) for x, y, n in ((0.2, 0.25, 8), (0.5, 0.5, 8), (0.8, 0.75, 8))]
            results.append((*key, 24, 12, 0.75, 0.6, 0.9, 1.1, 0.1, 0.2))
            scores += [
                (repeat, name, *key, label, value + 0.1 * repeat)
                for repeat in (1, 2)
                for name, label, value in zip(PARTICIPANTS, truth, score, strict=True)
            ]
    header = ["model", "feature_set", "class"]
    ranks = ["auroc", "auroc_low", "auroc_high", "calibration_slope", "calibration_intercept", "brier"]
    return (
        pd.DataFrame(curves, columns=[*header, "curve", "x", "y", "n"]).astype(str),
        pd.DataFrame(results, columns=[*header, "n", "n_positive", *ranks]).astype(str),
        pd.DataFrame(scores, columns=["repeat", "participant", *header, "label", "score"]).astype(str),
    )


def variance_table() -> pd.DataFrame:
    rows = [("rna", "factor1", 0.3), ("rna", "factor2", 0.1), ("rna", "total", 0.38), ("atac", "factor1", 0.2)]
    rows += [("atac", "factor2", 0.004), ("atac", "total", 0.2)]
    return pd.DataFrame(rows, columns=["layer", "factor", "r2"]).astype(str)


def factor_table() -> pd.DataFrame:
    rows = [(f"{name}-D0{day}", name, str(day)) for name in PARTICIPANTS for day in (1, 4)]
    return pd.DataFrame(rows, columns=["observation", "participant", "visit_day"])


def association_table() -> pd.DataFrame:
    rows = [
        ("label", "endotype", "factor1", "kruskal", 60, 0.64, 1e-6, ""),
        ("label", "endotype", "factor2", "kruskal", 60, 0.01, 0.5, ""),
        ("label", "mean_sofa_d9", "factor1", "spearman", 60, -0.5, 0.001, ""),
        ("label", "mean_sofa_d9", "factor2", "spearman", 60, 0.1, 0.4, ""),
        ("technical", "rna:qc_mapped_fraction", "factor1", "spearman", 55, 0.2, 0.2, ""),
        ("technical", "rna:qc_mapped_fraction", "factor2", "spearman", 55, 0.9, 1e-9, "quality"),
    ]
    header = ["kind", "variable", "factor", "test", "n", "effect", "q_value", "flag"]
    return pd.DataFrame(rows, columns=header).astype(str)


def stability_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two factors in two other starts, and the line on each: the second factor is technical."""
    rows = [("factor1", 2, 0.99, 0.98), ("factor1", 3, 0.97, 0.95), ("factor2", 2, 0.4, 0.3), ("factor2", 3, 0.6, 0.5)]
    stability = pd.DataFrame(rows, columns=["factor", "start", "r", "r_weights"]).astype(str)
    summary = pd.DataFrame(
        [("factor1", "2", "0.98", ""), ("factor2", "0", "0.5", "quality")],
        columns=["factor", "recovered", "stability", "flag"],
    )
    return stability, summary


def trajectory_tables(participants=PARTICIPANTS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One factor; everybody has days 1 and 4, the first two participants day 7 too."""
    rows = [
        (name, day, "yes", "mefisto1", float(index), 0.5)
        for index, name in enumerate(participants)
        for day in ((1, 4, 7) if index < 2 else (1, 4))
    ]
    header = ["participant", "visit_day", "observed", "factor", "mean", "sd"]
    summary = pd.DataFrame(
        [("done", "", "mefisto1", "factor2", "-0.9", "0.75")],
        columns=["status", "reason", "factor", "mofa_factor", "r", "persistence"],
    )
    return pd.DataFrame(rows, columns=header).astype(str), summary


THRESHOLDS = {
    "mapped_fraction": {"warn_below": 0.7, "fail_below": 0.55, "source": "test"},
    "read_pairs": {"fail_below": 100, "source": "test"},
}


def missingness_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tests and shares of missing samples, as text."""
    completeness = completeness_table()
    libraries = library_table(completeness)
    tables = assess_missingness(completeness, libraries, verdict_table(libraries), label_table(), seed=1)
    tests, shares = (table.astype(str).replace("nan", "") for table in tables)
    return tests, shares


def every_figure(rng) -> dict[str, tuple]:
    """Return each figure and its table, from synthetic inputs."""
    completeness = completeness_table()
    libraries = library_table(completeness)
    rna = libraries[libraries["layer"] == "rna"]
    verdicts = verdict_table(rna, ("mapped_fraction", "read_pairs"), fail=(rna["library"].iloc[0],))
    curves, results, scores = biomarker_tables(rng)
    tables = {
        "01_availability": availability.tabulate_availability(completeness, libraries, verdicts, seed=1),
        "01_missingness": missingness.tabulate_missingness(*missingness_tables(), min_group=5),
        "02_endotype_plane": labels.tabulate_endotype_plane(label_table(), sealed_table(rng), seed=1),
        "03_qc_rna": qc.tabulate_qc(verdicts, libraries, THRESHOLDS, layer="rna", seed=1, min_group=5),
        "04_pca_rna": embedding.tabulate_pca(
            layer_data(rng),
            clinical_table(),
            label_table(),
            layer="rna",
            label_columns=["endotype"],
            seed=1,
            max_features=20,
            min_group=5,
        ),
        "05_mofa_variance": factors.tabulate_variance(variance_table(), factor_table()),
        "06_factor_associations": factors.tabulate_associations(association_table(), top=5),
        "13_mofa_stability": factors.tabulate_stability(*stability_tables()),
        "14_factor_trajectories": trajectories.tabulate_trajectories(
            *trajectory_tables(), label_table(), column="endotype", min_group=5
        ),
        "07_roc_endotype": performance.tabulate_roc(curves, results, scores, rounds=50, seed=1),
        "08_calibration_endotype": performance.tabulate_calibration(curves, results, min_bin=10),
    }
    draw = {
        "01_availability": availability.plot_availability,
        "01_missingness": missingness.plot_missingness,
        "02": lambda table: labels.plot_endotype_plane(table, CUTS),
        "03": lambda table: qc.plot_qc(table, layer="rna", seed=1),
        "04": lambda table: embedding.plot_pca(table, layer="rna"),
        "05": factors.plot_variance,
        "06": factors.plot_associations,
        "13": factors.plot_stability,
        "14": trajectories.plot_trajectories,
        "07": lambda table: performance.plot_roc(table, task="endotype"),
        "08": lambda table: performance.plot_calibration(table, task="endotype"),
    }
    return {stem: (draw.get(stem, draw.get(stem[:2]))(table), table) for stem, table in tables.items()}
