"""Every marker against the outcomes, within each endotype: the numbers on which the grades rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from immunosep.stats.interaction import interactions, stepp
from immunosep.stats.regression import Family, FloatArray, NotEstimable, design, fit, wald
from immunosep.stats.single_trial import COLUMNS, Comparison, assess
from immunosep.stats.trial_level import TrialLevel, trial_level, unit_effects
from immunosep.surrogacy.markers import BASELINE_DAY, FACTOR, LEARNED_LATER

logger = logging.getLogger(__name__)

ENDOTYPES = ("MALS", "SII")
ARMS = {"placebo": 0.0, "active": 1.0}
BASELINE_OUTCOME = "delta_mean_sofa_d9"
HORIZON = 28
MIN_COUNTRY = 5
"""A country with fewer participants in a comparison shares a term with the other small ones."""
MEASURES = ["endotype", "marker", "visit_day", "outcome", "family"]


def trial_frame(labels: pd.DataFrame) -> pd.DataFrame:
    """Type the columns of the label table that the comparisons use, indexed by participant.

    Parameters
    ----------
    labels
        `labels/labels.tsv` of the role `unblinded`, all text.

    Returns
    -------
    The randomised participants with an arm and one of the two endotypes; `arm` 0 or 1.
    """
    frame = labels.set_index("participant")
    frame = frame[frame["endotype"].isin(ENDOTYPES) & frame["arm"].isin(list(ARMS))].copy()
    text = {"endotype", "country", "arm", "site"}
    for column in frame.columns.difference(list(text)):
        if column.startswith("landmark_response"):
            frame[column] = frame[column].map({"response": 1.0, "nonresponse": 0.0})
        else:
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
    frame["arm"] = frame["arm"].map(ARMS)
    return frame


def outcomes(frame: pd.DataFrame, day: int) -> Iterator[tuple[str, Family, FloatArray]]:
    """Give the outcomes that begin after a visit: the marker's change comes first, the outcome later.

    Yields
    ------
    Name, family and values, shape (participants,) or (participants, 2): the fall of SOFA after the visit (points,
    positive is better), the response after it, and death by day 28 (days since the visit, event); NaN where unknown.
    """
    yield f"landmark_delta_d{day}", "continuous", frame[f"landmark_delta_d{day}"].to_numpy(float)
    yield f"landmark_response_d{day}", "binary", frame[f"landmark_response_d{day}"].to_numpy(float)
    time = frame[f"time_to_death_{HORIZON}"].to_numpy(float) - day
    event = frame[f"event_{HORIZON}"].to_numpy(float)
    survival = np.column_stack([time, event])
    survival[~(time > 0)] = np.nan
    yield f"death_{HORIZON}", "survival", survival


def changes(scores: pd.DataFrame, keys: pd.DataFrame, participants: pd.Index, day: int) -> pd.DataFrame:
    """Return each marker's change from baseline to a visit, shape (participants, markers); NaN where one is missing.

    Parameters
    ----------
    scores
        Observations x markers.
    keys
        `participant` and `visit_day` of the observations, same index.
    """
    return at_visit(scores, keys, participants, day) - at_visit(scores, keys, participants, BASELINE_DAY)


def at_visit(scores: pd.DataFrame, keys: pd.DataFrame, participants: pd.Index, day: int) -> pd.DataFrame:
    """Return the markers of one visit, a row per participant."""
    chosen = keys["visit_day"] == day
    return scores[chosen].set_index(keys.loc[chosen, "participant"].to_numpy()).reindex(participants)


def countries(frame: pd.DataFrame) -> FloatArray:
    """Code countries as 0/1 columns against the largest; small ones together."""
    sizes = frame["country"].value_counts()
    coarse = frame["country"].where(frame["country"].map(sizes) >= MIN_COUNTRY, "other")
    levels = coarse.value_counts().index[1:]
    return np.column_stack([np.empty((len(frame), 0)), *((coarse == level).to_numpy(float) for level in levels)])


def assess_endotype(
    frame: pd.DataFrame, scores: pd.DataFrame, keys: pd.DataFrame, endotype: str, settings: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """Compute the single-trial measures of every marker, visit and outcome in one endotype.

    Parameters
    ----------
    frame
        The result of `trial_frame`.
    scores, keys
        Markers by observation, and their participants and visit days.
    endotype
        Stratum.
    settings
        `surrogacy` of the configuration: `days`, `bootstrap`.
    seed
        Seed of the bootstrap.

    Returns
    -------
    Columns `MEASURES` and those of `single_trial.assess`. Covariates are the marker at baseline, the SOFA score at
    baseline and the country.
    """
    people = frame[frame["endotype"] == endotype]
    baseline = at_visit(scores, keys, people.index, BASELINE_DAY)
    tables = []
    for day in settings["days"]:
        change = changes(scores, keys, people.index, day)
        for marker in map(str, scores):
            for outcome, family, values in outcomes(people, day):
                comparison = _comparison(people, baseline[marker], change[marker], values, family)
                if min((comparison.arm == 0).sum(), (comparison.arm == 1).sum()) < settings["min_per_arm"]:
                    logger.info("%s, %s, day %d, %s: too few participants", endotype, marker, day, outcome)
                    continue
                table = assess(comparison, settings["bootstrap"], seed)
                key = dict(zip(MEASURES, (endotype, marker, day, outcome, family), strict=True))
                tables.append(table.assign(**key))
        logger.info("%s, day %d: %d markers", endotype, day, scores.shape[1])
    columns = [*MEASURES, *COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _comparison(
    people: pd.DataFrame, baseline: pd.Series, change: pd.Series, values: FloatArray, family: Family
) -> Comparison:
    """Take the complete participants of one comparison."""
    sofa = people["sofa_baseline"]
    measured = (change.notna() & baseline.notna() & sofa.notna()).to_numpy()
    chosen = measured & ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    covariates = np.column_stack([baseline[chosen], sofa[chosen], countries(people[chosen])])
    return Comparison(
        people["arm"].to_numpy(float)[chosen], change.to_numpy(float)[chosen], values[chosen], covariates, family
    )


def baseline_associations(frame: pd.DataFrame, scores: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Test the markers before treatment: against the endotype, and against the outcome beside the clinical model.

    Returns
    -------
    One row per marker and test: `endotype` (`all` for the diagnostic test), `marker`, `test` (`diagnostic`,
    `prognostic`), `estimate` (AUROC of MALS against SII; change of the outcome in points per standard deviation),
    `low`, `high` (95 %), `p_value`, `q_value` (Benjamini and Hochberg within test and endotype), `n`, `note`. Factors
    are not tested: they saw the later visits.
    """
    rows: list[tuple] = []
    level = at_visit(scores, keys, frame.index, BASELINE_DAY)
    mals = frame["endotype"].eq("MALS").to_numpy()
    for marker in map(str, scores):
        values = level[marker].to_numpy(float)
        if marker.startswith(FACTOR):
            refused = (np.nan, np.nan, np.nan, np.nan, int((~np.isnan(values)).sum()), f"not tested: {LEARNED_LATER}")
            rows.append(("all", marker, "diagnostic", *refused))
            rows += [(endotype, marker, "prognostic", *refused) for endotype in ENDOTYPES]
            continue
        rows.append(("all", marker, "diagnostic", *_auroc(values, mals)))
        for endotype in ENDOTYPES:
            people = frame["endotype"].eq(endotype).to_numpy()
            rows.append((endotype, marker, "prognostic", *_prognostic(frame[people], values[people])))
    columns = ["endotype", "marker", "test", "estimate", "low", "high", "p_value", "n", "note"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["endotype", "test"])


