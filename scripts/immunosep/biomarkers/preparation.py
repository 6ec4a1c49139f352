"""From what was measured to predictors: one transformer per kind of layer, fitted on the training rows alone.

Each chooses its features by how common they are among the training rows, and brings a sample on a scale that it
reaches alone: what its values become depends on the chosen features, and on no other sample. Counts become log counts
per million of the whole library and not DESeq2's variance-stabilised values, whose trend would have to be learned in
every fold as well, inner ones included: 21 seconds for 224 libraries x 19,000 genes, against a tenth of one here.
"""

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from immunosep.compositions import clr
from immunosep.layer import common_enough, counts_per_million

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Added to every count before the logarithm, as in limma's voom (Law 2014, doi 10.1186/gb-2014-15-2-r29).
PRIOR_COUNT = 0.5


class Preparation(TransformerMixin, BaseEstimator):
    """What the transformers of all kinds of layers share.

    Attributes
    ----------
    columns_
        Columns of X that were chosen, ascending; never empty.
    """

    usable: Mask | None
    columns_: NDArray[np.intp]

    @abstractmethod
    def fit(self, X: ArrayLike, y: object = None) -> "Preparation":
        """Choose the columns. `y` is ignored."""

    @abstractmethod
    def transform(self, X: ArrayLike) -> Array:
        """Return the chosen columns on their scale."""

    def reduced(self) -> tuple[NDArray[np.intp], "Preparation"]:
        """Return the columns that `transform` reads, and a fitted copy that takes these columns alone.

        A model that is passed on then asks for no more than it needs, and does not name what was rare in the cohort.
        """
        check_is_fitted(self, "columns_")
        needed = self._needed()
        copy = clone(self).set_params(usable=None)
        copy.columns_ = np.searchsorted(needed, self.columns_)
        copy.n_features_in_ = needed.size
        return needed, copy

    def only(self, kept: NDArray[np.intp]) -> "tuple[Preparation, NDArray[np.intp]]":
        """Return a fitted copy that need not choose more than some of the chosen columns, and where it puts these.

        Parameters
        ----------
        kept
            Which of `columns_`.
        """
        check_is_fitted(self, "columns_")
        columns = np.unique(self.columns_[kept])
        copy = clone(self)
        copy.columns_, copy.n_features_in_ = columns, self.n_features_in_
        return copy, np.searchsorted(columns, self.columns_[kept])

    def _needed(self) -> NDArray[np.intp]:
        return self.columns_

    def _choose(self, passes: Mask, frequency: NDArray) -> None:
        """Choose the usable columns that pass; where none does, the most frequent one, so that a model has an input."""
        usable = np.ones(passes.size, dtype=bool) if self.usable is None else np.asarray(self.usable, dtype=bool)
        if usable.size != passes.size or not usable.any():
            raise ValueError(f"usable names {usable.sum()} of {usable.size} columns, X has {passes.size}")
        columns = np.flatnonzero(passes & usable)
        self.columns_ = columns if columns.size else np.array([np.argmax(np.where(usable, frequency, -1))])

    def _check(self, X: ArrayLike, *, reset: bool) -> Array:
        """Return X as a checked matrix, by the tags of the transformer."""
        if not reset:
            check_is_fitted(self, "columns_")
        allowed = self.__sklearn_tags__().input_tags
        finite = "allow-nan" if allowed.allow_nan else True
        matrix = np.asarray(validate_data(self, X, dtype=np.float64, ensure_all_finite=finite, reset=reset))
        if allowed.positive_only:
            check_non_negative(matrix, f"{type(self).__name__} (counts)")
        return matrix


