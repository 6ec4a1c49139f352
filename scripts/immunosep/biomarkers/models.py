"""All models of a task on one training set, and their predictions for others.

`fit_models` sees training participants only; `predict` sees no labels. The outer folds, the permutation test
(`crossvalidate`) and the frozen model all pass through these two functions.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import clone

from immunosep.biomarkers.early import Early, fit_early
from immunosep.biomarkers.estimators import Tuned, preparing_pipeline
from immunosep.biomarkers.features import NOT_LAYERS, Predictors, stack
from immunosep.biomarkers.fusion import Fusion, fuse
from immunosep.biomarkers.preparation import Preparation
from immunosep.biomarkers.splits import derive_seed
from immunosep.biomarkers.tasks import Task
from immunosep.biomarkers.tuning import Prepared, prepare, tune_boosted, tune_logistic
from immunosep.integration.mofa import MofaError
from immunosep.integration.transformer import MofaFactors

logger = logging.getLogger(__name__)

#: Participants per class without which a block gets no model in a fold.
MIN_CLASS = 3
#: Comparators that need the model of a block; those of a layer are the default.
LAYER_USES = {"layers", "late_fusion", "clinical_omics", "early_fusion", "boosting"}
USES = {"clinical": {"clinical", "clinical_omics"}, "missingness": {"missingness"}}
#: Models of boosted trees bear the name of what they see after this.
BOOSTED = "boosting_"


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
    l1_ratio: Sequence[float] = (0.0,)
    trees: int = 50


@dataclass
class Factors:
    """MOFA of the training participants.

    Attributes
    ----------
    mofa
        The transformer.
    preparations
        Fitted preparation of each layer of its input, in order.
    scores
        Factors of the training samples that have a value in a layer that entered.
    """

    mofa: MofaFactors
    preparations: dict[str, Preparation]
    scores: Predictors

    def joint(self, blocks: Mapping[str, Predictors]) -> Predictors:
        """Return the layers side by side, as the transformer wants them."""
        return stack([blocks[name].prepared(fitted) for name, fitted in self.preparations.items()])[0]

    def informed(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Flag the rows with a value in a layer that entered; MOFA leaves out a layer with too few features."""
        return np.asarray(np.isfinite(values[:, np.concatenate(list(self.mofa.columns_.values()))]).any(axis=1))


@dataclass
class Models:
    """The fitted models of one feature set.

    Attributes
    ----------
    feature_set
        full, no_definers or no_definers_strict.
    blocks
        Logistic regression per block: clinical, missingness and each layer.
    factors, joint
        MOFA of the layers, and the classifier on its factors, or None.
    fusion
        Late fusion over the layers, or None.
    clinical_omics
        Late fusion over the layers and the clinical model, or None.
    early
        The layers side by side, or None.
    boosted
        Boosted trees, by the name of the block that they see: a layer, `mofa`, `early_fusion`.
    """

    feature_set: str
    blocks: dict[str, Tuned] = field(default_factory=dict)
    factors: Factors | None = None
    joint: Tuned | None = None
    fusion: Fusion | None = None
    clinical_omics: Fusion | None = None
    early: Early | None = None
    boosted: dict[str, Tuned] = field(default_factory=dict)


def fit_factors(
    feature_set: str,
    blocks: Mapping[str, Predictors],
    participants: Sequence[str] | pd.Index,
    settings: Settings,
    seed: int,
) -> Factors | None:
    """Fit MOFA to the layers of the training participants, or say in the log why it cannot be.

    It knows no labels, so one fit serves all classes of a task.
    """
    layers = {
        name: block.rows(participants).feature_set(feature_set)
        for name, block in sorted(blocks.items())
        if name not in NOT_LAYERS
    }
    layers = {name: block for name, block in layers.items() if not block.empty}
    if not layers:
        return None
    fitted = {name: clone(block.preparation).fit(block.values, **block.fit_params) for name, block in layers.items()}
    joint, views = stack([block.prepared(fitted[name]) for name, block in layers.items()])
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
        logger.warning("no factor model (%s): %s", feature_set, error)
        return None
    factors = Factors(mofa, fitted, _factor_block(joint, scores))
    return replace(factors, scores=factors.scores.take(factors.informed(joint.values)))


