"""Trajectories: mofapy2's own factors come back, the posterior is the one written out, planted courses are found."""

import numpy as np
import pytest

from immunosep.integration.mefisto import (
    MefistoFit,
    choose_participants,
    fit_mefisto,
    predict_trajectories,
    process_covariance,
    time_scale,
)
from immunosep.integration.mofa import MofaFit

DAYS = np.array([1.0, 2, 4, 7, 15, 28])


def planted_courses(people=22, seed=0):
    """One factor that drifts slowly in each participant, one that is drawn anew at every visit; two views."""
    generator = np.random.default_rng(seed)
    days = np.tile(DAYS, people)
    persons = np.repeat([f"P{index:02d}" for index in range(people)], DAYS.size).astype(object)
    kernel = process_covariance(DAYS, 3.0, 1.0)
    drift = np.concatenate([generator.multivariate_normal(np.zeros(DAYS.size), kernel) for _ in range(people)])
    jump = generator.normal(size=days.size)
    z = np.column_stack([drift, jump])
    views = {}
    for name, size in (("rna", 40), ("proteome", 30)):
        weights = generator.normal(size=(size, 2)) * (generator.random((size, 2)) < 0.5)
        views[name] = z @ weights.T + generator.normal(size=(days.size, size)) + 3.0
    views["proteome"][generator.random(days.size) < 0.2] = np.nan
    return views, days, persons, z


@pytest.fixture(scope="module")
def trained():
    views, days, persons, z = planted_courses()
    fit = fit_mefisto(views, days, persons, factors=3, iterations=200, drop_r2=0.01, seed=1, convergence="slow")
    return fit, views, days, persons, z


def wide(table):
    """Posterior means as observations x factors, in the order of participants and days."""
    return table.pivot(index=["participant", "visit_day"], columns="factor", values="mean")


def test_training_observations_come_back_to_mofapy2s_own_factors(trained):
    fit, views, days, persons, _ = trained
    table = predict_trajectories(fit, views, days, persons)
    assert (table["observed"] == "yes").all()
    np.testing.assert_allclose(wide(table).to_numpy(), fit.model.factors, atol=2e-3)


def test_the_course_is_told_from_what_changes_at_every_visit(trained):
    fit, _, _, _, z = trained
    assert fit.model.n_factors == 2
    correlation = np.abs(np.corrcoef(z.T, fit.model.factors.T)[:2, 2:])
    drift, jump = correlation.argmax(axis=1)
    assert {drift, jump} == {0, 1}
    assert correlation.max(axis=1).min() > 0.9
    assert fit.persistence[drift] > 0.75  # planted: exp(-1 / 18) = 0.95
    assert fit.persistence[jump] < 0.2
    assert fit.length_scale[drift] > 1


def test_participants_are_told_apart(trained):
    """Without anybody else a participant has the same trajectory."""
    fit, views, days, persons, _ = trained
    alone = persons == "P07"
    table = predict_trajectories(fit, {name: view[alone] for name, view in views.items()}, days[alone], persons[alone])
    everybody = predict_trajectories(fit, views, days, persons)
    own = everybody[everybody["participant"] == "P07"]
    np.testing.assert_allclose(table[["mean", "sd"]], own[["mean", "sd"]], rtol=1e-9)


def test_a_visit_that_was_left_out_is_predicted_within_its_uncertainty(trained):
    """Day 7 of people who were not in training, from their other days; the interval holds 95 % of them."""
    fit, _, _, _, z = trained
    generator = np.random.default_rng(9)
    people = 300
    drift = np.abs(np.corrcoef(z[:, 0], fit.model.factors.T)[0, 1:]).argmax()
    days = np.tile(DAYS, people)
    persons = np.repeat([f"Q{index:03d}" for index in range(people)], DAYS.size).astype(object)
    courses = np.linalg.cholesky(process_covariance(DAYS, fit.length_scale[drift], fit.smooth[drift]))
    truth = generator.normal(size=(people * DAYS.size, 2))
    truth[:, drift] = (generator.normal(size=(people, DAYS.size)) @ courses.T).ravel()
    views = {}
    for name in fit.model.views:
        noise = generator.normal(size=(days.size, fit.model.precision[name].size)) / np.sqrt(fit.model.precision[name])
        views[name] = (truth @ fit.model.weights[name].T + noise) * fit.model.scale[name] + fit.model.mean[name]
    kept = (days != 7) | (persons == "Q000")  # who has day 7 puts it on the calendar
    table = predict_trajectories(fit, {name: v[kept] for name, v in views.items()}, days[kept], persons[kept])
    missing = table[(table["visit_day"] == 7) & (table["factor"] == f"mefisto{drift + 1}")].iloc[1:]
    assert (missing["observed"] == "no").all()
    hidden = truth[(days == 7) & ~kept, drift]
    errors = missing["mean"].to_numpy() - hidden
    assert 0.91 < (np.abs(errors) < 1.96 * missing["sd"].to_numpy()).mean() < 0.99
    assert errors.std() < 0.6 * hidden.std()


