"""Sample-size arithmetic of the protocol against statsmodels and the published numbers."""

import pytest
from statsmodels.stats.power import TTestIndPower

from immunosep.stats import power

TRIAL = {"difference": 1.4, "sd": 3.2}


def test_the_protocols_numbers():
    assert power.n_by_normal(**TRIAL) == 110
    assert power.n_by_t_test(**TRIAL) == 111
    assert power.n_by_rank_test(**TRIAL) == 117
    assert power.t_test_power(111, **TRIAL) == pytest.approx(0.9006, abs=5e-5)
    assert power.t_test_power(110, **TRIAL) < 0.9
    assert power.t_test_power(117, **TRIAL) == pytest.approx(0.915, abs=5e-4)
    assert power.rank_test_power(117, **TRIAL) == pytest.approx(0.902, abs=5e-4)


def test_dropout_of_15_percent():
    assert power.to_randomise(117, 0.15) == 276
    assert power.evaluable_per_arm(280, 0.15) == 119
    assert power.evaluable_per_arm(280, 0.15) >= power.n_by_rank_test(**TRIAL)


@pytest.mark.parametrize(("n", "difference", "sd"), [(10, 1.0, 1.0), (111, 1.4, 3.2), (300, 0.2, 1.1), (25, 0, 1)])
def test_power_equals_statsmodels(n, difference, sd):
    expected = TTestIndPower().power(difference / sd, n, 0.05)
    assert power.t_test_power(n, difference, sd) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("effect", [0.1, 0.4375, 1.0, 3.0])
def test_size_is_the_smallest_that_reaches_the_power(effect):
    n = power.n_by_t_test(effect, 1.0, power=0.8)
    assert power.t_test_power(n, effect, 1.0) >= 0.8
    assert n == 2 or power.t_test_power(n - 1, effect, 1.0) < 0.8
