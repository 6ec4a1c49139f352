"""What a factor model is made of and what its factors follow: the views, the variables, the associations."""

import logging
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray
from scipy import stats

from immunosep.integration.mofa import most_variable
from immunosep.layer import flag

logger = logging.getLogger(__name__)

#: obs columns of the layers that describe how a library was made, not the patient.
TECHNICAL = ("batch", "plate", "run", "site", "country", "visit_day")
#: Names, even where they are written in digits: plate 10 is not ten times plate 1.
CATEGORIES = frozenset({"batch", "plate", "run", "site", "country"})
CLINICAL = ("age_years", "sex", "sofa_baseline", "infection", "covid19", "hours_sepsis_to_drug")
#: Label-table columns that say how a label came about, or who the participant is, or that belong to a single visit.
NOT_LABELS = re.compile(
    r"participant|participant_code|site|country|visit_day|baseline_source|.*_rule|n_days_.*|locf_.*"
    r"|landmark_.*|sofa_d[0-9]+|dynamic_.*|last_day_in_study|last_observed_.*|emergency_unblinded"
)
#: A variable is tested with at least this many samples; below it a p value says nothing.
MIN_SAMPLES = 8
#: Metrics that measure how much was sequenced, counted or read, by their names (`qc_read_pairs`, `qc_fragments`).
DEPTH = re.compile(r"qc_.*(reads|read_pairs|fragments|counts|depth|library_size|events).*|size_factor")
#: A factor is flagged where a variable of how the libraries were made is so strong: |rho| or eta, with q < 0.05.
FLAG_STRENGTH = 0.5
FLAG_Q = 0.05


def cohort_views(data: MuData, max_features: int, min_features: int) -> tuple[dict[str, NDArray], dict[str, list[str]]]:
    """Return each modality on all observations (NaN where not measured) and the feature names.

    The analytes that a trial drug adds or displaces are left out, and so is all that is masked after the first dose: on
    later visits they tell the arm.

    Parameters
    ----------
    data
        MuData; X of each modality on its documented normalised scale.
    max_features
        Per modality, the most variable features are kept.
    min_features
        A modality with fewer features that vary is left out, with a line in the log.

    Returns
    -------
    views, features
        (n, D) matrices and lists of D names, by modality.
    """
    views, features = {}, {}
    for name, modality in data.mod.items():
        usable = np.flatnonzero(~(flag(modality.var, "drug_analyte") | flag(modality.var, "masked")))
        matrix = dense(modality.X)
        chosen = usable[most_variable(matrix[:, usable], max_features)]
        if chosen.size < min_features:
            logger.warning("layer %s left out of MOFA: %d features vary, %d needed", name, chosen.size, min_features)
            continue
        full = np.full((data.n_obs, chosen.size), np.nan)
        full[data.obs_names.get_indexer(modality.obs_names)] = matrix[:, chosen]
        views[name], features[name] = full, modality.var_names[chosen].tolist()
    return views, features


def observation_variables(data: MuData, participants: pd.DataFrame | None) -> pd.DataFrame:
    """Return what factors are compared with, one row per observation.

    Parameters
    ----------
    data
        MuData whose obs holds the labels that the role may see.
    participants
        Clinical table of participants with `site` and `participant_code`, or None.

    Returns
    -------
    pandas.DataFrame
        Columns named `<kind>|<variable>`, kind one of technical, clinical, label; indexed by observation.
    """
    columns: dict[str, pd.Series] = {}
    for name in ("site", "country", "visit_day"):
        columns[f"technical|{name}"] = data.obs[name]
    for modality, layer in data.mod.items():
        for name in layer.obs:
            measured = name.startswith("qc_") and name != "qc_verdict"
            if measured or name == "size_factor" or (name in TECHNICAL and name not in data.obs):
                columns[f"technical|{modality}:{name}"] = layer.obs[name].reindex(data.obs_names)
    if participants is not None:
        indexed = participants.set_index(participants["site"] + "-" + participants["participant_code"])
        for name in CLINICAL:
            if name in indexed:
                columns[f"clinical|{name}"] = data.obs["participant"].map(indexed[name])
    for name in (name for name in data.obs if not NOT_LABELS.fullmatch(name)):
        kind = "clinical" if name in CLINICAL else "label"
        columns.setdefault(f"{kind}|{name}", data.obs[name])
    return pd.DataFrame(columns, index=data.obs_names)


