"""Rule scripts of the trial's statistics, in a chain, on the synthetic cohort."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from immunosep.config import load_config
from immunosep.figures.trial import DEATHS, GROUPS, plot_sensitivity, plot_survival, tabulate_survival
from immunosep.io import read_table, write_table
from support.clinic import planted_trial

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "workflow/rules/trial.smk").read_text()
CONFIG = load_config()
SECTIONS = ("schedule", "endotype", "sofa", "sofa_response", "reversal", "survival", "trial")


class Files(SimpleNamespace):
    """Named files, with `get` as Snakemake's have it."""

    def get(self, name):
        return getattr(self, name, None)


def run(script, folder, inputs, outputs, **params):
    stub = SimpleNamespace(
        log=[str(folder / "rule.log")],
        params=SimpleNamespace(**params),
        input=Files(**{name: str(folder / f"{path}.tsv") for name, path in inputs.items()}),
        output=Files(**{name: str(folder / f"{path}.tsv") for name, path in outputs.items()}),
    )
    runpy.run_path(str(ROOT / "scripts" / script), init_globals={"snakemake": stub}, run_name="__main__")


def same(*names):
    return {name: name for name in names}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run all rules of the stage after derive_labels, in the role unblinded."""
    folder = tmp_path_factory.mktemp("trial")
    names = ("participants", "visits", "classification", "allocation")
    for name, table in zip(names, planted_trial(80, 3, benefit=2), strict=True):
        write_table(table, folder / f"{name}.tsv")
    settings = {section: CONFIG[section] for section in SECTIONS}
    made = same("labels", "endpoints", "landmarks", "dynamic")
    run("labels/derive_labels.py", folder, same(*names), made | {"sensitivity": "by_rule"}, settings=settings)
    run(
        "trial/compare_arms.py",
        folder,
        same("labels", "endpoints", "participants") | {"sensitivity": "by_rule"},
        same("effects", "sensitivity", "populations", "survival"),
        settings=settings,
        shuffled=False,
    )
    run("trial/compute_sample_size.py", folder, {}, {"table": "size"}, assumed=CONFIG["trial"]["sample_size"])
    shown = {"population": "itt", "min_group": 5, "shuffled": False}
    run("trial/plot_survival.py", folder, same("survival", "effects"), {"table": "20_survival"}, **shown)
    run("trial/plot_sensitivity.py", folder, same("sensitivity"), {"table": "21_sensitivity"}, **shown)
    return folder


def test_every_rule_has_its_script_and_every_script_its_rule():
    rules = re.findall(r"^ *rule (\w+):", RULES, re.MULTILINE)
    assert sorted(rules) == sorted(path.stem for path in (ROOT / "scripts/trial").glob("*.py"))
    assert re.findall(r"scripts/trial/(\w+)\.py", RULES) == rules


def test_arms_of_the_labels_are_the_allocated(folder):
    labels = read_table(folder / "labels.tsv").merge(
        read_table(folder / "allocation.tsv"), on=["site", "participant_code"], suffixes=("", "_sealed")
    )
    assert (labels["arm"] == labels["arm_sealed"]).all()
    assert len(labels) == 80


def test_the_effects_are_written_as_numbers(folder):
    table = read_table(folder / "effects.tsv")
    main = table[table["primary"] == "yes"].iloc[0]
    assert float(main["low"]) < float(main["estimate"]) < float(main["high"])
    assert int(main["n_active"]) + int(main["n_placebo"]) == 80


def test_the_sample_size_is_the_protocols(folder):
    table = read_table(folder / "size.tsv").set_index("quantity")["value"]
    whole = {
        "per arm, normal approximation": "110",
        "per arm, t-test": "111",
        "per arm, rank test": "117",
        "to randomise": "276",
        "planned": "280",
        "evaluable per arm": "119",
    }
    assert table[list(whole)].to_dict() == whole
    assert float(table["power of that t-test"]) == pytest.approx(0.9006, abs=5e-5)
    assert float(table["power of a t-test of that size"]) == pytest.approx(0.915, abs=5e-4)


def test_figures_are_written_with_their_numbers(folder):
    for stem in ("20_survival", "21_sensitivity"):
        for ending in ("pdf", "svg", "png", "tsv"):
            assert (folder / f"{stem}.{ending}").stat().st_size > 0


def test_small_counts_are_in_no_figure(folder):
    curves = read_table(folder / "20_survival.tsv")
    assert set(curves["kind"]) == {"survival", "at_risk"}
    counts = pd.to_numeric(curves.loc[curves["kind"] == "at_risk", "value"])
    assert counts.min() >= 5
    steps = read_table(folder / "survival.tsv")
    hidden = steps[steps["at_risk"].astype(int) < 5]
    drawn = curves[curves["kind"] == "survival"]
    keys = ["group", "arm", "day"]
    assert not drawn.merge(hidden, on=keys).size
    forest = read_table(folder / "21_sensitivity.tsv")
    for arm in ("active", "placebo"):
        events = pd.to_numeric(forest[f"events_{arm}"])
        rest = pd.to_numeric(forest[f"n_{arm}"]) - events
        assert events.min() >= 5
        assert rest.min() >= 5


def test_numbers_at_risk_are_those_before_the_day():
    curve = pd.DataFrame(
        {
            "group": "all",
            "arm": "active",
            "day": ["0", "7", "9", "30"],
            "at_risk": ["10", "10", "9", "7"],
            "events": ["0", "1", "1", "0"],
            "censored": ["0", "0", "1", "7"],
            "survival": ["1", "0.9", "0.8", "0.8"],
            "low": ["1", "0.7", "0.6", "0.6"],
            "high": ["1", "1", "1", "1"],
        }
    )
    table = tabulate_survival(curve, min_group=8)
    risk = table[table["kind"] == "at_risk"].set_index("day")["value"]
    assert risk.index.tolist() == [0, 7, 15, 28]
    np.testing.assert_array_equal(risk, [10, 10, np.nan, np.nan])
    assert table.loc[table["kind"] == "survival", "day"].tolist() == [0, 7, 9]
    assert tabulate_survival(curve, min_group=11).empty


def test_the_figures_say_what_they_show(folder):
    table = tabulate_survival(read_table(folder / "survival.tsv"), min_group=5)
    figure = plot_survival(table, {"all": "HR 0.5"}, min_group=5)
    texts = {text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts]}
    texts |= {axes.get_title(loc="left") for axes in figure.axes}
    assert {"HR 0.5", *GROUPS.values()} <= texts
    empty = plot_survival(table.iloc[:0], {}, min_group=5)
    assert "Fewer than 5 participants" in empty.axes[0].texts[0].get_text()
    forest = pd.read_csv(folder / "21_sensitivity.tsv", sep="\t", keep_default_na=False, na_values={"estimate": [""]})
    for name in ("estimate", "low", "high", "n_active", "n_placebo"):
        forest[name] = pd.to_numeric(forest[name], errors="coerce")
    upper = plot_sensitivity(forest, population="itt").axes[0]
    labels = [label.get_text() for label in upper.get_yticklabels()]
    assert len(labels) == 20
    assert f"mean score; {DEATHS['composite']}  [A]" in labels
    empty = plot_sensitivity(forest.assign(estimate=np.nan), population="itt")
    assert empty.axes[0].texts[0].get_text() == "Too few participants in an arm"


def test_a_dry_run_on_shuffled_labels_says_so_in_every_row_and_figure(folder, tmp_path):
    inputs = {name: str(folder / path) for name, path in (("labels", "labels"), ("endpoints", "endpoints"))}
    run(
        "trial/compare_arms.py",
        tmp_path,
        {**inputs, "participants": str(folder / "participants"), "sensitivity": str(folder / "by_rule")},
        same("effects", "sensitivity", "populations", "survival"),
        settings={section: CONFIG[section] for section in SECTIONS},
        shuffled=True,
    )
    for name in ("effects", "sensitivity"):
        notes = read_table(tmp_path / f"{name}.tsv")["note"]
        assert notes.str.startswith("SHUFFLED LABELS").all()
        assert not notes.str.endswith("; ").any()
    table = tabulate_survival(read_table(folder / "survival.tsv"), min_group=5)
    figure = plot_survival(table, {}, min_group=5, shuffled=True)
    assert figure.get_suptitle().startswith("SHUFFLED LABELS, survival by arm")
