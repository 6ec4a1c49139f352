"""One MultiQC report over the tool reports of all layers and the verdicts of this workflow.

MultiQC runs in its own process, offline, on an explicit list of files: it finds nothing by searching folders, and the
settings of the person who starts the workflow do not reach it.
"""

from __future__ import annotations

import html
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from immunosep.io import PathLike, read_table
from immunosep.qc import OVERALL, VERDICTS, summarise

logger = logging.getLogger(__name__)

# What MultiQC writes about the machine and the moment, not about the data.
PRIVATE_FILES = ("multiqc.log", "multiqc_sources.txt", "multiqc.parquet", "BETA-multiqc.parquet", "llms-full.txt")
_RULES = {"pass": [{"s_eq": "pass"}], "warn": [{"s_eq": "warn"}], "fail": [{"s_eq": "fail"}]}


def _section(name: str, title: str, description: str, headers: dict[str, Any], data: pd.DataFrame) -> dict[str, Any]:
    """Describe one table in MultiQC's custom-content format; missing values are left out."""
    cells = {
        str(row): {column: value for column, value in values.items() if value == value and value != ""}
        for row, values in data.to_dict("index").items()
    }
    return {
        "id": name,
        "section_name": title,
        "description": description,
        "plot_type": "table",
        "pconfig": {"id": f"{name}_table", "title": title, "namespace": "ImmunoSep", "only_defined_headers": True},
        "headers": headers,
        "data": cells,
    }


def verdict_sections(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Make the report's own sections: counts per layer, and one table of libraries and metrics per layer.

    Parameters
    ----------
    verdicts
        The verdicts of all layers as text, with a column `layer`.

    Returns
    -------
    Contents of `*_mqc.json` files.
    """
    shades = {"pass": "Greens", "warn": "Oranges", "fail": "Reds"}
    counts = summarise(verdicts).set_index("layer")
    headers: dict[str, Any] = {"libraries": {"title": "Libraries", "format": "{:,.0f}", "scale": "Greys"}}
    headers |= {name: {"title": name, "format": "{:,.0f}", "scale": shades[name]} for name in VERDICTS}
    sections = [
        _section("verdict_summary", "Verdicts", "Libraries by layer and overall verdict.", headers, counts),
    ]
    for layer in counts.index:
        own = verdicts[verdicts["layer"] == layer]
        overall = own[own["metric"] == OVERALL].set_index("library")
        measured = own[own["metric"] != OVERALL]
        limits = measured.drop_duplicates("metric").set_index("metric")
        wide = measured.pivot(index="library", columns="metric", values="value")[list(limits.index)]
        wide = wide.apply(pd.to_numeric).reindex(overall.index)
        table = pd.concat([overall[["verdict", "reason"]], wide], axis=1).sort_index()
        headers = {
            "verdict": {"title": "Verdict", "cond_formatting_rules": _RULES, "scale": False},
            "reason": {"title": "Reason", "scale": False},
        }
        for metric, limit in limits.iterrows():
            marks = [f"{word} {limit[word]}" for word in ("warn", "fail") if limit[word]]
            headers[str(metric)] = {
                "title": str(metric).replace("_", " "),
                "description": html.escape("; ".join([*marks, limit["source"]] if marks else ["no threshold"])),
                "format": "{:,.4g}",
            }
        title = f"Libraries: {layer}"
        sections.append(
            _section(f"verdicts_{layer}", title, "Metrics, verdict and reason of each library.", headers, table)
        )
    return sections


def run_multiqc(
    *, files: Sequence[PathLike], verdicts: PathLike, settings: PathLike, report: PathLike, data: PathLike
) -> None:
    """Write the report and the folder of its tables.

    Parameters
    ----------
    files
        Reports and logs of the tools.
    verdicts
        `results/qc/verdicts.tsv`.
    settings
        MultiQC configuration.
    report, data
        Targets: an HTML file and a folder.

    Raises
    ------
    subprocess.CalledProcessError
        When MultiQC fails; its messages are in the log.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sections = []
        for content in verdict_sections(read_table(verdicts)):
            path = work / f"{content['id']}_mqc.json"
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
            sections.append(path)
        listing = work / "files.txt"
        listing.write_text("".join(f"{path}\n" for path in [*sections, *files]), encoding="utf-8")
        command = [sys.executable, "-m", "multiqc", "--file-list", str(listing), "--config", str(settings)]
        command += ["--outdir", str(work / "out"), "--filename", "multiqc.html", "--no-ansi"]
        # An empty home: no personal MultiQC settings, no cached state. A fixed hash seed: sets in one order.
        environment = {**os.environ, "HOME": str(work), "PYTHONHASHSEED": "0", "TZ": "UTC", "NO_COLOR": "1"}
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        logger.info("multiqc:\n%s%s", done.stdout, done.stderr)
        done.check_returncode()
        shutil.rmtree(data, ignore_errors=True)
        shutil.move(work / "out" / "multiqc_data", data)
        for name in PRIVATE_FILES:
            (Path(data) / name).unlink(missing_ok=True)
        shutil.move(work / "out" / "multiqc.html", report)
