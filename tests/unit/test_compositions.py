"""Log-ratios and dissimilarities against scikit-bio, scipy and numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunosep.compositions import bray_curtis, closure, clr


@pytest.mark.filterwarnings("ignore")
def test_clr_agrees_with_scikit_bio():
    from skbio.stats.composition import clr as reference

    counts = np.random.default_rng(1).poisson(3, size=(6, 9))
    np.testing.assert_allclose(clr(counts, 0.5), reference(counts + 0.5), atol=1e-12)


def test_clr_by_hand():
    # (1, 4, 16): geometric mean 4.
    np.testing.assert_allclose(clr([[0, 3, 15]], 1), np.log([[0.25, 1, 4]]))


@given(arrays(np.int64, (3, 5), elements=st.integers(0, 10**6)))
def test_clr_rows_sum_to_zero(counts):
    np.testing.assert_allclose(clr(counts, 0.5).sum(axis=1), 0, atol=1e-9)


def test_clr_against_some_parts():
    # (1, 4, 16): the geometric mean of the last two is 8; the row sums to 0 over them.
    ratios = clr([[0, 3, 15]], 1, np.array([False, True, True]))
    np.testing.assert_allclose(ratios, np.log([[1 / 8, 1 / 2, 2]]))
    with pytest.raises(ValueError, match="reference"):
        clr([[1, 2]], 1, np.zeros(2, dtype=bool))


@pytest.mark.parametrize(("counts", "pseudocount"), [([[1, -1]], 0.5), ([[1, np.nan]], 0.5), ([[1, 2]], 0)])
def test_clr_refuses_what_has_no_logarithm(counts, pseudocount):
    with pytest.raises(ValueError):
        clr(counts, pseudocount)


def test_closure_leaves_an_empty_row_empty():
    np.testing.assert_array_equal(closure([[1, 3], [0, 0]]), [[0.25, 0.75], [0, 0]])


def test_bray_curtis_agrees_with_scipy():
    from scipy.spatial.distance import braycurtis

    a, b = np.random.default_rng(2).random((2, 8))
    assert bray_curtis(10 * a, b) == pytest.approx(braycurtis(a / a.sum(), b / b.sum()))
    assert bray_curtis([1, 0], [0, 5]) == 1
    assert np.isnan(bray_curtis([0, 0], [1, 1]))
