"""The trial's statistics against R (t.test, lm, prop.test, fisher.test, mantelhaen.test, survival::coxph, survfit)."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunosep.stats.comparisons import (
    Estimate,
    adjusted_difference,
    hazard_ratio,
    kaplan_meier,
    risk_difference,
    stratified_odds_ratio,
    welch,
    win_probability,
)

GOLDEN = Path(__file__).parents[1] / "golden/trial"
TOLERANCE = 1e-6


def simulate_trial(name, size, seed, effect):
    """Return a synthetic trial: unequal arms, tied event days, a covariate that matters, one sparse country."""
    rng = np.random.default_rng(seed)
    arm = np.where(rng.random(size) < 0.48, "active", "placebo")
    active = arm == "active"
    country = rng.choice(["DE", "GR", "NL", "RO"], size, p=[0.35, 0.4, 0.2, 0.05])
    baseline = rng.integers(4, 17, size)
    mean = np.round(9 * baseline + rng.normal(-9, 25, size) - 9 * effect * active) / 9
    time = np.minimum(np.ceil(rng.exponential(45 * (1 + effect * active), size)), 28)
    lost = rng.random(size) < 0.1
    return pd.DataFrame(
        {
            "trial": name,
            "arm": arm,
            "endotype": np.where(rng.random(size) < 0.4, "MALS", "SII"),
            "country": country,
            "sofa_baseline": baseline,
            "mean_sofa": mean,
            "response": (baseline - mean >= 1.4).astype(int),
            "time": time,
            "event": ((time < 28) & ~lost).astype(int),
        }
    )


def compare(trial):
    """Compute what `compare.R` computes."""
    active = (trial["arm"] == "active").to_numpy()
    value, time = trial["mean_sofa"].to_numpy(), trial["time"].to_numpy(float)
    event, response = trial["event"].to_numpy() == 1, trial["response"].to_numpy() == 1
    strata = trial["endotype"] + trial["country"]
    levels = pd.get_dummies(trial[["endotype", "country"]], drop_first=True).to_numpy(float)
    covariates = np.column_stack([trial["sofa_baseline"], levels])

    def events(own):
        return int(response[own].sum()), int(own.sum())

    estimates = {
        "welch": welch(value[active], value[~active]),
        "adjusted": adjusted_difference(value, active, covariates),
        "risk_difference": risk_difference(events(active), events(~active)),
        "odds_ratio": stratified_odds_ratio(response, active, strata),
        "hazard_ratio": hazard_ratio(time, event, active),
        "stratified_hazard_ratio": hazard_ratio(time, event, active, strata),
    }
    numbers = {name: [e.value, e.low, e.high, e.p_value] for name, e in estimates.items()}
    win = win_probability(value[active], value[~active])
    numbers["win"] = [win.value, win.p_value]
    curve = kaplan_meier(time[active], event[active])
    for day in (7, 15, 28):
        row = curve[curve["day"] <= day].iloc[-1]
        numbers[f"survival_d{day}"] = [row["survival"], row["low"], row["high"], (time[active] >= day).sum()]
    return {f"{name}.{place}": number for name, row in numbers.items() for place, number in enumerate(row, 1)}


def check(trials, expected):
    """Compare every number of every trial."""
    assert expected["trial"].nunique() == trials["trial"].nunique()
    for name, own in trials.groupby("trial"):
        wanted = expected[expected["trial"] == name].set_index("quantity")["value"]
        found = compare(own)
        assert found.keys() == set(wanted.index)
        for quantity, number in found.items():
            assert number == pytest.approx(wanted[quantity], abs=TOLERANCE, rel=TOLERANCE), (name, quantity)


def test_statistics_equal_the_values_that_r_gave():
    trials = pd.read_csv(GOLDEN / "trials.tsv", sep="\t")
    check(trials, pd.read_csv(GOLDEN / "expected.tsv", sep="\t"))


def has_survival():
    if shutil.which("Rscript") is None:
        return False
    asked = ["Rscript", "-e", 'quit(status = !requireNamespace("survival", quietly = TRUE))']
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.r
@pytest.mark.skipif(not has_survival(), reason="needs Rscript with the package survival")
def test_statistics_equal_r_on_new_trials(tmp_path):
    trials = pd.concat(
        [simulate_trial(f"t{seed}", size, seed, effect) for seed, size, effect in
         [(11, 60, 0.0), (12, 140, 0.5), (13, 280, 1.4), (14, 280, 0.3), (15, 90, -0.4)]]
    )  # fmt: skip
    trials.to_csv(tmp_path / "trials.tsv", sep="\t", index=False)
    call = ["Rscript", str(GOLDEN / "compare.R"), str(tmp_path / "trials.tsv")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "expected.tsv").write_text(done.stdout)
    check(trials, pd.read_csv(tmp_path / "expected.tsv", sep="\t"))


def test_the_published_responders():
    """46 of 131 against 26 of 145: difference 17.2 %, interval 6.8 to 27.2, p = .002 (JAMA 2025)."""
    made = risk_difference((46, 131), (26, 145))
    assert [f"{100 * number:.1f}" for number in (made.value, made.low, made.high)] == ["17.2", "6.8", "27.2"]
    assert f"{made.p_value:.3f}" == "0.002"


def test_ties_of_the_hazard_by_hand():
    """Two deaths on day 1, one of each arm, among four: Efron's likelihood b - log(2 + 2 e^b) - log(1.5 + 1.5 e^b)."""
    made = hazard_ratio(np.array([1.0, 1, 2, 2]), np.array([True, True, False, False]), np.array([True, False] * 2))
    assert made.value == pytest.approx(1)
    # Its second derivative at 0 is -1/4 - 1/4.
    assert np.log(made.high) == pytest.approx(1.959964 * np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (welch(np.array([1.0]), np.array([1.0, 2])), "fewer than two"),
        (welch(np.array([1.0, 1]), np.array([2.0, 2])), "no spread"),
        (risk_difference((0, 0), (1, 2)), "without participants"),
        (
            adjusted_difference(np.arange(4.0), np.array([True, False] * 2), np.eye(4)[:, :2]),
            "coefficients",
        ),
        (adjusted_difference(np.arange(6.0), np.array([True, False] * 3), np.array([[1.0], [0]] * 3)), "tell the arm"),
        (stratified_odds_ratio(np.array([True] * 4), np.array([True, False] * 2), ["a"] * 4), "no stratum"),
        (stratified_odds_ratio(np.array([True, False] * 2), np.array([True, False] * 2), ["a"] * 4), "in one arm"),
        (
            hazard_ratio(np.arange(1.0, 5), np.array([True, False] * 2), np.array([True, False] * 2)),
            "no death while the other",
        ),
        (
            hazard_ratio(np.ones(4), np.array([True] * 4), np.array([True, False] * 2), list("abab")),
            "no death while the other",
        ),
        (win_probability(np.array([1.0]), np.array([1.0, 2])), "fewer than two"),
        (win_probability(np.ones(3), np.ones(3)), "the same"),
    ],
)
def test_what_cannot_be_estimated_says_why(made, note):
    assert note in made.note
    assert np.isnan(made.p_value)
    assert np.isnan([made.low, made.high]).all()


def test_the_better_arm_wins():
    better = win_probability(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]))
    assert (better.value, better.low, better.high) == (1, 1, 1)
    assert win_probability(np.array([1.0, 3]), np.array([1.0, 3])).value == 0.5
    assert isinstance(better, Estimate)


def test_nobody_dies_and_the_curve_is_flat():
    curve = kaplan_meier(np.array([5.0, 9, 9]), np.zeros(3, bool))
    assert curve["survival"].tolist() == [1, 1, 1]
    assert curve["at_risk"].tolist() == [3, 3, 2]
    assert curve["censored"].tolist() == [0, 1, 2]
    last = kaplan_meier(np.array([2.0, 4]), np.ones(2, bool)).iloc[-1]
    assert last["survival"] == 0
    assert np.isnan(last["low"])
