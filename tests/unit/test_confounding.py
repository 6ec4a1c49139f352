"""Cramér's V: against scipy, at its limits, and how it is counted."""

import math
import random
import time

import numpy as np
import pytest
from scipy.stats.contingency import association

from immunosep.confounding import COLUMNS, cramers_v, tabulate_confounding
from immunosep.manifest import FileSet, Library


def crossed(pairs):
    """Contingency table of pairs."""
    rows, columns = ({value: i for i, value in enumerate(sorted(set(side)))} for side in zip(*pairs, strict=True))
    table = np.zeros((len(rows), len(columns)), dtype=int)
    for a, b in pairs:
        table[rows[a], columns[b]] += 1
    return table


@pytest.mark.parametrize("seed", range(20))
def test_v_is_that_of_scipy(seed):
    rng = random.Random(seed)
    r, k, n = rng.randint(2, 6), rng.randint(2, 5), rng.randint(20, 400)
    pairs = [(str(i % r if rng.random() < seed / 20 else rng.randrange(r)), str(i % k)) for i in range(n)]
    found = cramers_v(pairs)
    assert (found.n, found.rows, found.columns) == (n, *crossed(pairs).shape)
    assert found.v == pytest.approx(association(crossed(pairs), method="cramer"), abs=1e-12)


def test_the_correction_is_that_of_the_paper():
    """Bergsma's formula worked out by hand on a table of 2 x 3 with 60 units: chi2 = 14.4."""
    pairs = [("a", "x")] * 18 + [("a", "y")] * 6 + [("a", "z")] * 6 + [("b", "x")] * 6 + [("b", "y")] * 12
    pairs += [("b", "z")] * 12
    phi2 = association(crossed(pairs), method="cramer") ** 2  # min(r, k) - 1 is 1
    left = phi2 - 1 * 2 / 59
    room = min(2 - 1 / 59, 3 - 4 / 59) - 1
    assert cramers_v(pairs).corrected == pytest.approx(math.sqrt(left / room), abs=1e-12)


def test_limits():
    alike = cramers_v([("a", "x"), ("b", "y")] * 30)
    assert (alike.v, alike.corrected) == (1.0, 1.0)
    apart = cramers_v([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")] * 10)
    assert (apart.v, apart.corrected) == (0.0, 0.0)
    assert math.isnan(cramers_v([("a", "x"), ("a", "y")]).v)
    assert math.isnan(cramers_v([]).v)
    assert math.isnan(cramers_v([("a", "x"), ("b", "y")]).corrected)


def test_chance_alone_gives_a_v_that_the_correction_takes_away():
    rng = random.Random(1)
    found = [cramers_v([(rng.choice("abc"), rng.choice("123456")) for _ in range(36)]) for _ in range(300)]
    assert np.mean([f.v for f in found]) > 0.3
    assert np.mean([f.corrected for f in found]) < 0.15


def library(n, *, batch="B1", day=1, layer="rna", specimen="whole_blood", site="GR03", runs=("R1",), kind="sample"):
    name = f"{site}-{500000000 + n}" if kind == "sample" else ""
    return Library(
        library=f"{name}-D{day}-{layer}-{specimen}-{batch}", layer=layer, assay="rnaseq", site=site, country=site[:2],
        sample_code="", participant_code="", participant=name, observation="", visit_day=day, specimen=specimen,
        sample_type=kind, batch=batch, plate="", well="", files=tuple(FileSet(run=run) for run in runs), row={},
    )  # fmt: skip


def table(libraries, **labels):
    rows = tabulate_confounding(libraries, labels, threshold=0.3, unseen="not seen")
    assert all(tuple(row) == COLUMNS for row in rows)
    return {(row["layer"], row["factor"], row["against"]): row for row in rows}


def test_a_participant_counts_once_per_batch_and_a_visit_once_per_library():
    libraries = [library(n, batch=f"B{n % 2}", day=day, site=f"GR0{n // 4}") for n in range(8) for day in (1, 4, 7)]
    rows = table(libraries)
    assert rows["rna", "batch", "site"]["n"] == "8"
    assert rows["rna", "batch", "visit_day"]["n"] == "24"
    assert rows["rna", "batch", "visit_day"]["levels"] == "2 x 3"
    assert rows["rna", "batch", "site"]["verdict"] == "pass"
    assert rows["rna", "plate", "site"]["reason"] == "no plate"
    assert rows["rna", "run", "site"]["reason"] == "one run only"
    assert rows["rna", "run", "site"]["verdict"] == "not_tested"


def test_body_sites_are_apart_and_controls_are_no_samples():
    libraries = [library(n, layer="microbiome", specimen=place, batch=f"B{n % 2}") for n in range(6)
                 for place in ("oral", "nares")]  # fmt: skip
    libraries.append(library(0, layer="microbiome", specimen="", batch="B9", kind="negative_control"))
    rows = table(libraries)
    assert {layer for layer, _, _ in rows} == {"microbiome_oral", "microbiome_nares"}
    assert rows["microbiome_oral", "batch", "visit_day"]["levels"] == "2 x 1"


def test_a_library_counts_in_each_of_its_runs():
    libraries = [library(n, runs=("R1", "R2") if n % 2 else ("R1",), site=f"GR0{n % 2}") for n in range(6)]
    assert table(libraries)["rna", "run", "site"]["n"] == "9"


def test_labels_decide_between_pass_warn_and_fail():
    libraries = [library(n, batch=f"B{n % 2}") for n in range(40)]
    name = [lib.participant for lib in libraries]
    balanced = {who: ("MALS", "SII")[n // 2 % 2] for n, who in enumerate(name)}
    leaning = {who: ("MALS", "SII")[n % 2 if n < 30 else (n + 1) % 2] for n, who in enumerate(name)}
    alone = {who: "MALS" if n in (0, 2) else "SII" for n, who in enumerate(name)}
    single = {who: "MALS" if n == 0 else "SII" for n, who in enumerate(name)}
    key = ("rna", "batch", "endotype")
    assert table(libraries, endotype=balanced)[key]["verdict"] == "pass"
    assert table(libraries, endotype=leaning)[key]["verdict"] == "warn"
    assert table(libraries, endotype=leaning)[key]["reason"] == "batch follows endotype: corrected V above 0.3"
    assert table(libraries, endotype=alone)[key]["verdict"] == "fail"
    assert table(libraries, endotype=alone)[key]["reason"] == "all 2 of MALS lie in batch B0"
    assert table(libraries, endotype=single)[key]["verdict"] == "pass"
    assert table(libraries, endotype=None)[key]["reason"] == "not seen"
    unknown = alone | {name[0]: "", name[2]: ""}
    assert table(libraries, endotype=unknown)[key]["reason"] == "one endotype only"


def test_a_full_trial_costs_a_fifth_of_a_second():
    """280 participants, 8 visits, 6 feature spaces, with every label: 13,440 libraries."""
    spaces = [("rna", "whole_blood"), ("atac", "pbmc"), ("proteome", "plasma")]
    spaces += [("microbiome", place) for place in ("nares", "oral", "rectum")]
    libraries = [
        library(n, day=day, layer=layer, specimen=specimen, batch=f"B{n % 7}", site=f"GR{n % 24:02d}")
        for layer, specimen in spaces
        for n in range(280)
        for day in (1, 2, 4, 7, 15, 21, 28, 90)
    ]
    labels = {lib.participant: ("MALS", "SII")[int(lib.participant[-1]) // 3 % 2] for lib in libraries}
    assert len(libraries) == 13440
    started = time.process_time()
    table(libraries, endotype=labels, arm=labels)
    assert time.process_time() - started < 0.2