def test_the_posterior_is_the_gaussian_written_out():
    """One feature per factor: the joint normal of factors and values, conditioned by the textbook's formula."""
    model = MofaFit(
        views=("rna",),
        mean={"rna": np.array([1.0, 2.0])},
        scale={"rna": 2.0},
        weights={"rna": np.array([[0.8, 0.3], [0.0, 1.1]])},
        weights_square={"rna": np.array([[0.8, 0.3], [0.0, 1.1]]) ** 2},
        precision={"rna": np.array([2.0, 0.5])},
        prior=np.ones(2),
        factors=np.zeros((0, 2)),
        variance_explained=np.zeros((1, 2)),
        variance_total=np.zeros(1),
        elbo=np.array([0.0]),
    )
    fit = MefistoFit(model, length_scale=np.array([2.0, 0.0]), smooth=np.array([0.7, 0.0]))
    days, values = np.array([1.0, 15.0]), np.array([[3.0, 1.0], [np.nan, 4.0]])
    # Day 4 comes from another participant, who gives the calendar of visits.
    both = predict_trajectories(
        fit,
        {"rna": np.vstack([values, [[1.0, 2.0]]])},
        np.append(days, 4.0),
        np.array(["A", "A", "B"], dtype=object),
    )
    table = both[both["participant"] == "A"]
    calendar = np.array([1.0, 4.0, 15.0])
    prior = np.zeros((6, 6))
    prior[:3, :3] = process_covariance(calendar, 2.0, 0.7)
    prior[3:, 3:] = np.eye(3)
    # Observed: both features at day 1, the second at day 15; rows are linear maps of (factor 1, factor 2) over days.
    w = model.weights["rna"]
    design = np.zeros((3, 6))
    for row, (feature, day) in enumerate([(0, 0), (1, 0), (1, 2)]):
        design[row, [day, 3 + day]] = w[feature]
    noise = np.diag([1 / 2.0, 1 / 0.5, 1 / 0.5])
    observed = (np.array([3.0, 1.0, 4.0]) - np.array([1.0, 2.0, 2.0])) / 2.0
    gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + noise)
    np.testing.assert_allclose(table["mean"], gain @ observed, rtol=1e-9)
    np.testing.assert_allclose(table["sd"], np.sqrt(np.diag(prior - gain @ design @ prior)), rtol=1e-9)
    assert table["observed"].tolist() == ["yes", "no", "yes"] * 2
    assert table["visit_day"].tolist() == [1, 4, 15] * 2


def test_whole_participants_with_enough_visits_are_drawn():
    persons = np.repeat(["A", "B", "C", "D"], [4, 2, 3, 5]).astype(object)
    assert choose_participants(persons, min_visits=3, max_observations=100, seed=1) == ["A", "C", "D"]
    few = choose_participants(persons, min_visits=3, max_observations=8, seed=1)
    assert few == choose_participants(persons[::-1], min_visits=3, max_observations=8, seed=1)
    assert 1 <= len(few) <= 2
    assert choose_participants(persons, min_visits=6, max_observations=8, seed=1) == []


def test_persistence_is_the_prior_correlation_over_a_doubling():
    days = np.array([7.0, 15.0])
    numbers = [(2.0, 0.7), (0.3, 1.0), (0.0, 0.0)]
    fit = MefistoFit(None, *(np.array(column) for column in zip(*numbers, strict=True)))
    expected = [process_covariance(days, *pair)[0, 1] for pair in numbers]
    np.testing.assert_allclose(fit.persistence, expected)


def test_time_is_in_doublings_or_in_days():
    np.testing.assert_allclose(time_scale([0, 1, 3, 7]), [0, 1, 2, 3])
    np.testing.assert_allclose(time_scale([0, 30, 61], "linear"), [0, 30, 61])


def test_monthly_visits_are_followed_on_a_linear_scale():
    months = np.array([0.0, 30, 61, 91, 122, 152, 183, 213])
    generator = np.random.default_rng(2)
    persons = np.repeat([f"P{number:02d}" for number in range(12)], months.size).astype(object)
    days = np.tile(months, 12)
    # Everybody swings around once in eight months, from a start of their own.
    course = np.sin(2 * np.pi * days / 240 + np.repeat(generator.uniform(0, 2 * np.pi, 12), months.size))
    views = {"genera": np.outer(course, generator.normal(size=30)) + 0.5 * generator.normal(size=(days.size, 30))}
    options = {"factors": 2, "iterations": 60, "drop_r2": 0.05, "seed": 1}
    linear = fit_mefisto(views, days, persons, time="linear", **options)
    assert linear.step == 30  # the median of 30, 31, 30, 31, 30, 31, 30
    place = linear.model.variance_explained[0].argmax()
    # A month is an eighth of the swing: cos(45 degrees) = 0.71. In doublings the first month is as long as all others.
    assert linear.persistence[place] == pytest.approx(0.71, abs=0.15)
    table = predict_trajectories(linear, views, days, persons)
    own = table[table["factor"] == f"mefisto{place + 1}"]
    assert abs(np.corrcoef(own["mean"], course)[0, 1]) > 0.95


def test_the_prior_of_a_factor_is_of_variance_one():
    for numbers in ((2.0, 0.4), (0.0, 0.0), (5.0, 1.0)):
        np.testing.assert_allclose(np.diag(process_covariance(DAYS, *numbers)), 1)
