"""Factor analysis of several layers: one function around mofapy2.

mofapy2 is used through its `entry_point` with every choice written out, because its defaults guess the likelihood from
the data, take the seed from the clock, save the training matrix to the system's temporary folder and end the process on
errors. Centring and scaling are done here and stored, so that a new sample can be put on the training scale.
"""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunosep.integration.updates import speed_up
from immunosep.io import PathLike, atomic_path

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Convergence = Literal["fast", "medium", "slow"]

#: Iterations before factors may be dropped. mofapy2 starts at the first one, when a factor has explained nothing yet.
START_DROP = 20


class MofaError(RuntimeError):
    """mofapy2 gave up; the message holds the end of what it printed."""


@dataclass
class MofaFit:
    """A trained model: all that is needed to project a new sample.

    Factors are ordered by the variance they explain over all views, and signed so that the largest weight of each is
    positive.

    Attributes
    ----------
    views
        Names of the views, in the order of training.
    mean, scale
        Per view: mean of each feature (D,) and the one standard deviation of the centred view.
    weights, weights_square
        Per view: E[W] and E[W^2], (D, K).
    precision
        Per view: E[tau], noise precision of each feature on the scaled data (D,).
    prior
        Prior precision of each factor (K,): ones, or E[alpha] with an ARD prior on the factors.
    factors
        E[Z] of the training samples (n, K).
    variance_explained
        Fraction of variance per view and factor (M, K), as mofapy2 defines it.
    variance_total
        Fraction of variance per view by all factors (M,).
    elbo
        Evidence lower bound at the iterations where it was computed.
    """

    views: tuple[str, ...]
    mean: dict[str, Array]
    scale: dict[str, float]
    weights: dict[str, Array]
    weights_square: dict[str, Array]
    precision: dict[str, Array]
    prior: Array
    factors: Array
    variance_explained: Array
    variance_total: Array
    elbo: Array

    @property
    def n_factors(self) -> int:
        """Number of factors that were kept."""
        return int(self.prior.shape[0])

    @property
    def bound(self) -> float:
        """Evidence lower bound at the end of training."""
        return float(self.elbo[-1])


def fit_mofa(
    views: Mapping[str, ArrayLike],
    *,
    factors: int,
    seed: int,
    iterations: int = 1000,
    convergence: Convergence = "fast",
    drop_r2: float | None = 0.01,
    spikeslab_weights: bool = True,
    ard_weights: bool = True,
    ard_factors: bool = False,
    names: Sequence[str] | None = None,
    features: Mapping[str, Sequence[str]] | None = None,
    save_to: PathLike | None = None,
) -> MofaFit:
    """Train MOFA with Gaussian likelihoods on one group of samples.

    Parameters
    ----------
    views
        Per view a matrix (n, D); rows are the same samples in every view; NaN is a missing value, and a row of NaN a
        missing view. Every feature needs two different observed values. The matrices are not modified.
    factors
        Factors to start from; at most n - 1 are used.
    seed
        Seed of mofapy2's random start.
    iterations, convergence
        Upper limit of iterations and mofapy2's convergence mode.
    drop_r2
        A factor that explains less than this in every view is dropped in training; None keeps all.
    spikeslab_weights, ard_weights, ard_factors
        Priors. Spike-and-slab on the weights fixes the rotation of the factors where weights are sparse.
    names, features
        Sample and feature names for the saved file.
    save_to
        HDF5 file of the model, readable by MOFA2 in R and by mofax. The training data are never stored in it.

    Returns
    -------
    MofaFit

    Raises
    ------
    ValueError
        If shapes disagree, a value is infinite, or a feature is constant or unobserved.
    MofaError
        If mofapy2 ends the process, for example because no factor explains `drop_r2`.

    Notes
    -----
    The result depends on the order of rows in the last digits; sort the samples before the call.
    """
    scaled, mean, scale = standardise(views)
    with quiet_mofapy2() as entry_point:
        model = new_model(entry_point, scaled, names, features)
        model.set_model_options(
            factors=factor_limit(factors, scaled),
            spikeslab_factors=False,
            spikeslab_weights=spikeslab_weights,
            ard_factors=ard_factors,
            ard_weights=ard_weights,
        )
        set_training(model, iterations, convergence, drop_r2, seed)
        model.build()
        speed_up(model)
        model.run()
        fit = collect(model, mean, scale, ard_factors)
        if save_to is not None:
            _save(model, fit, save_to)
    logger.info(
        "MOFA: %d samples, %d views, %d factors, %d bound evaluations, bound %.6g",
        fit.factors.shape[0],
        len(fit.views),
        fit.n_factors,
        fit.elbo.size,
        fit.bound,
    )
    return fit


