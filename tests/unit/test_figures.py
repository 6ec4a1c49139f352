"""Figures: what is drawn is what the source table holds, the same input gives the same bytes, and nobody is named."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunosep.figures import availability, embedding, factors, labels, performance, qc, style
from support.figure_inputs import (
    CUTS,
    PARTICIPANTS,
    THRESHOLDS,
    association_table,
    biomarker_tables,
    clinical_table,
    completeness_table,
    every_figure,
    factor_table,
    label_table,
    layer_data,
    library_table,
    sealed_table,
    variance_table,
    verdict_table,
)

ENDINGS = (*style.FORMATS, "tsv")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def drawn_points(figure, marker_only=True) -> set[tuple[float, float]]:
    """Return the coordinates of every line with markers in a figure's axes, to five digits."""
    lines = [line for axes in figure.axes for line in axes.get_lines() if line.get_marker() not in ("", "None", None)]
    pairs = np.concatenate([np.column_stack(line.get_data()).astype(float) for line in lines])
    return {(float(f"{x:.5g}"), float(f"{y:.5g}")) for x, y in pairs}


# -- all figures -------------------------------------------------------------------------------------------------------


def test_same_tables_give_same_bytes_and_name_nobody(tmp_path):
    digests = []
    for attempt in ("first", "second"):
        for stem, (figure, table) in every_figure(np.random.default_rng(3)).items():
            style.save_figure(figure, table, tmp_path / attempt / stem)
        files = sorted((tmp_path / attempt).iterdir())
        assert {path.suffix for path in files} == {".pdf", ".svg", ".png", ".tsv"}
        assert len(files) == 11 * len(ENDINGS)
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1]
    codes = [name[5:].encode() for name in PARTICIPANTS]
    for path in (tmp_path / "first").iterdir():
        content = path.read_bytes()
        assert not any(code in content for code in codes), path.name
        assert not re.search(rb"20\d\d-\d\d-\d\d|CreationDate|Matplotlib v", content), path.name


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(tmp_path):
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parents[1]), *sys.path]!r}\n"
        "import numpy as np\n"
        "from support.figure_inputs import every_figure\n"
        "from immunosep.figures.style import save_figure\n"
        "for stem, pair in every_figure(np.random.default_rng(3)).items():\n"
        "    save_figure(*pair, sys.argv[1] + '/' + stem)\n"
    )
    sums = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed
        environment = {"PYTHONHASHSEED": hash_seed, "PATH": "", "HOME": str(tmp_path)}
        subprocess.run([sys.executable, "-c", code, str(out)], check=True, env=environment)
        sums.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())])
    assert sums[0] == sums[1]


def test_figures_ignore_the_users_matplotlibrc(tmp_path):
    import matplotlib

    table = factors.tabulate_variance(variance_table(), factor_table())
    style.save_figure(factors.plot_variance(table), table, tmp_path / "a")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        style.save_figure(factors.plot_variance(table), table, tmp_path / "b")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_png_has_300_dpi(tmp_path):
    table = factors.tabulate_variance(variance_table(), factor_table())
    style.save_figure(factors.plot_variance(table), table, tmp_path / "a")
    header = (tmp_path / "a.png").read_bytes()
    assert int.from_bytes(header[16:20], "big") == style.REPORT_WIDTH * 300


def test_order_of_rows_does_not_matter(rng):
    completeness = completeness_table()
    libraries = library_table(completeness)
    verdicts = verdict_table(libraries, fail=(libraries["library"].iloc[3],))
    first = availability.tabulate_availability(completeness, libraries, verdicts, seed=1)
    second = availability.tabulate_availability(
        completeness.sample(frac=1, random_state=1), libraries, verdicts, seed=1
    )
    pd.testing.assert_frame_equal(first, second)
    sealed = sealed_table(rng)
    one = labels.tabulate_endotype_plane(label_table(), sealed, seed=1)
    two = labels.tabulate_endotype_plane(label_table(), sealed.iloc[::-1], seed=1)
    pd.testing.assert_frame_equal(one, two)


# -- style -------------------------------------------------------------------------------------------------------------


