"""New samples as the models of a frozen file want them: its features in their order, and whether the time is right."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from immunosep.biomarkers.clock import FIRST_DOSE_DAY
from immunosep.biomarkers.features import Predictors, clinical_scale
from immunosep.biomarkers.preparation import LogCpm, LogRatios, Preparation
from immunosep.errors import InputError
from immunosep.integration.factors import dense


class Samples:
    """New samples, and their values by the features of a model: many of its models take the same."""

    def __init__(self, layers: Mapping[str, AnnData], clinical: pd.DataFrame | None) -> None:
        self.layers = layers
        self.clinical = clinical
        # The features are kept beside, so that no other array can have their identity.
        self._blocks: dict[tuple[str, int, bool], tuple[Any, Predictors]] = {}

    def block(self, name: str, features: NDArray[np.str_], preparation: Preparation) -> Predictors | None:
        """Return the model's features of a block in their order, NaN where not measured; None without the block."""
        if name not in self.layers and (name != "clinical" or self.clinical is None):
            return None
        key = name, id(features), isinstance(preparation, (LogCpm, LogRatios))
        if key not in self._blocks:
            values, rows = self._clinical(features) if name == "clinical" else self._layer(name, features, preparation)
            names, nothing = np.asarray(features, dtype=str), np.zeros(len(features), dtype=bool)
            self._blocks[key] = features, Predictors(name, values.astype(float), rows, rows, names, nothing)
        return self._blocks[key][1]

    def _clinical(self, features: NDArray[np.str_]) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
        assert self.clinical is not None
        values = np.column_stack([clinical_value(self.clinical, feature) for feature in features])
        return values, self.clinical.index.to_numpy().astype(str)

    def _layer(
        self, name: str, features: NDArray[np.str_], preparation: Preparation
    ) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
        data = self.layers[name]
        counted = isinstance(preparation, (LogCpm, LogRatios))
        if counted and "counts" not in data.layers:
            raise InputError(f"{name}: the model takes counts, and the sample file has no layer `counts`.")
        matrix = dense(data.layers["counts"] if counted else data.X)
        # The index is that of the data itself, which is hashed once for all blocks.
        place = data.var_names.get_indexer(np.asarray(features, dtype=object))
        # A genus that a table of genera does not list was not found; any other feature was not measured.
        absent = 0.0 if isinstance(preparation, LogRatios) else np.nan
        return np.where(place >= 0, matrix[:, np.maximum(place, 0)], absent), data.obs_names.to_numpy().astype(str)


def no_rows(name: str, features: Sequence[str]) -> Predictors:
    """Return a block that nobody has."""
    names, width = np.empty(0, dtype=str), len(features)
    return Predictors(
        name, np.empty((0, width)), names, names, np.asarray(features, dtype=str), np.zeros(width, dtype=bool)
    )


def known_reads(block: Predictors, data: AnnData) -> NDArray[np.float64]:
    """Return the share of each sample's reads that belong to genera of the model; 0 without a read."""
    total = np.asarray(dense(data.layers["counts"]), dtype=np.float64).sum(axis=1)
    return np.divide(block.values.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)


def wrong_time(content: Mapping[str, Any], data: AnnData) -> NDArray[np.str_]:
    """Say of each sample why its time is not that of the model; an empty text where it is, or is not known."""
    day = data.obs["visit_day"].to_numpy(dtype=np.float64)
    days = content["days"]
    off = np.isfinite(day) & ~np.isin(day, days) & bool(days)
    told = [f"refused: of day {value:g}, and the model is of day {', '.join(map(str, days))}" for value in day]
    wrong = np.where(off, told, "")
    if content["baseline"] and "pre_dose" in data.obs:
        dosed = (day == FIRST_DOSE_DAY) & (data.obs["pre_dose"].astype(str) == "no").to_numpy()
        wrong = np.where(dosed & ~off, "refused: from after the first dose, and the model is of before it", wrong)
    return wrong


def clinical_value(clinical: pd.DataFrame, feature: str) -> NDArray[np.float64]:
    """Return one clinical predictor: a number, or whether a category has a level (`sex=M`); NaN where missing."""
    column, _, level = feature.partition("=")
    if column not in clinical:
        return np.full(len(clinical), np.nan)
    text = clinical[column].astype(str).str.strip()
    if level:
        return np.where(text == "", np.nan, text == level).astype(float)
    number = pd.to_numeric(text.where(text != ""), errors="coerce").to_numpy(float)
    wrong = text[np.isnan(number) & (text != "").to_numpy()]
    if len(wrong):
        raise InputError(f"clinical values: column {column} holds {wrong.iloc[0]!r} where a number is expected.")
    return clinical_scale(feature, number)
