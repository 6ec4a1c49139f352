"""Linear, logistic and Cox regression with the influence of each participant on each coefficient.

The influence values are what surrogacy needs and standard summaries do not give: they yield the robust covariance of
coefficients of two different models fitted to the same participants (with and without the marker), and so the interval
of their ratio.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg

FloatArray = npt.NDArray[np.float64]
Family = Literal["continuous", "binary", "survival"]

_NEWTON_STEPS = 50
_CONVERGED = 1e-10
# A logit of 15 is a fitted probability of 3e-7: with hundreds of participants that is separation, not an estimate.
_SEPARATED = 15.0


class NotEstimable(ValueError):
    """The data do not determine the coefficients; the message says why."""


@dataclass(frozen=True)
class Fit:
    """A fitted regression.

    Attributes
    ----------
    coef
        Shape (terms,); with an intercept in front except for survival.
    influence
        Shape (participants, terms): how far each participant pulls each coefficient (for linear models scaled as in
        HC3). The sum of their products is the robust covariance.
    log_likelihood
        Maximised; partial for survival.
    """

    coef: FloatArray
    influence: FloatArray
    log_likelihood: float

    @property
    def covariance(self) -> FloatArray:
        """Robust (sandwich) covariance of the coefficients, shape (terms, terms)."""
        return self.influence.T @ self.influence


def design(*columns: FloatArray, intercept: bool = True) -> FloatArray:
    """Put columns and blocks of columns side by side, after an intercept, as shape (participants, terms)."""
    blocks = [np.asarray(column, float).reshape(len(column), -1) for column in columns]
    if intercept:
        blocks.insert(0, np.ones((len(blocks[0]), 1)))
    return np.concatenate(blocks, axis=1)


def fit(family: Family, outcome: FloatArray, terms: FloatArray) -> Fit:
    """Fit one regression.

    Parameters
    ----------
    family
        `continuous` (least squares), `binary` (logistic), `survival` (Cox, ties by Efron).
    outcome
        Shape (participants,), or (participants, 2) with time and event for survival.
    terms
        Shape (participants, terms), the intercept included where there is one.

    Raises
    ------
    NotEstimable
        The terms are not of full rank, there are too few participants or events, or a binary outcome is separated.
    """
    n, p = terms.shape
    if n <= p + 1:
        raise NotEstimable(f"{n} participants for {p} coefficients")
    if np.linalg.matrix_rank(terms) < p:
        raise NotEstimable("terms are collinear")
    if family == "survival":
        return _cox(outcome, terms)
    coef = coefficients(family, outcome, terms, np.ones((1, n)))[0]
    linear = terms @ coef
    if family == "continuous":
        residual = outcome - linear
        curvature = np.ones(n)
        deviance = float(residual @ residual)
        log_likelihood = -n / 2 * (np.log(2 * np.pi * max(deviance, np.finfo(float).tiny) / n) + 1)
    else:
        if not np.isfinite(coef).all():
            raise NotEstimable("the outcome is separated by the terms")
        probability = 1 / (1 + np.exp(-linear))
        residual = outcome - probability
        curvature = probability * (1 - probability)
        log_likelihood = float(np.sum(outcome * linear - np.logaddexp(0, linear)))
    bread = np.linalg.inv(terms.T @ (curvature[:, None] * terms))
    leverage = curvature * np.einsum("ij,jk,ik->i", terms, bread, terms)
    influence = (residual / (1 - np.minimum(leverage, 1 - 1e-9)))[:, None] * (terms @ bread)
    return Fit(coef, influence, float(log_likelihood))


def _cox(outcome: FloatArray, terms: FloatArray) -> Fit:
    time, event = outcome[:, 0], outcome[:, 1]
    if event.sum() <= terms.shape[1]:
        raise NotEstimable(f"{int(event.sum())} events for {terms.shape[1]} coefficients")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = PHReg(time, terms, status=event, ties="efron").fit(disp=0)
    if not np.isfinite(result.params).all() or np.abs(terms @ result.params).max() > 10 * _SEPARATED:
        raise NotEstimable("the partial likelihood has no maximum")
    return Fit(
        np.asarray(result.params, float), result.score_residuals @ np.asarray(result.cov_params()), float(result.llf)
    )


def coefficients(family: Family, outcome: FloatArray, terms: FloatArray, weights: FloatArray) -> FloatArray:
    """Fit many weighted regressions of the same participants at once.

    Parameters
    ----------
    family
        `continuous`, `binary`, or `survival` (ties by Efron; weights are whole numbers).
    outcome
        Shape (participants,), or (participants, 2) with time and event for survival.
    terms
        Shape (participants, terms).
    weights
        Shape (fits, participants): how often each participant counts, as drawn by a bootstrap.

    Returns
    -------
    Shape (fits, terms); NaN where a draw is not of full rank, its binary outcome is separated, or its partial
    likelihood has no maximum.
    """
    if family == "survival":
        return _cox_coefficients(outcome, terms, weights)
    n, p = terms.shape
    products = (terms[:, :, None] * terms[:, None, :]).reshape(n, p * p)
    if family == "continuous":
        return _solve((weights @ products).reshape(-1, p, p), (weights * outcome) @ terms)
    coef = np.zeros((len(weights), p))
    for _ in range(_NEWTON_STEPS):
        linear = np.clip(coef @ terms.T, -30, 30)
        probability = 1 / (1 + np.exp(-linear))
        gradient = (weights * (outcome - probability)) @ terms
        hessian = ((weights * probability * (1 - probability)) @ products).reshape(-1, p, p)
        step = _solve(hessian, gradient)
        coef = coef + step
        if not np.nanmax(np.abs(step), initial=0.0) > _CONVERGED:
            break
    separated = np.abs(coef @ terms.T).max(axis=1) > _SEPARATED
    coef[separated] = np.nan
    return coef


def _cox_coefficients(outcome: FloatArray, terms: FloatArray, weights: FloatArray) -> FloatArray:
    """Newton's method for the partial likelihood of all draws together; a participant drawn twice is a tie."""
    order = np.argsort(outcome[:, 0], kind="stable")
    (time, event), terms, weights = outcome[order].T, terms[order] - terms.mean(axis=0), weights[:, order]
    n, p = terms.shape
    dead = np.flatnonzero(event)
    times, first_dead = np.unique(time[dead], return_index=True)
    first_at_risk = np.searchsorted(time, times)
    deaths = np.add.reduceat(weights[:, dead], first_dead, axis=1)
    # Per participant 1, terms, products of terms: their sums over who is at risk, or dies, at each time.
    content = np.hstack([np.ones((n, 1)), terms, (terms[:, :, None] * terms[:, None, :]).reshape(n, p * p)])
    coef = np.zeros((len(weights), p))
    moving = np.arange(len(weights))
    for _ in range(_NEWTON_STEPS):
        risk = weights[moving] * np.exp(np.clip(coef[moving] @ terms.T, -30, 30))
        spread = risk[..., None] * content
        until_next = np.add.reduceat(spread, first_at_risk, axis=1)
        at_risk = np.cumsum(until_next[:, ::-1], axis=1)[:, ::-1]
        dying = np.add.reduceat(spread[:, dead], first_dead, axis=1)
        gradient = (weights[moving] * event) @ terms
        hessian = np.zeros((len(moving), p, p))
        for k in range(int(deaths[moving].max())):
            # The tied leave the risk set one after the other, each time a share of all of them.
            counted = (deaths[moving] > k)[..., None]
            gone = np.divide(k, deaths[moving][..., None], out=np.zeros(counted.shape), where=counted)
            left = at_risk - gone * dying
            mean = np.divide(left[..., 1:], left[..., :1], out=np.zeros_like(left[..., 1:]), where=counted)
            first = mean[..., :p]
            gradient -= first.sum(axis=1)
            hessian += mean[..., p:].sum(axis=1).reshape(-1, p, p) - first.transpose(0, 2, 1) @ first
        step = _solve(hessian, gradient)
        coef[moving] += step
        moving = moving[np.abs(step).max(axis=1) > _CONVERGED]
        if not len(moving):
            break
    coef[moving] = np.nan
    coef[np.abs(coef @ terms.T).max(axis=1) > 10 * _SEPARATED] = np.nan
    return coef


