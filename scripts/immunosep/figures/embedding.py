"""The first two principal components of a layer, coloured by what could explain them."""

from __future__ import annotations

import logging
from typing import Final

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from immunosep.figures.style import (
    GroupStyle,
    endotype_styles,
    group_legend,
    group_styles,
    layer_title,
    house_styled,
    new_figure,
    note_figure,
    pool_small_groups,
    surrogate_ids,
)

logger = logging.getLogger(__name__)

MIN_LIBRARIES: Final = 3
COLOURINGS: Final = {"batch": "Batch", "country": "Country", "endotype": "Endotype"}


def tabulate_pca(
    adata: ad.AnnData,
    labels: pd.DataFrame | None,
    *,
    layer: str,
    seed: int,
    max_features: int,
    min_group: int,
) -> pd.DataFrame:
    """Compute the first two principal components of a layer.

    The drug-revealing analytes are left out, then the `max_features` most variable features are kept; a missing value
    (an Olink value with a QC warning) is set to its feature's median. Components are those of `scanpy.pp.pca` on the
    layer's normalised scale, centred and not rescaled.

    Parameters
    ----------
    adata
        The layer, libraries x features; ``obs``: participant, batch, country, visit_day.
    labels
        The label table with a column ``endotype``, or None where the role must not see it.
    layer
        Name of the layer.
    seed
        The seed of the configuration.
    max_features
        Number of features kept.
    min_group
        Batches and countries with fewer participants are pooled.

    Returns
    -------
    DataFrame
        One row per library in random order: row, pc1, pc2, pc1_variance, pc2_variance (fractions of the variance of
        the kept features), features (their number), visit_day, batch, country and, if labels are given, endotype.
        No rows where there are fewer than three libraries or two varying features.
    """
    obs = adata.obs
    participants = obs["participant"].astype(str)
    table = pd.DataFrame(
        {
            "row": pd.Series(surrogate_ids(adata.obs_names, seed, f"pca_{layer}", "L")),
            "visit_day": obs["visit_day"].astype(int),
            "batch": pool_small_groups(obs["batch"].astype(str), participants, min_group),
            "country": pool_small_groups(obs["country"].astype(str), participants, min_group),
        },
        index=adata.obs_names,
    )
    if labels is not None:
        known = labels.set_index("participant")["endotype"]
        table["endotype"] = participants.map(known).fillna("undetermined")
    matrix = _kept_features(adata, max_features)
    components = min(10, matrix.shape[0] - 1, matrix.shape[1] - 1)
    if matrix.shape[0] < MIN_LIBRARIES or components < 2:
        logger.warning("%s: %d libraries x %d features are too few for a PCA", layer, *matrix.shape)
        empty = pd.DataFrame(columns=["row", "pc1", "pc2", "pc1_variance", "pc2_variance", "features"], dtype=float)
        return pd.concat([empty, table.iloc[:0].drop(columns="row")], axis=1)
    reduced = ad.AnnData(matrix, obs=pd.DataFrame(index=adata.obs_names))
    sc.pp.pca(reduced, n_comps=components, svd_solver="arpack", random_state=seed)
    share = reduced.uns["pca"]["variance_ratio"]
    scores = reduced.obsm["X_pca"][:, :2]
    drawn = {"pc1": scores[:, 0], "pc2": scores[:, 1], "pc1_variance": share[0], "pc2_variance": share[1]}
    table = table.assign(**drawn, features=matrix.shape[1])
    first = ["row", "pc1", "pc2", "pc1_variance", "pc2_variance", "features"]
    return table[[*first, *table.columns.difference(first, sort=False)]].sort_values("row", ignore_index=True)


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
    colourings = [name for name in COLOURINGS if name in table]
    figure = new_figure(height=3.9)
    panels = figure.subplots(1, len(colourings), sharex=True, sharey=True, squeeze=False)[0]
    for axes, colouring in zip(panels, colourings, strict=True):
        _draw_groups(axes, table, colouring)
    shares = table[["pc1_variance", "pc2_variance"]].iloc[0] * 100
    figure.supxlabel(f"PC1 ({shares.iloc[0]:.0f} % of variance)", fontsize=9)
    panels[0].set_ylabel(f"PC2 ({shares.iloc[1]:.0f} % of variance)")
    size = f"N = {len(table)} libraries, {int(table['features'].iloc[0]):,} features"
    figure.suptitle(f"{title} ({size})", x=0.01, ha="left", fontweight="bold", fontsize=11)
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
    """Return the most variable features that reveal no drug, without missing values (float64)."""
    hidden = adata.var["drug_analyte"].astype(bool) if "drug_analyte" in adata.var else False
    matrix = adata.X[:, np.flatnonzero(~np.broadcast_to(hidden, adata.n_vars))]
    matrix = np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix, dtype=np.float64)
    matrix = matrix[:, ~np.isnan(matrix).all(axis=0)]
    if 0 in matrix.shape:
        return matrix
    matrix = np.where(np.isnan(matrix), np.nanmedian(matrix, axis=0), matrix)
    variance = matrix.var(axis=0)
    chosen = np.argsort(-variance, kind="stable")[:max_features]
    return matrix[:, np.sort(chosen[variance[chosen] > 0])]


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
            markersize=4.5,
            color=style.colour,
            alpha=0.85,
            markeredgecolor="white",
            markeredgewidth=0.4,
            rasterized=True,
        )
    axes.axhline(0, color="#EEEEEE", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#EEEEEE", linewidth=0.8, zorder=0)
    axes.set_title(COLOURINGS[colouring])
    if groups.nunique() > 1:
        shares = (explained_by(table[name].to_numpy(), groups) * 100 for name in ("pc1", "pc2"))
        text = "η²: PC1 {:.0f} %, PC2 {:.0f} %".format(*shares)
        axes.text(1.0, 1.01, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5, color="#5A5A5A")
    group_legend(axes, styles, groups.value_counts())
