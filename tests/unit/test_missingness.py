"""Missing samples against outcome, site and country: planted, absent, per participant, and drawn."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunosep.figures.missingness import plot_missingness, tabulate_missingness
from immunosep.figures.style import save_figure
from immunosep.io import read_table, write_table
from immunosep.missingness import SHARES, TESTS, assess_missingness, participant_factors, permutation_p
from immunosep.samples import sample_states

DAYS = (1, 4)


def cohort(n=80, *, layers=("rna", "atac"), lost=lambda i, layer, day: False, gone=lambda i, day: False, failed=()):
    """Tables of a cohort in which every other participant died by day 28; `lost` and `gone` say what is not there."""
    people = [f"GR{1 + i % 3:02d}-{100000000 + i}" for i in range(n)]
    rows, libraries = [], []
    for i, person in enumerate(people):
        for layer in layers:
            for day in DAYS:
                status = "not_expected" if gone(i, day) else "missing" if lost(i, layer, day) else "collected"
                rows.append((person, str(day), layer, "", status, {"missing": "missed"}.get(status, "")))
                if status == "collected":
                    libraries.append((f"{person}-D{day:02d}-{layer}", person, str(day), layer, ""))
    completeness = pd.DataFrame(rows, columns=["participant", "visit_day", "layer", "specimen", "status", "reason"])
    index = pd.DataFrame(libraries, columns=["library", "participant", "visit_day", "layer", "specimen"])
    verdicts = index[["library"]].assign(metric="overall", verdict="pass")
    verdicts.loc[verdicts["library"].isin(failed), "verdict"] = "fail"
    labels = pd.DataFrame(
        {
            "participant": people,
            "site": [person[:4] for person in people],
            "event_28": [str(i % 2) for i in range(n)],
            "time_to_death_28": ["20" if i % 2 else "28" for i in range(n)],
            "endotype": [("MALS", "SII", "SII", "undetermined")[i // 2 % 4] for i in range(n)],
        },
        dtype=str,
    )
    return completeness, index, verdicts, labels


def assess(*tables, **more):
    tests, shares = assess_missingness(*tables, seed=1, **more)
    assert (tuple(tests), tuple(shares)) == (TESTS, SHARES)
    return tests.set_index(["layer", "visit_day", "factor"]), shares.set_index(
        ["layer", "visit_day", "factor", "level"]
    )


def test_what_is_planted_is_found_and_nothing_else():
    """RNA of day 4 is lost of half of the dead and of no survivor."""
    tests, shares = assess(*cohort(lost=lambda i, layer, day: layer == "rna" and day == 4 and i % 4 == 1))
    found = tests.index[tests["verdict"] == "informative"]
    assert list(found) == [("rna", "all", "death_28"), ("rna", "4", "death_28")]
    assert tests.loc[("rna", "4", "death_28"), "reason"] == (
        "missing samples go with death by day 28: 50% of the 40 dead, 0% of the 40 alive"
    )
    dead = shares.loc[("rna", "4", "death_28", "dead")]
    assert (dead["n"], dead["n_missing"], dead["share"]) == (40, 20, 0.5)
    interval = stats.binomtest(20, 40).proportion_ci(0.95, method="wilson")
    assert (dead["low"], dead["high"]) == (interval.low, interval.high)
    assert tests.loc[("atac", "1", "death_28"), "reason"] == "no sample is missing"


def test_p_values_are_those_of_the_tests():
    lost = {3, 5, 8, 9, 11, 20, 21, 30}
    tests, _ = assess(*cohort(40, layers=("rna",), lost=lambda i, layer, day: day == 1 and i in lost))
    dead = sum(i % 2 for i in lost)
    expected = stats.fisher_exact([[dead, 20 - dead], [len(lost) - dead, 20 - len(lost) + dead]]).pvalue
    assert tests.loc[("rna", "1", "death_28"), "p_value"] == pytest.approx(expected, rel=1e-12)
    assert tests.loc[("rna", "1", "death_28"), ["test", "n", "n_missing"]].tolist() == ["fisher", 40, 8]
    assert tests.loc[("rna", "1", "site"), "test"] == "permutation"


def test_permutation_is_the_exact_distribution():
    """Nine participants at three sites, three of them missing: all 84 ways to deal them, by hand."""
    from itertools import combinations

    site = np.repeat([0, 1, 2], 3)
    missing = np.array([3, 0, 0])

    def distance(counts):
        return ((counts - 1.0) ** 2).sum()

    dealt = [np.bincount(site[list(chosen)], minlength=3) for chosen in combinations(range(9), 3)]
    exact = np.mean([distance(counts) >= distance(missing) for counts in dealt])
    counts = np.column_stack([missing, 3 - missing])
    assert permutation_p(counts, np.random.default_rng(1), 20_000) == pytest.approx(exact, abs=0.006)


def test_participants_are_the_units_over_all_visits():
    """Lost at both visits or at one: a participant is one value, whatever the number of visits."""
    tests, shares = assess(*cohort(20, layers=("rna",), lost=lambda i, layer, day: i in (0, 2) or (i, day) == (4, 1)))
    row = tests.loc[("rna", "all", "death_28")]
    assert row[["test", "n", "n_missing"]].tolist() == ["kruskal", 20, 3]
    per_person = [1.0, 1.0, 0.5] + [0.0] * 7
    assert row["p_value"] == pytest.approx(stats.kruskal(per_person, [0.0] * 10).pvalue, rel=1e-12)
    alive = shares.loc[("rna", "all", "death_28", "alive")]
    low, high = stats.t.interval(0.95, 9, np.mean(per_person), stats.sem(per_person))
    assert (alive["share"], alive["low"], alive["high"]) == pytest.approx((0.25, max(0, low), high))


def test_early_visits_with_few_gaps_do_not_make_the_dead_look_complete():
    """Day 1 is whole and every second sample of day 4 is missing; the dead were expected on day 1 alone."""
    tests, shares = assess(
        *cohort(80, lost=lambda i, layer, day: day == 4 and i % 4 == 0, gone=lambda i, day: day == 4 and i % 2 == 1)
    )
    assert tests.loc[("rna", "all", "death_28"), "p_value"] > 0.5
    dead, alive = (shares.loc[("rna", "all", "death_28", level), "share"] for level in ("dead", "alive"))
    assert dead == pytest.approx(alive, abs=1e-9)
    assert tests.loc[("rna", "all", "death_28"), "n_missing"] == 20


def test_the_dead_and_withdrawn_are_not_missed():
    tests, _ = assess(*cohort(40, lost=lambda i, layer, day: i in (2, 3), gone=lambda i, day: day == 4 and i % 2 == 1))
    assert tests.loc[("rna", "4", "death_28"), ["n", "levels", "verdict", "reason"]].tolist() == [
        *(20, 1, "not_tested"),
        "one death by day 28 only",
    ]


def test_a_sample_that_failed_is_missing_and_one_of_two_libraries_is_enough():
    tables = list(cohort(20, layers=("rna",)))
    first, second = tables[1]["library"].iloc[:2]
    tables[1] = pd.concat([tables[1], tables[1].iloc[[1]].assign(library="again")])
    tables[2] = pd.concat([tables[2], pd.DataFrame({"library": ["again"], "metric": "overall", "verdict": "pass"})])
    tables[2].loc[tables[2]["library"].isin([first, second]), "verdict"] = "fail"
    blank = {"library": "16s-NC-MB01-A01", "participant": "", "visit_day": "", "layer": "microbiome", "specimen": ""}
    tables[1] = pd.concat([tables[1], pd.DataFrame([blank])])
    tables[2] = pd.concat([tables[2], tables[2].iloc[[0]].assign(library=blank["library"])])
    states = sample_states(*tables[:3])
    assert states["status"].value_counts().to_dict() == {"collected": 39, "failed_qc": 1}
    assert assess(*tables)[0].loc[("rna", "1", "site"), "n_missing"] == 1


def test_only_what_is_known_is_compared():
    tables = cohort(16, layers=("rna",), lost=lambda i, layer, day: i % 3 == 0)
    labels = tables[3]
    labels.loc[[0, 1], ["event_28", "time_to_death_28"]] = [["0", "12"], ["", ""]]
    tests, shares = assess(*tables)
    assert tests.loc[("rna", "1", "death_28"), "n"] == 14  # one lost on day 12, one unknown
    assert tests.loc[("rna", "1", "endotype"), "n"] == 12  # not the undetermined
    assert "arm" not in tests.index.get_level_values("factor")  # the role does not see it
    assert "undetermined" not in shares.index.get_level_values("level")
    assert list(participant_factors(labels, ["endotype", "age"])) == ["endotype"]


def test_the_families_are_the_factors():
    tests, _ = assess(*cohort(30, lost=lambda i, layer, day: i % 5 == day))
    for factor, family in tests.groupby("factor"):
        p = family["p_value"].dropna().astype(float)
        assert family["q_value"].dropna().tolist() == pytest.approx(stats.false_discovery_control(p)), factor


def test_same_seed_same_table_whatever_else_is_tested():
    tables = cohort(30, lost=lambda i, layer, day: i % 5 == day)
    whole, _ = assess(*tables)
    alone, _ = assess(*tables, factors=["site"])
    pd.testing.assert_series_equal(whole.xs("site", level="factor")["p_value"], alone["p_value"].droplevel("factor"))


def drawn(folder, *tables, min_group=5):
    """What the figure gets to see, by way of the files."""
    found = []
    for name, table in zip(("tests", "shares"), assess_missingness(*tables, seed=1), strict=True):
        write_table(table, folder / name)
        found.append(read_table(folder / name))
    return tabulate_missingness(*found, min_group=min_group)


def test_the_figure_draws_outcomes_and_leaves_out_small_groups(tmp_path):
    tables = cohort(lost=lambda i, layer, day: layer == "rna" and day == 4 and i % 4 == 1)
    table = drawn(tmp_path, *tables)
    assert set(table["factor"]) == {"death_28", "endotype"}
    assert (table["n"] >= 5).all()
    figure = plot_missingness(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Death by day 28", "Endotype"]
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows[:3] == ["RNA, all visits", "RNA, day 1", "RNA, day 4"]
    stars = [text.get_position()[1] for text in figure.axes[0].texts if text.get_text() == "*"]
    assert sorted(stars) == [0, 2]
    save_figure(figure, table, tmp_path / "missingness")  # refuses codes
    assert drawn(tmp_path, *tables, min_group=41).query("factor == 'death_28'").empty


def test_a_cohort_too_small_to_show_gets_a_note(tmp_path):
    figure = plot_missingness(drawn(tmp_path, *cohort(4), min_group=5))
    assert "No outcome has enough participants" in [text.get_text() for text in figure.axes[0].texts]
