"""The model card: what a frozen model is and is not for, whom it was made from, how well it does and where it fails."""

from collections.abc import Iterator

import pandas as pd

from immunosep.biomarkers.reporting import describe
from immunosep.biomarkers.reporting.facts import (
    Facts,
    feature_set_title,
    first,
    interval,
    number,
    percent,
    records,
    select,
)
from immunosep.biomarkers.reporting.limits import known_limits, without
from immunosep.biomarkers.training import ANY_LAYER
from immunosep.figures.performance import model_title
from immunosep.summary import METRICS
from immunosep.version import VERSION

SHUFFLED = "**SHUFFLED LABELS: a dry run. Nothing below says anything about the trial.**"


def model_card(facts: Facts) -> str:
    """Return the model card as Markdown.

    Counts of people below `report.min_group` are suppressed, as are those from which one could be worked out.

    Parameters
    ----------
    facts
        What the run says of the task.
    """
    lines = [SHUFFLED, ""] if facts.header.get("labels") == "shuffled" else []
    lines += [f"# Model card: {facts.task.name}", "", "**Research only; not for treatment decisions.**", ""]
    if not facts.fitted:
        return "\n".join([*lines, f"No model: {facts.refusal}.", "", *_identity(facts)]) + "\n"
    lines += [*_purpose(facts), "", "## Whom it was made from", "", *_people(facts), ""]
    lines += ["## What it sees", "", *_predictors(facts), "", "## Performance", "", *_performance(facts), ""]
    lines += ["## Predictive values", "", *_predictive_values(facts), ""]
    lines += ["## Known limits", "", *(f"- {text}" for text in known_limits(facts)), "", *_identity(facts)]
    return "\n".join(lines) + "\n"


def _purpose(facts: Facts) -> Iterator[str]:
    """Say what the model predicts, for whom, and what it must not be used for."""
    definition = describe.define_target(facts.task, facts.settings) if facts.own_labels else ""
    yield f"- Predicts: {facts.task.target}. {definition or 'Its definition is not known to the workflow.'}"
    yield f"- Of whom: {describe.population(facts)}."
    yield "- For: research on this cohort and its validation in others. Not for: diagnosis, treatment or triage."
    yield (
        "- The frozen model is a refit on all participants and is not validated as such; the performance below is that "
        "of the same procedure under cross-validation."
    )
    yield "- Contact: fill in by hand."


def _people(facts: Facts) -> Iterator[str]:
    """Say who entered, who did not, and how common the classes are."""
    yield f"- N = {facts.total}; {facts.class_counts}"
    if not facts.small_class:
        shares = ", ".join(f"{name} {percent(n / facts.total)}" for name, n in facts.classes.items())
        yield f"- Prevalence here: {shares}. It is that of the enrolled, and another one elsewhere."
    yield f"- Countries: {facts.levels('country') or 'not recorded'}"
    if endotypes := facts.levels("endotype"):
        yield f"- Endotypes: {endotypes}"
    left_out = facts.training("left_out")
    yield f"- Excluded: {facts.listed(left_out.set_index('name')['n'])}"
    yield f"- COVID-19: {covid(facts)}"


def covid(facts: Facts) -> str:
    """Say in which classes participants have COVID-19: in one alone, its response to the virus may stand for the class.

    Of fewer than may be told nothing is said but that there are some.
    """
    recorded = facts.training("group", name="covid19")
    if recorded.empty:
        return "not recorded in this run"
    table = select(recorded, level="yes")
    counts = pd.Series(pd.to_numeric(table["n"]).to_numpy(dtype=int), index=table["class"], dtype=int)
    present = counts[counts > 0]
    if present.empty:
        return "no participant"
    if (present < facts.k).any():
        return f"fewer than {facts.k} participants in a class"
    if len(present) == 1 < len(counts):
        return f"in class {present.index[0]} alone, so that the response to the virus may stand for the class"
    return "in every class"


def _predictors(facts: Facts) -> Iterator[str]:
    """Say which layers enter, on which days, how many of the participants have them, and what is left out of them."""
    yield f"- Predictors: {describe.samples(facts.task)}; clinical: {describe.clinical(facts.task)}"
    for name in [*facts.layers, ANY_LAYER]:
        rows = facts.training("block", name=name, level="sampled")
        sampled = int(pd.to_numeric(rows["n"]).sum())
        features = facts.training("block", name=name, level="features")["n"]
        told = f", {features.iloc[0]} features" if len(features) else ""
        yield f"- {name}: {facts.told(sampled, facts.total)} of {facts.total} participants{told}"
    yield (
        f"- Feature sets: {describe.feature_sets(facts.task)}; the drugs' own assays never enter, nor after the first "
        "dose the genes they move"
    )
    yield f"- Definers of the endotype left out: {describe.excludes_definers(facts)}"
    yield (
        "- Learned inside each fold: which genes, peaks, proteins and genera are common enough, variance filter, "
        "imputation, scaling, feature choice, penalty, calibration, factors, late fusion. Scales (log counts per "
        "million, log-ratios) are those of the sample alone."
    )
    judged = "the quality verdicts; " if facts.settings["raw_layers"] else ""
    yield f"- Frozen upstream of the folds, without labels: {judged}{upstream(facts)}."


