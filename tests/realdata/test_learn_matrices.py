"""A public cohort with a test set of its own, which the workflow has no place for: through its models alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from immunosep.biomarkers.features import Predictors
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.tasks import Task, contrasts

SETTINGS = Settings(
    max_features=1000,
    selected_features=(20, 100, 500),
    penalty=(0.01, 0.1, 1.0),
    inner_folds=4,
    factors=10,
    min_features=15,
    iterations=500,
    convergence="fast",
    drop_r2=0.01,
)

pytestmark = pytest.mark.slow


def block(name, frame):
    ids = frame.index.to_numpy().astype(str)
    order = np.argsort(ids)
    return Predictors(
        name,
        frame.to_numpy(dtype=np.float64)[order],
        ids[order],
        ids[order],
        frame.columns.to_numpy().astype(str),
        np.zeros(frame.shape[1], dtype=bool),
    )


def read_tcga(shared, part, layer):
    return pd.read_csv(shared / "breast_tcga" / f"breast.TCGA__data.{part}__{layer}.csv.gz", index_col=0)


def test_breast_subtypes_with_a_layer_missing_at_prediction(shared, compare):
    """150 training and 70 test samples, three subtypes; the test set has no protein. Reference error 0.064."""
    train, test = {}, {}
    for layer in ("mrna", "mirna", "protein"):
        train[layer] = block(layer, read_tcga(shared, "train", layer))
        test[layer] = block(layer, read_tcga(shared, "test", layer)) if layer != "protein" else train[layer]
    ids = read_tcga(shared, "train", "mrna").index
    classes = pd.Series(read_tcga(shared, "train", "subtype")["value"].to_numpy(), index=ids).sort_index()
    truth = pd.Series(
        read_tcga(shared, "test", "subtype")["value"].to_numpy(), index=read_tcga(shared, "test", "mrna").index
    ).sort_index()
    task = Task("t", "subtype", (), ("layers", "mofa", "late_fusion"), ("full",), (), None)
    factors = fit_factors("full", train, classes.index, SETTINGS, 1)
    parts = []
    for name, labels in contrasts(task, classes).items():
        models = fit_models(task, "full", train, labels, SETTINGS, 1, factors)
        parts.append(predict(models, test, truth.index).assign(**{"class": name}))
    scores = pd.concat(parts).pivot(index=["model", "participant"], columns="class", values="score")
    errors = {
        model: 1 - balanced_accuracy_score(truth, own.droplevel(0).loc[truth.index].idxmax(axis=1))
        for model, own in scores.groupby(level=0)
    }
    for model, error in errors.items():
        compare(f"breast cancer, balanced error of {model}, 70 test samples", 0.064, error)
    assert errors.keys() == {"mrna", "mirna", "mofa", "late_fusion"}
    # 70 samples: the standard error of 0.064 is 0.03. The factors know nothing of the subtypes.
    assert errors["mrna"] <= 0.10
    assert errors["late_fusion"] <= 0.10
    assert errors["mofa"] <= 0.15
