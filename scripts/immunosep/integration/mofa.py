"""Factor analysis of several layers: one function around mofapy2, and the exact projection of unseen samples.

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

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    data = {name: np.array(matrix, dtype=np.float64) for name, matrix in views.items()}
    n_samples = _check_views(data)
    mean = {name: np.nanmean(matrix, axis=0) for name, matrix in data.items()}
    centred = {name: matrix - mean[name] for name, matrix in data.items()}
    scale = {name: float(np.nanstd(matrix)) for name, matrix in centred.items()}
    scaled = {name: matrix / scale[name] for name, matrix in centred.items()}

    with _quiet_mofapy2() as entry_point:
        model = entry_point()
        model.set_data_options(scale_views=False, scale_groups=False, center_groups=False, use_float32=False)
        model.set_data_matrix(
            [[scaled[name].copy()] for name in data],
            likelihoods=["gaussian"] * len(data),
            views_names=list(data),
            groups_names=["all"],
            samples_names=[[str(name) for name in names] if names is not None else _numbered("sample", n_samples)],
            # A feature name may occur in two views (a gene and its protein); mofapy2 wants them all different.
            features_names=[
                [f"{view}:{name}" for name in (features[view] if features is not None else range(data[view].shape[1]))]
                for view in data
            ],
        )
        model.set_model_options(
            factors=min(factors, n_samples - 1, *(matrix.shape[1] for matrix in data.values())),
            spikeslab_factors=False,
            spikeslab_weights=spikeslab_weights,
            ard_factors=ard_factors,
            ard_weights=ard_weights,
        )
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
        model.build()
        model.run()
        fit = _collect(model, mean, scale, ard_factors)
        if save_to is not None:
            with atomic_path(save_to) as temporary:
                model.save(str(temporary), save_data=False, save_parameters=False, expectations=["W", "Z", "Tau"])
    logger.info(
        "MOFA: %d samples, %d views, %d factors, %d bound evaluations",
        n_samples,
        len(data),
        fit.n_factors,
        fit.elbo.size,
    )
    return fit


def project(fit: MofaFit, views: Mapping[str, ArrayLike]) -> Array:
    """Return the posterior mean of the factors of unseen samples.

    It is the fixed point of mofapy2's update of Z with the weights and the noise of training held fixed, so a training
    sample comes back to its own factors. With O the observed features of a sample and y on the training scale,

    ``A = diag(prior) + sum_{d in O} tau_d M_d``, ``b = sum_{d in O} tau_d E[w_d] y_d``, ``z = A^-1 b``,

    where ``M_d`` has E[w_dk^2] on the diagonal and E[w_dk] E[w_dj] elsewhere.

    Parameters
    ----------
    fit
        Trained model.
    views
        Per view a matrix (n, D) with the features of training in their order; NaN is missing. Views may be left out.

    Returns
    -------
    ndarray of shape (n, K)
        Zero, the prior mean, for a sample without any observed value.

    Raises
    ------
    ValueError
        If a view is unknown, no view is given, or shapes disagree.
    """
    unknown = set(views) - set(fit.views)
    if unknown or not views:
        raise ValueError(f"views {sorted(unknown)} are not in the model; it has {list(fit.views)}")
    data = {name: np.asarray(views[name], dtype=np.float64) for name in fit.views if name in views}
    if len({matrix.shape[0] for matrix in data.values()}) != 1:
        raise ValueError("views differ in their number of samples")
    n_samples, n_factors = next(iter(data.values())).shape[0], fit.n_factors
    normal = np.broadcast_to(np.diag(fit.prior), (n_samples, n_factors, n_factors)).copy()
    right = np.zeros((n_samples, n_factors))
    diagonal = np.arange(n_factors)
    for name, matrix in data.items():
        weights, precision = fit.weights[name], fit.precision[name]
        if matrix.shape[1] != weights.shape[0]:
            raise ValueError(f"view {name} has {matrix.shape[1]} features, the model {weights.shape[0]}")
        observed = np.isfinite(matrix)
        scaled = np.where(observed, (matrix - fit.mean[name]) / fit.scale[name], 0.0)
        second = weights[:, :, None] * weights[:, None, :]
        second[:, diagonal, diagonal] = fit.weights_square[name]
        second *= precision[:, None, None]
        flat = second.reshape(weights.shape[0], n_factors * n_factors)
        normal += (observed.astype(np.float64) @ flat).reshape(normal.shape)
        right += scaled @ (weights * precision[:, None])
    return np.asarray(np.linalg.solve(normal, right[:, :, None])[:, :, 0], dtype=np.float64)


def variance_explained(fit: MofaFit, views: Mapping[str, ArrayLike], factors: Array) -> Array:
    """Return the fraction of variance per view and factor: 1 - |Y - z_k w_k|^2 / |Y|^2 over observed values.

    Parameters
    ----------
    fit
        Trained model.
    views
        Per view the unscaled matrix (n, D); all views of the model.
    factors
        Factor values (n, K).

    Returns
    -------
    ndarray of shape (M, K)
    """
    result = np.empty((len(fit.views), fit.n_factors))
    for row, name in enumerate(fit.views):
        matrix = (np.asarray(views[name], dtype=np.float64) - fit.mean[name]) / fit.scale[name]
        observed = np.isfinite(matrix).astype(np.float64)
        matrix = np.where(observed > 0, matrix, 0.0)
        weights = fit.weights[name]
        # |Y - zw|^2 - |Y|^2 = -2 z'Yw + (z^2)'O(w^2): no residual matrix per factor is needed.
        cross = np.einsum("nk,nk->k", factors, matrix @ weights)
        square = np.einsum("nk,nk->k", factors**2, observed @ weights**2)
        result[row] = (2 * cross - square) / np.square(matrix).sum()
    return result


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


def _check_views(data: Mapping[str, Array]) -> int:
    """Return the number of samples; raise ValueError for what mofapy2 would answer with the end of the process."""
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
    return next(iter(sizes.values()))


def _numbered(prefix: str, count: int) -> list[str]:
    """Return placeholder names, because mofapy2's own repeat across views."""
    return [f"{prefix}{index}" for index in range(count)]


def _collect(model: Any, mean: dict[str, Array], scale: dict[str, float], ard_factors: bool) -> MofaFit:
    """Copy the expectations out of a trained mofapy2 model, ordered and signed."""
    nodes = model.model.getNodes()
    names = list(mean)
    z = np.array(nodes["Z"].getExpectation())
    weight_nodes = [node.getExpectations() for node in nodes["W"].getNodes()]
    r2 = np.array(model.model.calculate_variance_explained()[0])
    total = np.array(model.model.calculate_variance_explained(total=True)[0])
    order = np.argsort(-r2.sum(axis=0), kind="stable")
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
def _quiet_mofapy2() -> Iterator[Any]:
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
