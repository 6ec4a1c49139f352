"""Models against each other, and one model in groups of participants."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from immunosep.biomarkers.classes import person_table
from immunosep.biomarkers.evaluate import KEYS, PERFORMANCE, area_of, auroc, average_repeats, performance_table
from immunosep.biomarkers.resampling import draw, interval

DIFFERENCES: Final = (
    "task",
    *KEYS,
    "reference",
    "n",
    "folds",
    "auroc_difference",
    "low",
    "high",
    "t",
    "p_value",
)
SUBGROUPS: Final = ("task", *KEYS, "variable", "level", "n", "n_positive", "auroc", "auroc_low", "auroc_high", "note")
TRANSFER: Final = ("scheme", "groups", *PERFORMANCE)
#: Models that others are compared with, where the task has them: named here, never chosen by their result.
REFERENCES: Final = ("clinical", "late_fusion")
OLD: Final = 70
#: Variables of which level `no` is no group but everybody without a few: its AUROC is always told.
LEFT_OUT: Final = ("covid19", "borderline")


def corrected_t(differences: NDArray[np.float64], test_share: float) -> tuple[float, float, float]:
    """Return the mean difference, its standard error and the p value of the corrected resampled t-test.

    Training sets of different folds share participants, so that the plain variance of the differences is too small; it
    is multiplied with 1/J + n_test/n_train in place of 1/J.

    Parameters
    ----------
    differences
        (J,) of J test folds.
    test_share
        n_test / n_train.

    References
    ----------
    Nadeau and Bengio 2003, doi 10.1023/A:1024068626366.
    """
    count = differences.size
    if count < 2:
        return float(differences.mean()) if count else float("nan"), float("nan"), float("nan")
    mean = float(differences.mean())
    error = float(np.sqrt((1 / count + test_share) * differences.var(ddof=1)))
    if error == 0:
        return mean, 0.0, 1.0 if mean == 0 else 0.0
    return mean, error, float(2 * stats.t.sf(abs(mean / error), count - 1))


def differences_table(predictions: pd.DataFrame, task: str) -> pd.DataFrame:
    """Compare each model's AUROC with that of the clinical model and of the late fusion.

    Both are asked about the same participants of each test fold, those whom both predict.

    Parameters
    ----------
    predictions
        repeat, fold, participant, model, feature_set, class, label, score.
    task
        Name, for the first column.

    Returns
    -------
    pandas.DataFrame
        Columns `DIFFERENCES`: model minus reference with its 95 % interval, t and p value. Folds in which a class has
        nobody are left out.
    """
    rows: list[dict[str, object]] = []
    for (feature_set, name), group in predictions.groupby(["feature_set", "class"], sort=True):
        place = ["repeat", "fold", "participant"]
        scores = group.pivot(index=place, columns="model", values="score")
        labels = group.groupby(place)["label"].first()
        sizes = labels.groupby(level=["repeat", "fold"]).size()
        everyone = labels.groupby(level="repeat").size().mean()
        share = float(sizes.mean() / max(everyone - sizes.mean(), 1))
        for reference in (model for model in REFERENCES if model in scores):
            for model in (other for other in scores if other != reference):
                both = scores[[model, reference]].dropna()
                areas = [
                    (auroc(labels.loc[part.index], part[model]), auroc(labels.loc[part.index], part[reference]))
                    for _, part in both.groupby(level=["repeat", "fold"])
                ]
                own, other = np.array(areas, dtype=float).reshape(-1, 2).T
                found = (own - other)[np.isfinite(own - other)]
                mean, error, p_value = corrected_t(found, share)
                half = stats.t.ppf(0.975, max(found.size - 1, 1)) * error
                rows.append(
                    {
                        "task": task,
                        "model": model,
                        "feature_set": feature_set,
                        "class": name,
                        "reference": reference,
                        "n": both.index.get_level_values("participant").nunique(),
                        "folds": found.size,
                        "auroc_difference": mean,
                        "low": mean - half,
                        "high": mean + half,
                        "t": mean / error if error else float("nan"),
                        "p_value": p_value,
                    }
                )
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def subgroup_levels(labels: pd.DataFrame, participants: pd.DataFrame | None, target: str) -> pd.DataFrame:
    """Return sex, age, country, infection and COVID-19 by participant, as text, as far as the tables have them.

    Level `no` of `covid19` is the model without these participants, who could enter the trial with one endotype only.
    Where the endotype is the target, `borderline` is a group as well: its level `no` is without those whose class the
    assays' spread might have turned.

    Parameters
    ----------
    labels
        Label table.
    participants
        Clinical table of participants, or None.
    target
        What the task predicts.
    """
    table = person_table(labels, participants)
    found = {}
    if "age_years" in table:
        age = pd.to_numeric(table["age_years"], errors="coerce")
        found["age"] = pd.Series(np.where(age >= OLD, f"{OLD} and older", f"under {OLD}"), table.index).where(
            age.notna(), ""
        )
    for name in ("sex", "country", "infection", "covid19", *(("borderline",) if target == "endotype" else ())):
        if name in table:
            # Who is not in one of the tables has no level there.
            found[name] = table[name].fillna("").astype(str).str.strip()
    return pd.DataFrame(found, index=table.index)


def subgroup_table(
    predictions: pd.DataFrame, levels: pd.DataFrame, task: str, *, min_group: int, bootstrap: int, seed: int
) -> pd.DataFrame:
    """Return the AUROC of every model within groups of participants; nothing is tuned to a group.

    Parameters
    ----------
    predictions
        As `evaluate.performance_table` takes them; the AUROC of a group is `evaluate.area_of`.
    levels
        Columns of `subgroup_levels`; an empty text is no group.
    task
        Name, for the first column.
    min_group
        A group with fewer participants, or with fewer in a class that is there, has no numbers; nor then has the
        smallest other group of the variable, from which and the total the first could be worked out. A group in which
        a class has nobody has none either, and hides no other: it has no AUROC, and no small count to work out. Level
        `no` of a variable in `LEFT_OUT` keeps its AUROC where its numbers are hidden.
    bootstrap, seed
        Resamples of the participants of a group for the 95 % percentile interval, and their seed.

    Returns
    -------
    pandas.DataFrame
        Columns `SUBGROUPS`.
    """
    rows: list[dict[str, object]] = []
    raw = dict(list(predictions.groupby(KEYS)))
    for keys, part in average_repeats(predictions).groupby(KEYS, sort=True):
        for variable in levels:
            own = part.assign(level=part["participant"].map(levels[variable]).fillna(""))
            groups = {name: group for name, group in own.groupby("level", sort=True) if name}
            hidden = _hidden({str(name): group["label"] for name, group in groups.items()}, min_group)
            for name, group in groups.items():
                row = {"task": task, **dict(zip(KEYS, keys, strict=True)), "variable": variable, "level": name}
                smallest = int(np.bincount(group["label"], minlength=2).min())
                told = name not in hidden
                if told and not smallest:
                    row["note"] = "one class only"
                elif told or (variable in LEFT_OUT and name == "no" and smallest >= min_group):
                    theirs = raw[keys][raw[keys]["participant"].isin(group["participant"])]
                    row |= _measured(group, theirs, told=told, bootstrap=bootstrap, seed=seed)
                else:
                    row["note"] = f"fewer than {min_group} in a class, or hidden with such a group"
                rows.append(row)
    table = pd.DataFrame(rows, columns=list(SUBGROUPS))
    return table.astype({"n": "Int64", "n_positive": "Int64"})


def _measured(group: pd.DataFrame, raw: pd.DataFrame, *, told: bool, bootstrap: int, seed: int) -> dict[str, object]:
    """Return the AUROC of a group with its interval, and the numbers of its participants where they may be told."""
    found, draws = area_of(raw, group, draw(len(group), bootstrap, seed))
    low, high = interval(draws)
    area = {"auroc": found, "auroc_low": low, "auroc_high": high}
    if not told:
        return {**area, "note": "numbers hidden: too few are left out"}
    return {**area, "n": len(group), "n_positive": int(group["label"].sum()), "note": ""}


def _hidden(groups: Mapping[str, pd.Series], min_group: int) -> set[str]:
    """Return the levels whose counts are small, and where it is one alone the smallest other that has numbers."""
    counts = {name: (int(label.sum()), int((1 - label).sum())) for name, label in groups.items()}
    hidden = {name for name, pair in counts.items() if any(0 < count < min_group for count in (*pair, sum(pair)))}
    others = [(sum(pair), name) for name, pair in counts.items() if name not in hidden and all(pair)]
    if len(hidden) == 1 and others:
        hidden.add(min(others)[1])
    return hidden


def transfer_table(predictions: Mapping[str, pd.DataFrame], task: str, *, bootstrap: int, seed: int) -> pd.DataFrame:
    """Return the performance of predictions by models that saw nobody of the participant's country or site.

    All participants are judged together: a country alone has too few for an AUROC of its own that would mean anything,
    and scores are log odds above the training prevalence, which can be compared across folds.

    Parameters
    ----------
    predictions
        By scheme of the splits.
    task, bootstrap, seed
        As in `evaluate.performance_table`.

    Returns
    -------
    pandas.DataFrame
        Columns `TRANSFER`; `groups` is how many were left out in turn.
    """
    parts = []
    for scheme, table in predictions.items():
        if len(table):
            own = performance_table(table.assign(fold=1), task, bootstrap=bootstrap, seed=seed)
            groups = table.groupby(["model", "feature_set"])["fold"].nunique().rename("groups")
            parts.append(own.join(groups, on=["model", "feature_set"]).assign(scheme=scheme))
    joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return joined.reindex(columns=list(TRANSFER))
