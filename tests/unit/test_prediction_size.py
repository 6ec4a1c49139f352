"""Riley's sample size of prediction models against the example of R's pmsampsize and the trial's own numbers."""

import numpy as np
import pytest
from scipy.optimize import brentq

from immunosep.stats.prediction_size import EXPLAINED, margin_of_share, max_cox_snell, max_parameters


@pytest.mark.parametrize(("n", "events", "borne"), [(276, 72, (3.3, 5.8, 10.0)), (280, 112, (3.7, 6.4, 11.2))])
def test_what_the_trial_bears(n, events, borne):
    """SOFA response (72 of 276) and endotype (112 of 280), as computed for the design of the workflow."""
    assert [max_parameters(n, events, explained) for explained in EXPLAINED] == pytest.approx(borne, abs=0.05)


def test_the_example_of_pmsampsize():
    """Its manual: prevalence 0.174, Cox-Snell R2 of 0.288, 24 parameters; 623 by criterion 1, 662 by criterion 2."""
    highest = max_cox_snell(0.174)
    explained = 0.288 / highest

    def needed(shrinkage):
        return brentq(lambda n: max_parameters(n, 0.174 * n, explained, shrinkage) - 24, 10, 10_000)

    assert np.ceil(needed(0.9)) == 623
    assert np.ceil(needed(0.288 / (0.288 + 0.05 * highest))) == 662


def test_the_margin_is_that_of_a_share():
    assert margin_of_share(100, 50) == pytest.approx(1.96 * 0.05, abs=1e-4)
