"""A frozen model on new samples: nothing is refitted, and nobody's answer depends on who else is in the file."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.special import expit
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from immunosep.biomarkers.calibration import Calibrated
from immunosep.biomarkers.early import Early, joined_names
from immunosep.biomarkers.estimators import Tuned
from immunosep.biomarkers.features import NOT_LAYERS, Predictors
from immunosep.biomarkers.fusion import Fusion, Stack
from immunosep.biomarkers.models import Factors, Models, predict
from immunosep.biomarkers.new_samples import Samples, known_reads, no_rows, wrong_time
from immunosep.biomarkers.preparation import LogRatios, MeasuredValues, Preparation
from immunosep.errors import InputError
from immunosep.io import PathLike

logger = logging.getLogger(__name__)

FORMAT = "4"
"""How a frozen model is laid out; another number is another layout."""
MIN_OVERLAP = 0.8
"""A layer of which the sample measures a smaller share of the features is refused, be it of those that the model takes,
of those that passed its filters or of those that it chose: more than a fifth would be the training median."""
MIN_KNOWN_READS = 0.5
"""A community of whose reads a smaller share belongs to genera of the model is refused. A genus that a table does not
list was not found, so that under another taxonomy everything would be absent and nothing missing."""
MAX_DISTANCE = 5.0
"""A sample whose distance from the training samples' centre is unlike theirs by more than this many robust standard
deviations is refused: further out the model would extrapolate, and in the very centre lies what was filled in and not
measured. Among ten thousand samples of a normal cloud not one lies there."""
COLUMNS = ["observation", "feature_set", "class", "model", "probability"]
CHECKS = ["observation", "feature_set", "class", "block", "overlap", "distance", "verdict"]
FUSIONS = {"fusion": "late_fusion", "clinical_omics": "clinical_omics"}
"""Late fusions: attribute of the fitted models and key of a frozen one, name of the model."""
PANEL_MODEL = "panel"
TRUSTED = (
    *("immunosep.biomarkers.estimators.SelectWithGaps", "immunosep.biomarkers.estimators.TopVariance"),
    *(f"immunosep.biomarkers.preparation.{name}" for name in ("LogCpm", "LogRatios", "MeasuredValues")),
    *("immunosep.biomarkers.trees.StoredTrees", "immunosep.integration.mofa.MofaFit"),
    *("immunosep.integration.transformer.MofaFactors", "numpy.dtype"),
    "sklearn.feature_selection._univariate_selection.f_classif",
)
"""What a frozen model is made of beside what skops trusts by itself; a file with anything else is not opened."""


class WithGaps(TransformerMixin, BaseEstimator):
    """A fitted preparation of counts that also takes samples in which a feature was not measured.

    The feature is missing on the prepared scale, where the next step puts the training median; without counts of it a
    library's total is that of the others.

    Parameters
    ----------
    preparation
        Fitted.
    """

    def __init__(self, preparation: Preparation) -> None:
        self.preparation = preparation

    def fit(self, X: NDArray, y: object = None) -> "WithGaps":
        """Do nothing: the preparation is fitted."""
        return self

    def transform(self, X: NDArray) -> NDArray[np.float64]:
        """Return the chosen columns on their scale, NaN where not measured."""
        unknown = np.isnan(X)
        prepared = self.preparation.transform(np.where(unknown, 0.0, X))
        prepared[unknown[:, self.preparation.columns_]] = np.nan
        return prepared

    @property
    def columns_(self) -> NDArray[np.intp]:
        """Columns that the preparation chose."""
        return self.preparation.columns_


def load_model(path: PathLike) -> dict[str, Any]:
    """Read a frozen model.

    Raises
    ------
    InputError
        The file is no model of this workflow or of another version of it, holds objects of foreign packages, or the
        task was not run.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        content: dict[str, Any] = skops.io.load(path, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise InputError(
            f"{path}: holds objects that no model of this version is made of, and is not opened. {error}"
        ) from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except Exception as error:
        raise InputError(f"{path}: is no frozen model of this workflow ({type(error).__name__}).") from None
    if content.get("format") != FORMAT:
        raise InputError(
            f"{path}: is laid out as format {content.get('format', 'unknown')}, and this version reads {FORMAT}: use "
            "the version of the workflow that wrote it, or let the workflow make the model anew."
        )
    if content.get("status") != "fitted":
        raise InputError(f"{path}: holds no model: {content.get('status', 'unknown format')}.")
    return content


def cloud(pipeline: Pipeline, values: NDArray[np.float64]) -> dict[str, float]:
    """Describe how far the training samples lie from their centre.

    Parameters
    ----------
    pipeline
        Fitted; the distance is taken after its step `scale`.
    values
        (n, D) training samples.

    Returns
    -------
    dict
        `median` and `spread` (scaled median absolute deviation) of the training samples' distances.
    """
    return typical(distances(pipeline, values))


def typical(far: NDArray[np.float64]) -> dict[str, float]:
    """Return median and spread of the training samples' distances; see `cloud`."""
    median = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - median)))
    # A handful of clinical values may lie all at one distance; a tenth of it is then the least spread.
    return {"median": median, "spread": max(spread, 0.1 * median, 1e-6)}


