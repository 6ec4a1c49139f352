"""Fit a block's models: prepare it once, choose parameters by inner folds of participants, calibrate.

The preparation knows no labels beyond the stratification of its inner folds, so one fit on all training rows and one
per inner fold serve the logistic regression and the boosted trees alike. The inner folds also give the log odds
out of fold from which the calibration and the late fusion are learned.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from immunosep.biomarkers.calibration import calibrate
from immunosep.biomarkers.estimators import Array, SelectWithGaps, Tuned, by_participant, log_loss, row_weights
from immunosep.biomarkers.splits import Rows, grouped_folds

#: Shallow trees, each of enough participants: a training fold has some two hundred.
TREES = {"max_depth": 3, "min_samples_leaf": 10, "learning_rate": 0.1, "early_stopping": False}


@dataclass(frozen=True)
class InnerFold:
    """One inner fold on its scale: row numbers, and the rows after a preparation fitted on `train` alone."""

    train: Rows
    valid: Rows
    inside: Array
    outside: Array


@dataclass(frozen=True)
class Prepared:
    """A block's training rows on their scale, once for every model.

    Attributes
    ----------
    head
        Fitted on all training rows.
    values
        (n, d) rows after `head`.
    labels, participants
        Per row.
    folds
        Inner folds.
    """

    head: Pipeline
    values: Array
    labels: NDArray[np.integer]
    participants: NDArray[np.str_]
    folds: tuple[InnerFold, ...]


def prepare(
    head: Pipeline,
    values: Array,
    labels: NDArray[np.integer],
    participants: NDArray[np.str_],
    *,
    folds: int,
    seed: int,
    fit_params: Mapping[str, NDArray] | None = None,
) -> Prepared:
    """Fit a preparation on all training rows and on each inner fold.

    Parameters
    ----------
    head
        Unfitted, from `estimators.preparing_pipeline`.
    values, labels, participants
        Training rows only.
    folds, seed
        Inner folds of participants.
    fit_params
        Per row, what the step `prepare` is given beside the values.

    Raises
    ------
    ValueError
        If a class has fewer than two participants.
    """
    given = {f"prepare__{name}": rows for name, rows in (fit_params or {}).items()}
    inner = []
    for train, valid in grouped_folds(participants, labels, folds=folds, seed=seed):
        own = clone(head)
        inside = own.fit_transform(values[train], labels[train], **{name: rows[train] for name, rows in given.items()})
        inner.append(InnerFold(train, valid, inside, own.transform(values[valid])))
    fitted = clone(head)
    prepared = fitted.fit_transform(values, labels, **given)
    return Prepared(fitted, prepared, labels, participants, tuple(inner))


def tune_logistic(
    prepared: Prepared, *, selected: Sequence[int], penalty: Sequence[float], l1_ratio: Sequence[float] = (0.0,)
) -> Tuned:
    """Return the elastic-net logistic regression that predicts the inner folds best.

    Candidates are compared by log loss per participant; ties go to the smaller model.

    Parameters
    ----------
    prepared
        The training rows.
    selected
        Candidate numbers of features; empty: all, without a choice.
    penalty
        Candidates for C.
    l1_ratio
        Candidates for the share of the L1 penalty; 0 is ridge.
    """
    numbers: list[int | None] = [*sorted(set(selected))] or [None]
    models = [(c, ratio) for c in sorted(set(penalty)) for ratio in sorted(set(l1_ratio), reverse=True)]
    candidates = [(number, *model) for number in numbers for model in models]
    oof = np.zeros((len(candidates), prepared.labels.size))
    weights = row_weights(prepared.participants)
    for fold in prepared.folds:
        target, weight = prepared.labels[fold.train], weights[fold.train]
        for block, number in enumerate(numbers):
            choice = _choice(number, fold.inside.shape[1])
            inside = fold.inside if choice is None else choice.fit_transform(fold.inside, target)
            outside = fold.outside if choice is None else choice.transform(fold.outside)
            for place, (c, ratio) in enumerate(models):
                fitted = _fit(_logistic(c, ratio), inside, target, weight)
                oof[block * len(models) + place, fold.valid] = fitted.decision_function(outside)
    persons = by_participant(prepared.labels, prepared.participants).round().astype(int)
    losses = [log_loss(by_participant(row, prepared.participants).to_numpy(), persons.to_numpy()) for row in oof]
    best = int(np.argmin(np.round(losses, 9)))
    number, c, ratio = candidates[best]
    parameters = {"features": float(number or 0), "C": float(c), "l1_ratio": float(ratio)}
    return _finish(prepared, oof[best], number, _logistic(c, ratio), parameters)


def tune_boosted(prepared: Prepared, *, selected: int | None, iterations: int, seed: int) -> Tuned:
    """Return gradient-boosted trees; a gap is a branch of its own.

    Nothing but the calibration is learned from the inner folds: at some two hundred participants a choice between
    settings of the trees would be one of noise.

    Parameters
    ----------
    prepared
        The training rows; gaps may remain.
    selected
        Number of features kept by univariate choice; None: all.
    iterations
        Number of trees.
    seed
        Seed.
    """
    weights = row_weights(prepared.participants)
    model = HistGradientBoostingClassifier(max_iter=iterations, random_state=seed, **TREES)
    oof = np.zeros(prepared.labels.size)
    for fold in prepared.folds:
        target = prepared.labels[fold.train]
        choice = _choice(selected, fold.inside.shape[1])
        tail = Pipeline([("select", choice or "passthrough"), ("model", clone(model))])
        tail.fit(fold.inside, target, model__sample_weight=weights[fold.train])
        oof[fold.valid] = tail.decision_function(fold.outside)
    return _finish(prepared, oof, selected, model, {"features": float(selected or 0), "trees": float(iterations)})


def _finish(
    prepared: Prepared, oof: Array, number: int | None, model: ClassifierMixin, parameters: dict[str, float]
) -> Tuned:
    """Fit the chosen model on all training rows, and calibrate it by the out-of-fold log odds."""
    choice = _choice(number, prepared.values.shape[1])
    chosen = prepared.values if choice is None else choice.fit_transform(prepared.values, prepared.labels)
    fitted = _fit(model, chosen, prepared.labels, row_weights(prepared.participants))
    persons = by_participant(prepared.labels, prepared.participants).round().astype(int)
    raw = by_participant(oof, prepared.participants)
    calibration = calibrate(raw.to_numpy(), persons.to_numpy())
    inner = pd.Series(calibration(raw.to_numpy()) - calibration.prior, index=raw.index)
    return Tuned(
        pipeline=Pipeline([*prepared.head.steps, ("select", choice or "passthrough"), ("model", fitted)]),
        calibration=calibration,
        inner=inner,
        inner_auroc=float(roc_auc_score(persons, inner)),
        parameters=parameters,
    )


def _choice(number: int | None, available: int) -> SelectWithGaps | None:
    """Return the unfitted choice of `number` features, or of all that there are; None for none."""
    return None if number is None else SelectWithGaps(k=min(number, available))


def _logistic(c: float, ratio: float) -> LogisticRegression:
    """Return an unfitted logistic regression; ridge by a method that needs no tolerance of ours."""
    if ratio == 0:
        return LogisticRegression(C=c, max_iter=2000)
    return LogisticRegression(C=c, l1_ratio=ratio, solver="saga", tol=1e-3, max_iter=500, random_state=0)


def _fit(model: ClassifierMixin, values: Array, labels: NDArray[np.integer], weights: Array) -> ClassifierMixin:
    """Fit a model; one that stops short of its optimum is a little more penalised, which the inner folds judge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(values, labels, sample_weight=weights)
