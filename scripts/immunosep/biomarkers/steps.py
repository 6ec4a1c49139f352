"""The rules of the biomarker stage: files in, files out.

Every step reads its inputs through `load_inputs`, so that repeats, permutations and the frozen model see the same
participants and the same predictors.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunosep.biomarkers.apply import FORMAT
from immunosep.biomarkers.blocks import definer_table, presence, with_definers
from immunosep.biomarkers.classes import remark_of
from immunosep.biomarkers.crossvalidate import PREDICTIONS, evaluate_repeat, permutation_strata, permute_task
from immunosep.biomarkers.evaluate import PERFORMANCE, curves_table, performance_table, read_predictions
from immunosep.biomarkers.features import Predictors, clinical_predictors, frozen_upstream, omics_predictors
from immunosep.biomarkers.frozen import data_digest, frozen_content, versions, write_model
from immunosep.biomarkers.guard import may_predict
from immunosep.biomarkers.models import Settings, fit_factors, fit_models
from immunosep.biomarkers.splits import derive_seed
from immunosep.biomarkers.tasks import Task, contrasts, load_task
from immunosep.biomarkers.training import TRAINING, training_table
from immunosep.integration.assemble import read_layer
from immunosep.io import PathLike, read_clinical, read_table, write_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """The files that evaluation, permutation and the frozen model of a task are made from.

    Attributes
    ----------
    matrices
        Layer matrices by modality, with all their features.
    labels
        Label table.
    participants
        Clinical table of participants, or None.
    folds
        Table of `split_folds`, which holds the classes.
    classification
        Sealed table with the measured definers of the endotype, for `no_definers_strict`; None for none.
    """

    matrices: Mapping[str, PathLike]
    labels: PathLike
    participants: PathLike | None
    folds: PathLike
    classification: PathLike | None = None


@dataclass(frozen=True)
class Choices:
    """The parts of the configuration that the models depend on.

    Attributes
    ----------
    biomarkers, integration
        Sections of these names; of the tasks, the own one is enough.
    filters
        By layer, the options by which features are chosen (`features.preparation_of`).
    seed
        Seed of the configuration.
    """

    biomarkers: Mapping[str, Any]
    integration: Mapping[str, Any]
    filters: Mapping[str, Mapping[str, Any]]
    seed: int

    @property
    def settings(self) -> Settings:
        """The models' settings."""
        return Settings(
            max_features=self.biomarkers["max_features"],
            selected_features=tuple(self.biomarkers["selected_features"]),
            penalty=tuple(self.biomarkers["penalty"]),
            inner_folds=self.biomarkers["cv"]["inner_folds"],
            factors=self.biomarkers["factors"],
            min_features=self.integration["min_features"],
            iterations=self.integration["iterations"],
            convergence=self.integration["convergence"],
            drop_r2=self.integration["drop_r2"],
            l1_ratio=tuple(self.biomarkers["l1_ratio"]),
            trees=self.biomarkers["trees"],
        )


@dataclass(frozen=True)
class Inputs:
    """What a step works on; `upstream` says what was made over the cohort (`features.frozen_upstream`)."""

    task: Task
    classes: pd.Series
    strata: pd.Series
    blocks: dict[str, Predictors]
    upstream: list[str]


def load_inputs(task_name: str, sources: Sources, choices: Choices) -> Inputs:
    """Read the predictors of a task, and the classes that its folds were drawn for."""
    task = load_task(task_name, choices.biomarkers)
    labels = read_table(sources.labels)
    folds = read_table(sources.folds).drop_duplicates("participant")
    classes = folds.set_index("participant")["class"].sort_index()
    layers = {}
    for modality, path in sources.matrices.items():
        if may_predict(modality, task.layers):
            layers.update(read_layer(path, modality))
    blocks = omics_predictors(layers, task.days, choices.filters, baseline=task.baseline, drugs=task.shows_drugs)
    participants = read_clinical(sources.participants, "participants") if sources.participants else None
    clinical = clinical_predictors(task, labels, participants)
    if clinical is not None:
        blocks["clinical"] = clinical
    if "missingness" in task.comparators:
        blocks["missingness"] = presence(blocks, classes.index)
    if "no_definers_strict" in task.feature_sets:
        sealed = read_clinical(sources.classification, "classification") if sources.classification else None
        blocks = with_definers(blocks, definer_table(labels, sealed))
    strata = permutation_strata(task, labels.set_index("participant"))
    return Inputs(task, classes, strata, blocks, frozen_upstream(layers))


