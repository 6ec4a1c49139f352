"""Shared parts of the layers: obs of passing libraries, flags of features, long metrics."""

import anndata
import numpy as np
import pandas as pd
import pytest

from immunosep.layer import (
    common_enough,
    counts_per_million,
    drug_symbols,
    has_symbol,
    kept_features,
    metric_table,
    passing_obs,
)


def libraries():
    return pd.DataFrame(
        {
            "library": ["B-2", "A-1", "C-3", "rna-NC-B1-A1"],
            "sample_type": ["sample", "sample", "sample", "negative_control"],
            "sample_code": ["012345678", "000000001", "999999999", ""],
            "visit_day": ["4", "1", "28", ""],
        }
    )


def verdicts():
    rows = [
        ("A-1", "mapped", "0.9", "pass"),
        ("A-1", "overall", "", "pass"),
        ("B-2", "mapped", "0.6", "warn"),
        ("B-2", "frip", "", "warn"),
        ("B-2", "overall", "", "warn"),
        ("C-3", "mapped", "0.1", "fail"),
        ("C-3", "overall", "", "fail"),
    ]
    return pd.DataFrame(rows, columns=["library", "metric", "value", "verdict"])


def test_obs_holds_the_libraries_that_did_not_fail():
    obs = passing_obs(libraries(), verdicts())
    assert list(obs.index) == ["A-1", "B-2"]
    assert list(obs["qc_verdict"]) == ["pass", "warn"]
    assert list(obs["sample_code"]) == ["000000001", "012345678"]
    assert list(obs["visit_day"]) == [1, 4]
    np.testing.assert_array_equal(obs["qc_mapped"], [0.9, 0.6])
    assert obs["qc_frip"].isna().all()


def test_a_library_without_verdict_is_an_error():
    with pytest.raises(ValueError, match="C-3"):
        passing_obs(libraries(), verdicts()[lambda table: table["library"] != "C-3"])


def test_metrics_that_do_not_apply_have_no_row():
    wide = pd.DataFrame({"reads_oral": [5, np.nan], "shannon": [1.5, 2]}, index=["L2", "L1"])
    long = metric_table(wide)
    assert long.to_numpy().tolist() == [["L1", "shannon", 2.0], ["L2", "reads_oral", 5.0], ["L2", "shannon", 1.5]]


def test_joint_symbols_are_flagged_by_their_parts():
    symbols = pd.Series(["IL12A_IL12B", "IL12", "IL1RN", "HLA-DRA"], index=["O1", "O2", "O3", "O4"])
    assert has_symbol(symbols, {"IL12B", "HLA-DRA"}).to_dict() == {"O1": True, "O2": False, "O3": False, "O4": True}


def test_drug_analytes_are_told_by_kind():
    table = pd.DataFrame({"symbol": ["IFNG", "CXCL9"], "kind": ["protein", "transcript"]})
    assert drug_symbols(table, "protein") == {"IFNG"}


def test_the_cohorts_features_are_those_its_filter_kept():
    data = anndata.AnnData(np.ones((2, 3)), var=pd.DataFrame({"kept": [True, False, True]}, index=["a", "b", "c"]))
    assert kept_features(data).var_names.tolist() == ["a", "c"]
    assert kept_features(data[:, ["b"]]).n_vars == 0
    ready = anndata.AnnData(np.ones((2, 3)))
    assert kept_features(ready) is ready


def test_common_enough_is_a_quotient_and_asks_for_one_sample_at_least():
    present = np.zeros((100, 3), dtype=bool)
    present[:55, 0], present[:54, 1] = True, True
    assert common_enough(present, 0.55).tolist() == [True, False, False]
    assert common_enough(present, 0).tolist() == [True, True, False]
    assert common_enough(present[:0], 0.5).tolist() == [False] * 3


def test_counts_per_million_of_an_empty_library_are_zero():
    counts = np.array([[1, 3], [0, 0]])
    assert counts_per_million(counts, counts.sum(axis=1, keepdims=True)).tolist() == [[250_000, 750_000], [0, 0]]
