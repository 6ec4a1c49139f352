"""Figures of the trial's own comparisons: survival by arm, and the effect under every combination of rules.

Both exist in the role `unblinded` alone. A count of fewer than `min_group` participants is not shown, and a curve ends
where fewer are at risk: its next step would be one person's day of death.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from immunosep.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SUBTLE,
    GroupStyle,
    house_styled,
    new_figure,
    note,
    note_figure,
    title_figure,
)

ARMS: Final = {"active": GroupStyle(ORANGE, "s"), "placebo": GroupStyle(BLUE, "o")}
GROUPS: Final = {
    "all": "All randomised",
    "MALS": "MALS (anakinra)",
    "SII": "SII (interferon gamma)",
}
TICKS: Final = (0, 7, 15, 28, 60, 90)
CRITERIA: Final = {
    "mean": "mean score",
    "last_day": "score of the last day",
    "mean_after_day_1": "mean score without day 1",
    "percent": "share of the baseline",
    "expected": "mean against the expected",
}
DEATHS: Final = {
    "composite": "death is non-response",
    "locf": "after death: carried on",
    "worst24": "after death: 24",
    "exclude_days": "after death: left out",
}
DISCHARGES: Final = {
    "locf": GroupStyle(BLUE, "o"),
    "zero": GroupStyle(ORANGE, "s"),
    "missing": GroupStyle(GREEN, "^"),
}
DISCHARGE_TITLES: Final = {"locf": "carried on", "zero": "zero", "missing": "left out"}


def _numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Parse columns of a table that was read as text; empty is NaN."""
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in columns})


def _title(title: str, shuffled: bool) -> str:
    return f"SHUFFLED LABELS, {title[0].lower()}{title[1:]}" if shuffled else title


