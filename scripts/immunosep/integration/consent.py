"""Consent for the rows of a ready matrix; libraries of the manifest are left out at intake."""

import logging
from typing import cast

import anndata as ad
import pandas as pd

from immunosep.checks import Row
from immunosep.layer import observation_days, observation_keys
from immunosep.people_rules import follow_up

logger = logging.getLogger(__name__)

COLUMNS = ["observation", "participant", "visit_day", "reason"]


def with_consent(data: ad.AnnData, participants: pd.DataFrame | None) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return the rows whose participants have given their consent, and a table of the others.

    Parameters
    ----------
    data
        As `assemble.read_matrix` gives it.
    participants
        Clinical table, text; None for a cohort without one. Whom it does not name stays: a run with somebody who has a
        tombstone does not get here (`tombstones.check_withdrawn`).

    Returns
    -------
    anndata.AnnData, pandas.DataFrame
        The rows that stay; and `COLUMNS` of those left out: everything of who never consented or asked to be erased,
        and of who withdrew what is from the day of the withdrawal on, or has no day.
    """
    nobody = pd.DataFrame(columns=COLUMNS)
    if participants is None:
        return data, nobody
    rows = cast("list[Row]", participants.to_dict("records"))
    keyed = {(row["site"], row["participant_code"]): row for row in rows}
    courses = {name: course for name, course in follow_up(keyed).items() if course.consent_reason}
    if not courses:
        return data, nobody
    names, people = observation_keys(data)
    days = observation_days(data)
    own = people.map(courses)
    reason = own.map(lambda course: course.consent_reason, na_action="ignore")
    from_day = pd.to_numeric(own.map(lambda course: course.consent_day, na_action="ignore"))
    out = (reason.notna() & ~(days < from_day)).to_numpy()
    table = pd.DataFrame({"observation": names, "participant": people, "visit_day": days, "reason": reason})[out]
    if out.any():
        logger.info("%d of %d rows left out for want of consent", out.sum(), data.n_obs)
    return data[~out].copy(), table.astype({"visit_day": "Int64"}).sort_values(COLUMNS)
