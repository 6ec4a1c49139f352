"""Blocks that are made from several tables: who has which layer, and the measured definers beside each layer's rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from immunosep.biomarkers.features import NOT_LAYERS, Predictors
from immunosep.errors import InputError

#: Columns of the sealed table of classification, or of a ready label table, that define the endotype.
DEFINERS = ("ferritin", "hladr")
#: Column of the label table with the count of the cells on which HLA-DR is measured and which shed much of the rest.
MONOCYTES = "monocytes_baseline"


def presence(blocks: Mapping[str, Predictors], participants: Sequence[str] | pd.Index) -> Predictors:
    """Return which layers each participant has, as a block of its own.

    A model on it that beats chance says that samples are missing for a reason that goes with the outcome.

    Parameters
    ----------
    blocks
        Predictors of the task.
    participants
        Everyone who is to be predicted, those without any layer among them.
    """
    names = np.array(sorted(participants), dtype=str)
    layers = np.array([name for name in sorted(blocks) if name not in NOT_LAYERS], dtype=str)
    has = [np.isin(names, blocks[name].participants).astype(np.float64) for name in layers.tolist()]
    values = np.column_stack(has) if has else np.empty((names.size, 0))
    return Predictors("missingness", values, names, names, layers, np.zeros(layers.size, dtype=bool))


def definer_table(labels: pd.DataFrame, classification: pd.DataFrame | None) -> pd.DataFrame:
    """Return the measured definers of the endotype by participant, and where it is known the count of monocytes.

    Parameters
    ----------
    labels
        Label table; a ready one may hold the columns itself.
    classification
        Sealed table of ferritin and HLA-DR at screening, or None. The units of one laboratory count only in so far as
        ranks do not compare between units: values in another unit than most participants' are left out.

    Raises
    ------
    InputError
        Neither table holds a definer.
    """
    if classification is None:
        table = labels.set_index("participant")
    else:
        table = classification.set_index(classification["site"] + "-" + classification["participant_code"])
    found = {}
    for name in DEFINERS:
        if name in table:
            values = pd.to_numeric(table[name], errors="coerce")
            unit = table.get(f"{name}_unit")
            found[name] = values if unit is None else values.where(unit == unit.mode().iloc[0])
    if not found:
        raise InputError(
            "biomarkers.tasks: the feature set no_definers_strict needs ferritin and HLA-DR as they were measured. In "
            "the trial they stand in the sealed table of classification; a ready label table needs the columns "
            f"{' and '.join(DEFINERS)}. Add them, or take no_definers_strict out."
        )
    if MONOCYTES in labels:
        found[MONOCYTES] = pd.to_numeric(labels.set_index("participant")[MONOCYTES], errors="coerce")
    return pd.DataFrame(found)


def with_definers(blocks: Mapping[str, Predictors], definers: pd.DataFrame) -> dict[str, Predictors]:
    """Return the blocks with the measured definers of each row's participant."""
    return {
        name: replace(block, definer_values=definers.reindex(block.participants).to_numpy(dtype=np.float64))
        for name, block in blocks.items()
    }
