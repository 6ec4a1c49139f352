"""The numbers that matter of a run, for the end of the demonstration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from immunosep.figures.factors import TOTAL
from immunosep.figures.performance import (
    FEATURE_SETS,
    model_title,
    overall_rows,
    primary_feature_set,
    primary_model,
    task_title,
)
from immunosep.figures.style import layer_title
from immunosep.io import read_table

#: Measures that may stand for a task (`biomarkers.tasks.<name>.metric`).
METRICS: Final = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "Balanced accuracy",
    "brier": "Brier score",
    "brier_scaled": "Scaled Brier score",
}


def summarise(results_dir: Path, config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the numbers that matter: libraries and failures, labels, factors, and the AUROC of each task.

    Parameters
    ----------
    results_dir
        The folder ``results`` of a run.
    config
        The configuration of the run.

    Returns
    -------
    list of (label, value)
        One line per station that the run has; a task whose target the role must not see has none.
    """
    verdicts = sorted((results_dir / "qc").glob("*_verdicts.tsv"))
    tasks = [name for name, task in config["biomarkers"]["tasks"].items() if task is not None]
    performances = {name: results_dir / "biomarkers" / name / "performance.tsv" for name in tasks}
    lines = []
    if verdicts:
        lines.append(("Libraries", _libraries({path.name.removesuffix("_verdicts.tsv"): path for path in verdicts})))
    labels = results_dir / "labels" / "labels.tsv"
    if labels.exists():
        lines.append(_labels(read_table(labels), config))
    variance = results_dir / "integration" / "variance_explained.tsv"
    if variance.exists():
        lines.append(("MOFA", _factors(read_table(variance))))
    metrics = {name: config["biomarkers"]["tasks"][name].get("metric", "auroc") for name in tasks}
    lines += [
        (f"{METRICS[metrics[name]]}, {task_title(name)}", headline(read_table(path), metrics[name]))
        for name, path in performances.items()
        if path.exists()
    ]
    return lines


def headline(performance: pd.DataFrame, metric: str = "auroc") -> str:
    """Return the number that stands for a task, with its model and number of participants; an AUROC with its interval.

    The model is chosen by kind, not by its result (late fusion, else MOFA, else clinical), on the feature set without
    the definers of the label: picking the best of many models would flatter.

    Parameters
    ----------
    performance
        ``performance.tsv`` of the task, read as text.
    metric
        Column of it (`METRICS`).
    """
    overall = overall_rows(performance)
    known = overall[overall[metric] != ""]
    if known.empty:
        return "not run: too few participants in a class"
    feature_set = primary_feature_set(known["feature_set"])
    rows = known[known["feature_set"] == feature_set].drop_duplicates("model").set_index("model")
    model = primary_model(known.loc[known["feature_set"] == feature_set, "model"]) or str(rows.index[0])
    row = rows.loc[model].to_dict()
    value, low, high, prevalence = (_number(row, name) for name in (metric, "auroc_low", "auroc_high", "prevalence"))
    beside = ""
    if metric == "auroc":
        beside = f" (95 % interval {low:.2f} to {high:.2f})"
    elif metric == "auprc" and not math.isnan(prevalence):
        beside = f" (prevalence {prevalence:.2f})"
    return f"{value:.2f}{beside}, {model_title(model)}, {FEATURE_SETS.get(feature_set, feature_set)}, N = {row['n']}"


def _number(row: Mapping[Any, Any], name: str) -> float:
    """Return a cell as a number, NaN where it is empty or not there."""
    return float(row.get(name) or "nan")


def _libraries(paths: Mapping[str, Path]) -> str:
    """Return how many libraries were judged and which layers lost some."""
    overall = {}
    for layer, path in paths.items():
        table = read_table(path)
        overall[layer] = table.loc[table["metric"] == "overall", "verdict"]
    failed = {layer: int((verdicts == "fail").sum()) for layer, verdicts in overall.items()}
    where = ", ".join(f"{layer_title(layer)} {count}" for layer, count in failed.items() if count)
    total = sum(len(verdicts) for verdicts in overall.values())
    return f"{total} judged, {sum(failed.values())} failed QC" + (f" ({where})" if where else "")


def _labels(labels: pd.DataFrame, config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the counts of the first task's target that the label table shows."""
    tasks = [task for task in config["biomarkers"]["tasks"].values() if task is not None and not task.get("control")]
    targets = [task["target"] for task in tasks]
    shown = next((target for target in targets if target in labels), None)
    if shown is None:
        return "Participants", str(len(labels))
    counts = labels.loc[labels[shown] != "", shown].value_counts().sort_index()
    return task_title(shown), ", ".join(f"{count} {name}" for name, count in counts.items())


def _factors(variance: pd.DataFrame) -> str:
    """Return the number of factors and what the strongest explains of the layer that it explains best."""
    single = variance[variance["factor"] != TOTAL].assign(r2=lambda table: table["r2"].astype(float))
    if single.empty:
        return "no factor"
    top = single.sort_values("r2", ascending=False, kind="stable").iloc[0].to_dict()
    number = top["factor"].removeprefix("factor")
    return (
        f"{single['factor'].nunique()} factors; the strongest, factor {number}, explains {top['r2']:.0%} of the "
        f"variance of {layer_title(top['layer'])}"
    ).replace("%", " %")
