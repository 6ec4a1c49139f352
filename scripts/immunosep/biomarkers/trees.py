"""Boosted trees as they are passed on: a few arrays, which open at once and do not hang on scikit-learn's insides.

A fitted `HistGradientBoostingClassifier` is hundreds of small objects, whose private layout changes between versions;
two dozen of them take seconds to read. What they say of a sample is kept to the last bit.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier

Array = NDArray[np.float64]

#: Fields of a node that a prediction reads.
FIELDS = ("feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf", "value")


class StoredTrees(ClassifierMixin, BaseEstimator):
    """Boosted trees of two classes, fitted elsewhere.

    Attributes
    ----------
    nodes_
        Arrays of all trees' nodes by field, one tree after the other; `left` and `right` count from the first node.
    roots_
        (trees,) place of each tree's root.
    depth_
        Steps from a root to the deepest leaf.
    baseline_
        Log odds before the first tree.
    n_features_in_
        Columns that the trees were fitted on.
    """

    nodes_: dict[str, NDArray[Any]]
    roots_: NDArray[np.intp]
    depth_: int
    baseline_: float
    n_features_in_: int

    @classmethod
    def of(cls, fitted: HistGradientBoostingClassifier) -> "StoredTrees":
        """Copy a fitted model of numerical features and two classes."""
        trees = [predictors[0].nodes for predictors in fitted._predictors]
        sizes = np.array([len(nodes) for nodes in trees])
        stored = cls()
        stored.roots_ = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        joined = np.concatenate(trees)
        stored.nodes_ = {name: joined[name].copy() for name in FIELDS}
        for side in ("left", "right"):
            stored.nodes_[side] = stored.nodes_[side].astype(np.intp) + np.repeat(stored.roots_, sizes)
        stored.depth_ = int(joined["depth"].max())
        stored.baseline_ = float(np.ravel(fitted._baseline_prediction)[0])
        stored.n_features_in_ = int(fitted.n_features_in_)
        stored.classes_ = fitted.classes_
        return stored

    def fit(self, X: ArrayLike, y: object = None) -> "StoredTrees":
        """Do nothing: the trees are fitted."""
        return self

    def decision_function(self, X: ArrayLike) -> Array:
        """Return the log odds of the second class, shape (n,); a gap goes where it went in training."""
        values = np.asarray(X, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != self.n_features_in_:
            raise ValueError(f"X has the shape {values.shape}, the trees take {self.n_features_in_} features")
        nodes = self.nodes_
        rows = np.arange(len(values))[:, None]
        place = np.broadcast_to(self.roots_, (len(values), self.roots_.size)).copy()
        for _ in range(self.depth_):
            value = values[rows, nodes["feature_idx"][place]]
            low = value <= nodes["num_threshold"][place]
            goes_left = np.where(np.isnan(value), nodes["missing_go_to_left"][place] == 1, low)
            below = np.where(goes_left, nodes["left"][place], nodes["right"][place])
            place = np.where(nodes["is_leaf"][place] == 1, place, below)
        total = np.full(len(values), self.baseline_)
        # One tree after the other, as scikit-learn adds them up: the same sum to the last bit.
        for leaf in nodes["value"][place].T:
            total += leaf
        return total