def test_a_code_in_the_table_or_in_the_drawing_is_refused(tmp_path):
    figure = style.note_figure("title", "text")
    with pytest.raises(ValueError, match="columns name"):
        style.save_figure(figure, pd.DataFrame({"name": ["GR01-012345678"]}), tmp_path / "a")
    with pytest.raises(ValueError, match="drawing"):
        style.save_figure(style.note_figure("GR01-012345678", ""), pd.DataFrame({"x": [1]}), tmp_path / "a")
    assert not list(tmp_path.iterdir())
    style.save_figure(figure, pd.DataFrame({"reads": [123456789]}), tmp_path / "a")  # a number is no code


def test_surrogates_are_a_seeded_permutation_that_differs_by_figure():
    names = [f"n{index}" for index in range(30)]
    first = style.surrogate_ids(names, 1, "a")
    assert sorted(first.values()) == [f"P{index:03d}" for index in range(1, 31)]
    assert first == style.surrogate_ids(reversed(names), 1, "a")
    assert list(first.values()) != sorted(first.values())
    assert first != style.surrogate_ids(names, 1, "b")
    assert first != style.surrogate_ids(names, 2, "a")
    assert style.surrogate_ids([], 1, "a") == {}


def test_small_groups_are_pooled_by_participants_not_rows():
    groups = pd.Series(["A"] * 6 + ["B"] * 6)
    participants = pd.Series([f"p{index}" for index in range(6)] + ["q"] * 6)
    pooled = style.pool_small_groups(groups, participants, 5)
    assert list(pooled) == ["A"] * 6 + ["other (<5 each)"] * 6


def test_every_group_looks_different():
    styles = style.group_styles([f"b{index:02d}" for index in range(40)])
    assert len(set(styles.values())) == 40


# -- availability ------------------------------------------------------------------------------------------------------


def test_states_say_collected_failed_or_why_not():
    rows = [
        ("A-1", "1", "rna", "", "collected", ""),
        ("A-1", "4", "rna", "", "missing", "died"),
        ("A-1", "7", "rna", "", "missing", "died"),
        ("A-2", "1", "rna", "", "collected", ""),
        ("A-2", "4", "rna", "", "collected", ""),
        ("A-1", "1", "microbiome", "nares", "collected", ""),
        ("A-2", "1", "microbiome", "nares", "missing", "something new"),
        ("A-1", "4", "microbiome", "oral", "collected", ""),
        ("A-1", "1", "proteome", "", "collected", ""),
        ("A-2", "1", "proteome", "", "not_expected", "erase"),
        ("A-2", "4", "microbiome", "oral", "not_expected", ""),
    ]
    completeness = pd.DataFrame(rows, columns=["participant", "visit_day", "layer", "specimen", "status", "reason"])
    libraries = library_table(completeness)
    # A-2 day 4 has two libraries, of which one passes: the sample is there.
    libraries = pd.concat([libraries, libraries.iloc[[-1]].assign(library="again")])
    verdicts = verdict_table(libraries, fail=("A-2-D01-rna", "again"))
    table = availability.tabulate_availability(completeness, libraries, verdicts, seed=1)
    row = style.surrogate_ids(["A-1", "A-2"], 1, "availability")
    states = {(key.row, key.layer, key.visit_day): key.state for key in table.itertuples()}
    assert states == {
        (row["A-1"], "rna", 1): "collected",
        (row["A-1"], "rna", 4): "died",
        (row["A-2"], "rna", 1): "failed_qc",
        (row["A-2"], "rna", 4): "collected",
        (row["A-1"], "microbiome_nares", 1): "collected",
        (row["A-2"], "microbiome_nares", 1): "no_reason",
        (row["A-1"], "microbiome_oral", 4): "collected",
        (row["A-2"], "microbiome_oral", 4): "not_expected",
        (row["A-1"], "proteome", 1): "collected",
        (row["A-2"], "proteome", 1): "withdrawn",
    }  # day 7, on which nobody gave a sample, is gone


