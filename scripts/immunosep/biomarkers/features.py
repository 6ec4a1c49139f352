"""Predictors as they were measured; the folds choose among them and bring them on their scale.

The X of a layer's AnnData is normalised over the cohort (a VST trend, a set of common genera) and is not used here
where counts exist. What is still made over the cohort is named by `frozen_upstream` and stated in the model card.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from sklearn.base import clone

from immunosep.biomarkers.classes import person_table
from immunosep.biomarkers.clock import FIRST_DOSE_DAY
from immunosep.biomarkers.preparation import LogCpm, LogRatios, MeasuredValues, Preparation
from immunosep.biomarkers.tasks import Task
from immunosep.endpoints.columns import SCREENED
from immunosep.errors import InputError
from immunosep.integration.factors import dense
from immunosep.layer import TRANSCRIPTS, flag
from immunosep.masking import masked_here

logger = logging.getLogger(__name__)

#: Blocks that are no layer.
NOT_LAYERS = ("clinical", "missingness")
#: Rank correlation with ferritin or HLA-DR from which a feature is left out of `no_definers_strict`.
STRICT_CORRELATION = 0.7


@dataclass(frozen=True)
class Predictors:
    """One block of predictors.

    Attributes
    ----------
    name
        Modality, or `clinical`.
    values
        (rows, features) counts where there are any, else values, NaN where not measured; rows sorted by observation.
    observations, participants
        Per row.
    features
        Names of the columns.
    definer
        Per column: it measures what defines the endotype.
    preparation
        Unfitted transformer from `values` to predictors; it knows which columns may be used.
    below_lod
        (rows, features): the value lies below the limit of detection. None where no such limit is known.
    definer_values
        (rows, k) what defines the endotype as the laboratory measured it, NaN where not; None where it is not known.
    """

    name: str
    values: NDArray[np.float64]
    observations: NDArray[np.str_]
    participants: NDArray[np.str_]
    features: NDArray[np.str_]
    definer: NDArray[np.bool_]
    preparation: Preparation = field(default_factory=MeasuredValues)
    below_lod: NDArray[np.bool_] | None = None
    definer_values: NDArray[np.float64] | None = None

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Columns that may predict."""
        given = self.preparation.usable
        return np.ones(self.features.size, dtype=bool) if given is None else np.asarray(given, dtype=bool)

    @property
    def empty(self) -> bool:
        """Whether there is no row, or no column that may predict."""
        return not (self.participants.size and self.usable.any())

    @property
    def fit_params(self) -> dict[str, NDArray]:
        """What the preparation's `fit` is given beside the values, per row."""
        return {} if self.below_lod is None else {"below_lod": self.below_lod}

    def rows(self, participants: Sequence[str] | pd.Index) -> "Predictors":
        """Return the rows of the given participants."""
        return self.take(np.isin(self.participants, np.asarray(participants, dtype=str)))

    def take(self, keep: NDArray[np.bool_]) -> "Predictors":
        """Return some of the rows."""
        return replace(
            self,
            values=self.values[keep],
            observations=self.observations[keep],
            participants=self.participants[keep],
            below_lod=None if self.below_lod is None else self.below_lod[keep],
            definer_values=None if self.definer_values is None else self.definer_values[keep],
        )

    def feature_set(self, name: str) -> "Predictors":
        """Return the block of a feature set; its columns stay, fewer of them may predict.

        `full`; `no_definers`: without what measures ferritin or HLA-DR; `no_definers_strict`: also without what goes
        with either of them, or with the count of monocytes, in these rows, |Spearman's rho| of 0.7 or more, so that it
        is to be asked of training rows.
        """
        if name == "full":
            return self
        if name not in ("no_definers", "no_definers_strict"):
            raise ValueError(f"unknown feature set {name}")
        usable = self.usable & ~self.definer
        if name == "no_definers_strict" and self.name not in NOT_LAYERS:
            if self.definer_values is None:
                raise ValueError(f"{self.name}: no_definers_strict needs the values of the definers")
            usable &= ~self._follows_definers()
        return replace(self, preparation=clone(self.preparation).set_params(usable=usable))

    def _follows_definers(self) -> NDArray[np.bool_]:
        """Flag the columns that go with a definer in these rows, on their own scale."""
        follows = np.zeros(self.features.size, dtype=bool)
        if self.definer_values is None or self.empty:
            return follows
        fitted = clone(self.preparation).fit(self.values, **self.fit_params)
        ranks = pd.DataFrame(fitted.transform(self.values)).rank().to_numpy()
        definers = pd.DataFrame(self.definer_values).rank().to_numpy()
        strongest = np.max([np.abs(_correlation(ranks, definer)) for definer in definers.T], axis=0)
        follows[fitted.columns_] = strongest >= STRICT_CORRELATION
        return follows

    def prepared(self, fitted: Preparation) -> "Predictors":
        """Return the block on its scale, reduced to the features that a fitted preparation chose."""
        columns = fitted.columns_
        return Predictors(
            self.name,
            fitted.transform(self.values) if self.participants.size else np.empty((0, columns.size)),
            self.observations,
            self.participants,
            self.features[columns],
            self.definer[columns],
        )


