"""MOFA factors: what they explain of each layer, what explains them, and whether they come back."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from immunosep.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    REPORT_WIDTH,
    VERMILLION,
    house_styled,
    layer_title,
    new_figure,
    note_figure,
    title_figure,
)
from immunosep.integration.starts import RECOVERED

TOTAL: Final = "total"
KINDS: Final = {"label": "Labels", "clinical": "Clinical", "technical": "Technical"}
SIGNIFICANT: Final = 0.05


def tabulate_variance(variance: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Return the variance explained as numbers.

    Parameters
    ----------
    variance
        ``results/integration/variance_explained.tsv`` (layer, factor, r2), read as text; the factor ``total`` is that
        of all factors together.
    factors
        ``results/integration/factors.tsv`` (observation, participant), read as text.

    Returns
    -------
    DataFrame
        layer, factor, r2 (fraction of the layer's variance), observations and participants (numbers of the model).
    """
    return variance[["layer", "factor"]].assign(
        r2=pd.to_numeric(variance["r2"]).astype(float),
        observations=len(factors),
        participants=factors["participant"].nunique(),
    )


@house_styled
def plot_variance(table: pd.DataFrame) -> Figure:
    """Draw the variance explained per layer and factor as a heat map, and per layer by all factors as bars.

    Parameters
    ----------
    table
        As `tabulate_variance` returns it.
    """
    title = "MOFA: variance explained"
    if table.empty:
        return note_figure(title, "No factor")
    wide = table.pivot(index="layer", columns="factor", values="r2")
    factors = sorted((str(name) for name in wide if name != TOTAL), key=_factor_number)
    total = wide[TOTAL] if TOTAL in wide else wide[factors].sum(axis=1)
    wide = wide.loc[total.sort_values(ascending=False, kind="stable").index, factors] * 100
    figure = new_figure(height=1.5 + 0.42 * len(wide))
    heat, bars = figure.subplots(1, 2, width_ratios=(4, 1.3), sharey=True)
    image = _heat_map(heat, wide, "Blues", max(float(np.nanmax(wide.to_numpy())), 1.0))
    _write_cells(heat, wide.map("{:.0f}".format).where(wide >= 1, ""), wide, image)
    heat.set_xticks(range(len(factors)), [str(_factor_number(name)) for name in factors])
    heat.set_yticks(range(len(wide)), [layer_title(name) for name in wide.index])
    heat.set_xlabel("Factor")
    heat.set_title("By factor (% of the layer's variance)", fontsize=9, fontweight="normal")
    percent = total.loc[wide.index].to_numpy() * 100
    bars.barh(range(len(wide)), percent, color="#4A90C2", height=0.7)
    for position, value in enumerate(percent):
        bars.annotate(f"{value:.0f} %", (value, position), (3, 0), textcoords="offset points", va="center", fontsize=8)
    bars.set_xlim(0, max(float(percent.max()) * 1.3, 1))
    bars.set_xticks([])
    bars.tick_params(which="both", left=False)
    bars.spines[["bottom", "left"]].set_visible(False)
    bars.set_title("By all factors", fontsize=9, fontweight="normal")
    size = f"N = {table['observations'].iloc[0]} observations of {table['participants'].iloc[0]} participants"
    title_figure(figure, title, f"{len(factors)} factors, {size}")
    return figure


