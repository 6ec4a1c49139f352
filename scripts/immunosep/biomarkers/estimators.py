"""The parts of a classifier: choice of features, preparation, calibrated log odds, late fusion.

Every step that learns sits in one scikit-learn pipeline per model; `tuning` fits them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectKBest, SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from immunosep.biomarkers.preparation import Preparation
from immunosep.integration.mofa import most_variable

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


class SelectWithGaps(SelectKBest):
    """Univariate choice by F value, in which a gap counts as zero, the training mean of a scaled feature."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> "SelectWithGaps":
        """Score the columns."""
        matrix = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        names = getattr(self, "feature_names_in_", None)
        super().fit(np.where(np.isnan(matrix), 0.0, matrix), y)
        if names is not None:
            self.feature_names_in_ = names
        return self

    def __sklearn_tags__(self):  # type: ignore[no-untyped-def]
        """Tell scikit-learn that missing values are welcome, and sparse matrices are not."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = False
        return tags


def preparing_pipeline(preparation: Preparation, max_features: int | None) -> Pipeline:
    """Return the unfitted head of a block's models: own filter and scale, variance filter, imputation, scaling.

    It knows no labels, so one fit serves every model of a training set.

    Parameters
    ----------
    preparation
        First step.
    max_features
        Limit of the variance filter; None for none.
    """
    return Pipeline(
        [
            ("prepare", preparation),
            ("variance", TopVariance(max_features)),
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
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
        What the inner folds chose.
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
