"""Predictors: matrices on a scale that each sample reaches alone, so that nothing is learned before the folds.

The X of a layer's AnnData is normalised over the cohort (a VST trend) and is not used here where counts exist. What
stays cohort-wide is the list of features itself: the genes and genera that are common enough among the libraries, and
the consensus peaks, of all visits. The lists do not know the labels; they are frozen upstream and stated in the model
card.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData
from numpy.typing import NDArray

from immunosep.biomarkers.tasks import Task
from immunosep.compositions import clr
from immunosep.errors import InputError
from immunosep.integration.factors import dense
from immunosep.layer import flag

logger = logging.getLogger(__name__)

PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class Predictors:
    """One block of predictors.

    Attributes
    ----------
    name
        Modality, or `clinical`.
    values
        (rows, features), NaN where not measured; rows sorted by observation.
    observations, participants
        Per row.
    features
        Names of the columns.
    definer
        Per column: it measures what defines the endotype.
    """

    name: str
    values: NDArray[np.float64]
    observations: NDArray[np.str_]
    participants: NDArray[np.str_]
    features: NDArray[np.str_]
    definer: NDArray[np.bool_]

    def rows(self, participants: Sequence[str] | pd.Index) -> "Predictors":
        """Return the rows of the given participants."""
        return self._rows(np.isin(self.participants, np.asarray(participants, dtype=str)))

    def _rows(self, keep: NDArray[np.bool_]) -> "Predictors":
        return Predictors(
            self.name,
            self.values[keep],
            self.observations[keep],
            self.participants[keep],
            self.features,
            self.definer,
        )

    def feature_set(self, name: str) -> "Predictors":
        """Return the columns of a feature set: full, or no_definers."""
        if name == "full":
            return self
        if name != "no_definers":
            raise ValueError(f"unknown feature set {name}")
        keep = ~self.definer
        return Predictors(
            self.name,
            self.values[:, keep],
            self.observations,
            self.participants,
            self.features[keep],
            self.definer[keep],
        )


def omics_predictors(data: MuData, days: Sequence[int]) -> dict[str, Predictors]:
    """Return each modality's predictors on the given days, without the drugs themselves.

    Parameters
    ----------
    data
        MuData of `integration.assemble`.
    days
        Visit days; empty for all rows of a cohort without days.

    Returns
    -------
    dict of Predictors
        By modality; a modality without a row on these days is left out.
    """
    result = {}
    for name, modality in data.mod.items():
        day = data.obs["visit_day"].reindex(modality.obs_names)
        keep = np.ones(modality.n_obs, dtype=bool) if not len(days) else day.isin(list(days)).to_numpy()
        if not keep.any():
            logger.info("layer %s has no sample on days %s", name, list(days))
            continue
        part = modality[keep]
        drug = flag(part.var, "drug_analyte")
        participants = data.obs["participant"].reindex(part.obs_names).astype(str).to_numpy()
        order = np.argsort(part.obs_names.to_numpy().astype(str), kind="stable")
        result[name] = Predictors(
            name,
            sample_scale(part, name)[order][:, ~drug],
            part.obs_names.to_numpy().astype(str)[order],
            participants[order],
            part.var_names.to_numpy().astype(str)[~drug],
            flag(part.var, "definer")[~drug],
        )
    return result


def sample_scale(data: AnnData, name: str) -> NDArray[np.float64]:
    """Return a layer on a scale that needs no other sample.

    log2 counts per million (pseudocount 0.5, as in limma's voom; globin genes do not count towards the total where
    `var["globin"]` says so) for RNA and ATAC, the centred log-ratio for the microbiome, X where there are no counts
    (NPX, ready matrices).

    Parameters
    ----------
    data
        Layer with `layers["counts"]` or only X.
    name
        Modality.

    Returns
    -------
    ndarray
        (n, D) float64.
    """
    if "counts" not in data.layers:
        return dense(data.X)
    counts = dense(data.layers["counts"])
    if name.startswith("microbiome"):
        return clr(counts, PSEUDOCOUNT)
    total = counts[:, ~flag(data.var, "globin")].sum(axis=1, keepdims=True)
    return np.log2((counts + PSEUDOCOUNT) / (total + 1) * 1e6)


def clinical_predictors(task: Task, labels: pd.DataFrame, participants: pd.DataFrame | None) -> Predictors | None:
    """Return the clinical predictors of a task, one row per participant.

    A category becomes one column of 0 and 1 per value; a missing value is NaN and is filled inside the fold.

    Parameters
    ----------
    task
        Names the predictors.
    labels
        Label table; holds `sofa_baseline`, `site`, `country`.
    participants
        Clinical table of participants, or None.

    Returns
    -------
    Predictors or None
        None when the task names no clinical predictor.

    Raises
    ------
    InputError
        If a predictor is in neither table.
    """
    if not task.clinical:
        return None
    table = labels.set_index("participant").sort_index()
    if participants is not None:
        keyed = participants.set_index(participants["site"] + "-" + participants["participant_code"])
        table = table.join(keyed[keyed.columns.difference(table.columns)])
    missing = [name for name in task.clinical if name not in table]
    if missing:
        raise InputError(
            f"biomarkers.clinical.{task.name}: {', '.join(missing)} stands in neither the label table nor the table of "
            "participants. Take it out of the list, or add the column."
        )
    blocks = [_encode(table[name]) for name in task.clinical]
    frame = pd.concat(blocks, axis=1)
    names = frame.index.to_numpy().astype(str)
    return Predictors(
        "clinical",
        frame.to_numpy(dtype=np.float64),
        names,
        names,
        frame.columns.to_numpy().astype(str),
        np.zeros(frame.shape[1], dtype=bool),
    )


def _encode(column: pd.Series) -> pd.DataFrame:
    """Return a numeric column as it is, a category as indicator columns without its first value."""
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    number = pd.to_numeric(text.where(text != ""), errors="coerce")
    if (text != "").any() and number[text != ""].notna().all():
        return number.astype(float).to_frame(name=column.name)
    levels = sorted(set(text) - {""})[1:]
    known = np.where(text == "", np.nan, 1.0)
    return pd.DataFrame({f"{column.name}={level}": (text == level) * known for level in levels}, index=column.index)


def stack(blocks: Sequence[Predictors]) -> tuple[Predictors, list[str]]:
    """Join blocks side by side on the union of their observations; a block not measured is NaN.

    Returns
    -------
    Predictors, list of str
        The joined block, and the block of each column.
    """
    pairs = pd.concat([pd.Series(block.participants, index=block.observations) for block in blocks])
    rows = pairs[~pairs.index.duplicated()].sort_index()
    parts, views = [], []
    for block in blocks:
        part = np.full((len(rows), block.features.size), np.nan)
        part[rows.index.get_indexer(block.observations)] = block.values
        parts.append(part)
        views += [block.name] * block.features.size
    return (
        Predictors(
            "joint",
            np.hstack(parts),
            rows.index.to_numpy().astype(str),
            rows.to_numpy().astype(str),
            np.concatenate([np.char.add(f"{block.name}:", block.features) for block in blocks]),
            np.concatenate([block.definer for block in blocks]),
        ),
        views,
    )
