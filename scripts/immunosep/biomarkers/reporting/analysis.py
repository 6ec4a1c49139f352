"""TRIPOD+AI, items 10 to 16: size, gaps and analysis, from the configuration and the counts of who was in it."""

from typing import Final

import pandas as pd

from immunosep.biomarkers.compare import REFERENCES
from immunosep.biomarkers.reporting import describe
from immunosep.biomarkers.reporting.answer import Answer
from immunosep.biomarkers.reporting.facts import Facts, interval, joined, percent
from immunosep.biomarkers.reporting.limits import missingness
from immunosep.biomarkers.training import ANY_LAYER
from immunosep.stats.prediction_size import EXPLAINED, SHRINKAGE, margin_of_share, max_parameters

#: Scale of a layer on which the classifiers see it, where its matrix holds counts.
SCALES: Final = {
    "rna": "log counts per million of the sample (values as delivered where there are no counts)",
    "atac": "log counts per million of the sample (values as delivered where there are no counts)",
    "microbiome": "centred log-ratios of the sample (values as delivered where there are no counts)",
}


def sample_size(facts: Facts) -> Answer:
    """Item 10."""
    origin, missing = "", "how the study came by its size"
    if facts.own_labels:
        planned = facts.settings["trial"]["sample_size"]["randomised"]
        origin, missing = f"The trial planned {planned} participants for its primary endpoint, not for a model. ", ""
    if not facts.total:
        return Answer(f"{origin}The task was {facts.refusal}.", missing)
    text = f"{origin}N = {facts.total}; {facts.class_counts}."
    if facts.small_class:
        return Answer(f"{text} A class is too small for more to be told.", missing)
    n, events = facts.total, int(facts.classes.min())
    borne = joined([f"{max_parameters(n, events, explained):.1f}" for explained in EXPLAINED], "or")
    reached = joined([f"{explained:.2f}" for explained in EXPLAINED], "or")
    return Answer(
        f"{text} With {events} in the smallest class this bears {borne} parameters of a model that reaches a "
        f"Nagelkerke R2 of {reached} (Riley 2019, first criterion, shrinkage {SHRINKAGE:g}); the share of that class "
        f"is known to within {100 * margin_of_share(n, events):.1f} percentage points (third criterion: 5). The models "
        "see far more features, so that all are penalised; the panel holds at most "
        f"{facts.biomarkers['panel']['size']} markers.",
        missing,
    )


def missing_data(facts: Facts) -> Answer:
    """Item 11."""
    if not facts.total:
        return Answer(f"The task was {facts.refusal}.")
    told = [missing_of(facts, name) for name in facts.layers]
    row = missingness(facts)
    informative = "not run" if row is None else f"AUROC {interval(row)}"
    handled = {"late_fusion": "late fusion leaves the layer out", "early_fusion": "early fusion takes it as average"}
    fused = "".join(f"; {how}" for name, how in handled.items() if name in facts.task.comparators)
    return Answer(
        f"Participants with a sample: {'; '.join(told)}. With no layer at all: {_without_any(facts)}. A participant "
        f"without a layer has no prediction by its model{fused}. A missing value takes the median of the training "
        f"participants. Predicted from the pattern of missing layers alone: {informative}."
    )


def missing_of(facts: Facts, name: str) -> str:
    """Say how many participants have a layer, by class where no count is small, and how much of it is missing."""
    rows = facts.training("block", name=name, level="sampled")
    sampled, everyone = pd.to_numeric(rows["n"]), pd.to_numeric(rows["of"])
    text = f"{name} {facts.told(int(sampled.sum()), facts.total)} of {facts.total}"
    counts = pd.concat([sampled, everyone - sampled])
    if not ((counts > 0) & (counts < facts.k)).any():
        by_class = zip(rows["class"], sampled, everyone, strict=True)
        text += " (" + ", ".join(f"{label} {n} of {total}" for label, n, total in by_class) + ")"
    gaps = pd.to_numeric(facts.training("block", name=name, level="missing")["value"])
    return text + (f", {percent(gaps.mean(), 1)} of their values missing" if len(gaps) and gaps.mean() > 0 else "")


def _without_any(facts: Facts) -> str:
    rows = facts.training("block", name=ANY_LAYER, level="sampled")
    return facts.told(int(pd.to_numeric(rows["of"]).sum() - pd.to_numeric(rows["n"]).sum()))


def data_use(facts: Facts) -> Answer:
    """Item 12a."""
    cv = facts.biomarkers["cv"]
    places = [describe.SCHEMES[scheme] for scheme in cv["also"]]
    again = f" Once more with {joined(places)}." if places else ""
    return Answer(
        f"All participants serve both, never on both sides: {cv['repeats']} x {cv['outer_folds']} outer folds of whole "
        f"participants, stratified by class, {cv['inner_folds']} inner folds for all that is tuned; written once and "
        f"shared by all models.{again} The frozen model is a refit on all of them."
    )


