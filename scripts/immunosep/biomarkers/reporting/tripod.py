"""The items of TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378, doi 10.1136/bmj-2023-078378), filled from a run.

Numbers and sections are those of the statement, 27 items in 52 parts; the topics are our words for them. An item says
what the run knows and names what its author has to add: nothing is guessed.
"""

from typing import Final, NamedTuple

import pandas as pd

from immunosep.biomarkers.reporting import analysis, results, study
from immunosep.biomarkers.reporting.answer import Filler, ask_author
from immunosep.biomarkers.reporting.card import SHUFFLED
from immunosep.biomarkers.reporting.facts import Facts

COLUMNS: Final = ("item", "section", "topic", "applies_to", "status", "says", "by_hand")
#: What an item applies to: D and E of the statement.
DEVELOPMENT, EVALUATION, BOTH = "development", "evaluation", "both"


class Item(NamedTuple):
    """One part of the checklist."""

    number: str
    section: str
    topic: str
    applies_to: str
    fill: Filler


ITEMS: Final = (
    Item("1", "Title", "What kind of study, of whom, of which outcome", BOTH, study.title),
    Item("2", "Abstract", "Abstract by its own checklist", BOTH, ask_author("the abstract (TRIPOD+AI for Abstracts)")),
    Item("3a", "Introduction", "Context: diagnosis or prognosis, why, earlier models", BOTH, study.context),
    Item("3b", "Introduction", "For whom and for what, in which care, for which users", BOTH, study.purpose),
    Item("3c", "Introduction", "Known health inequalities", BOTH, ask_author("inequalities known between groups")),
    Item("4", "Introduction", "Objectives: development, evaluation or both", BOTH, study.objectives),
    Item("5a", "Methods", "Data: sources, why these, whom they represent", BOTH, study.sources),
    Item("5b", "Methods", "Data: dates of accrual and follow-up", BOTH, study.dates),
    Item("6a", "Methods", "Participants: setting and centres", BOTH, study.setting),
    Item("6b", "Methods", "Participants: who was eligible", BOTH, study.eligibility),
    Item("6c", "Methods", "Participants: treatments and how they were handled", BOTH, study.treatments),
    Item("7", "Methods", "Data preparation and quality checks", BOTH, study.preparation),
    Item("8a", "Methods", "Outcome: definition, time, how assessed, why", BOTH, study.outcome),
    Item("8b", "Methods", "Outcome: who judged it, if it takes judgement", BOTH, study.outcome_assessors),
    Item("8c", "Methods", "Outcome: blinding of its assessment", BOTH, study.outcome_blinding),
    Item("9a", "Methods", "Predictors: how they were chosen", DEVELOPMENT, study.predictor_choice),
    Item("9b", "Methods", "Predictors: definition, time, blinding", BOTH, study.predictors),
    Item("9c", "Methods", "Predictors: who judged them, if they take judgement", BOTH, study.predictor_assessors),
    Item("10", "Methods", "Sample size and whether it suffices", BOTH, analysis.sample_size),
    Item("11", "Methods", "Missing data and what was left out", BOTH, analysis.missing_data),
    Item("12a", "Methods", "Analysis: how the data were divided", DEVELOPMENT, analysis.data_use),
    Item("12b", "Methods", "Analysis: scales and transformations", DEVELOPMENT, analysis.predictor_handling),
    Item("12c", "Methods", "Analysis: models, tuning, internal validation", DEVELOPMENT, analysis.model_building),
    Item("12d", "Methods", "Analysis: differences between clusters", BOTH, analysis.heterogeneity),
    Item("12e", "Methods", "Analysis: measures, plots, comparisons", BOTH, analysis.measures),
    Item("12f", "Methods", "Analysis: updating of models", EVALUATION, analysis.updating),
    Item("12g", "Methods", "Analysis: how predictions were calculated", EVALUATION, analysis.calculation),
    Item("13", "Methods", "Class imbalance", BOTH, analysis.imbalance),
    Item("14", "Methods", "Fairness", BOTH, analysis.fairness),
    Item("15", "Methods", "Output of the model, cuts", DEVELOPMENT, analysis.output),
    Item("16", "Methods", "Development against evaluation data", BOTH, analysis.differences_of_data),
    Item("17", "Methods", "Ethical approval and consent", BOTH, study.ethics),
    Item("18a", "Open science", "Funding", BOTH, ask_author("who paid, and what the funders had a say in")),
    Item("18b", "Open science", "Conflicts of interest", BOTH, ask_author("conflicts of interest of all authors")),
    Item("18c", "Open science", "Protocol", BOTH, results.protocol),
    Item("18d", "Open science", "Registration", BOTH, results.registration),
    Item("18e", "Open science", "Data", BOTH, results.data_sharing),
    Item("18f", "Open science", "Code", BOTH, results.code_sharing),
    Item(
        "19",
        "Patient and public involvement",
        "What patients and public had a part in",
        BOTH,
        ask_author("how patients and public were involved, or that they were not"),
    ),
    Item("20a", "Results", "Participants: flow, with and without the outcome", BOTH, results.flow),
    Item("20b", "Results", "Participants: characteristics", BOTH, results.characteristics),
    Item("20c", "Results", "Participants: against the development data", EVALUATION, results.comparison_of_data),
    Item("21", "Results", "Participants and events in each analysis", BOTH, results.numbers_per_analysis),
    Item("22", "Results", "The model itself, and access to it", DEVELOPMENT, results.specification),
    Item("23a", "Results", "Performance with intervals, by group", BOTH, results.performance),
    Item("23b", "Results", "Performance by cluster", BOTH, results.by_place),
    Item("24", "Results", "Updated models", EVALUATION, analysis.updating),
    Item("25", "Discussion", "Interpretation", BOTH, results.interpretation),
    Item("26", "Discussion", "Limitations", BOTH, results.limitations),
    Item("27a", "Discussion", "Use: poor or missing input", DEVELOPMENT, results.input_data),
    Item("27b", "Discussion", "Use: what users do and must know", DEVELOPMENT, results.users),
    Item("27c", "Discussion", "Next steps", BOTH, results.next_steps),
)


