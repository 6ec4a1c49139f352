"""From Olink values to metrics, control statistics and the proteome matrix."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from immunosep.errors import InputError
from immunosep.layer import SCHEMA_VERSION, has_symbol, metric_table, passing_obs

if TYPE_CHECKING:
    import anndata

logger = logging.getLogger(__name__)

# Consistency factor that makes the median absolute deviation estimate the SD of a normal distribution.
MAD_TO_SD = 1.4826
# Spread in NPX below which libraries are called alike: 0.1 NPX is a difference of 7 %, the size of the platform's
# technical CV. Without a floor a very even cohort would fail libraries for differences that mean nothing.
SMALLEST_SPREAD = 0.1
QUARTILES = np.array([0.25, 0.5, 0.75])


@dataclass(frozen=True)
class Matched:
    """Values of the tables that belong to libraries or controls, and the samples that belong to neither.

    Attributes
    ----------
    values
        Columns of `npx.COLUMNS` and ``library`` (empty for the vendor's own controls); ``sample_type`` is ``sample`` or
        the kind of control.
    unmatched
        Columns table, table_id, reason: samples of a table that are no library of this run.
    """

    values: pd.DataFrame
    unmatched: pd.DataFrame


def match_libraries(tables: Mapping[str, pd.DataFrame], libraries: pd.DataFrame) -> Matched:
    """Give every value of the NPX tables its library.

    Parameters
    ----------
    tables
        Path of the table as in the library table -> values as `npx.read_npx` returns them.
    libraries
        The layer's library table: library, sample_type, table, table_id.

    Returns
    -------
    Matched
        A sample of a table that the manifest does not name is left out and reported; a control is kept, whether the
        manifest names it or only the table's SampleType does.

    Raises
    ------
    InputError
        When a library has no values in its table, or the table calls a manifest's sample a control. All at once.
    """
    values = pd.concat(
        [table.assign(table=name) for name, table in tables.items()],
        ignore_index=True,
    ).rename(columns={"sample_id": "table_id"})
    key = ["table", "table_id"]
    named = libraries[["library", *key, "sample_type"]].rename(columns={"sample_type": "declared_type"})
    _refuse_absent(named, values)
    values = values.merge(named, on=key, how="left", validate="many_to_one")
    values[["library", "declared_type"]] = values[["library", "declared_type"]].fillna("")

    is_control = ~values["sample_type"].isin(("", "sample"))
    contradicted = values.loc[(values["declared_type"] == "sample") & is_control].drop_duplicates("library")
    if len(contradicted):
        lines = [
            f"{row.table}: {row.table_id} ({row.library}) is a sample in the manifest and a {row.sample_type} here"
            for row in contradicted.itertuples()
        ]
        raise InputError("\n".join([*lines, "Correct table_id or sample_type of these rows of the manifest"]))

    values["sample_type"] = values["declared_type"].where(values["declared_type"] != "", values["sample_type"])
    left_out = (values["library"] == "") & ~is_control
    unmatched = values.loc[left_out, key].drop_duplicates().sort_values(key, ignore_index=True)
    unmatched["reason"] = "no library: not in the manifest, or left out at intake"
    if len(unmatched):
        logger.warning("%d samples of the tables are no library of this run and are left out", len(unmatched))
    return Matched(values[~left_out].drop(columns="declared_type").reset_index(drop=True), unmatched)


def _refuse_absent(named: pd.DataFrame, values: pd.DataFrame) -> None:
    """Refuse libraries without values; a name that differs by leading zeros only gets its own hint."""
    present = pd.MultiIndex.from_frame(values[["table", "table_id"]].drop_duplicates())
    absent = named[~pd.MultiIndex.from_frame(named[["table", "table_id"]]).isin(present)]
    if absent.empty:
        return
    lines = []
    columns = ["table", "table_id", "library"]
    for table, table_id, library in absent.sort_values("library")[columns].to_numpy():
        line = f"{table}: no SampleID {table_id} ({library})"
        stripped = table_id.lstrip("0")
        if stripped != table_id and (table, stripped) in present:
            line += f"; it has {stripped}: the leading zeros were lost, export the table with SampleID as text"
        lines.append(line)
    lines.append("Correct table_id in the manifest, or set collected to no with a missing_reason")
    raise InputError("\n".join(lines))


def sample_values(values: pd.DataFrame) -> pd.DataFrame:
    """Return the values of participants' samples, with the flag ``below_lod``."""
    own = values[values["sample_type"] == "sample"]
    return own.assign(below_lod=own["npx"] < own["lod"])


def measure_libraries(values: pd.DataFrame) -> pd.DataFrame:
    """Measure each sample library.

    The deviations follow the vendor's outlier rule (median or IQR of a sample against the cohort, in SD, panel by
    panel) with one change: the SD is estimated by 1.4826 times the median absolute deviation, and is at least 0.1 NPX.
    A plain SD holds the outlier itself, so that among n libraries none can lie further out than (n - 1) / sqrt(n) SD:
    among 25 no library would ever exceed 4.8, be it a thousandfold too low.

    Parameters
    ----------
    values
        See `Matched.values`. Values with a QC flag are measured like all others.

    Returns
    -------
    pandas.DataFrame
        Long: library, metric, value. ``median_deviation`` and ``iqr_deviation`` (largest over the panels),
        ``missing_fraction`` (assays without a value), ``warned_fraction``, ``detected_fraction`` (no row without LOD),
        ``median_npx``, ``iqr_npx``.
    """
    own = sample_values(values)
    by_library = own.groupby("library")
    quartiles = by_library["npx"].quantile(QUARTILES).unstack()
    has_lod = own["lod"].notna() & own["npx"].notna()
    metrics = pd.DataFrame(
        {
            **_deviations(own),
            "missing_fraction": own["npx"].isna().groupby(own["library"]).mean(),
            "warned_fraction": by_library["warned"].mean(),
            "detected_fraction": 1 - own[has_lod].groupby("library")["below_lod"].mean(),
            "median_npx": quartiles[0.5],
            "iqr_npx": quartiles[0.75] - quartiles[0.25],
        }
    )
    return metric_table(metrics)


def _deviations(own: pd.DataFrame) -> dict[str, pd.Series]:
    """Return each library's largest deviation of median and IQR over the panels, in robust SD."""
    quartiles = own.groupby(["library", "panel"])["npx"].quantile(QUARTILES).unstack()
    medians = quartiles[0.5].unstack("panel")
    spreads = (quartiles[0.75] - quartiles[0.25]).unstack("panel")
    return {
        "median_deviation": robust_deviation(medians).max(axis=1),
        "iqr_deviation": robust_deviation(spreads).max(axis=1),
    }


def robust_deviation(table: pd.DataFrame) -> pd.DataFrame:
    """Distance of each value from its column's median in robust SD.

    Parameters
    ----------
    table
        Libraries x panels, NPX. Missing values stay missing.

    Returns
    -------
    pandas.DataFrame
        ``|value - median| / max(1.4826 MAD, SMALLEST_SPREAD)`` per column.
    """
    distance = (table - table.median()).abs()
    return distance / (MAD_TO_SD * distance.median()).clip(lower=SMALLEST_SPREAD)


def describe_assays(values: pd.DataFrame) -> pd.DataFrame:
    """Describe each assay over the sample libraries.

    Returns
    -------
    pandas.DataFrame
        One row per OlinkID: olink_id, symbol, uniprot, panel, n_libraries, n_missing, n_warned, lod (median over
        plates), detected_fraction, median_npx, iqr_npx, duplicate_correlation (lowest Spearman correlation with other
        assays of the same protein; 0.8 is expected).
    """
    own = sample_values(values)
    by_assay = own.groupby("olink_id")
    quartiles = by_assay["npx"].quantile(QUARTILES).unstack()
    has_lod = own["lod"].notna() & own["npx"].notna()
    table = _annotation(own).assign(
        n_libraries=by_assay["library"].nunique(),
        n_missing=by_assay["npx"].agg(lambda npx: int(npx.isna().sum())),
        n_warned=by_assay["warned"].sum(),
        lod=by_assay["lod"].median(),
        detected_fraction=1 - own[has_lod].groupby("olink_id")["below_lod"].mean(),
        median_npx=quartiles[0.5],
        iqr_npx=quartiles[0.75] - quartiles[0.25],
        duplicate_correlation=_duplicate_correlation(own),
    )
    return table.rename_axis("olink_id").reset_index()


def _annotation(values: pd.DataFrame) -> pd.DataFrame:
    """Return symbol, UniProt and panel per OlinkID, sorted; if lots name a panel differently, the first wins."""
    columns = ["olink_id", "symbol", "uniprot", "panel"]
    return values[columns].sort_values(columns).drop_duplicates("olink_id").set_index("olink_id")


def _duplicate_correlation(own: pd.DataFrame) -> pd.Series:
    """Lowest Spearman correlation of each assay with the other assays of its protein; only repeated proteins."""
    proteins = _annotation(own)["uniprot"]
    repeated = proteins[(proteins != "") & proteins.duplicated(keep=False)]
    wide = own[own["olink_id"].isin(repeated.index)].pivot(index="library", columns="olink_id", values="npx")
    lowest: dict[object, float] = {}
    for _, members in repeated.groupby(repeated):
        correlation = wide[members.index].corr(method="spearman").to_numpy(copy=True)
        np.fill_diagonal(correlation, np.inf)
        lowest.update(zip(members.index, correlation.min(axis=1), strict=True))
    return pd.Series(lowest, dtype="float64")


def describe_controls(values: pd.DataFrame) -> pd.DataFrame:
    """Coefficient of variation of the controls, within and between plates, per assay.

    Parameters
    ----------
    values
        See `Matched.values`. Bridge samples are different people and are compared one by one; all other controls of one
        type are the same material.

    Returns
    -------
    pandas.DataFrame
        control, olink_id, symbol, panel, n_values, n_plates, median_npx, intra_cv, inter_cv (percent; of the linear
        scale under a log-normal error; empty where no two values can be compared).
    """
    own = values[(values["sample_type"] != "sample") & values["npx"].notna()]
    is_bridge = own["sample_type"] == "bridge"
    own = own.assign(control=own["sample_type"].where(~is_bridge, "bridge:" + own["table_id"]))
    key = ["control", "olink_id"]
    plates = own.groupby([*key, "plate"])["npx"].agg(["mean", "var", "size"]).reset_index()
    plates["degrees"] = plates["size"] - 1
    plates["squares"] = plates["var"] * plates["degrees"]
    grouped = plates.groupby(key)
    degrees = grouped["degrees"].sum()
    within = grouped["squares"].sum() / degrees.where(degrees > 0)
    table = pd.DataFrame(
        {
            "n_values": grouped["size"].sum(),
            "n_plates": grouped["plate"].nunique(),
            "median_npx": own.groupby(key)["npx"].median(),
            "intra_cv": cv_percent(within**0.5),
            "inter_cv": cv_percent(grouped["mean"].std()),
        }
    ).reset_index()
    annotation = _annotation(own)[["symbol", "panel"]].reset_index()
    table = table.merge(annotation, on="olink_id", how="left", validate="many_to_one")
    first = ["control", "olink_id", "symbol", "panel"]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def cv_percent(sd_log2: pd.Series) -> pd.Series:
    """Coefficient of variation (%) of a log-normal quantity from its SD on the log2 scale."""
    return 100 * np.sqrt(np.expm1((np.log(2) * sd_log2) ** 2))


def flag_proteins(annotation: pd.DataFrame, symbols: Collection[str], accessions: Mapping[str, str]) -> pd.Series:
    """Flag assays of given proteins by symbol or by UniProt accession.

    Target panels name assays by protein (``IL-1ra``, ``IFN-gamma``), not by gene symbol: only the accession finds them.

    Parameters
    ----------
    annotation
        Indexed by OlinkID: symbol, uniprot.
    symbols
        Gene symbols to flag.
    accessions
        Gene symbol -> UniProt accession (`resources/protein_accessions.tsv`).
    """
    wanted = {accessions[symbol] for symbol in symbols if symbol in accessions}
    return has_symbol(annotation["symbol"], symbols) | has_symbol(annotation["uniprot"], wanted)


def build_proteome(
    values: pd.DataFrame,
    libraries: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    warned_values: str,
    definers: Collection[str],
    drugs: Collection[str],
    accessions: Mapping[str, str],
) -> "anndata.AnnData":
    """Assemble the proteome matrix of the libraries that passed quality control.

    Parameters
    ----------
    values
        See `Matched.values`.
    libraries, verdicts
        See `layer.passing_obs`.
    warned_values
        ``missing``: values with a QC flag become NaN; ``keep``: they stay.
    definers, drugs
        Gene symbols that define the endotype, and that a trial drug adds or displaces.
    accessions
        Gene symbol -> UniProt accession.

    Returns
    -------
    anndata.AnnData
        Libraries x OlinkIDs, both sorted. ``X`` NPX (float32, log2, NaN missing; values below LOD as measured);
        ``layers["below_lod"]``, ``layers["warned"]`` bool; ``var`` symbol, uniprot, panel, definer, drug_analyte.
    """
    import anndata

    obs = passing_obs(libraries, verdicts)
    own = sample_values(values)
    own = own[own["library"].isin(obs.index)]
    var = _annotation(own)
    var["definer"] = flag_proteins(var, definers, accessions)
    var["drug_analyte"] = flag_proteins(var, drugs, accessions)
    var.index.name = None
    rows = obs.index.get_indexer(pd.Index(own["library"]))
    columns = var.index.get_indexer(pd.Index(own["olink_id"]))

    def spread(column: str, fill: object, dtype: type) -> np.ndarray:
        matrix: np.ndarray = np.full((len(obs), len(var)), fill, dtype=dtype)
        matrix[rows, columns] = own[column].to_numpy()
        return matrix

    npx, warned = spread("npx", np.nan, np.float32), spread("warned", False, bool)
    if warned_values == "missing":
        npx[warned] = np.nan
    normalizations = sorted(set(own["normalization"]) - {""})
    if len(normalizations) > 1:
        logger.warning("NPX of different normalisations stand side by side: %s", ", ".join(normalizations))
    return anndata.AnnData(
        X=npx,
        obs=obs,
        var=var,
        layers={"below_lod": spread("below_lod", False, bool), "warned": warned},
        uns={
            "immunosep": {
                "schema_version": SCHEMA_VERSION,
                "layer": "proteome",
                "method": "Olink NPX as delivered, keyed by OlinkID",
                "scale": "log2",
                "warned_values": warned_values,
                "normalization": ", ".join(normalizations),
            }
        },
    )
