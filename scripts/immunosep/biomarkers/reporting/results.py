"""TRIPOD+AI, items 18 to 27: what was shared and found, from the run's tables."""

import pandas as pd

from immunosep.aggregates import suppress
from immunosep.biomarkers.apply import MAX_DISTANCE, MIN_OVERLAP
from immunosep.biomarkers.compare import LEFT_OUT
from immunosep.biomarkers.reporting import describe
from immunosep.biomarkers.reporting.analysis import missing_of
from immunosep.biomarkers.reporting.answer import Answer
from immunosep.biomarkers.reporting.card import covid, panels
from immunosep.biomarkers.reporting.facts import (
    Facts,
    Row,
    feature_set_title,
    interval,
    number,
    percent,
    records,
    select,
)
from immunosep.biomarkers.reporting.limits import elsewhere, known_limits, without
from immunosep.figures.performance import model_title
from immunosep.version import VERSION


def protocol(facts: Facts) -> Answer:
    """Item 18c."""
    trial = f"Of the trial: {describe.PROTOCOL}. " if facts.own_labels else ""
    return Answer(
        f"{trial}Of the models the workflow knows the configuration, not whether it was fixed before the results were "
        "seen.",
        "the protocol of the prediction study, or that there is none",
    )


def registration(facts: Facts) -> Answer:
    """Item 18d."""
    text = f"The trial: {describe.REGISTRATION}." if facts.own_labels else ""
    return Answer(text, "the registration of the prediction study, or that there is none")


def data_sharing(facts: Facts) -> Answer:
    """Item 18e."""
    return Answer(
        "Data of single participants are not shared by the workflow. `immunosep release` bundles aggregates, figures "
        f"and coefficients, counts below {facts.k} suppressed. Of the data: "
        f"SHA-256 {facts.header.get('data_sha256', 'none, no model')}; folds: "
        f"{facts.header.get('folds_sha256', 'none, no model')}; epoch {facts.header.get('epoch', 'not known')}.",
        "who may have the data of the participants, where, and on what conditions",
    )


def code_sharing(facts: Facts) -> Answer:
    """Item 18f."""
    versions = ", ".join(f"{name} {value}" for name, value in facts.header.get("versions", {}).items())
    return Answer(
        f"Workflow immunosep {VERSION}, MIT licence; {versions or 'no model'}; seed {facts.settings['seed']}. "
        "`immunosep release` adds settings and all versions.",
        "the address of the code, and its commit",
    )


def flow(facts: Facts) -> Answer:
    """Item 20a."""
    left_out = facts.training("left_out")
    counts = facts.listed(left_out.set_index("name")["n"])
    if not facts.total:
        return Answer(f"The task was {facts.refusal}.")
    return Answer(
        f"In the label table and not in the task: {counts}. In the task: {facts.total}; {facts.class_counts}. With a "
        f"sample: {'; '.join(missing_of(facts, name) for name in facts.layers)}.",
        "follow-up time" if facts.own_labels else "the flow before the label table, follow-up time",
    )


def characteristics(facts: Facts) -> Answer:
    """Item 20b."""
    if not facts.total:
        return Answer(f"The task was {facts.refusal}.")
    groups = facts.training("group")
    variables = groups["name"].drop_duplicates().tolist() if len(groups) else []
    told = [*_quartiles(facts), *(levels_by_class(facts, variable) for variable in variables)]
    return Answer(
        f"N = {facts.total}. {'. '.join(told)}. Missing data: item 11.", "key dates, treatments received, comorbidities"
    )


def _quartiles(facts: Facts) -> list[str]:
    """Describe the clinical predictors that are numbers, where enough participants have one."""
    table = facts.training("measure")
    told = []
    for name, part in table.groupby("name", sort=True) if len(table) else []:
        value = part.set_index("level")["value"]
        known = int(part["n"].iloc[0])
        if known >= facts.k:
            spread = f"{number(value['lower quartile'], 1)} to {number(value['upper quartile'], 1)}"
            told.append(f"{name}: median {number(value['median'], 1)}, quartiles {spread}, N = {_of(facts, known)}")
    return told


def _of(facts: Facts, count: int) -> str:
    return facts.told(count, facts.total)


def levels_by_class(facts: Facts, variable: str) -> str:
    """Return the participants of each level of a variable by class, small counts suppressed."""
    table = facts.training("group", name=variable)
    counts = table.assign(n=pd.to_numeric(table["n"])).pivot(index="level", columns="class", values="n")
    shown = suppress(counts.astype(int), facts.k)
    parts = [f"{level} ({', '.join(f'{name} {n}' for name, n in row.items())})" for level, row in shown.iterrows()]
    return f"{variable}: {', '.join(parts)}"


def comparison_of_data(_: Facts) -> Answer:
    """Item 20c."""
    return Answer("There are no separate evaluation data: nothing to compare.")


