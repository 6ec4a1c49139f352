"""Which samples there are: participants x visits x layers, and for every gap its reason."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from immunosep.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    REPORT_WIDTH,
    SUBTLE,
    VERMILLION,
    house_styled,
    layer_order,
    layer_title,
    new_figure,
    note_figure,
    surrogate_ids,
    title_figure,
)
from immunosep.samples import sample_states

FIGURE: Final = "availability"
TITLE: Final = "Samples by participant, visit and layer"
LETTERS_UP_TO: Final = 60  # rows; above, cells are too low for a letter
MIN_WIDTH: Final = 2  # visits; a panel for fewer is as wide, so that its title fits
MANY_DAYS: Final = 5  # visits; above, numbers stand upright
MAX_HEIGHT: Final = 10.0  # inches


class State(NamedTuple):
    """How one cell is drawn and explained."""

    text: str
    colour: str
    letter: str
    ink: str


STATES: Final = {
    "collected": State("collected", "#7FB2D6", "", INK),
    "failed_qc": State("collected, failed QC", VERMILLION, "F", "white"),
    "died": State("died", "#4D4D4D", "D", "white"),
    "discharged": State("discharged", "#B3B3B3", "H", INK),
    "withdrawn": State("no consent", BLUE, "W", "white"),
    "refused": State("refused", PURPLE, "R", INK),
    "missed": State("missed", ORANGE, "M", INK),
    "insufficient": State("insufficient material", "#F0E442", "I", INK),
    "restricted": State("restricted", GREEN, "X", "white"),
    "no_reason": State("no row in the manifest", "#E6E6E6", "", INK),
    "not_expected": State("not expected", "#FAFAFA", "", INK),
}
# What else the intake may give as a reason.
SAME_STATE: Final = {"erase": "withdrawn", "deferred_pending": "withdrawn", "no_row": "no_reason"}


def tabulate_availability(
    completeness: pd.DataFrame, libraries: pd.DataFrame, verdicts: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Return the state of every expected sample, without participant codes and in random order.

    Parameters
    ----------
    completeness
        ``results/intake/completeness.tsv`` (participant, visit_day, layer, specimen, status, reason), read as text.
    libraries
        ``results/intake/libraries.tsv`` (library, participant, visit_day, layer, specimen), read as text.
    verdicts
        ``results/qc/verdicts.tsv`` (library, metric, verdict), read as text; a sample whose every library failed is
        shown as failed.
    seed
        The seed of the configuration.

    Returns
    -------
    DataFrame
        row, layer (the microbiome by body site where the table tells them apart), visit_day, state (a key of `STATES`).
        Visits on which nobody gave a sample for the layer are left out.
    """
    table = sample_states(completeness, libraries, verdicts)
    table["state"] = table["reason"].replace(SAME_STATE)
    given = table["status"].isin(["collected", "failed_qc"])
    table.loc[given, "state"] = table.loc[given, "status"]
    unknown = ~table["state"].isin(list(STATES))
    table.loc[unknown, "state"] = np.where(table.loc[unknown, "status"] == "not_expected", "not_expected", "no_reason")
    table["row"] = table["participant"].map(surrogate_ids(table["participant"], seed, FIGURE))
    return table[["row", "layer", "visit_day", "state"]].sort_values(["row", "layer", "visit_day"], ignore_index=True)


@house_styled
def plot_availability(table: pd.DataFrame) -> Figure:
    """Draw one panel per layer, a row per participant and a column per visit; above each column its number of samples.

    Parameters
    ----------
    table
        As `tabulate_availability` returns it.
    """
    if table.empty:
        return note_figure(TITLE, "No sample expected")
    rows = _row_order(table)
    layers = sorted(table["layer"].unique(), key=layer_order)
    days = {layer: sorted(table.loc[table["layer"] == layer, "visit_day"].unique()) for layer in layers}
    figure = new_figure(width=REPORT_WIDTH, height=min(MAX_HEIGHT, 1.9 + 0.13 * len(rows)))
    panels = figure.subplots(
        1, len(layers), sharey=True, squeeze=False, width_ratios=[max(len(days[layer]), MIN_WIDTH) for layer in layers]
    )[0]
    for axes, layer in zip(panels, layers, strict=True):
        _draw_layer(axes, table[table["layer"] == layer], rows, days[layer])
        pad = 22 if len(days[layer]) > MANY_DAYS else 14
        axes.set_title(layer_title(layer).replace(", ", ",\n"), fontsize=8.5, pad=pad, loc="center")
        axes.set_xlabel("Visit (day)", fontsize=8)
    panels[0].set_ylabel(f"Participants by follow-up and samples (N = {len(rows)})")
    present = set(table["state"])
    handles = [
        Patch(facecolor=state.colour, edgecolor="#BBBBBB", linewidth=0.5, label=f"{state.letter}  {state.text}".strip())
        for name, state in STATES.items()
        if name in present
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)), columnspacing=1.2)
    total = int(table["state"].isin(["collected", "failed_qc"]).sum())
    title_figure(figure, TITLE, f"{total:,} samples")
    return figure


def _row_order(table: pd.DataFrame) -> list[str]:
    """Order the participants: the longest follow-up first, of equal ones the most samples first."""
    counted = table.assign(
        ended=table["state"].isin(["died", "withdrawn", "not_expected"]),
        given=-table["state"].isin(["collected", "failed_qc"]).astype(int),
    )
    sums = counted.groupby("row")[["ended", "given"]].sum().reset_index()
    return [str(row) for row in sums.sort_values(["ended", "given", "row"])["row"]]


def _draw_layer(axes: Axes, cells: pd.DataFrame, rows: list[str], days: list[int]) -> None:
    """Draw the cells of one layer, their letters and the numbers of samples."""
    names = list(STATES)
    wide = cells.assign(code=cells["state"].map(names.index)).pivot(index="row", columns="visit_day", values="code")
    codes = wide.reindex(index=rows, columns=days).fillna(names.index("not_expected")).to_numpy()
    colours = ListedColormap([state.colour for state in STATES.values()])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    axes.imshow(codes, cmap=colours, norm=norm, aspect="auto", interpolation="nearest")
    axes.set_xticks(np.arange(0.5, len(days) - 1), minor=True)
    if len(rows) <= LETTERS_UP_TO:
        axes.set_yticks(np.arange(0.5, len(rows) - 1), minor=True)
        for (row, column), code in np.ndenumerate(codes.astype(int)):
            state = STATES[names[code]]
            if state.letter:
                axes.text(column, row, state.letter, ha="center", va="center_baseline", fontsize=5.5, color=state.ink)
    axes.grid(which="minor", color="white", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    crowded = len(days) > MANY_DAYS
    axes.set_xticks(range(len(days)), [str(day) for day in days], rotation=90 if crowded else 0)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    present = np.isin(codes, [names.index("collected"), names.index("failed_qc")]).sum(axis=0)
    for column, number in enumerate(present):
        axes.annotate(
            str(number),
            (column, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if crowded else 0,
            fontsize=7,
            color=SUBTLE,
        )
