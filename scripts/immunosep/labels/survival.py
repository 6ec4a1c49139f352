"""Time to death of any cause."""

from __future__ import annotations

import numpy as np

from immunosep.labels.arrays import NEVER, FloatArray, IntArray


def time_to_death(death_day: IntArray, last_contact: IntArray, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Give time to death of any cause, censored at last contact and at the horizon.

    Parameters
    ----------
    death_day
        `NEVER` where no death is known.
    last_contact
        Last day known to be alive, for those without a death; `NEVER` where not recorded.
    horizon
        Day of administrative censoring; a death on that day is an event.

    Returns
    -------
    Trial day of the event or of censoring, and the event as 0 or 1; both NaN where neither death nor contact is known.
    """
    event = death_day <= horizon
    time = np.minimum(np.where(death_day < NEVER, death_day, last_contact), horizon)
    known = (death_day < NEVER) | (last_contact < NEVER)
    return np.where(known, time, np.nan), np.where(known, event.astype(float), np.nan)