def numbers_per_analysis(facts: Facts) -> Answer:
    """Item 21."""
    if not facts.total:
        return Answer(f"The task was {facts.refusal}.")
    folds = facts.biomarkers["cv"]["outer_folds"]
    tested = facts.total // folds
    rows = records(select(facts.known, feature_set=facts.feature_set))
    told = [f"{model_title(row['model'])} {_of(facts, int(row['n']))}" for row in rows]
    return Answer(
        f"Each outer fold trains on about {facts.total - tested} participants and tests the other {tested} or so; "
        f"inner folds divide the former. Evaluated, by model: {', '.join(told) or 'none'}. Frozen model: all "
        f"{facts.total}; {facts.class_counts}."
    )


def specification(facts: Facts) -> Answer:
    """Item 22."""
    if not facts.fitted:
        return Answer(f"No model: {facts.refusal}.")
    return Answer(
        f"results/biomarkers/{facts.task.name}/model.skops, format {facts.header['format']}: pipelines, coefficients, "
        "scaling, projection, calibration, names of the features; it opens without running code. `immunosep predict "
        "--model model.skops --sample new.h5ad` gives probabilities. `immunosep release` writes its coefficients. Not "
        "for treatment decisions.",
        "where the file can be had, and on what conditions",
    )


def performance(facts: Facts) -> Answer:
    """Item 23a."""
    main = facts.main
    if main is None:
        return Answer(f"No performance: {facts.refusal or 'no model has an AUROC'}.")
    rows = records(select(facts.known, feature_set=facts.feature_set))
    models = "; ".join(f"{model_title(row['model'])} {interval(row)}" for row in rows)
    text = (
        f"AUROC with 95 % interval, {feature_set_title(facts.feature_set)}: {models}. "
        f"{facts.main_title}, which stands for the task by its kind: AUPRC {number(main['auprc'])}, Brier "
        f"{number(main['brier'])}, balanced accuracy {number(main['balanced_accuracy'])}{_calibration(facts, main)}."
    )
    groups = _groups(facts)
    text += f" Groups: {'; '.join(groups)}." if groups else " Groups: none large enough."
    text += f" Without participants with COVID-19: {without(facts, 'covid19')}."
    if facts.task.target == "endotype":
        text += f" Without borderline participants: {without(facts, 'borderline')}."
    return Answer(f"{text} Panel, chosen anew in every fold: {'. '.join(panels(facts)) or 'not run'}.")


def _calibration(facts: Facts, main: Row) -> str:
    """Give slope and intercept of the main model; of several classes those of each."""
    table = select(facts.tables["performance"], model=main["model"], feature_set=main["feature_set"])
    told = [
        f"{row['class']} slope {number(row['calibration_slope'])}, intercept {number(row['calibration_intercept'])}"
        for row in records(table)
        if row["calibration_slope"]
    ]
    return f"; calibration: {'; '.join(told) or 'no line exists'}"


def _groups(facts: Facts) -> list[str]:
    rows = [row for row in records(facts.of_main("subgroups")) if row["auroc"] and row["variable"] not in LEFT_OUT]
    return [f"{row['variable']} {row['level']} {interval(row)}{facts.group_size(row)}" for row in rows]


def by_place(facts: Facts) -> Answer:
    """Item 23b."""
    rows = elsewhere(facts)
    if not rows:
        return Answer("Not run: one place only, or no split by place is configured (biomarkers.cv.also).")
    told = [f"{describe.SCHEMES[row['scheme']]}, {row['groups']} groups: {interval(row)}" for row in rows]
    return Answer(f"{facts.main_title}, participants of places that the model never saw: {'; '.join(told)}.")


def interpretation(facts: Facts) -> Answer:
    """Item 25."""
    main = facts.main
    text = "" if main is None else f"{facts.main_title}: AUROC {interval(main)}, prevalence {_prevalence(main)}."
    return Answer(text, "what the results mean for the objectives, fairness among them, and beside earlier studies")


def _prevalence(main: Row) -> str:
    return percent(main["prevalence"]) if main["prevalence"] else "of several classes"


def limitations(facts: Facts) -> Answer:
    """Item 26."""
    known = known_limits(facts)
    size = f"N = {facts.total}; internal validation only; the frozen refit is not validated as such. " if known else ""
    entered = f" COVID-19: {covid(facts)}." if known else ""
    return Answer(
        f"{size}{' '.join(known)}{entered}".strip(), "what these do to bias, uncertainty and generalisability"
    )


def input_data(_: Facts) -> Answer:
    """Item 27a."""
    return Answer(
        f"`immunosep predict` refuses a layer of which a sample measures less than {percent(MIN_OVERLAP)} of the "
        f"model's features, and a sample further than {MAX_DISTANCE:g} robust standard deviations from the training "
        "samples, and says so; fewer gaps take the training median, a missing layer is left out of the late fusion."
    )


def users(_: Facts) -> Answer:
    """Item 27b."""
    return Answer(
        "A file of counts or values per layer goes in and probabilities come out, without a choice by the user. It "
        "takes somebody who can prepare the layers as the workflow does. For research: the model is for no decision."
    )


def next_steps(_: Facts) -> Answer:
    """Item 27c."""
    return Answer(
        "Before any other use: validation of the frozen model in participants of another study, its calibration at "
        "their prevalence, and its performance by group there.",
        "the plans",
    )
