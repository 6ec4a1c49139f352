"""Trajectories of a cohort: the step refuses with its reason, and follows planted courses where visits are enough."""

import anndata
import numpy as np
import pandas as pd
import pytest

from immunosep.integration.assemble import assemble, to_observations, write_h5mu
from immunosep.integration.mefisto import process_covariance
from immunosep.integration.steps import choose_start, enrich_weights, fit_start, model_courses, trace_trajectories
from immunosep.io import read_table, write_table
from support.factors import OPTIONS

DAYS = (1, 4, 7, 15)
SETTINGS = {
    "factors": 3,
    "max_features": 100,
    "max_observations": 60,
    "min_features": 15,
    "min_visits": 3,
    "min_participants": 10,
    "iterations": 100,
    "drop_r2": 0.01,
    "time": "log2",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Twenty-four participants of two endotypes; a drifting factor, with a slope in SII; two layers, gaps in one."""
    folder = tmp_path_factory.mktemp("cohort")
    generator = np.random.default_rng(5)
    kernel = process_covariance(np.array(DAYS, dtype=float), 3.0, 1.0)
    rows, scores = [], []
    for index in range(24):
        course = generator.multivariate_normal(np.zeros(4), kernel)
        slope = 0.9 if index % 2 else 0.0
        kept = DAYS if index < 20 else DAYS[:2]
        for place, day in enumerate(kept):
            rows.append((f"GR01-{index:09d}-D{day:02d}", f"GR01-{index:09d}", day))
            scores.append(course[place] + slope * (np.log2(1 + day) - 2.5))
    z = np.array(scores)
    layers = {}
    for name, size in (("rna", 60), ("proteome", 30)):
        weights = generator.normal(size=size) * (generator.random(size) < 0.5)
        values = np.outer(z, weights) + generator.normal(size=(z.size, size))
        obs = pd.DataFrame(rows, columns=["observation", "participant", "visit_day"])
        obs.index = [f"{row[0]}-{name}" for row in rows]
        layer = anndata.AnnData(values.astype(np.float32), obs=obs)
        layer.var_names = [f"{name}{index}" for index in range(size)]
        layer.var["symbol"] = [f"G{index}" for index in range(size)]
        kept = generator.random(z.size) > 0.2 if name == "proteome" else np.ones(z.size, dtype=bool)
        layers[name] = to_observations(layer[kept].copy(), name, name)
    people = sorted({row[1] for row in rows})
    labels = pd.DataFrame({"participant": people, "endotype": ["MALS", "SII"] * 12})
    data = assemble(layers, labels)
    write_h5mu(data, folder / "m.h5mu")
    fit_start(joined_path=folder / "m.h5mu", seed=1, start=1, model_path=folder / "1.hdf5", **OPTIONS)
    choose_start(
        joined_path=folder / "m.h5mu",
        start_paths=[folder / "1.hdf5"],
        model_path=folder / "mofa.hdf5",
        factors_path=folder / "factors.tsv",
        weights_path=folder / "weights.tsv",
        variance_path=folder / "variance.tsv",
        stability_path=folder / "stability.tsv",
    )
    return folder, pd.Series(z, index=[row[0] for row in rows])


def trace(folder, out, **changes):
    paths = {"trajectories_path": out / "trajectories.tsv", "summary_path": out / "mefisto.tsv"}
    trace_trajectories(
        joined_path=folder / "m.h5mu", factors_path=folder / "factors.tsv", seed=1, **paths, **{**SETTINGS, **changes}
    )
    return read_table(paths["trajectories_path"]), read_table(paths["summary_path"])


def test_everybody_has_the_planted_course_also_who_was_not_learned_from(cohort, tmp_path):
    folder, truth = cohort
    runs, summary = trace(folder, tmp_path)
    top = summary.iloc[0]
    assert (top["status"], top["participants"], top["observations"]) == ("done", "24", "88")
    assert (top["trained_participants"], top["trained_observations"]) == ("15", "60")
    assert abs(float(top["r"])) > 0.95
    assert float(top["persistence"]) > 0.6
    own = runs[runs["factor"] == "mefisto1"]
    day = own["visit_day"].astype(int).map("{:02d}".format)
    means = pd.Series(own["mean"].astype(float).to_numpy(), index=own["participant"] + "-D" + day)
    assert abs(np.corrcoef(means[truth.index], truth)[0, 1]) > 0.95
    assert own["participant"].nunique() == 24
    # Who has two visits is followed to the second one and not further.
    assert own.loc[own["participant"] == "GR01-000000023", "visit_day"].tolist() == ["1", "4"]
    again = tmp_path / "again"
    again.mkdir()
    trace(folder, again)
    for name in ("trajectories.tsv", "mefisto.tsv"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


def test_too_few_visits_are_a_reason_and_no_crash(cohort, tmp_path):
    runs, summary = trace(cohort[0], tmp_path, min_participants=21)
    assert runs.empty
    assert list(runs) == ["participant", "visit_day", "observed", "factor", "mean", "sd"]
    assert summary["status"].tolist() == ["refused"]
    assert summary["reason"].iloc[0].startswith("20 of 24 participants have 3 visits or more, 21 are needed")
    assert trace(cohort[0], tmp_path, min_features=500)[1]["reason"].tolist() == ["no layer has 500 features that vary"]
    # mofapy2 gives up where no factor explains so much.
    assert trace(cohort[0], tmp_path, drop_r2=0.99)[1]["status"].tolist() == ["refused"]


def test_the_mixed_model_finds_the_slope_of_one_endotype(cohort, tmp_path):
    folder, truth = cohort
    model_courses(
        joined_path=folder / "m.h5mu",
        factors_path=folder / "factors.tsv",
        group="endotype",
        time="log2",
        models_path=tmp_path / "models.tsv",
    )
    table = read_table(tmp_path / "models.tsv").set_index(["factor", "model", "term"]).sort_index()
    scores = read_table(folder / "factors.tsv").set_index("observation")
    sign = np.sign(np.corrcoef(scores.loc[truth.index, "factor1"].astype(float), truth)[0, 1])
    row = table.loc[("factor1", "time x group", "time x SII")]
    assert sign * float(row["estimate"]) > 0
    assert float(row["q_value"]) < 0.01
    model_courses(
        joined_path=folder / "m.h5mu",
        factors_path=folder / "factors.tsv",
        group=None,
        time="log2",
        models_path=tmp_path / "m.tsv",
    )
    assert set(read_table(tmp_path / "m.tsv")["model"]) == {"time"}


def test_enrichment_of_the_saved_model_is_written(cohort, tmp_path):
    folder, _ = cohort
    genes = pd.DataFrame({"gene_set": "S", "direction": "up", "symbol": [f"G{index}" for index in range(10)]})
    write_table(genes, tmp_path / "sets.tsv")
    enrich_weights(
        joined_path=folder / "m.h5mu",
        model_path=folder / "mofa.hdf5",
        gene_sets_path=tmp_path / "sets.tsv",
        enrichment_path=tmp_path / "enrichment.tsv",
    )
    table = read_table(tmp_path / "enrichment.tsv")
    assert set(table["layer"]) == {"rna", "proteome"}
    features = read_table(folder / "weights.tsv")
    assert set(table.loc[table["layer"] == "proteome", "n"]) == {"10"}  # all thirty proteins entered
    # Of the sixty genes the fifty most variable ones did.
    entered = features[(features["layer"] == "rna") & (features["factor"] == "factor1")]["symbol"].isin(genes["symbol"])
    assert set(table.loc[table["layer"] == "rna", "n"]) == {str(entered.sum())}