def evaluate_one_repeat(
    *, task_name: str, repeat: str, sources: Sources, choices: Choices, predictions_path: PathLike
) -> None:
    """Predict every participant of one repeat by models fitted without them; columns `crossvalidate.PREDICTIONS`.

    `repeat` is a number, or a scheme of the folds by place.
    """
    folds = read_table(sources.folds)
    number = int(repeat) if repeat.isdecimal() else 1
    if "scheme" in folds:
        folds = folds[folds["scheme"] == repeat]
    if folds.empty:
        write_table(pd.DataFrame(columns=list(PREDICTIONS)), predictions_path)
        return
    inputs = load_inputs(task_name, sources, choices)
    table = evaluate_repeat(
        inputs.task, inputs.blocks, inputs.classes, folds, choices.settings, repeat=number, seed=choices.seed
    )
    write_table(table, predictions_path, digits=9)


def summarise_task(
    *,
    task_name: str,
    bootstrap: int,
    seed: int,
    classes_path: PathLike,
    repeats: Sequence[PathLike],
    predictions_path: PathLike,
    performance_path: PathLike,
    curves_path: PathLike,
) -> None:
    """Join the repeats; write predictions, performance (`evaluate.PERFORMANCE`) and the points of the curves.

    What the table of classes says of the whole task stands in the note of every row of the performance.
    """
    parts = [read_predictions(path) for path in repeats]
    filled = [part for part in parts if len(part)]
    predictions = pd.concat(filled, ignore_index=True) if filled else parts[0]
    write_table(predictions, predictions_path, digits=9)
    told = read_table(classes_path)
    remark = remark_of(told)
    if predictions.empty:
        enough = (told["enters"] == "yes").any()
        note = "no layer has a sample on the task's days" if enough else remark
        performance = pd.DataFrame([{"task": task_name, "note": note}], columns=list(PERFORMANCE))
    else:
        performance = performance_table(
            predictions, task_name, bootstrap=bootstrap, seed=derive_seed(seed, "bootstrap", task_name)
        )
        performance["note"] = [
            "; ".join(part for part in (own, remark) if part) for own in performance["note"].fillna("")
        ]
    write_table(performance, performance_path)
    write_table(curves_table(predictions, task_name), curves_path)


def freeze_model(
    *,
    task_name: str,
    sources: Sources,
    choices: Choices,
    epoch: int,
    shuffled: bool,
    performance_path: PathLike,
    model_path: PathLike,
    training_path: PathLike,
) -> None:
    """Refit every model of a task on all participants; write it as a skops file, and whom and what it was trained on.

    `epoch` is the number of withdrawals of consent before: a model of a lower epoch may rest on somebody who withdrew.
    With `shuffled` labels, made for a dry run, the file says so.
    """
    folds = read_table(sources.folds)
    header = model_header(task_name, epoch=epoch, shuffled=shuffled)
    if folds.empty:
        write_model({**header, "status": read_table(performance_path)["note"].iloc[0]}, model_path)
        write_table(pd.DataFrame(columns=list(TRAINING)), training_path)
        return
    inputs = load_inputs(task_name, sources, choices)
    inputs.blocks.pop("missingness", None)  # tells of the data and is nobody's model
    task, classes = inputs.task, inputs.classes
    settings = choices.settings
    own_seed = derive_seed(choices.seed, "frozen")
    fitted: dict[str, Any] = {}
    for feature_set in task.feature_sets:
        factors = (
            fit_factors(feature_set, inputs.blocks, classes.index, settings, own_seed)
            if "mofa" in task.comparators
            else None
        )
        fitted[feature_set] = {
            name: frozen_content(
                fit_models(task, feature_set, inputs.blocks, labels, settings, own_seed, factors), inputs.blocks
            )
            for name, labels in contrasts(task, classes).items()
        }
    write_model({**header, **model_facts(inputs, folds, fitted)}, model_path)
    participants = read_clinical(sources.participants, "participants") if sources.participants else None
    labels = read_table(sources.labels)
    write_table(training_table(task, classes, inputs.blocks, labels, participants), training_path)


