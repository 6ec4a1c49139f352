"""How many samples are missing by outcome: whether those who are there stand for those who are not."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from immunosep.figures.style import (
    INK,
    LIGHT,
    REPORT_WIDTH,
    SUBTLE,
    endotype_styles,
    group_styles,
    house_styled,
    layer_order,
    layer_title,
    new_figure,
    note_figure,
    title_figure,
)

FIGURE: Final = "missingness"
TITLE: Final = "Share of expected samples that are missing, by outcome"
# Outcomes with a panel; of sites and countries there are too many levels, their tests are in the table.
PANELS: Final = {
    "death_28": "Death by day 28",
    "sofa_response": "SOFA response",
    "endotype": "Endotype",
    "arm": "Treatment arm",
}
WORDS: Final = {"dead": "died", "alive": "alive", "nonresponse": "no response"}
MAX_PANELS: Final = 4
ROW_HEIGHT: Final = 0.21  # inches
OFFSET: Final = 0.2  # of two levels from the middle of their row
DRAWN: Final = ("layer", "visit_day", "factor", "level", "n", "n_missing", "share", "low", "high", "q_value", "verdict")


def tabulate_missingness(tests: pd.DataFrame, shares: pd.DataFrame, *, min_group: int) -> pd.DataFrame:
    """Join the shares of the outcomes that have a panel with their tests.

    Parameters
    ----------
    tests, shares
        ``results/intake/missingness.tsv`` and ``missingness_shares.tsv``, read as text.
    min_group
        Levels of fewer participants are left out, so that nobody stands alone.

    Returns
    -------
    DataFrame
        Columns `DRAWN`; numbers as numbers, `q_value` NaN where not tested.
    """
    sites = {"site", "country"}
    wanted = [name for name in PANELS if name in set(shares["factor"])]
    wanted += sorted(set(shares["factor"]) - set(PANELS) - sites)
    table = shares[shares["factor"].isin(wanted[:MAX_PANELS])].merge(
        tests[["layer", "visit_day", "factor", "q_value", "verdict"]], on=["layer", "visit_day", "factor"]
    )
    for name in ("n", "n_missing"):
        table[name] = table[name].astype(int)
    for name in ("share", "low", "high", "q_value"):
        table[name] = pd.to_numeric(table[name])
    table = table.loc[table["n"] >= min_group, list(DRAWN)]
    order = pd.DataFrame(
        {
            "layer": [layer_order(layer) for layer in table["layer"]],
            "visit": [_visit_order(visit) for visit in table["visit_day"]],
            "factor": [wanted.index(factor) for factor in table["factor"]],
            "level": table["level"].to_numpy(),
        },
        index=table.index,
    )
    return table.loc[order.sort_values(order.columns.tolist()).index].reset_index(drop=True)


@house_styled
def plot_missingness(table: pd.DataFrame) -> Figure:
    """Draw one panel per outcome: a row per layer and visit, the share missing of each level with its interval.

    Parameters
    ----------
    table
        As `tabulate_missingness` returns it.
    """
    if table.empty:
        return note_figure(TITLE, "No outcome has enough participants")
    rows = list(dict.fromkeys(zip(table["layer"], table["visit_day"], strict=True)))
    factors = list(dict.fromkeys(table["factor"]))
    factors.sort(key=lambda name: list(PANELS).index(name) if name in PANELS else len(PANELS))
    figure = new_figure(width=REPORT_WIDTH, height=1.7 + ROW_HEIGHT * len(rows))
    panels = figure.subplots(1, len(factors), sharey=True, sharex=True, squeeze=False)[0]
    for axes, factor in zip(panels, factors, strict=True):
        _draw_factor(axes, table[table["factor"] == factor], rows)
        axes.set_title(PANELS.get(factor, factor.replace("_", " ")), pad=8)
        axes.set_xlabel("Missing (%)")
    axes = panels[0]
    axes.set_yticks(range(len(rows)), [_row_name(layer, visit) for layer, visit in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-4, 104)
    tests = table.drop_duplicates(["layer", "visit_day", "factor"])
    informative = int((tests["verdict"] == "informative").sum())
    title_figure(figure, TITLE, f"95 % intervals; {informative} of {len(tests)} comparisons with q < 0.05, marked *")
    return figure


def _draw_factor(axes: Axes, shares: pd.DataFrame, rows: list[tuple[str, str]]) -> None:
    """Draw the levels of one outcome, one above the other within each row."""
    levels = sorted(shares["level"].unique())
    styles = endotype_styles(levels) if shares["factor"].iloc[0] == "endotype" else group_styles(levels)
    at = {row: index for index, row in enumerate(rows)}
    for index, row in enumerate(rows[1:], start=1):
        if row[0] != rows[index - 1][0]:
            axes.axhline(index - 0.5, color=LIGHT, linewidth=0.8, zorder=0)
    offsets = np.linspace(-OFFSET, OFFSET, len(levels)) if len(levels) > 1 else [0.0]
    for level, offset in zip(levels, offsets, strict=True):
        own = shares[shares["level"] == level]
        y = np.array([at[key] for key in zip(own["layer"], own["visit_day"], strict=True)]) + offset
        style = styles[level]
        axes.errorbar(
            100 * own["share"],
            y,
            xerr=100 * np.vstack([own["share"] - own["low"], own["high"] - own["share"]]).clip(min=0),
            linestyle="",
            marker=style.marker,
            color=style.colour,
            markersize=4,
            elinewidth=0.9,
            label=f"{WORDS.get(level, level)} (N \u2264 {own['n'].max()})",
        )
    marked = shares[shares["verdict"] == "informative"]
    for key in sorted(set(zip(marked["layer"], marked["visit_day"], strict=True))):
        axes.annotate("*", (1, at[key]), xycoords=("axes fraction", "data"), va="center", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LIGHT, linewidth=0.5)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.55 / (ROW_HEIGHT * max(len(rows), 1))), labelcolor=SUBTLE,
        handletextpad=0.3,
    )  # fmt: skip


def _row_name(layer: str, visit: str) -> str:
    return f"{layer_title(layer)}, {'all visits' if visit == 'all' else f'day {visit}'}"


def _visit_order(visit: str) -> int:
    return -1 if visit == "all" else int(visit)
