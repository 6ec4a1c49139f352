"""How good the predictions are: discrimination, calibration, and their uncertainty over participants."""

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score, roc_curve

from immunosep.biomarkers.resampling import (
    LINES,
    draw,
    drawn_auprc,
    drawn_auroc,
    drawn_balanced_accuracy,
    drawn_brier,
    drawn_lines,
    interval,
    limits,
)
from immunosep.io import PathLike

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

PERFORMANCE = (
    "task",
    "model",
    "feature_set",
    "class",
    "n",
    "n_positive",
    "prevalence",
    "auroc",
    "auroc_low",
    "auroc_high",
    "auroc_sd",
    *("auprc", "auprc_low", "auprc_high"),
    *("brier", "brier_low", "brier_high", "brier_scaled"),
    *("balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high"),
    *("calibration_slope", "calibration_slope_low", "calibration_slope_high"),
    *("calibration_intercept", "calibration_intercept_low", "calibration_intercept_high"),
    "note",
)
CALIBRATION_BINS = 5


KEYS = ["model", "feature_set", "class"]
#: Name of the row that averages the classes of a task with more than two.
MACRO = "macro"


def read_predictions(path: PathLike) -> pd.DataFrame:
    """Read a table of `crossvalidate.PREDICTIONS`; participants and classes are text."""
    return pd.read_csv(path, sep="\t", dtype={"participant": str, "class": str})