def test_availability_draws_each_cell_with_its_state():
    completeness = completeness_table(PARTICIPANTS[:5])
    libraries = library_table(completeness)
    table = availability.tabulate_availability(completeness, libraries, verdict_table(libraries), seed=1)
    figure = availability.plot_availability(table)
    names = list(availability.STATES)
    for axes, layer in zip(figure.axes, ("rna", "atac"), strict=True):
        codes = axes.get_images()[0].get_array()
        wide = table[table["layer"] == layer].pivot(index="row", columns="visit_day", values="state")
        assert sorted([names[int(code)] for code in row] for row in codes) == sorted(wide.to_numpy().tolist())


def test_participants_stand_by_follow_up_and_samples_the_same_in_every_panel():
    rows = [
        ("A-1", "1", "rna", "collected", ""), ("A-1", "4", "rna", "not_expected", "died"),
        ("A-2", "1", "rna", "missing", "missed"), ("A-2", "4", "rna", "collected", ""),
        ("A-3", "1", "rna", "collected", ""), ("A-3", "4", "rna", "collected", ""),
    ]  # fmt: skip
    completeness = pd.DataFrame(rows, columns=["participant", "visit_day", "layer", "status", "reason"])
    completeness = pd.concat([completeness, completeness.assign(layer="atac")])
    libraries = library_table(completeness)
    table = availability.tabulate_availability(completeness, libraries, verdict_table(libraries), seed=1)
    names = list(availability.STATES)
    for axes in availability.plot_availability(table).axes:
        codes = axes.get_images()[0].get_array()
        assert [[names[int(code)] for code in row] for row in codes] == [
            ["collected", "collected"],
            ["missed", "collected"],
            ["collected", "died"],
        ]


# -- endotype plane ----------------------------------------------------------------------------------------------------


def test_plane_draws_every_participant_once_and_missing_values_on_the_margin(rng):
    sealed = sealed_table(rng)
    sealed.loc[0, "hladr"] = ""
    flags = label_table().assign(both_criteria=["yes"] + ["no"] * 23)
    table = labels.tabulate_endotype_plane(flags, sealed, seed=1)
    assert len(table) == 24
    assert table["both_criteria"].sum() == 1
    assert not table["row"].str.contains("GR").any()
    figure = labels.plot_endotype_plane(table, CUTS)
    points = drawn_points(figure)
    whole = table.dropna()
    expected = {
        (float(f"{x:.5g}"), float(f"{y:.5g}")) for x, y in zip(whole[labels.HLADR], whole[labels.FERRITIN], strict=True)
    }
    assert expected < points
    edge = float(f"{figure.axes[0].get_xlim()[0]:.5g}")
    (margin,) = points - expected
    assert margin == (edge, float(f"{float(sealed.loc[0, 'ferritin']):.5g}"))


# -- qc ----------------------------------------------------------------------------------------------------------------


def test_qc_table_keeps_thresholds_and_marks_failed_libraries():
    libraries = library_table(completeness_table())
    rna = libraries[libraries["layer"] == "rna"]
    verdicts = verdict_table(rna, ("mapped_fraction", "unjudged"), fail=(rna["library"].iloc[0],))
    table = qc.tabulate_qc(verdicts, libraries, THRESHOLDS, layer="rna", seed=1, min_group=5)
    assert set(table["metric"]) == {"mapped_fraction"}  # a metric without threshold is not drawn
    assert len(table) == len(rna)
    assert (table["overall"] == "fail").sum() == 1
    assert (table["fail_below"] == 0.55).all()
    assert table["warn_above"].isna().all()
    figure = qc.plot_qc(table, layer="rna", seed=1)
    values = sorted(y for _, y in drawn_points(figure))
    assert values == pytest.approx(sorted(table["value"]))
    horizontal = {line.get_ydata()[0] for line in figure.axes[0].get_lines() if len(set(line.get_ydata())) == 1}
    assert {0.7, 0.55} <= horizontal
    crosses = [line for line in figure.axes[0].get_lines() if line.get_marker() == "X" and len(line.get_xdata())]
    assert sum(len(line.get_xdata()) for line in crosses) == 1


