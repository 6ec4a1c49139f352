"""Whom and what the frozen models were trained on, as counts: what the model card and the report say of the data."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from immunosep.biomarkers.compare import subgroup_levels
from immunosep.biomarkers.features import NOT_LAYERS, Predictors
from immunosep.biomarkers.tasks import Task

TRAINING: Final = ("kind", "name", "level", "class", "n", "of", "value")
#: Block that stands for all layers together.
ANY_LAYER: Final = "any layer"
QUANTILES: Final = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}

Row = dict[str, Any]


def training_table(
    task: Task,
    classes: pd.Series,
    blocks: Mapping[str, Predictors],
    labels: pd.DataFrame,
    participants: pd.DataFrame | None,
) -> pd.DataFrame:
    """Count the participants of a task and what was measured of them.

    Parameters
    ----------
    task, classes
        The task, and the class of each of its participants.
    blocks
        Predictors.
    labels, participants
        Label table; clinical table of participants, or None.

    Returns
    -------
    pandas.DataFrame
        Columns `TRAINING`, long. Kind `class`: participants of each. `left_out`: who stands in the label table and is
        not of the task, by the reason. `sites`: how many there are. `group`: participants by class and by what
        subgroups are made of, and by endotype where it is seen. `block`: participants with a sample (`level` sampled,
        of all of the class) and the share of missing values in it (missing), the features that may predict (features)
        and those of them that measure a definer (definers). `measure`: quartiles of the numeric clinical predictors.
    """
    sizes = classes.value_counts().sort_index()
    rows: list[Row] = [{"kind": "class", "name": name, "n": n} for name, n in sizes.items()]
    rows += _left_out(task, classes, labels)
    if "site" in labels:
        rows.append({"kind": "sites", "n": labels.loc[labels["participant"].isin(classes.index), "site"].nunique()})
    levels = subgroup_levels(labels, participants, task.target)
    if "endotype" in labels and task.target != "endotype":
        levels["endotype"] = labels.set_index("participant")["endotype"]
    levels = levels.reindex(classes.index)
    for variable in levels:
        known = levels[variable].replace("", "not known")
        for level, line in pd.crosstab(known, classes).iterrows():
            own = {"kind": "group", "name": variable, "level": level}
            rows += [{**own, "class": name, "n": n} for name, n in line.items()]
    for name, block in sorted(blocks.items()):
        if name not in NOT_LAYERS:
            rows += _block(block, classes)
    sampled = {name for key, block in blocks.items() if key not in NOT_LAYERS for name in block.participants.tolist()}
    rows += _sampled(ANY_LAYER, sampled, classes)
    if "clinical" in blocks:
        rows += _measures(blocks["clinical"], classes)
    table = pd.DataFrame(rows, columns=list(TRAINING))
    return table.astype({"n": "Int64", "of": "Int64"})


def _left_out(task: Task, classes: pd.Series, labels: pd.DataFrame) -> list[Row]:
    """Count who is in the label table and not among the task's participants, by the reason."""
    own = labels.set_index("participant")
    others = own.drop(index=classes.index.intersection(own.index))
    values = others[task.target].astype(str).str.strip()
    known = set(classes) if task.classes is None else {value for group in task.classes for value in group}
    reasons = values.where(~values.isin(known), "has a class, and is not of the population")
    reasons = reasons.where(values != "", "no value")
    if "randomised" in others:
        reasons = reasons.where(others["randomised"] == "yes", "not randomised: " + reasons)
    counts = reasons.value_counts().sort_index()
    return [{"kind": "left_out", "name": str(reason), "n": n} for reason, n in counts.items()]


def _block(block: Predictors, classes: pd.Series) -> Iterator[Row]:
    """Describe a layer: who was sampled, how many features may predict, and how much of them is missing."""
    yield from _sampled(block.name, set(block.participants.tolist()), classes)
    own = {"kind": "block", "name": block.name}
    yield {**own, "level": "features", "n": int(block.usable.sum())}
    yield {**own, "level": "definers", "n": int((block.usable & block.definer).sum())}
    gaps = np.isnan(block.values[:, block.usable])
    for name in sorted(classes.unique()):
        part = gaps[np.isin(block.participants, classes.index[classes == name].to_numpy(dtype=str))]
        if part.size:
            yield {**own, "level": "missing", "class": name, "value": float(part.mean())}


def _sampled(name: str, sampled: set[str], classes: pd.Series) -> list[Row]:
    has = classes.index.isin(sampled)
    own = {"kind": "block", "name": name, "level": "sampled"}
    return [
        {**own, "class": level, "n": int(has[classes == level].sum()), "of": int((classes == level).sum())}
        for level in sorted(classes.unique())
    ]


def _measures(block: Predictors, classes: pd.Series) -> Iterator[Row]:
    """Give the quartiles of each clinical predictor that is a number."""
    part = block.rows(classes.index)
    for column, feature in enumerate(part.features.tolist()):
        values = part.values[:, column]
        known = values[np.isfinite(values)]
        if "=" in feature or not known.size:
            continue
        for level, share in QUANTILES.items():
            own = {"kind": "measure", "name": feature, "level": level, "n": known.size, "of": values.size}
            yield {**own, "value": float(np.quantile(known, share))}
