"""The numbers at the end of the demonstration."""

import pandas as pd
import pytest

from immunosep.io import write_table
from immunosep.summary import headline, summarise

CONFIG = {
    "biomarkers": {
        "tasks": {"endotype": {"target": "endotype"}, "sofa_response": {"target": "sofa_response"}, "x": None}
    }
}


def performance(*rows):
    header = ["model", "feature_set", "n", "auroc", "auroc_low", "auroc_high"]
    return pd.DataFrame(rows, columns=header).astype(str).assign(**{"class": "MALS"})


@pytest.fixture
def results(tmp_path):
    verdicts = pd.DataFrame(
        {
            "library": ["a", "a", "b", "b"],
            "metric": ["frip", "overall"] * 2,
            "verdict": ["fail", "fail", "pass", "pass"],
        }
    )
    write_table(verdicts, tmp_path / "qc" / "atac_verdicts.tsv")
    write_table(verdicts.assign(verdict="pass"), tmp_path / "qc" / "rna_verdicts.tsv")
    write_table(verdicts, tmp_path / "qc" / "verdicts.tsv")
    labels = pd.DataFrame(
        {"participant": list("pqrs"), "endotype": ["MALS", "SII", "SII", ""], "sofa_response": "response"}
    )
    write_table(labels, tmp_path / "labels" / "labels.tsv")
    variance = pd.DataFrame(
        {
            "layer": ["rna"] * 3 + ["atac"] * 3,
            "factor": ["factor1", "factor2", "total"] * 2,
            "r2": [0.25, 0.1, 0.35, 0.2, 0.31, 0.5],
        }
    )
    write_table(variance, tmp_path / "integration" / "variance_explained.tsv")
    table = performance(
        ("rna", "no_definers", 36, 0.99, 0.9, 1),
        ("late_fusion", "full", 36, 1, 1, 1),
        ("late_fusion", "no_definers", 36, 0.9, 0.78, 0.97),
    )
    write_table(table, tmp_path / "biomarkers" / "endotype" / "performance.tsv")
    write_table(
        performance(("clinical", "full", 5, "", "", "")), tmp_path / "biomarkers" / "sofa_response" / "performance.tsv"
    )
    return tmp_path


def test_five_lines(results):
    assert summarise(results, CONFIG) == [
        ("Libraries", "4 judged, 1 failed QC (ATAC 1)"),
        ("Endotype", "1 MALS, 2 SII"),
        ("MOFA", "2 factors; the strongest, factor 2, explains 31 % of the variance of ATAC"),
        ("AUROC, Endotype", "0.90 (95 % interval 0.78 to 0.97), Late fusion, without definers, N = 36"),
        ("AUROC, SOFA response", "not run: too few participants in a class"),
    ]


def test_blinded_run_shows_what_it_has(results):
    write_table(pd.DataFrame({"participant": ["p"], "sofa_response": ["response"]}), results / "labels" / "labels.tsv")
    (results / "biomarkers" / "endotype" / "performance.tsv").unlink()
    assert [label for label, _ in summarise(results, CONFIG)] == [
        "Libraries",
        "SOFA response",
        "MOFA",
        "AUROC, SOFA response",
    ]


def test_another_measure_may_stand_for_a_task():
    table = performance(("late_fusion", "full", 36, 0.9, 0.8, 1)).assign(auprc="0.4", prevalence="0.25", brier="0.1")
    assert headline(table, "auprc") == "0.40 (prevalence 0.25), Late fusion, all features, N = 36"
    assert headline(table, "brier") == "0.10, Late fusion, all features, N = 36"
    macro = table.assign(**{"class": "macro", "prevalence": ""})
    assert headline(macro, "auprc") == "0.40, Late fusion, all features, N = 36"


def test_the_measure_is_the_tasks_and_a_control_names_no_label(results):
    tasks = {"control_site": {"target": "randomised", "control": True}, **CONFIG["biomarkers"]["tasks"]}
    tasks["endotype"] = {"target": "endotype", "metric": "brier"}
    table = performance(("late_fusion", "full", 36, 0.9, 0.8, 1)).assign(brier="0.1")
    write_table(table, results / "biomarkers" / "endotype" / "performance.tsv")
    labels = pd.DataFrame({"participant": ["p"], "randomised": ["yes"], "endotype": ["SII"]})
    write_table(labels, results / "labels" / "labels.tsv")
    lines = dict(summarise(results, {"biomarkers": {"tasks": tasks}}))
    assert lines["Brier score, Endotype"].startswith("0.10, Late fusion")
    assert lines["Endotype"] == "1 SII"


def test_headline_is_not_the_best_of_many():
    table = performance(("rna", "full", 9, 0.99, 0.9, 1), ("mofa", "full", 9, 0.6, 0.5, 0.7))
    assert headline(table).startswith("0.60")


def test_nothing_there(tmp_path):
    assert summarise(tmp_path, CONFIG) == []