def test_qc_draws_a_count_of_zero_on_a_logarithmic_axis():
    libraries = library_table(completeness_table(PARTICIPANTS[:6]))
    libraries = libraries[libraries["layer"] == "rna"]
    verdicts = verdict_table(libraries, ("read_pairs",))
    verdicts.loc[verdicts["metric"] == "read_pairs", "value"] = np.resize(["0", "10", "2000", "100000"], len(libraries))
    table = qc.tabulate_qc(verdicts, libraries, THRESHOLDS, layer="rna", seed=1, min_group=1)
    figure = qc.plot_qc(table, layer="rna", seed=1)
    axes = figure.axes[0]
    assert axes.get_yscale() == "symlog"
    assert axes.get_ylim()[0] <= 0 < 100000 <= axes.get_ylim()[1]


# -- principal components ----------------------------------------------------------------------------------------------


def test_pca_equals_a_singular_value_decomposition(rng):
    data = layer_data(rng)
    table = embedding.tabulate_pca(
        data, None, None, layer="rna", label_columns=[], seed=1, max_features=1000, min_group=5
    )
    assert "endotype" not in table
    matrix = np.asarray(data.X, dtype=float)
    centred = matrix - matrix.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    share = singular**2 / (singular**2).sum()
    assert table["pc1_variance"].iloc[0] == pytest.approx(share[0], rel=1e-4)
    row = style.surrogate_ids(data.obs_names, 1, "pca_rna", "L")
    ours = table.set_index("row").loc[[row[name] for name in data.obs_names], "pc1"]
    assert abs(np.corrcoef(ours, left[:, 0])[0, 1]) == pytest.approx(1, abs=1e-6)


def test_pca_leaves_drug_analytes_out_and_copes_with_missing_values(rng):
    data = layer_data(rng)
    data.var["drug_analyte"] = [True] + [False] * 29
    data.X[:, 0] = np.linspace(-100, 100, data.n_obs)  # reads the drug, and would be the first component
    data.X[3, 5] = np.nan
    data.X[:, 6] = np.nan
    table = embedding.tabulate_pca(
        data, None, None, layer="rna", label_columns=[], seed=1, max_features=99, min_group=5
    )
    assert (table["features"] == 28).all()
    assert np.isfinite(table[["pc1", "pc2"]]).all(axis=None)
    assert table["pc1_variance"].iloc[0] < 0.5


def test_eta_squared_by_hand():
    groups = pd.Series(["a", "a", "b", "b"])
    # means 1 and 4, grand mean 2.5: between 4 * 1.5^2 = 9; total 9 + 2 * (1 + 1) = 13
    assert embedding.explained_by(np.array([0.0, 2.0, 3.0, 5.0]), groups) == pytest.approx(9 / 13)
    assert np.isnan(embedding.explained_by(np.ones(4), groups))


def test_ready_matrix_without_batch_or_country_is_drawn(tmp_path, rng):
    table = pd.DataFrame(rng.normal(size=(10, 6)), columns=list("abcdef"))
    table.insert(0, "id", [f"s{index}" for index in range(10)])
    table.to_csv(tmp_path / "m.tsv", sep="\t", index=False)
    data = embedding.read_modality(str(tmp_path / "m.tsv"), "metabolome")
    known = pd.DataFrame({"participant": [f"s{index}" for index in range(9)], "outcome": ["x", "y", "z"] * 3})
    drawn = embedding.tabulate_pca(
        data, None, known, layer="metabolome", label_columns=["outcome"], seed=1, max_features=9, min_group=5
    )
    assert list(drawn.columns[len(embedding.NUMBERS) :]) == ["outcome"]
    assert drawn["outcome"].value_counts().to_dict() == {"x": 3, "y": 3, "z": 3, "unknown": 1}
    embedding.plot_pca(drawn, layer="metabolome")
    embedding.plot_pca(drawn.drop(columns="outcome"), layer="metabolome")


# -- factors -----------------------------------------------------------------------------------------------------------


