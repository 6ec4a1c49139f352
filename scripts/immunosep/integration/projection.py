"""A trained factor model applied: the exact projection of unseen samples, and the variance that factors explain."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from immunosep.integration.mofa import Array, MofaFit


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
    normal, right = normal_equations(fit, views)
    return np.asarray(np.linalg.solve(normal + np.diag(fit.prior), right[:, :, None])[:, :, 0], dtype=np.float64)


def normal_equations(fit: MofaFit, views: Mapping[str, ArrayLike]) -> tuple[Array, Array]:
    """Return what the observed values say about the factors of each sample: A without the prior, and b (`project`).

    Parameters
    ----------
    fit, views
        As in `project`.

    Returns
    -------
    precision, right
        (n, K, K) and (n, K); zeros for a sample without any observed value.

    Raises
    ------
    ValueError
        As in `project`.
    """
    unknown = set(views) - set(fit.views)
    if unknown or not views:
        raise ValueError(f"views {sorted(unknown)} are not in the model; it has {list(fit.views)}")
    data = {name: np.asarray(views[name], dtype=np.float64) for name in fit.views if name in views}
    if len({matrix.shape[0] for matrix in data.values()}) != 1:
        raise ValueError("views differ in their number of samples")
    n_samples, n_factors = next(iter(data.values())).shape[0], fit.n_factors
    normal = np.zeros((n_samples, n_factors, n_factors))
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
    return normal, right


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
