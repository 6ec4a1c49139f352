"""A frozen model on new samples: as in training, alone as in company, and refused where it would guess."""

import os
import zipfile

import anndata
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import FunctionTransformer

from immunosep import cli
from immunosep.biomarkers.apply import (
    CHECKS,
    COLUMNS,
    FORMAT,
    MAX_DISTANCE,
    MIN_OVERLAP,
    apply_model,
    chosen,
    load_model,
)
from immunosep.biomarkers.features import Predictors, omics_predictors
from immunosep.biomarkers.frozen import frozen_content, write_model
from immunosep.biomarkers.models import Settings, fit_factors, fit_models, predict
from immunosep.biomarkers.new_samples import clinical_value
from immunosep.biomarkers.tasks import Task
from immunosep.errors import InputError
from immunosep.integration.assemble import to_observations
from immunosep.io import read_table, write_h5ad, write_table

FILTERS = {
    "rna": {"min_count": 10, "min_fraction": 0.1},
    "proteome": {"min_detected": 0.5},
    "microbiome": {"min_prevalence": 0.1, "pseudocount": 0.5},
}
SETTINGS = Settings(
    max_features=40,
    selected_features=(10,),
    penalty=(0.1,),
    inner_folds=3,
    factors=3,
    min_features=15,
    iterations=100,
    convergence="fast",
    drop_r2=0.01,
)
MODELS = ("clinical", "layers", "mofa", "late_fusion", "early_fusion", "boosting", "clinical_omics")
TASK = Task("t", "endotype", (), MODELS, ("full",), ("age",), (("SII",), ("MALS",)))
LAYERS = ("rna", "proteome", "microbiome_oral")
JOINT = ("mofa", "early_fusion", "boosting_mofa", "boosting_early_fusion")
#: What can be said of a participant with the proteome alone.
ONE_LAYER = {"proteome", "boosting_proteome", "late_fusion", "clinical_omics", *JOINT}
FEATURES = 60
TIME = {"days": [], "baseline": True}


