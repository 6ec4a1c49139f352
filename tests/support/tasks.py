"""Small prediction tasks and label tables."""

import pandas as pd


def section(target, days=(1,), clinical=(), comparators=("layers",), **extra):
    """A section `biomarkers` with one task named t."""
    return {
        "tasks": {"t": {"target": target, "days": list(days), "comparators": list(comparators), **extra}},
        "clinical": {"t": list(clinical)},
    }


def labels(**columns):
    """A label table of as many participants as its columns have values."""
    size = len(next(iter(columns.values())))
    return pd.DataFrame({"participant": [f"GR01-{index:09d}" for index in range(size)], **columns})
