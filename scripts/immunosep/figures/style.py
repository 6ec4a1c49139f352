"""How every figure looks, and the one way to save it.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), which stay distinct in the common forms of colour
blindness; wherever groups are told apart, a marker or a direct label repeats what the colour says. Figures use the
fonts that ship with matplotlib and carry no date, so that the same table gives the same bytes on every machine.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple, ParamSpec

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from immunosep.io import write_table

logger = logging.getLogger(__name__)

P = ParamSpec("P")

BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
VERMILLION: Final = "#D55E00"
BROWN: Final = "#7F5539"
BLACK: Final = "#1A1A1A"
GREY: Final = "#8C8C8C"
LIGHT: Final = "#D9D9D9"
INK: Final = "#333333"
SUBTLE: Final = "#5A5A5A"  # for second lines; still legible on white

GROUP_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, BROWN, BLACK)
GROUP_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
ENDOTYPE_COLOURS: Final = {
    "MALS": VERMILLION,
    "SII": BLUE,
    "unclassified": GREY,
    "undetermined": LIGHT,
    "unknown": LIGHT,
}
ENDOTYPE_MARKERS: Final = {"MALS": "^", "SII": "o", "unclassified": "s", "undetermined": "X", "unknown": "."}
VERDICT_COLOURS: Final = {"pass": BLUE, "warn": ORANGE, "fail": VERMILLION}
POOLED: Final = "other"

LAYER_TITLES: Final = {
    "rna": "RNA",
    "atac": "ATAC",
    "proteome": "Proteome",
    "microbiome": "Microbiome",
    "microbiome_nares": "Microbiome, nares",
    "microbiome_oral": "Microbiome, oral",
    "microbiome_rectum": "Microbiome, rectum",
    "flow": "Flow cytometry",
    "cytokine": "Cytokines",
    "metabolome": "Metabolome",
}

REPORT_WIDTH: Final = 8.0  # inches; the width at which the HTML report and a printed page show a figure
TITLE_LENGTH: Final = 76  # characters of a title that fit the report's width
FORMATS: Final = ("pdf", "svg", "png")

_RC: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "immunosep",
    "path.simplify": False,
}
# Without these entries matplotlib writes the date and its own version into the file.
_METADATA: Final[dict[str, dict[str, None]]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "png": {"Software": None},
}
_CODE: Final = re.compile(r"(?<![0-9.])[0-9]{9}(?![0-9])")


class GroupStyle(NamedTuple):
    """Colour and marker of one group."""

    colour: str
    marker: str


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with matplotlib's defaults plus the house's settings, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def house_styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that returns a figure, so that it draws in the house's style."""

    @wraps(plot)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with house_style():
            return plot(*args, **kwargs)

    return styled


