"""Rows of a table as plain dictionaries, and the name of an observation."""

from __future__ import annotations

from typing import Any

import pandas as pd


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dictionaries keyed by column name."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def observation_name(participant: str, visit_day: int) -> str:
    """Name a participant's visit: ``GR03-012345678-D04``; empty for controls, which have no participant."""
    return f"{participant}-D{visit_day:02d}" if participant else ""
