"""The sample-size arithmetic of the protocol, recomputed.

The protocol states 117 patients per arm for a difference of 1.4 SOFA points, a standard deviation of 3.2, a two-sided
level of 5 % and a power of 90 %. An exact two-sample t-test needs 111. The stated number is that of a rank test: 111
divided by its asymptotic relative efficiency under normality, 3 / pi. 280 patients leave 119 per arm evaluable after
15 % dropout.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import pandas as pd
from scipy import stats

from immunosep.io import PathLike, write_table

logger = logging.getLogger(__name__)

RANK_TEST_EFFICIENCY = 3 / math.pi
"""Asymptotic relative efficiency of the Mann-Whitney test against the t-test for normal data."""


def t_test_power(n_per_arm: float, difference: float, sd: float, alpha: float = 0.05) -> float:
    """Power of the two-sided two-sample t-test with equal arms, from the noncentral t distribution.

    Parameters
    ----------
    n_per_arm
        Evaluable patients in each arm, at least 2; need not be whole.
    difference, sd
        True difference of the means and common standard deviation, in points.
    alpha
        Two-sided level.
    """
    freedom = 2 * (n_per_arm - 1)
    noncentrality = difference / sd * math.sqrt(n_per_arm / 2)
    critical = stats.t.ppf(1 - alpha / 2, freedom)
    above = stats.nct.sf(critical, freedom, noncentrality)
    below = stats.nct.cdf(-critical, freedom, noncentrality)
    return float(above + below)


def n_by_normal(difference: float, sd: float, power: float = 0.9, alpha: float = 0.05) -> int:
    """Patients per arm by the normal approximation, `2 (z_{1 - alpha / 2} + z_power)^2 (sd / difference)^2`."""
    quantiles = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    return math.ceil(2 * (quantiles * sd / difference) ** 2)


def n_by_t_test(difference: float, sd: float, power: float = 0.9, alpha: float = 0.05) -> int:
    """Patients per arm, the smallest number with which the exact t-test reaches the power."""
    # The normal approximation is never above the exact number, and below it by one or two.
    n = max(2, n_by_normal(difference, sd, power, alpha))
    while t_test_power(n, difference, sd, alpha) < power:
        n += 1
    return n


def n_by_rank_test(difference: float, sd: float, power: float = 0.9, alpha: float = 0.05) -> int:
    """Patients per arm for the Mann-Whitney test: those of the t-test over the asymptotic relative efficiency."""
    return math.ceil(n_by_t_test(difference, sd, power, alpha) / RANK_TEST_EFFICIENCY)


def rank_test_power(n_per_arm: float, difference: float, sd: float, alpha: float = 0.05) -> float:
    """Power of the Mann-Whitney test: that of the t-test with the efficient part of the patients."""
    return t_test_power(n_per_arm * RANK_TEST_EFFICIENCY, difference, sd, alpha)


def to_randomise(n_per_arm: int, dropout: float) -> int:
    """Patients to randomise in both arms so that `n_per_arm` remain evaluable after a share of dropout."""
    return 2 * math.ceil(n_per_arm / (1 - dropout))


def evaluable_per_arm(randomised: int, dropout: float) -> int:
    """Give the evaluable patients per arm of two that remain of all randomised after a share of dropout."""
    return math.floor(randomised * (1 - dropout) / 2)


def sample_size_table(assumed: Mapping[str, float]) -> pd.DataFrame:
    """Recompute the protocol's sample size, every step with what it is.

    Parameters
    ----------
    assumed
        `difference`, `sd` (points), `alpha`, `power`, `dropout` (shares), `randomised` (planned, both arms).

    Returns
    -------
    Columns `quantity`, `value`, `how`.
    """
    effect = assumed["difference"], assumed["sd"]
    power, alpha, dropout = assumed["power"], assumed["alpha"], assumed["dropout"]
    t_test, rank_test = n_by_t_test(*effect, power, alpha), n_by_rank_test(*effect, power, alpha)
    randomised = int(assumed["randomised"])
    evaluable = evaluable_per_arm(randomised, dropout)
    rows = [
        ("per arm, normal approximation", n_by_normal(*effect, power, alpha), "2 (z + z)^2 (sd / difference)^2"),
        ("per arm, t-test", t_test, "smallest n whose exact power reaches the target"),
        ("power of that t-test", t_test_power(t_test, *effect, alpha), "noncentral t"),
        (
            "per arm, rank test",
            rank_test,
            "t-test over the asymptotic relative efficiency 3 / pi: the protocol's number",
        ),
        ("power of that rank test", rank_test_power(rank_test, *effect, alpha), "t-test with the efficient part of n"),
        ("power of a t-test of that size", t_test_power(rank_test, *effect, alpha), "noncentral t"),
        ("to randomise", to_randomise(rank_test, dropout), "so that a rank test keeps its size after dropout"),
        ("planned", randomised, "both arms"),
        ("evaluable per arm", evaluable, "of the planned, after dropout"),
        ("power of the t-test, evaluable", t_test_power(evaluable, *effect, alpha), "noncentral t"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "how"])


def write_sample_size(assumed: Mapping[str, float], path: PathLike) -> None:
    """Write `sample_size_table`."""
    table = sample_size_table(assumed)
    write_table(table, path)
    logger.info("%s", table.to_string(index=False))
