"""Mixed models of factors: R's numbers, the balanced analysis of variance, and what is not estimated."""

import numpy as np
import pandas as pd
import pytest

from immunosep.integration.mixed_models import model_factors


def unbalanced():
    """Twelve participants with two to four visits, without any random generator, so that R can make the same."""
    visits = [4, 3, 4, 2, 4, 4, 3, 4, 4, 2, 4, 3] * 2
    person = np.repeat(np.arange(1, 25), visits)
    day = np.concatenate([[1, 4, 7, 28][:n] for n in visits]).astype(float)
    i = np.arange(1, person.size + 1)
    group = np.where(person % 3 == 0, "SII", "MALS")
    y = np.sin(7 * person) + 0.5 * np.cos(3 * i) + 0.3 * np.log2(1 + day) * (group == "SII")
    return pd.DataFrame({"factor1": y}), day, pd.Series([f"P{number:02d}" for number in person]), pd.Series(group)


def test_estimates_errors_and_deviations_are_those_of_rs_nlme(monkeypatch):
    """nlme 3.1-162, R 4.2.2: lme(y ~ t * g, random = ~ 1 | p, method = "REML") with t = log2(1 + day)."""
    monkeypatch.setattr("immunosep.integration.mixed_models.MIN_PARTICIPANTS", 4)
    scores, days, persons, groups = unbalanced()
    first = persons <= "P12"
    table = model_factors(scores[first], days[first], persons[first], groups[first]).set_index(["model", "term"])
    expected = {
        ("time", "time"): (0.17116185464, 0.05523426609),
        ("time x group", "time"): (0.06384567411, 0.06575513209),
        ("time x group", "group SII"): (0.07418696815, 0.54916816721),
        ("time x group", "time x SII"): (0.25986298074, 0.10334680513),
    }
    assert set(table.index) == set(expected)
    for key, numbers in expected.items():
        np.testing.assert_allclose(table.loc[key, ["estimate", "se"]].astype(float), numbers, rtol=1e-3)
    deviations = table.loc[[("time", "time"), ("time x group", "time")], ["sd_participant", "sd_residual"]]
    np.testing.assert_allclose(
        deviations.astype(float), [[0.8024131052, 0.4377452298], [0.7594036441, 0.4017584722]], rtol=1e-4
    )
    assert table["participants"].tolist() == [12] * 4
    assert (table["note"] == "").all()


def test_a_balanced_design_gives_the_analysis_of_variance():
    """Slope: least squares within participants; residual variance: that mean square; participants': by moments."""
    generator = np.random.default_rng(1)
    people, days = 20, np.array([1.0, 3, 7])
    person = np.repeat(np.arange(people), days.size)
    time = np.tile(np.log2(1 + days), people)
    y = generator.normal(size=people)[person] * 1.5 + 0.4 * time + generator.normal(size=person.size)
    table = model_factors(
        pd.DataFrame({"factor1": y}), np.tile(days, people), pd.Series([f"P{index:02d}" for index in person]), None
    )
    row = table.iloc[0]
    grid = y.reshape(people, 3)
    centred_time, centred = time.reshape(people, 3) - time[:3].mean(), grid - grid.mean(axis=1, keepdims=True)
    slope = (centred_time * centred).sum() / (centred_time**2).sum()
    mean_square = ((centred - slope * centred_time) ** 2).sum() / (people * 2 - 1)
    between = 3 * grid.mean(axis=1).var(ddof=1)
    assert row["estimate"] == pytest.approx(slope, rel=1e-6)
    assert row["sd_residual"] ** 2 == pytest.approx(mean_square, rel=1e-3)
    assert row["sd_participant"] ** 2 == pytest.approx((between - mean_square) / 3, rel=1e-3)
    assert row["se"] ** 2 == pytest.approx(mean_square / (centred_time**2).sum(), rel=1e-3)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.959964 * row["se"])


def test_a_small_group_is_not_compared_and_few_participants_not_modelled():
    scores, days, persons, groups = unbalanced()
    groups[persons < "P06"] = "unclassified"
    groups[persons == "P06"] = None
    table = model_factors(scores, days, persons.astype("category"), groups.astype("category"))
    assert table["model"].tolist() == ["time"]  # SII has 7 of the 24, unclassified 5, one is not known
    few = model_factors(scores[:12], days[:12], persons[:12], None)
    assert few["estimate"].isna().all()
    assert few["q_value"].isna().all()
    assert few["note"].tolist() == ["3 participants have two visits or more, 10 are needed"]


def test_observations_without_a_day_are_left_out_and_one_day_is_no_course():
    scores, days, persons, _ = unbalanced()
    unknown = days.copy()
    unknown[:4] = np.nan
    assert model_factors(scores, unknown, persons, None)["participants"].tolist() == [23]
    assert "do not vary" in model_factors(scores, np.full(len(days), 7.0), persons, None)["note"].iloc[0]


def test_all_three_terms_of_every_factor_share_one_correction():
    scores, days, persons, _ = unbalanced()
    groups = pd.Series(np.where(persons.str[1:].astype(int) % 2, "A", "B"))
    scores["factor2"] = np.cos(np.arange(len(scores)))
    table = model_factors(scores, days, persons, groups)
    assert len(table) == 8
    ordered = np.sort(table["p_value"].astype(float))
    by_hand = np.minimum.accumulate((ordered * 8 / np.arange(1, 9))[::-1])[::-1]
    np.testing.assert_allclose(np.sort(table["q_value"].astype(float)), np.minimum(by_hand, 1))