def fit_models(
    task: Task,
    feature_set: str,
    blocks: Mapping[str, Predictors],
    labels: pd.Series,
    settings: Settings,
    seed: int,
    factors: Factors | None = None,
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
    factors
        `fit_factors` of the same participants, for the comparator mofa.

    Returns
    -------
    Models
        A block with fewer than three training participants in a class has no model.
    """
    labels = labels.sort_index()
    training = {name: block.rows(labels.index).feature_set(feature_set) for name, block in sorted(blocks.items())}
    wanted = set(task.comparators)
    prepared = {}
    for name, block in training.items():
        if not block.empty and wanted & USES.get(name, LAYER_USES):
            own = _prepare(block, labels, settings, seed, limit=None if name in NOT_LAYERS else settings.max_features)
            if own is not None:
                prepared[name] = own
    models = Models(feature_set)
    for name, own in prepared.items():
        models.blocks[name] = _tune(own, settings, select=name not in NOT_LAYERS)
    layers = {name: model for name, model in models.blocks.items() if name not in NOT_LAYERS}
    if "late_fusion" in wanted and layers:
        models.fusion = _fuse(layers, labels, seed)
    if "clinical_omics" in wanted and layers and "clinical" in models.blocks:
        models.clinical_omics = _fuse({**layers, "clinical": models.blocks["clinical"]}, labels, seed)
    own_layers = {name: prepared[name] for name in layers}
    joined = None
    if "early_fusion" in wanted and layers:
        heads = {name: own.head for name, own in own_layers.items()}
        models.early, joined = fit_early(
            heads,
            training,
            labels,
            selected=settings.selected_features,
            penalty=settings.penalty,
            l1_ratio=settings.l1_ratio,
            folds=settings.inner_folds,
            seed=derive_seed(seed, "inner"),
        )
    joint = None
    if "mofa" in wanted and factors is not None:
        models.factors = factors
        joint = _prepare(factors.scores, labels, settings, seed, limit=None)
        models.joint = None if joint is None else _tune(joint, settings, select=False)
    if "boosting" in wanted:
        sources = {**own_layers, "mofa": joint, "early_fusion": joined}
        models.boosted = {
            name: tune_boosted(
                own,
                selected=None if name == "mofa" else max(settings.selected_features),
                iterations=settings.trees,
                seed=derive_seed(seed, "trees"),
            )
            for name, own in sources.items()
            if own is not None
        }
    return models


def _prepare(
    block: Predictors, labels: pd.Series, settings: Settings, seed: int, *, limit: int | None
) -> Prepared | None:
    """Return the training rows of a block on their scale, or None where a class is too small."""
    target = labels.loc[block.participants.tolist()].to_numpy()
    persons = pd.Series(target, index=block.participants).groupby(level=0).first()
    if persons.value_counts().reindex([0, 1], fill_value=0).min() < MIN_CLASS:
        logger.info("%s has fewer than %d training participants in a class: no model", block.name, MIN_CLASS)
        return None
    return prepare(
        preparing_pipeline(block.preparation, limit),
        block.values,
        target,
        block.participants,
        folds=settings.inner_folds,
        seed=derive_seed(seed, "inner"),
        fit_params=block.fit_params,
    )


def _tune(prepared: Prepared, settings: Settings, *, select: bool) -> Tuned:
    """Return the tuned logistic regression; a handful of clinical values or factors is not chosen among."""
    return tune_logistic(
        prepared,
        selected=settings.selected_features if select else (),
        penalty=settings.penalty,
        l1_ratio=settings.l1_ratio,
    )


def _fuse(models: Mapping[str, Tuned], labels: pd.Series, seed: int) -> Fusion:
    """Return the late fusion of fitted models."""
    return fuse({name: model.inner for name, model in models.items()}, labels, derive_seed(seed, "fusion"))


def _factor_block(joint: Predictors, scores: np.ndarray) -> Predictors:
    """Return factors as a block of predictors."""
    names = np.array([f"factor{index + 1}" for index in range(scores.shape[1])], dtype=str)
    return Predictors("mofa", scores, joint.observations, joint.participants, names, np.zeros(names.size, dtype=bool))


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
        prevalence, comparable between models fitted on different folds. Late fusion and MOFA give the training
        prevalence, a score of zero, to a participant whose layers all told nothing in training: weight zero, or too few
        features for MOFA.
    """
    given = {name: block.rows(participants) for name, block in blocks.items()}
    evidence = _single_blocks(models, given)
    layers = {name: found for name, found in evidence.items() if name in models.blocks and name not in NOT_LAYERS}
    scored = {name: (scores, model.calibration.prior) for name, (scores, model) in evidence.items()}
    for name, fusion in (("late_fusion", models.fusion), ("clinical_omics", models.clinical_omics)):
        own = {**layers, **({"clinical": evidence["clinical"]} if "clinical" in evidence else {})}
        own = own if name == "clinical_omics" else layers
        if fusion is not None and own:
            fused = fusion.evidence({block: scores for block, (scores, _) in own.items()})
            scored[name] = (fused, fusion.calibration.prior)
    parts = [
        pd.DataFrame(
            {
                "participant": scores.index,
                "model": name,
                "feature_set": models.feature_set,
                "probability": expit(scores.to_numpy() + prior),
                "score": scores.to_numpy(),
            }
        )
        for name, (scores, prior) in scored.items()
    ]
    columns = ["participant", "model", "feature_set", "probability", "score"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _single_blocks(models: Models, given: Mapping[str, Predictors]) -> dict[str, tuple[pd.Series, Tuned]]:
    """Return the evidence of every model but the late fusions, with the model, by its name."""
    found: dict[str, tuple[pd.Series, Tuned]] = {}
    own = [*models.blocks.items(), *((f"{BOOSTED}{name}", model) for name, model in models.boosted.items())]
    for name, model in own:
        block = given.get(name.removeprefix(BOOSTED))
        if block is not None and block.participants.size:
            found[name] = (model.evidence(block.values, block.participants), model)
    joint = {"mofa": models.joint, f"{BOOSTED}mofa": models.boosted.get("mofa")}
    if models.factors is not None:
        rows = models.factors.joint(given)
        for name, factor_model in joint.items():
            if factor_model is not None and rows.participants.size:
                found[name] = (_factor_evidence(models.factors, factor_model, rows), factor_model)
    if models.early is not None:
        rows = models.early.join(given)
        early = {"early_fusion": models.early.model, f"{BOOSTED}early_fusion": models.boosted.get("early_fusion")}
        for name, early_model in early.items():
            if early_model is not None and rows.participants.size:
                found[name] = (early_model.evidence(rows.values, rows.participants), early_model)
    return found


def _factor_evidence(factors: Factors, model: Tuned, joint: Predictors) -> pd.Series:
    """Return the evidence of the factors by participant, zero for those without a value in a layer that entered."""
    own = joint.take(factors.informed(joint.values))
    everyone = np.unique(joint.participants)
    if not own.participants.size:
        return pd.Series(0.0, index=everyone)
    scores = factors.mofa.transform(own.values)
    return model.evidence(scores, own.participants).reindex(everyone, fill_value=0.0)