def make_layer(kind, persons, mals, generator):
    effect = 1 + 2.0 * mals[:, None] * (np.arange(FEATURES) < 6)
    obs = pd.DataFrame({"observation": persons}, index=[f"{person}-{kind}" for person in persons])
    var = pd.DataFrame(index=[f"{kind}{index}" for index in range(FEATURES)])
    if kind == "proteome":
        values = (effect + generator.normal(size=(len(persons), FEATURES))).astype(np.float32)
        data = anndata.AnnData(values, obs=obs, var=var)
    else:
        counts = generator.negative_binomial(5, 1 / (1 + 6 * effect)).astype(np.int32)
        data = anndata.AnnData(np.zeros(counts.shape, np.float32), obs=obs, var=var, layers={"counts": counts})
    return to_observations(data, kind, kind)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Return layers, clinical values, the models and the frozen file of 50 participants."""
    generator = np.random.default_rng(3)
    persons = np.array([f"P{index:03d}" for index in range(50)])
    mals = np.arange(50) % 5 < 2
    layers = {kind: make_layer(kind, persons, mals, generator) for kind in LAYERS}
    age = generator.normal(70, 8, 50)
    clinical = Predictors("clinical", age[:, None], persons, persons, np.array(["age_years"]), np.zeros(1, dtype=bool))
    blocks = omics_predictors(layers, [], FILTERS) | {"clinical": clinical}
    labels = pd.Series(mals.astype(int), index=persons)
    models = fit_models(
        TASK, "full", blocks, labels, SETTINGS, 7, fit_factors("full", blocks, labels.index, SETTINGS, 7)
    )
    expected = predict(models, blocks, labels.index)
    path = tmp_path_factory.mktemp("frozen") / "model.skops"
    contents = {"full": {"MALS": frozen_content(models, blocks)}}
    write_model({"format": FORMAT, "status": "fitted", "task": "t", **TIME, "models": contents}, path)
    table = pd.DataFrame({"age_years": [f"{value:.12f}" for value in age]}, index=persons)
    return layers, table, expected, path


def test_training_samples_get_the_predictions_of_training(trial):
    layers, clinical, expected, path = trial
    table, checks = apply_model(load_model(path), layers, clinical)
    assert list(table) == COLUMNS
    assert list(checks) == CHECKS
    used = checks[checks["verdict"] == "used"]
    assert len(used) >= 0.97 * len(checks)
    both = table.merge(expected.rename(columns={"participant": "observation"}), on=["observation", "model"])
    full = set(used.groupby("observation").size().loc[lambda n: n == 4].index)
    both = both[both["observation"].isin(full)]
    boosted = {f"boosting_{name}" for name in LAYERS}
    assert set(both["model"]) == {"clinical", "late_fusion", "clinical_omics", *LAYERS, *JOINT, *boosted}
    np.testing.assert_allclose(both["probability_x"], both["probability_y"], atol=1e-9)


def test_an_answer_does_not_depend_on_who_else_is_in_the_file(trial):
    layers, clinical, _, path = trial
    content = load_model(path)
    together, _ = apply_model(content, layers, clinical)
    for person in ("P003", "P040"):
        alone, _ = apply_model(content, {k: v[[person]].copy() for k, v in layers.items()}, clinical.loc[[person]])
        expected = together[together["observation"] == person].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected, rtol=1e-12)


def test_clinical_values_are_taken_as_they_were_measured():
    table = pd.DataFrame({"ferritin_screening": ["4096", ""], "age_years": ["70", "71"]})
    np.testing.assert_array_equal(clinical_value(table, "ferritin_screening"), [12, np.nan])
    np.testing.assert_array_equal(clinical_value(table, "age_years"), [70, 71])


def test_a_missing_layer_is_done_without(trial):
    layers, _, expected, path = trial
    table, checks = apply_model(load_model(path), {"proteome": layers["proteome"]}, None)
    assert set(table["model"]) == ONE_LAYER
    assert set(checks["block"]) == {"proteome"}
    own = expected[expected["model"] == "proteome"]["probability"].to_numpy()
    np.testing.assert_allclose(table[table["model"] == "proteome"]["probability"], own, atol=1e-9)


def test_a_few_missing_features_are_bridged_and_many_refused(trial):
    layers, _, _, path = trial
    content = load_model(path)
    whole, _ = apply_model(content, {"rna": layers["rna"]}, None)
    # One seventh absent: the probability moves a little.
    some = layers["rna"][:, layers["rna"].var_names[np.arange(FEATURES) % 7 != 6]].copy()
    bridged, checks = apply_model(content, {"rna": some}, None)
    assert MIN_OVERLAP <= checks["overlap"].min() <= checks["overlap"].max() < 0.9
    pair = whole[whole["model"] == "rna"]["probability"], bridged[bridged["model"] == "rna"]["probability"]
    assert np.corrcoef(*pair)[0, 1] > 0.95
    half = layers["rna"][:, layers["rna"].var_names[::2]].copy()
    refused, checks = apply_model(content, {"rna": half}, None)
    assert refused.empty
    assert set(checks["verdict"]) == {"refused: under 80% of the model's features were measured"}


def test_the_features_that_a_model_chose_count_as_those_that_it_takes(trial):
    """Ten of sixty: without them five sixths are there, and everybody would get one answer."""
    layers, _, _, path = trial
    content = load_model(path)
    for kind in ("rna", "proteome"):
        fitted = content["models"]["full"]["MALS"]["blocks"][kind]
        *_, columns = chosen(fitted["pipeline"], len(fitted["features"]))
        kept = ~layers[kind].var_names.isin(fitted["features"][columns])
        assert kept.mean() > MIN_OVERLAP
        table, checks = apply_model(content, {kind: layers[kind][:, kept].copy()}, None)
        assert table.empty
        assert set(checks["verdict"]) == {"refused: under 80% of the model's features were measured"}
        assert checks["overlap"].max() == 0


def test_a_community_by_other_names_is_refused(trial):
    layers, _, _, path = trial
    content = load_model(path)
    oral = layers["microbiome_oral"]
    renamed = oral.copy()
    renamed.var_names = [f"g__{name}" for name in oral.var_names]
    table, checks = apply_model(content, {"microbiome_oral": renamed}, None)
    assert table.empty
    assert set(checks["verdict"]) == {"refused: under 50% of the reads belong to genera of the model"}
    # A genus that was not found is not listed; of what was found, the model knows nearly all.
    fewer = oral[:, oral.var_names[:50]].copy()
    _, checks = apply_model(content, {"microbiome_oral": fewer}, None)
    assert checks["overlap"].min() == 1


def test_a_sample_of_another_time_is_refused(trial):
    layers, _, _, path = trial
    content = load_model(path) | {"days": [1]}
    late = layers["proteome"].copy()
    late.obs["visit_day"] = np.where(np.arange(50) < 10, 7.0, 1.0)
    late.obs["pre_dose"] = np.where(np.arange(50) < 20, "no", "yes")
    for baseline, times in ((True, 30), (False, 40)):
        table, checks = apply_model(content | {"baseline": baseline}, {"proteome": late}, None)
        verdicts = checks["verdict"].tolist()
        assert set(verdicts[:10]) == {"refused: of day 7, and the model is of day 1"}
        after = "refused: from after the first dose, and the model is of before it"
        assert verdicts.count(after) == (10 if baseline else 0)
        assert table["observation"].nunique() == checks["verdict"].eq("used").sum() >= 0.9 * times


def test_what_lies_in_the_very_centre_was_not_measured(trial):
    layers, _, _, path = trial
    content = load_model(path)
    fitted = content["models"]["full"]["MALS"]["blocks"]["proteome"]
    middle = layers["proteome"].copy()
    middle.X[0] = np.median(layers["proteome"].X, axis=0)
    _, checks = apply_model(content, {"proteome": middle}, None)
    told = checks.set_index("observation").loc["P000"]
    assert told["distance"] < -MAX_DISTANCE
    assert told["verdict"] == "refused: outside the training samples"
    assert len(fitted["features"]) == FEATURES


def test_a_sample_outside_the_training_samples_is_refused_and_said(trial):
    layers, _, _, path = trial
    foreign = layers["proteome"].copy()
    foreign.X[0] = 40.0  # another unit
    table, checks = apply_model(load_model(path), {"proteome": foreign}, None)
    told = checks.set_index("observation").loc["P000"]
    assert told["verdict"] == "refused: outside the training samples"
    assert told["distance"] > 5
    assert "P000" not in set(table["observation"])
    assert "P001" in set(table["observation"])


def test_names_of_features_are_arrays_in_the_file(trial):
    # As lists they would be objects, one a name: 55 MB and seven seconds for 20,000 genes.
    with zipfile.ZipFile(trial[3]) as archive:
        assert b"rna17" not in archive.read("schema.json")


def test_what_is_no_model_is_said_plainly(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_model(tmp_path / "absent.skops")
    (tmp_path / "text.skops").write_text("no zip")
    with pytest.raises(InputError, match="no frozen model"):
        load_model(tmp_path / "text.skops")
    few = {"format": FORMAT, "status": "has 3 participants in class MALS, too few"}
    write_model(few, tmp_path / "empty.skops")
    with pytest.raises(InputError, match="holds no model: has 3 participants"):
        load_model(tmp_path / "empty.skops")
    # What would be called when the model is applied is none of its parts.
    write_model(
        {"format": FORMAT, "status": "fitted", "models": FunctionTransformer(os.getcwd)}, tmp_path / "bad.skops"
    )
    with pytest.raises(InputError, match=r"no model of this version is made of, and is not opened\. .*getcwd"):
        load_model(tmp_path / "bad.skops")
    write_model({"format": "1", "status": "fitted"}, tmp_path / "old.skops")
    with pytest.raises(InputError, match="laid out as format 1, and this version reads"):
        load_model(tmp_path / "old.skops")


def test_the_command(trial, tmp_path, capsys):
    layers, clinical, _, path = trial
    person = layers["proteome"][["P007"]].copy()
    write_h5ad(person, tmp_path / "new.h5ad")
    write_table(clinical.loc[["P007"]].rename_axis("observation").reset_index(), tmp_path / "clinical.tsv")
    call = ["predict", "--model", str(path), "--clinical", str(tmp_path / "clinical.tsv")]
    assert cli.main([*call, "--sample", f"proteome={tmp_path / 'new.h5ad'}", "--out", str(tmp_path / "p.tsv")]) == 0
    table = read_table(tmp_path / "p.tsv")
    assert set(table["model"]) == {"clinical", *ONE_LAYER}
    assert cli.main([*call, "--out", str(tmp_path / "p.tsv")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["predict", "--model", str(path), "--sample", str(tmp_path / "new.h5ad")]) == 2
    assert "does not say of which layer it is" in capsys.readouterr().err
    person.X[:] = 99
    write_h5ad(person, tmp_path / "foreign.h5ad")
    assert cli.main([*call, "--sample", f"proteome={tmp_path / 'foreign.h5ad'}"]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("observation\tfeature_set\tclass\tmodel\tprobability\nP007\tfull\tMALS\tclinical\t")
    assert cli.main(["predict", "--model", str(path), "--sample", f"proteome={tmp_path / 'foreign.h5ad'}"]) == 2
    assert "Nothing was predicted. P007, proteome: refused" in capsys.readouterr().err
