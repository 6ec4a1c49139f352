"""The comparison of the arms on synthetic trials whose effect is known."""

import numpy as np
import pandas as pd
import pytest

from immunosep.endpoints.steps import derive
from immunosep.errors import InputError
from immunosep.io import read_table, write_table
from immunosep.stats.comparisons import welch
from immunosep.stats.trial import (
    CURVES,
    EFFECTS,
    SENSITIVITY,
    compare_arms,
    effects,
    population_counts,
    sensitivity_effects,
    survival_curves,
)
from support.clinic import SETTINGS, planted_trial

SIZE = 120


def analysed(benefit, tmp_path_factory, seed=7):
    """Derive the labels of a synthetic trial and write them, as the rules do; return the tables as text."""
    participants, visits, classification, allocation = planted_trial(SIZE, seed, benefit)
    derived = derive(participants, visits, classification, SETTINGS, allocation=allocation)
    folder = tmp_path_factory.mktemp("trial")
    for name in ("labels", "endpoints", "sensitivity"):
        write_table(getattr(derived, name), folder / f"{name}.tsv")
    write_table(participants, folder / "participants.tsv")
    tables = {name: read_table(folder / f"{name}.tsv") for name in ("labels", "endpoints", "sensitivity")}
    return tables | {"participants": participants, "allocation": allocation, "folder": folder}


@pytest.fixture(scope="module")
def helped(tmp_path_factory):
    """A trial in which the active arm loses three points."""
    return analysed(3, tmp_path_factory)


@pytest.fixture(scope="module")
def table(helped):
    return effects(helped["labels"], helped["endpoints"], helped["participants"], SETTINGS)


