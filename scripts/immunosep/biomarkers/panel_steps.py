"""The rules of the panel: files in, files out. The choice is repeated in every outer fold."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from immunosep.biomarkers.apply import PANEL_MODEL, spread_out, typical
from immunosep.biomarkers.crossvalidate import PREDICTIONS
from immunosep.biomarkers.evaluate import PERFORMANCE, performance_table
from immunosep.biomarkers.features import NOT_LAYERS, Predictors, stack
from immunosep.biomarkers.frozen import write_model
from immunosep.biomarkers.panel import Panel, PanelRule, choose_panel
from immunosep.biomarkers.preparation import Preparation
from immunosep.biomarkers.splits import derive_seed
from immunosep.biomarkers.steps import Choices, Inputs, Sources, load_inputs, model_facts, model_header
from immunosep.biomarkers.tasks import contrasts
from immunosep.integration.mofa import most_variable
from immunosep.io import PathLike, read_table, write_table

logger = logging.getLogger(__name__)

PANEL = [
    *("task", "feature_set", "class", "place", "block", "feature", "frequency", "coefficient", "centre", "scale"),
    *("fill", "in_folds"),
]
SUMMARY = [
    *("task", "feature_set", "class", "markers", "intercept", "stability", "entered", "expected_false", "halves"),
    "note",
]


def evaluate_panel(
    *,
    task_name: str,
    repeat: int,
    sources: Sources,
    choices: Choices,
    predictions_path: PathLike,
    chosen_path: PathLike,
) -> None:
    """Predict every participant of a repeat by a panel that was chosen without them.

    Writes the predictions (`crossvalidate.PREDICTIONS`, model `panel`) and the markers of each fold's panel
    (feature_set, class, fold, block, feature).
    """
    folds = read_table(sources.folds)
    predictions, chosen = [], []
    if len(folds):
        inputs = load_inputs(task_name, sources, choices)
        own = folds[folds["repeat"] == str(repeat)].set_index("participant")["fold"].astype(int).sort_index()
        for fold in sorted(own.unique()):
            train, test = own.index[own != fold], own.index[own == fold]
            seed = derive_seed(choices.seed, "panel", repeat, int(fold))
            for feature_set, name, labels in _questions(inputs):
                trained = train_panel(inputs, feature_set, labels.loc[train], choices, seed)
                panel = trained.panel
                chosen += [(feature_set, name, fold, *trained.names[column]) for column in panel.columns]
                rows = trained.table.rows(test)
                score = panel.evidence(rows.values)
                predictions.append(
                    pd.DataFrame(
                        {
                            "participant": rows.participants,
                            "feature_set": feature_set,
                            "class": name,
                            "fold": fold,
                            "label": labels.loc[rows.participants.tolist()].to_numpy(),
                            "probability": 1 / (1 + np.exp(-(score + panel.prior))),
                            "score": score,
                        }
                    )
                )
    empty = pd.DataFrame(columns=list(PREDICTIONS))
    joined = pd.concat(predictions, ignore_index=True) if predictions else empty
    joined = joined.assign(task=task_name, repeat=repeat, model=PANEL_MODEL)[list(PREDICTIONS)]
    order = ["feature_set", "class", "fold", "participant"]
    write_table(joined.sort_values(order, ignore_index=True), predictions_path, digits=9)
    columns = ["feature_set", "class", "fold", "block", "feature"]
    write_table(pd.DataFrame(chosen, columns=columns).sort_values(columns, ignore_index=True), chosen_path)


def choose_final_panel(
    *,
    task_name: str,
    sources: Sources,
    choices: Choices,
    epoch: int,
    shuffled: bool,
    predictions: Sequence[PathLike],
    chosen: Sequence[PathLike],
    panel_path: PathLike,
    summary_path: PathLike,
    performance_path: PathLike,
    model_path: PathLike,
) -> None:
    """Choose the panel on all participants; write it, its stability, and the procedure's performance over the folds.

    The frozen panel is a model like that of `steps.freeze_model`, of the markers alone: `immunosep predict` takes it.
    `epoch` and `shuffled` as there. By the tables, log odds are the intercept and, of each marker, coefficient x (value
    - centre) / scale; `fill` stands for a value that was not measured. The panel on all participants is not validated
    as such: the performance is that of choosing and fitting anew in every fold.
    """
    rows: list[tuple] = []
    summary: list[tuple] = []
    performance = pd.DataFrame(columns=list(PERFORMANCE))
    content: dict[str, Any] = {"status": "not run: the task has no folds"}
    if len(read_table(sources.folds)):
        inputs = load_inputs(task_name, sources, choices)
        folds = pd.concat([read_table(path) for path in chosen], ignore_index=True)
        total = len(read_table(sources.folds)[["repeat", "fold"]].drop_duplicates())
        again = folds.value_counts(["feature_set", "class", "block", "feature"])
        rule = panel_rule(choices.biomarkers)
        frozen: dict[str, dict[str, Any]] = {}
        for feature_set, name, labels in _questions(inputs):
            seed = derive_seed(choices.seed, "panel", "final")
            trained = train_panel(inputs, feature_set, labels, choices, seed)
            panel = trained.panel
            if panel.model is not None:
                frozen.setdefault(feature_set, {})[name] = frozen_panel(trained, inputs.blocks)
            for place, column in enumerate(panel.columns):
                block, feature = trained.names[column]
                coefficient = float(panel.model.coef_[0][place]) if panel.model is not None else np.nan
                in_folds = again.get((feature_set, name, block, feature), 0) / total
                own = (task_name, feature_set, name, place + 1, block, feature, panel.stability.frequency[column])
                around = (panel.scaler.mean_[column], panel.scaler.scale_[column], panel.imputer.statistics_[column])
                rows.append((*own, coefficient, *around, in_folds))
            note = "" if panel.columns.size else f"no feature is chosen in {rule.frequency:.0%} of the halves"
            told = panel.stability
            intercept = panel.prior if panel.model is None else float(panel.model.intercept_[0])
            found = (panel.columns.size, intercept, told.phi, told.entered, told.expected_false, 2 * rule.pairs)
            summary.append((task_name, feature_set, name, *found, note))
        predicted = pd.concat(
            [pd.read_csv(path, sep="\t", dtype={"participant": str, "class": str}) for path in predictions]
        )
        seed = derive_seed(choices.seed, "bootstrap", task_name, PANEL_MODEL)
        performance = performance_table(predicted, task_name, bootstrap=choices.biomarkers["bootstrap"], seed=seed)
        content = model_facts(inputs, read_table(sources.folds), frozen)
        if not frozen:
            content = {"status": f"no feature is chosen in {rule.frequency:.0%} of the halves"}
    write_model({**model_header(task_name, epoch=epoch, shuffled=shuffled), **content}, model_path)
    write_table(pd.DataFrame(rows, columns=PANEL), panel_path)
    write_table(pd.DataFrame(summary, columns=SUMMARY), summary_path)
    write_table(performance, performance_path)


def panel_rule(biomarkers: Mapping[str, Any]) -> PanelRule:
    """Read `biomarkers.panel` of the configuration."""
    return PanelRule(**biomarkers["panel"])


def _questions(inputs: Inputs) -> list[tuple[str, str, pd.Series]]:
    classes = inputs.classes.sort_index()
    return [
        (feature_set, name, labels)
        for feature_set in inputs.task.feature_sets
        for name, labels in contrasts(inputs.task, classes).items()
    ]


class TrainedPanel(NamedTuple):
    """A panel, and what it was chosen from.

    Attributes
    ----------
    panel
        Fitted on the training participants.
    table
        Everyone's values of the training's features, a row per participant (mean of the rows).
    names
        Block and name of each column of the table.
    layers
        By block, the fitted preparation and which of its columns stand in the table.
    """

    panel: Panel
    table: Predictors
    names: list[tuple[str, str]]
    layers: dict[str, tuple[Preparation, NDArray[np.intp]]]


def train_panel(inputs: Inputs, feature_set: str, labels: pd.Series, choices: Choices, seed: int) -> TrainedPanel:
    """Prepare the layers on the training participants and choose a panel.

    Parameters
    ----------
    inputs
        Of the task.
    feature_set
        full, no_definers or no_definers_strict.
    labels
        0 or 1 by training participant.
    choices, seed
        As in the configuration; seed of the halves.
    """
    prepared, layers = [], {}
    for name, block in sorted(inputs.blocks.items()):
        # Which features follow a definer is asked of the training rows alone.
        training = block.rows(labels.index).feature_set(feature_set)
        if name in NOT_LAYERS or training.empty:
            continue
        fitted = clone(training.preparation).fit(training.values, **training.fit_params)
        whole = block.prepared(fitted)
        varying = most_variable(fitted.transform(training.values), choices.biomarkers["max_features"])
        if varying.size:
            layers[name] = fitted, varying
            prepared.append(
                Predictors(
                    name,
                    whole.values[:, varying],
                    whole.observations,
                    whole.participants,
                    whole.features[varying],
                    whole.definer[varying],
                )
            )
    table, views = stack(prepared)
    means = pd.DataFrame(table.values).groupby(table.participants, sort=True).mean()
    persons = means.index.to_numpy().astype(str)
    table = Predictors(PANEL_MODEL, means.to_numpy(), persons, persons, table.features, table.definer)
    training = table.rows(labels.index)
    panel = choose_panel(
        training.values, labels.loc[training.participants.tolist()].to_numpy(), panel_rule(choices.biomarkers), seed
    )
    names = [(view, feature.removeprefix(f"{view}:")) for view, feature in zip(views, table.features, strict=True)]
    return TrainedPanel(panel, table, names, layers)


def frozen_panel(trained: TrainedPanel, blocks: Mapping[str, Predictors]) -> dict[str, Any]:
    """Return a panel with a marker as plain containers, without any participant in it; see `apply.apply_model`.

    Parameters
    ----------
    trained
        On all participants.
    blocks
        Predictors of training, for the names of the features.
    """
    panel = trained.panel
    assert panel.model is not None
    views = np.array([view for view, _ in trained.names])
    layers, order = {}, []
    for name, (fitted, varying) in trained.layers.items():
        # The markers of this layer, as columns of its part of the table.
        own = panel.columns[views[panel.columns] == name]
        if own.size:
            narrow, columns = fitted.only(varying[own - np.flatnonzero(views == name)[0]])
            needed, preparation = narrow.reduced()
            layers[name] = {
                "features": blocks[name].features[needed],
                "preparation": preparation,
                "columns": columns,
            }
            order += own.tolist()
    place = [panel.columns.tolist().index(column) for column in order]
    scaled = (trained.table.values[:, order] - panel.scaler.mean_[order]) / panel.scaler.scale_[order]
    return {
        "layers": layers,
        "fill": panel.imputer.statistics_[order].astype(np.float64),
        "centre": panel.scaler.mean_[order],
        "scale": panel.scaler.scale_[order],
        "coefficients": panel.model.coef_[0][place],
        "intercept": float(panel.model.intercept_[0]),
        "cloud": typical(spread_out(scaled)),
    }