def average_repeats(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model, feature set, class and participant: score and probability averaged over repeats."""
    return predictions.groupby([*KEYS, "participant"], sort=True, as_index=False).agg(
        label=("label", "first"), score=("score", "mean"), probability=("probability", "mean")
    )


def performance_table(predictions: pd.DataFrame, task: str, *, bootstrap: int, seed: int) -> pd.DataFrame:
    """Return one row per model, feature set and class; with three or more classes also their mean, class `macro`.

    Parameters
    ----------
    predictions
        repeat, fold, participant, model, feature_set, class, label, probability, score (log odds above the training
        prevalence, which can be compared across folds).
    task
        Name, for the first column.
    bootstrap, seed
        Resamples of participants for the 95 % percentile intervals, and their seed; of the AUROC see `area_of`. An
        interval holds the fitted models fixed; `auroc_sd`, over repeats, shows what refolding adds. Where the classes
        separate fully every resample says the same of the AUROC, and `separation_bound` takes the place of the
        percentiles, as it does of a percentile that is closer still; `note` says so. A limit of the calibration that is
        missing is infinite: the classes separate in more than one of forty resamples.

    Returns
    -------
    pandas.DataFrame
        Columns `PERFORMANCE`. n differs between models where participants lack a layer. Slope and intercept of the
        calibration are means over the repeats, those of one model: the average of ten is less extreme than each, and
        nobody uses it.
    """
    rows = []
    by_repeat = predictions.groupby([*KEYS, "repeat"])
    per_repeat = by_repeat[["repeat", "fold", "label", "score"]].apply(fold_auroc)
    lines = by_repeat[["label", "probability"]].apply(_line_of_repeat).groupby(KEYS).mean()
    around = {keys: _line_limits(part, min(bootstrap, LINES), seed) for keys, part in predictions.groupby(KEYS)}
    if around:
        lines = lines.join(pd.DataFrame(list(around.values()), pd.MultiIndex.from_tuples(list(around), names=KEYS)))
    raw = dict(list(predictions.groupby(KEYS)))
    for (model, feature_set), group in average_repeats(predictions).groupby(["model", "feature_set"], sort=True):
        own, areas = [], []
        for name, part in group.groupby("class", sort=True):
            row, resampled = _performance_row(part, raw[model, feature_set, name], bootstrap, seed)
            row |= {"class": name, "auroc_sd": per_repeat.xs((model, feature_set, name)).std()}
            row |= {str(fact): value for fact, value in lines.xs((model, feature_set, name)).items()}
            own.append(row)
            areas.append(resampled)
        if len(own) > 1:
            own.append(_macro_row(group, own, areas))
        rows += [{"task": task, "model": model, "feature_set": feature_set, **row} for row in own]
    return pd.DataFrame(rows, columns=list(PERFORMANCE))


def _line_of_repeat(part: pd.DataFrame) -> pd.Series:
    """Return slope and intercept of the calibration in one repeat; NaN with one class."""
    label, probability = part["label"].to_numpy(), part["probability"].to_numpy()
    found = calibration_line(label, probability) if np.unique(label).size == 2 else (np.nan, np.nan)
    return pd.Series(found, index=["calibration_slope", "calibration_intercept"])


def _line_limits(part: pd.DataFrame, resamples: int, seed: int) -> dict[str, float]:
    """Return the limits of the mean over the repeats of slope and intercept, the same participants drawn in all."""
    wide = part.pivot(index="participant", columns="repeat", values="probability")
    labels = part.drop_duplicates("participant").set_index("participant")["label"].reindex(wide.index).to_numpy()
    weights = draw(len(wide), resamples, seed)
    lines = [
        drawn_lines(labels[there], own[there], weights[:, there])
        for own in wide.to_numpy().T
        if (there := np.isfinite(own)).any()
    ]
    slopes, intercepts = (np.mean(values, axis=0) for values in zip(*lines, strict=True))
    return limits({"calibration_slope": slopes, "calibration_intercept": intercepts})


def _performance_row(
    part: pd.DataFrame, raw: pd.DataFrame, bootstrap: int, seed: int
) -> tuple[dict[str, object], Array]:
    """Return the measures of one class from its rows averaged over repeats and as they are; and the AUROC by draw."""
    label, probability, score = (part[name].to_numpy() for name in ("label", "probability", "score"))
    row: dict[str, object] = {"n": len(part), "n_positive": int(label.sum())}
    if np.unique(label).size < 2:
        return {**row, "note": "one class only among the participants with this layer"}, np.full(bootstrap, np.nan)
    weights = draw(len(part), bootstrap, seed)
    area, areas = area_of(raw, part, weights)
    low, high, note = _interval(area, areas, int(np.bincount(label).min()))
    brier = float(np.mean((probability - label) ** 2))
    prevalence = float(label.mean())
    return {
        **row,
        "prevalence": prevalence,
        "auroc": area,
        "auroc_low": low,
        "auroc_high": high,
        "auprc": average_precision_score(label, score),
        "brier": brier,
        "brier_scaled": 1 - brier / (prevalence * (1 - prevalence)),
        "balanced_accuracy": balanced_accuracy_score(label, score > 0),
        **limits(
            {
                "auprc": drawn_auprc(label, score, weights),
                "brier": drawn_brier(label, probability, weights),
                "balanced_accuracy": drawn_balanced_accuracy(label, score > 0, weights),
            }
        ),
        "note": note,
    }, areas


def fold_auroc(predictions: pd.DataFrame) -> float:
    """Return the AUROC among participants of one test fold: the share of such pairs in order, over all folds.

    Each pair is judged by one model that knew neither of the two. Scores of different folds come from different models:
    pairs across folds draw the AUROC down, that of a model without any signal below one half. Scores averaged over
    repeats are those of a crowd of models, better than each.

    Parameters
    ----------
    predictions
        repeat, fold, label, score of one model and class.

    Returns
    -------
    float
        NaN where no fold has both classes.
    """
    fold = predictions.groupby(["repeat", "fold"]).ngroup().to_numpy()
    up = (predictions["label"] == 1).to_numpy()
    # Scores that are equal but for their last bits are ties.
    ranks = pd.Series(np.round(predictions["score"].to_numpy(), 9)).groupby(fold).rank().to_numpy()
    positive, negative = np.bincount(fold, up), np.bincount(fold, ~up)
    in_order = np.bincount(fold, ranks * up) - positive * (positive + 1) / 2
    pairs = float(positive @ negative)
    return float(in_order.sum() / pairs) if pairs else float("nan")


def area_of(raw: pd.DataFrame, averaged: pd.DataFrame, weights: Array) -> tuple[float, Array]:
    """Return the AUROC of one model and class, and that of resamples of its participants.

    The AUROC is `fold_auroc`. The resamples are drawn from the scores averaged over repeats, whose AUROC varies from
    participants to participants as much as it should but lies off the centre; they are moved to it on the scale of log
    odds. Over 100 simulated trials their 95 % interval holds the AUROC of the fitted models among others in 92.5 %
    (`tests/benchmarks/interval_coverage.py`). Drawn from the pairs within folds they would vary too little: with
    ten repeats each participant meets nearly all others.

    Parameters
    ----------
    raw
        repeat, fold, label, score.
    averaged
        label, score by participant.
    weights
        How often each participant of `averaged` is drawn, (resamples, n).
    """
    label, score = averaged["label"].to_numpy(), averaged["score"].to_numpy()
    area, centre = fold_auroc(raw), auroc(label, score)
    areas = drawn_auroc(label, score, weights)
    if 0 < area < 1 and 0 < centre < 1:
        areas = expit(logit(areas) + logit(area) - logit(centre))
    return area, areas


def _interval(area: float, areas: Array, smaller: int) -> tuple[float, float, str]:
    """Return the 95 % interval of an AUROC and a note: percentiles of the resamples, or the bound of a separation."""
    if np.isnan(area):
        return area, area, "no test fold holds both classes"
    bound = separation_bound(smaller)
    # The averaged scores may separate the classes where those of single repeats do not.
    if area in (0.0, 1.0) or np.isin(areas[~np.isnan(areas)], (0.0, 1.0)).all():
        note = f"classes separate fully: bound of the AUROC from {smaller} disjoint pairs, not the bootstrap"
        return (min(area, bound), 1.0, note) if area > 0.5 else (0.0, max(area, 1 - bound), note)
    low, high = interval(areas)
    if low <= bound and high >= 1 - bound:
        return low, high, ""
    # Near a separation the resamples are all alike; what falls short of one is not known more closely than one.
    note = f"near a full separation: limit of one, from {smaller} disjoint pairs"
    return min(low, bound), max(high, 1 - bound), note


def separation_bound(pairs: int) -> float:
    """Return the lower 97.5 % confidence bound of an AUROC whose sample separates the classes fully.

    As many disjoint pairs of one participant of each class can be formed as the smaller class has participants. Under a
    true AUROC of A each is in order with a probability of A at most, independently of the others, so that the chance of
    a full separation is at most A^pairs: it exceeds 2.5 % only above ``0.025 ** (1 / pairs)``. That is the bound of
    Clopper and Pearson for `pairs` successes in `pairs` trials. It is conservative, because only some of all pairs are
    used, and needs no assumption about the scores.

    Parameters
    ----------
    pairs
        Participants in the smaller class, at least 1.

    References
    ----------
    Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404.
    """
    return float(0.025 ** (1 / pairs))


def _macro_row(group: pd.DataFrame, rows: list[dict[str, object]], areas: list[Array]) -> dict[str, object]:
    """Return the mean over classes; the balanced accuracy is that of the class with the highest score.

    It rests on the participants with a score for every class: a class that is too small in a training fold has no model
    there, and the highest of the other scores would be no choice between the classes.
    """
    wide = group.pivot(index="participant", columns="class", values="score")
    truth = group[group["label"] == 1].set_index("participant")["class"]
    chosen = wide.dropna().idxmax(axis=1)
    chosen = chosen[chosen.index.isin(truth.index)]
    measures = ["auroc", "auroc_sd", "auprc", "brier", "brier_scaled"]
    table = pd.DataFrame(rows).reindex(columns=[*measures, "auroc_low", "auroc_high"])
    mean = table[measures].mean()
    note = "one against the rest, mean over classes"
    if mean["auroc"] in (0.0, 1.0):
        # A mean below a bound means that some class lies below it, so that the widest of their bounds holds.
        low, high = table["auroc_low"].min(), table["auroc_high"].max()
        note += "; classes separate fully: widest bound of theirs"
    else:
        low, high = np.nanquantile(np.mean(areas, axis=0), [0.025, 0.975])
    return {
        "class": MACRO,
        "n": len(wide),
        **{name: float(mean[name]) for name in measures},
        "auroc_low": low,
        "auroc_high": high,
        "balanced_accuracy": balanced_accuracy_score(truth[chosen.index], chosen) if len(chosen) else float("nan"),
        "note": note,
    }


def auroc(labels: NDArray | pd.Series, scores: NDArray | pd.Series) -> float:
    """Return the area under the ROC curve; NaN with one class."""
    # Scores of one fold differ from equal ones of another in the last bits; rounding keeps their ties.
    return float(roc_auc_score(labels, np.round(scores, 9))) if np.unique(labels).size == 2 else float("nan")


def calibration_line(labels: NDArray[np.integer], probability: Array) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of the label on the predicted log odds; ideal 1 and 0.

    NaN where all predictions are equal or the classes separate perfectly, because no finite line exists.
    """
    clipped = np.clip(probability, 1e-9, 1 - 1e-9)
    log_odds = np.log(clipped / (1 - clipped))
    positive, negative = log_odds[labels == 1], log_odds[labels == 0]
    # Classes that touch in one value, or stand the wrong way round, leave the slope without a limit as well.
    separate = positive.min() >= negative.max() or negative.min() >= positive.max()
    if np.ptp(log_odds) < 1e-9 or separate:
        return float("nan"), float("nan")
    line = LogisticRegression(C=np.inf, max_iter=1000).fit(log_odds[:, None], labels)
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def curves_table(predictions: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the points of ROC and calibration curves.

    Returns
    -------
    pandas.DataFrame
        task, model, feature_set, class, curve, x, y, n. `roc`: false and true positive rate.
        `calibration`: mean prediction and observed fraction in bins of equal size, with the bin's n.
    """
    parts = []
    for keys, part in average_repeats(predictions).groupby(KEYS, sort=True):
        label, probability = part["label"].to_numpy(), part["probability"].to_numpy()
        if np.unique(label).size < 2:
            continue
        false, true, _ = roc_curve(label, np.round(part["score"], 9))
        parts.append(pd.DataFrame({"curve": "roc", "x": false, "y": true, "n": len(part)}))
        order = np.argsort(probability, kind="stable")
        bins = [rows for rows in np.array_split(order, CALIBRATION_BINS) if rows.size]
        parts.append(
            pd.DataFrame(
                {
                    "curve": "calibration",
                    "x": [probability[rows].mean() for rows in bins],
                    "y": [label[rows].mean() for rows in bins],
                    "n": [rows.size for rows in bins],
                }
            )
        )
        parts[-2:] = [table.assign(task=task, **dict(zip(KEYS, map(str, keys), strict=True))) for table in parts[-2:]]
    columns = ["task", *KEYS, "curve", "x", "y", "n"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
