"""The analysis populations of the trial."""

from __future__ import annotations

import pandas as pd

POPULATIONS = ("itt", "mitt", "per_protocol")
"""All randomised; the randomised who had a dose; those who kept to the protocol."""


def populations(labels: pd.DataFrame, participants: pd.DataFrame) -> dict[str, pd.Index]:
    """List who belongs to each population.

    Parameters
    ----------
    labels
        The label table, whose participants have not asked for erasure.
    participants
        The clinical table, text, with `site`, `participant_code`, `dosed` and `per_protocol`.

    Returns
    -------
    dict
        Name of the population to participants, sorted.
    """
    names = participants["site"] + "-" + participants["participant_code"]
    by_name = participants.set_index(pd.Index(names))
    randomised = pd.Index(labels.loc[labels["randomised"] == "yes", "participant"]).sort_values()
    own = by_name.reindex(randomised)
    dosed = own["dosed"] == "yes"
    return {
        "itt": randomised,
        "mitt": randomised[dosed],
        "per_protocol": randomised[dosed & (own["per_protocol"] == "yes")],
    }
