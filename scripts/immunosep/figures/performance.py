"""How well the classifiers of one task do on participants they have not seen: ROC, AUROC with interval, calibration.

The models that are drawn in colour are chosen by their kind and never by their result: the best of many models looks
better than it is.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from immunosep.figures.style import (
    BLUE,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    VERMILLION,
    group_styles,
    house_styled,
    layer_title,
    new_figure,
    note_figure,
    title_figure,
)

# model -> colour and marker, in order of preference where one model stands for the task
HIGHLIGHTED: Final = {"late_fusion": (VERMILLION, "D"), "mofa": (BLUE, "o"), "clinical": (ORANGE, "s")}
MODEL_TITLES: Final = {"late_fusion": "Late fusion", "mofa": "MOFA factors", "clinical": "Clinical only"} | {
    "clinical_omics": "Clinical and omics",
    "early_fusion": "Early fusion",
    "missingness": "Missingness only",
}
FEATURE_SETS: Final = {
    "no_definers": "without definers",
    "no_definers_strict": "without definers and their correlates",
    "full": "all features",
}
MACRO: Final = "macro"  # the mean over the classes of a task with more than two
GRID: Final = np.linspace(0, 1, 101)
LEVEL: Final = 0.95
MIN_PER_CLASS: Final = 2


def model_title(model: str) -> str:
    """Return the name of a model as people write it; a layer's model bears the layer's name."""
    seen = model.removeprefix("boosting_")
    title = MODEL_TITLES.get(seen, layer_title(seen))
    return title if seen == model else f"{title}, trees"


def primary_feature_set(feature_sets: pd.Series) -> str:
    """Return the feature set that the headline rests on: without the definers of the label, where it was run."""
    present = set(feature_sets)
    return next((name for name in FEATURE_SETS if name in present), min(present, default=""))


def overall_rows(performance: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model and feature set: the only class, or the mean over three or more."""
    if (performance["class"] == MACRO).any():
        return performance[performance["class"] == MACRO]
    return performance


def primary_model(models: pd.Series) -> str | None:
    """Return the model that stands for a task: chosen by its kind, never by its result."""
    present = set(models)
    return next((name for name in HIGHLIGHTED if name in present), None)