def tabulate_associations(associations: pd.DataFrame, *, top: int) -> pd.DataFrame:
    """Return the variables that follow a factor most closely, on one scale of strength.

    Parameters
    ----------
    associations
        ``results/integration/associations.tsv`` (kind, variable, factor, test, n, effect, p_value, q_value), read as
        text. The effect is Spearman's rho of a number and eta squared of a category.
    top
        Number of variables kept per kind, those with the strongest association to any factor.

    Returns
    -------
    DataFrame
        kind, variable, factor, test, n, strength (|rho|, or eta, the correlation ratio; 0 to 1), sign (-1 or 1; 0 for a
        category), q_value, flag (of the factor: what it follows of depth, batch, plate, run and quality). Kinds in the
        order of `KINDS`, in each the strongest variable first.
    """
    table = associations[["kind", "variable", "factor", "test", "n"]].copy()
    flagged = associations[associations["flag"] != ""].groupby("factor")["flag"].unique()
    table["flag"] = table["factor"].map(flagged.map(", ".join)).fillna("")
    effect = pd.to_numeric(associations["effect"]).astype(float)
    correlation = table["test"] == "spearman"
    table["strength"] = effect.abs().where(correlation, effect.clip(lower=0).pow(0.5))
    table["sign"] = ((effect > 0).astype(int) - (effect < 0).astype(int)).where(correlation, 0)
    table["q_value"] = pd.to_numeric(associations["q_value"]).astype(float)
    table["n"] = pd.to_numeric(table["n"]).astype(int)
    strongest = table.groupby(["kind", "variable"], sort=True)["strength"].max().reset_index()
    strongest = strongest.sort_values("strength", ascending=False, kind="stable")
    strongest["place"] = strongest.groupby("kind").cumcount()
    kept = strongest.loc[strongest["place"] < top, ["kind", "variable", "place"]]
    table = table.merge(kept, on=["kind", "variable"])
    order = {kind: position for position, kind in enumerate(KINDS)}
    table = table.assign(
        kind_order=table["kind"].map(order).fillna(len(order)), number=table["factor"].map(_factor_number)
    )
    table = table.sort_values(["kind_order", "place", "number"], ignore_index=True)
    return table.drop(columns=["kind_order", "place", "number"])


