"""Early fusion: all layers side by side in one model, whichever of them a participant has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from immunosep.biomarkers.estimators import Tuned
from immunosep.biomarkers.features import Predictors, stack
from immunosep.biomarkers.tuning import Prepared, prepare, tune_logistic


@dataclass
class Early:
    """The layers side by side.

    Attributes
    ----------
    heads
        Fitted preparation of each layer: that of the layer's own model, which knows no labels.
    model
        Logistic regression; a layer that a participant lacks is zero, the training mean of its scaled features.
    """

    heads: Mapping[str, Pipeline]
    model: Tuned

    def join(self, blocks: Mapping[str, Predictors]) -> Predictors:
        """Return the layers side by side on their scales, NaN where a participant lacks a layer."""
        return join(self.heads, blocks)


def join(heads: Mapping[str, Pipeline], blocks: Mapping[str, Predictors]) -> Predictors:
    """Return layers side by side, each through its fitted preparation."""
    parts = []
    for name, head in heads.items():
        block = blocks[name]
        names = joined_names(head, block.features)
        values = head.transform(block.values) if block.participants.size else np.empty((0, names.size))
        nothing = np.zeros(names.size, dtype=bool)
        parts.append(Predictors(name, values, block.observations, block.participants, names, nothing))
    return stack(parts)[0]


def joined_names(head: Pipeline, features: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return which of a layer's features are left on its scale."""
    return features[head["prepare"].columns_][head["variance"].kept_]


def fit_early(
    heads: Mapping[str, Pipeline],
    training: Mapping[str, Predictors],
    labels: pd.Series,
    *,
    selected: Sequence[int],
    penalty: Sequence[float],
    l1_ratio: Sequence[float],
    folds: int,
    seed: int,
) -> tuple[Early, Prepared]:
    """Fit early fusion on the layers of the training participants.

    Parameters
    ----------
    heads
        Fitted preparations by layer, at least one.
    training
        Training rows by layer.
    labels
        0 or 1 by training participant.
    selected, penalty, l1_ratio
        Candidates, as in `tuning.tune_logistic`.
    folds, seed
        Inner folds.

    Returns
    -------
    The model, and the joined rows with their gaps, for a model that can take these.
    """
    joined = join(heads, training)
    target = labels.loc[joined.participants.tolist()].to_numpy()

    def rows(head: Pipeline) -> Prepared:
        return prepare(head, joined.values, target, joined.participants, folds=folds, seed=seed)

    fill = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    filled = rows(Pipeline([("fill", fill)]))
    model = tune_logistic(filled, selected=selected, penalty=penalty, l1_ratio=l1_ratio)
    return Early(heads, model), rows(Pipeline([("gaps", "passthrough")]))
