"""Decision curves: what acting on a model's probability would be worth, beside acting on everybody and on nobody."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from immunosep.figures.performance import (
    HIGHLIGHTED,
    model_title,
    number,
    primary_feature_set,
    task_title,
)
from immunosep.figures.style import GREY, INK, house_styled, new_figure, note_figure, title_figure

COLUMNS: Final = ["model", "class", "threshold", "net_benefit", "net_benefit_all", "n", "n_positive"]


def tabulate_decision(curve: pd.DataFrame) -> pd.DataFrame:
    """Collect the decision curves of the highlighted models on the primary feature set.

    Parameters
    ----------
    curve
        ``decision_curve.tsv`` of one task, read as text.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, numbers as such.
    """
    rows = curve[curve["feature_set"] == primary_feature_set(curve["feature_set"])]
    rows = rows[rows["model"].isin(list(HIGHLIGHTED))]
    table = rows[["model", "class"]].assign(**{name: number(rows[name]) for name in COLUMNS[2:]})
    return table.sort_values(["class", "model", "threshold"], kind="stable", ignore_index=True)[COLUMNS]


@house_styled
def plot_decision(table: pd.DataFrame, *, task: str) -> Figure:
    """Draw net benefit against the probability from which one would act, a panel per class.

    Parameters
    ----------
    table
        As `tabulate_decision` returns it.
    task
        Name of the task, for the title.
    """
    title = f"{task_title(task)}: net benefit in unseen participants"
    if table.empty:
        return note_figure(title, "Not run: too few participants in a class (see performance.tsv)")
    classes = sorted(table["class"].unique())
    figure = new_figure(height=3.8)
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, classes, strict=True):
        _draw(axes, table[table["class"] == name])
        axes.set_title(name, fontsize=9, fontweight="normal")
        axes.set_xlabel("Probability from which one would act")
    panels[0].set_ylabel("Net benefit per participant")
    panels[-1].legend(loc="upper right")
    title_figure(figure, title, f"N = {int(table['n'].max())}")
    return figure


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the curves of one class; the scale follows the models, for acting on all falls far below zero."""
    # Of the model with the most participants; others rest on subsets, whose own curve of all hardly differs.
    whole = rows[rows["n"] == rows["n"].max()]
    whole = whole[whole["model"] == whole["model"].iloc[0]]
    axes.axhline(0, color=INK, linewidth=1, label="nobody")
    axes.plot(whole["threshold"], whole["net_benefit_all"], color=GREY, linestyle="--", linewidth=1, label="everybody")
    for model, (colour, _) in HIGHLIGHTED.items():
        own = rows[rows["model"] == model]
        if len(own):
            axes.plot(own["threshold"], own["net_benefit"], color=colour, linewidth=1.8, label=model_title(model))
    top = float(max(rows["net_benefit"].max(), whole["net_benefit_all"].max()))
    axes.set_ylim(-0.15 * top - 0.02, 1.1 * top + 0.01)
