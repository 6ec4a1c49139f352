"""The plane of ferritin and HLA-DR in which the endotypes are defined.

The figure shows classification labs and so exists only in the roles that may see them (protocol, blinding).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from immunosep.figures.style import (
    ENDOTYPE_COLOURS,
    INK,
    SUBTLE,
    dot_style,
    endotype_styles,
    house_styled,
    new_figure,
    note_figure,
    surrogate_ids,
    title_figure,
)

FIGURE = "endotype_plane"
TITLE = "Endotypes by screening ferritin and monocyte HLA-DR"
FERRITIN = "ferritin_ng_ml"
HLADR = "hladr_receptors_per_cell"


def tabulate_endotype_plane(labels: pd.DataFrame, classification: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Join the classification labs to the endotypes, without participant codes and in random order.

    Parameters
    ----------
    labels
        The label table (participant, endotype, both_criteria, borderline), read as text.
    classification
        The sealed table (site, participant_code, ferritin in ng/mL, hladr in receptors per cell), read as text.
    seed
        The seed of the configuration.

    Returns
    -------
    DataFrame
        One row per participant: row, ferritin_ng_ml, hladr_receptors_per_cell (missing: NaN), endotype, both_criteria,
        borderline (bool).
    """
    labs = pd.DataFrame(
        {
            "participant": classification["site"] + "-" + classification["participant_code"],
            FERRITIN: pd.to_numeric(classification["ferritin"], errors="coerce").to_numpy(dtype=float),
            HLADR: pd.to_numeric(classification["hladr"], errors="coerce").to_numpy(dtype=float),
        }
    )
    joined = labs.merge(labels[["participant", "endotype", "both_criteria", "borderline"]], on="participant")
    joined["row"] = joined["participant"].map(surrogate_ids(joined["participant"], seed, FIGURE))
    for flag in ("both_criteria", "borderline"):
        joined[flag] = joined[flag].str.lower().isin(["yes", "true", "1"])
    columns = ["row", FERRITIN, HLADR, "endotype", "both_criteria", "borderline"]
    return joined[columns].sort_values("row", ignore_index=True)


@house_styled
def plot_endotype_plane(table: pd.DataFrame, cuts: Mapping[str, float]) -> Figure:
    """Draw ferritin against HLA-DR on logarithmic axes with the cuts and the three regions of the rule.

    Parameters
    ----------
    table
        As `tabulate_endotype_plane` returns it. A participant with one value missing is drawn on the margin.
    cuts
        ``ferritin_cut`` (ng/mL) and ``hladr_cut`` (receptors per cell), the configuration's ``endotype`` section.
    """
    if table[[FERRITIN, HLADR]].isna().all(axis=None):
        return note_figure(TITLE, "No classification labs")
    ferritin_cut, hladr_cut = float(cuts["ferritin_cut"]), float(cuts["hladr_cut"])
    figure = new_figure(height=6.0)
    grid = figure.add_gridspec(2, 2, width_ratios=(7, 1), height_ratios=(1, 6), wspace=0.02, hspace=0.02)
    axes = figure.add_subplot(grid[1, 0])
    x_range = _log_range(table[HLADR], hladr_cut)
    y_range = _log_range(table[FERRITIN], ferritin_cut)
    _draw_regions(axes, x_range, y_range, ferritin_cut, hladr_cut, table["endotype"].value_counts())
    _draw_participants(axes, table, x_range[0], y_range[0])
    axes.set(xscale="log", yscale="log", xlim=x_range, ylim=y_range)
    axes.set_xlabel("Monocyte HLA-DR (receptors per cell, log scale)")
    axes.set_ylabel("Ferritin (ng/mL, log scale)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_minor_formatter(NullFormatter())
    top = figure.add_subplot(grid[0, 0], sharex=axes)
    side = figure.add_subplot(grid[1, 1], sharey=axes)
    _draw_margin(top, table, HLADR, x_range, "vertical")
    _draw_margin(side, table, FERRITIN, y_range, "horizontal")
    borderline = int(table["borderline"].sum())
    title_figure(figure, TITLE, f"N = {len(table)}, {borderline} of them within the assays' spread of a cut")
    return figure


def _log_range(values: pd.Series, cut: float) -> tuple[float, float]:
    """Return limits that hold the values and the cut, with a quarter of a decade to spare."""
    known = values[values > 0]
    low, high = min(known.min(), cut) if len(known) else cut, max(known.max(), cut) if len(known) else cut
    return float(low) / 10**0.25, float(high) * 10**0.25


def _draw_regions(
    axes: Axes,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    ferritin_cut: float,
    hladr_cut: float,
    counts: pd.Series,
) -> None:
    """Shade the three regions, draw the cuts and write each region's name, rule and number into its corner."""
    regions = {
        "MALS": (x_range, (ferritin_cut, y_range[1])),
        "SII": ((x_range[0], hladr_cut), (y_range[0], ferritin_cut)),
        "unclassified": ((hladr_cut, x_range[1]), (y_range[0], ferritin_cut)),
    }
    for name, (x_span, y_span) in regions.items():
        axes.fill_between(x_span, *y_span, color=ENDOTYPE_COLOURS[name], alpha=0.10, linewidth=0)
        right = x_span[1] == x_range[1]
        axes.annotate(
            f"{name}  n = {counts.get(name, 0)}",
            (x_span[1] if right else x_span[0], y_span[1] if name == "MALS" else y_span[0]),
            xytext=(-6 if right else 6, -6 if name == "MALS" else 6),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if name == "MALS" else "bottom",
            color=ENDOTYPE_COLOURS[name] if name != "unclassified" else SUBTLE,
            fontweight="bold",
        )
    axes.plot(x_range, (ferritin_cut, ferritin_cut), color=INK, linewidth=1)
    axes.plot((hladr_cut, hladr_cut), (y_range[0], ferritin_cut), color=INK, linewidth=1)
    axes.plot((hladr_cut, hladr_cut), (ferritin_cut, y_range[1]), color=INK, linewidth=0.8, linestyle=":")
    cut_text: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "fontweight": "bold", "color": INK}
    axes.annotate(f"{ferritin_cut:,.0f}", (x_range[1], ferritin_cut), (4, 0), va="center", **cut_text)
    axes.annotate(f"{hladr_cut:,.0f}", (hladr_cut, y_range[1]), (0, 4), ha="center", **cut_text)


