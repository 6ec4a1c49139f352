"""Figures of the factors: what comes back, what is technical, courses of groups without a single person in them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from immunosep.figures import factors, trajectories
from immunosep.figures.style import VERMILLION, save_figure
from support.figure_inputs import (
    PARTICIPANTS,
    association_table,
    label_table,
    stability_tables,
    trajectory_tables,
)


def tick_labels(axes):
    return [text.get_text() for text in axes.get_xticklabels()]


def test_stability_shows_every_start_the_median_and_what_is_technical():
    table = factors.tabulate_stability(*stability_tables())
    assert table["stability"].tolist() == [0.98, 0.98, 0.5, 0.5]
    figure = factors.plot_stability(table)
    axes = figure.axes[0]
    scores, weights = (line.get_ydata() for line in axes.lines if line.get_label() in ("scores", "weights"))
    assert list(scores) == [0.99, 0.97, 0.4, 0.6]
    assert list(weights) == [0.98, 0.95, 0.3, 0.5]
    assert tick_labels(axes) == ["1", "2\nquality"]
    assert to_rgba(axes.get_xticklabels()[1].get_color()) == to_rgba(VERMILLION)
    assert to_rgba(axes.get_xticklabels()[0].get_color()) != to_rgba(VERMILLION)
    assert "2 other starts" in figure.get_suptitle()
    # Points of a factor stay beside its number.
    places = np.concatenate([line.get_xdata() for line in axes.lines if line.get_label() in ("scores", "weights")])
    assert np.abs(places - np.round(places)).max() < 0.35


def test_one_start_has_nothing_to_compare_with():
    stability, summary = stability_tables()
    figure = factors.plot_stability(factors.tabulate_stability(stability.iloc[:0], summary))
    assert any("One random start" in text.get_text() for text in figure.axes[0].texts)


def test_associations_mark_a_technical_factor_even_where_its_variable_is_not_drawn():
    associations = association_table()
    extra = associations.iloc[[4]].assign(variable="rna:qc_duplicates", effect="0.99", factor="factor1", flag="")
    table = factors.tabulate_associations(pd.concat([associations, extra], ignore_index=True), top=1)
    assert "rna:qc_mapped_fraction" not in set(table["variable"])
    figure = factors.plot_associations(table)
    technical = next(axes for axes in figure.axes if axes.get_title(loc="left") == "Technical")
    assert tick_labels(technical) == ["1", "2\nquality"]
    assert "red factor" in figure.get_suptitle()
    plain = factors.plot_associations(factors.tabulate_associations(associations.assign(flag=""), top=1))
    assert "red" not in plain.get_suptitle()


def test_courses_are_means_of_groups_that_are_large_enough():
    runs, summary = trajectory_tables()
    table = trajectories.tabulate_trajectories(runs, summary, label_table(), column="endotype", min_group=5)
    assert set(table["visit_day"]) == {1, 4}  # day 7 has two participants
    mals = table[(table["group"] == "MALS") & (table["visit_day"] == 1)].iloc[0]
    values = np.arange(0, 24, 3.0)  # every third participant
    assert mals["n"] == 8
    assert mals["mean"] == pytest.approx(values.mean())
    half = 1.959964 * np.sqrt((values.var(ddof=1) + 0.25) / 8)
    assert mals["high"] - mals["mean"] == pytest.approx(half)
    assert mals["mean"] - mals["low"] == pytest.approx(half)
    alone = trajectories.tabulate_trajectories(runs, summary, None, column="", min_group=2)
    assert alone.set_index("visit_day")["n"].to_dict() == {1: 24, 4: 24, 7: 2}
    assert set(alone["group"]) == {"all participants"}


def test_courses_name_nobody_and_say_what_they_resemble(tmp_path):
    runs, summary = trajectory_tables()
    table = trajectories.tabulate_trajectories(runs, summary, label_table(), column="endotype", min_group=5)
    figure = trajectories.plot_trajectories(table)
    save_figure(figure, table, tmp_path / "14")
    text = (tmp_path / "14.tsv").read_text()
    assert not any(name in text for name in PARTICIPANTS)
    assert figure.axes[0].get_title(loc="left") == "1: like MOFA factor 2 (|r| 0.90), persistence 0.75"
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == ["MALS (N = 8 to 8)", "SII (N = 16 to 16)"]
    assert tick_labels(figure.axes[0]) == ["1", "4"]


@pytest.mark.parametrize("time", ["log2", "linear"])
def test_days_of_many_visits_are_labelled_where_there_is_room(time):
    days = [round(30.44 * month) for month in range(19)]
    runs = pd.DataFrame(
        [(f"P{person}", day, "yes", "mefisto1", float(person), 0.5) for person in range(6) for day in days],
        columns=["participant", "visit_day", "observed", "factor", "mean", "sd"],
    ).astype(str)
    table = trajectories.tabulate_trajectories(runs, trajectory_tables()[1], None, column="", min_group=5)
    figure = trajectories.plot_trajectories(table, time=time)
    figure.canvas.draw()
    labels = [text for text in figure.axes[0].get_xticklabels() if text.get_text()]
    boxes = [text.get_window_extent() for text in labels]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert labels[-1].get_text() == "548"
    assert len(labels) >= 5


def test_a_refusal_is_drawn_as_its_reason():
    runs, summary = trajectory_tables()
    refused = pd.DataFrame([{"status": "refused", "reason": "3 of 9 participants have 3 visits or more"}])
    table = trajectories.tabulate_trajectories(runs.iloc[:0], refused, None, column="", min_group=5)
    figure = trajectories.plot_trajectories(table)
    assert any("3 of 9 participants" in text.get_text() for text in figure.axes[0].texts)
    nobody = trajectories.tabulate_trajectories(runs, summary, None, column="", min_group=100)
    assert any("large enough" in text.get_text() for text in trajectories.plot_trajectories(nobody).axes[0].texts)