class LogCpm(Preparation):
    """log2 counts per million of the genes or peaks that are common enough among the training rows.

    Parameters
    ----------
    usable
        Columns that may be chosen; None: all.
    counted
        Columns that make up a library's total (of RNA all but globin), whether chosen or not; None: all.
    min_count, min_cpm
        A feature is present in a library with a count that reaches both.
    min_fraction
        Fraction of the training rows in which a chosen feature is present.
    """

    def __init__(
        self,
        usable: Mask | None = None,
        counted: Mask | None = None,
        min_count: float = 0,
        min_cpm: float = 0,
        min_fraction: float = 0,
    ) -> None:
        self.usable = usable
        self.counted = counted
        self.min_count = min_count
        self.min_cpm = min_cpm
        self.min_fraction = min_fraction

    def fit(self, X: ArrayLike, y: object = None) -> "LogCpm":
        """Choose the columns. `y` is ignored."""
        counts = self._check(X, reset=True)
        present = (counts > 0) & (counts >= self.min_count)
        if self.min_cpm > 0:
            present &= counts_per_million(counts, self._total(counts)) >= self.min_cpm
        self._choose(common_enough(present, self.min_fraction), present.sum(axis=0))
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Return log2((count + 0.5) / (total + 1) * 10^6) of the chosen columns."""
        counts = self._check(X, reset=False)
        return np.asarray(np.log2((counts[:, self.columns_] + PRIOR_COUNT) / (self._total(counts) + 1) * 1e6))

    def reduced(self) -> tuple[NDArray[np.intp], "LogCpm"]:
        """Return the chosen columns and those of the total, and a fitted copy that takes these columns alone."""
        needed, copy = super().reduced()
        counted = None if self.counted is None else np.asarray(self.counted, dtype=bool)[needed]
        return needed, copy.set_params(counted=counted)

    def _needed(self) -> NDArray[np.intp]:
        if self.counted is None:
            return np.arange(self.n_features_in_)
        return np.union1d(self.columns_, np.flatnonzero(self.counted))

    def _total(self, counts: Array) -> Array:
        own = counts if self.counted is None else counts[:, np.asarray(self.counted, dtype=bool)]
        return np.asarray(own.sum(axis=1, keepdims=True))

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that counts are not negative."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class LogRatios(Preparation):
    """Centred log-ratios between the genera that are common enough among the training rows.

    Parameters
    ----------
    usable
        Columns that may be chosen; None: all.
    min_prevalence
        Fraction of the training rows that hold a chosen genus.
    pseudocount
        Added to every count.
    """

    def __init__(self, usable: Mask | None = None, min_prevalence: float = 0, pseudocount: float = 0.5) -> None:
        self.usable = usable
        self.min_prevalence = min_prevalence
        self.pseudocount = pseudocount

    def fit(self, X: ArrayLike, y: object = None) -> "LogRatios":
        """Choose the columns. `y` is ignored."""
        present = self._check(X, reset=True) > 0
        self._choose(common_enough(present, self.min_prevalence), present.sum(axis=0))
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Return the log-ratios of the chosen columns to their geometric mean."""
        return clr(self._check(X, reset=False)[:, self.columns_], self.pseudocount)

    def only(self, kept: NDArray[np.intp]) -> "tuple[LogRatios, NDArray[np.intp]]":
        """Return itself: every log-ratio rests on all chosen columns."""
        check_is_fitted(self, "columns_")
        return self, kept

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that counts are not negative."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class MeasuredValues(Preparation):
    """Values as they are: NPX, clinical values, ready matrices. Proteins that are seldom detected are not chosen.

    Parameters
    ----------
    usable
        Columns that may be chosen; None: all.
    min_detected
        Fraction of a column's measured training values that are not below the limit of detection.
    """

    def __init__(self, usable: Mask | None = None, min_detected: float = 0) -> None:
        self.usable = usable
        self.min_detected = min_detected

    def fit(self, X: ArrayLike, y: object = None, below_lod: Mask | None = None) -> "MeasuredValues":
        """Choose the columns. `y` is ignored.

        Parameters
        ----------
        X
            (n, D), NaN where not measured.
        y
            Ignored.
        below_lod
            (n, D): the value lies below the limit of detection. None where no such limit is known: all are chosen.
        """
        measured = np.isfinite(self._check(X, reset=True))
        if below_lod is None:
            self._choose(np.ones(measured.shape[1], dtype=bool), measured.sum(axis=0))
            return self
        detected = (measured & ~np.asarray(below_lod, dtype=bool)).sum(axis=0)
        self._choose(detected / np.maximum(measured.sum(axis=0), 1) >= self.min_detected, detected)
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Return the chosen columns."""
        return self._check(X, reset=False)[:, self.columns_]

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that missing values are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
