"""Gene sets whose members weigh on a factor: a rank-sum test that allows for the correlation of the members.

The weights of a factor are estimated from the same samples, so those of features that rise and fall together err
together, and a test that takes them for independent finds every co-regulated set. The variance of the rank sum is
therefore that of members with their mean correlation in the data, the tested factor taken out (Barry, Nobel and Wright
2008, doi 10.1214/07-AOAS146; used in the same way by Wu and Smyth 2012, doi 10.1093/nar/gks461).
"""

import logging

import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray
from scipy import stats

from immunosep.integration.factors import dense
from immunosep.integration.mofa import Array
from immunosep.integration.starts import SavedModel
from immunosep.layer import has_symbol

logger = logging.getLogger(__name__)

#: A set with fewer features in a layer's view, or fewer outside it, is not tested.
MIN_MEMBERS = 5
ENRICHMENT = ["factor", "layer", "gene_set", "direction", "n", "correlation", "auc", "statistic", "p_value"]


def enrich(data: MuData, model: SavedModel, gene_sets: pd.DataFrame) -> pd.DataFrame:
    """Test every set of genes against the signed weights of every factor and layer.

    Parameters
    ----------
    data
        The MuData that the model was trained on; layers without `var["symbol"]` are not tested.
    model
        The model.
    gene_sets
        `resources/gene_sets.tsv`: gene_set, direction, symbol. The directions of a signature are sets of their own:
        their weights have opposite signs and would cancel.

    Returns
    -------
    pandas.DataFrame
        factor, layer, gene_set, direction, n (members in the view), correlation (mean correlation of the members, the
        factor taken out; a negative one counts as 0), auc (probability that a member weighs more than another feature;
        0.5: no difference), statistic (z; positive: members weigh more), p_value (two-sided), q_value
        (Benjamini-Hochberg over the table).
    """
    rows = []
    for view in model.views:
        var = data.mod[view].var.loc[model.features[view]]
        if "symbol" not in var:
            continue
        sets = _memberships(var["symbol"].astype(str), gene_sets)
        union = np.flatnonzero(np.any(list(sets.values()), axis=0)) if sets else np.array([], dtype=int)
        values, factors = _measured(data, model, view, union)
        for column, factor in enumerate(model.names):
            weights = model.weights[view][:, column]
            residual = standard_columns(_without(values, factors[:, column]))
            for (gene_set, direction), members in sets.items():
                correlation = max(mean_correlation(residual[:, members[union]]), 0.0)
                auc, z, p = rank_sum(weights, members, correlation)
                rows.append((factor, view, gene_set, direction, int(members.sum()), correlation, auc, z, p))
    table = pd.DataFrame(rows, columns=ENRICHMENT)
    table["q_value"] = stats.false_discovery_control(table["p_value"]) if len(table) else pd.Series(dtype=float)
    logger.info("%d of %d tests with q < 0.05", int((table["q_value"] < 0.05).sum()), len(table))
    return table


def rank_sum(values: Array, members: NDArray[np.bool_], correlation: float) -> tuple[float, float, float]:
    """Compare members with all others by Wilcoxon's and Mann's and Whitney's rank sum.

    Parameters
    ----------
    values
        One number per feature (D,).
    members
        Which features are in the set (D,).
    correlation
        Mean correlation of the members, 0 to 1; 0 gives the ordinary test.

    Returns
    -------
    auc, z, p
        U / (n1 n2); the normal statistic with correction for continuity and ties; the two-sided p value.
    """
    n1, n2 = int(members.sum()), int((~members).sum())
    ranks = stats.rankdata(values)
    u = ranks[members].sum() - n1 * (n1 + 1) / 2
    variance = (
        n1
        * n2
        / (2 * np.pi)
        * (
            np.arcsin(1)
            + (n2 - 1) * np.arcsin(0.5)
            + (n1 - 1) * (n2 - 1) * np.arcsin(correlation / 2)
            + (n1 - 1) * np.arcsin((correlation + 1) / 2)
        )
    )
    ties = np.unique(ranks, return_counts=True)[1].astype(float)
    n = n1 + n2
    variance *= 1 - (ties**3 - ties).sum() / (n**3 - n)
    distance = u - n1 * n2 / 2
    z = np.sign(distance) * max(abs(distance) - 0.5, 0.0) / np.sqrt(variance) if variance > 0 else 0.0
    return float(u / (n1 * n2)), float(z), float(2 * stats.norm.sf(abs(z)))


def standard_columns(matrix: Array) -> Array:
    """Return columns of mean 0 and variance 1 over what is observed; 0 where nothing is, or nothing varies."""
    observed = np.isfinite(matrix)
    count = np.maximum(observed.sum(axis=0), 1)
    centred = np.where(observed, matrix, 0.0)
    centred = np.where(observed, centred - centred.sum(axis=0) / count, 0.0)
    spread = np.sqrt(np.square(centred).sum(axis=0) / count)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


def mean_correlation(standard: Array) -> float:
    """Return the mean correlation of all pairs of columns, from their sum; a missing value counts as the mean."""
    n, m = standard.shape
    return float((np.square(standard.sum(axis=1)).sum() / n - m) / (m * (m - 1)))


def _memberships(symbols: pd.Series, gene_sets: pd.DataFrame) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return which features belong to each set and direction; sets that are too small are left out."""
    found = {}
    for (gene_set, direction), rows in gene_sets.groupby(["gene_set", "direction"], sort=True):
        members = has_symbol(symbols, rows["symbol"]).to_numpy(dtype=bool)
        if min(members.sum(), (~members).sum()) >= MIN_MEMBERS:
            found[str(gene_set), str(direction)] = members
    return found


def _measured(data: MuData, model: SavedModel, view: str, columns: NDArray[np.intp]) -> tuple[Array, Array]:
    """Return a layer's values of some of the view's features, and the factors of the same observations."""
    modality = data.mod[view]
    places = modality.var_names.get_indexer(np.asarray(model.features[view])[columns])
    return dense(modality.X)[:, places], model.factors[data.obs_names.get_indexer(modality.obs_names)]


def _without(values: Array, factor: Array) -> Array:
    """Take one factor out of every column by least squares over what is observed."""
    observed = np.isfinite(values)
    count = np.maximum(observed.sum(axis=0), 1)
    filled = np.where(observed, values, 0.0)
    score = np.where(observed, factor[:, None], 0.0)
    filled = np.where(observed, filled - filled.sum(axis=0) / count, 0.0)
    score = np.where(observed, score - score.sum(axis=0) / count, 0.0)
    size = np.square(score).sum(axis=0)
    slope = (filled * score).sum(axis=0) / np.where(size > 0, size, 1.0)
    return np.where(observed, filled - score * slope, np.nan)
