"""Boosted trees as arrays say what scikit-learn's own object says."""

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier

from immunosep.biomarkers.trees import StoredTrees
from immunosep.biomarkers.tuning import TREES


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(1)
    values = generator.normal(size=(200, 12))
    labels = (values[:, 0] + generator.normal(size=200) > 0).astype(int)
    values[generator.random(values.shape) < 0.2] = np.nan
    values[labels == 1, 5] = np.nan  # a gap that tells the class
    return HistGradientBoostingClassifier(max_iter=30, random_state=1, **TREES).fit(values, labels)


def samples(seed, size=500):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(size, 12))
    values[generator.random(values.shape) < 0.3] = np.nan
    return values


def test_log_odds_are_equal_to_the_last_bit(fitted):
    values = samples(2)
    np.testing.assert_array_equal(StoredTrees.of(fitted).decision_function(values), fitted.decision_function(values))
    np.testing.assert_array_equal(
        StoredTrees.of(fitted).decision_function(values[:1]), fitted.decision_function(values)[:1]
    )


def test_a_value_at_the_threshold_goes_the_same_way(fitted):
    stored = StoredTrees.of(fitted)
    splits = stored.nodes_["is_leaf"] == 0
    values = np.zeros((splits.sum(), 12))
    values[np.arange(splits.sum()), stored.nodes_["feature_idx"][splits]] = stored.nodes_["num_threshold"][splits]
    np.testing.assert_array_equal(stored.decision_function(values), fitted.decision_function(values))


def test_trees_that_found_nothing_to_split_say_the_prevalence():
    values = np.zeros((40, 3))
    labels = (np.arange(40) % 4 == 0).astype(int)
    fitted = HistGradientBoostingClassifier(max_iter=3, **TREES).fit(values, labels)
    np.testing.assert_array_equal(StoredTrees.of(fitted).decision_function(values), fitted.decision_function(values))


def test_the_file_keeps_them(fitted, tmp_path):
    skops.io.dump(StoredTrees.of(fitted), tmp_path / "trees.skops")
    found = skops.io.get_untrusted_types(file=tmp_path / "trees.skops")
    assert [name for name in found if not name.startswith("immunosep.")] == []
    loaded = skops.io.load(tmp_path / "trees.skops", trusted=found)
    np.testing.assert_array_equal(loaded.decision_function(samples(3)), fitted.decision_function(samples(3)))


def test_another_number_of_features_is_refused(fitted):
    with pytest.raises(ValueError, match="the trees take 12 features"):
        StoredTrees.of(fitted).decision_function(samples(1)[:, :3])
