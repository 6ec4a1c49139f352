"""Small prediction tasks and label tables."""

import pandas as pd

from immunosep.biomarkers.guard import rules_of
from immunosep.config import defaults


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


def report_settings(biomarkers, **changes):
    """What a model card and the items of TRIPOD+AI quote of the configuration, as the rule `report_model` passes it."""
    config = defaults()
    sections = ("endotype", "sofa", "sofa_response", "reversal", "survival", "trial", "role", "seed", "report")
    return {
        **{name: config[name] for name in sections},
        "biomarkers": {**config["biomarkers"], "clock": rules_of(config), **biomarkers},
        "filters": {"rna": {"min_count": 10, "min_fraction": 0.1}},
        "own_labels": True,
        "raw_layers": ["rna"],
        **changes,
    }