def distances(pipeline: Pipeline, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each sample's root mean square in training standard deviations; what is missing is left out."""
    head = [step for name, step in _until(pipeline, "scale").steps if name != "impute"]
    scaled = values
    for step in head:
        scaled = step.transform(scaled)
    return spread_out(scaled)


def spread_out(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's root mean square; what is missing is left out."""
    measured = np.isfinite(scaled)
    squares = np.where(measured, scaled, 0.0) ** 2
    return np.sqrt(squares.sum(axis=1) / np.maximum(measured.sum(axis=1), 1))


def _index(pipeline: Pipeline, step: str) -> int:
    return [name for name, _ in pipeline.steps].index(step)


def apply_model(
    content: Mapping[str, Any], layers: Mapping[str, AnnData], clinical: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict new samples.

    Parameters
    ----------
    content
        `load_model`.
    layers
        By modality, a row per observation: `layers["counts"]` for modalities whose model takes counts, else X; `obs`
        with visit_day, and with pre_dose where it is known.
    clinical
        Clinical values indexed by observation, text; None for none.

    Returns
    -------
    The predictions (`COLUMNS`), and for each layer and observation the checks (`CHECKS`): share of the model's features
    that were measured (of a community, of the reads that belong to its genera), distance from the training samples in
    robust standard deviations, and `used` or why not. A refused layer is left out of the joint models.
    """
    predictions, checks = [], []
    samples = Samples(layers, clinical)
    # The models hold what was valid when they were fitted, and here it is checked what is given to them.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for feature_set, classes in content["models"].items():
            for name, model in classes.items():
                if "layers" in model:
                    table, told = _apply_panel(content, model, feature_set, samples)
                else:
                    blocks, told = _blocks(content, model, samples)
                    table = _predict(model, feature_set, blocks, samples)
                checks.append(told.assign(feature_set=feature_set, **{"class": name}))
                predictions.append(table.rename(columns={"participant": "observation"}).assign(**{"class": name}))
    joined = pd.concat(predictions, ignore_index=True)[COLUMNS]
    return joined.sort_values(COLUMNS[:4], ignore_index=True), pd.concat(checks, ignore_index=True)[CHECKS]


def _blocks(
    content: Mapping[str, Any], model: Mapping[str, Any], samples: Samples
) -> tuple[dict[str, Predictors], pd.DataFrame]:
    """Return the usable rows of each block, and the checks of all."""
    blocks, checks = {}, []
    for name, fitted in model["blocks"].items():
        preparation = fitted["pipeline"]["prepare"]
        block = samples.block(name, fitted["features"], preparation)
        if block is None:
            continue
        overlap = _overlap(fitted["pipeline"], block)
        known = (
            known_reads(block, samples.layers[name]) if isinstance(preparation, LogRatios) else np.ones(len(overlap))
        )
        far = distances(_gap_tolerant(fitted["pipeline"]), block.values)
        far = (far - fitted["cloud"]["median"]) / fitted["cloud"]["spread"]
        verdict = np.select(
            [overlap < MIN_OVERLAP, known < MIN_KNOWN_READS, np.abs(far) > MAX_DISTANCE],
            [
                f"refused: under {MIN_OVERLAP:.0%} of the model's features were measured",
                f"refused: under {MIN_KNOWN_READS:.0%} of the reads belong to genera of the model",
                "refused: outside the training samples",
            ],
            "used",
        )
        if name in samples.layers:
            time = wrong_time(content, samples.layers[name])
            verdict = np.where(time != "", time, verdict)
        checks.append(
            pd.DataFrame(
                {
                    "observation": block.observations,
                    "block": name,
                    "overlap": np.minimum(overlap, known),
                    "distance": far,
                    "verdict": verdict,
                }
            )
        )
        blocks[name] = block.take(verdict == "used")
    columns = ["observation", "block", "overlap", "distance", "verdict"]
    return blocks, pd.concat(checks, ignore_index=True) if checks else pd.DataFrame(columns=columns)


def _apply_panel(
    content: Mapping[str, Any], model: Mapping[str, Any], feature_set: str, samples: Samples
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict with a panel of markers, and check its samples; a marker that was not measured is its training median.

    A layer of the wrong time counts as not measured.
    """
    parts: list[pd.DataFrame] = []
    wrong: dict[str, str] = {}
    for name, own in model["layers"].items():
        block = samples.block(name, own["features"], own["preparation"])
        if block is None:
            values, rows = np.empty((0, len(own["columns"]))), np.empty(0, dtype=str)
        else:
            time = wrong_time(content, samples.layers[name])
            wrong |= dict(zip(block.observations[time != ""].tolist(), time[time != ""].tolist(), strict=True))
            values = _gaps(own["preparation"]).transform(block.values)[:, own["columns"]]
            if isinstance(own["preparation"], LogRatios):
                values[known_reads(block, samples.layers[name]) < MIN_KNOWN_READS] = np.nan
            values, rows = values[time == ""], block.observations[time == ""]
        parts.append(pd.DataFrame(values, index=rows))
    everyone = sorted({*wrong, *(row for part in parts for row in part.index)})
    values = np.hstack([part.reindex(everyone).to_numpy() for part in parts])
    overlap = np.isfinite(values).mean(axis=1)
    far = spread_out((values - model["centre"]) / model["scale"])
    far = (far - model["cloud"]["median"]) / model["cloud"]["spread"]
    few = f"refused: under {MIN_OVERLAP:.0%} of the panel's markers were measured"
    told = np.array([wrong.get(row, few) for row in everyone], dtype=str)
    verdict = np.full(len(everyone), "used", dtype=object)
    verdict[np.abs(far) > MAX_DISTANCE] = "refused: outside the training samples"
    verdict[overlap < MIN_OVERLAP] = told[overlap < MIN_OVERLAP]
    filled = np.where(np.isfinite(values), values, model["fill"])
    odds = model["intercept"] + (filled - model["centre"]) / model["scale"] @ model["coefficients"]
    table = pd.DataFrame({"participant": everyone, "feature_set": feature_set, "probability": expit(odds)})
    checks = {"observation": everyone, "block": PANEL_MODEL, "overlap": overlap, "distance": far, "verdict": verdict}
    return table[verdict == "used"].assign(model=PANEL_MODEL), pd.DataFrame(checks)


def chosen(pipeline: Pipeline, size: int) -> Iterator[NDArray[np.intp]]:
    """Yield the columns that a fitted pipeline of so many columns takes, then those left after each of its choices."""
    columns = np.arange(size)
    yield columns
    for _, step in pipeline.steps:
        if hasattr(step, "columns_"):
            columns = columns[step.columns_]
        elif hasattr(step, "get_support"):
            columns = columns[step.get_support()]
        else:
            continue
        yield columns


def _overlap(pipeline: Pipeline, block: Predictors) -> NDArray[np.float64]:
    """Return for each row the least share of measured features after any choice of the pipeline."""
    measured = np.isfinite(block.values)
    return np.min([measured[:, columns].mean(axis=1) for columns in chosen(pipeline, block.features.size)], axis=0)


def _predict(
    model: Mapping[str, Any], feature_set: str, blocks: Mapping[str, Predictors], samples: Samples
) -> pd.DataFrame:
    """Predict with the models of each block, with those of all layers, and with MOFA."""
    everyone = sorted({name for block in blocks.values() for name in block.participants.tolist()})
    # Three models see a layer on its scale: its own, its trees, and early fusion.
    heads = {name: _Shared(_until(_gap_tolerant(own["pipeline"]), "scale")) for name, own in model["blocks"].items()}
    single = Models(feature_set, {name: _tuned(own, heads[name]) for name, own in model["blocks"].items()})
    for name in FUSIONS:
        if model[name]:
            setattr(single, name, stored_fusion(model[name]))
    single.boosted = {name: _tuned(own, heads.get(name)) for name, own in model["boosted"].items() if name != "mofa"}
    if model["early"]:
        layers = {name: head for name, head in heads.items() if name not in NOT_LAYERS}
        single.early = Early(layers, _tuned(model["early"]))
    absent = {name: no_rows(name, own["features"]) for name, own in model["blocks"].items() if name not in blocks}
    tables = [predict(single, {**blocks, **absent}, everyone)]
    if model["mofa"]:
        joint = model["mofa"]
        preparations = {name: _gaps(own) for name, own in joint["preparations"].items()}
        # A layer that its own check refused does not come in by the factors either.
        given = {}
        for name, features in joint["features"].items():
            block = samples.block(name, features, joint["preparations"][name])
            allowed = blocks[name].participants if name in blocks else np.empty(0, dtype=str)
            given[name] = block.rows(allowed.tolist()) if block is not None else no_rows(name, features)
        empty = Predictors("mofa", np.empty((0, 0)), *(np.empty(0, dtype=str),) * 3, np.empty(0, dtype=bool))
        factors = Factors(joint["transformer"], preparations, empty)
        boosted = {name: _tuned(own) for name, own in model["boosted"].items() if name == "mofa"}
        tables.append(predict(Models(feature_set, {}, factors, _tuned(joint), boosted=boosted), given, everyone))
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def stored_fusion(stored: Mapping[str, Any]) -> Fusion:
    """Return a late fusion as it was fitted."""
    return Fusion(Stack(**stored["stack"]), Calibrated(**stored["calibration"]))


def joined_features(blocks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name the columns that a frozen early fusion takes, `layer:feature`."""
    return [
        f"{name}:{feature}"
        for name, own in sorted(blocks.items())
        if name not in NOT_LAYERS
        for feature in joined_names(own["pipeline"], own["features"]).tolist()
    ]


class _Shared(TransformerMixin, BaseEstimator):
    """Fitted first steps of several models; what they make of the same rows is made once.

    Parameters
    ----------
    steps
        Fitted.
    """

    def __init__(self, steps: Pipeline) -> None:
        self.steps = steps
        self._last: tuple[Any, Any] = (None, None)

    def __getitem__(self, name: str) -> Any:
        return self.steps[name]

    def transform(self, X: NDArray) -> NDArray[np.float64]:
        """Return the rows on the last step's scale."""
        if self._last[0] is not X:
            self._last = X, self.steps.transform(X)
        return self._last[1]


def _tuned(stored: Mapping[str, Any], head: _Shared | None = None) -> Tuned:
    """Return a classifier as it was fitted; `head` are the steps up to the scale of the block that it sees."""
    steps = stored["pipeline"].steps
    if head is not None:
        names = [name for name, _ in steps]
        steps = [("head", head), *steps[names.index("scale") + 1 if "scale" in names else 0 :]]
    return Tuned(Pipeline(steps), Calibrated(**stored["calibration"]), pd.Series(dtype=float), float("nan"), {})


def _until(pipeline: Pipeline, step: str) -> Pipeline:
    """Return the steps up to one, that one included."""
    return Pipeline(pipeline.steps[: _index(pipeline, step) + 1])


def _gap_tolerant(pipeline: Pipeline) -> Pipeline:
    return Pipeline([("prepare", _gaps(pipeline["prepare"])), *pipeline.steps[1:]])


def _gaps(preparation: Preparation) -> "Preparation | WithGaps":
    return preparation if isinstance(preparation, MeasuredValues) else WithGaps(preparation)
