"""The demonstration: make the synthetic cohort, run the workflow on it, build the report, say what came out.

Every step does nothing where its result is already there, so that a second run ends at once and says so.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from immunosep.config import load_config
from immunosep.launch import BASE_CONFIG, PROJECT_ROOT, call_snakemake, only_run
from immunosep.provenance import code_fingerprint
from immunosep.report import build_report
from immunosep.sealed import sealed_folder

logger = logging.getLogger(__name__)

DEMO_CONFIG = PROJECT_ROOT / "config" / "demo.yaml"
STAMP = "cohort.json"


def main(cores: int, configfile: Path = DEMO_CONFIG, snakemake_options: Sequence[str] = ()) -> int:
    """Make the cohort, run the workflow, build the report and print the numbers that matter.

    Parameters
    ----------
    cores
        Jobs' cores in all.
    configfile
        Overlay of the default configuration; its manifest's folder becomes the cohort's.
    snakemake_options
        Further options for Snakemake, such as ``--sdm conda``.

    Returns
    -------
    int
        Exit code: 0 when everything is there, else Snakemake's.

    Raises
    ------
    InputError
        When another run holds this folder.
    """
    config = load_config(BASE_CONFIG, configfile)
    with only_run(Path(".snakemake")):
        cohort = make_cohort(config, Path(config["data_root"]))
        _say(f"1/3 Cohort: {cohort}")
        _say("2/3 Workflow: every job is listed as it runs; logs/ holds their logs.")
        # The folder is held by our own lock, which the system frees however a run ends. Snakemake's own lock files
        # stay after a kill and would ask the user to unlock.
        options = ["--cores", str(cores), "--resources", f"mem_mb={_memory_mb()}", "--nolock", "--rerun-incomplete"]
        options += snakemake_options
        code = call_snakemake(configfile, options)
        if code != 0:
            return code
        report = Path("results/report/report.zip")
        if not report.is_file() or report.stat().st_mtime_ns < _newest(Path("results")):
            _say("3/3 Report: collecting figures and tables.")
            code = build_report(configfile, report, config["seed"])
            if code != 0:
                return code
        else:
            _say("3/3 Report: up to date. Nothing was left to do.")
    _print_summary(config, report)
    return 0


def make_cohort(config: dict[str, Any], folder: Path) -> str:
    """Write the synthetic cohort unless the one that this configuration and code would make is there.

    Parameters
    ----------
    config
        Checked configuration; `seed` and the `simulate` section decide the cohort.
    folder
        Where the cohort goes. A half-written cohort never stands there: it is made beside it and moved.

    Returns
    -------
    str
        What was done, for the user.
    """
    recipe = {
        "seed": config["seed"],
        "simulate": config["simulate"],
        "schedule": config["schedule"],
        "rules": [config[section] for section in ("endotype", "sofa", "sofa_response", "reversal", "survival")],
        "code": code_fingerprint("immunosep.simulate"),
    }
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    stamp = folder / STAMP
    sealed = sealed_folder(folder)
    whole = stamp.is_file() and (config["role"] == "blinded" or sealed.is_dir())
    if whole and json.loads(stamp.read_text(encoding="utf-8")).get("sha256") == digest:
        return f"{folder} is up to date."
    from immunosep.simulate.reads import simulate_reads

    parts = {path: path.with_name(path.name + ".partial") for path in (folder, sealed)}
    for partial in parts.values():
        shutil.rmtree(partial, ignore_errors=True)
    simulate_reads(config, parts[folder], config["seed"], parts[sealed])
    (parts[folder] / STAMP).write_text(json.dumps({"sha256": digest}) + "\n", encoding="utf-8")
    # The stamp comes last: a cohort that has it has its sealed tables.
    shutil.rmtree(folder, ignore_errors=True)
    for target, partial in reversed(parts.items()):
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return f"written to {folder}."


def _memory_mb() -> int:
    """Return nine tenths of the machine's memory in MB: what jobs that run side by side may ask for in all."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.9 / 1e6)


def _newest(folder: Path) -> int:
    """Return the newest modification time below a folder, in ns, the report left out; 0 for an empty one."""
    times = (p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and "report" not in p.parts)
    return max(times, default=0)


def _print_summary(config: dict[str, Any], report: Path) -> None:
    from immunosep.summary import summarise

    lines = summarise(Path("results"), config)
    width = max(len(label) for label, _ in lines)
    _say(
        "\n".join(
            [f"Report: {report.resolve()} (unzip it and open report.html)", *(f"  {a:<{width}}  {b}" for a, b in lines)]
        )
    )


def _say(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