def associate(factors: pd.DataFrame, variables: pd.DataFrame, participants: pd.Series) -> pd.DataFrame:
    """Test every factor against every variable.

    A numeric variable is tested by Spearman's correlation, a category by Kruskal and Wallis with eta squared as effect
    (the share of the factor's variance that lies between groups). What is the same at all visits of a participant (an
    outcome, the sex) is tested on the participants, each with the mean of the factor over their visits: visits that
    repeat a participant would make a p value of any size. What changes between visits (a batch, the day) is tested on
    the observations; these are not independent, and such p values rank variables and are no proof. A factor that is
    constant where the variable is known has no row.

    Parameters
    ----------
    factors
        Numeric, one column per factor.
    variables
        Same index; columns `<kind>|<variable>`; text or numbers, missing as NaN or empty text.
    participants
        Same index; whose observation it is.

    Returns
    -------
    pandas.DataFrame
        kind, variable, factor, test, unit (participant or observation), n (of these), groups, effect, p_value, q_value
        (Benjamini-Hochberg over the whole table), flag (`technical_flag` where the factor follows it, else empty).
    """
    rows = []
    for name in variables:
        kind, _, variable = str(name).partition("|")
        text = variables[name].astype(object).where(variables[name].notna(), "").astype(str).str.strip()
        text = text[text != ""]
        # A category of a MuData would bring participants without a value along.
        scores, owner = factors.loc[text.index], participants.loc[text.index].astype(str)
        unit = "observation"
        if (text.groupby(owner).nunique() <= 1).all():
            unit = "participant"
            text, scores = text.groupby(owner).first(), scores.groupby(owner).mean()
        number = pd.to_numeric(text, errors="coerce")
        named = variable.rpartition(":")[2] in CATEGORIES
        numeric = not named and text.size > 0 and number.notna().all()
        values = number.to_numpy() if numeric else text.to_numpy()
        levels, counts = np.unique(values, return_counts=True)
        if values.size < MIN_SAMPLES or levels.size < 2 or (not numeric and (counts > 1).sum() < 2):
            continue
        for factor in factors:
            score = scores[factor].to_numpy()
            if np.ptp(score) == 0:
                continue
            if numeric:
                effect, p = stats.spearmanr(score, values)
                test = "spearman"
            else:
                effect, p = eta_squared(score, values), stats.kruskal(*(score[values == level] for level in levels))[1]
                test = "kruskal"
            rows.append((kind, variable, factor, test, unit, values.size, levels.size, effect, p))
    header = ["kind", "variable", "factor", "test", "unit", "n", "groups", "effect", "p_value"]
    table = pd.DataFrame(rows, columns=header)
    table["q_value"] = stats.false_discovery_control(table["p_value"]) if len(table) else pd.Series(dtype=float)
    strength = table["effect"].abs().where(table["test"] == "spearman", table["effect"].clip(lower=0) ** 0.5)
    followed = (table["q_value"] < FLAG_Q) & (strength >= FLAG_STRENGTH) & (table["kind"] == "technical")
    table["flag"] = table["variable"].map(technical_flag).where(followed, "")
    for row in table[table["flag"] != ""].itertuples():
        logger.warning("%s is %s: %s (%s %.2f)", row.factor, row.flag, row.variable, row.test, row.effect)
    return table


def technical_flag(variable: str) -> str:
    """Return what a technical variable stands for: depth, batch, plate, run or quality; empty for site and time.

    A difference between sites, countries or visits may be the patients'; one between plates is not.
    """
    layer, _, name = variable.rpartition(":")
    if DEPTH.fullmatch(name):
        return "depth"
    if name in ("batch", "plate", "run"):
        return name
    return "quality" if layer and name.startswith("qc_") else ""


def eta_squared(values: NDArray, groups: Sequence | NDArray) -> float:
    """Return the between-group share of the sum of squares, 0 to 1."""
    frame = pd.DataFrame({"value": values, "group": groups})
    centred = frame["value"] - frame["value"].mean()
    between = centred.groupby(frame["group"]).transform("mean")
    return float((between**2).sum() / (centred**2).sum())


def dense(matrix: object) -> NDArray[np.float64]:
    """Return X as a dense float64 matrix."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float64)