def test_variance_heat_map_shows_percent_by_layer_and_factor():
    figure = factors.plot_variance(factors.tabulate_variance(variance_table(), factor_table()))
    heat = figure.axes[0].get_images()[0].get_array()
    assert np.asarray(heat) == pytest.approx(np.array([[30, 10], [20, 0.4]]))  # the best explained layer first
    assert [text.get_text() for text in figure.axes[0].texts] == ["30", "10", "20"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["38 %", "20 %"]
    assert "N = 48 observations of 24 participants" in figure.get_suptitle()


def test_association_strength_is_one_scale():
    table = factors.tabulate_associations(association_table(), top=1)
    assert list(table["variable"].unique()) == ["endotype", "rna:qc_mapped_fraction"]  # strongest of each kind
    first = table[table["factor"] == "factor1"].set_index("variable")
    assert first.at["endotype", "strength"] == pytest.approx(0.8)  # root of eta squared 0.64
    both = factors.tabulate_associations(association_table(), top=9)
    sofa = both[(both["variable"] == "mean_sofa_d9") & (both["factor"] == "factor1")].iloc[0]
    assert (sofa["strength"], sofa["sign"]) == (0.5, -1)
    figure = factors.plot_associations(both)
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert texts == {"0.80", "−0.50", "+0.90"}  # only q < 0.05
    named = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    assert {"endotype", "mean SOFA d9", "RNA: mapped fraction"} <= set(named)


# -- performance -------------------------------------------------------------------------------------------------------


def test_roc_table_prefers_the_feature_set_without_definers(rng):
    table = performance.tabulate_roc(*biomarker_tables(rng), rounds=50, seed=1)
    band = table[table["item"] == "band"]
    assert set(band["model"]) == {"late_fusion"}
    assert set(band["feature_set"]) == {"no_definers"}
    assert (band["low"] <= band["high"]).all()
    assert (table["item"] == "auroc").sum() == 8
    figure = performance.plot_roc(table, task="sofa_response")
    drawn = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3]
    assert len(drawn) == 4  # one curve per model, on one feature set
    assert all(list(line.get_ydata()) == [0, 0.75, 1] for line in drawn)
    assert "SOFA response" in figure.get_suptitle()


def test_roc_band_of_a_perfect_score_is_one_and_of_noise_holds_the_diagonal(rng):
    truth = np.array([0, 1] * 100)
    low, high = performance.roc_band(truth, truth + 0.0, rounds=100, seed=1)
    assert (low == 1).all()
    assert (high == 1).all()
    low, high = performance.roc_band(truth, rng.normal(size=200), rounds=500, seed=1)
    assert np.mean((low <= performance.GRID + 0.02) & (high >= performance.GRID - 0.02)) > 0.9
    assert high[-1] == low[-1] == 1


def test_roc_band_brackets_the_empirical_curve(rng):
    from sklearn.metrics import roc_curve

    truth = np.array([0, 1] * 60)
    score = truth + rng.normal(size=120)
    low, high = performance.roc_band(truth, score, rounds=500, seed=1)
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    steps = true[np.searchsorted(false, performance.GRID, side="right") - 1]
    assert np.mean((low <= steps) & (steps <= high)) > 0.95


def test_bins_are_joined_until_each_is_large_enough():
    sizes = np.array([4.0, 6.0, 12.0, 3.0])
    bins = performance.join_bins(np.array([0.1, 0.2, 0.5, 0.9]), np.array([0.0, 0.5, 0.5, 1.0]), sizes, 10)
    assert list(bins["n"]) == [10, 15]
    assert bins["predicted"].tolist() == pytest.approx([(0.4 + 1.2) / 10, (6 + 2.7) / 15])
    assert bins["observed"].tolist() == pytest.approx([3 / 10, 9 / 15])
    # Wilson by hand: p = 0.3, n = 10, z = 1.96
    z = 1.959964
    centre, half = (0.3 + z**2 / 20) / (1 + z**2 / 10), z * np.sqrt(0.021 + z**2 / 400) / (1 + z**2 / 10)
    assert (bins["low"].iloc[0], bins["high"].iloc[0]) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert performance.join_bins(np.array([0.1]), np.array([1.0]), np.array([9.0]), 10).empty


