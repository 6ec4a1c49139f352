"""QC verdicts against a table judged by hand."""

import io

import numpy as np
import pandas as pd
import pytest

from immunosep import qc
from immunosep.io import read_table, write_table
from immunosep.layer import passing_obs

THRESHOLDS = {
    "frip": {"warn_below": 0.3, "fail_below": 0.2, "source": "ENCODE"},
    "duplicates": {"warn_above": 0.7, "source": "practice"},
    "gc": {"warn_below": 40, "warn_above": 60, "fail_below": 30, "fail_above": 70, "source": "made up"},
    "reads_oral": {"fail_below": 1000, "source": "practice"},
}
LIBRARIES = pd.DataFrame(
    [("A", "sample", "oral"), ("B", "sample", "nares"), ("C", "sample", "oral"), ("Z", "negative_control", "")],
    columns=["library", "sample_type", "specimen"],
)
METRICS = pd.DataFrame(
    [
        *[
            ("A", "frip", 0.3),
            ("A", "duplicates", 0.7),
            ("A", "gc", 60.0),
            ("A", "reads_oral", 1000.0),
            ("A", "zz", 5.0),
        ],
        *[("B", "gc", 71.5), ("B", "frip", 0.29), ("B", "duplicates", np.nan)],
        *[("C", "frip", 0.05), ("C", "duplicates", 0.71), ("C", "gc", 35.0), ("C", "reads_oral", 0.0)],
        ("Z", "frip", 0.0),
    ],
    columns=["library", "metric", "value"],
)
BY_HAND = """\
library|metric|value|warn|fail|verdict|reason|source
A|frip|0.3|< 0.3|< 0.2|pass||ENCODE
A|duplicates|0.7|> 0.7||pass||practice
A|gc|60|< 40 or > 60|< 30 or > 70|pass||made up
A|reads_oral|1000||< 1000|pass||practice
A|zz|5|||pass||
A|overall||||pass||
B|frip|0.29|< 0.3|< 0.2|warn|frip 0.29 below 0.3|ENCODE
B|duplicates||> 0.7||warn|duplicates not measured|practice
B|gc|71.5|< 40 or > 60|< 30 or > 70|fail|gc 71.5 above 70|made up
B|overall||||fail|gc 71.5 above 70; frip 0.29 below 0.3; duplicates not measured|
C|frip|0.05|< 0.3|< 0.2|fail|frip 0.05 below 0.2|ENCODE
C|duplicates|0.71|> 0.7||warn|duplicates 0.71 above 0.7|practice
C|gc|35|< 40 or > 60|< 30 or > 70|warn|gc 35 below 40|made up
C|reads_oral|0||< 1000|fail|reads_oral 0 below 1000|practice
C|overall||||fail|frip 0.05 below 0.2; reads_oral 0 below 1000; duplicates 0.71 above 0.7; gc 35 below 40|
"""


def by_hand():
    table = pd.read_csv(io.StringIO(BY_HAND), sep="|", dtype=str, keep_default_na=False)
    return table.assign(value=pd.to_numeric(table["value"].replace("", None)))


def test_verdicts_equal_those_judged_by_hand():
    pd.testing.assert_frame_equal(qc.judge(METRICS, THRESHOLDS, LIBRARIES), by_hand(), check_dtype=False)


def test_order_of_rows_does_not_matter():
    shuffled = qc.judge(METRICS.sample(frac=1, random_state=1), THRESHOLDS, LIBRARIES.iloc[::-1])
    pd.testing.assert_frame_equal(shuffled, qc.judge(METRICS, THRESHOLDS, LIBRARIES))


def test_a_library_without_any_metric_is_a_warning_not_a_silence():
    verdicts = qc.judge(METRICS[METRICS["library"] != "B"], THRESHOLDS, LIBRARIES)
    row = verdicts[(verdicts["library"] == "B") & (verdicts["metric"] == "overall")].iloc[0]
    assert row["verdict"] == "warn"
    assert row["reason"] == "frip not measured; duplicates not measured; gc not measured"


def test_without_thresholds_everything_passes():
    verdicts = qc.judge(METRICS, {}, LIBRARIES)
    assert set(verdicts["verdict"]) == {"pass"}
    assert (verdicts["metric"] == "overall").sum() == 3


def test_infinite_values_are_compared():
    metrics = pd.DataFrame({"library": ["A"], "metric": ["pbc2"], "value": [np.inf]})
    verdicts = qc.judge(metrics, {"pbc2": {"fail_below": 1, "source": "x"}}, LIBRARIES[:1])
    assert verdicts["verdict"].tolist() == ["pass", "pass"]


def test_doubled_and_unknown_metrics_are_errors():
    with pytest.raises(ValueError, match="one-to-one"):
        qc.judge(pd.concat([METRICS, METRICS[:1]]), THRESHOLDS, LIBRARIES)
    with pytest.raises(ValueError, match="unknown libraries: Z"):
        qc.judge(METRICS, THRESHOLDS, LIBRARIES[:3])


def test_files_round_trip_into_the_obs_of_a_layer(tmp_path):
    metrics, libraries, verdicts = tmp_path / "metrics.tsv", tmp_path / "rna.tsv", tmp_path / "verdicts.tsv"
    write_table(METRICS, metrics)
    write_table(LIBRARIES.assign(visit_day="1"), libraries)
    qc.judge_libraries(metrics=metrics, libraries=libraries, thresholds=THRESHOLDS, verdicts=verdicts)
    obs = passing_obs(read_table(libraries), read_table(verdicts))
    assert obs.index.tolist() == ["A"]
    assert obs.loc["A", "qc_frip"] == 0.3

    qc.collect_verdicts(
        layers=["rna", "atac"],
        paths=[verdicts, verdicts],
        verdicts=tmp_path / "all.tsv",
        summary=tmp_path / "summary.tsv",
    )
    joined = read_table(tmp_path / "all.tsv")
    assert joined.columns.tolist() == ["layer", *qc.COLUMNS]
    assert len(joined) == 2 * len(by_hand())
    assert (tmp_path / "summary.tsv").read_text().splitlines() == [
        "layer\tlibraries\tpass\twarn\tfail",
        "rna\t3\t1\t0\t2",
        "atac\t3\t1\t0\t2",
    ]


def test_summary_keeps_the_columns_without_any_library():
    empty = pd.DataFrame(columns=["layer", *qc.COLUMNS])
    assert qc.summarise(empty).columns.tolist() == ["layer", "libraries", "pass", "warn", "fail"]
