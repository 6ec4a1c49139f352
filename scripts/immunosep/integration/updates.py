"""mofapy2's slow steps, the same numbers by another order of the sums: weights, factors, variance explained.

For every factor, mofapy2 forms a matrix of samples by features (what the other factors explain) and sums it: that many
passes over the data in each iteration. The sums over samples of the products of two factors, and over features of those
of two columns of weights, hold the same. They come from one product of matrices and are as small as the result. The
variance that each factor explains, which decides after every iteration what is dropped, is had in the same way.
"""

from collections.abc import Mapping, Sequence
from types import MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]


def speed_up(model: Any) -> None:
    """Give a built mofapy2 model the updates of this module: spike-and-slab weights, Gaussian factors, no mini-batches.

    Nodes of any other kind keep mofapy2's own. Only this model is changed, not mofapy2.
    """
    nodes = model.model.getNodes()
    if type(nodes["Z"]).__name__ == "Z_Node":
        nodes["Z"]._updateParameters = MethodType(_update_factors, nodes["Z"])
    for node in nodes["W"].getNodes():
        if type(node).__name__ == "SW_Node":
            node._updateParameters = MethodType(_update_weights, node)
    own = model.model.calculate_variance_explained
    model.model.calculate_variance_explained = lambda total=False: own(total) if total else [_explained(nodes)]


def _update_weights(
    node: Any,
    values: Array,
    factors: Mapping[str, Array],
    tau: Array,
    mask: NDArray[np.bool_],
    alpha: Array,
    slab_mean: Array,
    slab_variance: Array,
    spike_variance: Array,
    inclusion: Array,
    weights: Array,
    log_in: Array,
    log_out: Array,
    *_: float,
) -> None:
    """Update the weights of one view, factor after factor (arguments and result of `SW_Node._updateParameters`)."""
    tau[mask] = 0.0
    precision = tau.T @ factors["E2"] + alpha
    evidence = (tau * values).T @ factors["E"]
    shared = _pair_sums([tau.T], [factors["E"]])
    for k in range(weights.shape[1]):
        own = evidence[:, k] - np.einsum("dj,dj->d", shared[:, k], weights)
        odds = (log_in - log_out)[:, k] + 0.5 * (np.log(alpha[:, k]) - np.log(precision[:, k]))
        inclusion[:, k] = expit(odds + 0.5 * own**2 / precision[:, k])
        slab_variance[:, k] = 1 / precision[:, k]
        slab_mean[:, k] = own / precision[:, k]
        weights[:, k] = inclusion[:, k] * slab_mean[:, k]
    spike_variance[...] = 1 / alpha
    node.Q.setParameters(
        mean_B0=np.zeros(weights.shape),
        var_B0=spike_variance,
        mean_B1=slab_mean,
        var_B1=slab_variance,
        theta=inclusion,
    )


def _update_factors(
    node: Any,
    values: Sequence[Array],
    weights: Sequence[Mapping[str, Array]],
    tau: Sequence[Array],
    prior_mean: Array,
    alpha: Array,
    mean: Array,
    variance: Array,
    mask: Sequence[NDArray[np.bool_]],
) -> dict[str, Array]:
    """Update the factors one after the other (arguments and result of `Z_Node._updateParameters`)."""
    for own, missing in zip(tau, mask, strict=True):
        own[missing] = 0.0
    precision, evidence = alpha.copy(), alpha * prior_mean
    for own, matrix, loading in zip(tau, values, weights, strict=True):
        precision += own @ loading["E2"]
        evidence += (own * matrix) @ loading["E"]
    shared = _pair_sums(tau, [loading["E"] for loading in weights])
    for k in range(node.dim[1]):
        variance[:, k] = 1 / precision[:, k]
        mean[:, k] = variance[:, k] * (evidence[:, k] - np.einsum("nj,nj->n", shared[:, k], mean))
    return {"Qmean": mean, "Qvar": variance}


def _explained(nodes: Mapping[str, Any]) -> Array:
    """Return the fraction of variance by view and factor, (M, K), of a model with one group of samples.

    |Y - zw'|^2 - |Y|^2 = -2 z'Yw + (z^2)'O(w^2), with O the observed values: no matrix of residuals is needed.
    """
    factors, loadings = nodes["Z"].getExpectation(), nodes["W"].getExpectation()
    result = np.empty((len(loadings), factors.shape[1]))
    for row, (values, loading, view) in enumerate(
        zip(nodes["Y"].getExpectation(), loadings, nodes["Y"].getNodes(), strict=True)
    ):
        observed = (~view.getMask(full=True)).astype(np.float64)
        cross = np.einsum("nk,nk->k", factors, values @ loading)
        square = np.einsum("nk,nk->k", factors**2, observed @ loading**2)
        result[row] = (2 * cross - square) / np.square(values).sum()
    return result


def _pair_sums(tau: Sequence[Array], columns: Sequence[Array]) -> Array:
    """Return sum_i tau_ri c_ik c_ij, (rows, K, K), over all pairs of matrices; 0 on the diagonal."""
    n_rows, k = tau[0].shape[0], columns[0].shape[1]
    first, second = np.triu_indices(k, 1)
    result = np.zeros((n_rows, k, k))
    for own, matrix in zip(tau, columns, strict=True):
        result[:, first, second] += own @ (matrix[:, first] * matrix[:, second])
    result[:, second, first] = result[:, first, second]
    return result