def tabulate_survival(curves: pd.DataFrame, *, min_group: int) -> pd.DataFrame:
    """Cut survival curves where few are at risk, and leave out counts.

    Parameters
    ----------
    curves
        `survival.tsv` of the trial's statistics, read as text.
    min_group
        A curve ends before fewer are at risk; a group of fewer is left out.

    Returns
    -------
    DataFrame
        `group arm kind day value low high`: kind `survival` (share alive, with its interval) at each step, and
        `at_risk` at the ticks (NaN where fewer than `min_group`).
    """
    curves = _numbers(curves, ["day", "at_risk", "events", "censored", "survival", "low", "high"])
    rows = []
    for key, own in curves.groupby(["group", "arm"], sort=True):
        named = dict(zip(("group", "arm"), map(str, key), strict=True))
        if own["at_risk"].iloc[0] < min_group:
            continue
        shown = own[own["at_risk"] >= min_group]
        steps = shown.rename(columns={"survival": "value"})[["day", "value", "low", "high"]]
        rows.append(steps.assign(kind="survival", **named))
        counts = [_at_risk(own, tick) for tick in TICKS if tick <= max(own["day"].max(), TICKS[0])]
        risk = pd.DataFrame({"day": TICKS[: len(counts)], "value": [n if n >= min_group else np.nan for n in counts]})
        rows.append(risk.assign(kind="at_risk", low=np.nan, high=np.nan, **named))
    columns = ["group", "arm", "kind", "day", "value", "low", "high"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def _at_risk(curve: pd.DataFrame, day: float) -> int:
    """Count who is alive and followed just before a day."""
    left = curve.loc[curve["day"] < day, ["events", "censored"]].to_numpy().sum()
    return int(curve["at_risk"].iloc[0] - left)


def hazard_ratio_texts(effects: pd.DataFrame, population: str) -> dict[str, str]:
    """Say the hazard ratio of each group until the last horizon.

    Parameters
    ----------
    effects
        `effects.tsv` of the trial's statistics, read as text.
    population
        `itt`, `mitt` or `per_protocol`.
    """
    rows = effects[(effects["population"] == population) & (effects["measure"] == "hazard_ratio")]
    rows = _numbers(rows, ["estimate", "low", "high"]).assign(
        horizon=rows["endpoint"].str.removeprefix("death_").astype(int)
    )
    rows = rows[(rows["horizon"] == rows["horizon"].max()) & rows["estimate"].notna()]
    return {
        row["group"]: f"HR {row['estimate']:.2f}\n({row['low']:.2f} to {row['high']:.2f})"
        for row in rows.to_dict("records")
    }


@house_styled
def plot_survival(table: pd.DataFrame, ratios: Mapping[str, str], *, min_group: int, shuffled: bool = False) -> Figure:
    """Draw survival by arm, for all and within each endotype, with the numbers at risk below.

    Parameters
    ----------
    table
        As `tabulate_survival` returns it.
    ratios
        Group to the hazard ratio in words.
    min_group
        As for `tabulate_survival`.
    shuffled
        The labels were shuffled for a dry run, which the title says.
    """
    title = _title("Survival by arm", shuffled)
    if table.empty:
        return note_figure(title, f"Fewer than {min_group} participants in each arm")
    present = [name for name in GROUPS if (table["group"] == name).any()]
    figure = new_figure(height=4.4)
    grid = figure.subplots(2, len(present), squeeze=False, height_ratios=[5, 1], sharex="col")
    for (above, below), name in zip(grid.T, present, strict=True):
        own = table[table["group"] == name]
        _draw_curves(above, own, ratios.get(name, ""))
        above.set_title(GROUPS[name])
        _draw_at_risk(below, own, min_group)
    grid[0, 0].set_ylabel("Alive")
    for axes in grid[0, 1:]:
        axes.tick_params(labelleft=False)
    grid[0, 0].legend(loc="lower left")
    title_figure(figure, title, "exploratory: the trial was not powered for mortality")
    return figure


def _draw_curves(axes: Axes, table: pd.DataFrame, ratio: str) -> None:
    for arm, style in ARMS.items():
        curve = table[(table["arm"] == arm) & (table["kind"] == "survival")]
        if curve.empty:
            continue
        dashes = "-" if arm == "active" else "--"
        axes.step(curve["day"], curve["value"], where="post", color=style.colour, linestyle=dashes, label=arm)
        axes.fill_between(
            curve["day"], curve["low"], curve["high"], step="post", color=style.colour, alpha=0.15, linewidth=0
        )
    axes.axvline(28, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 1.03)
    axes.set_xticks([tick for tick in TICKS if tick <= max(28, table["day"].max())])
    axes.text(0.98, 0.98, ratio, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=SUBTLE)


def _draw_at_risk(axes: Axes, table: pd.DataFrame, min_group: int) -> None:
    counts = table[table["kind"] == "at_risk"]
    for row, (arm, style) in enumerate(ARMS.items()):
        for day, count in counts.loc[counts["arm"] == arm, ["day", "value"]].itertuples(index=False):
            text = f"<{min_group}" if np.isnan(count) else f"{count:.0f}"
            axes.text(day, 1 - row, text, ha="center", va="center", color=style.colour, fontsize=6.5)
    axes.set_ylim(-0.6, 1.6)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("Trial day; below: at risk")


def tabulate_sensitivity(effects: pd.DataFrame, *, population: str, min_group: int) -> pd.DataFrame:
    """Choose the rows of all participants of a population, and take out small counts.

    Parameters
    ----------
    effects
        `sensitivity.tsv` of the trial's statistics, read as text.
    population
        `itt`, `mitt` or `per_protocol`.
    min_group
        Counts of events, and of those without, below it are left out, with their shares.

    Returns
    -------
    DataFrame
        `endpoint option criterion death_rule discharge_rule n_active n_placebo events_active events_placebo estimate
        low high p_value`.
    """
    numbers = ["n_active", "n_placebo", "events_active", "events_placebo", "estimate", "low", "high", "p_value"]
    own = _numbers(effects[(effects["population"] == population) & (effects["group"] == "all")], numbers)
    for arm in ARMS:
        few = (own[f"events_{arm}"] < min_group) | (own[f"n_{arm}"] - own[f"events_{arm}"] < min_group)
        own.loc[few, f"events_{arm}"] = np.nan
    keys = ["endpoint", "option", "criterion", "death_rule", "discharge_rule"]
    return own[keys + numbers].reset_index(drop=True)


@house_styled
def plot_sensitivity(table: pd.DataFrame, *, population: str, shuffled: bool = False) -> Figure:
    """Draw a forest of the effect under every combination of criterion, death rule and discharge rule.

    Parameters
    ----------
    table
        As `tabulate_sensitivity` returns it.
    population
        Its name, for the title.
    shuffled
        The labels were shuffled for a dry run, which the title says.
    """
    title = _title("How much the rules matter", shuffled)
    if table["estimate"].isna().all():
        return note_figure(title, "Too few participants in an arm")
    responses = table[table["criterion"] != ""]
    means = table[table["criterion"] == ""]
    figure = new_figure(height=9.0)
    upper, lower = figure.subplots(2, 1, height_ratios=[20, 7])
    rows = [(criterion, deaths) for criterion in CRITERIA for deaths in DEATHS]
    letters = responses.groupby(["criterion", "death_rule"])["option"].first().to_dict()
    names = [
        f"{CRITERIA[criterion]}; {DEATHS[deaths]}"
        + (f"  [{letter}]" if (letter := letters.get((criterion, deaths))) else "")
        for criterion, deaths in rows
    ]
    _draw_forest(upper, responses.assign(scale=100.0), ["criterion", "death_rule"], rows, names)
    upper.set_xlabel("Responders, active minus placebo (percentage points)")
    windows = [(name, deaths) for name in sorted(means["endpoint"].unique(), reverse=True) for deaths in DEATHS]
    windows = [pair for pair in windows if ((means["endpoint"] == pair[0]) & (means["death_rule"] == pair[1])).any()]
    names = [f"mean SOFA to day {name.rpartition('_d')[2]}; {DEATHS[deaths]}" for name, deaths in windows]
    _draw_forest(lower, means.assign(scale=1.0), ["endpoint", "death_rule"], windows, names)
    lower.set_xlabel("Mean SOFA, active minus placebo (points)")
    upper.legend(title="days after discharge", loc="upper center", bbox_to_anchor=(0.35, -0.09), ncols=3)
    n = table[["n_active", "n_placebo"]].max().sum()
    title_figure(figure, title, f"population {population}, N = {n:.0f}; intervals not corrected for their number")
    return figure


def _draw_forest(
    axes: Axes, table: pd.DataFrame, keys: list[str], rows: Sequence[tuple[str, str]], names: Sequence[str]
) -> None:
    """Draw one line per row, one marker on it per discharge rule."""
    if table["estimate"].isna().all():
        note(axes, "Too few participants in an arm")
        return
    place = {row: -index for index, row in enumerate(rows)}
    for offset, (rule, style) in zip((0.25, 0.0, -0.25), DISCHARGES.items(), strict=True):
        own = table[(table["discharge_rule"] == rule) & table["estimate"].notna()]
        height = [place[row] + offset for row in own[keys].itertuples(index=False, name=None)]
        axes.hlines(height, own["low"] * own["scale"], own["high"] * own["scale"], color=style.colour, linewidth=1)
        axes.plot(
            own["estimate"] * own["scale"],
            height,
            linestyle="",
            marker=style.marker,
            markersize=3.5,
            color=style.colour,
            label=DISCHARGE_TITLES[rule],
        )
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(list(place.values()), names)
    axes.tick_params(axis="y", length=0)