def upstream(facts: Facts) -> str:
    """Say what was made over the cohort before the folds."""
    return "; ".join(facts.header.get("frozen_upstream", []))


def _performance(facts: Facts) -> Iterator[str]:
    """Tabulate every model on the feature set that stands for the task, and the main model on the others."""
    if facts.main is None:
        yield "No model has an AUROC."
        return
    yield (
        f"{facts.main_title}, {feature_set_title(facts.feature_set)}, stands for the task: chosen by its kind, never "
        "by its result. All rows: `performance.tsv`; curves: figures 07 to 09."
    )
    yield ""
    yield f"Its one number is the {METRICS[facts.task.metric]}: {number(facts.main[facts.task.metric])}."
    yield ""
    yield "| model | features | class | N | AUROC (95 % interval) | AUPRC | prevalence | Brier | slope | intercept |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    table = facts.tables["performance"]
    main = facts.main["model"]
    shown = (table["feature_set"] == facts.feature_set) | (table["model"] == main)
    for row in records(table[shown]):
        cells = [
            f"**{model_title(main)}**" if row["model"] == main else model_title(row["model"]),
            feature_set_title(row["feature_set"]),
            row["class"],
            facts.told(int(row["n"]), facts.total) if row["n"] else "",
            interval(row),
            *(number(row[name]) if row[name] else "" for name in ("auprc", "prevalence", "brier")),
            *(number(row[name]) if row[name] else "" for name in ("calibration_slope", "calibration_intercept")),
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""
    yield f"- Without participants with COVID-19: {without(facts, 'covid19')}"
    if facts.task.target == "endotype":
        yield f"- Without those within the assays' spread of a cut: {without(facts, 'borderline')}"
    yield from (f"- Panel, chosen anew in every fold: {text}" for text in panels(facts) or ["not run"])


def panels(facts: Facts) -> list[str]:
    """Say of each panel how well the procedure that chooses it predicts, and how stable its choice is."""
    told = []
    for row in records(facts.tables["panel_performance"]):
        text = f"{feature_set_title(row['feature_set'])}, {row['class']}: AUROC {interval(row)}"
        own = first(select(facts.tables["panel_summary"], feature_set=row["feature_set"], class_=row["class"]))
        if own is not None:
            text += f"; {own['markers']} markers on all participants, Nogueira's stability {number(own['stability'])}"
        told.append(text)
    return told


def _predictive_values(facts: Facts) -> Iterator[str]:
    """Tabulate what a call of the main model would be worth where the class is rarer or more common."""
    table = facts.of_main("predictive_values")
    if table.empty:
        yield "Not run."
        return
    yield "A call is a probability above the training prevalence, a cut that was set before the results."
    yield ""
    yield "| class | sensitivity | specificity | prevalence | PPV | NPV |"
    yield "|---|---|---|---|---|---|"
    for row in records(table):
        cells = [percent(row[name]) for name in ("sensitivity", "specificity", "prevalence", "ppv", "npv")]
        yield f"| {row['class']} | " + " | ".join(cells) + " |"


def _identity(facts: Facts) -> Iterator[str]:
    """Say which file this is about, what it was made of, and what a withdrawal means for it."""
    header = facts.header
    yield "## This file"
    yield ""
    yield f"- Model file: `model.skops`, format {header.get('format', 'not known')}"
    yield f"- Role of the run: {facts.settings['role']}"
    for name, key in (("Data SHA-256", "data_sha256"), ("Folds SHA-256", "folds_sha256")):
        if key in header:
            yield f"- {name}: {header[key]}"
    yield f"- Data epoch (withdrawals before): {header.get('epoch', 'not known')}"
    yield "- A model of a lower epoch than the trial's present one may rest on somebody who has withdrawn: replace it."
    versions = ", ".join(f"{name} {value}" for name, value in header.get("versions", {}).items())
    yield f"- Versions: workflow {VERSION}" + (f", {versions}" if versions else "")
    yield f"- Seed: {facts.settings['seed']}"
