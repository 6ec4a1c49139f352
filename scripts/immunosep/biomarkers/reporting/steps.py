"""The rule that writes a task's model card and its items of TRIPOD+AI: tables in, texts out."""

from collections.abc import Mapping
from typing import Any

from immunosep.biomarkers.reporting.card import model_card
from immunosep.biomarkers.reporting.facts import load_facts
from immunosep.biomarkers.reporting.tripod import tripod_page, tripod_table
from immunosep.io import PathLike, atomic_path, write_table


def report_model(
    *,
    task_name: str,
    settings: Mapping[str, Any],
    model_path: PathLike,
    tables: Mapping[str, PathLike | None],
    controls: Mapping[str, PathLike],
    card_path: PathLike,
    checklist_path: PathLike,
    page_path: PathLike,
) -> None:
    """Write the model card, and the items of TRIPOD+AI as a table and as a page.

    Parameters
    ----------
    task_name, settings, model_path, tables, controls
        As for `facts.load_facts`.
    card_path, checklist_path, page_path
        Targets.
    """
    facts = load_facts(task_name, settings, model_path, tables, controls)
    items = tripod_table(facts)
    write_table(items, checklist_path)
    for text, path in ((model_card(facts), card_path), (tripod_page(facts, items), page_path)):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
