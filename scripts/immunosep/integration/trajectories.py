"""Trajectories of the cohort: MEFISTO where enough visits exist, else the reason why not."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray

from immunosep.integration.factors import cohort_views
from immunosep.integration.mefisto import (
    TRAJECTORIES,
    MefistoFit,
    TimeScale,
    choose_participants,
    factor_names,
    fit_mefisto,
    predict_trajectories,
)
from immunosep.integration.mofa import Array, MofaError, most_variable

logger = logging.getLogger(__name__)

SUMMARY = [
    "status",
    "reason",
    "factor",
    "participants",
    "observations",
    "trained_participants",
    "trained_observations",
    "length_scale",
    "smooth",
    "persistence",
    "layer",
    "r2",
    "mofa_factor",
    "r",
]


class TooFewVisitsError(Exception):
    """The cohort cannot tell trajectories; the message says why."""


@dataclass(frozen=True)
class Observed:
    """The observations that have a visit day and a value in some layer: views (n, D), days and participants (n,)."""

    views: dict[str, Array]
    days: Array
    participants: NDArray[np.object_]
    names: pd.Index


def trace(
    data: MuData,
    scores: pd.DataFrame,
    *,
    factors: int,
    max_features: int,
    max_observations: int,
    min_features: int,
    min_visits: int,
    min_participants: int,
    iterations: int,
    drop_r2: float,
    time: TimeScale,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit MEFISTO with the visit day as covariate and follow everybody's factors.

    Parameters
    ----------
    data
        MuData.
    scores
        Factors of MOFA by observation, to say which of them each of these resembles.
    factors, max_features, max_observations, min_visits, min_participants, iterations
        Section `integration.mefisto` of the configuration.
    min_features, drop_r2, time
        Section `integration`.
    seed
        Seed.

    Returns
    -------
    trajectories, summary
        `mefisto.predict_trajectories`; status (`done` or `refused`), reason, factor, participants, observations,
        trained_participants, trained_observations (of these the model was learned), length_scale (in doublings of
        1 + day, or in days), smooth (share of the factor's variance that the process has), persistence (correlation
        with itself one step later, see `mefisto.MefistoFit`), layer (where it explains most), r2 (of that layer, in
        training), mofa_factor (the most similar one), r. Where the step refuses, no trajectory and one row
        with the reason.
    """
    try:
        observed = usable_observations(data, max_features, min_features)
        trained = _training_participants(observed, min_visits, min_participants, max_observations, seed)
        rows = np.isin(observed.participants, trained)
        views = _varying(observed.views, rows)
        fit = fit_mefisto(
            {name: view[rows] for name, view in views.items()},
            observed.days[rows],
            observed.participants[rows],
            factors=factors,
            iterations=iterations,
            drop_r2=drop_r2,
            time=time,
            seed=seed,
        )
    except (TooFewVisitsError, MofaError) as error:
        logger.warning("no trajectories: %s", error)
        refused = pd.DataFrame([{"status": "refused", "reason": str(error)}], columns=SUMMARY)
        return pd.DataFrame(columns=TRAJECTORIES), refused
    trajectories = predict_trajectories(fit, views, observed.days, observed.participants)
    summary = _summarise(fit, trajectories, observed, scores)
    summary["trained_participants"], summary["trained_observations"] = len(trained), int(rows.sum())
    return trajectories, summary[SUMMARY]


def usable_observations(data: MuData, max_features: int, min_features: int) -> Observed:
    """Return the observations with a visit day from 0 on and a value in a layer that enters.

    Raises
    ------
    TooFewVisitsError
        If no layer has enough features.
    """
    views, _ = cohort_views(data, max_features, min_features)
    if not views:
        raise TooFewVisitsError(f"no layer has {min_features} features that vary")
    days = pd.to_numeric(data.obs["visit_day"]).to_numpy(dtype=np.float64)
    measured = np.any([np.isfinite(view).any(axis=1) for view in views.values()], axis=0)
    kept = measured & (days >= 0)
    return Observed(
        views={name: view[kept] for name, view in views.items()},
        days=days[kept],
        participants=data.obs["participant"].astype(str).to_numpy(dtype=object)[kept],
        names=data.obs_names[kept],
    )


def _training_participants(
    observed: Observed, min_visits: int, min_participants: int, max_observations: int, seed: int
) -> list[str]:
    """Return who is in training; raise TooFewVisitsError where too few participants have enough visits."""
    visits = pd.Series(observed.participants, dtype=object).value_counts()
    enough = int((visits >= min_visits).sum())
    if enough < min_participants:
        raise TooFewVisitsError(
            f"{enough} of {len(visits)} participants have {min_visits} visits or more, {min_participants} are needed "
            "(integration.mefisto.min_visits, min_participants)"
        )
    logger.info("%d of %d participants have %d visits or more", enough, len(visits), min_visits)
    return choose_participants(
        observed.participants, min_visits=min_visits, max_observations=max_observations, seed=seed
    )


def _varying(views: Mapping[str, Array], rows: NDArray[np.bool_]) -> dict[str, Array]:
    """Return the features that vary in the rows of training; a view without any is left out."""
    kept = {name: view[:, most_variable(view[rows], None)] for name, view in views.items()}
    return {name: view for name, view in kept.items() if view.shape[1]}


def _summarise(fit: MefistoFit, trajectories: pd.DataFrame, observed: Observed, scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per factor: what it is made of, and the factor of MOFA that it resembles."""
    at_visits = trajectories[trajectories["observed"] == "yes"]
    wide = at_visits.pivot_table(index=["participant", "visit_day"], columns="factor", values="mean")
    index = pd.MultiIndex.from_arrays([observed.participants, observed.days])
    own = wide.reindex(index)[factor_names(fit)].to_numpy()
    mofa = scores.loc[observed.names]
    correlation = np.corrcoef(own.T, mofa.to_numpy().T)[: own.shape[1], own.shape[1] :]
    closest = np.nanargmax(np.abs(correlation), axis=1)
    top = fit.model.variance_explained.argmax(axis=0)
    factors = np.arange(fit.model.n_factors)
    return pd.DataFrame(
        {
            "status": "done",
            "reason": "",
            "factor": factor_names(fit),
            "participants": trajectories["participant"].nunique(),
            "observations": len(observed.days),
            "length_scale": fit.length_scale,
            "smooth": fit.smooth,
            "persistence": fit.persistence,
            "layer": [fit.model.views[view] for view in top],
            "r2": fit.model.variance_explained[top, factors],
            "mofa_factor": mofa.columns[closest],
            "r": correlation[factors, closest],
        }
    )