def model_header(task_name: str, *, epoch: int, shuffled: bool) -> dict[str, Any]:
    """Return what every model file says, be there a model or not; see `freeze_model`."""
    labels = "shuffled" if shuffled else "as derived"
    return {"format": FORMAT, "task": task_name, "labels": labels, "epoch": epoch}


def model_facts(inputs: Inputs, folds: pd.DataFrame, models: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a model file behind its header: the models, and what they were fitted on."""
    return {
        "frozen_upstream": inputs.upstream,
        "status": "fitted",
        "target": inputs.task.target,
        "days": list(inputs.task.days),
        "baseline": inputs.task.baseline,
        "models": models,
        "data_sha256": data_digest(inputs.blocks, inputs.classes),
        "folds_sha256": folds["digest"].iloc[0],
        "versions": versions(),
    }


def permute(
    *, task_name: str, permutation: int, sources: Sources, choices: Choices, performance_path: PathLike
) -> None:
    """Run the whole pipeline on permuted classes; write task, permutation, model, feature_set, class, n, auroc."""
    columns = ["task", "permutation", "model", "feature_set", "class", "n", "auroc"]
    if read_table(sources.folds).empty:
        write_table(pd.DataFrame(columns=columns), performance_path)
        return
    inputs = load_inputs(task_name, sources, choices)
    predictions = permute_task(
        inputs.task,
        inputs.blocks,
        inputs.classes,
        inputs.strata,
        choices.settings,
        folds=choices.biomarkers["cv"]["outer_folds"],
        permutation=permutation,
        seed=choices.seed,
    )
    table = performance_table(predictions, task_name, bootstrap=1, seed=1).assign(permutation=permutation)
    write_table(table[columns], performance_path)


def collect_permutations(*, parts: Sequence[PathLike], predictions_path: PathLike, permutations_path: PathLike) -> None:
    """Join the permutations and add each model's p value.

    A permutation runs one repeat of the folds, so it is compared with the first repeat of the real classes:
    `auroc_observed` is that repeat's. The mean over all repeats in the table of performance varies less than a single
    one and would look more unusual than it is. p = (1 + permutations at least as good) / (1 + `n_permutations`), the
    permutations that have an AUROC; it is missing where there is none.

    Parameters
    ----------
    parts
        Tables of `permute`.
    predictions_path
        Predictions of all repeats.
    permutations_path
        Target: the parts' columns, auroc_observed, n_permutations, p_value.
    """
    table = pd.concat([pd.read_csv(path, sep="\t", dtype={"class": str}) for path in parts], ignore_index=True)
    keys = ["task", "model", "feature_set", "class"]
    predictions = read_predictions(predictions_path)
    first = predictions[predictions["repeat"] == 1]
    task_name = str(first["task"].iloc[0]) if len(first) else ""
    observed = performance_table(first, task_name, bootstrap=1, seed=1)[[*keys, "auroc"]]
    merged = table.merge(observed.rename(columns={"auroc": "auroc_observed"}), on=keys, how="left")
    compared = merged["auroc"].notna() & merged["auroc_observed"].notna()
    by_model = [merged[key] for key in keys]
    reached = (compared & (merged["auroc"] >= merged["auroc_observed"])).groupby(by_model).transform("sum")
    merged["n_permutations"] = compared.groupby(by_model).transform("sum")
    merged["p_value"] = ((1 + reached) / (1 + merged["n_permutations"])).where(merged["n_permutations"] > 0)
    write_table(merged.sort_values([*keys, "permutation"]), permutations_path)
