"""The technical quality of one layer: a panel per metric, a dot per library, the thresholds as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

from immunosep.figures.style import (
    INK,
    VERDICT_COLOURS,
    dot_style,
    house_styled,
    layer_title,
    new_figure,
    note_figure,
    pool_small_groups,
    surrogate_ids,
    title_figure,
)

COLUMNS: Final = 3
FEW: Final = 150  # dots in a panel
THRESHOLDS: Final = ("warn_below", "fail_below", "warn_above", "fail_above")
# metric -> (axis label, logarithmic axis)
METRICS: Final = {
    "read_pairs": ("Read pairs", True),
    "mapped_fraction": ("Mapped (fraction of read pairs)", False),
    "globin_fraction": ("Globin (fraction of mapped)", False),
    "mitochondrial_fraction": ("Mitochondrial (fraction of mapped)", False),
    "detected_genes": ("Genes with ≥ 10 reads", False),
    "duplication_fraction": ("Duplicates (fraction)", False),
    "fragments": ("Usable fragments", True),
    "nrf": ("NRF (distinct / all)", False),
    "pbc1": ("PBC1 (seen once / distinct)", False),
    "pbc2": ("PBC2 (seen once / seen twice)", True),
    "tss_enrichment": ("TSS enrichment (fold)", False),
    "frip": ("Fragments in peaks (fraction)", False),
    "peaks": ("Peaks", True),
    "median_deviation": ("Median NPX off the cohort's (SD)", False),
    "iqr_deviation": ("IQR of NPX off the cohort's (SD)", False),
    "missing_fraction": ("Assays without a value (fraction)", False),
    "warned_fraction": ("Assays with QC warning (fraction)", False),
    "detected_fraction": ("Assays above LOD (fraction)", False),
    "reads_nares": ("Reads kept, nares", True),
    "reads_oral": ("Reads kept, oral", True),
    "reads_rectum": ("Reads kept, rectum", True),
    "merged_fraction": ("Merged (fraction of denoised)", False),
}


def tabulate_qc(
    verdicts: pd.DataFrame,
    libraries: pd.DataFrame,
    thresholds: Mapping[str, Mapping[str, float | str]],
    *,
    layer: str,
    seed: int,
    min_group: int,
) -> pd.DataFrame:
    """Join a layer's verdicts to the batches, without library names and in random order.

    Parameters
    ----------
    verdicts
        ``results/qc/<layer>_verdicts.tsv`` (library, metric, value, verdict), read as text.
    libraries
        ``results/intake/<layer>.tsv`` (library, participant, batch), read as text.
    thresholds
        The configuration's ``qc.<layer>``: metric -> any of warn_below, fail_below, warn_above, fail_above.
    layer
        Name of the layer.
    seed
        The seed of the configuration.
    min_group
        Batches with fewer participants are pooled.

    Returns
    -------
    DataFrame
        One row per library and metric with thresholds: row, batch, metric, value, verdict (of the metric), overall (of
        the library), and the four thresholds (NaN where there is none).
    """
    overall = verdicts.loc[verdicts["metric"] == "overall"].set_index("library")["verdict"]
    rows = verdicts[verdicts["metric"].isin(list(thresholds))].merge(
        libraries[["library", "participant", "batch"]].drop_duplicates("library"), on="library"
    )
    rows["row"] = rows["library"].map(surrogate_ids(rows["library"], seed, f"qc_{layer}", "L"))
    rows["batch"] = pool_small_groups(rows["batch"], rows["participant"], min_group)
    rows["value"] = pd.to_numeric(rows["value"], errors="coerce")
    rows["overall"] = rows["library"].map(overall)
    for name in THRESHOLDS:
        limits = {metric: float(limit[name]) for metric, limit in thresholds.items() if name in limit}
        rows[name] = rows["metric"].map(limits).astype(float)
    order = {metric: position for position, metric in enumerate(thresholds)}
    rows = rows.sort_values(["metric", "row"], key=lambda keys: keys.map(order) if keys.name == "metric" else keys)
    return rows[["row", "batch", "metric", "value", "verdict", "overall", *THRESHOLDS]].reset_index(drop=True)


@house_styled
def plot_qc(table: pd.DataFrame, *, layer: str, seed: int) -> Figure:
    """Draw each metric by batch with its thresholds; libraries that failed are crosses in every panel.

    Parameters
    ----------
    table
        As `tabulate_qc` returns it.
    layer
        Name of the layer, for the title.
    seed
        Seed of the sideways jitter.
    """
    drawn = table[table["value"].notna()]
    metrics = list(drawn["metric"].unique())
    libraries = table.drop_duplicates("row")
    failed = int((libraries["overall"] == "fail").sum())
    title = f"{layer_title(layer)}: technical quality"
    if not metrics:
        return note_figure(title, "No metric to judge")
    columns = 2 if len(metrics) == 4 else min(COLUMNS, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    figure = new_figure(height=0.9 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    batches = sorted(table["batch"].unique())
    generator = np.random.default_rng([seed, 2])
    for axes, metric in zip(panels, metrics, strict=False):
        _draw_metric(axes, drawn[drawn["metric"] == metric], metric, batches, generator)
    for axes in panels[len(metrics) :]:
        axes.set_visible(False)
    title_figure(figure, title, f"N = {len(libraries)} libraries, {failed} failed")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=6, handletextpad=0.3, columnspacing=1.2)
    return figure


def _draw_metric(
    axes: Axes, rows: pd.DataFrame, metric: str, batches: list[str], generator: np.random.Generator
) -> None:
    """Draw one metric: jittered dots per batch, the batch's median as a bar, thresholds as lines."""
    label, logarithmic = METRICS.get(metric, (metric.replace("_", " ").capitalize(), False))
    position = rows["batch"].map({batch: index for index, batch in enumerate(batches)}).to_numpy(dtype=float)
    jitter = position + generator.uniform(-0.22, 0.22, len(rows))
    value = rows["value"].to_numpy(dtype=float)
    failed = (rows["overall"] == "fail").to_numpy()
    dots = dot_style(len(rows))
    cross = {"markersize": 7.0, "markeredgewidth": 0.4, "markeredgecolor": "white"}
    for verdict, colour in VERDICT_COLOURS.items():
        judged = (rows["verdict"] == verdict).to_numpy()
        for chosen, marker, look, order in ((judged & ~failed, "o", dots, 3), (judged & failed, "X", cross, 5)):
            axes.plot(
                jitter[chosen],
                value[chosen],
                linestyle="",
                marker=marker,
                color=colour,
                rasterized=True,
                zorder=order,
                **look,
            )
    medians = rows.groupby("batch")["value"].median()
    centres = np.array([batches.index(batch) for batch in medians.index], dtype=float)
    # Behind few dots, which it must not hide; before many, which would hide it.
    ends = (medians.to_numpy(), centres - 0.34, centres + 0.34)
    axes.hlines(*ends, color=INK, linewidth=1.4, zorder=2 if len(rows) <= FEW else 4)
    if logarithmic and (value > 0).any():
        _set_log_scale(axes, value)
    _draw_thresholds(axes, rows.iloc[0])
    axes.set_title(label, fontsize=9, fontweight="normal")
    axes.set_xlim(-0.6, len(batches) - 0.4)
    axes.set_xticks(range(len(batches)), batches, rotation=90 if len(batches) > 4 else 0)
    # Letters for counts (20M, 500k), plain numbers for fractions and ratios.
    axes.yaxis.set_major_formatter(EngFormatter(sep="") if value.max() >= 1000 else StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _set_log_scale(axes: Axes, value: np.ndarray) -> None:
    """Make the scale logarithmic; linear below the smallest positive value where some value is zero."""
    if (value > 0).all():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    else:
        axes.set_yscale("symlog", linthresh=float(value[value > 0].min()))


def _draw_thresholds(axes: Axes, limits: pd.Series) -> None:
    """Draw the warn and fail lines of one metric and tint what fails."""
    known = [float(limits[name]) for name in THRESHOLDS if not math.isnan(limits[name])]
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        known = [limit for limit in known if limit > 0]
        low, high = min([low, *known]), max([high, *known])
        spare = (high / low) ** 0.07
        low, high = low / spare, high * spare
    else:
        low, high = min([low, *known]), max([high, *known])
        spare = 0.06 * (high - low)
        low, high = low - spare, high + spare
    for side, edge in (("below", low), ("above", high)):
        for verdict, style in (("warn", "--"), ("fail", "-")):
            limit = float(limits[f"{verdict}_{side}"])
            if math.isnan(limit):
                continue
            axes.axhline(limit, color=VERDICT_COLOURS[verdict], linestyle=style, linewidth=1, zorder=1)
            if verdict == "fail":
                axes.axhspan(edge, limit, color=VERDICT_COLOURS[verdict], alpha=0.08, linewidth=0, zorder=0)
    axes.set_ylim(low, high)


def _legend() -> list[Line2D]:
    """Return the legend of every QC panel."""
    dots = [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=colour, label=name)
        for name, colour in VERDICT_COLOURS.items()
        if name != "fail"
    ]
    return [
        *dots,
        Line2D(
            [], [], linestyle="", marker="X", markersize=7, color=VERDICT_COLOURS["fail"], label="fails this metric"
        ),
        Line2D([], [], linestyle="", marker="X", markersize=7, color=VERDICT_COLOURS["pass"], label="fails another"),
        Line2D([], [], color=VERDICT_COLOURS["warn"], linestyle="--", label="warn limit"),
        Line2D([], [], color=VERDICT_COLOURS["fail"], label="fail limit"),
    ]