def _solve(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Solve many small systems; NaN for the singular ones."""
    finite = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(vectors).all(axis=1)
    usable = np.zeros(len(matrices), bool)
    usable[finite] = np.linalg.cond(matrices[finite]) < 1e12
    solution = np.full(vectors.shape, np.nan)
    solution[usable] = np.linalg.solve(matrices[usable], vectors[usable][..., None])[..., 0]
    return solution


def wald(estimate: float, variance: float, level: float = 0.95) -> tuple[float, float, float]:
    """Give the lower and upper limit of a normal interval, and the two-sided p value."""
    error = np.sqrt(variance)
    reach = stats.norm.ppf((1 + level) / 2) * error
    return estimate - reach, estimate + reach, float(2 * stats.norm.sf(abs(estimate) / error)) if error else np.nan


def fieller(numerator: float, denominator: float, covariance: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Interval of a ratio of two estimates that are jointly normal (Fieller 1954).

    Parameters
    ----------
    numerator, denominator
        The estimates.
    covariance
        Shape (2, 2), of numerator and denominator.
    level
        Coverage.

    Returns
    -------
    Lower and upper limit; infinite where the denominator is not told from zero at this level, for then no bounded
    interval has the coverage.
    """
    q = stats.norm.ppf((1 + level) / 2) ** 2
    a = denominator**2 - q * covariance[1, 1]
    if a <= 0:
        return -np.inf, np.inf
    b = numerator * denominator - q * covariance[0, 1]
    c = numerator**2 - q * covariance[0, 0]
    root = np.sqrt(max(b * b - a * c, 0.0))
    return float((b - root) / a), float((b + root) / a)
