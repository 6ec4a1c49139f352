"""What the AnnData objects of all layers share: the table of observations and the flags of the features."""

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    import anndata

logger = logging.getLogger(__name__)

SCHEMA_VERSION = "1"
_DAY = re.compile(r".-D(?P<day>\d{2,})$")
_PARTICIPANT = re.compile(r"^(?P<participant>.+)-D\d{2,}$")


def samples(libraries: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a library table that are participants' samples, sorted by library."""
    return libraries[libraries["sample_type"] == "sample"].sort_values("library", ignore_index=True)


def controls(libraries: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a library table that are controls of any kind, sorted by library."""
    return libraries[libraries["sample_type"] != "sample"].sort_values("library", ignore_index=True)


def passing_obs(libraries: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Build `obs` of a layer: one row per sample library that did not fail quality control.

    Parameters
    ----------
    libraries
        A layer's library table (`results/intake/<layer>.tsv`), all text: library, participant, observation and the
        columns of the manifest.
    verdicts
        A layer's verdicts (`results/qc/<layer>_verdicts.tsv`), all text, long: library, metric, value, verdict; the
        row with metric ``overall`` holds the library's verdict.

    Returns
    -------
    pandas.DataFrame
        Indexed by library, sorted. The library table's columns with ``visit_day`` as integer, then ``qc_verdict`` and
        one ``qc_<metric>`` (float, NaN where not measured) for each metric.

    Raises
    ------
    ValueError
        When a sample library has no overall verdict.
    """
    table = samples(libraries).set_index("library")
    overall = verdicts[verdicts["metric"] == "overall"].set_index("library")["verdict"]
    missing = table.index.difference(overall.index)
    if len(missing):
        raise ValueError(f"libraries without a verdict: {', '.join(missing)}")
    table["visit_day"] = table["visit_day"].astype("int64")
    table["qc_verdict"] = overall.reindex(table.index)
    metrics = verdicts[verdicts["metric"] != "overall"].pivot(index="library", columns="metric", values="value")
    metrics = metrics.replace("", None).astype("float64").add_prefix("qc_").reindex(table.index)
    failed = table.index[table["qc_verdict"] == "fail"]
    if len(failed):
        logger.info("left out after quality control: %s", ", ".join(failed))
    obs = pd.concat([table, metrics], axis=1).drop(index=failed)
    obs.index.name = None
    return obs.rename_axis(columns=None)


def metric_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Turn one row per library, one column per metric into the long table of a layer's metrics.

    Parameters
    ----------
    metrics
        Indexed by library. A missing value means that the metric does not apply to the library; it gets no row.

    Returns
    -------
    pandas.DataFrame
        Columns library, metric, value (float), sorted by library, the metrics in the order of the columns.
    """
    wide = metrics.rename_axis(index="library", columns="metric").sort_index()
    return pd.DataFrame({"value": wide.astype("float64").stack().dropna()}).reset_index()


#: Layers whose features are genes or peaks: there a drug's analytes are what it moves, elsewhere what reads the drug.
TRANSCRIPTS = frozenset({"rna", "atac"})


def definer_symbols(gene_sets: pd.DataFrame) -> frozenset[str]:
    """Return the symbols of the features that define the endotype (`resources/gene_sets.tsv`, set ``definers``)."""
    return frozenset(gene_sets.loc[gene_sets["gene_set"] == "definers", "symbol"])


def drug_symbols(drug_analytes: pd.DataFrame, kind: str) -> frozenset[str]:
    """Return the symbols of the analytes that a trial drug adds or displaces.

    Parameters
    ----------
    drug_analytes
        `resources/drug_analytes.tsv`: symbol, kind, drug, source.
    kind
        ``protein`` or ``transcript``.
    """
    return frozenset(drug_analytes.loc[drug_analytes["kind"] == kind, "symbol"])


def flag(table: pd.DataFrame, column: str) -> npt.NDArray[np.bool_]:
    """Return a true/false column of `var`, false where the table does not have it."""
    if column not in table:
        return np.zeros(len(table), dtype=bool)
    return table[column].astype(str).str.lower().isin(("true", "1", "yes")).to_numpy()


def observation_keys(data: "anndata.AnnData") -> tuple[pd.Series, pd.Series]:
    """Return the observation and the participant of each row: of `obs`, else what the row's name says.

    A name without a visit day is that of the participant.
    """
    names = data.obs["observation"] if "observation" in data.obs else data.obs_names.to_series()
    names = names.astype(str)
    if "participant" in data.obs:
        return names, data.obs["participant"].astype(str)
    return names, names.str.extract(_PARTICIPANT)["participant"].fillna(names)


def observation_days(data: "anndata.AnnData") -> npt.NDArray[np.float64]:
    """Return the visit day of each row: of `obs`, else what the observation id says; NaN in a cohort without days."""
    if "visit_day" in data.obs:
        return pd.to_numeric(data.obs["visit_day"]).to_numpy(dtype=np.float64)
    return pd.to_numeric(observation_keys(data)[0].str.extract(_DAY)["day"]).to_numpy(dtype=np.float64)


def kept_features(data: "anndata.AnnData") -> "anndata.AnnData":
    """Return the features that the cohort's filter kept, ``var["kept"]``; all where a matrix does not say.

    For all that describes the cohort. The classifiers choose their features from the training participants alone and
    need the whole matrix.
    """
    return data[:, flag(data.var, "kept")].copy() if "kept" in data.var else data


def common_enough(present: npt.NDArray[np.bool_], min_fraction: float) -> npt.NDArray[np.bool_]:
    """Flag the features that are present in at least a fraction of the samples, and in one at least.

    Parameters
    ----------
    present
        Shape (samples, features).
    min_fraction
        Fraction of the samples. It is compared as a quotient: 0.55 * 100 is a little more than 55, and 55 of 100
        samples would not be enough.
    """
    reached = present.sum(axis=0)
    return np.asarray((reached > 0) & (reached / max(len(present), 1) >= min_fraction))


def counts_per_million(
    counts: npt.NDArray[np.integer | np.floating], total: npt.NDArray[np.integer | np.floating]
) -> npt.NDArray[np.float64]:
    """Divide by the libraries' totals, in millions; a library without counts gives zeros.

    Parameters
    ----------
    counts, total
        Shapes (libraries, features) and (libraries, 1).
    """
    return np.asarray(counts * (1e6 / np.maximum(total, 1)))


def has_symbol(symbols: pd.Series, wanted: Iterable[str]) -> pd.Series:
    """Flag the features whose symbol, or any part of a joint symbol such as ``IL12A_IL12B``, is wanted.

    Parameters
    ----------
    symbols
        One text per feature; joint names are split at ``_``, ``;``, ``,`` and ``/``.
    wanted
        Symbols to look for.
    """
    parts = symbols.str.split(r"[_;,/]", regex=True).explode().str.strip()
    return parts.isin(frozenset(wanted)).groupby(level=0).any().reindex(symbols.index)
