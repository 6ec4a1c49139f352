"""Where a model is known to fail or to flatter, from the run's own tables; what was not run is said to be so."""

from typing import Final

import pandas as pd

from immunosep.biomarkers.compare import LEFT_OUT
from immunosep.biomarkers.reporting.describe import SCHEMES
from immunosep.biomarkers.reporting.facts import Facts, Row, first, interval, joined, number, records, select
from immunosep.figures.performance import model_title, overall_rows, primary_model

#: AUROC from which the pattern of missing layers tells of the target, so that no model may be read without it.
INFORMATIVE: Final = 0.6
#: Calibration slopes that pass as straight (the project's own bar on simulated trials).
SLOPES: Final = (0.8, 1.2)


def known_limits(facts: Facts) -> list[str]:
    """Return one sentence or two per known limit of the task's main model.

    Parameters
    ----------
    facts
        What the run says; a task that was not run has no model and no limits.
    """
    if facts.main is None:
        return []
    found = [
        _lowest_group(facts),
        _elsewhere(facts),
        _missing_layers(facts),
        *_controls(facts),
        _calibration(facts, facts.main),
        _beside_clinical(facts, facts.main),
        _definers(facts, facts.main),
        _chance(facts),
    ]
    return [text for text in found if text]


def without(facts: Facts, variable: str) -> str:
    """Say how the main model does without the participants of whom a variable says yes.

    Parameters
    ----------
    facts
        What the run says.
    variable
        One of `compare.LEFT_OUT`.
    """
    recorded = facts.training("group", name=variable)
    if recorded.empty:
        return "not recorded in this run"
    if not pd.to_numeric(select(recorded, level="yes")["n"]).sum():
        return "nobody to leave out"
    rows = records(facts.of_main("subgroups", variable=variable, level="no"))
    if not rows:
        return "not run"
    return joined([f"AUROC {interval(row)}{facts.group_size(row)}" if row["auroc"] else row["note"] for row in rows])


def _lowest_group(facts: Facts) -> str:
    rows = [row for row in records(facts.of_main("subgroups")) if row["auroc"] and row["variable"] not in LEFT_OUT]
    if not rows:
        return "Groups of participants: none is large enough for an AUROC of its own."
    row = min(rows, key=lambda row: float(row["auroc"]))
    of = f" of {row['class']}" if facts.tables["performance"]["class"].nunique() > 1 else ""
    variables = joined(list(dict.fromkeys(row["variable"] for row in rows)))
    return (
        f"Lowest of the groups by {variables}: AUROC{of} {interval(row)} in {row['variable']} {row['level']}"
        f"{facts.group_size(row)}."
    )


def elsewhere(facts: Facts) -> list[Row]:
    """Return the main model's rows of the splits by place, one per scheme."""
    table = facts.of_main("transfer")
    rows = [first(overall_rows(part)) for _, part in table.groupby("scheme", sort=True)] if len(table) else []
    return [row for row in rows if row is not None]


def _elsewhere(facts: Facts) -> str:
    told = [f"{SCHEMES[row['scheme']]} ({row['groups']} groups) {interval(row)}" for row in elsewhere(facts)]
    if not told:
        return "Other places: not run, so that nothing is known of participants from a place that the model never saw."
    return f"Other places: AUROC with {joined(told)}, against {interval(facts.main or {})} within."


def missingness(facts: Facts) -> Row | None:
    """Return the performance of the model that sees which layers a participant has, and nothing else."""
    return first(select(facts.known, model="missingness"))


def _missing_layers(facts: Facts) -> str:
    row = missingness(facts)
    if row is None:
        return "Missing layers: whether they tell of the target was not run (comparator missingness)."
    text = f"Missing layers: which layers somebody has predicts with an AUROC of {interval(row)}"
    if float(row["auroc"]) > INFORMATIVE:
        return (
            f"{text}. Above {INFORMATIVE:g}, samples are missing for a reason that goes with the target; a model of "
            "several layers may have learned that reason."
        )
    return (
        f"{text}, not above {INFORMATIVE:g}: no sign that samples are missing for a reason that goes with the target."
    )


def _controls(facts: Facts) -> list[str]:
    """Say what the omics tell of what they should not know: the place, and the arm before the first dose."""
    told = []
    for target, table in facts.controls.items():
        known = overall_rows(table) if len(table) else table
        known = known[known["auroc"] != ""] if len(known) else known
        model = (primary_model(known["model"]) or str(known["model"].iloc[0])) if len(known) else ""
        row = first(select(known, model=model))
        if row is None:
            told.append(f"Negative control {target}: not run.")
        else:
            told.append(f"Negative control {target}: AUROC {interval(row)} ({model_title(model)}); 0.5 tells nothing.")
    return told or ["Negative controls (site, country, arm before the first dose): not run."]


def _calibration(facts: Facts, main: Row) -> str:
    table = select(facts.tables["performance"], model=main["model"], feature_set=main["feature_set"])
    slopes = [float(slope) for slope in table["calibration_slope"] if slope]
    if not slopes:
        return "Calibration: no line exists, because the classes separate or all predictions are equal."
    low, high = SLOPES
    told = joined([number(str(slope)) for slope in slopes])
    if min(slopes) < low:
        return f"Calibration: slope {told}. Below {low:g}, probabilities are too close to 0 and 1."
    if max(slopes) > high:
        return f"Calibration: slope {told}. Above {high:g}, probabilities are too close to the prevalence."
    return f"Calibration: slope {told}, within {low:g} to {high:g}."


def _beside_clinical(facts: Facts, main: Row) -> str:
    if main["model"] == "clinical":
        return ""
    rows = records(facts.of_main("differences", reference="clinical"))
    if not rows:
        return "Beside the clinical model: not compared (no comparator clinical)."
    told = []
    for row in rows:
        better = row["low"] != "" and float(row["low"]) > 0
        found = f"{float(row['auroc_difference']):+.2f} ({number(row['low'])} to {number(row['high'])})"
        told.append(f"AUROC {found}, {'better' if better else 'not shown to be better'}")
    return f"Beside the clinical model: {joined(told)}."


def _definers(facts: Facts, main: Row) -> str:
    """Say how much of the AUROC goes with the definers of the endotype."""
    full = first(select(facts.known, model=main["model"], feature_set="full"))
    if full is None or main["feature_set"] == "full":
        return ""
    return (
        f"Definers: with what measures ferritin or HLA-DR the AUROC is {interval(full)}, without it {interval(main)}. "
        "What is lost with them proved only that the assay works."
    )


def _chance(facts: Facts) -> str:
    row = first(facts.of_main("permutations"))
    if row is None:
        return "Chance: the permutation test was not run (biomarkers.permutations)."
    return f"Chance: permutation p {number(row['p_value'], 3)}, from {row['n_permutations']} reruns of everything."