def _auroc(values: FloatArray, positive: np.ndarray) -> tuple[float, float, float, float, int, str]:
    """AUROC with the interval of Hanley and McNeil 1982 (doi 10.1148/radiology.143.1.7063747), and Mann-Whitney's p."""
    known = ~np.isnan(values)
    a, b = values[known & positive], values[known & ~positive]
    if min(len(a), len(b)) < 2:
        return np.nan, np.nan, np.nan, np.nan, int(known.sum()), "not estimable: too few participants"
    test = stats.mannwhitneyu(a, b)
    auroc = float(test.statistic) / (len(a) * len(b))
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc) + (len(a) - 1) * (q1 - auroc**2) + (len(b) - 1) * (q2 - auroc**2)
    reach = 1.959964 * np.sqrt(variance / (len(a) * len(b)))
    return auroc, max(auroc - reach, 0.0), min(auroc + reach, 1.0), float(test.pvalue), int(known.sum()), ""


def _prognostic(people: pd.DataFrame, values: FloatArray) -> tuple[float, float, float, float, int, str]:
    clinical = people[["sofa_baseline", "age_years"]].to_numpy(float)
    outcome = people[BASELINE_OUTCOME].to_numpy(float)
    known = ~np.isnan(np.column_stack([values, clinical, outcome])).any(axis=1)
    n = int(known.sum())
    spread = values[known].std(ddof=1) if n > 1 else 0.0
    try:
        if not spread > 0:
            raise NotEstimable("the marker does not vary")
        scaled = (values[known] - values[known].mean()) / spread
        arm = people["arm"].to_numpy(float)[known]
        model = fit("continuous", outcome[known], design(scaled, arm, clinical[known], countries(people[known])))
    except NotEstimable as reason:
        return np.nan, np.nan, np.nan, np.nan, n, f"not estimable: {reason}"
    return (float(model.coef[1]), *wald(model.coef[1], model.covariance[1, 1]), n, "")


