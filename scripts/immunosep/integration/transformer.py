"""MOFA as a scikit-learn transformer, so that it is fitted inside a fold like any other step."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from immunosep.integration.mofa import Array, Convergence, fit_mofa, most_variable
from immunosep.integration.projection import project

logger = logging.getLogger(__name__)


class MofaFactors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """MOFA as a transformer: factors of the training samples, exact projection of others.

    Parameters
    ----------
    views
        Name of the view of each column of X, or None for one view.
    n_factors
        Factors to start from.
    max_features
        Per view, the features with the largest variance in training that enter; None for all.
    min_features
        A view with fewer usable features is left out.
    iterations, convergence, drop_r2
        As in `fit_mofa`.
    random_state
        Seed.

    Attributes
    ----------
    fit_
        The `MofaFit`.
    columns_
        Per view, the columns of X that entered.

    Notes
    -----
    X is (n, sum of D) with NaN for what was not measured. `transform` projects training samples too, so that training
    and new samples pass through the same formula.
    """

    def __init__(
        self,
        views: Sequence[str] | NDArray[np.str_] | None = None,
        n_factors: int = 10,
        max_features: int | None = None,
        min_features: int = 1,
        iterations: int = 1000,
        convergence: Convergence = "fast",
        drop_r2: float | None = 0.01,
        random_state: int = 1,
    ) -> None:
        self.views = views
        self.n_factors = n_factors
        self.max_features = max_features
        self.min_features = min_features
        self.iterations = iterations
        self.convergence = convergence
        self.drop_r2 = drop_r2
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> "MofaFactors":
        """Choose features, train the model. `y` is ignored."""
        matrix = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=3, ensure_min_features=2
        )
        labels = np.asarray(self.views if self.views is not None else ["view"] * matrix.shape[1], dtype=str)
        if labels.size != matrix.shape[1]:
            raise ValueError(f"views names {labels.size} columns, X has {matrix.shape[1]}")
        self.columns_ = {}
        for view in dict.fromkeys(labels.tolist()):
            columns = np.flatnonzero(labels == view)
            chosen = columns[most_variable(matrix[:, columns], self.max_features)]
            if chosen.size >= self.min_features and chosen.size:
                self.columns_[view] = chosen
            else:
                logger.info("MOFA: view %s left out, %d usable features", view, chosen.size)
        if not self.columns_:
            raise ValueError("no view has enough features that vary")
        self.fit_ = fit_mofa(
            self._split(matrix),
            factors=self.n_factors,
            seed=self.random_state,
            iterations=self.iterations,
            convergence=self.convergence,
            drop_r2=self.drop_r2,
        )
        self._n_features_out = self.fit_.n_factors
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Project samples; returns (n, K)."""
        check_is_fitted(self, "fit_")
        matrix = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return project(self.fit_, self._split(matrix))

    def _split(self, matrix: Array) -> dict[str, Array]:
        """Return the chosen columns of X by view."""
        return {view: matrix[:, columns] for view, columns in self.columns_.items()}

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that missing values are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
