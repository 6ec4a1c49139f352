"""Net benefit, predictive values, the corrected t-test, subgroups and splits by place, against numbers by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunosep.biomarkers.compare import (
    SUBGROUPS,
    corrected_t,
    differences_table,
    subgroup_levels,
    subgroup_table,
    transfer_table,
)
from immunosep.biomarkers.splits import SCHEMES, folds_digest, place_folds
from immunosep.biomarkers.utility import decision_table, net_benefit, predictive_table
from immunosep.figures.decision import plot_decision, tabulate_decision
from immunosep.io import read_table, write_table


def predictions(label, probability, *, model="rna", repeat=1, fold=1):
    label, probability = np.asarray(label), np.asarray(probability, dtype=float)
    return pd.DataFrame(
        {
            "participant": [f"p{index:03d}" for index in range(label.size)],
            "label": label,
            "probability": probability,
            "score": np.log(probability / (1 - probability)),
            "repeat": repeat,
            "fold": fold,
            "model": model,
            "feature_set": "full",
            "class": "MALS",
        }
    )


def test_net_benefit_by_hand():
    """Four participants, cut 0.5: one true and one false positive. At 0.2 all four are treated."""
    labels = np.array([1, 1, 0, 0])
    found = net_benefit(labels, np.array([0.8, 0.4, 0.6, 0.2]), np.array([0.5, 0.2]))
    assert found == pytest.approx([1 / 4 - 1 / 4 * 1, 2 / 4 - 2 / 4 * 0.25])


def test_decision_curve_stands_beside_everybody_and_the_clinical_model():
    label = [1] * 4 + [0] * 6
    perfect = predictions(label, [0.9] * 4 + [0.01] * 6)
    useless = predictions(label, [0.4] * 10, model="clinical")
    table = decision_table(pd.concat([perfect, useless]), "t", bootstrap=20, seed=1).set_index(["model", "threshold"])
    row = table.loc[("rna", 0.3)]
    assert row["net_benefit"] == pytest.approx(0.4)
    assert row["net_benefit_all"] == row["net_benefit_clinical"] == pytest.approx(0.4 - 0.6 * 0.3 / 0.7)
    # Above 0.4 the clinical model treats nobody.
    assert table.loc[("rna", 0.5), "net_benefit_clinical"] == 0
    assert row["net_benefit_low"] < 0.4 < row["net_benefit_high"]
    # Of nobody treated nothing is uncertain.
    assert table.loc[("clinical", 0.5), ["net_benefit_low", "net_benefit_high"]].tolist() == [0, 0]
    alone = decision_table(perfect, "t", bootstrap=20, seed=1)
    assert alone["net_benefit_clinical"].isna().all()


def test_predictive_values_by_hand():
    """Sensitivity 3/4, specificity 4/6."""
    table = predictive_table(
        predictions([1] * 4 + [0] * 6, [0.9, 0.8, 0.7, 0.2, 0.6, 0.6, 0.1, 0.1, 0.1, 0.1]),
        "t",
        [0.1, 0.4],
        bootstrap=200,
        seed=1,
    ).set_index("prevalence")
    for rate in ("sensitivity", "specificity", "ppv", "npv"):
        assert (table[f"{rate}_low"] <= table[rate]).all()
        assert (table[rate] <= table[f"{rate}_high"]).all()
    # Three of four: 1/4 or less is drawn with a chance of 5 %, 2/4 or less with one of 26 %.
    assert table.loc[0.1, "sensitivity_low"] < 0.5
    assert table["sensitivity"].unique() == pytest.approx([0.75])
    assert table.loc[0.1, "ppv"] == pytest.approx(0.075 / (0.075 + 0.3))
    assert table.loc[0.1, "npv"] == pytest.approx(0.6 / (0.6 + 0.025))
    # At the prevalence of the sample they are the shares that were seen.
    assert table.loc[0.4, "ppv"] == pytest.approx(3 / 5)


def test_corrected_t_by_hand():
    differences = np.array([0.1, 0.0, 0.2, 0.1])
    mean, error, p_value = corrected_t(differences, 0.25)
    assert mean == pytest.approx(0.1)
    assert error == pytest.approx(np.sqrt((0.25 + 0.25) * 0.02 / 3))
    assert p_value == pytest.approx(2 * stats.t.sf(mean / error, 3))
    assert corrected_t(np.zeros(3), 0.25) == (0, 0, 1)


def test_corrected_test_keeps_its_level_where_the_plain_one_does_not():
    """Two models of pure noise on the same participants, refolded ten times: the folds are not independent."""
    generator = np.random.default_rng(0)
    rejected = {"corrected": 0, "plain": 0}
    for _ in range(40):
        label = np.arange(100) % 2
        base = generator.normal(size=(2, 100))
        differences = []
        for _ in range(10):
            fold = generator.permutation(100) % 5
            for number in range(5):
                here = fold == number
                areas = []
                for scores in base + 0.3 * generator.normal(size=(2, 100)):
                    positive, negative = scores[here & (label == 1)], scores[here & (label == 0)]
                    areas.append((positive[:, None] > negative).mean() if positive.size and negative.size else np.nan)
                differences.append(areas[0] - areas[1])
        found = np.array(differences)
        rejected["corrected"] += corrected_t(found, 0.25)[2] < 0.05
        rejected["plain"] += stats.ttest_1samp(found, 0).pvalue < 0.05
    assert rejected["plain"] >= 10
    assert rejected["corrected"] <= 8


def test_models_are_compared_on_whom_both_predict():
    label = [1, 1, 1, 0, 0, 0] * 5
    fold = np.repeat(np.arange(1, 6), 6)
    good = predictions(label, np.where(label, 0.8, 0.2) + np.linspace(0, 0.1, 30), fold=fold)
    clinical = predictions(label, np.linspace(0.3, 0.6, 30), model="clinical", fold=fold)
    table = differences_table(pd.concat([good.iloc[:-6], clinical]), "t").set_index(["model", "reference"])
    row = table.loc[("rna", "clinical")]
    assert (row["n"], row["folds"]) == (24, 4)
    # The clinical score rises along each fold, with the class falling: every pair is out of order.
    assert row["auroc_difference"] == pytest.approx(1.0)


def test_small_groups_have_no_numbers_and_cannot_be_worked_out():
    label = ([1] * 10 + [0] * 10) * 3
    rows = predictions(label, np.linspace(0.1, 0.9, 60))
    levels = pd.DataFrame(
        {"country": ["GR"] * 30 + ["IT"] * 26 + ["DE"] * 4, "sex": ["F", "M"] * 30}, index=rows["participant"]
    )
    table = subgroup_table(rows, levels, "t", min_group=5, bootstrap=20, seed=1)
    assert list(table) == list(SUBGROUPS)
    country = table[table["variable"] == "country"].set_index("level")
    assert country["n"].isna().to_dict() == {"DE": True, "GR": False, "IT": True}
    assert country.loc["DE", ["n_positive", "auroc", "auroc_low"]].isna().all()
    sexes = table[table["variable"] == "sex"]
    assert sexes["n"].tolist() == [30, 30]
    assert (sexes["auroc_low"] <= sexes["auroc"]).all()


def covid_table(ill):
    """Subgroups of 30 + 30 participants of whom the first `ill`, of one class, have COVID-19."""
    rows = predictions([1] * 30 + [0] * 30, np.linspace(0.9, 0.1, 60))
    levels = pd.DataFrame({"covid19": ["yes"] * ill + ["no"] * (60 - ill)}, index=rows["participant"])
    return subgroup_table(rows, levels, "t", min_group=5, bootstrap=20, seed=1).set_index("level")


def test_the_model_is_judged_without_participants_with_covid19():
    """All of them are of one class, so that they have no AUROC and everybody else has one."""
    table = covid_table(12)
    assert table.loc["no", ["n", "n_positive", "auroc"]].tolist() == [48, 18, 1]
    assert table.loc["yes", "note"] == "one class only"
    assert table.loc["yes", ["n", "n_positive", "auroc"]].isna().all()


def test_how_few_were_left_out_is_not_told():
    table = covid_table(3)
    assert table.loc["no", "auroc"] == 1
    assert table[["n", "n_positive"]].isna().all(axis=None)
    assert table["note"].tolist() == [
        "numbers hidden: too few are left out",
        "fewer than 5 in a class, or hidden with such a group",
    ]


def test_a_group_of_one_class_does_not_lay_a_small_one_open():
    """Of B and C together the sum is known: had A numbers, B could be worked out, for C has nobody of class 1."""
    rows = predictions([1] * 10 + [0] * 20 + [1] * 3 + [0] * 20 + [0] * 12, np.linspace(0.9, 0.1, 65))
    levels = pd.DataFrame({"country": ["A"] * 30 + ["B"] * 23 + ["C"] * 12}, index=rows["participant"])
    table = subgroup_table(rows, levels, "t", min_group=5, bootstrap=20, seed=1)
    assert table["n"].isna().all()


def test_levels_come_from_both_tables():
    labels = pd.DataFrame({"participant": ["GR01-1", "GR01-2"], "country": "GR"})
    people = pd.DataFrame({"site": "GR01", "participant_code": ["1", "2"], "age_years": ["70", "69"], "sex": "F"})
    found = subgroup_levels(labels, people, "sofa_response")
    assert found["age"].tolist() == ["70 and older", "under 70"]
    assert set(found) == {"sex", "country", "age"}
    assert set(subgroup_levels(labels, None, "sofa_response")) == {"country"}
    flagged = labels.assign(borderline=["yes", "no"])
    assert set(subgroup_levels(flagged, people.assign(covid19="no"), "sofa_response")) == {*found, "covid19"}
    assert set(subgroup_levels(flagged, None, "endotype")) == {"country", "borderline"}
    # Who has no row in a table has no level, and is no group of the unknown.
    assert subgroup_levels(labels, people.iloc[:1], "sofa_response")["sex"].tolist() == ["F", ""]


def places(size=60):
    """Two sites of twenty in GR; in GR and in IT small ones."""
    sites = ["GR01"] * 20 + ["GR02"] * 20 + ["GR03"] * 6 + ["IT01"] * 7 + ["IT02"] * 7
    names = [f"{site}-{index:09d}" for index, site in enumerate(sites)]
    table = pd.DataFrame({"site": sites, "country": [site[:2] for site in sites]}, index=names)
    return table, pd.Series(np.where(np.arange(size) % 2, "MALS", "SII"), index=names)


def test_small_sites_are_left_out_with_the_other_small_ones_of_their_country():
    table, classes = places()
    folds = place_folds(classes, table, "leave_one_site_group_out", min_site=15).set_index("participant")["fold"]
    together = folds.groupby(folds).agg(lambda part: tuple(sorted({name[:4] for name in part.index})))
    assert sorted(together) == [("GR01",), ("GR02",), ("GR03",), ("IT01", "IT02")]
    countries = place_folds(classes[::-1], table.sample(frac=1, random_state=1), SCHEMES[0], min_site=15)
    assert countries.groupby("fold")["participant"].agg(lambda part: {name[:2] for name in part}).tolist() == [
        {"GR"},
        {"IT"},
    ]
    assert countries["digest"].unique().tolist() == [folds_digest(countries)]
    assert set(countries["scheme"]) == {"leave_one_country_out"}


def test_without_places_or_with_one_nobody_is_left_out():
    table, classes = places()
    assert place_folds(classes, table[["site"]], SCHEMES[0], min_site=15).empty
    assert place_folds(classes, table.assign(country="GR"), SCHEMES[0], min_site=15).empty
    assert place_folds(classes, table.assign(country=""), SCHEMES[1], min_site=15).empty


def test_transfer_is_judged_over_all_places_together():
    fold = np.repeat([1, 2], 10)
    table = predictions([1, 0] * 10, np.linspace(0.1, 0.9, 20), fold=fold)
    found = transfer_table(
        {"leave_one_country_out": table, "leave_one_site_group_out": table.iloc[:0]}, "t", bootstrap=20, seed=1
    )
    assert found[["scheme", "groups", "n"]].to_numpy().tolist() == [["leave_one_country_out", 2, 20]]


def test_decision_curves_are_drawn_for_the_models_named_beforehand(tmp_path):
    label = [1] * 8 + [0] * 12
    rows = [predictions(label, np.linspace(0.9, 0.1, 20), model=model) for model in ("late_fusion", "clinical", "rna")]
    write_table(decision_table(pd.concat(rows), "t", bootstrap=20, seed=1), tmp_path / "curve.tsv")
    table = tabulate_decision(read_table(tmp_path / "curve.tsv"))
    assert set(table["model"]) == {"late_fusion", "clinical"}
    assert table["net_benefit"].dtype == float
    figure = plot_decision(table, task="sofa_response")
    legend = figure.axes[0].get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["nobody", "everybody", "Late fusion", "Clinical only"]
    assert not plot_decision(table.iloc[:0], task="endotype").axes[0].lines