@house_styled
def plot_associations(table: pd.DataFrame) -> Figure:
    """Draw the strength of association of variables and factors, labels and technical variables apart.

    Parameters
    ----------
    table
        As `tabulate_associations` returns it. A number is printed where the q value is below 0.05.
    """
    title = "What the MOFA factors follow"
    if table.empty:
        return note_figure(title, "No variable could be tested")
    kinds = list(dict.fromkeys(table["kind"]))
    sizes = [table.loc[table["kind"] == kind, "variable"].nunique() for kind in kinds]
    factors = sorted(table["factor"].unique(), key=_factor_number)
    figure = new_figure(width=REPORT_WIDTH, height=1.4 + 0.24 * sum(sizes) + 0.35 * len(sizes))
    panels = figure.subplots(len(kinds), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    for axes, kind in zip(panels, kinds, strict=True):
        image = _draw_kind(axes, table[table["kind"] == kind], factors)
        axes.set_title(KINDS.get(kind, kind), fontsize=9)
    panels[-1].set_xlabel("Factor")
    flags = table.drop_duplicates("factor").set_index("factor")["flag"].reindex(factors)
    _label_factors(panels[-1], flags)
    bar = figure.colorbar(image, ax=panels, shrink=min(1.0, 6 / sum(sizes)), aspect=15)
    bar.set_label("Strength (|Spearman's ρ|, or η of groups)")
    bar.outline.set_visible(False)
    warning = "; red factor: technical, see what it follows" if (flags != "").any() else ""
    title_figure(figure, title, f"N ≤ {table['n'].max()}; number: q < {SIGNIFICANT}{warning}")
    return figure


def tabulate_stability(stability: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Return how closely every factor of the model came back in the other random starts.

    Parameters
    ----------
    stability
        ``results/integration/stability.tsv`` (factor, start, r, r_weights), read as text.
    summary
        ``results/integration/factor_summary.tsv`` (factor, recovered, stability, flag), read as text.

    Returns
    -------
    DataFrame
        factor, start, r and r_weights (absolute correlations of scores and of weights), stability (median r of the
        factor), flag (what of the laboratory it follows). Empty where there was one start.
    """
    numbers = ["r", "r_weights", "stability"]
    table = stability[["factor", "start", "r", "r_weights"]].merge(
        summary[["factor", "stability", "flag"]], on="factor"
    )
    table[numbers] = table[numbers].astype(float)
    return table


@house_styled
def plot_stability(table: pd.DataFrame) -> Figure:
    """Draw the correlation of every factor with its nearest in each other start, and the median.

    Parameters
    ----------
    table
        As `tabulate_stability` returns it.
    """
    title = "MOFA: which factors come back"
    if table.empty:
        return note_figure(title, "One random start: nothing to compare with (integration.starts)")
    factors = sorted(table["factor"].unique(), key=_factor_number)
    places = table["factor"].map({name: place for place, name in enumerate(factors)}).to_numpy(dtype=float)
    turns = table.groupby("factor").cumcount().to_numpy(dtype=float)
    count = table["start"].nunique()
    shift = (turns - (count - 1) / 2) * 0.5 / max(count, 2)
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    axes.axhline(RECOVERED, color=GREY, linewidth=0.8, linestyle=":")
    axes.plot(places + shift - 0.04, table["r"], "o", color=BLUE, markersize=5, clip_on=False, label="scores")
    axes.plot(
        places + shift + 0.04, table["r_weights"], "D", color=ORANGE, markersize=4, clip_on=False, label="weights"
    )
    medians = table.drop_duplicates("factor").set_index("factor").reindex(factors)
    axes.hlines(medians["stability"], np.arange(len(factors)) - 0.35, np.arange(len(factors)) + 0.35, color=INK)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(-0.6, len(factors) - 0.4)
    axes.set_ylabel("Closest factor of another start, |r|")
    axes.set_xlabel("Factor")
    _label_factors(axes, medians["flag"])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    warning = "; red: technical" if (medians["flag"] != "").any() else ""
    others = "1 other start" if count == 1 else f"{count} other starts"
    title_figure(figure, title, f"{others}; line: median of the scores{warning}")
    return figure


def _label_factors(axes: Axes, flags: pd.Series) -> None:
    """Write the numbers of the factors under the axes; a technical one in red, with what it follows."""
    labels = [
        f"{_factor_number(str(name))}" + (f"\n{flag.replace(', ', chr(10))}" if flag else "")
        for name, flag in flags.items()
    ]
    axes.set_xticks(range(len(labels)), labels)
    for text, flag in zip(axes.get_xticklabels(), flags, strict=True):
        if flag:
            text.set_color(VERMILLION)
            text.set_fontweight("bold")


def _draw_kind(axes: Axes, rows: pd.DataFrame, factors: list[str]) -> AxesImage:
    """Draw the heat map of one kind of variable."""
    variables = list(dict.fromkeys(rows["variable"]))
    wide = rows.pivot(index="variable", columns="factor", values="strength").reindex(variables, columns=factors)
    signed = rows.assign(text=[_signed(*pair) for pair in zip(rows["strength"], rows["sign"], strict=True)])
    signed.loc[~(signed["q_value"] < SIGNIFICANT), "text"] = ""
    texts = signed.pivot(index="variable", columns="factor", values="text").reindex(variables, columns=factors)
    image = _heat_map(axes, wide, "Purples", 1.0)
    _write_cells(axes, texts.fillna(""), wide, image)
    axes.set_yticks(range(len(variables)), [_readable(name) for name in variables])
    return image


def _heat_map(axes: Axes, wide: pd.DataFrame, colours: str, highest: float) -> AxesImage:
    """Draw a table as a heat map with white gaps between its cells."""
    image = axes.imshow(wide.to_numpy(dtype=float), cmap=colours, vmin=0, vmax=highest, aspect="auto")
    axes.set_xticks(np.arange(0.5, wide.shape[1] - 1), minor=True)
    axes.set_yticks(np.arange(0.5, wide.shape[0] - 1), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _write_cells(axes: Axes, texts: pd.DataFrame, values: pd.DataFrame, image: AxesImage) -> None:
    """Write each cell's text, white on dark cells."""
    shade = np.asarray(image.norm(values.to_numpy(dtype=float)))
    for (row, column), text in np.ndenumerate(texts.to_numpy()):
        if text:
            dark = shade[row, column] > 0.55
            axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color="white" if dark else INK)


def _signed(strength: float, sign: int) -> str:
    """Write a strength with the sign of a correlation: +0.81, −0.40, and 0.63 for a category."""
    return f"{ {-1: '−', 0: '', 1: '+'}[sign] }{strength:.2f}".strip()


def _readable(variable: str) -> str:
    """Return `rna:qc_mapped_fraction` as `RNA: mapped fraction`."""
    layer, colon, name = variable.rpartition(":")
    text = name.removeprefix("qc_").replace("_", " ").replace("sofa", "SOFA")
    return f"{layer_title(layer)}: {text}" if colon else text


def _factor_number(name: str) -> int:
    """Return 3 for `factor3` or `Factor 3`."""
    digits = "".join(character for character in name if character.isdigit())
    return int(digits) if digits else 0
