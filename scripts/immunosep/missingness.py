"""Whether missing samples go with outcome, treatment, site or country: then what is there is not what was planned.

A sample is missing where one was expected (the participant lived and consented) and none can be used. Participants are
the units, never rows: a visit has one sample of a layer per participant, and over all visits each participant has one
share of missing ones. That share is standardised by visit: whoever died early was expected at early visits only, and
early samples are missing less often whoever is asked.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from immunosep.confounding import cramers_v
from immunosep.samples import sample_states

logger = logging.getLogger(__name__)

FACTORS: Final = ("death_28", "sofa_response", "endotype", "arm", "site", "country")
ALL: Final = "all"  # visits together
ALPHA: Final = 0.05
DRAWS: Final = 9999
LEVEL: Final = 0.95
TESTS: Final = (
    "layer", "visit_day", "factor", "n", "n_missing", "levels", "test", "effect", "p_value", "q_value", "verdict",
    "reason",
)  # fmt: skip
SHARES: Final = ("layer", "visit_day", "factor", "level", "n", "n_missing", "share", "low", "high")
_UNKNOWN: Final = ("", "undetermined")
_NAMES: Final = {"death_28": "death by day 28", "sofa_response": "SOFA response", "arm": "treatment arm"}


def assess_missingness(
    completeness: pd.DataFrame,
    libraries: pd.DataFrame,
    verdicts: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    factors: Sequence[str] = FACTORS,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test missing samples against what is known of the participants, for every layer, visit, and all visits together.

    Parameters
    ----------
    completeness, libraries, verdicts
        As `sample_states` takes them.
    labels
        ``results/labels/labels.tsv``, read as text. Columns that the role does not see are not there, and not tested.
    factors
        Columns of `labels`; `death_28` is made of `event_28` and `time_to_death_28`.
    seed
        Seed of the permutations.

    Returns
    -------
    tests : DataFrame
        Columns `TESTS`. A visit: Fisher's exact test of two levels, or chi-square by permutation of more; effect is
        Cramér's V. All visits: Kruskal and Wallis' test of each participant's standardised share of missing samples,
        effect is epsilon squared, `n_missing` counts those who lack a sample. q_value: Benjamini-Hochberg over the
        layers and visits of one factor. verdict: ``informative`` where q < 0.05, ``pass``, or ``not_tested`` with the
        reason.
    shares : DataFrame
        Columns `SHARES`: share of missing samples per level. A visit: with Wilson's interval; all visits: mean over the
        participants with Student's.
    """
    states = sample_states(completeness, libraries, verdicts)
    known = participant_factors(labels, factors)
    rows, shares = [], []
    for layer, visit, missing, lacks in _units(states):
        for factor in map(str, known):
            level = known[factor].reindex(missing.index).fillna("")
            level = level[~level.isin(_UNKNOWN)]
            own = missing.reindex(level.index)
            # A stream of its own: what else is tested changes no p value here.
            rng = np.random.default_rng([seed, *f"{layer}/{visit}/{factor}".encode()])
            place = {"layer": layer, "visit_day": visit, "factor": factor}
            lacking = lacks.reindex(level.index)
            rows.append(place | _test(own, lacking, level, factor, rng, whole=visit == ALL))
            shares += [place | share for share in _shares(own, lacking, level, whole=visit == ALL)]
    tests = pd.DataFrame(rows, columns=list(TESTS))
    done = tests["p_value"].notna()
    for _, family in tests[done].groupby("factor"):
        tests.loc[family.index, "q_value"] = stats.false_discovery_control(family["p_value"].astype(float))
    informative = done & (tests["q_value"].astype(float) < ALPHA)
    tests.loc[done, "verdict"] = np.where(informative[done], "informative", "pass")
    tests.loc[done & ~informative, "reason"] = ""
    for row in tests[informative].itertuples():
        logger.warning("%s, visit %s: %s", row.layer, row.visit_day, row.reason)
    return tests, pd.DataFrame(shares, columns=list(SHARES))


def participant_factors(labels: pd.DataFrame, factors: Iterable[str] = FACTORS) -> pd.DataFrame:
    """Return what missing samples are compared with, by participant; an empty cell where it is not known.

    Parameters
    ----------
    labels
        Label table, read as text.
    factors
        Columns wanted; those that the table does not have are left out.
    """
    table = labels.set_index("participant")
    if {"event_28", "time_to_death_28"} <= set(table):
        # Someone lost before day 28 is neither dead nor a survivor.
        seen = pd.to_numeric(table["time_to_death_28"], errors="coerce") >= 28
        dead = table["event_28"] == "1"
        table["death_28"] = np.select([dead, (table["event_28"] == "0") & seen], ["dead", "alive"], "")
    return table[[name for name in factors if name in table]]


