"""A blinded run, watched by the kernel: no process opens a sealed file or looks whether it is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from immunosep.config import load_config
from immunosep.sealed import sealed_folder
from immunosep.simulate.reads import simulate_reads
from support.runs import CORES, ROOT, assert_success, fresh

CONFIG = ROOT / "tests/e2e/blinded.yaml"
# Paths in the system calls that take one, as strace writes them.
PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
def traced():
    """Folder of a blinded run whose sealed files are there, and the file names in its system calls."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    folder = fresh("blinded")
    config = load_config(ROOT / "config/config.yaml", CONFIG)
    assert config["role"] == "blinded"
    simulate_reads(config, folder / "cohort", 1)
    # Where a careless default or a search by name would look.
    for decoy in (folder / "sealed", folder / "cohort/sealed"):
        shutil.copytree(sealed_folder(folder / "cohort"), decoy)
    call = ["strace", "--follow-forks", "--seccomp-bpf", "--quiet=all", "-e", "trace=%file", "-o", "trace.txt"]
    call += [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
    call += ["--configfile", str(CONFIG), "--cores", str(CORES), "--nolock"]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this machine does not allow tracing")
    assert_success(done)
    lines = (folder / "trace.txt").read_text(errors="replace").splitlines()
    return folder, [name for line in lines for name in PATH.findall(line)]


def test_no_process_touches_a_sealed_file(traced):
    folder, names = traced
    # The trace sees what it should: the open tables, from the controller and from the jobs.
    assert sum(name.endswith("cohort/manifest.tsv") for name in names) >= 2
    assert any(name.endswith("clinical/visits.tsv") for name in names)
    assert any(name.endswith("results/proteome/proteome.h5ad") for name in names)
    # Python itself lists the folders of the working folder when it looks for modules; it opens none of their files.
    sealed = {path.name for path in sealed_folder(folder / "cohort").iterdir()}
    assert sealed == {"classification.tsv", "allocation.tsv", "unblinding.tsv"}
    touched = {
        name
        for name in names
        if Path(name).name in sealed or {"sealed", "cohort-sealed", "truth"} & set(Path(name).parts[:-1])
    }
    assert {name for name in touched if "scripts/immunosep" not in name} == set()


def test_the_run_is_whole_and_shows_neither_endotype_nor_drug(traced):
    folder, _ = traced
    labels = (folder / "results/labels/labels.tsv").read_text().splitlines()[0].split("\t")
    assert not {"endotype", "reversal_d15", "arm"} & set(labels)
    assert (folder / "results/biomarkers/sofa_response/model_card.md").is_file()
    assert not (folder / "results/biomarkers/endotype").exists()
    data = ad.read_h5ad(folder / "results/proteome/proteome.h5ad")
    drugs = data.var["symbol"].isin(["IL1RN", "IFNG"]).to_numpy()
    later = (data.obs["visit_day"] > 1).to_numpy()
    assert drugs.sum() == 2
    assert later.any()
    assert np.isnan(data.X[np.ix_(later, drugs)]).all()
    assert np.isfinite(data.X[np.ix_(~later, drugs)]).any()