def _correlation(columns: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r of each column with another, over the rows in which both are there; 0 where none exists."""
    both = np.isfinite(columns) & np.isfinite(other)[:, None]
    x, y = np.where(both, columns, 0.0), np.where(np.isfinite(other), other, 0.0)
    n, sum_x, sum_y = both.sum(axis=0), x.sum(axis=0), both.T @ y
    shared = n * (x.T @ y) - sum_x * sum_y
    spread = (n * (x**2).sum(axis=0) - sum_x**2) * (n * (both.T @ y**2) - sum_y**2)
    return np.divide(shared, np.sqrt(np.maximum(spread, 0)), out=np.zeros(shared.size), where=spread > 0)


def predicting_rows(obs: pd.DataFrame, name: str, days: Sequence[int], *, baseline: bool = False) -> NDArray[np.bool_]:
    """Flag the samples of a modality that may predict.

    Parameters
    ----------
    obs
        visit_day; pre_dose (yes, no or empty) where the manifest tells.
    name
        Modality, for messages.
    days
        Visit days; empty for all rows of a cohort without days.
    baseline
        Of the day of the first dose only samples that were surely taken before it: a later one holds the drug. A
        matrix without `pre_dose` is believed.

    Raises
    ------
    InputError
        If no sample of that day is said to be from before the first dose.
    """
    day = obs["visit_day"]
    keep = np.ones(len(obs), dtype=bool) if not len(days) else day.isin(list(days)).to_numpy()
    first = keep & (day == FIRST_DOSE_DAY).to_numpy()
    if not baseline or "pre_dose" not in obs or not first.any():
        return keep
    before = (obs["pre_dose"].astype(str) == "yes").to_numpy()
    if not (first & before).any():
        raise InputError(
            f"layer {name}: none of {first.sum()} samples of day {FIRST_DOSE_DAY} is said to be from before the first "
            "dose, and a baseline task has nothing to predict from. Write pre_dose=yes in the manifest where it is so."
        )
    if (late := int((first & ~before).sum())) > 0:
        logger.info("layer %s: %d samples of day %d not surely before the first dose", name, late, FIRST_DOSE_DAY)
    return keep & (before | ~first)


def omics_predictors(
    layers: Mapping[str, AnnData],
    days: Sequence[int],
    filters: Mapping[str, Mapping[str, Any]],
    *,
    baseline: bool = False,
    drugs: bool = False,
) -> dict[str, Predictors]:
    """Return each modality's predictors on the given days.

    Parameters
    ----------
    layers
        By modality, rows named by observation (`integration.assemble.read_layer`); all features, not the cohort's
        choice.
    days
        Visit days; empty for all rows of a cohort without days.
    filters
        By layer, the options of the configuration by which features are chosen (`preparation_of`).
    baseline
        See `predicting_rows`.
    drugs
        The drugs' own analytes may predict too, else only what they move (transcripts, peaks) and only where no sample
        is from after the first dose: HLA-DR genes define the endotype before the drug moves them.

    Returns
    -------
    dict of Predictors
        By modality; a modality without a row on these days is left out.

    Raises
    ------
    InputError
        If no days are named and a layer has some: all visits together would look into every outcome.
    """
    result = {}
    for name, data in layers.items():
        if not len(days) and data.obs["visit_day"].notna().any():
            found = ", ".join(f"{day:g}" for day in sorted(data.obs["visit_day"].dropna().unique()))
            raise InputError(f"layer {name} has visit days ({found}) and the task names none: say which may predict.")
        keep = predicting_rows(data.obs, name, days, baseline=baseline)
        if not keep.any():
            logger.info("layer %s has no sample on days %s", name, list(days))
            continue
        part = data[keep]
        part = part[np.argsort(part.obs_names.to_numpy().astype(str), kind="stable")]
        values = dense(part.layers.get("counts", part.X))
        # Masked on one of these days: it neither predicts nor, where counts are shares of a total, counts for that.
        masked = masked_here(part)
        values[:, masked] = 0 if "counts" in part.layers else np.nan
        moved = name in TRANSCRIPTS and not (part.obs["visit_day"] > FIRST_DOSE_DAY).any()
        result[name] = Predictors(
            name,
            values,
            part.obs_names.to_numpy().astype(str),
            part.obs["participant"].astype(str).to_numpy().astype(str),
            part.var_names.to_numpy().astype(str),
            flag(part.var, "definer"),
            preparation_of(part, name, filters, ~masked, drugs=drugs or moved),
            np.asarray(part.layers["below_lod"], dtype=bool) if "below_lod" in part.layers else None,
        )
    return result


def preparation_of(
    data: AnnData,
    modality: str,
    filters: Mapping[str, Mapping[str, Any]],
    shown: NDArray[np.bool_] | bool = True,
    *,
    drugs: bool = False,
) -> Preparation:
    """Return the unfitted transformer of a modality.

    Parameters
    ----------
    data
        With `layers["counts"]`, it is prepared as a composition (microbiome) or as log counts per million; else its
        values are taken as they are (NPX, ready matrices).
    modality
        Its name.
    filters
        By layer: `min_count` and `min_fraction` (RNA), `min_cpm` and `min_fraction` (ATAC), `min_prevalence` and
        `pseudocount` (microbiome), `min_detected` (proteome). A layer that is not named keeps all its features.
    shown
        Features that are not masked.
    drugs
        What is flagged as a drug's analyte may be chosen.
    """
    layer = "microbiome" if modality.startswith("microbiome") else modality
    options = filters.get(layer, {})
    usable = (drugs | ~flag(data.var, "drug_analyte")) & shown
    if "counts" not in data.layers:
        return MeasuredValues(usable, options.get("min_detected", 0))
    if layer == "microbiome":
        return LogRatios(usable, **options)
    return LogCpm(usable, ~flag(data.var, "globin"), **options)


def frozen_upstream(layers: Mapping[str, AnnData]) -> list[str]:
    """Say of each modality what about it was made over the whole cohort, before the folds and without labels."""
    stated = []
    for name, data in sorted(layers.items()):
        made = data.uns.get("immunosep", {})
        text = made.get("frozen_upstream") or made.get("method") or "ready matrix, as delivered"
        normalization = made.get("normalization")
        stated.append(f"{name}: {text}" + (f", normalisation {normalization}" if normalization else ""))
    return stated


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
    table = person_table(labels, participants)
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


def clinical_scale(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring a clinical number on the scale on which it predicts: log2 of what spreads over orders of magnitude."""
    return np.log2(np.where(values > 0, values, np.nan)) if name in SCREENED else values


def _encode(column: pd.Series) -> pd.DataFrame:
    """Return a numeric column as it is, a category as indicator columns without its first value."""
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    number = pd.to_numeric(text.where(text != ""), errors="coerce")
    if (text != "").any() and number[text != ""].notna().all():
        return pd.DataFrame({column.name: clinical_scale(str(column.name), number.to_numpy(float))}, index=column.index)
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
