"""Small counts are not told, and cannot be worked out from what is told."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunosep.aggregates import (
    POOLED,
    SECOND,
    common_genera,
    count_by,
    describe_endpoints,
    label_counts,
    large_classes,
    suppress,
    suppress_columns,
    verdicts_by_layer,
    verdicts_by_site,
    without_near,
    without_small,
)

K = 5


def shown(counts, k=K):
    return suppress(pd.DataFrame(counts), k).to_numpy().tolist()


def test_a_small_count_is_hidden_and_a_second_one_with_it():
    assert shown([[10, 3, 20]]) == [[SECOND, "<5", "20"]]
    assert shown([[10, 0, 20]]) == [["10", "0", "20"]]
    assert shown([[3, 4, 20]]) == [["<5", "<5", "20"]]
    assert shown([[3]]) == [["<5"]]


def test_neither_rows_nor_columns_give_a_hidden_count_away():
    table = shown([[3, 10, 20], [30, 40, 50], [60, 70, 80]])
    hidden = np.array([[cell in (SECOND, "<5") for cell in row] for row in table])
    assert (hidden.sum(axis=0) != 1).all()
    assert (hidden.sum(axis=1) != 1).all()
    assert hidden.sum() == 4  # no more than needed


@given(arrays(int, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 30)), st.integers(2, 8))
def test_no_line_hides_one_count_alone(counts, k):
    table = suppress(pd.DataFrame(counts), k).to_numpy()
    hidden = (table == SECOND) | (table == f"<{k}")
    assert (hidden | (counts == 0) | (counts >= k)).all()
    assert (table[~hidden].astype(int) == counts[~hidden]).all()
    for lines in (hidden, hidden.T):
        if lines.shape[1] > 1:
            assert (lines.sum(axis=1) != 1).all()


def sites(sizes, verdict="pass"):
    rows = [(site, f"{site}-{n}", f"{site}-{n}-rna") for site, size in sizes.items() for n in range(size)]
    libraries = pd.DataFrame(rows, columns=["site", "participant", "library"])
    verdicts = pd.DataFrame({"layer": "rna", "library": libraries["library"], "metric": "overall", "verdict": verdict})
    names = pd.Series({site: f"S{index}" for index, site in enumerate(sizes)})
    return verdicts, libraries, names


def test_small_sites_are_pooled_and_a_pool_hides_at_least_two():
    table = verdicts_by_site(*sites({"GR01": 20, "GR02": 9, "GR03": 2, "GR04": 2}), K).set_index("site")["pass"]
    assert table.to_dict() == {"S0": "20", POOLED: "13"}  # 2 + 2 are too few: the next site goes in with them
    table = verdicts_by_site(*sites({"GR01": 20, "GR02": 9, "GR03": 4}), K).set_index("site")["pass"]
    assert table.to_dict() == {"S0": "20", POOLED: "13"}
    table = verdicts_by_site(*sites({"GR01": 20, "GR02": 9}), K).set_index("site")["pass"]
    assert table.to_dict() == {"S0": "20", "S1": "9"}


def test_many_libraries_of_few_people_are_few():
    verdicts, libraries, names = sites({"GR01": 20, "GR02": 20})
    extra = pd.DataFrame({"site": "GR01", "participant": "GR01-1", "library": [f"GR01-1-{n}-atac" for n in range(9)]})
    more = pd.DataFrame({"layer": "atac", "library": extra["library"], "metric": "overall", "verdict": "pass"})
    table = verdicts_by_site(pd.concat([verdicts, more]), pd.concat([libraries, extra]), names, K)
    assert table[table["layer"] == "atac"][["pass", "warn", "fail"]].to_numpy().tolist() == [["<5"] * 3]


def test_a_verdict_on_few_people_is_hidden_however_many_libraries_they_have():
    verdicts, libraries, names = sites({"GR01": 20, "GR02": 20})
    again = pd.DataFrame({"site": "GR01", "participant": "GR01-1", "library": [f"GR01-1-{n}-rna" for n in range(6)]})
    failed = pd.DataFrame({"layer": "rna", "library": again["library"], "metric": "overall", "verdict": "fail"})
    libraries = pd.concat([libraries, again, pd.DataFrame([{"site": "", "participant": "", "library": "blank"}])])
    verdicts = pd.concat([verdicts, failed])
    by_site = verdicts_by_site(verdicts, libraries, names, K).set_index("site")
    assert by_site.loc["S0"].tolist() == ["rna", "20", SECOND, "<5"]
    assert verdicts_by_layer(verdicts, libraries, K).to_numpy().tolist() == [["rna", "40", SECOND, "<5"]]
    # A control is nobody's.
    blank = pd.DataFrame([{"layer": "16s", "library": "blank", "metric": "overall", "verdict": "pass"}])
    assert verdicts_by_layer(blank, libraries, K).to_numpy().tolist() == [["16s", "1", "0", "0"]]


def test_what_few_people_had_often_is_hidden():
    table = pd.DataFrame({"layer": "rna", "reason": ["died"] * 8 + ["missed"] * 9})
    table["participant"] = [*"abcdefgh", *"abcabcabc"]
    assert count_by(table, ["layer"], "reason", K).to_numpy().tolist() == [["rna", SECOND, "<5"]]


def test_genera_are_told_of_enough_carriers():
    people = pd.Series([f"p{n}" for n in range(20)] * 2)
    carried_by = {"Common": 20, "Usual": 12, "Lacked": 18, "Rare": 3}
    present = pd.DataFrame({name: people.isin(people[:size]) for name, size in carried_by.items()})
    genera = pd.DataFrame({"genus": list(carried_by), "family": "f", "prevalence": ["1", "0.6", "0.9", "0.15"]})
    told = common_genera(genera, present, people, K).set_index("genus")["prevalence"]
    assert told.to_dict() == {"Common": "1", "Usual": "0.6", "Lacked": SECOND}


def test_labels_are_counted_for_the_randomised():
    labels = pd.DataFrame({"randomised": ["yes"] * 20 + ["no"] * 9, "endotype": ["MALS"] * 8 + ["SII"] * 12 + [""] * 9})
    assert label_counts(labels, ["endotype", "absent"], K).to_numpy().tolist() == [
        ["endotype", "MALS", "8"],
        ["endotype", "SII", "12"],
    ]


def test_endpoints_are_described_where_enough_have_one():
    values = pd.DataFrame(
        {
            "endpoint": ["sofa"] * 6 + ["few"] * 3 + ["event"] * 12,
            "value": ["1", "2", "3", "4", "5", "6"] + ["1.5", "2.5", "3.5"] + ["1"] * 5 + ["0"] * 7,
        }
    )
    table = describe_endpoints(values, K).fillna("").set_index(["endpoint", "value"])
    assert table.loc[("sofa", ""), ["participants", "mean"]].tolist() == ["6", 3.5]
    assert table.loc[("few", "")].tolist() == ["<5", "", ""]
    assert table.loc[("event", "1"), "participants"] == "5"


def test_rows_about_few_are_left_out():
    table = pd.DataFrame({"n": ["4", "5", "0", ""], "x": list("abcd")})
    assert without_small(table, ["n", "absent"], K)["x"].tolist() == ["b", "c", "d"]
    events = pd.DataFrame({"n": ["100", "100", "100", "9"], "events": ["98", "95", "100", ""], "x": list("abcd")})
    assert without_small(events, ["n", "events"], K, [("events", "n")])["x"].tolist() == ["b", "c", "d"]
    performance = pd.DataFrame({"n": ["30", "30", "30", "30"], "n_positive": ["4", "26", "12", ""], "x": list("abcd")})
    assert large_classes(performance, K)["x"].tolist() == ["c", "d"]


@pytest.mark.parametrize(("counts", "expected"), [(["7", "3"], ["*", "<5"]), (["7", "8"], ["7", "8"])])
def test_a_table_of_counts(counts, expected):
    table = pd.DataFrame({"day": ["2"], "response": counts[:1], "nonresponse": counts[1:]})
    assert suppress_columns(table, ["day"], K).to_numpy().tolist() == [["2", *expected]]


def rows_of(*rows):
    columns = ["population", "group", "endpoint", "n_active", "n_placebo"]
    return pd.DataFrame(rows, columns=columns).astype(str)


def test_no_difference_of_populations_tells_of_few():
    table = rows_of(
        ("per_protocol", "all", "sofa", 60, 62), ("itt", "all", "sofa", 70, 69), ("mitt", "all", "sofa", 68, 69),
        ("itt", "all", "death", 70, 69), ("mitt", "all", "death", 70, 69),
    )  # fmt: skip
    found = without_near(table, ["n_active", "n_placebo", "absent"], K)
    # Of those who were never dosed there are two; who was not treated per protocol were 10 and 7.
    assert found.index.tolist() == [0, 1, 3, 4]
    assert without_near(table[:0], ["n_active"], K).empty


def test_no_rest_of_the_groups_tells_of_few():
    table = rows_of(
        ("itt", "all", "sofa", 70, 69), ("itt", "MALS", "sofa", 20, 22), ("itt", "SII", "sofa", 47, 47),
        ("itt", "all", "death", 70, 69), ("itt", "MALS", "death", 20, 22), ("itt", "SII", "death", 50, 47),
    )  # fmt: skip
    # Three of the active arm are of neither endotype; without the smaller group 23 are not of the other.
    assert without_near(table, ["n_active", "n_placebo"], K).index.tolist() == [0, 2, 3, 4, 5]
    # A group that was too small to be told is not worked out from the others.
    small = rows_of(("itt", "all", "sofa", 40, 40), ("itt", "SII", "sofa", 37, 36))
    assert without_near(small, ["n_active", "n_placebo"], K).index.tolist() == [0]
