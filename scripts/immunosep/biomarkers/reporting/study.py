"""TRIPOD+AI, items 1 to 9 and 17: the study and its data, from the configuration and the counts of who was in it."""

from immunosep.biomarkers.reporting import describe
from immunosep.biomarkers.reporting.answer import Answer
from immunosep.biomarkers.reporting.card import upstream
from immunosep.biomarkers.reporting.facts import Facts, joined


def title(facts: Facts) -> Answer:
    """Item 1."""
    what = f"Development and internal validation of prediction models of {facts.task.target}"
    return Answer(f"{what} in {describe.population(facts)}.", "the title")


def context(facts: Facts) -> Answer:
    """Item 3a."""
    kind = describe.kind_of_model(facts)
    missing = "the healthcare context, the reasons for the model, existing models"
    return Answer(kind and f"{kind}.", missing if kind else f"diagnosis or prognosis; {missing}")


def purpose(facts: Facts) -> Answer:
    """Item 3b."""
    text = f"Population: {describe.population(facts)}. Purpose: research only; not for treatment decisions."
    return Answer(text, "the place in the care pathway and the users that a validated model would have")


def objectives(facts: Facts) -> Answer:
    """Item 4."""
    return Answer(
        f"To develop models of {facts.task.target} and to validate them internally, by cross-validation; there is no "
        f"evaluation on other data. Models: {describe.models(facts.task)}."
    )


def sources(facts: Facts) -> Answer:
    """Item 5a."""
    if not facts.own_labels:
        return Answer(
            f"A ready table of labels and the layers {joined(facts.layers)}; the same data for development and "
            "evaluation.",
            "where the data come from, why they were used, whom they represent",
        )
    return Answer(
        f"One randomised, double-blind, placebo-controlled trial ({describe.REGISTRATION}), both arms together; the "
        "same data for development and evaluation.",
        "why these data were used, and whom the participants of the trial represent",
    )


def dates(facts: Facts) -> Answer:
    """Item 5b."""
    follow_up = f", follow-up to day {max(facts.settings['survival']['horizons'])}" if facts.own_labels else ""
    return Answer(
        f"No calendar date enters the workflow: days count from randomisation or as the table has them; predictors of "
        f"{describe.days(facts.task)}{follow_up}.",
        "first and last day of accrual, end of follow-up",
    )


def setting(facts: Facts) -> Answer:
    """Item 6a."""
    countries, sites = facts.levels("country"), facts.training("sites")["n"]
    if not countries:
        return Answer("", "the level of care, number and places of the centres")
    where = f" of {sites.iloc[0]} sites" if len(sites) else ""
    return Answer(f"Participants{where} by country: {countries}.", "the level of care, the places of the centres")


def eligibility(facts: Facts) -> Answer:
    """Item 6b."""
    left_out = facts.training("left_out")
    text = f"Entered: {describe.population(facts)}. Left out: {facts.listed(left_out.set_index('name')['n'])}."
    where = f"the criteria of the trial (protocol: {describe.PROTOCOL})" if facts.own_labels else "the criteria"
    return Answer(text, where)


def treatments(facts: Facts) -> Answer:
    """Item 6c."""
    if not facts.own_labels:
        return Answer("", "treatments received, and how they were handled")
    moved = ", so that treatment moves the predictors" if any(day > 1 for day in facts.task.days) else ""
    return Answer(
        "Both arms together; the arm is never a predictor. Day 1 is sampled before the first dose, later days after "
        f"it; the predictors are of {describe.days(facts.task)}{moved}. What treatment did to the outcome is part of "
        "it.",
        "treatments beside the trial's own, and doses",
    )


def preparation(facts: Facts) -> Answer:
    """Item 7."""
    text = (
        f"Made over the cohort, before the folds and without labels: {upstream(facts) or 'not run'}. Everything else "
        "is learned inside the folds (items 12b and 12c)."
    )
    judged = facts.settings["raw_layers"]
    if judged:
        text = f"Libraries of {joined(judged)} that failed a threshold of quality left (qc/verdicts.tsv). {text}"
    ready = [name for name in facts.layers if name.partition("_")[0] not in judged]
    before = f"how {joined(ready)} came to be, delivered as ready; " if ready else ""
    return Answer(text, f"{before}whether quality was alike in all sociodemographic groups")


def outcome(facts: Facts) -> Answer:
    """Item 8a."""
    definition = describe.define_target(facts.task, facts.settings) if facts.own_labels else ""
    kind = describe.kind_of_model(facts)
    if not definition:
        return Answer(
            f"Column {facts.task.target} of the label table. {kind}".strip(),
            "its definition, how and when it was assessed, why it was chosen",
        )
    return Answer(
        f"{definition} {kind}. Derived by this rule for every participant alike.",
        "why this outcome was chosen; whether it was measured alike in all sociodemographic groups",
    )


def outcome_assessors(facts: Facts) -> Answer:
    """Item 8b."""
    text = "The class follows from recorded values by a fixed rule, without judgement." if facts.own_labels else ""
    return Answer(text, "who recorded the values behind it, and who they are, where that took judgement")


def outcome_blinding(facts: Facts) -> Answer:
    """Item 8c."""
    text = ""
    if facts.own_labels:
        text = (
            "Labels are derived from the clinical tables alone; no layer enters them. The run had the role "
            f"{facts.settings['role']}; classification and allocation are sealed tables that lower roles cannot open."
        )
    return Answer(text, "whether those who assessed the outcome knew the predictors and the arm")


def predictor_choice(facts: Facts) -> Answer:
    """Item 9a."""
    counted = [f"{name} {_features(facts, name)} features" for name in facts.layers]
    return Answer(
        f"All features of every layer: {joined(counted)}. The drugs' own assays never enter, nor after "
        "the first dose the genes they move. Feature sets: "
        f"{describe.feature_sets(facts.task)}. Clinical, chosen beforehand: {describe.clinical(facts.task)}. Inside "
        "the folds the features that are common enough are kept (item 12b), then the "
        f"{facts.biomarkers['max_features']} of each layer that vary most."
    )


def _features(facts: Facts, name: str) -> str:
    rows = facts.training("block", name=name, level="features")
    return "no" if rows.empty else str(rows["n"].iloc[0])


def predictors(facts: Facts) -> Answer:
    """Item 9b."""
    return Answer(
        f"Layers {joined(facts.layers)}, {describe.samples(facts.task)}. Clinical predictors with the day on "
        f"which they are known: {describe.clinical(facts.task)}. The plan of a run refuses a predictor that is not "
        "known before the outcome begins.",
        "whether the laboratories knew the outcome and the other predictors",
    )


def predictor_assessors(facts: Facts) -> Answer:
    """Item 9c."""
    scores = [name for name in facts.task.clinical if name.startswith("sofa")]
    if scores:
        return Answer(
            f"{joined(scores)}: SOFA holds a score of consciousness, which takes judgement; all else is measured.",
            "who scored them, and who they are",
        )
    return Answer("No predictor takes judgement: omics are measured, the others recorded.")


def ethics(facts: Facts) -> Answer:
    """Item 17."""
    epoch = facts.header.get("epoch")
    text = "" if epoch is None else f"Withdrawals of consent that this run has followed: {epoch}."
    return Answer(text, "ethics committees, approvals, how consent was given")