def roc_band(
    labels: NDArray[np.int64], scores: NDArray[np.float64], *, rounds: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pointwise 95 % percentile interval of the true positive rate on `GRID`.

    Participants are drawn with replacement within their class, as in a study with fixed numbers of cases.

    Parameters
    ----------
    labels, scores
        Class (0 or 1) and score of each participant.
    rounds
        Number of resamples.
    seed
        Seed of the resampling.

    Returns
    -------
    low, high
        True positive rates at the false positive rates of `GRID`.
    """
    generator = np.random.default_rng([seed, 7])
    cases, controls = scores[labels == 1], scores[labels == 0]
    drawn_cases = np.sort(generator.choice(cases, (rounds, cases.size)), axis=1)
    drawn_controls = np.sort(generator.choice(controls, (rounds, controls.size)), axis=1)[:, ::-1]
    # The threshold that lets through at most a share f of the controls is the control of rank floor(f n); a score above
    # it counts as positive, and at f = 1 everyone does.
    ranks = np.floor(GRID * controls.size + 1e-9).astype(int)
    thresholds = np.concatenate([drawn_controls, np.full((rounds, 1), -np.inf)], axis=1)[:, ranks]
    rates = np.stack(
        [
            1 - np.searchsorted(one, cut, side="right") / cases.size
            for one, cut in zip(drawn_cases, thresholds, strict=True)
        ]
    )
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(rates, [tail, 1 - tail], axis=0)
    return low, high


def tabulate_roc(
    curves: pd.DataFrame, performance: pd.DataFrame, predictions: pd.DataFrame, *, rounds: int, seed: int
) -> pd.DataFrame:
    """Collect ROC points of every model, the AUROC of each, and the band of the model that stands for the task.

    Parameters
    ----------
    curves
        ``curves.tsv`` of one task (model, feature_set, class, curve, x, y), read as text.
    performance
        ``performance.tsv`` (model, feature_set, class, n, n_positive, auroc, auroc_low, auroc_high), read as text.
    predictions
        ``predictions.tsv`` (participant, model, feature_set, class, label, score), read as text. Scores are averaged
        over the repeats of cross-validation before the band is drawn.
    rounds, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Long: item (``curve``, ``band`` or ``auroc``), model, feature_set, class, x, y, low, high, n, n_positive. For
        curves and bands x is the false and y the true positive rate; for ``auroc`` y is the AUROC (with three or more
        classes the mean, class ``macro``; then there is no band).
    """
    keys = ["model", "feature_set", "class"]
    roc = curves[curves["curve"] == "roc"]
    points = roc[keys].assign(item="curve", x=number(roc["x"]), y=number(roc["y"]))
    overall = overall_rows(performance)
    areas = overall[keys].assign(
        item="auroc",
        y=number(overall["auroc"]),
        low=number(overall["auroc_low"]),
        high=number(overall["auroc_high"]),
        n=number(overall["n"]),
        n_positive=number(overall["n_positive"]),
    )
    parts = [points, areas[areas["y"].notna()]]
    feature_set = primary_feature_set(performance["feature_set"])
    chosen = predictions[predictions["feature_set"] == feature_set]
    model = primary_model(chosen["model"])
    if model is not None and chosen["class"].nunique() == 1:
        parts.append(_band(chosen[chosen["model"] == model], rounds, seed))
    table = pd.concat(parts, ignore_index=True)
    return table.reindex(columns=["item", *keys, "x", "y", "low", "high", "n", "n_positive"])


@house_styled
def plot_roc(table: pd.DataFrame, *, task: str) -> Figure:
    """Draw the ROC curves without definers, and beside them the AUROC of every model and feature set.

    Parameters
    ----------
    table
        As `tabulate_roc` returns it.
    task
        Name of the task, for the title.
    """
    areas = table[table["item"] == "auroc"]
    title = f"{task_title(task)}: discrimination in unseen participants"
    if areas.empty:
        return note_figure(title, "Not run: too few participants in a class (see performance.tsv)")
    feature_set = primary_feature_set(areas["feature_set"])
    figure = new_figure(height=max(4.3, 1.6 + 0.32 * areas["model"].nunique()))
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_curves(left, table[(table["feature_set"] == feature_set) & (table["item"] != "auroc")])
    left.set_title(f"ROC, {FEATURE_SETS.get(feature_set, feature_set)}", fontsize=9, fontweight="normal")
    left.set_anchor("N")
    _draw_forest(right, areas)
    right.set_title("AUROC of every model", fontsize=9, fontweight="normal")
    largest = areas.sort_values("n", kind="stable").iloc[-1]
    positive = "" if np.isnan(largest["n_positive"]) else f", {largest['n_positive']:.0f} {largest['class']}"
    title_figure(figure, title, f"N = {largest['n']:.0f}{positive}")
    return figure


def tabulate_calibration(curves: pd.DataFrame, performance: pd.DataFrame, *, min_bin: int) -> pd.DataFrame:
    """Collect observed and predicted risk in bins that hold at least `min_bin` participants.

    Parameters
    ----------
    curves
        ``curves.tsv`` of one task (model, feature_set, class, curve, x, y, n), read as text; x is the mean predicted
        probability and y the observed fraction of a bin.
    performance
        ``performance.tsv`` (model, feature_set, class, calibration_slope, calibration_intercept, brier), read as text.
    min_bin
        Neighbouring bins are joined until each holds so many participants, so that no bin points to a person.

    Returns
    -------
    DataFrame
        model, class, predicted, observed, low, high (95 % Wilson interval), n, slope, intercept, brier; of the
        highlighted models on the primary feature set, with three or more classes of the primary model only.
    """
    rows = curves[curves["curve"] == "calibration"]
    rows = rows[rows["feature_set"] == primary_feature_set(rows["feature_set"])]
    shown = [primary_model(rows["model"])] if rows["class"].nunique() > 1 else list(HIGHLIGHTED)
    rows = rows[rows["model"].isin(shown)].merge(
        performance, on=["model", "feature_set", "class"], suffixes=("", "_all")
    )
    header = ["model", "class", "predicted", "observed", "low", "high", "n", "slope", "intercept", "brier"]
    parts = [pd.DataFrame(columns=header)]
    for (model, name), bins in rows.groupby(["model", "class"], sort=True):
        predicted, observed, sizes = (number(bins[column]).to_numpy() for column in ("x", "y", "n"))
        joined = join_bins(predicted, observed, sizes, min_bin)
        joined["model"], joined["class"] = str(model), str(name)
        facts = ("calibration_slope", "calibration_intercept", "brier")
        joined[["slope", "intercept", "brier"]] = [number(bins[fact]).iloc[0] for fact in facts]
        parts.append(joined)
    filled = [part for part in parts if not part.empty] or parts[:1]
    order = {model: place for place, model in enumerate(HIGHLIGHTED)}
    table = pd.concat(filled, ignore_index=True)[header]
    return table.sort_values("model", key=lambda models: models.map(order), kind="stable", ignore_index=True)


def join_bins(
    predicted: NDArray[np.float64], observed: NDArray[np.float64], sizes: NDArray[np.float64], minimum: int
) -> pd.DataFrame:
    """Join neighbouring bins until each holds at least `minimum`, and add Wilson intervals.

    Parameters
    ----------
    predicted, observed, sizes
        Mean prediction, observed fraction and size of each bin.
    minimum
        Smallest size of a bin; a last bin that stays smaller is joined to the one before it.

    Returns
    -------
    DataFrame
        predicted, observed, low, high, n by rising prediction. No rows if all participants together are too few.
    """
    header = ["predicted", "observed", "low", "high", "n"]
    if sizes.sum() < minimum:
        return pd.DataFrame(columns=header, dtype=float)
    order = np.argsort(predicted, kind="stable")
    groups: list[list[int]] = [[]]
    for index in order:
        if sizes[groups[-1]].sum() >= minimum:
            groups.append([])
        groups[-1].append(int(index))
    if len(groups) > 1 and sizes[groups[-1]].sum() < minimum:
        last = groups.pop()
        groups[-1] += last
    n = np.array([sizes[group].sum() for group in groups])
    mean = np.array([np.average(predicted[group], weights=sizes[group]) for group in groups])
    events = np.array([(observed[group] * sizes[group]).sum() for group in groups])
    low, high = proportion_confint(events, n, alpha=1 - LEVEL, method="wilson")
    return pd.DataFrame({"predicted": mean, "observed": events / n, "low": low, "high": high, "n": n.astype(int)})


@house_styled
def plot_calibration(table: pd.DataFrame, *, task: str) -> Figure:
    """Draw observed against predicted probability, a panel per highlighted model, with intervals and the ideal line.

    Parameters
    ----------
    table
        As `tabulate_calibration` returns it.
    task
        Name of the task, for the title.
    """
    title = f"{task_title(task)}: calibration in unseen participants"
    if table.empty:
        return note_figure(title, "Not drawn: no model was run, or too few participants for a bin")
    groups = [(str(model), str(name), rows) for (model, name), rows in table.groupby(["model", "class"], sort=False)]
    columns = min(3, max(2, len(groups)))
    lines = math.ceil(len(groups) / columns)
    figure = new_figure(height=0.5 + 2.8 * lines)
    panels = figure.subplots(lines, columns, sharey=True, sharex=True, squeeze=False)
    for axes, (model, name, rows) in zip(panels.flat, groups, strict=False):
        _draw_bins(axes, rows, model)
        several = table["class"].nunique() > 1
        axes.set_title(f"{model_title(model)}: {name}" if several else model_title(model), fontsize=9)
    for axes in panels.flat[len(groups) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("Observed fraction")
    for axes in panels[-1]:
        axes.set_xlabel("Predicted probability")
    size = int(table.groupby(["model", "class"])["n"].sum().max())
    title_figure(figure, title, f"N = {size}")
    return figure


def number(column: pd.Series) -> pd.Series:
    """Return a text column as floats, empty as NaN."""
    return pd.to_numeric(column, errors="coerce").astype(float)


def task_title(task: str) -> str:
    """Return `sofa_response` as `SOFA response`."""
    return task.replace("_", " ").capitalize().replace("Sofa", "SOFA")


def _band(rows: pd.DataFrame, rounds: int, seed: int) -> pd.DataFrame:
    """Return the bootstrap band of one model; no rows where a class has fewer than two participants."""
    people = rows.assign(label=number(rows["label"]), score=number(rows["score"]))
    people = people.groupby("participant", sort=True)[["label", "score"]].mean()
    labels = people["label"].to_numpy().astype(int)
    if min(labels.sum(), (1 - labels).sum()) < MIN_PER_CLASS:
        return pd.DataFrame()
    low, high = roc_band(labels, people["score"].to_numpy(), rounds=rounds, seed=seed)
    key = rows[["model", "feature_set", "class"]].iloc[0].to_dict()
    return pd.DataFrame({"item": "band", **key, "x": GRID, "low": low, "high": high})


def _draw_curves(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the ROC curves: the highlighted models in colour, single layers thin and grey; or one model by class."""
    axes.plot((0, 1), (0, 1), color=LIGHT, linewidth=1, linestyle="--", zorder=1)
    for model, band in rows[rows["item"] == "band"].groupby("model"):
        axes.fill_between(
            band["x"], band["low"], band["high"], color=HIGHLIGHTED[str(model)][0], alpha=0.15, linewidth=0
        )
    curves = rows[rows["item"] == "curve"]
    if curves["class"].nunique() > 1:
        model = primary_model(curves["model"]) or min(curves["model"])
        curves = curves[curves["model"] == model]
        colours = {name: style.colour for name, style in group_styles(curves["class"]).items()}
        titles, by = {name: f"{name} against the rest" for name in colours}, "class"
        axes.text(0.98, 0.34, model_title(model), ha="right", fontsize=8, fontweight="bold")
    else:
        colours = {name: HIGHLIGHTED[name][0] for name in HIGHLIGHTED if name in set(curves["model"])}
        titles, by = MODEL_TITLES, "model"
    lines = [(str(name), line) for name, line in curves.groupby(by)]
    for name, line in sorted(lines, key=lambda pair: pair[0] in colours):
        strong = name in colours
        axes.plot(
            line["x"], line["y"], color=colours.get(name, GREY), linewidth=2 if strong else 0.7, zorder=2 + strong
        )
    handles = [Line2D([], [], color=colour, linewidth=2, label=titles[name]) for name, colour in colours.items()]
    if set(curves[by]) - set(colours):
        handles.append(Line2D([], [], color=GREY, linewidth=0.7, label="single layers"))
    axes.legend(handles=handles, loc="lower right")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate")


def _draw_forest(axes: Axes, areas: pd.DataFrame) -> None:
    """Draw AUROC and interval of every model: filled without definers, hollow with all features."""
    feature_sets = [name for name in FEATURE_SETS if name in set(areas["feature_set"])]
    primary = areas[areas["feature_set"] == feature_sets[0]].set_index("model")["y"] if feature_sets else areas["y"]
    models = sorted(areas["model"].unique(), key=lambda name: (primary.get(name, -1.0), name))
    step = 0.3
    for place, feature_set in enumerate(feature_sets):
        rows = areas[areas["feature_set"] == feature_set]
        filled = place == 0
        for model, area, low, high in rows[["model", "y", "low", "high"]].to_numpy().tolist():
            height = models.index(model) - step * (place - (len(feature_sets) - 1) / 2)
            colour, marker = HIGHLIGHTED.get(model, (GREY, "o"))
            axes.plot((low, high), (height, height), color=colour, linewidth=1.6 if filled else 0.9, zorder=2)
            axes.plot(
                area,
                height,
                marker=marker,
                markersize=6 if filled else 5,
                color=colour,
                markerfacecolor=colour if filled else "white",
                zorder=3,
            )
            if filled:
                text = f"{area:.2f} ({low:.2f} to {high:.2f})"
                axes.annotate(
                    text,
                    (1.03, height),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=7.5,
                    color=INK,
                    annotation_clip=False,
                )
    axes.axvline(0.5, color=LIGHT, linestyle="--", linewidth=1, zorder=1)
    axes.set_yticks(range(len(models)), [model_title(model) for model in models])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(models) - 0.4)
    axes.set_xlim(min(0.3, float(areas["low"].min()) - 0.02), 1.03)
    axes.set_xlabel("AUROC (95 % interval)")
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            color=INK,
            markerfacecolor=INK if place == 0 else "white",
            label=FEATURE_SETS[name],
        )
        for place, name in enumerate(feature_sets)
    ]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, handletextpad=0.1)


