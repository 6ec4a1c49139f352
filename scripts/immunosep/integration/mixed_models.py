"""A linear mixed model per factor: its course over the visits, and whether groups of participants differ in it."""

import logging
import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

from immunosep.integration.mefisto import TimeScale, time_scale
from immunosep.integration.mofa import Array

logger = logging.getLogger(__name__)

#: Participants with two visits or more that a model needs, and each group of a comparison.
MIN_PARTICIPANTS = 10
MODELS = [
    "factor",
    "model",
    "term",
    "estimate",
    "se",
    "low",
    "high",
    "p_value",
    "participants",
    "observations",
    "sd_participant",
    "sd_residual",
    "note",
]


def model_factors(
    scores: pd.DataFrame, days: Array, participants: pd.Series, groups: pd.Series | None, *, time: TimeScale = "log2"
) -> pd.DataFrame:
    """Fit `factor ~ time + (1 | participant)`, and with groups `factor ~ time * group + (1 | participant)`.

    Parameters
    ----------
    scores
        Factors, one row per observation.
    days, participants
        Visit day from 0 and participant of each observation; rows without a day are left out.
    groups
        Group of each observation's participant, empty where unknown; None for no comparison. A group of fewer than
        `MIN_PARTICIPANTS` participants with two visits or more is left out of the comparison.
    time
        How days become time (`mefisto.time_scale`).

    Returns
    -------
    pandas.DataFrame
        factor, model (`time` or `time x group`), term (`time`: change per doubling of 1 + day, or per day; with groups,
        that of the reference; `group <name>`: difference to the reference at day 0; `time x <name>`: difference of
        slopes), estimate, se, low, high (95 %), p_value (Wald), participants, observations, sd_participant,
        sd_residual (REML), note (why a row has no numbers, or how far to trust them), q_value (Benjamini-Hochberg over
        the table).
        Participants are missing visits for reasons: who died early has no later visit, and the model takes such visits
        for missing at random.
    """
    frame = pd.DataFrame(
        {"day": np.asarray(days, dtype=np.float64), "participant": participants.astype(str).to_numpy()},
        index=scores.index,
    )
    frame["time"] = time_scale(frame["day"].clip(lower=0).to_numpy(), time)
    frame["group"] = "" if groups is None else groups.astype(object).fillna("").astype(str).to_numpy()
    frame = frame[frame["day"] >= 0]
    compared = _compared(frame)
    rows: list[dict[str, object]] = []
    for factor in scores:
        values = scores[factor]
        rows += _fit(str(factor), "time", values, frame, [])
        if len(compared) > 1:
            rows += _fit(str(factor), "time x group", values, frame[frame["group"].isin(compared)], compared)
    table = pd.DataFrame(rows, columns=MODELS)
    known = table["p_value"].notna()
    table.loc[known, "q_value"] = stats.false_discovery_control(table.loc[known, "p_value"].astype(float))
    return table if known.any() else table.assign(q_value=np.nan)


def _compared(frame: pd.DataFrame) -> list[str]:
    """Return the groups with enough participants of two visits or more, sorted; the first is the reference."""
    repeated = frame[frame["participant"].duplicated(keep=False) & (frame["group"] != "")]
    sizes = repeated.groupby("group")["participant"].nunique()
    small = sizes[sizes < MIN_PARTICIPANTS]
    if len(small):
        logger.info("not compared, fewer than %d participants: %s", MIN_PARTICIPANTS, ", ".join(map(str, small.index)))
    return sorted(map(str, sizes.index[sizes >= MIN_PARTICIPANTS]))


def _fit(factor: str, model: str, scores: pd.Series, frame: pd.DataFrame, groups: list[str]) -> list[dict[str, object]]:
    """Return the rows of one model."""
    size: dict[str, object] = {
        "factor": factor,
        "model": model,
        "participants": frame["participant"].nunique(),
        "observations": len(frame),
    }
    repeated = frame.loc[frame["participant"].duplicated(keep=False), "participant"].nunique()
    if repeated < MIN_PARTICIPANTS:
        note = f"{repeated} participants have two visits or more, {MIN_PARTICIPANTS} are needed"
        return [{**size, "note": note}]
    design = pd.DataFrame({"intercept": 1.0, "time": frame["time"]}, index=frame.index)
    for group in groups[1:]:
        design[f"group {group}"] = (frame["group"] == group).astype(float)
        design[f"time x {group}"] = design[f"group {group}"] * design["time"]
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return [{**size, "note": "visits and groups do not vary enough"}]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            fit = sm.MixedLM(scores.loc[frame.index], design, groups=frame["participant"]).fit(reml=True)
        except np.linalg.LinAlgError:
            return [{**size, "note": "singular: the participants do not differ in this factor"}]
    size |= {
        "sd_participant": float(np.sqrt(max(fit.cov_re.iloc[0, 0], 0.0))),
        "sd_residual": float(np.sqrt(fit.scale)),
        "note": "" if fit.converged and not told else "the optimiser stopped at a boundary or before convergence",
    }
    half = stats.norm.ppf(0.975) * fit.bse
    return [
        {
            **size,
            "term": term,
            "estimate": float(fit.params[term]),
            "se": float(fit.bse[term]),
            "low": float(fit.params[term] - half[term]),
            "high": float(fit.params[term] + half[term]),
            "p_value": float(fit.pvalues[term]),
        }
        for term in design.columns[1:]
    ]