def tripod_table(facts: Facts) -> pd.DataFrame:
    """Return every item with what the run says of it and what is left to the author.

    Parameters
    ----------
    facts
        What the run says.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; status `filled`, `partly` or `by hand`.
    """
    rows = []
    for item in ITEMS:
        answer = item.fill(facts)
        rows.append((*item[:4], answer.status, answer.says, answer.by_hand))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def tripod_page(facts: Facts, table: pd.DataFrame) -> str:
    """Return the table of the items as Markdown, for people.

    Parameters
    ----------
    facts, table
        What the run says, and the result of `tripod_table`.
    """
    counts = table["status"].value_counts()
    told = ", ".join(f"{counts.get(status, 0)} {status}" for status in ("filled", "partly", "by hand"))
    lines = [SHUFFLED, ""] if facts.header.get("labels") == "shuffled" else []
    lines += [
        f"# TRIPOD+AI: {facts.task.name}",
        "",
        "Items of TRIPOD+AI (BMJ 2024;385:e078378) in our words, filled from the run. Research only; not for treatment",
        f"decisions. Of {len(table)} items: {told}.",
    ]
    for section, part in table.groupby("section", sort=False):
        lines += ["", f"## {section}"]
        for row in part.to_dict("records"):
            lines += ["", f"**{row['item']}. {row['topic']}** ({row['status']})", ""]
            lines += [row["says"]] if row["says"] else ["Not known to the workflow."]
            lines += ["", f"*Fill in by hand: {row['by_hand']}.*"] if row["by_hand"] else []
    return "\n".join(lines) + "\n"
