"""All models of a task on one training set, and their predictions for others.

`fit_models` sees training participants only; `predict` sees no labels. The outer folds, the permutation test and the
frozen model all pass through these two functions.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from immunosep.biomarkers.estimators import Fusion, Tuned, classifier_pipeline, fuse, tune
from immunosep.biomarkers.features import Predictors, stack
from immunosep.biomarkers.splits import derive_seed, outer_folds
from immunosep.biomarkers.tasks import Task
from immunosep.integration.mofa import MofaError, MofaFactors

logger = logging.getLogger(__name__)

#: Participants per class without which a block gets no model in a fold.
MIN_CLASS = 3
PREDICTIONS = ("task", "repeat", "fold", "participant", "model", "feature_set", "label", "probability", "score")


@dataclass(frozen=True)
class Settings:
    """Choices of the configuration that the models need; names as in its section `biomarkers`."""

    max_features: int
    selected_features: Sequence[int]
    penalty: Sequence[float]
    inner_folds: int
    factors: int
    min_features: int
    iterations: int
    convergence: str
    drop_r2: float


@dataclass
class JointFactors:
    """MOFA of the training participants and the layout of its input."""

    mofa: MofaFactors
    blocks: list[str]
    classifier: Tuned


@dataclass
class Models:
    """The fitted models of one feature set.

    Attributes
    ----------
    feature_set
        full or no_definers.
    blocks
        Classifier per block: clinical and each layer.
    joint
        MOFA with its classifier, or None.
    fusion
        Late fusion over the layers, or None.
    """

    feature_set: str
    blocks: dict[str, Tuned] = field(default_factory=dict)
    joint: JointFactors | None = None
    fusion: Fusion | None = None


def fit_models(
    task: Task,
    feature_set: str,
    blocks: Mapping[str, Predictors],
    labels: pd.Series,
    settings: Settings,
    seed: int,
) -> Models:
    """Fit every model of a task on the given participants.

    Parameters
    ----------
    task
        Names the comparators.
    feature_set
        full or no_definers.
    blocks
        Predictors by name; `clinical` and the layers. Rows of participants without a label are not used.
    labels
        0 or 1 by training participant.
    settings
        Sizes and candidates.
    seed
        Seed of this training set.

    Returns
    -------
    Models
        A block with fewer than three training participants in a class has no model.
    """
    labels = labels.sort_index()
    training = {name: block.rows(labels.index).feature_set(feature_set) for name, block in blocks.items()}
    layers = {name: block for name, block in training.items() if name != "clinical" and block.features.size}
    models = Models(feature_set)

    def tuned(block: Predictors, select: bool) -> Tuned | None:
        target = labels.loc[block.participants].to_numpy()
        persons = pd.Series(target, index=block.participants).groupby(level=0).first()
        if persons.value_counts().reindex([0, 1], fill_value=0).min() < MIN_CLASS:
            logger.info("%s/%s: %s has too few training participants for a model", task.name, feature_set, block.name)
            return None
        return tune(
            classifier_pipeline(settings.max_features if select else None, select=select),
            block.values,
            target,
            block.participants,
            selected=settings.selected_features,
            penalty=settings.penalty,
            folds=settings.inner_folds,
            seed=derive_seed(seed, "inner"),
        )

    if "clinical" in task.comparators and "clinical" in training:
        model = tuned(training["clinical"], select=False)
        if model is not None:
            models.blocks["clinical"] = model
    if {"layers", "late_fusion"} & set(task.comparators):
        fitted = {name: tuned(block, select=True) for name, block in sorted(layers.items())}
        models.blocks.update({name: model for name, model in fitted.items() if model is not None})
    own = {name: model for name, model in models.blocks.items() if name != "clinical"}
    if "late_fusion" in task.comparators and own:
        models.fusion = fuse(own, labels)
    if "mofa" in task.comparators and layers:
        joint, views = stack([layers[name] for name in sorted(layers)])
        mofa = MofaFactors(
            views=views,
            n_factors=settings.factors,
            max_features=settings.max_features,
            min_features=settings.min_features,
            iterations=settings.iterations,
            convergence=settings.convergence,  # type: ignore[arg-type]
            drop_r2=settings.drop_r2,
            random_state=derive_seed(seed, "mofa"),
        )
        try:
            scores = mofa.fit_transform(joint.values)
        except (MofaError, ValueError) as error:
            logger.warning("%s/%s: no factor model: %s", task.name, feature_set, error)
        else:
            classifier = tuned(factor_block(joint, scores), select=False)
            if classifier is not None:
                models.joint = JointFactors(mofa, sorted(layers), classifier)
    return models


def factor_block(joint: Predictors, scores: np.ndarray) -> Predictors:
    """Return factors as a block of predictors."""
    names = np.array([f"factor{index + 1}" for index in range(scores.shape[1])], dtype=str)
    return Predictors(
        "mofa", scores, joint.observations, joint.participants, names, np.zeros(names.size, dtype=bool)
    )


def predict(models: Models, blocks: Mapping[str, Predictors], participants: Sequence[str] | pd.Index) -> pd.DataFrame:
    """Predict participants with every model they have data for.

    Parameters
    ----------
    models
        Fitted models.
    blocks
        Predictors by name, the features of training in their order.
    participants
        Whom to predict.

    Returns
    -------
    pandas.DataFrame
        participant, model, feature_set, probability of class 1, score: calibrated log odds above the training
        prevalence, comparable between models fitted on different folds.
    """
    given = {name: block.rows(participants).feature_set(models.feature_set) for name, block in blocks.items()}
    evidence = {
        name: model.evidence(given[name].values, given[name].participants)
        for name, model in models.blocks.items()
        if name in given and given[name].participants.size
    }
    prior = {name: model.calibration.prior for name, model in models.blocks.items()}
    layers = {name: scores for name, scores in evidence.items() if name != "clinical"}
    if models.fusion is not None and layers:
        evidence["late_fusion"] = models.fusion.evidence(layers)
        prior["late_fusion"] = models.fusion.calibration.prior
    if models.joint is not None:
        present = [given[name] for name in models.joint.blocks if name in given]
        joint, _ = stack(present)
        if joint.participants.size:
            scores = models.joint.mofa.transform(joint.values)
            evidence["mofa"] = models.joint.classifier.evidence(scores, joint.participants)
            prior["mofa"] = models.joint.classifier.calibration.prior
    parts = [
        pd.DataFrame(
            {
                "participant": scores.index,
                "model": name,
                "feature_set": models.feature_set,
                "probability": 1 / (1 + np.exp(-(scores.to_numpy() + prior[name]))),
                "score": scores.to_numpy(),
            }
        )
        for name, scores in evidence.items()
    ]
    columns = ["participant", "model", "feature_set", "probability", "score"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def evaluate_repeat(
    task: Task,
    blocks: Mapping[str, Predictors],
    labels: pd.Series,
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
    labels
        0 or 1 by participant.
    folds
        participant, repeat, fold.
    repeat
        Which repeat.
    seed
        Seed of the configuration.

    Returns
    -------
    pandas.DataFrame
        Columns `PREDICTIONS`, sorted by feature set, model, fold, participant.
    """
    own = folds[folds["repeat"].astype(int) == repeat].set_index("participant")["fold"].astype(int).sort_index()
    unknown = own.index.difference(labels.index)
    if len(unknown):
        raise ValueError(f"the folds name participants without a label: {', '.join(unknown)}")
    parts = []
    for fold in sorted(own.unique()):
        test = own.index[own == fold]
        train = labels.loc[own.index[own != fold]]
        for feature_set in task.feature_sets:
            models = fit_models(task, feature_set, blocks, train, settings, derive_seed(seed, repeat, fold))
            parts.append(predict(models, blocks, test).assign(fold=fold))
    if not parts:
        return pd.DataFrame(columns=list(PREDICTIONS))
    table = pd.concat(parts, ignore_index=True)
    table["task"], table["repeat"] = task.name, repeat
    table["label"] = table["participant"].map(labels)
    order = ["feature_set", "model", "fold", "participant"]
    return table.sort_values(order, ignore_index=True)[list(PREDICTIONS)]