def new_figure(width: float = REPORT_WIDTH, height: float = 4.0) -> Figure:
    """Return an empty figure that needs no display and is unknown to pyplot.

    Parameters
    ----------
    width, height
        Size in inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def title_figure(figure: Figure, title: str, detail: str) -> None:
    """Write the title above all panels; the detail (N, mostly) behind it, or on a line of its own where it is long."""
    text = f"{title} ({detail})"
    if len(text) > TITLE_LENGTH:
        text = f"{title}\n{detail}"
    figure.suptitle(text, x=0.01, ha="left", fontweight="bold", fontsize=11)


def layer_title(layer: str) -> str:
    """Return the name of a layer (or of one body site of the microbiome) as people write it."""
    return LAYER_TITLES.get(layer, layer.replace("_", " "))


def layer_order(layer: str) -> tuple[int, str]:
    """Sort key: layers in the order in which the workflow names them, then unknown ones by name."""
    order = ("rna", "atac", "proteome", "microbiome", "flow", "cytokine", "metabolome")
    family = layer.split("_")[0]
    return (order.index(family) if family in order else len(order), layer)


def group_styles(values: Iterable[str]) -> dict[str, GroupStyle]:
    """Give each group a colour and a marker, in sorted order; pooled small groups come last and are grey.

    After the eighth group the colours start again with another marker, so that no two groups look the same until 64.
    """
    names = sorted({str(value) for value in values})
    pooled = [name for name in names if name.startswith(POOLED)]
    styles: dict[str, GroupStyle] = {}
    for index, name in enumerate(name for name in names if name not in pooled):
        lap, position = divmod(index, len(GROUP_COLOURS))
        styles[name] = GroupStyle(GROUP_COLOURS[position], GROUP_MARKERS[(position + lap) % len(GROUP_MARKERS)])
    styles.update({name: GroupStyle(GREY, "o") for name in pooled})
    return styles


def endotype_styles(values: Iterable[str]) -> dict[str, GroupStyle]:
    """Return the fixed colour and marker of each endotype that occurs, in the order of the classification rule."""
    present = set(values)
    return {
        name: GroupStyle(ENDOTYPE_COLOURS[name], ENDOTYPE_MARKERS[name]) for name in ENDOTYPE_COLOURS if name in present
    }


def surrogate_ids(names: Iterable[str], seed: int, figure: str, prefix: str = "P") -> dict[str, str]:
    """Give participants (or libraries) numbers in random order, so that a figure names nobody.

    The numbers are drawn anew for every figure: `P001` of one figure is not `P001` of another, and figures cannot be
    joined on them.

    Parameters
    ----------
    names
        Participants or libraries; order and repeats do not matter.
    seed
        The seed of the configuration.
    figure
        Name of the figure, mixed into the seed.
    prefix
        Letter before the number.

    Returns
    -------
    dict
        Name -> surrogate (`P001`, ...; as many digits as the last one needs, at least three).
    """
    ordered = sorted(set(names))
    generator = np.random.default_rng([seed, *figure.encode()])
    ranks = generator.permutation(len(ordered)) + 1
    digits = max(3, len(str(len(ordered))))
    return {name: f"{prefix}{rank:0{digits}d}" for name, rank in zip(ordered, ranks, strict=True)}


def pool_small_groups(groups: pd.Series, participants: pd.Series, minimum: int) -> pd.Series:
    """Join the groups of fewer than `minimum` participants to one, so that a group cannot single a person out.

    Parameters
    ----------
    groups, participants
        Group and participant of each row (same index).
    minimum
        Smallest number of distinct participants that a group of its own must have.

    Returns
    -------
    Series
        The groups, the small ones replaced by ``other (<minimum each)``.
    """
    sizes = participants.groupby(groups).nunique()
    small = sizes.index[sizes < minimum]
    return groups.astype(str).where(~groups.isin(small), f"{POOLED} (<{minimum} each)")


def dot_style(count: int) -> dict[str, Any]:
    """Return size, edge and opacity of dots that suit so many of them in one panel."""
    if count <= 150:
        return {"markersize": 5.0, "markeredgewidth": 0.4, "markeredgecolor": "white", "alpha": 0.9}
    if count <= 600:
        return {"markersize": 4.0, "markeredgewidth": 0.2, "markeredgecolor": "white", "alpha": 0.8}
    return {"markersize": 2.5, "markeredgewidth": 0.0, "alpha": 0.6}


def group_legend(axes: Axes, styles: dict[str, GroupStyle], counts: pd.Series) -> None:
    """Draw a legend under the axes that names each group and its number of dots."""
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=style.marker,
            color=style.colour,
            markersize=5,
            label=f"{name} ({counts.get(name, 0)})",
        )
        for name, style in styles.items()
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=2 if len(handles) <= 6 else 3,
        handletextpad=0.1,
        columnspacing=0.8,
    )


def note(axes: Axes, text: str) -> None:
    """Say in the middle of otherwise empty axes why there is nothing to see."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, wrap=True)


def note_figure(title: str, text: str) -> Figure:
    """Return a small figure that says why it has nothing to show."""
    figure = new_figure(height=2.0)
    axes = figure.subplots()
    axes.set_title(title)
    note(axes, text)
    return figure


def save_figure(figure: Figure, table: pd.DataFrame, stem: str | Path) -> None:
    """Write a figure as PDF, SVG and PNG (300 dpi) and the numbers it draws as TSV; same input, same bytes.

    Parameters
    ----------
    figure
        The figure; made by a function under `house_styled`.
    table
        The numbers that are drawn.
    stem
        Path without its ending.

    Raises
    ------
    ValueError
        A participant code stands in the table or in a text of the figure. Figures are made to be shared.
    """
    _refuse_codes(figure, table, stem)
    Path(stem).parent.mkdir(parents=True, exist_ok=True)
    with house_style():
        for ending in FORMATS:
            figure.savefig(f"{stem}.{ending}", metadata=_METADATA[ending])
    write_table(table, Path(f"{stem}.tsv"))
    logger.info("%s: %d rows drawn", Path(stem).name, len(table))


def _refuse_codes(figure: Figure, table: pd.DataFrame, stem: str | Path) -> None:
    """Raise if a text of the figure or of its source table holds nine digits in a row."""
    texts = table.select_dtypes(exclude="number").astype(str)
    columns = [str(column) for column in texts if texts[column].str.contains(_CODE).any()]
    drawn = [text.get_text() for text in figure.findobj(Text) if _CODE.search(text.get_text())]
    if columns or drawn:
        raise ValueError(
            f"{Path(stem).name}: participant codes in {'columns ' + ', '.join(columns) if columns else 'the drawing'}"
        )
