"""Outer folds: every participant predicted by models that were fitted without them, on real or permuted classes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from immunosep.biomarkers.features import Predictors
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.splits import derive_seed, outer_folds
from immunosep.biomarkers.tasks import Task, contrasts

PREDICTIONS = (
    "task",
    "repeat",
    "fold",
    "participant",
    "model",
    "feature_set",
    "class",
    "label",
    "probability",
    "score",
)


def evaluate_repeat(
    task: Task,
    blocks: Mapping[str, Predictors],
    classes: pd.Series,
    folds: pd.DataFrame,
    settings: Settings,
    *,
    repeat: int,
    seed: int,
) -> pd.DataFrame:
    """Predict every participant once, by models that were fitted without them.

    Parameters
    ----------
    task, blocks, settings
        As in `fit_models`.
    classes
        Class by participant.
    folds
        participant, repeat, fold.
    repeat
        Which repeat.
    seed
        Seed of the configuration.

    Returns
    -------
    pandas.DataFrame
        Columns `PREDICTIONS`; `label` and `probability` are of `class` against the others.
    """
    own = folds[folds["repeat"].astype(int) == repeat].set_index("participant")["fold"].astype(int).sort_index()
    unknown = own.index.difference(classes.index)
    if len(unknown):
        raise ValueError(f"the folds name participants without a label: {', '.join(unknown)}")
    questions = contrasts(task, classes.sort_index())
    wants_factors = "mofa" in task.comparators
    parts = []
    for fold in sorted(own.unique()):
        train, test = own.index[own != fold], own.index[own == fold]
        own_seed = derive_seed(seed, repeat, fold)
        for feature_set in task.feature_sets:
            factors = fit_factors(feature_set, blocks, train, settings, own_seed) if wants_factors else None
            for name, labels in questions.items():
                models = fit_models(task, feature_set, blocks, labels.loc[train], settings, own_seed, factors)
                part = predict(models, blocks, test)
                part["fold"], part["class"], part["label"] = fold, name, part["participant"].map(labels)
                parts.append(part)
    if not parts:
        return pd.DataFrame(columns=list(PREDICTIONS))
    table = pd.concat(parts, ignore_index=True)
    table["task"], table["repeat"] = task.name, repeat
    order = ["feature_set", "model", "class", "fold", "participant"]
    return table.sort_values(order, ignore_index=True)[list(PREDICTIONS)]


def permute_classes(classes: pd.Series, strata: pd.Series, seed: int) -> pd.Series:
    """Return the classes shuffled between the participants of a stratum (the site).

    Parameters
    ----------
    classes
        Class by participant.
    strata
        Stratum by participant.
    seed
        Seed of this permutation.
    """
    generator = np.random.default_rng(seed)
    classes = classes.sort_index()
    return classes.groupby(strata.reindex(classes.index).to_numpy(), sort=True).transform(
        lambda part: part.to_numpy()[generator.permutation(len(part))]
    )


def permutation_strata(task: Task, labels: pd.DataFrame) -> pd.Series:
    """Return the groups within which a permutation shuffles: the site, and the endotype where it is not the target.

    What a site or an endotype alone tells of the outcome is then in the permutations too, and no evidence of the omics.
    Where the place itself is the target, nothing could be shuffled within a site.
    """
    strata = pd.Series("", index=labels.index)
    within = [] if task.predicts_place else ["site"]
    within += [] if "endotype" in task.target else ["endotype"]
    for name in within:
        if name in labels:
            strata = strata + "|" + labels[name].astype(str)
    return strata


def permute_task(
    task: Task,
    blocks: Mapping[str, Predictors],
    classes: pd.Series,
    strata: pd.Series,
    settings: Settings,
    *,
    folds: int,
    permutation: int,
    seed: int,
) -> pd.DataFrame:
    """Run the whole pipeline once on permuted classes, on folds stratified by the permuted classes.

    Returns
    -------
    pandas.DataFrame
        As `evaluate_repeat`.
    """
    shuffled = permute_classes(classes, strata, derive_seed(seed, "permutation", permutation))
    table = outer_folds(shuffled, folds=folds, repeats=1, seed=derive_seed(seed, "permutation folds", permutation))
    return evaluate_repeat(task, blocks, shuffled, table, settings, repeat=1, seed=seed)