def _draw_participants(axes: Axes, table: pd.DataFrame, x_edge: float, y_edge: float) -> None:
    """Draw one dot per participant, a ring around those who meet both criteria, and the legend."""
    styles = endotype_styles(table["endotype"])
    at_margin = table[[FERRITIN, HLADR]].isna().any(axis=1)
    x = table[HLADR].fillna(x_edge)
    y = table[FERRITIN].fillna(y_edge)
    dots = dot_style(len(table))
    size = 1.4 * float(dots["markersize"])
    handles: list[Line2D] = []
    # MALS last and so on top: its triangles leave a dot below them in sight.
    for name, style in reversed(styles.items()):
        chosen = table["endotype"] == name
        axes.plot(
            x[chosen],
            y[chosen],
            linestyle="",
            marker=style.marker,
            color=style.colour,
            clip_on=False,
            rasterized=True,
            zorder=3,
            **{**dots, "markersize": size},
        )
        handles.insert(0, Line2D([], [], linestyle="", marker=style.marker, color=style.colour, label=name))
    both = table["both_criteria"]
    ring: dict[str, Any] = {
        "linestyle": "",
        "marker": "o",
        "markersize": 1.7 * size,
        "fillstyle": "none",
        "color": INK,
        "markeredgewidth": 1.0,
    }
    if both.any():
        axes.plot(x[both], y[both], rasterized=True, zorder=4, clip_on=False, **ring)
        handles.append(Line2D([], [], **{**ring, "markersize": 9}, label=f"meets both criteria (n = {both.sum()})"))
    if at_margin.any():
        handles.append(Line2D([], [], linestyle="", label=f"on the axis: value missing (n = {at_margin.sum()})"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=len(handles))


def _draw_margin(
    axes: Axes,
    table: pd.DataFrame,
    column: str,
    limits: tuple[float, float],
    orientation: Literal["vertical", "horizontal"],
) -> None:
    """Draw the stacked histogram of one lab by endotype along its axis."""
    styles = endotype_styles(table["endotype"])
    groups = [table.loc[table["endotype"] == name, column].dropna() for name in styles]
    axes.hist(
        groups,
        bins=np.geomspace(*limits, 25).tolist(),
        stacked=True,
        orientation=orientation,
        color=[style.colour for style in styles.values()],
        alpha=0.75,
    )
    axes.tick_params(labelbottom=False, labelleft=False, left=False, bottom=False, which="both")
    for spine in axes.spines.values():
        spine.set_visible(False)
