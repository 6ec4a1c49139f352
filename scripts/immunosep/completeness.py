"""Which samples were expected, which are there, and why the others are not.

Standard library only: what a sample table depends on is worked out while the workflow is planned.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Final

from immunosep.checks import Row
from immunosep.manifest import Libraries, Library, Rejected

COLUMNS: Final = ("participant", "visit_day", "layer", "specimen", "status", "reason")
# Reasons after which nobody expects a sample; others (missed, refused, discharged, ...) leave a gap.
_ENDED: Final = ("died", "withdrawn", "erase", "deferred_pending")

Slot = tuple[str, int, str, str]


def tabulate_completeness(index: Libraries, days: Mapping[str, Iterable[int]]) -> list[Row]:
    """Say of every expected sample whether it is there, and why not.

    Expected are all visits of everybody who was randomised or has a row in the manifest, for every layer (for the
    microbiome: body site) that anybody has, on the days of that layer.

    Parameters
    ----------
    index
        Libraries, what was left out, and how long each participant is followed.
    days
        Layer to its visit days.

    Returns
    -------
    list of dict
        participant, visit_day, layer, specimen (of the microbiome); status: ``collected``; ``missing``, a gap;
        ``not_expected`` after death or without consent; reason: the manifest's or the consent's, ``died``, or
        ``no_row`` where nothing is known.
    """
    present = {_slot(lib) for lib in index.records() if lib.participant}
    left_out = {_slot(r): r.reason for r in index.rejected if r.participant}
    kinds = {slot[2:] for slot in (*present, *left_out)}
    visits = sorted((day, layer, specimen) for layer, specimen in kinds for day in days[layer])
    randomised = {name for name, course in index.followup.items() if course.randomised}
    people = sorted(randomised | {slot[0] for slot in (*present, *left_out)})
    rows = []
    for participant in people:
        course = index.followup.get(participant)
        for day, layer, specimen in visits:
            slot = (participant, day, layer, specimen)
            if slot in present:
                status, reason = "collected", ""
            else:
                ended = course.ended_by(day) if course else ""
                reason = ended or left_out.get(slot, "no_row")
                status = "not_expected" if reason in _ENDED else "missing"
            rows.append(dict(zip(COLUMNS, (participant, str(day), layer, specimen, status, reason), strict=True)))
    return rows


def _slot(item: Library | Rejected) -> Slot:
    """Key of an expected sample; the specimen counts for the microbiome only."""
    day = -1 if item.visit_day is None else item.visit_day
    return item.participant, day, item.layer, item.specimen if item.layer == "microbiome" else ""


def summarise(index: Libraries, completeness: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Count libraries, participants, controls and gaps of each layer (the microbiome by body site)."""
    summary: dict[str, dict[str, int]] = {}
    people: dict[str, set[str]] = {}

    @functools.cache
    def entry(name: str) -> dict[str, int]:
        return summary.setdefault(
            name, dict.fromkeys(("samples", "participants", "controls", "left_out", "missing"), 0)
        )

    for lib in index.records():
        is_sample = lib.sample_type == "sample"
        name = lib.modality if is_sample else lib.layer
        entry(name)["samples" if is_sample else "controls"] += 1
        if is_sample:
            people.setdefault(name, set()).add(lib.participant)
    for name, members in people.items():
        entry(name)["participants"] = len(members)
    for item in index.rejected:
        entry(f"{item.layer}_{item.specimen}" if item.layer == "microbiome" else item.layer)["left_out"] += 1
    for row in completeness:
        if row["status"] == "missing":
            entry("_".join(filter(None, (row["layer"], row["specimen"]))))["missing"] += 1
    return dict(sorted(summary.items()))