def _units(states: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series, pd.Series]]:
    """Layer, visit, and by participant of whom a sample was expected: the share missing, and whether one is.

    Over all visits the share is the mean of a participant's differences from all who were expected at the same visit,
    plus the share that is missing of all samples; where all are expected at all visits that is the plain share.
    """
    expected = states[states["status"] != "not_expected"]
    expected = expected.assign(missing=(expected["status"] != "collected").astype(float))
    for layer, own in expected.groupby("layer"):
        apart = own["missing"] - own.groupby("visit_day")["missing"].transform("mean")
        share = apart.groupby(own["participant"]).mean() + own["missing"].mean()
        # Equal shares must be equal numbers: they are ranked.
        yield str(layer), ALL, share.round(9), own.groupby("participant")["missing"].any()
        for day, rows in own.groupby("visit_day"):
            missing = rows.set_index("participant")["missing"]
            yield str(layer), str(day), missing, missing > 0


def _test(
    missing: pd.Series, lacks: pd.Series, level: pd.Series, factor: str, rng: np.random.Generator, *, whole: bool
) -> dict[str, Any]:
    """Compare the shares of missing samples between the levels of a factor."""
    name = _NAMES.get(factor, factor)
    n, n_missing, levels = len(missing), int(lacks.sum()), level.nunique()
    result: dict[str, Any] = {"n": n, "n_missing": n_missing, "levels": levels, "verdict": "not_tested"}
    if levels < 2:
        return result | {"reason": f"one {name} only" if levels else f"{name} is not known"}
    if missing.nunique() < 2:
        return result | {"reason": "no sample is missing" if n_missing == 0 else "all miss the same"}
    if whole:
        groups = [own.to_numpy() for _, own in missing.groupby(level)]
        statistic, p = stats.kruskal(*groups)
        test, effect = "kruskal", float(statistic) / (n - 1)
    else:
        counts = pd.crosstab(level, missing).reindex(columns=[1.0, 0.0], fill_value=0).to_numpy()
        effect = cramers_v(zip(level, missing.astype(str), strict=True)).v
        two = len(counts) == 2
        test = "fisher" if two else "permutation"
        p = stats.fisher_exact(counts).pvalue if two else permutation_p(counts, rng)
    reason = _sentence(missing, level, name) + (" (standardised by visit)" if whole else "")
    return result | {"test": test, "effect": effect, "p_value": float(p), "reason": reason}


def permutation_p(counts: NDArray[np.int64], rng: np.random.Generator, draws: int = DRAWS) -> float:
    """P value of the chi-square of a table with two columns when the missing are dealt anew among the participants.

    With the margins fixed, dealing n missing among groups is drawing from a multivariate hypergeometric distribution:
    no participant is moved.

    Parameters
    ----------
    counts
        Shape (levels, 2): missing and not.
    rng
        Generator.
    draws
        Permutations; the observed table counts as one more (Phipson and Smyth 2010, doi 10.2202/1544-6115.1585).
    """
    sizes, missing = counts.sum(axis=1), int(counts[:, 0].sum())
    dealt = rng.multivariate_hypergeometric(sizes, missing, size=draws)
    expected = sizes * missing / sizes.sum()
    # Chi-square is this times a factor that the margins alone decide.
    distance = ((dealt - expected) ** 2 / sizes).sum(axis=1)
    observed = ((counts[:, 0] - expected) ** 2 / sizes).sum()
    return float((1 + (distance >= observed * (1 - 1e-9)).sum()) / (1 + draws))


def _sentence(missing: pd.Series, level: pd.Series, name: str) -> str:
    """Say where most and least are missing."""
    share = missing.groupby(level).mean().clip(0, 1).sort_values(ascending=False, kind="stable")
    said = [f"{value:.0%} of the {(level == at).sum()} {at}" for at, value in share.iloc[[0, -1]].items()]
    return f"missing samples go with {name}: {said[0]}, {said[1]}"


def _shares(missing: pd.Series, lacks: pd.Series, level: pd.Series, *, whole: bool) -> Iterator[dict[str, Any]]:
    """Share of missing samples per level, with its interval."""
    for name, own in missing.groupby(level):
        n, share = len(own), min(1.0, max(0.0, float(own.mean())))
        if whole:
            # Of one participant nothing is known but the share itself.
            half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * stats.sem(own)) if n > 1 else 1.0
            low, high = max(0.0, share - half), min(1.0, share + half)
        else:
            interval = stats.binomtest(int(own.sum()), n).proportion_ci(LEVEL, method="wilson")
            low, high = interval.low, interval.high
        yield {
            "level": name, "n": n, "n_missing": int(lacks[own.index].sum()), "share": share, "low": low, "high": high,
        }  # fmt: skip
