"""The proteomics laboratory's export: one long NPX table, two plates, with plate, sample and negative controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from immunosep.simulate.catalogue import PROTEINS, REPEATED_PROTEINS
from immunosep.simulate.effects import Effects
from immunosep.simulate.frames import records
from immunosep.simulate.sampling import sample_id
from immunosep.simulate.seeds import generator

SAMPLE_TYPE = {
    "sample": "SAMPLE",
    "negative_control": "NEGATIVE_CONTROL",
    "positive_control": "PLATE_CONTROL",
    "pool": "SAMPLE_CONTROL",
}
MAIN_PANEL = "Inflammation"
FAILED_SHIFT, FAILED_WARNED, WARNED = -4.0, 0.75, 0.01
PERSON_SPREAD, NOISE, DUPLICATE_NOISE, CONTROL_NOISE, PLATE_SPREAD = 0.4, 0.2, 0.1, 0.12, 0.1
# Negative controls sit this far below the typical sample, per assay; where it is small, samples fall below LOD.
HEADROOM = (0.5, 6.0)


def assay_table() -> pd.DataFrame:
    """List the assays: `OlinkID`, `UniProt`, `Assay`, `Panel`; repeated proteins once per panel."""
    rows = [(symbol, accession, MAIN_PANEL) for symbol, accession in PROTEINS.items()]
    rows += [(symbol, PROTEINS[symbol], panel) for symbol, panels in REPEATED_PROTEINS.items() for panel in panels]
    table = pd.DataFrame(rows, columns=["Assay", "UniProt", "Panel"])
    table.insert(0, "OlinkID", [f"OID{20001 + k}" for k in range(len(table))])
    return table


def npx_table(libraries: pd.DataFrame, effects: Effects, states: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Simulate the long NPX table of all proteome libraries.

    Parameters
    ----------
    libraries
        Proteome rows of the library table, with `observation` of the material really measured.
    effects
        Protein effects, in the order of :func:`assay_table`.

    Returns
    -------
    pandas.DataFrame
        The vendor's columns, one row per sample and assay; NPX on the log2 scale.
    """
    assays = assay_table()
    rng = generator(seed, "olink")
    first = assays["Assay"].drop_duplicates().index
    origin = assays["Assay"].map({assays.at[k, "Assay"]: k for k in first}).to_numpy()
    level = rng.uniform(2.0, 9.0, len(assays))[origin]
    floor = level - rng.uniform(*HEADROOM, len(assays))[origin]
    plates = {plate: rng.normal(0, PLATE_SPREAD, len(assays)) for plate in sorted(libraries["plate"].unique())}
    rows = np.array([sample_row(record, effects, states, level, floor, origin, seed) for record in records(libraries)])
    values = rows + np.array([plates[plate] for plate in libraries["plate"]])
    negative = (libraries["sample_type"] == "negative_control").to_numpy()
    spread = values[negative].std(axis=0, ddof=1)
    lod = np.median(values[negative], axis=0) + np.maximum(3 * spread, 0.2)
    sample = (libraries["sample_type"] == "sample").to_numpy()
    failed = (libraries["failed"] != "").to_numpy()
    missing = (values[sample] < lod).mean(axis=0)
    warned = rng.random(values.shape) < np.where(failed, FAILED_WARNED, WARNED)[:, None]
    repeat = len(assays)
    long = pd.DataFrame(
        {
            "SampleID": np.repeat([sample_id(record) for record in records(libraries)], repeat),
            "SampleType": np.repeat(libraries["sample_type"].map(SAMPLE_TYPE).to_numpy(), repeat),
            "Index": np.repeat(np.arange(1, len(libraries) + 1), repeat),
            **{name: np.tile(assays[name].to_numpy(), len(libraries)) for name in ("OlinkID", "UniProt", "Assay")},
            "MissingFreq": np.tile(missing, len(libraries)),
            "Panel": np.tile(assays["Panel"].to_numpy(), len(libraries)),
            "PlateID": np.repeat(libraries["plate"].to_numpy(), repeat),
            "WellID": np.repeat([f"{name[0]}{int(name[1:])}" for name in libraries["well"]], repeat),
            "QC_Warning": np.where(warned.ravel(), "WARN", "PASS"),
            "LOD": np.tile(lod, len(libraries)),
            "NPX": values.ravel(),
            "Normalization": "Plate control",
        }
    )
    return long.round({"MissingFreq": 4, "LOD": 4, "NPX": 4})


def sample_row(
    record: dict[str, Any],
    effects: Effects,
    states: pd.DataFrame,
    level: np.ndarray,
    floor: np.ndarray,
    origin: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Draw one sample's NPX; assays of one protein differ by measurement noise alone."""
    rng = generator(seed, "npx", record["library"])
    size = len(level)
    if record["sample_type"] == "negative_control":
        return floor + rng.normal(0, 0.1, size)
    if record["sample_type"] != "sample":
        return level + rng.normal(0, CONTROL_NOISE, size)
    state = states.loc[record["observation"]]
    own = generator(seed, "person", "proteome", record["participant"]).normal(0, PERSON_SPREAD, size)[origin]
    value = (
        level + effects.shift(state) + own + rng.normal(0, NOISE, size)[origin] + rng.normal(0, DUPLICATE_NOISE, size)
    )
    value = np.logaddexp2(value, floor)
    return value + FAILED_SHIFT if record["failed"] else value