def standardise(views: Mapping[str, ArrayLike]) -> tuple[dict[str, Array], dict[str, Array], dict[str, float]]:
    """Centre every feature and divide each view by one standard deviation; the originals are not modified.

    Returns
    -------
    scaled, mean, scale
        Per view: the matrix (n, D), the mean of each feature (D,), the standard deviation of the centred view.

    Raises
    ------
    ValueError
        If shapes disagree, a value is infinite, or a feature is constant or unobserved.
    """
    data = {name: np.array(matrix, dtype=np.float64) for name, matrix in views.items()}
    _check_views(data)
    mean = {name: np.nanmean(matrix, axis=0) for name, matrix in data.items()}
    for name, matrix in data.items():
        matrix -= mean[name]
    scale = {name: float(np.nanstd(matrix)) for name, matrix in data.items()}
    for name, matrix in data.items():
        matrix /= scale[name]
    return data, mean, scale


def new_model(
    entry_point: Any,
    scaled: Mapping[str, Array],
    names: Sequence[str] | None = None,
    features: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """Return mofapy2's model with data: Gaussian likelihoods, one group, nothing centred or scaled by mofapy2.

    mofapy2 keeps the matrices and changes them in training: hand over what is not needed afterwards.
    """
    n_samples = next(iter(scaled.values())).shape[0]
    model = entry_point()
    model.set_data_options(scale_views=False, scale_groups=False, center_groups=False, use_float32=False)
    model.set_data_matrix(
        [[matrix] for matrix in scaled.values()],
        likelihoods=["gaussian"] * len(scaled),
        views_names=list(scaled),
        groups_names=["all"],
        samples_names=[[str(name) for name in names] if names is not None else _numbered("sample", n_samples)],
        # A feature name may occur in two views (a gene and its protein); mofapy2 wants them all different.
        features_names=[
            [f"{view}:{name}" for name in (features[view] if features is not None else range(matrix.shape[1]))]
            for view, matrix in scaled.items()
        ],
    )
    return model


def set_training(model: Any, iterations: int, convergence: str, drop_r2: float | None, seed: int) -> None:
    """Set how mofapy2 trains (arguments as in `fit_mofa`); it writes no file by itself."""
    model.set_train_options(
        iter=iterations,
        convergence_mode=convergence,
        dropR2=drop_r2,
        startDrop=START_DROP,
        seed=seed,
        weight_views=False,
        gpu_mode=False,
        quiet=True,
        outfile="",
        save_interrupted=False,
    )


def factor_limit(factors: int, scaled: Mapping[str, Array]) -> int:
    """Return the factors to start from: no more than samples less one, nor than the features of the smallest view."""
    return min(factors, *(min(matrix.shape[0] - 1, matrix.shape[1]) for matrix in scaled.values()))


def most_variable(matrix: Array, limit: int | None) -> NDArray[np.intp]:
    """Return, in column order, the columns that vary: at most `limit`, by variance over observed values.

    Ties are broken by column order, so the choice does not depend on the sorting algorithm.
    """
    observed = np.isfinite(matrix)
    count = observed.sum(axis=0)
    filled = np.where(observed, matrix, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    variance = np.where(observed, matrix - mean, 0.0)
    variance = np.square(variance).sum(axis=0) / np.maximum(count, 1)
    # A constant column of large values has a variance of rounding errors, not of zero.
    varies = variance > np.square(np.abs(mean) * 1e-12)
    order = np.lexsort((np.arange(variance.size), -variance))
    order = order[varies[order]]
    return np.sort(order[:limit])


def _check_views(data: Mapping[str, Array]) -> None:
    """Raise ValueError for what mofapy2 would answer with the end of the process."""
    if not data:
        raise ValueError("MOFA needs at least one view")
    if any(matrix.ndim != 2 for matrix in data.values()):
        raise ValueError("every view is a matrix of samples by features")
    sizes = {name: matrix.shape[0] for name, matrix in data.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"views differ in their number of samples: {sizes}")
    for name, matrix in data.items():
        if np.isinf(matrix).any():
            raise ValueError(f"view {name} has infinite values")
        idle = matrix.shape[1] - most_variable(matrix, None).size
        if idle or not matrix.shape[1]:
            raise ValueError(f"view {name} has {idle} features that do not vary; leave them out")


def _numbered(prefix: str, count: int) -> list[str]:
    """Return placeholder names, because mofapy2's own repeat across views."""
    return [f"{prefix}{index}" for index in range(count)]


def _save(model: Any, fit: MofaFit, path: PathLike) -> None:
    """Write mofapy2's HDF5 file without the training data, its factors ordered and signed as those of the fit."""
    with atomic_path(path) as temporary:
        model.save(str(temporary), save_data=False, save_parameters=False, expectations=["W", "Z", "Tau"])
        with h5py.File(temporary, "r+") as file:
            file["expectations/Z/all"][...] = fit.factors.T
            file["variance_explained/r2_per_factor/all"][...] = 100 * fit.variance_explained
            for name in fit.views:
                file[f"expectations/W/{name}"][...] = fit.weights[name].T


def factor_order(model: Any) -> NDArray[np.intp]:
    """Return mofapy2's factors by the variance they explain over all views, the first explains most."""
    return np.argsort(-np.array(model.model.calculate_variance_explained()[0]).sum(axis=0), kind="stable")


def collect(model: Any, mean: dict[str, Array], scale: dict[str, float], ard_factors: bool) -> MofaFit:
    """Copy the expectations out of a trained mofapy2 model, ordered and signed."""
    nodes = model.model.getNodes()
    names = list(mean)
    z = np.array(nodes["Z"].getExpectation())
    weight_nodes = [node.getExpectations() for node in nodes["W"].getNodes()]
    r2 = np.array(model.model.calculate_variance_explained()[0])
    total = np.array(model.model.calculate_variance_explained(total=True)[0])
    order = factor_order(model)
    weights = [np.array(node["E"])[:, order] for node in weight_nodes]
    stacked = np.vstack(weights)
    sign = np.sign(stacked[np.abs(stacked).argmax(axis=0), np.arange(stacked.shape[1])])
    prior = np.array(nodes["AlphaZ"].getExpectations()["E"])[0, order] if ard_factors else np.ones(order.size)
    bound = np.asarray(model.model.train_stats["elbo"], dtype=np.float64)
    return MofaFit(
        views=tuple(names),
        mean=mean,
        scale=scale,
        weights={name: matrix * sign for name, matrix in zip(names, weights, strict=True)},
        weights_square={name: np.array(node["E2"])[:, order] for name, node in zip(names, weight_nodes, strict=True)},
        # `getExpectation(expand=False)` of mofapy2's Tau node refers to an undefined name; the plural form works.
        precision={
            name: np.array(node.getExpectations(expand=False)["E"])[0]
            for name, node in zip(names, nodes["Tau"].getNodes(), strict=True)
        },
        prior=prior,
        factors=z[:, order] * sign,
        variance_explained=r2[:, order],
        variance_total=total,
        elbo=bound[np.isfinite(bound)],
    )


@contextmanager
def quiet_mofapy2() -> Iterator[Any]:
    """Yield mofapy2's entry point with its side effects contained.

    Its printing goes to this module's log, its `sys.exit` becomes `MofaError`, its seeding of numpy's global generator
    is undone, and its muting of all Python warnings ends with the block.
    """
    printed = io.StringIO()
    state = np.random.get_state()  # noqa: NPY002 - mofapy2 uses the global generator
    with warnings.catch_warnings(), redirect_stdout(printed):
        from mofapy2.run.entry_point import entry_point

        warnings.simplefilter("ignore")
        try:
            yield entry_point
        except SystemExit as error:
            raise MofaError("mofapy2 gave up: " + " ".join(printed.getvalue().split()[-40:])) from error
        finally:
            np.random.set_state(state)  # noqa: NPY002
            for line in filter(None, map(str.strip, printed.getvalue().splitlines())):
                logger.debug("mofapy2: %s", line)
