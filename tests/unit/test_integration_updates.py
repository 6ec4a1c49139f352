"""The faster updates are mofapy2's own, number for number."""

import numpy as np
import pytest

from immunosep.integration import mofa
from support.factors import planted_views


@pytest.mark.parametrize(
    "options",
    [
        {"factors": 6, "drop_r2": 0.01},
        {"factors": 6, "drop_r2": None, "iterations": 25},
        {"factors": 3, "drop_r2": None, "ard_factors": True, "iterations": 25},
    ],
    ids=["dropping", "all factors", "prior on factors"],
)
def test_the_model_is_that_of_mofapy2s_updates(monkeypatch, options):
    """Five rows lack a view, one value is missing; factors, weights, noise and bound after the same iterations."""
    views, _ = planted_views(seed=3)
    faster = mofa.fit_mofa(views, seed=1, **options)
    monkeypatch.setattr(mofa, "speed_up", lambda model: None)
    own = mofa.fit_mofa(views, seed=1, **options)
    assert faster.elbo.size == own.elbo.size
    np.testing.assert_allclose(faster.elbo, own.elbo, rtol=1e-10)
    np.testing.assert_allclose(faster.factors, own.factors, atol=1e-9)
    for name in views:
        np.testing.assert_allclose(faster.weights[name], own.weights[name], atol=1e-9)
        np.testing.assert_allclose(faster.weights_square[name], own.weights_square[name], atol=1e-9)
        np.testing.assert_allclose(faster.precision[name], own.precision[name], rtol=1e-9)
    # mofapy2's own calculation, view by view and factor by factor.
    np.testing.assert_allclose(faster.variance_explained, own.variance_explained, atol=1e-12)


def test_the_updates_are_used_and_mofapy2_itself_is_left_alone(monkeypatch):
    from mofapy2.core.nodes.W_nodes import SW_Node
    from mofapy2.core.nodes.Z_nodes import Z_Node

    before = SW_Node._updateParameters, Z_Node._updateParameters
    seen = []

    def look(model):
        speed_up(model)
        nodes = model.model.getNodes()
        seen.extend(node._updateParameters.__module__ for node in [nodes["Z"], *nodes["W"].getNodes()])

    speed_up = mofa.speed_up
    monkeypatch.setattr(mofa, "speed_up", look)
    views, _ = planted_views(samples=20)
    mofa.fit_mofa(views, factors=2, seed=1, drop_r2=None, iterations=5)
    assert seen == ["immunosep.integration.updates"] * 4
    assert (SW_Node._updateParameters, Z_Node._updateParameters) == before