def _draw_bins(axes: Axes, rows: pd.DataFrame, model: str) -> None:
    """Draw the bins of one model, its recalibration line and its slope."""
    colour, marker = HIGHLIGHTED[model]
    axes.plot((0, 1), (0, 1), color=LIGHT, linewidth=1, linestyle="--", zorder=1)
    first = rows.iloc[0]
    if math.isfinite(first["slope"]) and math.isfinite(first["intercept"]):
        # Over the predictions that there are, and not beyond: outside, the line would be invented.
        predicted = rows["predicted"].to_numpy(dtype=float).clip(0.001, 0.999)
        probability = np.linspace(predicted.min(), predicted.max(), 100)
        logit = np.log(probability / (1 - probability))
        axes.plot(
            probability, 1 / (1 + np.exp(-(first["intercept"] + first["slope"] * logit))), color=colour, alpha=0.35
        )
    errors = np.vstack([rows["observed"] - rows["low"], rows["high"] - rows["observed"]]).clip(min=0)
    axes.errorbar(
        rows["predicted"], rows["observed"], yerr=errors, fmt=marker, color=colour, markersize=5, elinewidth=1, zorder=3
    )
    for row in rows.itertuples():
        axes.annotate(
            f"{row.n}", (row.predicted, row.observed), (5, -9), textcoords="offset points", fontsize=7, color=GREY
        )
    slope = f"slope {first['slope']:.2f}".replace("-", "−") if math.isfinite(first["slope"]) else "separates perfectly"
    axes.text(0.03, 0.97, f"{slope}\nBrier {first['brier']:.2f}", transform=axes.transAxes, va="top", fontsize=8)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
