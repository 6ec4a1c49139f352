"""On which days samples of a layer are taken; asked by the check of tables, without more than the standard library."""

from collections.abc import Mapping
from typing import Any

from immunosep.checks import load_schema


def layer_days(schedule: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the visit days of each layer of the manifest, in order.

    Parameters
    ----------
    schedule
        Part `schedule` of the configuration: `layer_days` where a layer has visits of its own, else `omics_days`.
    """
    own = schedule["layer_days"]
    return {layer: tuple(sorted(own.get(layer, schedule["omics_days"]))) for layer in load_schema("manifest")["layers"]}


def sample_days(schedule: Mapping[str, Any]) -> set[int]:
    """Return the days on which samples of any layer are taken."""
    return {day for days in layer_days(schedule).values() for day in days}
