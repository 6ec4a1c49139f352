"""The parts of a classifier before its model: choice of features, preparation; and what counts participants.

Every step that learns sits in one scikit-learn pipeline per model; `tuning` fits them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectKBest, SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from immunosep.biomarkers.calibration import Calibrated
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


def by_participant(values: NDArray, participants: NDArray[np.str_]) -> pd.Series:
    """Return the mean over each participant's rows, sorted by participant."""
    rows = pd.Series(values, index=participants, dtype=float)
    # In a task of one visit they are the participants already.
    if (participants[1:] > participants[:-1]).all():
        return rows
    return rows.groupby(level=0, sort=True).mean()


def row_weights(participants: NDArray[np.str_]) -> Array:
    """Return one over the number of the participant's rows, so that every participant counts once."""
    _, inverse, counts = np.unique(participants, return_inverse=True, return_counts=True)
    return 1.0 / counts[inverse]


def log_loss(log_odds: Array, labels: NDArray[np.integer]) -> float:
    """Return the mean of -log p(label), computed from log odds without overflow."""
    return float(np.logaddexp(0.0, np.where(labels == 1, -log_odds, log_odds)).mean())
