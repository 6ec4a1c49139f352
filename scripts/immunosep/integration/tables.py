"""The tables of a factor model: factors, top weights, variance explained, and one line on every factor."""

import numpy as np
import pandas as pd
from mudata import MuData

from immunosep.integration.starts import SavedModel, summarise_stability

#: Of several reasons to distrust a factor the first is named.
FLAGS = ("depth", "batch", "plate", "run", "quality")


def factors_table(data: MuData, model: SavedModel) -> pd.DataFrame:
    """Return observation, participant, visit_day and one column per factor."""
    table = data.obs[["participant", "visit_day"]].reset_index(names="observation")
    return table.assign(**dict(zip(model.names, model.factors.T, strict=True)))


def weights_table(data: MuData, model: SavedModel, top: int = 50) -> pd.DataFrame:
    """Return the largest weights of each view and factor: layer, factor, rank, feature, symbol, weight."""
    parts = []
    for view in model.views:
        symbols = data.mod[view].var.get("symbol")
        weights = model.weights[view]
        order = np.argsort(-np.abs(weights), axis=0, kind="stable")[:top]
        names = np.asarray(model.features[view])
        for column, factor in enumerate(model.names):
            rows = order[:, column]
            parts.append(
                pd.DataFrame(
                    {
                        "layer": view,
                        "factor": factor,
                        "rank": np.arange(1, rows.size + 1),
                        "feature": names[rows],
                        "symbol": "" if symbols is None else symbols.loc[names[rows]].astype(str).to_numpy(),
                        "weight": weights[rows, column],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def variance_table(model: SavedModel) -> pd.DataFrame:
    """Return layer, factor, r2; the row `total` is the variance explained by all factors of the view together."""
    table = pd.DataFrame(model.variance_explained, index=list(model.views), columns=model.names)
    table["total"] = model.variance_total
    return table.rename_axis("layer").reset_index().melt(id_vars="layer", var_name="factor", value_name="r2")


def summarise_factors(variance: pd.DataFrame, stability: pd.DataFrame, associations: pd.DataFrame) -> pd.DataFrame:
    """Return one line on every factor: where it is strong, whether it comes back, whether it is technical.

    Parameters
    ----------
    variance
        `variance_table`.
    stability
        `starts.stability_table`.
    associations
        `factors.associate`.

    Returns
    -------
    pandas.DataFrame
        factor, layer (where it explains most), r2 (of that layer), starts, recovered, stability, lowest (of
        `starts.summarise_stability`), flag (of the associations, the first of `FLAGS`), follows (the variable of that
        flag with the smallest p value), effect (how closely).
    """
    single = variance[variance["factor"] != "total"]
    top = single.loc[single.groupby("factor", sort=False)["r2"].idxmax()].set_index("factor")[["layer", "r2"]]
    flagged = associations[associations["flag"] != ""]
    flagged = flagged.assign(place=flagged["flag"].map(FLAGS.index)).sort_values(["place", "p_value"], kind="stable")
    reason = flagged.drop_duplicates("factor").set_index("factor")[["flag", "variable", "effect"]]
    table = top.join(summarise_stability(stability, list(top.index))).join(
        reason.rename(columns={"variable": "follows"})
    )
    counts = ["starts", "recovered"]
    table[counts] = table[counts].fillna(0).astype(int)
    table[["flag", "follows"]] = table[["flag", "follows"]].fillna("")
    return table.rename_axis("factor").reset_index()
