"""From a model's log odds to calibrated ones: a straight line, learned from out-of-fold predictions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

Array = NDArray[np.float64]

#: Newton steps of the line's fit; a dozen are enough, and a fit that goes on is a separation without an end.
STEPS = 100
#: Largest change of a coefficient in one step, as in R's logistf: far from the optimum a full step overshoots.
STEP_SIZE = 5.0


@dataclass
class Calibrated:
    """A straight line from a model's log odds to calibrated log odds.

    Attributes
    ----------
    slope, intercept
        The line. The slope is never negative: a model that predicted worse than chance inside the training fold says
        nothing, and is not turned round.
    prior
        Log odds of class 1 among the training participants.
    """

    slope: float
    intercept: float
    prior: float

    def __call__(self, log_odds: Array) -> Array:
        """Return calibrated log odds."""
        return self.intercept + self.slope * log_odds


def prior_log_odds(labels: NDArray[np.integer]) -> float:
    """Return the log odds of class 1 among participants of both classes."""
    prevalence = labels.mean()
    return float(np.log(prevalence / (1 - prevalence)))


def calibrate(log_odds: Array, labels: NDArray[np.integer]) -> Calibrated:
    """Fit the line of a logistic regression of the labels on out-of-fold log odds (Platt).

    Two hundred participants whom a model separates well hold little information on the slope: a ridge penalty pulls it
    towards zero by several percent, and the maximum of the likelihood lies too far out, without an end where the
    classes separate. The line is Firth's, whose slope is finite and unbiased to first order, with the intercept at
    which the mean of the predictions is the prevalence.

    Parameters
    ----------
    log_odds
        (n,) out of fold, one per participant.
    labels
        (n,) 0 or 1, both present.

    References
    ----------
    Firth 1993, doi 10.1093/biomet/80.1.27. Heinze and Schemper 2002, doi 10.1002/sim.1047. The intercept: Puhr 2017,
    doi 10.1002/sim.7273.
    """
    prior = prior_log_odds(labels)
    spread = float(np.std(log_odds))
    if spread == 0:
        return Calibrated(0.0, prior, prior)
    centre = float(np.mean(log_odds))
    slope = firth_slope((log_odds - centre) / spread, labels) / spread
    if slope <= 0:
        return Calibrated(0.0, prior, prior)
    # The mean prediction runs from 0 to 1 with the intercept: the bracket always holds the root.
    far = 50 + slope * float(np.abs(log_odds).max())
    intercept = float(brentq(lambda shift: expit(shift + slope * log_odds).mean() - labels.mean(), -far, far))
    return Calibrated(slope, intercept, prior)


def firth_slope(values: Array, labels: NDArray[np.integer]) -> float:
    """Return the slope of the logistic regression on one variable, penalised by Jeffreys' prior.

    Parameters
    ----------
    values
        (n,) centred and scaled.
    labels
        (n,) 0 or 1.
    """
    design = np.column_stack([np.ones_like(values), values])
    line = np.zeros(2)
    for _ in range(STEPS):
        chance = expit(design @ line)
        weight = chance * (1 - chance)
        inverse = np.linalg.inv((design * weight[:, None]).T @ design)
        leverage = weight * np.einsum("ij,jk,ik->i", design, inverse, design)
        step = inverse @ (design.T @ (labels - chance + leverage * (0.5 - chance)))
        line = line + step * min(1.0, STEP_SIZE / float(np.abs(step).max() or 1.0))
        if np.abs(step).max() < 1e-10:
            break
    return float(line[1])
