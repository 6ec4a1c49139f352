"""After a withdrawal no file holds the participant, and the rerun gives what a run without them would have given."""

import csv
import shutil
import subprocess
import sys
from collections import defaultdict

import pytest
import yaml

from immunosep.scan import Watchlist, scan_folder
from support.runs import ROOT, assert_success, fresh, snakemake

OVERLAY = ROOT / "tests/e2e/withdrawal.yaml"
TASK = "results/biomarkers/sofa_response"
TARGETS = (
    "results/intake/intake_report.html",
    "results/qc/verdicts.tsv",
    "results/integration/associations.tsv",
    "results/labels/endpoints.tsv",
    "results/figures/01_availability.png",
    "results/figures/04_pca_rna.png",
    f"{TASK}/performance.tsv",
    f"{TASK}/model_card.md",
)


def immunosep(folder, *arguments):
    call = [sys.executable, "-m", "immunosep.cli", *arguments]
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run(folder):
    return snakemake(folder, *TARGETS, configfile=folder / "my.yaml")


def tables(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "results").rglob("*.tsv"))}


def somebody(folder):
    """Return site and code of a participant with RNA and proteome whose code nobody else has."""
    with (folder / "cohort/manifest.tsv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["sample_type"] == "sample"]
    layers, sites = defaultdict(set), defaultdict(set)
    for row in rows:
        code = row["participant_code"] or row["sample_code"]
        sites[code].add(row["site"])
        if row["collected"] == "yes":
            layers[row["site"], code].add(row["layer"])
    return min(key for key, own in layers.items() if {"rna", "proteome"} <= own and len(sites[key[1]]) == 1)


def watch(code):
    return Watchlist(codes=frozenset({code.encode()}), general=False)


def folds(folder):
    rows = [line.split("\t")[:3] for line in (folder / TASK / "folds.tsv").read_text().splitlines()[1:]]
    return {tuple(row[:2]): row[2] for row in rows}


@pytest.fixture(scope="module")
def withdrawn(tmp_path_factory):
    """Folder of a run that somebody has withdrawn from, and what its tables and folds were before."""
    folder = fresh("withdrawal")
    overlay = yaml.safe_load(OVERLAY.read_text())
    overlay["privacy"] = {"secret": str(tmp_path_factory.mktemp("settings") / "secret.key")}
    (folder / "my.yaml").write_text(yaml.safe_dump(overlay))
    assert_success(immunosep(folder, "simulate", "reads", "--config", "my.yaml", "--out", "cohort"))
    assert_success(run(folder))
    before = (tables(folder), folds(folder))
    site, code = somebody(folder)
    assert len(scan_folder(folder, watch(code))) > 100
    assert_success(immunosep(folder, "withdraw", site, code, "--config", "my.yaml", "--yes", "--inputs"))
    return folder, site, code, before


def test_no_byte_of_the_tree_holds_the_code(withdrawn):
    folder, _, code, _ = withdrawn
    assert scan_folder(folder, watch(code)) == []
    # The same with nothing of ours.
    plain = subprocess.run(["grep", "-rlaF", code, str(folder)], capture_output=True, text=True, check=False)
    names = [str(path) for path in folder.rglob("*") if code in str(path)]
    assert plain.stdout.splitlines() + names == []
    assert '"status": "complete"' in (folder / "withdrawals/certificate_1.json").read_text()


def test_the_rerun_is_a_run_without_the_participant_under_the_kept_folds(withdrawn):
    folder, site, code, (tables_before, folds_before) = withdrawn
    assert_success(run(folder))
    without = fresh("withdrawal_fresh")
    for name in ("cohort", "cohort-sealed", "withdrawals"):
        shutil.copytree(folder / name, without / name)
    shutil.copy2(folder / "my.yaml", without)
    assert_success(run(without))
    after = tables(folder)
    assert set(after) == set(tables(without))
    assert sorted(name for name, content in tables(without).items() if after[name] != content) == []
    assert set(after) <= set(tables_before)
    assert after["results/intake/rna.tsv"] != tables_before["results/intake/rna.tsv"]
    person = f"{site}-{code}"
    assert (person, "1") in folds_before
    assert folds(folder) == {key: fold for key, fold in folds_before.items() if key[0] != person}
    assert "Data epoch (withdrawals before): 1" in (folder / TASK / "model_card.md").read_text()
    assert scan_folder(folder, watch(code)) == []
