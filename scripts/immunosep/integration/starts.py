"""Several random starts of MOFA: the saved models, the best of them, how far its factors come back in the others."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np
import pandas as pd
from mudata import MuData

from immunosep.errors import InputError
from immunosep.integration.factors import cohort_views
from immunosep.integration.mofa import Array, MofaError, fit_mofa
from immunosep.io import PathLike

logger = logging.getLogger(__name__)

#: A factor has come back in another start where its scores correlate at least so closely.
RECOVERED = 0.9
STABILITY = ["factor", "start", "bound", "matched_factor", "r", "r_weights"]


@dataclass(frozen=True)
class SavedModel:
    """What the file of a trained model holds.

    Attributes
    ----------
    features
        Per view the names of its D features, in the order of training.
    weights
        Per view E[W], (D, K).
    factors
        E[Z] of the observations (n, K).
    variance_explained, variance_total
        Fraction of variance per view and factor (M, K), and per view by all factors (M,).
    bound
        Evidence lower bound at the end of training.
    """

    features: dict[str, list[str]]
    weights: dict[str, Array]
    factors: Array
    variance_explained: Array
    variance_total: Array
    bound: float

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views, in the order of training."""
        return tuple(self.features)

    @property
    def names(self) -> list[str]:
        """Names of the factors as every table has them: factor1, factor2, ..."""
        return [f"factor{index + 1}" for index in range(self.factors.shape[1])]


def read_model(path: PathLike) -> SavedModel:
    """Read a model that `mofa.fit_mofa` saved."""
    with h5py.File(path) as file:
        views = [name.decode() for name in file["views/views"][:]]
        bound = file["training_stats/elbo"][:]
        return SavedModel(
            features={
                view: [name.decode().removeprefix(f"{view}:") for name in file[f"features/{view}"][:]] for view in views
            },
            weights={view: file[f"expectations/W/{view}"][:].T for view in views},
            factors=file["expectations/Z/all"][:].T,
            variance_explained=file["variance_explained/r2_per_factor/all"][:] / 100,
            variance_total=file["variance_explained/r2_total/all"][:] / 100,
            bound=float(bound[np.isfinite(bound)][-1]),
        )


def start_seed(seed: int, start: int) -> int:
    """Return the seed of one start: of its own for every start, the same in every run."""
    return int(np.random.SeedSequence([seed, start]).generate_state(1)[0] >> 1)


def fit_start(
    data: MuData,
    *,
    factors: int,
    max_features: int,
    min_features: int,
    iterations: int,
    convergence: str,
    drop_r2: float,
    seed: int,
    save_to: PathLike,
) -> None:
    """Fit MOFA to all observations, for description. Prediction fits its own inside each fold.

    Parameters
    ----------
    data
        MuData.
    factors, max_features, min_features, iterations, convergence, drop_r2
        Section `integration` of the configuration.
    seed
        Seed of the start (`start_seed`).
    save_to
        Target, HDF5.

    Raises
    ------
    InputError
        If no layer has enough features, or no factor explains `drop_r2` of any layer.
    """
    views, features = cohort_views(data, max_features, min_features)
    if not views:
        raise InputError(f"no layer has {min_features} features that vary (integration.min_features)")
    try:
        fit_mofa(
            views,
            factors=factors,
            seed=seed,
            iterations=iterations,
            convergence=convergence,  # type: ignore[arg-type]
            drop_r2=drop_r2,
            names=data.obs_names.tolist(),
            features=features,
            save_to=save_to,
        )
    except MofaError as error:
        raise InputError(f"{error} (integration.drop_r2 is {drop_r2})") from error


def best_start(models: Mapping[int, SavedModel]) -> int:
    """Return the start with the highest bound, the first of equal ones."""
    for start, model in sorted(models.items()):
        logger.info("start %d: %d factors, bound %.6g", start, len(model.names), model.bound)
    return min(models, key=lambda start: (-models[start].bound, start))


def stability_table(models: Mapping[int, SavedModel], best: int) -> pd.DataFrame:
    """Find every factor of the best start in every other one.

    Parameters
    ----------
    models
        Models by start; all of the same observations and features.
    best
        The start whose factors are described.

    Returns
    -------
    pandas.DataFrame
        factor, start (another one), bound (of that start), matched_factor (its factor with the closest scores), r
        (absolute correlation of the scores), r_weights (of the two factors' weights over all views, each view divided
        by the size of its weights so that a view with many features does not speak for all).
    """
    own, rows = models[best], []
    own_weights = _stacked_weights(own)
    for start in sorted(set(models) - {best}):
        other = models[start]
        scores = _correlations(own.factors, other.factors)
        weights = _correlations(own_weights, _stacked_weights(other))
        for index, name in enumerate(own.names):
            match = int(scores[index].argmax())
            rows.append((name, start, other.bound, other.names[match], scores[index, match], weights[index, match]))
    return pd.DataFrame(rows, columns=STABILITY)


def summarise_stability(stability: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Return per factor how many other starts there were, in how many it came back, and how closely.

    Parameters
    ----------
    stability
        `stability_table`.
    factors
        Names of the factors.

    Returns
    -------
    pandas.DataFrame
        Indexed by factor: starts (others), recovered (those with |r| of at least 0.9), stability (median |r|; NaN with
        one start only), lowest (the smallest).
    """
    by_factor = stability.groupby("factor")["r"]
    return pd.DataFrame(
        {
            "starts": by_factor.size(),
            "recovered": (stability["r"] >= RECOVERED).groupby(stability["factor"]).sum(),
            "stability": by_factor.median(),
            "lowest": by_factor.min(),
        }
    ).reindex(factors)


def _stacked_weights(model: SavedModel) -> Array:
    """Return the weights of all views, one below the other (sum of D, K), every view scaled to length one."""
    parts = []
    for view in model.views:
        matrix = model.weights[view]
        parts.append(matrix / np.maximum(np.linalg.norm(matrix), np.finfo(float).tiny))
    return np.vstack(parts)


def _correlations(first: Array, second: Array) -> Array:
    """Return the absolute correlations of the columns of two matrices; 0 where a column is constant."""
    centred = [matrix - matrix.mean(axis=0) for matrix in (first, second)]
    a, b = (matrix / np.maximum(np.linalg.norm(matrix, axis=0), np.finfo(float).tiny) for matrix in centred)
    return np.asarray(np.abs(a.T @ b))
