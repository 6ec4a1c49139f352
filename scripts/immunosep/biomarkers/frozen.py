"""The model refitted on all participants, as a file without any participant in it."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from immunosep.biomarkers.apply import FUSIONS, chosen, cloud, joined_features, stored_fusion
from immunosep.biomarkers.estimators import Tuned
from immunosep.biomarkers.features import Predictors
from immunosep.biomarkers.models import Models
from immunosep.biomarkers.preparation import MeasuredValues
from immunosep.biomarkers.trees import StoredTrees
from immunosep.io import PathLike, atomic_path

logger = logging.getLogger(__name__)

PACKAGES = ("numpy", "pandas", "scikit-learn", "mofapy2", "skops")


def frozen_content(models: Models, blocks: Mapping[str, Predictors]) -> dict[str, Any]:
    """Return the fitted models as plain containers of scikit-learn objects.

    The training participants' scores and out-of-fold predictions stay behind: a model that is passed on names and
    describes nobody. A pipeline takes the columns `features` in their order, which are those that it needs: RNA and
    ATAC the counts of the whole library, because their scale needs the total, the others what was chosen.

    Parameters
    ----------
    models
        Fitted on all participants.
    blocks
        Predictors of training; for the names of the features.
    """
    content: dict[str, Any] = {"feature_set": models.feature_set, "blocks": {}}
    for name, model in models.blocks.items():
        needed, preparation = model.pipeline["prepare"].reduced()
        pipeline = Pipeline([("prepare", preparation), *model.pipeline.steps[1:]])
        training = blocks[name].rows(model.inner.index)
        content["blocks"][name] = {
            "features": _names(blocks[name], needed),
            "takes": "values" if isinstance(preparation, MeasuredValues) else "counts",
            "pipeline": pipeline,
            "cloud": cloud(pipeline, training.values[:, needed]),
            "calibration": vars(model.calibration),
        }
    # Trees on a layer see it through the steps of its logistic regression: what follows these is enough.
    content["boosted"] = {
        name: _classifier(model, after="scale" if name in models.blocks else None)
        for name, model in models.boosted.items()
    }
    content["early"] = None if models.early is None else _classifier(models.early.model)
    for name in FUSIONS:
        fusion = getattr(models, name)
        content[name] = fusion and {"stack": vars(fusion.stack), "calibration": vars(fusion.calibration)}
    content["mofa"] = None
    if models.joint is not None and models.factors is not None:
        mofa = models.factors.mofa
        mofa.fit_.factors = np.empty((0, mofa.fit_.n_factors))
        # The view of each column is asked for when it is fitted and never again; it would be half of the file.
        mofa.views = None
        reduced = {name: fitted.reduced() for name, fitted in models.factors.preparations.items()}
        content["mofa"] = {
            "features": {name: _names(blocks[name], needed) for name, (needed, _) in reduced.items()},
            "preparations": {name: preparation for name, (_, preparation) in reduced.items()},
            "transformer": mofa,
            **_classifier(models.joint),
        }
    return content


def _classifier(model: Tuned, after: str | None = None) -> dict[str, Any]:
    """Return a classifier's pipeline, or its steps after one of them, and its calibration."""
    steps = [(name, _stored(step)) for name, step in model.pipeline.steps]
    first = 0 if after is None else 1 + [name for name, _ in steps].index(after)
    return {"pipeline": Pipeline(steps[first:]), "calibration": vars(model.calibration)}


def _names(block: Predictors, needed: NDArray[np.intp]) -> NDArray[np.str_]:
    """Return the names of columns; where all are needed the array itself, which skops writes and reads once."""
    return block.features if needed.size == block.features.size else block.features[needed]


def _stored(step: Any) -> Any:
    """Return a step as it is passed on: in arrays, of which skops would write objects one by one."""
    if isinstance(step, HistGradientBoostingClassifier):
        return StoredTrees.of(step)
    if isinstance(step, SimpleImputer):
        # A constant is kept as an object for each column.
        step.statistics_ = step.statistics_.astype(np.float64)
    return step


def data_digest(blocks: Mapping[str, Predictors], classes: pd.Series) -> str:
    """Return the SHA-256 of all that the model was trained on."""
    digest = hashlib.sha256()
    for name in sorted(blocks):
        block = blocks[name].rows(classes.index)
        digest.update("\n".join([name, *block.observations, *block.features]).encode())
        digest.update(np.ascontiguousarray(block.values, dtype="<f8").tobytes())
        digest.update(block.usable.tobytes() + (b"" if block.below_lod is None else block.below_lod.tobytes()))
    digest.update("\n".join(f"{name}\t{value}" for name, value in classes.sort_index().items()).encode())
    return digest.hexdigest()


def write_model(content: Mapping[str, Any], path: PathLike) -> None:
    """Write a skops file: unlike a pickle it runs no code when it is opened."""
    import skops.io

    with atomic_path(path) as temporary:
        skops.io.dump(dict(content), temporary)


def versions() -> dict[str, str]:
    """Return the versions of the packages that the model depends on."""
    return {name: version(name) for name in PACKAGES}


def coefficients(path: PathLike) -> pd.DataFrame:
    """List the coefficients of a frozen model.

    Parameters
    ----------
    path
        The skops file.

    Returns
    -------
    pandas.DataFrame
        feature_set, class, block, feature, coefficient (log odds per SD of the prepared feature; of the fusion, the
        weight of the block). The intercept is a feature of this name. No rows for a task that was not run.
    """
    import skops.io

    content = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    rows: list[tuple[str, str, str, str, float]] = []
    for feature_set, classes in content.get("models", {}).items():
        for name, model in classes.items():
            blocks = {block: (fitted["pipeline"], fitted["features"]) for block, fitted in model["blocks"].items()}
            if model["early"]:
                blocks["early_fusion"] = (model["early"]["pipeline"], joined_features(model["blocks"]))
            if model["mofa"]:
                pipeline = model["mofa"]["pipeline"]
                blocks["mofa"] = (pipeline, [f"factor{k + 1}" for k in range(pipeline.n_features_in_)])
            for block, (pipeline, features) in blocks.items():
                rows += [(feature_set, name, block, *entry) for entry in _linear(pipeline, features)]
            for fusion, label in FUSIONS.items():
                weights = stored_fusion(model[fusion]).weights if model[fusion] else {}
                rows += [(feature_set, name, label, block, weight) for block, weight in weights.items()]
    return pd.DataFrame(rows, columns=["feature_set", "class", "block", "feature", "coefficient"])


def _linear(pipeline: Any, features: Sequence[str]) -> list[tuple[str, float]]:
    """Follow the features through the pipeline's choices to the coefficients of its last step."""
    *_, columns = chosen(pipeline, len(features))
    names = np.asarray(features, dtype=object)[columns]
    model = pipeline.steps[-1][1]
    values = model.coef_[0]
    return [("intercept", float(model.intercept_[0])), *zip(names.tolist(), values.tolist(), strict=True)]
