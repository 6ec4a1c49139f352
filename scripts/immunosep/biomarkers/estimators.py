"""One classifier for every block of predictors: choose and prepare, penalised logistic regression, calibrate.

Every step that learns sits in one scikit-learn pipeline. The number of features and the penalty are chosen by inner
folds of whole participants; the same inner folds give out-of-fold log odds, from which the calibration and the weights
of the late fusion are learned.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.feature_selection import SelectKBest, SelectorMixin, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from immunosep.biomarkers.preparation import Preparation
from immunosep.biomarkers.splits import grouped_folds
from immunosep.integration.mofa import most_variable

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]


class TopVariance(SelectorMixin, TransformerMixin, BaseEstimator):
    """Keep the columns with the largest variance over observed values; constant and empty columns go.

    Parameters
    ----------
    limit
        Columns to keep at most; None keeps all that vary.

    Attributes
    ----------
    kept_
        Indices of the columns kept, ascending; the first column alone when none varies.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit

    def fit(self, X: ArrayLike, y: object = None) -> "TopVariance":
        """Choose the columns. `y` is ignored."""
        matrix = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        kept = most_variable(matrix, self.limit)
        self.kept_ = kept if kept.size else np.zeros(1, dtype=np.intp)
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "kept_")
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.kept_] = True
        return mask

    def __sklearn_tags__(self):  # type: ignore[no-untyped-def]
        """Tell scikit-learn that missing values are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def classifier_pipeline(preparation: Preparation, max_features: int | None, *, select: bool) -> Pipeline:
    """Return an unfitted pipeline, from what was measured to a logistic regression.

    Its steps: the layer's own filter and scale, variance filter, median imputation, scaling, univariate choice, model.

    Parameters
    ----------
    preparation
        First step.
    max_features
        Limit of the variance filter; None for none.
    select
        Whether features are chosen by their F value; not for a handful of clinical values or factors.
    """
    return Pipeline(
        [
            ("prepare", preparation),
            ("variance", TopVariance(max_features)),
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("select", SelectKBest(f_classif) if select else "passthrough"),
            ("model", LogisticRegression(max_iter=2000)),
        ]
    )


@dataclass
class Calibrated:
    """A straight line from a model's log odds to calibrated log odds.

    Attributes
    ----------
    slope, intercept
        Platt's line, learned from out-of-fold log odds. The slope is never negative: a model that predicted worse than
        chance inside the training fold says nothing, and is not turned round.
    prior
        Log odds of class 1 among the training participants.
    """

    slope: float
    intercept: float
    prior: float

    def __call__(self, log_odds: Array) -> Array:
        """Return calibrated log odds."""
        return self.intercept + self.slope * log_odds


@dataclass
class Tuned:
    """A fitted classifier of one block.

    Attributes
    ----------
    pipeline
        Fitted on all training rows with the chosen parameters.
    calibration
        From out-of-fold log odds of the inner folds.
    inner
        Calibrated out-of-fold log odds, less the prior, by training participant.
    inner_auroc
        AUROC of `inner`.
    parameters
        Chosen number of features and penalty.
    """

    pipeline: Pipeline
    calibration: Calibrated
    inner: pd.Series
    inner_auroc: float
    parameters: dict[str, float]

    def evidence(self, values: Array, participants: NDArray[np.str_]) -> pd.Series:
        """Return calibrated log odds less the prior, one per participant: the mean over the participant's rows."""
        raw = by_participant(self.pipeline.decision_function(values), participants)
        return pd.Series(self.calibration(raw.to_numpy()) - self.calibration.prior, index=raw.index)


def tune(
    pipeline: Pipeline,
    values: Array,
    labels: NDArray[np.integer],
    participants: NDArray[np.str_],
    *,
    selected: Sequence[int],
    penalty: Sequence[float],
    folds: int,
    seed: int,
    fit_params: Mapping[str, NDArray] | None = None,
) -> Tuned:
    """Choose the parameters of a pipeline by grouped inner folds, fit it, and calibrate it.

    The preparation of an inner fold is fitted once and serves every candidate. Candidates are compared by log loss per
    participant; ties go to the smaller model.

    Parameters
    ----------
    pipeline
        From `classifier_pipeline`.
    values, labels, participants
        Training rows only.
    selected
        Candidate numbers of features; ignored where the pipeline does not select.
    penalty
        Candidates for C.
    folds, seed
        Inner folds.
    fit_params
        Per row, what the preparation's `fit` is given beside the values.

    Raises
    ------
    ValueError
        If a class has fewer than two participants.
    """
    selects = pipeline.named_steps["select"] != "passthrough"
    numbers = sorted(set(selected)) if selects else [0]
    candidates = [(number, c) for number in numbers for c in sorted(set(penalty))]
    oof = np.zeros((len(candidates), labels.size))
    weights = row_weights(participants)
    at = pipeline_index(pipeline, "select")
    given = {f"prepare__{name}": rows for name, rows in (fit_params or {}).items()}
    for train, valid in grouped_folds(participants, labels, folds=folds, seed=seed):
        head = clone(pipeline[:at])
        inside = head.fit_transform(values[train], labels[train], **{name: rows[train] for name, rows in given.items()})
        outside = head.transform(values[valid])
        for number in numbers:
            rest = candidate(pipeline[at:], number, inside.shape[1])
            chosen = rest["select"].fit(inside, labels[train]) if selects else None
            a, b = (chosen.transform(inside), chosen.transform(outside)) if chosen is not None else (inside, outside)
            for index, (other, c) in enumerate(candidates):
                if other == number:
                    model = clone(rest["model"]).set_params(C=c).fit(a, labels[train], sample_weight=weights[train])
                    oof[index, valid] = model.decision_function(b)
    person_labels = by_participant(labels, participants).round().astype(int)
    persons = [by_participant(row, participants) for row in oof]
    losses = [log_loss(person.to_numpy(), person_labels.to_numpy()) for person in persons]
    best = int(np.argmin(np.round(losses, 9)))
    number, c = candidates[best]
    head = clone(pipeline[:at])
    inside = head.fit_transform(values, labels, **given)
    rest = candidate(pipeline[at:], number, inside.shape[1]).set_params(model__C=c)
    rest.fit(inside, labels, model__sample_weight=weights)
    calibration = calibrate(persons[best].to_numpy(), person_labels.to_numpy())
    inner = pd.Series(calibration(persons[best].to_numpy()) - calibration.prior, index=persons[best].index)
    return Tuned(
        pipeline=Pipeline([*head.steps, *rest.steps]),
        calibration=calibration,
        inner=inner,
        inner_auroc=float(roc_auc_score(person_labels, inner)),
        parameters={"features": float(number), "C": float(c)},
    )


