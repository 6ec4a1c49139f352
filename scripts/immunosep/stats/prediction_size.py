"""How many parameters a prediction model may have, given its participants and events (Riley 2019)."""

from __future__ import annotations

import math
from typing import Final

SHRINKAGE: Final = 0.9
"""Least shrinkage of the coefficients that is asked for: an overfitting of at most 10 %."""
EXPLAINED: Final = (0.15, 0.25, 0.40)
"""Nagelkerke's R2 of a poor, a fair and a good model. Nobody knows it beforehand, so that all three are stated."""


def max_cox_snell(share: float) -> float:
    """Return the largest R2 of Cox and Snell that a model of a class with this share can reach."""
    log_likelihood = share * math.log(share) + (1 - share) * math.log(1 - share)
    return 1 - math.exp(2 * log_likelihood)


def max_parameters(n: int, events: int, explained: float, shrinkage: float = SHRINKAGE) -> float:
    """Return the number of candidate parameters that `n` participants bear by Riley's first criterion.

    ``p = n (S - 1) log(1 - R2 / S)``, with R2 of Cox and Snell. The second criterion, optimism of at most 0.05 in
    Nagelkerke's R2, asks for ``S = R2_N / (R2_N + 0.05)``: below 0.9 up to an R2_N of 0.45, so that the first binds.

    Parameters
    ----------
    n, events
        Participants, and those of them in the smaller class; both classes have some.
    explained
        Nagelkerke's R2 that the model is expected to reach.
    shrinkage
        S, the least expected shrinkage of its coefficients.

    References
    ----------
    Riley et al. 2019, doi 10.1002/sim.7992.
    """
    return n * (shrinkage - 1) * math.log(1 - explained * max_cox_snell(events / n) / shrinkage)


def margin_of_share(n: int, events: int) -> float:
    """Return the half width of the 95 % interval of a class's share; Riley's third criterion asks for 0.05 at most."""
    share = events / n
    return 1.959964 * math.sqrt(share * (1 - share) / n)