def predictor_handling(facts: Facts) -> Answer:
    """Item 12b."""
    scales = [f"{name}, {SCALES.get(name.partition('_')[0], 'values as delivered')}" for name in facts.layers]
    filters = {layer: options for layer, options in facts.settings["filters"].items() if _enters(layer, facts.layers)}
    rules = [f"{layer} {', '.join(f'{name} {value}' for name, value in own.items())}" for layer, own in filters.items()]
    chosen = joined([str(count) for count in facts.biomarkers["selected_features"]], "or")
    return Answer(
        f"Scales: {'; '.join(scales) or 'none'}. Kept in the training participants: {'; '.join(rules) or 'all'}. Each "
        f"feature is then centred and divided by the training standard deviation, and {chosen} are kept by univariate "
        "choice. Effects are linear on these scales, but in the trees."
    )


def _enters(layer: str, layers: list[str]) -> bool:
    return any(name == layer or name.startswith(f"{layer}_") for name in layers)


def model_building(facts: Facts) -> Answer:
    """Item 12c."""
    section = facts.biomarkers
    penalty, ratio = (joined([f"{value:g}" for value in section[name]], "or") for name in ("penalty", "l1_ratio"))
    text = (
        f"Models: {describe.models(facts.task)}. Logistic regressions with an elastic-net penalty: C of {penalty}, "
        f"share of L1 of {ratio}, number of features (item 12b), all chosen in the inner folds"
    )
    if "boosting" in facts.task.comparators:
        text += f"; boosted trees with at most {section['trees']} rounds"
    if "mofa" in facts.task.comparators:
        text += f"; MOFA with {section['factors']} factors, fitted on the training participants"
    return Answer(f"{text}. Scores are calibrated on the inner folds. Seed {facts.settings['seed']}.")


def heterogeneity(facts: Facts) -> Answer:
    """Item 12d."""
    schemes = facts.biomarkers["cv"]["also"]
    if not schemes:
        return Answer("Not run: no split by place is configured (biomarkers.cv.also).")
    return Answer(
        f"Performance with {joined([describe.SCHEMES[scheme] for scheme in schemes])}, all participants judged "
        "together; by country as a group (item 23a). Parameters have no random effects."
    )


def measures(facts: Facts) -> Answer:
    """Item 12e."""
    prevalences = joined([percent(value) for value in facts.biomarkers["prevalences"]])
    references = joined([f"`{name}`" for name in REFERENCES if name in facts.task.comparators], "or")
    runs = facts.biomarkers["permutations"]
    return Answer(
        "AUROC among participants of one test fold, over all folds and repeats, with a percentile interval of "
        f"{facts.biomarkers['bootstrap']} resamples of participants (it holds the models fixed; auroc_sd is the spread "
        "over the repeats), AUPRC with the prevalence, balanced accuracy, Brier score, slope and intercept of "
        f"calibration, net benefit, predictive values at {prevalences}; curves: figures 07 to 09. Models against "
        f"{references}: corrected resampled t-test (Nadeau and Bengio 2003). Permutations of the whole pipeline: "
        f"{runs or 'not run'}."
    )


def updating(facts: Facts) -> Answer:
    """Items 12f and 24."""
    return Answer("None: no model was updated after its evaluation. Calibration is a step inside every fold.")


def calculation(facts: Facts) -> Answer:
    """Item 12g."""
    return Answer(
        "Each participant is predicted by the models of the folds that did not hold them; probabilities and scores are "
        "averaged over the repeats, for all measures but the AUROC and the calibration. New samples: `immunosep "
        "predict` with model.skops, which refits nothing."
    )


def imbalance(facts: Facts) -> Answer:
    """Item 13."""
    classes = f"{facts.class_counts}. " if facts.total else ""
    return Answer(
        f"{classes}No resampling and no weights, which would spoil the calibration; a call is a probability above the "
        "training prevalence (item 15)."
    )


def fairness(facts: Facts) -> Answer:
    """Item 14."""
    groups = facts.tables["subgroups"]
    found = groups["variable"].drop_duplicates().tolist() if len(groups) else []
    told = f"by {joined(found)}" if found else "not run"
    return Answer(
        f"Performance of every model within groups: {told} (item 23a). Nothing is tuned to a group, and no group has a "
        f"cut of its own. Groups with fewer than {facts.k} in a class have no numbers."
    )


def output(facts: Facts) -> Answer:
    """Item 15."""
    return Answer(
        "A probability of each class for each participant. Where a call is needed it is a probability above the "
        "training prevalence, set before the results; no cut was chosen by them."
    )


def differences_of_data(facts: Facts) -> Answer:
    """Item 16."""
    same = "Development and evaluation are cross-validation on the same participants: setting, criteria, outcome and "
    same += "predictors do not differ"
    also = facts.biomarkers["cv"]["also"]
    return Answer(f"{same}{', but for the place where one is left out' if also else ''}.")
