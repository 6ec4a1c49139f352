"""Courses of the MEFISTO factors: means of groups of participants over the visits."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from immunosep.figures.style import (
    ENDOTYPE_COLOURS,
    REPORT_WIDTH,
    GroupStyle,
    endotype_styles,
    group_styles,
    house_styled,
    new_figure,
    note_figure,
    title_figure,
)
from immunosep.integration.mefisto import TimeScale, time_scale

ALL: Final = "all participants"
COLUMNS: Final = 2
NARROWEST: Final = 0.07  # distance of two labelled days, as a share of the axis
TITLE: Final = "Courses of the factors over the visits"
DRAWN: Final = ["factor", "mofa_factor", "r", "persistence", "group", "visit_day", "n", "mean", "low", "high", "reason"]


def tabulate_trajectories(
    trajectories: pd.DataFrame, summary: pd.DataFrame, labels: pd.DataFrame | None, *, column: str, min_group: int
) -> pd.DataFrame:
    """Return the mean course of every factor in every group, with its interval.

    Parameters
    ----------
    trajectories
        ``results/integration/trajectories.tsv`` (participant, visit_day, factor, mean, sd), read as text.
    summary
        ``results/integration/mefisto.tsv``, read as text.
    labels
        Label table with `participant` and `column`, as far as the role sees it; None for one group of all.
    column
        The label that makes the groups.
    min_group
        Participants that a group must have at a visit; with fewer it has no mean there.

    Returns
    -------
    DataFrame
        factor, mofa_factor (the most similar one), r, persistence, group, visit_day, n (participants between whose
        first and last visit the day lies), mean, low, high (95 %: spread between participants and uncertainty of each),
        reason. Where MEFISTO refused: one row with the reason and no course.
    """
    if trajectories.empty:
        return pd.DataFrame([{"reason": summary["reason"].iloc[0]}], columns=DRAWN)
    table = trajectories[["participant", "factor"]].copy()
    table[["visit_day", "mean", "sd"]] = trajectories[["visit_day", "mean", "sd"]].astype(float)
    table["group"] = ALL
    if labels is not None:
        table["group"] = table["participant"].map(labels.set_index("participant")[column])
    table = table[table["group"].fillna("") != ""]
    table["variance"] = table["sd"] ** 2
    grouped = table.groupby(["factor", "group", "visit_day"], sort=True)
    result = grouped.agg(n=("mean", "size"), spread=("mean", "var"), noise=("variance", "mean"), mean=("mean", "mean"))
    result = result[result["n"] >= max(min_group, 2)].reset_index()
    half = stats.norm.ppf(0.975) * np.sqrt((result["spread"] + result["noise"]) / result["n"])
    result = result.assign(low=result["mean"] - half, high=result["mean"] + half, reason="")
    about = summary[["factor", "mofa_factor", "r", "persistence"]].astype({"r": float, "persistence": float})
    return result.merge(about, on="factor")[DRAWN]


@house_styled
def plot_trajectories(table: pd.DataFrame, *, time: TimeScale = "log2") -> Figure:
    """Draw the mean course of every factor by group, a panel per factor.

    Parameters
    ----------
    table
        As `tabulate_trajectories` returns it.
    time
        How days become time (`mefisto.time_scale`).
    """
    drawn = table[table["reason"] == ""]
    if drawn.empty:
        reason = str(table["reason"].iloc[0]) if len(table) else "no group is large enough"
        return note_figure(TITLE, reason)
    factors = list(dict.fromkeys(drawn["factor"]))
    groups = sorted(drawn["group"].unique())
    styles = endotype_styles(groups) if set(groups) <= set(ENDOTYPE_COLOURS) else group_styles(groups)
    lines = -(-len(factors) // COLUMNS)
    figure = new_figure(width=REPORT_WIDTH, height=0.9 + 2.1 * lines)
    panels = figure.subplots(lines, COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, factor in zip(panels, factors, strict=False):
        _draw_factor(axes, drawn[drawn["factor"] == factor], styles, time)
    for axes in panels[len(factors) :]:
        axes.remove()
    days = _told_apart(np.sort(drawn["visit_day"].unique()), time)
    for axes in panels[: len(factors)][-COLUMNS:]:
        axes.set_xticks(time_scale(days, time), [f"{day:g}" for day in days])
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Visit day")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    title_figure(figure, TITLE, "mean and 95 % interval; N at the first and the last visit")
    return figure


def _told_apart(days: NDArray[np.float64], time: TimeScale) -> NDArray[np.float64]:
    """Return the days, from the last one backwards, whose labels have room beside each other."""
    times = time_scale(days, time)
    room = NARROWEST * np.ptp(times)
    kept = [len(days) - 1]
    for place in range(len(days) - 2, -1, -1):
        if times[kept[-1]] - times[place] >= room:
            kept.append(place)
    return days[kept[::-1]]


def _draw_factor(axes: Axes, rows: pd.DataFrame, styles: dict[str, GroupStyle], time: TimeScale) -> None:
    """Draw the courses of one factor."""
    for name, style in styles.items():
        own = rows[rows["group"] == name].sort_values("visit_day")
        if own.empty:
            continue
        times = time_scale(own["visit_day"].to_numpy(), time)
        size = f"N = {own['n'].iloc[0]} to {own['n'].iloc[-1]}"
        axes.fill_between(times, own["low"], own["high"], color=style.colour, alpha=0.2, linewidth=0)
        axes.plot(times, own["mean"], color=style.colour, marker=style.marker, markersize=4, label=f"{name} ({size})")
    first = rows.iloc[0].to_dict()
    number, like = (
        str(first[name]).removeprefix(kind) for name, kind in (("factor", "mefisto"), ("mofa_factor", "factor"))
    )
    kept = f"persistence {first['persistence']:.2f}"
    axes.set_title(
        f"{number}: like MOFA factor {like} (|r| {abs(first['r']):.2f}), {kept}", fontsize=9, fontweight="normal"
    )
    axes.set_ylabel("Factor")