def candidate(pipeline: Pipeline, number: int, available: int) -> Pipeline:
    """Return an unfitted copy that chooses `number` features, or all that there are."""
    copy = clone(pipeline)
    if copy.named_steps["select"] != "passthrough":
        copy.set_params(select__k=min(number, available))
    return copy


def pipeline_index(pipeline: Pipeline, step: str) -> int:
    """Return the position of a step."""
    return [name for name, _ in pipeline.steps].index(step)


def calibrate(log_odds: Array, labels: NDArray[np.integer]) -> Calibrated:
    """Fit Platt's line on out-of-fold log odds, with a light penalty that keeps a perfect separation finite."""
    prevalence = labels.mean()
    prior = float(np.log(prevalence / (1 - prevalence)))
    spread = float(np.std(log_odds))
    if spread == 0:
        return Calibrated(0.0, prior, prior)
    line = LogisticRegression(C=1.0, max_iter=1000).fit(log_odds[:, None] / spread, labels)
    slope = float(line.coef_[0, 0]) / spread
    if slope <= 0:
        return Calibrated(0.0, prior, prior)
    return Calibrated(slope, float(line.intercept_[0]), prior)


@dataclass
class Fusion:
    """Late fusion: a weighted mean of the layers' evidence over the layers that a participant has.

    Attributes
    ----------
    weights
        By layer, from the layers' out-of-fold discrimination inside the training fold: max(0, 2 AUROC - 1); equal when
        no layer discriminates.
    calibration
        Line on the fused out-of-fold log odds.
    """

    weights: dict[str, float]
    calibration: Calibrated

    def evidence(self, layers: dict[str, pd.Series]) -> pd.Series:
        """Return fused calibrated log odds less the prior, by participant with a layer.

        Zero, which is the training prevalence, where none of the participant's layers has a weight: they told nothing
        about the label in training.
        """
        fused = weighted_mean(layers, self.weights)
        evidence = pd.Series(self.calibration(fused.to_numpy()) - self.calibration.prior, index=fused.index)
        everyone = sorted({participant for scores in layers.values() for participant in scores.index})
        return evidence.reindex(everyone, fill_value=0.0)


def fuse(models: dict[str, Tuned], labels: pd.Series) -> Fusion:
    """Learn a late fusion from the layers' inner out-of-fold evidence.

    Parameters
    ----------
    models
        Fitted layer models, at least one.
    labels
        0 or 1 by training participant.
    """
    weights = {name: max(0.0, 2 * model.inner_auroc - 1) for name, model in models.items()}
    if not any(weights.values()):
        weights = dict.fromkeys(models, 1.0)
    fused = weighted_mean({name: model.inner for name, model in models.items()}, weights)
    return Fusion(weights, calibrate(fused.to_numpy(), labels.loc[fused.index].to_numpy()))


def weighted_mean(layers: dict[str, pd.Series], weights: dict[str, float]) -> pd.Series:
    """Return the weighted mean over the layers that are there, by participant."""
    table = pd.DataFrame({name: values for name, values in layers.items() if weights.get(name, 0) > 0}).sort_index()
    weight = pd.Series(weights, dtype=float)[list(table.columns)]
    total = table.notna().mul(weight).sum(axis=1)
    return (table.mul(weight).sum(axis=1) / total)[total > 0]


def by_participant(values: NDArray, participants: NDArray[np.str_]) -> pd.Series:
    """Return the mean over each participant's rows, sorted by participant."""
    return pd.Series(values, index=participants, dtype=float).groupby(level=0, sort=True).mean()


def row_weights(participants: NDArray[np.str_]) -> Array:
    """Return one over the number of the participant's rows, so that every participant counts once."""
    _, inverse, counts = np.unique(participants, return_inverse=True, return_counts=True)
    return 1.0 / counts[inverse]


def log_loss(log_odds: Array, labels: NDArray[np.integer]) -> float:
    """Return the mean of -log p(label), computed from log odds without overflow."""
    return float(np.logaddexp(0.0, np.where(labels == 1, -log_odds, log_odds)).mean())
