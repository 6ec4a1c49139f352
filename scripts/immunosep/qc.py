"""Verdicts on libraries from their metrics and the thresholds of the configuration.

Blind to arm and label: nothing but metrics, thresholds and the library table enters. No library is dropped here; who
builds a matrix leaves out those whose overall verdict is `fail`, and their rows stay in the tables.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from immunosep.io import PathLike, read_table, write_table
from immunosep.layer import samples

logger = logging.getLogger(__name__)

VERDICTS = ("pass", "warn", "fail")
OVERALL = "overall"
COLUMNS = ["library", "metric", "value", "warn", "fail", "verdict", "reason", "source"]
BODY_SITES = ("nares", "oral", "rectum")
NOT_MEASURED = "not measured"
_LIMITS = ["warn_below", "warn_above", "fail_below", "fail_above"]


def _applies_to(metric: str) -> str:
    """Return the body site that a metric such as `reads_nares` is for, or the empty text: for all."""
    suffix = metric.rpartition("_")[2]
    return suffix if suffix in BODY_SITES else ""


def _expected(libraries: pd.DataFrame, thresholds: Mapping[str, Any]) -> pd.DataFrame:
    """List the library and metric pairs that must have a value."""
    metrics = pd.DataFrame({"metric": list(thresholds), "_site": [_applies_to(metric) for metric in thresholds]})
    pairs = libraries[["library", "specimen"]].merge(metrics, how="cross")
    return pairs.loc[(pairs["_site"] == "") | (pairs["_site"] == pairs["specimen"]), ["library", "metric"]]


def _limit_text(below: pd.Series, above: pd.Series) -> pd.Series:
    """Spell limits: `< 0.3`, `> 10`, `< 0.3 or > 10`, or the empty text."""
    low = below.map(lambda limit: f"< {limit:g}", na_action="ignore").fillna("")
    high = above.map(lambda limit: f"> {limit:g}", na_action="ignore").fillna("")
    return low.str.cat(high, sep=" or ").str.removeprefix(" or ").str.removesuffix(" or ")


def judge(metrics: pd.DataFrame, thresholds: Mapping[str, Mapping[str, Any]], libraries: pd.DataFrame) -> pd.DataFrame:
    """Judge each sample library by each of its metrics, and overall by the worst.

    Parameters
    ----------
    metrics
        Long: `library`, `metric`, `value` (float; NaN or no row where not measured). Rows of controls are ignored:
        controls are reported by their layers.
    thresholds
        For each metric any of `warn_below`, `fail_below`, `warn_above`, `fail_above`, and `source`. A value on the
        limit passes. A metric whose name ends in a body site is for libraries of that specimen only.
    libraries
        The layer's library table: `library`, `sample_type`, `specimen`.

    Returns
    -------
    Columns `library metric value warn fail verdict reason source`, sorted by library; within a library the metrics in
    the order of the thresholds, then those without threshold (verdict `pass`) by name, then one row `overall` with the
    reasons joined. `warn` and `fail` spell the limits (`< 0.3`). A thresholded metric without a value is a warning.

    Raises
    ------
    ValueError
        When a metric stands twice for a library, or belongs to a library that the table does not know.
    """
    unknown = set(metrics["library"]) - set(libraries["library"])
    if unknown:
        raise ValueError(f"metrics of unknown libraries: {', '.join(sorted(unknown))}")
    sample = samples(libraries)
    own = metrics.loc[metrics["library"].isin(sample["library"]), ["library", "metric", "value"]]
    table = _expected(sample, thresholds).merge(own, how="outer", on=["library", "metric"], validate="one_to_one")
    table["value"] = table["value"].astype(float)

    limits = pd.DataFrame.from_dict({name: dict(limit) for name, limit in thresholds.items()}, orient="index")
    limits = limits.reindex(columns=[*_LIMITS, "source"]).reindex(table["metric"]).reset_index(drop=True)
    limits[_LIMITS] = limits[_LIMITS].astype(float)
    value, measured = table["value"], table["value"].notna()
    # In the order of precedence: the first that holds decides.
    breaches = {
        "fail_below": value < limits["fail_below"],
        "fail_above": value > limits["fail_above"],
        "warn_below": value < limits["warn_below"],
        "warn_above": value > limits["warn_above"],
    }
    conditions = [~measured & limits["source"].notna(), *breaches.values()]
    table["verdict"] = np.select(conditions, ["warn", "fail", "fail", "warn", "warn"], "pass")
    table["warn"] = _limit_text(limits["warn_below"], limits["warn_above"])
    table["fail"] = _limit_text(limits["fail_below"], limits["fail_above"])
    table["source"] = limits["source"].fillna("")
    table["reason"] = ""
    table.loc[conditions[0], "reason"] = table["metric"] + " " + NOT_MEASURED
    for name, breached in reversed(breaches.items()):
        side = name.rpartition("_")[2]
        table.loc[breached, "reason"] = [
            f"{metric} {number:.6g} {side} {limit:g}"
            for metric, number, limit in zip(
                table.loc[breached, "metric"], value[breached], limits.loc[breached, name], strict=True
            )
        ]
    order = {metric: position for position, metric in enumerate(thresholds)}
    table["_order"] = table["metric"].map(order).fillna(len(order))
    table = table.sort_values(["library", "_order", "metric"], ignore_index=True)
    whole = _overall(table, sample["library"]).assign(_order=np.inf)
    both = pd.concat([table, whole], ignore_index=True)
    return both.sort_values(["library", "_order", "metric"], ignore_index=True)[COLUMNS]


def _overall(table: pd.DataFrame, libraries: pd.Series) -> pd.DataFrame:
    """Give each library its worst verdict, and the reasons, failures first."""
    rank = table["verdict"].map({verdict: rank for rank, verdict in enumerate(VERDICTS)})
    worst = rank.groupby(table["library"]).max().reindex(libraries, fill_value=0).astype(int)
    blamed = (
        table[rank > 0].assign(_rank=rank).sort_values(["library", "_rank"], ascending=[True, False], kind="stable")
    )
    reasons = blamed.groupby("library")["reason"].agg("; ".join).reindex(libraries, fill_value="")
    return pd.DataFrame(
        {
            "library": libraries.to_numpy(),
            "metric": OVERALL,
            "value": np.nan,
            "warn": "",
            "fail": "",
            "verdict": np.asarray(VERDICTS, dtype=object)[worst.to_numpy()],
            "reason": reasons.to_numpy(),
            "source": "",
        }
    )


def summarise(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Count libraries by layer and overall verdict.

    Parameters
    ----------
    verdicts
        The verdicts of all layers with a column `layer`.

    Returns
    -------
    Columns `layer`, `libraries`, `pass`, `warn`, `fail`, in the order in which the layers stand.
    """
    overall = verdicts[verdicts["metric"] == OVERALL]
    counts = pd.crosstab(overall["layer"], overall["verdict"]).reindex(columns=list(VERDICTS), fill_value=0)
    counts = counts.reindex(overall["layer"].unique()).rename_axis(columns=None)
    counts.insert(0, "libraries", counts.sum(axis=1))
    return counts.reset_index()


def judge_libraries(
    *, metrics: PathLike, libraries: PathLike, thresholds: Mapping[str, Mapping[str, Any]], verdicts: PathLike
) -> None:
    """Read a layer's metrics and library table, judge, and write the verdicts."""
    measured = read_table(metrics)
    measured["value"] = pd.to_numeric(measured["value"].replace("", None))
    result = judge(measured, thresholds, read_table(libraries))
    overall = result.loc[result["metric"] == OVERALL, "verdict"].value_counts()
    logger.info("%s", ", ".join(f"{overall.get(verdict, 0)} {verdict}" for verdict in VERDICTS))
    write_table(result, verdicts)


def collect_verdicts(
    *, layers: Sequence[str], paths: Sequence[PathLike], verdicts: PathLike, summary: PathLike
) -> None:
    """Join the verdict tables of the layers, and count.

    Parameters
    ----------
    layers, paths
        The layers and their verdict tables, in the same order.
    verdicts, summary
        Targets.
    """
    tables = [read_table(path).assign(layer=layer) for layer, path in zip(layers, paths, strict=True)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*COLUMNS, "layer"])
    write_table(table[["layer", *COLUMNS]], verdicts)
    write_table(summarise(table), summary)
