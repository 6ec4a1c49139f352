"""What predictions would be worth at the bedside: net benefit, and predictive values at stated prevalences."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunosep.biomarkers.evaluate import KEYS, average_repeats
from immunosep.biomarkers.resampling import LEVELS, draw, limits, share

Array = NDArray[np.float64]

#: Probabilities from which one would act. Below 5 % everybody would be treated, above 60 % hardly anybody.
THRESHOLDS: Final = np.round(np.arange(0.05, 0.605, 0.01), 2)
DECISION_CURVE: Final = (
    "task",
    *KEYS,
    "threshold",
    *("net_benefit", "net_benefit_low", "net_benefit_high"),
    "net_benefit_all",
    "net_benefit_clinical",
    "n",
    "n_positive",
)
#: Each with its limits.
RATES: Final = ("sensitivity", "specificity", "ppv", "npv")
PREDICTIVE_VALUES: Final = (
    *("task", *KEYS, "prevalence"),
    *(column for rate in RATES for column in (rate, f"{rate}_low", f"{rate}_high")),
    *("n", "n_positive"),
)


def net_benefit(labels: NDArray[np.integer], probability: Array, thresholds: Array) -> Array:
    """Return TP/n - FP/n x t/(1 - t) of acting where the probability reaches t; acting on nobody is worth zero.

    Parameters
    ----------
    labels, probability
        (n,) class and predicted probability of each participant.
    thresholds
        (k,) between 0 and 1, exclusive.

    References
    ----------
    Vickers and Elkin 2006, doi 10.1177/0272989X06295361.
    """
    treated = probability[:, None] >= thresholds
    true = (treated & (labels == 1)[:, None]).mean(axis=0)
    false = (treated & (labels == 0)[:, None]).mean(axis=0)
    return np.asarray(true - false * thresholds / (1 - thresholds))


def _net_benefit_limits(
    labels: NDArray[np.integer], probability: Array, thresholds: Array, weights: Array
) -> tuple[Array, Array]:
    """Return the 95 % percentile interval of the net benefit at each threshold."""
    treated = probability[:, None] >= thresholds
    positive = labels == 1
    worth = treated * np.where(positive[:, None], 1.0, -thresholds / (1 - thresholds))
    low, high = np.quantile(weights @ worth / labels.size, LEVELS, axis=0)
    return low, high


def decision_table(predictions: pd.DataFrame, task: str, *, bootstrap: int, seed: int) -> pd.DataFrame:
    """Return the decision curve of every model.

    Parameters
    ----------
    predictions
        As `evaluate.performance_table` takes them.
    task
        Name, for the first column.
    bootstrap, seed
        Resamples of participants for the 95 % percentile interval, and their seed.

    Returns
    -------
    pandas.DataFrame
        Columns `DECISION_CURVE`: net benefit per participant of the model, of treating everybody, and of the clinical
        model on the same participants (missing where the task has none).
    """
    averaged = average_repeats(predictions)
    clinical = averaged[averaged["model"] == "clinical"].set_index(["feature_set", "class", "participant"])
    parts = []
    for (model, feature_set, name), part in averaged.groupby(KEYS, sort=True):
        label, probability = part["label"].to_numpy(), part["probability"].to_numpy()
        low, high = _net_benefit_limits(label, probability, THRESHOLDS, draw(label.size, bootstrap, seed))
        beside = pd.MultiIndex.from_product([[feature_set], [name], part["participant"]])
        other = clinical["probability"].reindex(beside).to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "task": task,
                    "model": model,
                    "feature_set": feature_set,
                    "class": name,
                    "threshold": THRESHOLDS,
                    "net_benefit": net_benefit(label, probability, THRESHOLDS),
                    "net_benefit_low": low,
                    "net_benefit_high": high,
                    "net_benefit_all": net_benefit(label, np.ones(label.size), THRESHOLDS),
                    "net_benefit_clinical": np.nan if np.isnan(other).any() else net_benefit(label, other, THRESHOLDS),
                    "n": label.size,
                    "n_positive": int(label.sum()),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(DECISION_CURVE))


def predictive_values(sensitivity: Array, specificity: Array, prevalence: float) -> tuple[Array, Array]:
    """Return positive and negative predictive values at a prevalence (Bayes); NaN where nobody is called so."""
    right_positive, right_negative = sensitivity * prevalence, specificity * (1 - prevalence)
    positive = right_positive + (1 - specificity) * (1 - prevalence)
    nobody = np.full_like(positive, np.nan)
    return (
        np.divide(right_positive, positive, out=nobody.copy(), where=positive > 0),
        np.divide(right_negative, 1 - positive, out=nobody, where=positive < 1),
    )


def predictive_table(
    predictions: pd.DataFrame, task: str, prevalences: Sequence[float], *, bootstrap: int, seed: int
) -> pd.DataFrame:
    """Return sensitivity, specificity, and the predictive values that they make at stated prevalences.

    The cut is set before the results: a score above zero, which is a probability above the training prevalence. How
    common a class is among the enrolled says little of how common it is elsewhere, so that the observed share of
    right calls would be that of this trial alone.

    Returns
    -------
    pandas.DataFrame
        Columns `PREDICTIVE_VALUES`, with 95 % percentile intervals over `bootstrap` resamples of the participants.
    """
    rows: list[dict[str, object]] = []
    for keys, part in average_repeats(predictions).groupby(KEYS, sort=True):
        label, called = part["label"].to_numpy() == 1, part["score"].to_numpy() > 0
        if label.all() or not label.any():
            continue
        # The first row is everybody once.
        weights = np.vstack([np.ones(label.size), draw(label.size, bootstrap, seed)])
        sensitivity, specificity = share(called, label, weights), share(~called, ~label, weights)
        for prevalence in prevalences:
            ppv, npv = predictive_values(sensitivity, specificity, prevalence)
            found = dict(zip(RATES, (sensitivity, specificity, ppv, npv), strict=True))
            rows.append(
                {
                    "task": task,
                    **dict(zip(KEYS, keys, strict=True)),
                    "prevalence": prevalence,
                    **{rate: float(values[0]) for rate, values in found.items()},
                    **limits({rate: values[1:] for rate, values in found.items()}),
                    "n": label.size,
                    "n_positive": int(label.sum()),
                }
            )
    return pd.DataFrame(rows, columns=list(PREDICTIVE_VALUES))
