"""Runs of the whole workflow, for the tests that need one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".e2e"
DEMO = ROOT / "config/demo.yaml"
SMALL = ROOT / "tests/e2e/small.yaml"
CORES = os.cpu_count() or 1


def snakemake(folder, *arguments, configfile=DEMO, project=ROOT):
    """Call Snakemake with `folder` as working folder; return the finished process with its output."""
    call = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "workflow/Snakefile")]
    call += ["--configfile", str(configfile), "--cores", str(CORES), "--nolock", "--rerun-incomplete", *arguments]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)


def planned_jobs(process):
    """Return the number of jobs per rule that a dry run printed; empty where nothing is to be done."""
    text = process.stdout + process.stderr
    assert process.returncode == 0, text[-6000:]
    block = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", text, re.DOTALL)
    if block is None:
        assert "Nothing to be done" in text, text[-3000:]
        return {}
    counts = dict(line.split() for line in block.group(1).splitlines())
    return {rule: int(n) for rule, n in counts.items() if rule != "total"}


def demo_call(project, *arguments):
    """Return the call of a project's `immunosep demo`, and its environment."""
    call = [sys.executable, "-m", "immunosep.cli", "demo", *arguments]
    return call, {**os.environ, "PYTHONPATH": str(project / "scripts")}


def run_demo(folder, *arguments, project=ROOT):
    """Run `immunosep demo` with `folder` as working folder; return the finished process with its output."""
    folder.mkdir(parents=True, exist_ok=True)
    call, environment = demo_call(project, *arguments)
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def assert_success(process):
    """Fail with the end of what a process printed unless it ended well."""
    assert process.returncode == 0, process.stdout[-4000:] + process.stderr[-8000:]


def fresh(name):
    """Return an empty working folder below the cache."""
    folder = CACHE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def copy_project(target):
    """Copy what a run needs of the project, so that a test may edit its code."""
    for part in ("workflow", "scripts", "config", "resources", "envs"):
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("demo", "__pycache__"))
    return target


def tables(folder):
    """Map every table of the results to its bytes."""
    found = {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted((folder / "results").rglob("*.tsv"))
        if "multiqc" not in str(p)  # MultiQC's own dumps, not tables of the workflow
    }
    assert len(found) > 20
    return found
