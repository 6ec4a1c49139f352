"""The first two principal components of a layer, coloured by what could explain them."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from immunosep.figures.style import (
    GREY,
    SUBTLE,
    GroupStyle,
    dot_style,
    endotype_styles,
    group_legend,
    group_styles,
    house_styled,
    layer_title,
    new_figure,
    note_figure,
    pool_small_groups,
    surrogate_ids,
    title_figure,
)
from immunosep.integration.assemble import read_layer
from immunosep.integration.factors import dense
from immunosep.integration.mofa import most_variable
from immunosep.layer import flag, kept_features

logger = logging.getLogger(__name__)

MIN_LIBRARIES: Final = 3
NUMBERS: Final = ("row", "pc1", "pc2", "pc1_variance", "pc2_variance", "features", "participants", "visit_day")
UNKNOWN: Final = "unknown"


def read_modality(path: str, name: str) -> ad.AnnData:
    """Read the matrix of a layer, ours or a ready one, with ``participant`` and ``visit_day`` in its ``obs``.

    Only the features that the cohort's filter kept.

    Parameters
    ----------
    path
        As in `immunosep.integration.assemble.read_layer`.
    name
        Name of the layer or of its body site.
    """
    parts = {part: kept_features(data) for part, data in read_layer(path, name).items()}
    return next(iter(parts.values())) if len(parts) == 1 else ad.concat(parts, index_unique="-", join="outer")


def tabulate_pca(
    adata: ad.AnnData,
    clinical: pd.DataFrame | None,
    labels: pd.DataFrame | None,
    *,
    layer: str,
    label_columns: Sequence[str],
    seed: int,
    max_features: int,
    min_group: int,
) -> pd.DataFrame:
    """Compute the first two principal components of a layer.

    The drug-revealing analytes and all that is masked after the first dose are left out, then the `max_features` most
    variable features are kept; a missing value (an Olink value with a QC warning) is set to its feature's median.
    Components are those of `scanpy.pp.pca` on the layer's normalised scale, centred and not rescaled.

    Parameters
    ----------
    adata
        The layer, libraries x features; ``obs``: participant, and batch, country, visit_day where they are known.
    clinical
        The clinical table of participants (site, participant_code, sex), read as text, or None where there is none.
    labels
        The label table, read as text, or None where the role must not see it.
    layer
        Name of the layer.
    label_columns
        Columns of the label table that colour a panel.
    seed
        The seed of the configuration.
    max_features
        Number of features kept.
    min_group
        Groups with fewer participants are pooled.

    Returns
    -------
    DataFrame
        One row per library in random order: row, pc1, pc2, pc1_variance, pc2_variance (fractions of the variance of
        the kept features), features and participants (their numbers), visit_day, then the columns that colour: batch,
        country, sex, labels.
        No rows where there are fewer than three libraries or two varying features.
    """
    participants = adata.obs["participant"].astype(str)
    groups = {name: adata.obs[name].astype(str) for name in ("batch", "country") if name in adata.obs}
    groups = {name: pool_small_groups(values, participants, min_group) for name, values in groups.items()}
    if clinical is not None:
        sex = clinical.set_index(clinical["site"] + "-" + clinical["participant_code"])["sex"]
        groups["sex"] = participants.map(sex).replace("", np.nan).fillna(UNKNOWN)
    if labels is not None:
        known = labels.drop_duplicates("participant").set_index("participant")
        for name in label_columns:
            groups[name] = participants.map(known[name]).replace("", np.nan).fillna(UNKNOWN)
    matrix = _kept_features(adata, max_features)
    components = min(10, matrix.shape[0] - 1, matrix.shape[1] - 1)
    if matrix.shape[0] < MIN_LIBRARIES or components < 2:
        logger.warning("%s: %d libraries x %d features are too few for a PCA", layer, *matrix.shape)
        return pd.DataFrame(columns=[*NUMBERS, *groups])
    reduced = ad.AnnData(matrix, obs=pd.DataFrame(index=adata.obs_names))
    sc.pp.pca(reduced, n_comps=components, svd_solver="arpack", random_state=seed)
    share = reduced.uns["pca"]["variance_ratio"]
    table = pd.DataFrame(groups, index=adata.obs_names)
    table["row"] = table.index.map(surrogate_ids(table.index, seed, f"pca_{layer}", "L"))
    table["pc1"], table["pc2"] = reduced.obsm["X_pca"][:, :2].T
    table["pc1_variance"], table["pc2_variance"] = share[:2]
    table["features"] = matrix.shape[1]
    table["participants"] = participants.nunique()
    table["visit_day"] = adata.obs["visit_day"].astype(float) if "visit_day" in adata.obs else np.nan
    return table[[*NUMBERS, *groups]].sort_values("row", ignore_index=True)


@house_styled
def plot_pca(table: pd.DataFrame, *, layer: str) -> Figure:
    """Draw the two components once per colouring, each with the share of its spread that the grouping explains.

    Parameters
    ----------
    table
        As `tabulate_pca` returns it.
    layer
        Name of the layer, for the title.
    """
    title = f"{layer_title(layer)}: principal components"
    if table.empty:
        return note_figure(title, "Too few libraries for a PCA")
    colourings = [str(name) for name in table if name not in NUMBERS]
    columns = 2 if len(colourings) == 4 else max(1, min(3, len(colourings)))
    lines = max(1, math.ceil(len(colourings) / columns))
    figure = new_figure(height=4.1 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    panels = grid.ravel()
    shares = table[["pc1_variance", "pc2_variance"]].iloc[0] * 100
    for axes, colouring in zip(panels, colourings, strict=False):
        _draw_groups(axes, table, colouring)
    for axes in panels:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(f"PC1 ({shares.iloc[0]:.0f} % of variance)")
    for axes in grid[:, 0]:
        axes.set_ylabel(f"PC2 ({shares.iloc[1]:.0f} % of variance)")
    for axes in panels[max(1, len(colourings)) :]:
        axes.set_visible(False)
    if not colourings:
        panels[0].plot(table["pc1"], table["pc2"], "o", color=GREY, rasterized=True, **dot_style(len(table)))
    participants, features = (int(table[name].iloc[0]) for name in ("participants", "features"))
    size = f"N = {len(table)} libraries of {participants} participants, {features:,} features"
    title_figure(figure, title, size)
    return figure


def explained_by(values: np.ndarray, groups: pd.Series) -> float:
    """Return eta squared: the share of the values' sum of squares that lies between the groups (0 to 1).

    Parameters
    ----------
    values
        One number per row.
    groups
        The group of each row.

    Returns
    -------
    float
        NaN where the values do not vary.
    """
    series = pd.Series(values, index=groups.index)
    total = float(((series - series.mean()) ** 2).sum())
    between = float(((series.groupby(groups).transform("mean") - series.mean()) ** 2).sum())
    return between / total if total > 0 else float("nan")


def _kept_features(adata: ad.AnnData, max_features: int) -> np.ndarray:
    """Return the most variable features that reveal no drug, without missing values (libraries x features, float64)."""
    shown = ~(flag(adata.var, "drug_analyte") | flag(adata.var, "masked"))
    matrix = dense(adata.X)[:, shown]
    matrix = matrix[:, most_variable(matrix, max_features)]
    return np.where(np.isnan(matrix), np.nanmedian(matrix, axis=0), matrix) if matrix.size else matrix


def _draw_groups(axes: Axes, table: pd.DataFrame, colouring: str) -> None:
    """Draw one panel: dots by group, legend with numbers below, explained shares in the title."""
    groups = table[colouring].astype(str)
    styles: dict[str, GroupStyle] = endotype_styles(groups) if colouring == "endotype" else group_styles(groups)
    for name, style in styles.items():
        chosen = groups == name
        axes.plot(
            table.loc[chosen, "pc1"],
            table.loc[chosen, "pc2"],
            linestyle="",
            marker=style.marker,
            color=style.colour,
            rasterized=True,
            **dot_style(len(table)),
        )
    axes.axhline(0, color="#EEEEEE", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#EEEEEE", linewidth=0.8, zorder=0)
    axes.set_title(colouring.replace("_", " ").capitalize().replace("Sofa", "SOFA"), pad=15)
    if groups.nunique() > 1:
        shares = (explained_by(table[name].to_numpy(), groups) * 100 for name in ("pc1", "pc2"))
        text = "explains {:.0f} % of PC1, {:.0f} % of PC2".format(*shares)
        axes.text(0.0, 1.01, text, transform=axes.transAxes, va="bottom", fontsize=7.5, color=SUBTLE)
    group_legend(axes, styles, groups.value_counts())
