"""Factors that change smoothly over the visits: MEFISTO of mofapy2, and everybody's trajectory from it.

MEFISTO (Velten et al. 2022, doi 10.1038/s41592-021-01343-9) gives the factors a Gaussian process over a covariate. Its
own ways to tell participants apart do not fit a trial: a mofapy2 group per participant needs a covariance between all
participants, a free number for each of them and factor, fitted to eight visits; the switch against that
(`model_groups=False`) gives everybody one curve. Here participants are exchangeable: each has a curve of their own,
drawn from one process per factor, independent of all others. That is a second covariate, on which two participants lie
so far apart that the kernel between them is zero; the grid of length scales is taken from the days alone.

mofapy2's time grows with the cube of the observations, so the weights, the noise and the two numbers of the process
(length scale, smooth share) are learned from at most some hundred observations of whole participants. With these held
fixed the posterior of a participant's factors at all visits is Gaussian and exact, and needs no other participant;
everybody gets it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import block_diag

from immunosep.integration.mofa import (
    Array,
    MofaFit,
    collect,
    factor_limit,
    factor_order,
    new_model,
    quiet_mofapy2,
    set_training,
    standardise,
)
from immunosep.integration.projection import normal_equations

logger = logging.getLogger(__name__)

#: Distance of two participants on their covariate: no kernel over days reaches so far.
APART = 1e4
#: Length scales that are tried, and the iterations between two trials of them.
N_GRID, TRIAL_EVERY = 10, 20
TRAJECTORIES = ["participant", "visit_day", "observed", "factor", "mean", "sd"]
TimeScale = Literal["log2", "linear"]


@dataclass
class MefistoFit:
    """A trained model with a Gaussian process over time on each factor.

    Attributes
    ----------
    model
        Weights and noise; its `factors` are those of the observations in training.
    length_scale
        Per factor, in units of `time_scale` (K,); 0 where no smooth course was found.
    smooth
        Per factor the share of its prior variance that belongs to the process, 0 to 1 (K,); the rest differs from visit
        to visit. A process of a length scale far below the distance of two visits is no smooth course: `persistence`.
    time
        How days became time.
    step
        Time from one visit to the next: a doubling of 1 + day, or on a linear scale the median of the cohort.
    """

    model: MofaFit
    length_scale: Array
    smooth: Array
    time: TimeScale = "log2"
    step: float = 1.0

    @property
    def persistence(self) -> Array:
        """Correlation of a factor with itself one step later, day 7 to 15 where the step is a doubling (K,)."""
        scale = np.where(self.length_scale > 0, self.length_scale, np.inf)
        return np.asarray(np.where(self.length_scale > 0, self.smooth * np.exp(-((self.step / scale) ** 2) / 2), 0.0))


def time_scale(days: Sequence[float] | Array, time: TimeScale = "log2") -> Array:
    """Return the time of days, on a scale on which visits are about evenly spaced.

    Parameters
    ----------
    days
        From 0.
    time
        `log2`: log2(1 + day), for visits that thin out, as in the trial. `linear`: the day, for regular intervals.
    """
    given = np.asarray(days, dtype=np.float64)
    return np.asarray(np.log2(1 + given)) if time == "log2" else given


def choose_participants(
    participants: NDArray[np.object_], *, min_visits: int, max_observations: int, seed: int
) -> list[str]:
    """Draw whole participants with enough visits until their observations are as many as may be.

    Parameters
    ----------
    participants
        Participant of each observation (n,).
    min_visits
        Visits that a participant needs.
    max_observations
        Most observations; at least one participant is drawn.
    seed
        Seed of the draw.

    Returns
    -------
    list of str
        Sorted; empty where nobody has so many visits.
    """
    names, visits = np.unique(participants.astype(str), return_counts=True)
    names, visits = names[visits >= min_visits], visits[visits >= min_visits]
    order = np.random.default_rng(seed).permutation(names.size)
    enough = max(int((np.cumsum(visits[order]) <= max_observations).sum()), 1)
    return sorted(names[order[:enough]].tolist())


def fit_mefisto(
    views: Mapping[str, Array],
    days: Array,
    participants: NDArray[np.object_],
    *,
    factors: int,
    iterations: int,
    drop_r2: float,
    seed: int,
    time: TimeScale = "log2",
    convergence: str = "fast",
) -> MefistoFit:
    """Train MEFISTO on the observations of some participants.

    Parameters
    ----------
    views
        Per view a matrix (n, D), as in `mofa.fit_mofa`.
    days, participants
        Visit day, from 0, and participant of each observation (n,).
    factors, iterations, drop_r2, seed, convergence
        As in `mofa.fit_mofa`.
    time
        How days become time (`time_scale`).

    Raises
    ------
    ValueError, MofaError
        As in `mofa.fit_mofa`.
    """
    scaled, mean, scale = standardise(views)
    times = time_scale(days, time)[:, None]
    covariates = np.hstack([times, APART * np.unique(participants.astype(str), return_inverse=True)[1][:, None]])
    with quiet_mofapy2() as entry_point:
        model = new_model(entry_point, scaled)
        model.set_model_options(
            factors=factor_limit(factors, scaled),
            spikeslab_factors=False,
            spikeslab_weights=True,
            ard_factors=False,
            ard_weights=True,
        )
        set_training(model, iterations, convergence, drop_r2, seed)
        model.set_covariates([covariates.copy()], covariates_names=["time", "participant"])
        model.set_smooth_options(n_grid=N_GRID, start_opt=TRIAL_EVERY, opt_freq=TRIAL_EVERY, model_groups=False)
        model.build()
        model.model.getNodes()["Sigma"].initKc(covariates, cov4grid=times)
        model.run()
        order = factor_order(model)
        process = model.model.getNodes()["Sigma"].getParameters()
        fit = collect(model, mean, scale, ard_factors=False)
    smooth = np.clip(np.asarray(process["scale"], dtype=np.float64)[order], 0.0, 1.0)
    length = np.where(smooth > 0, np.asarray(process["l"], dtype=np.float64)[order], 0.0)
    logger.info("MEFISTO: %d observations, %d factors", len(days), fit.n_factors)
    step = 1.0 if time == "log2" else float(np.median(np.diff(np.unique(days))))
    return MefistoFit(fit, length, np.where(length > 0, smooth, 0.0), time, step)


def predict_trajectories(
    fit: MefistoFit, views: Mapping[str, Array], days: Array, participants: NDArray[np.object_]
) -> pd.DataFrame:
    """Return everybody's factors at the visits from their first to their last, with their uncertainty.

    Parameters
    ----------
    fit
        Trained model.
    views, days, participants
        All observations, of participants in training and others; a visit without any value is a prediction.

    Returns
    -------
    pandas.DataFrame
        participant, visit_day, observed (whether there is an observation), factor (`mefisto1`, ...), mean, sd
        (posterior mean and standard deviation, given the weights); sorted.
    """
    precision, right = normal_equations(fit.model, views)
    all_days = np.unique(days)
    # (K, days, days)
    prior = np.stack(
        [process_covariance(all_days, *numbers, fit.time) for numbers in zip(fit.length_scale, fit.smooth, strict=True)]
    )
    observations = pd.DataFrame({"participant": participants.astype(str), "day": np.searchsorted(all_days, days)})
    parts = []
    for person, rows in observations.groupby("participant", sort=True):
        seen = rows["day"].to_numpy()
        span = np.arange(seen.min(), seen.max() + 1)
        mean, sd = _posterior(prior[:, span][:, :, span], precision[rows.index], right[rows.index], seen - span[0])
        parts.append(
            pd.DataFrame(
                {
                    "participant": person,
                    "visit_day": np.tile(all_days[span], fit.model.n_factors),
                    "observed": np.tile(np.where(np.isin(span, seen), "yes", "no"), fit.model.n_factors),
                    "factor": np.repeat(factor_names(fit), span.size),
                    "mean": mean.ravel(),
                    "sd": sd.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[TRAJECTORIES]


def factor_names(fit: MefistoFit) -> list[str]:
    """Return mefisto1, mefisto2, ...: these are not the factors of MOFA."""
    return [f"mefisto{index + 1}" for index in range(fit.model.n_factors)]


def process_covariance(days: Array, length_scale: float, smooth: float, time: TimeScale = "log2") -> Array:
    """Return the prior covariance of one factor over days: a smooth course and what differs from visit to visit."""
    times = time_scale(days, time)
    distance = np.subtract.outer(times, times)
    course = np.exp(-(distance**2) / (2 * length_scale**2)) if length_scale > 0 else (distance == 0).astype(float)
    return np.asarray(smooth * course + (1 - smooth) * np.eye(times.size))


def _posterior(prior: Array, precision: Array, right: Array, places: NDArray[np.intp]) -> tuple[Array, Array]:
    """Return mean and standard deviation (K, T) of one participant's factors at T visits.

    Parameters
    ----------
    prior
        Covariance of each factor over the visits (K, T, T).
    precision, right
        `normal_equations` of the participant's observations (n, K, K), (n, K).
    places
        Which of the T visits each observation is (n,).
    """
    n_factors, n_visits = prior.shape[:2]
    information = np.zeros((n_factors, n_visits, n_factors, n_visits))
    evidence = np.zeros((n_factors, n_visits))
    for place, own_precision, own_right in zip(places, precision, right, strict=True):
        information[:, place, :, place] += own_precision
        evidence[:, place] += own_right
    size = n_factors * n_visits
    covariance = block_diag(*prior)
    # (S^-1 + L)^-1 = (I + S L)^-1 S: the prior of a very smooth course has no inverse.
    posterior = np.linalg.solve(np.eye(size) + covariance @ information.reshape(size, size), covariance)
    mean = posterior @ evidence.ravel()
    variance = np.maximum(np.diag(posterior), 0.0)
    return mean.reshape(n_factors, n_visits), np.sqrt(variance).reshape(n_factors, n_visits)
