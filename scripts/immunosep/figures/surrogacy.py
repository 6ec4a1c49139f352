"""What a marker says of treatment and outcome, and who benefits along it; one endotype at a time."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from immunosep.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    PURPLE,
    VERMILLION,
    house_styled,
    new_figure,
    note_figure,
    title_figure,
)

DRAWN: Final = {
    "prentice_2_arm_on_marker": "Arm on the marker",
    "mediated_effect": "Arm on SOFA, through it",
    "direct_effect": "Arm on SOFA, beside it",
}
UNITS: Final = {
    "prentice_2_arm_on_marker": "units of the marker",
    "mediated_effect": "points",
    "direct_effect": "points",
}
CATEGORY_TITLES: Final = {
    "candidate_surrogate": "candidate surrogate",
    "predictive": "predictive",
    "pharmacodynamic": "pharmacodynamic",
    "prognostic": "prognostic",
    "diagnostic": "diagnostic",
    "none": "none",
}
CATEGORY_COLOURS: Final = {
    "candidate_surrogate": VERMILLION,
    "predictive": PURPLE,
    "pharmacodynamic": BLUE,
    "prognostic": GREEN,
    "diagnostic": ORANGE,
    "none": GREY,
}
DAY_MARKERS: Final = ("o", "s", "D", "^", "v")
PANELS_PER_ROW: Final = 4
NUMBERS: Final = ("estimate", "low", "high", "n", "visit_day")


def tabulate_surrogates(measures: pd.DataFrame, grades: pd.DataFrame, endotype: str) -> pd.DataFrame:
    """Collect what the figure draws of one endotype.

    Parameters
    ----------
    measures, grades
        ``results/surrogacy/measures.tsv`` and ``grades.tsv``, read as text.
    endotype
        Endotype.

    Returns
    -------
    DataFrame
        marker, best_category, visit_day, measure (the keys of `DRAWN`), estimate, low, high, n; the strongest category
        first, then by name.
    """
    chosen = measures[
        (measures["endotype"] == endotype)
        & (measures["family"] == "continuous")
        & measures["measure"].isin(list(DRAWN))
    ]
    category = grades[grades["endotype"] == endotype].set_index("marker")["best_category"]
    table = chosen[["marker", "visit_day", "measure", "estimate", "low", "high", "n"]].copy()
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name])
    table.insert(1, "best_category", table["marker"].map(category))
    order = {name: place for place, name in enumerate(CATEGORY_TITLES)}
    place = table["best_category"].map(order)
    return table.assign(place=place).sort_values(["place", "marker", "visit_day", "measure"]).drop(columns="place")


@house_styled
def plot_surrogates(table: pd.DataFrame, endotype: str) -> Figure:
    """Draw the effects of the arm on each marker, and on the outcome through it and beside it, with 95 % intervals.

    Parameters
    ----------
    table
        As `tabulate_surrogates` returns it.
    endotype
        Endotype, for the title.
    """
    title = f"Markers, treatment and outcome in {endotype}"
    if table.empty:
        return note_figure(title, "Too few participants for any comparison")
    markers = list(dict.fromkeys(table["marker"]))
    days = sorted(set(table["visit_day"]))
    category = table.drop_duplicates("marker").set_index("marker")["best_category"]
    figure = new_figure(height=1.4 + 0.36 * len(markers))
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    for axes, (measure, heading) in zip(panels, DRAWN.items(), strict=True):
        axes.axvline(0, color=LIGHT, linewidth=1, zorder=0)
        for k, day in enumerate(days):
            rows = table[(table["measure"] == measure) & (table["visit_day"] == day)].set_index("marker")
            at = np.array([markers.index(name) for name in rows.index]) + (k - (len(days) - 1) / 2) * 0.22
            colours = [CATEGORY_COLOURS[category[name]] for name in rows.index]
            axes.hlines(at, rows["low"], rows["high"], colors=colours, linewidth=1)
            shape = DAY_MARKERS[k % len(DAY_MARKERS)]
            axes.scatter(rows["estimate"], at, c=colours, marker=shape, s=14, zorder=3, linewidths=0)
            axes.plot([], [], marker=shape, linestyle="", color=INK, markersize=4, label=f"day {day}")
        axes.set_title(heading, fontsize=9, fontweight="normal")
        axes.set_xlabel(UNITS[measure])
    panels[0].set_yticks(range(len(markers)), [f"{name}\n{CATEGORY_TITLES[category[name]]}" for name in markers])
    for label, name in zip(panels[0].get_yticklabels(), markers, strict=True):
        label.set_fontsize(7)
        label.set_color(CATEGORY_COLOURS[category[name]] if category[name] != "none" else INK)
    panels[0].set_ylim(len(markers) - 0.5, -0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=len(days), fontsize=8)
    title_figure(figure, title, f"N = {_range(table['n'])} participants in a comparison")
    return figure


@house_styled
def plot_stepp(table: pd.DataFrame, endotype: str) -> Figure:
    """Draw the arm's effect on the outcome in windows along each marker before treatment.

    Parameters
    ----------
    table
        Rows of one endotype of ``results/surrogacy/stepp.tsv`` with typed numbers.
    endotype
        Endotype, for the title.
    """
    title = f"Who benefits in {endotype}: the arm's effect along each marker"
    if table.empty:
        return note_figure(title, "Too few participants for windows")
    markers = list(dict.fromkeys(table["marker"]))
    rows = math.ceil(len(markers) / PANELS_PER_ROW)
    figure = new_figure(height=0.9 + 1.6 * rows)
    panels = figure.subplots(rows, PANELS_PER_ROW, sharey=True, squeeze=False).ravel()
    for axes, marker in zip(panels, markers, strict=False):
        part = table[table["marker"] == marker]
        axes.axhline(0, color=LIGHT, linewidth=1, zorder=0)
        axes.fill_between(part["marker_median"], part["low"], part["high"], color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(part["marker_median"], part["effect"], color=BLUE, marker="o", markersize=2.5, linewidth=1)
        axes.set_title(f"{marker}\np = {part['p_value'].iloc[0]:.2g}", fontsize=7, fontweight="normal")
        axes.tick_params(labelsize=7)
    for axes in panels[len(markers) :]:
        axes.set_visible(False)
    figure.supxlabel("Median of the marker in the window (before treatment)", fontsize=8)
    figure.supylabel("Effect on the fall of SOFA (points)", fontsize=8)
    title_figure(figure, title, f"windows of {_range(table['n'])} participants")
    return figure


def _range(numbers: pd.Series) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low}" if low == high else f"{low} to {high}"
