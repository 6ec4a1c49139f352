"""Layers to one MuData: rows are observations (participant x visit), one modality per layer and body site."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import mudata
import numpy as np
import pandas as pd
from anndata import AnnData

from immunosep.checks import columns_of
from immunosep.errors import InputError
from immunosep.io import PathLike, atomic_path, read_h5ad
from immunosep.layer import observation_days, observation_keys
from immunosep.privacy_tables import check_annotations, check_features, check_names

logger = logging.getLogger(__name__)

#: Columns of the MuData's own obs; labels follow them where the role may see them.
KEYS = ("participant", "site", "country", "visit_day")

# A file of our own: the library table's columns, and what the layers add.
_OUR_COLUMNS = frozenset(columns_of("manifest"))


def read_layer(path: PathLike, layer: str) -> dict[str, AnnData]:
    """Read a layer's matrix as modalities.

    Parameters
    ----------
    path
        `.h5ad` (`obs` with `observation`, or `obs_names` that are observation ids), or `.tsv` (also `.tsv.gz`): the
        first column holds the observation id, every other column a feature; empty cells are missing values.
    layer
        Name of the layer. A microbiome matrix with a `specimen` column becomes one modality per body site.

    Returns
    -------
    dict of AnnData
        By modality name; `obs_names` are observation ids.

    Raises
    ------
    InputError
        If an id is empty or repeated, a cell is not a number, or something looks like personal data or a treatment.
    """
    return _split_modalities(read_matrix(path), layer, str(path))


def read_samples(path: PathLike, layer: str) -> dict[str, pd.DataFrame]:
    """Read which samples a layer's matrix holds (`read_layer`, the `obs` alone): the values stay on the disk.

    Returns
    -------
    dict of pandas.DataFrame
        By modality name; rows by observation id, with participant, visit_day (NaN in a cohort without days), and
        pre_dose where the file has it.
    """
    if str(path).endswith(".h5ad"):
        import h5py
        from anndata.io import read_elem

        with h5py.File(path) as file:
            obs = read_elem(file["obs"])
    else:
        obs = pd.read_csv(path, sep="\t", dtype=str, usecols=[0], index_col=0)
        obs.index = obs.index.astype(str)
    parts = _split_modalities(AnnData(obs=obs), layer, str(path))
    wanted = ["participant", "visit_day", "pre_dose"]
    return {modality: part.obs[part.obs.columns.intersection(wanted)] for modality, part in parts.items()}


def _split_modalities(data: AnnData, layer: str, source: str) -> dict[str, AnnData]:
    """Return the modalities of a layer by name, rows named by observation; body sites apart."""
    if layer == "microbiome" and "specimen" in data.obs:
        sites = sorted(data.obs["specimen"].astype(str).unique())
        parts = {f"microbiome_{site}": data[data.obs["specimen"].astype(str) == site].copy() for site in sites}
    else:
        parts = {layer: data}
    return {modality: to_observations(part, modality, source) for modality, part in parts.items()}


def read_matrix(path: PathLike) -> AnnData:
    """Read a matrix as it stands in the file (see `read_layer`); personal data, treatments, bare counts are refused."""
    name = str(path)
    data = read_h5ad(path) if name.endswith(".h5ad") else _read_matrix(path)
    metrics = [column for column in data.obs if str(column).startswith("qc_")]
    check_annotations(data.obs, name, known=_OUR_COLUMNS.union(metrics))
    check_names(data.obs_names.astype(str), name)
    if _holds_counts(data):
        raise InputError(
            f"{name}: X holds the counts themselves, and the factors would follow a few abundant features and the "
            "libraries' depth. Keep them in layers['counts'] and put values into X on whose scale variances compare: "
            "centred log-ratios of a microbiome, log counts per million of genes or peaks."
        )
    return data


def _holds_counts(data: AnnData) -> bool:
    """Say whether X is the layer of counts, by its first rows."""
    if "counts" not in data.layers or data.X is None:
        return False
    counts = data.layers["counts"][:100]
    return bool(counts.sum() > 0 and (data.X[:100] != counts).sum() == 0)


def to_observations(data: AnnData, modality: str, source: str) -> AnnData:
    """Rename the rows of a layer to observations and sort them; the library name moves to `obs["library"]`.

    Raises
    ------
    InputError
        If two rows are the same observation: which repeat to keep is a decision, not a default.
    """
    obs = data.obs.copy()
    given = "observation" in obs
    names, participants = observation_keys(data)
    repeated = names[names.duplicated(keep=False)]
    if len(repeated):
        listed = "; ".join(
            f"{observation}: {', '.join(map(str, rows.index))}" for observation, rows in repeated.groupby(repeated)
        )
        raise InputError(
            f"{source}: layer {modality} holds more than one row per participant and visit ({listed}). "
            "Keep one: set the others to collected=no with missing_reason in the manifest."
        )
    if (names.str.strip() == "").any():
        raise InputError(f"{source}: layer {modality} has a row without an observation id.")
    obs["participant"] = participants
    obs["visit_day"] = observation_days(data)
    if given:
        obs["library"] = data.obs_names.astype(str)
        obs = obs.drop(columns="observation")
    order = np.argsort(names.to_numpy(), kind="stable")
    result = data[order].copy()
    result.obs = obs.iloc[order]
    result.obs_names = names.to_numpy()[order]
    result.obs.index.name = None
    return result


def assemble(modalities: Mapping[str, AnnData], labels: pd.DataFrame | None = None) -> mudata.MuData:
    """Join modalities by observation.

    Parameters
    ----------
    modalities
        By name, rows named by observation (`to_observations`).
    labels
        Label table with a `participant` column, already reduced to what the role may see; None for no labels.

    Returns
    -------
    MuData
        `obs_names` sorted; `obs`: `KEYS`, then the label columns, repeated over a participant's visits. A modality
        keeps its own rows (an observation that it lacks is absent, not filled), its `obs` with batch, plate, run and QC
        metrics, and its X on the layer's normalised scale, named in `uns["immunosep"]["scales"]`.

    Raises
    ------
    InputError
        If there is no layer, or layers disagree about a participant's key.
    """
    if not modalities:
        raise InputError("no layer to join: enable a layer or give a matrix under layers.<name>.matrix")
    keys = pd.concat([_keys(data) for data in modalities.values()])
    obs = keys.groupby(level=0, sort=True).first()
    for column in KEYS:
        seen = keys[column].dropna().groupby(level=0).nunique()
        if (seen > 1).any():
            raise InputError(f"layers disagree about {column} of {', '.join(seen.index[seen > 1])}")
    if labels is not None:
        extra = labels.set_index("participant").drop(columns=list(KEYS), errors="ignore")
        unknown = sorted(set(obs["participant"]) - set(extra.index))
        if unknown:
            logger.info("%d participants have omics and no labels: %s", len(unknown), ", ".join(unknown))
        obs = obs.join(extra, on="participant")
    with _settled_mudata():
        joined = mudata.MuData(dict(modalities))
        joined = joined[np.argsort(joined.obs_names.to_numpy(), kind="stable")].copy()
        obs = obs.loc[joined.obs_names]
        for column in obs:
            values = obs[column]
            joined.obs[column] = (
                values if pd.api.types.is_numeric_dtype(values) else values.astype(object).fillna("").astype(str)
            )
    scales = {
        name: str(dict(data.uns.get("immunosep", {})).get("scale", "as given")) for name, data in modalities.items()
    }
    joined.uns["immunosep"] = {"schema_version": "1", "modalities": sorted(modalities), "scales": scales}
    logger.info("MuData: %d observations, %s", joined.n_obs, {k: v.shape for k, v in joined.mod.items()})
    return joined


def read_h5mu(path: PathLike) -> mudata.MuData:
    """Read a MuData file; its obs keeps the columns of `assemble`, mudata would add those of every modality."""
    with _settled_mudata():
        return mudata.read_h5mu(path)


def write_h5mu(data: mudata.MuData, path: PathLike) -> None:
    """Write a MuData file, compressed, in one step."""
    with _settled_mudata(), atomic_path(path) as temporary:
        data.write(temporary, compression="gzip")


@contextmanager
def _settled_mudata() -> Iterator[None]:
    """Hold mudata to its coming default (obs is ours, not a copy of all layers') and let layers share feature names.

    A genus occurs at several body sites; names are unique within a modality, which is all that is used here.
    """
    with mudata.set_options(pull_on_update=False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "var_names are not unique", UserWarning)
        yield


def _keys(data: AnnData) -> pd.DataFrame:
    """Return the key columns of a modality; missing ones as missing values."""
    return data.obs.reindex(columns=list(KEYS)).astype({**dict.fromkeys(KEYS, object), "visit_day": "float64"})


def _read_matrix(path: PathLike) -> AnnData:
    """Read a table of observations x features."""
    table = pd.read_csv(path, sep="\t", dtype={0: str}, index_col=0)
    table.index = table.index.astype(str)
    check_features(map(str, table.columns), str(path))
    bad = [str(column) for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    if bad:
        raise InputError(
            f"{path}: {len(bad)} columns hold text where numbers are expected, first {', '.join(bad[:5])}. "
            "The first column is the observation id, every other column a feature."
        )
    return AnnData(
        table.to_numpy(dtype=np.float32),
        obs=pd.DataFrame(index=table.index),
        var=pd.DataFrame(index=table.columns.astype(str)),
    )