def add_q_values(table: pd.DataFrame, families: list[str]) -> pd.DataFrame:
    """Add `q_value` (Benjamini and Hochberg) after `p_value`, within groups of rows."""
    q_values = pd.Series(np.nan, index=table.index)
    for _, group in table[table["p_value"].notna()].groupby(families, sort=False):
        q_values[group.index] = multipletests(group["p_value"], method="fdr_bh")[1]
    columns = list(table)
    columns.insert(columns.index("p_value") + 1, "q_value")
    return table.assign(q_value=q_values)[columns]


def benefit(
    frame: pd.DataFrame, scores: pd.DataFrame, keys: pd.DataFrame, settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test within each endotype whether a marker before treatment changes the arm's effect on the outcome.

    Returns
    -------
    The interactions (`endotype` and the columns of `interaction.interactions`), and the STEPP windows (`endotype`,
    `marker`, the columns of `interaction.stepp`, `p_value` of the marker's permutation test).
    """
    tests, windows = [], []
    for endotype in ENDOTYPES:
        people = frame[frame["endotype"] == endotype]
        level = at_visit(scores, keys, people.index, BASELINE_DAY)
        clinical = people[["sofa_baseline", "age_years", BASELINE_OUTCOME]].to_numpy(float)
        known = ~np.isnan(clinical).any(axis=1)
        people, level, clinical = people[known], level[known], clinical[known]
        arm, outcome = people["arm"].to_numpy(float), clinical[:, 2]
        covariates = np.column_stack([clinical[:, :2], countries(people)])
        names = [name for name in map(str, scores) if not name.startswith(FACTOR)]
        markers = {marker: level[marker].to_numpy(float) for marker in names}
        table = interactions(markers, arm, outcome, covariates, "continuous")
        table.insert(0, "endotype", endotype)
        tests.append(table)
        options = settings["stepp"]
        for marker, values in markers.items():
            present = ~np.isnan(values)
            if present.sum() < options["window"] + options["step"]:
                continue
            windowed, p_value = stepp(
                values[present],
                arm[present],
                outcome[present],
                options["window"],
                options["step"],
                options["permutations"],
                seed,
            )
            windows.append(windowed.assign(endotype=endotype, marker=marker, p_value=p_value))
    columns = [
        "endotype",
        "marker",
        "marker_low",
        "marker_median",
        "marker_high",
        "n",
        "effect",
        "low",
        "high",
        "p_value",
    ]
    return (
        pd.concat(tests, ignore_index=True),
        pd.concat(windows, ignore_index=True)[columns] if windows else pd.DataFrame(columns=columns),
    )


def between_units(
    frame: pd.DataFrame, scores: pd.DataFrame, keys: pd.DataFrame, settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the arm's effects on marker and outcome between units (endotype and country).

    Returns
    -------
    `marker visit_day` with the fields of `TrialLevel`, and the units' effects behind them.
    """
    summaries, effects = [], []
    for day in settings["days"]:
        change = changes(scores, keys, frame.index, day)
        later = frame[f"landmark_delta_d{day}"]
        for marker in map(str, scores):
            known = (change[marker].notna() & later.notna()).to_numpy()
            units = (frame["endotype"] + " " + frame["country"]).to_numpy(object)[known]
            table = unit_effects(
                units,
                frame["arm"].to_numpy(float)[known],
                change[marker].to_numpy(float)[known],
                later.to_numpy(float)[known],
            )
            summaries.append({"marker": marker, "visit_day": day, **trial_level(table, seed)._asdict()})
            effects.append(table.assign(marker=marker, visit_day=day))
    summary = pd.DataFrame(summaries, columns=["marker", "visit_day", *TrialLevel._fields])
    return summary, pd.concat(effects, ignore_index=True) if effects else pd.DataFrame()