def pick(table, endpoint, measure, population="itt", group="all"):
    chosen = table[
        (table["endpoint"] == endpoint)
        & (table["measure"] == measure)
        & (table["population"] == population)
        & (table["group"] == group)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_every_endpoint_population_and_group_has_its_rows(table):
    assert table.columns.tolist() == EFFECTS
    assert (table.groupby(["population", "group"]).size() == 15).all()
    assert set(table["population"]) == {"itt", "mitt", "per_protocol"}
    assert set(table["group"]) == {"all", "MALS", "SII"}
    assert table["primary"].value_counts().to_dict() == {"no": len(table) - 1, "yes": 1}
    main = table[table["primary"] == "yes"].iloc[0]
    assert main[["population", "group", "endpoint", "measure"]].tolist() == [
        "itt",
        "all",
        "mean_sofa_d9",
        "mean_difference",
    ]
    estimated = table["estimate"].notna()
    assert (estimated | (table["note"] != "")).all()
    assert ((table["low"] <= table["estimate"]) & (table["estimate"] <= table["high"]))[estimated].all()


def test_the_planted_effect_is_found(table):
    """Three points less on eight of nine days, scores near zero apart."""
    plain = pick(table, "mean_sofa_d9", "mean_difference")
    adjusted = pick(table, "mean_sofa_d9", "adjusted_mean_difference")
    for row in (plain, adjusted):
        assert row["low"] < -3 * 8 / 9 < row["high"]
        assert row["p_value"] < 0.01
    # The baseline score explains much of the spread.
    assert adjusted["high"] - adjusted["low"] < 0.8 * (plain["high"] - plain["low"])
    assert pick(table, "sofa_response", "risk_difference")["low"] > 0
    assert pick(table, "sofa_response", "odds_ratio")["low"] > 1
    assert pick(table, "mean_sofa_d9_joint_rank", "win_probability")["low"] > 0.5


def test_without_a_planted_effect_none_is_found(tmp_path_factory):
    null = analysed(0, tmp_path_factory)
    table = effects(null["labels"], null["endpoints"], null["participants"], SETTINGS)
    row = pick(table, "mean_sofa_d9", "adjusted_mean_difference")
    assert row["low"] < 0 < row["high"]


def test_rows_are_those_of_the_label_table(table, helped):
    labels = helped["labels"].merge(helped["allocation"][["site", "participant_code"]], on=["site", "participant_code"])
    assert len(labels) == SIZE
    for group in ("MALS", "SII"):
        own = labels[(labels["endotype"] == group) & (labels["mean_sofa_d9"] != "")]
        value, active = own["mean_sofa_d9"].astype(float).to_numpy(), (own["arm"] == "active").to_numpy()
        row = pick(table, "mean_sofa_d9", "mean_difference", group=group)
        made = welch(value[active], value[~active])
        assert (row["estimate"], row["low"], row["p_value"]) == (made.value, made.low, made.p_value)
        assert (row["n_active"], row["n_placebo"]) == (active.sum(), (~active).sum())
        dead = pick(table, "death_28", "hazard_ratio", group=group)
        assert dead["events_active"] == ((own["event_28"] == "1") & active).sum()
        assert dead["note"].startswith("exploratory, not powered for mortality")


def test_per_protocol_drops_deviations_and_modified_itt_the_undosed(table, helped):
    people = helped["participants"]
    enrolled = people[people["randomised"] == "yes"]
    n = {
        name: pick(table, "death_90", "hazard_ratio", population=name)[["n_active", "n_placebo"]].sum()
        for name in ("itt", "mitt", "per_protocol")
    }
    assert n == {
        "itt": SIZE,
        "mitt": (enrolled["dosed"] == "yes").sum(),
        "per_protocol": ((enrolled["dosed"] == "yes") & (enrolled["per_protocol"] == "yes")).sum(),
    }
    assert n["itt"] > n["mitt"] > n["per_protocol"]


def test_the_primary_population_is_configured(helped):
    chosen = {**SETTINGS, "trial": {"itt_population": "dosed", "confidence": 0.9}}
    table = effects(helped["labels"], helped["endpoints"], helped["participants"], chosen)
    assert table.loc[table["primary"] == "yes", "population"].tolist() == ["mitt"]
    wide = effects(helped["labels"], helped["endpoints"], helped["participants"], SETTINGS)
    known = table["low"].notna() & (table["high"] > table["low"])
    assert (table["high"] - table["low"] <= wide["high"] - wide["low"] + 1e-12)[known].all()


def test_sensitivity_holds_the_published_analysis_among_all_others(table, helped):
    found = sensitivity_effects(helped["labels"], helped["sensitivity"], helped["participants"], 0.95)
    assert found.columns.tolist() == SENSITIVITY
    assert (found.groupby(["population", "group"]).size() == 2 * 3 * 3 + 5 * 4 * 3).all()
    own = found[(found["population"] == "itt") & (found["group"] == "all") & (found["discharge_rule"] == "locf")]
    numbers = ["n_active", "n_placebo", "estimate", "low", "high", "p_value"]
    published = own[own["option"] == "A"].iloc[0]
    expected = pick(table, "sofa_response", "risk_difference")
    assert published[numbers].tolist() == expected[numbers].tolist()
    mean = own[(own["endpoint"] == "mean_sofa_d9") & (own["death_rule"] == "locf")].iloc[0]
    expected = pick(table, "mean_sofa_d9", "mean_difference")
    assert mean[numbers].tolist() == pytest.approx(expected[numbers].tolist(), rel=1e-5)
    worst = own[(own["endpoint"] == "mean_sofa_d9") & (own["death_rule"] == "worst24")].iloc[0]
    assert worst["mean_placebo"] > mean["mean_placebo"]


def test_populations_and_curves_count_the_same_people(helped):
    counts = population_counts(helped["labels"], helped["participants"], [28, 90])
    itt = counts[(counts["population"] == "itt") & (counts["group"] != "all")]
    assert itt["n"].sum() == SIZE
    curves = survival_curves(helped["labels"], helped["participants"], SETTINGS)
    assert curves.columns.tolist() == CURVES
    for key, own in curves.groupby(["group", "arm"]):
        row = counts[(counts["population"] == "itt") & (counts["group"] == key[0]) & (counts["arm"] == key[1])].iloc[0]
        assert (own["at_risk"].iloc[0], own["events"].sum()) == (row["n"], row["deaths_90"])
        assert own["survival"].is_monotonic_decreasing


def test_order_of_rows_does_not_matter(table, helped):
    shuffled = {name: helped[name].sample(frac=1, random_state=3) for name in ("labels", "endpoints", "participants")}
    again = effects(shuffled["labels"], shuffled["endpoints"], shuffled["participants"], SETTINGS)
    numbers = ["estimate", "low", "high", "p_value"]
    np.testing.assert_allclose(again[numbers], table[numbers], rtol=1e-9)


def test_a_randomised_participant_without_an_arm_is_an_error(helped):
    labels = helped["labels"].copy()
    labels.loc[labels["randomised"] == "yes", "arm"] = ["", *["active"] * (SIZE - 1)]
    with pytest.raises(InputError, match="1 randomised participants have no arm"):
        effects(labels, helped["endpoints"], helped["participants"], SETTINGS)


def test_a_trial_too_small_to_compare_is_written_with_reasons(helped, tmp_path):
    """Two participants: nothing can be estimated, nothing breaks."""
    labels = helped["labels"]
    few = pd.concat([labels[labels["arm"] == arm].iloc[:1] for arm in ("active", "placebo")])
    write_table(few, tmp_path / "labels.tsv")
    outputs = {name: tmp_path / f"{name}.tsv" for name in ("effects", "sensitivity_effects", "populations", "survival")}
    compare_arms(
        labels_path=tmp_path / "labels.tsv",
        endpoints_path=helped["folder"] / "endpoints.tsv",
        sensitivity_path=helped["folder"] / "sensitivity.tsv",
        participants_path=helped["folder"] / "participants.tsv",
        settings=SETTINGS,
        shuffled=False,
        **{f"{name}_path": path for name, path in outputs.items()},
    )
    written = read_table(outputs["effects"])
    main = written[written["primary"] == "yes"].iloc[0]
    assert (main["n_active"], main["n_placebo"], main["low"]) == ("1", "1", "")
    assert main["note"] == "fewer than two participants in an arm"
    assert len(read_table(outputs["survival"]))
