"""Which expected samples can be used: collected and not failed in quality control."""

import pandas as pd


def sample_states(completeness: pd.DataFrame, libraries: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the state of every expected sample.

    Parameters
    ----------
    completeness
        ``results/intake/completeness.tsv`` (participant, visit_day, layer, specimen, status, reason), read as text.
    libraries
        ``results/intake/libraries.tsv`` (library, participant, visit_day, layer, specimen), read as text.
    verdicts
        ``results/qc/verdicts.tsv`` (library, metric, verdict), read as text.

    Returns
    -------
    DataFrame
        participant, layer (the microbiome by body site where the tables tell them apart), visit_day (integer), status
        (``collected``, ``failed_qc`` where every library of the sample failed, ``missing``, ``not_expected``), reason.
        Visits on which nobody gave a sample for the layer are left out.
    """
    table = completeness.assign(layer=_site_layers(completeness), visit_day=completeness["visit_day"].astype(int))
    collected = table["status"] == "collected"
    table = table[collected.groupby([table["layer"], table["visit_day"]]).transform("any")].copy()
    keys = pd.MultiIndex.from_frame(table[["participant", "visit_day", "layer"]])
    failed = keys.isin(_failed_samples(libraries, verdicts)) & (table["status"] == "collected").to_numpy()
    table.loc[failed, "status"] = "failed_qc"
    return table[["participant", "layer", "visit_day", "status", "reason"]].reset_index(drop=True)


def _site_layers(table: pd.DataFrame) -> pd.Series:
    """Return the layer, for the microbiome joined to its body site where there is one."""
    if "specimen" not in table:
        return table["layer"]
    apart = (table["layer"] == "microbiome") & (table["specimen"] != "")
    return table["layer"].where(~apart, table["layer"] + "_" + table["specimen"])


def _failed_samples(libraries: pd.DataFrame, verdicts: pd.DataFrame) -> pd.Index:
    """Return participant, visit and layer of the samples none of whose libraries passed QC."""
    overall = verdicts.loc[verdicts["metric"] == "overall", ["library", "verdict"]]
    own = libraries[libraries["participant"] != ""]  # not the controls
    judged = own.assign(layer=_site_layers(own)).merge(overall, on="library")
    judged["visit_day"] = judged["visit_day"].astype(int)
    lost = (judged["verdict"] == "fail").groupby([judged["participant"], judged["visit_day"], judged["layer"]]).all()
    return lost.index[lost]