def permute_labels(labels: pd.Series, strata: pd.Series, seed: int) -> pd.Series:
    """Return the labels shuffled between the participants of a stratum (the site).

    Parameters
    ----------
    labels
        0 or 1 by participant.
    strata
        Stratum by participant.
    seed
        Seed of this permutation.
    """
    generator = np.random.default_rng(seed)
    labels = labels.sort_index()
    shuffled = labels.groupby(strata.reindex(labels.index).to_numpy(), sort=True).transform(
        lambda part: part.to_numpy()[generator.permutation(len(part))]
    )
    return shuffled.astype(int)


def permute_task(
    task: Task,
    blocks: Mapping[str, Predictors],
    labels: pd.Series,
    strata: pd.Series,
    settings: Settings,
    *,
    folds: int,
    permutation: int,
    seed: int,
) -> pd.DataFrame:
    """Run the whole pipeline once on permuted labels, on folds stratified by the permuted labels.

    Returns
    -------
    pandas.DataFrame
        As `evaluate_repeat`, with the column permutation.
    """
    shuffled = permute_labels(labels, strata, derive_seed(seed, "permutation", permutation))
    table = outer_folds(shuffled, folds=folds, repeats=1, seed=derive_seed(seed, "permutation folds", permutation))
    result = evaluate_repeat(task, blocks, shuffled, table, settings, repeat=1, seed=seed)
    return result.assign(permutation=permutation)