def test_calibration_draws_the_bins_of_its_table(rng):
    curves, results, _ = biomarker_tables(rng)
    table = performance.tabulate_calibration(curves, results, min_bin=10)
    assert list(table["model"].unique()) == ["late_fusion", "mofa", "clinical"]
    assert (table["n"] >= 10).all()
    assert table.groupby("model")["n"].sum().eq(24).all()
    points = drawn_points(performance.plot_calibration(table, task="endotype"))
    assert points == {
        (float(f"{x:.5g}"), float(f"{y:.5g}")) for x, y in zip(table["predicted"], table["observed"], strict=True)
    }


# -- degenerate inputs -------------------------------------------------------------------------------------------------


def test_nothing_to_draw_says_so(rng):
    completeness, libraries = completeness_table().iloc[:0], library_table(completeness_table()).iloc[:0]
    verdicts = verdict_table(libraries)
    curves, results, scores = (table.iloc[:0] for table in biomarker_tables(rng))
    empty = [
        availability.plot_availability(availability.tabulate_availability(completeness, libraries, verdicts, seed=1)),
        labels.plot_endotype_plane(
            labels.tabulate_endotype_plane(label_table([]), sealed_table(rng, []), seed=1), CUTS
        ),
        qc.plot_qc(
            qc.tabulate_qc(verdicts, libraries, THRESHOLDS, layer="rna", seed=1, min_group=5), layer="rna", seed=1
        ),
        factors.plot_variance(factors.tabulate_variance(variance_table().iloc[:0], factor_table().iloc[:0])),
        factors.plot_associations(factors.tabulate_associations(association_table().iloc[:0], top=5)),
        performance.plot_roc(performance.tabulate_roc(curves, results, scores, rounds=5, seed=1), task="t"),
        performance.plot_calibration(performance.tabulate_calibration(curves, results, min_bin=10), task="t"),
    ]
    assert all(figure.findobj(lambda artist: getattr(artist, "get_text", str)() not in ("", None)) for figure in empty)


def test_one_participant_and_one_class(tmp_path, rng):
    one = PARTICIPANTS[:1]
    completeness = completeness_table(one)
    libraries = library_table(completeness)
    verdicts = verdict_table(libraries)
    table = availability.tabulate_availability(completeness, libraries, verdicts, seed=1)
    style.save_figure(availability.plot_availability(table), table, tmp_path / "a")
    table = labels.tabulate_endotype_plane(label_table(one), sealed_table(rng, one), seed=1)
    style.save_figure(labels.plot_endotype_plane(table, CUTS), table, tmp_path / "b")
    table = qc.tabulate_qc(verdicts, libraries, THRESHOLDS, layer="rna", seed=1, min_group=5)
    style.save_figure(qc.plot_qc(table, layer="rna", seed=1), table, tmp_path / "c")
    table = embedding.tabulate_pca(
        layer_data(rng, one),
        clinical_table(one),
        label_table(one),
        layer="rna",
        label_columns=["endotype"],
        seed=1,
        max_features=9,
        min_group=5,
    )
    assert table.empty
    assert "endotype" in table
    style.save_figure(embedding.plot_pca(table, layer="rna"), table, tmp_path / "d")
    curves, results, scores = biomarker_tables(rng)
    scores["label"] = "1"  # one class: no band, and the AUROC is missing
    results[["auroc", "auroc_low", "auroc_high"]] = ""
    table = performance.tabulate_roc(curves, results, scores, rounds=5, seed=1)
    assert not (table["item"] == "band").any()
    style.save_figure(performance.plot_roc(table, task="t"), table, tmp_path / "e")
    assert len(list(tmp_path.iterdir())) == 20


def test_dots_are_rasterised(rng):
    """Whoever zooms into a PDF must not be able to pick the dot of a person."""
    figures = every_figure(rng)
    for stem in ("02_endotype_plane", "03_qc_rna", "04_pca_rna"):
        figure, _ = figures[stem]
        dots = [
            line
            for axes in figure.axes
            for line in axes.get_lines()
            if line.get_marker() not in ("None", "", None) and len(line.get_xdata())
        ]
        assert dots
        assert all(line.get_rasterized() for line in dots)
