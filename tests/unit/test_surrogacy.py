"""The surrogacy stage on trials whose markers were planted: scored, assessed, graded."""

import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from immunosep.errors import InputError
from immunosep.io import read_table, write_table
from immunosep.stats.regression import fit
from immunosep.surrogacy import assess, grade, markers, steps

SETTINGS = {
    "signatures": ["PLANTED", "MISSING"],
    "proteins": ["IL18", "IL1RN"],
    "factors": True,
    "days": [4],
    "min_per_arm": 20,
    "bootstrap": 200,
    "fdr": 0.05,
    "stepp": {"window": 60, "step": 20, "permutations": 99},
}
PLANTED = {
    "candidate": "candidate_surrogate",
    "moved": "pharmacodynamic",
    "prognostic": "prognostic",
    "predictive": "predictive",
    "diagnostic": "diagnostic",
    "noise": "none",
}


@pytest.fixture(scope="module")
def trial():
    """400 participants of SII and MALS; in SII one marker carries the drug's effect, and each other has one role."""
    rng = np.random.default_rng(1)
    n = 400
    index = pd.Index([f"GR01-{k:09d}" for k in range(n)], name="participant")
    arm, sii = rng.permutation(np.arange(n) % 2).astype(float), np.arange(n) < 250
    level = {name: rng.normal(size=n) for name in PLANTED}
    level["diagnostic"] = level["diagnostic"] + 1.2 * ~sii
    change = {name: rng.normal(size=n) for name in PLANTED}
    change["candidate"] = change["candidate"] + 1.5 * arm * sii
    change["moved"] = change["moved"] + 1.5 * arm * sii
    sofa = rng.integers(5, 15, n)
    benefit = sii * (1.0 * change["candidate"] + 1.2 * arm * level["predictive"] + 0.9 * level["prognostic"])
    # A quarter of a point of noise per unit would be unreal; 1 point is half of what SOFA means vary by.
    later = benefit + rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "arm": arm,
            "endotype": np.where(sii, "SII", "MALS"),
            "country": rng.choice(["Greece", "Germany", "Romania"], n),
            "site": "GR01",
            "sofa_baseline": sofa.astype(float),
            "age_years": rng.integers(40, 90, n).astype(float),
            "delta_mean_sofa_d9": later + rng.normal(0, 0.3, n),
            "landmark_delta_d4": later,
            "landmark_response_d4": (later > 0.5).astype(float),
            "time_to_death_28": np.where(rng.random(n) < 0.2, rng.integers(5, 28, n), 28).astype(float),
        },
        index=index,
    )
    frame["event_28"] = (frame["time_to_death_28"] < 28).astype(float)
    keys = pd.DataFrame({"participant": np.tile(index, 2), "visit_day": np.repeat([1, 4], n)})
    keys.index = keys["participant"] + "-D" + keys["visit_day"].astype(str).str.zfill(2)
    scores = pd.DataFrame(
        {f"rna:{name}": np.concatenate([level[name], level[name] + change[name]]) for name in PLANTED},
        index=keys.index,
    )
    return frame, scores, keys


def test_every_planted_role_is_found_and_nothing_else(trial):
    frame, scores, keys = trial
    measures = pd.concat(
        [assess.assess_endotype(frame, scores, keys, endotype, SETTINGS, 2) for endotype in assess.ENDOTYPES],
        ignore_index=True,
    )
    baseline = assess.baseline_associations(frame, scores, keys)
    interaction, windows = assess.benefit(frame, scores, keys, SETTINGS, 3)
    details = pd.DataFrame({"marker": list(scores), "definers": "0"}).astype({"definers": int})
    grades = grade.grade_markers(measures, baseline, interaction, details, 0.05).set_index(["endotype", "marker"])
    found = {name: grades.loc[("SII", f"rna:{name}"), "best_category"] for name in PLANTED}
    assert found == PLANTED
    assert grades.loc[("SII", "rna:candidate"), "visit_day"] == 4
    assert "explains" in grades.loc[("SII", "rna:candidate"), "evidence"]
    # In MALS the drug does nothing: no marker is more than diagnostic.
    assert set(grades.loc["MALS", "best_category"]) <= {"none", "diagnostic"}
    # The windows of the predictive marker rise, and their test says so.
    sii = windows[(windows["endotype"] == "SII") & (windows["marker"] == "rna:predictive")]
    assert sii["effect"].iloc[-1] > sii["effect"].iloc[0] + 1
    assert (sii["p_value"] <= 0.02).all()
    # A marker made of definers diagnoses nothing.
    circular = details.assign(definers=1)
    again = grade.grade_markers(measures, baseline, interaction, circular, 0.05)
    assert not again["categories"].str.contains("diagnostic").any()


def test_a_factor_of_all_visits_is_pharmacodynamic_at_most(trial):
    # The same values under a factor's name: as signatures, each gets its planted role.
    frame, scores, keys = trial
    scores = scores.rename(columns=lambda name: name.replace("rna:", "mofa:"))
    measures = pd.concat(
        [assess.assess_endotype(frame, scores, keys, endotype, SETTINGS, 2) for endotype in assess.ENDOTYPES],
        ignore_index=True,
    )
    baseline = assess.baseline_associations(frame, scores, keys)
    assert baseline["estimate"].isna().all()
    assert baseline["note"].str.startswith("not tested: learned over all visits").all()
    interaction, windows = assess.benefit(frame, scores, keys, SETTINGS, 3)
    assert windows.empty
    details = pd.DataFrame({"marker": list(scores), "definers": 0})
    grades = grade.grade_markers(measures, baseline, interaction, details, 0.05)
    assert set(grades["categories"]) == {"", "pharmacodynamic"}
    assert grades.set_index(["endotype", "marker"]).loc[("SII", "mofa:moved"), "best_category"] == "pharmacodynamic"
    assert grades["evidence"].str.endswith(markers.LEARNED_LATER).all()


def test_the_measures_are_those_of_the_models_they_name(trial):
    frame, scores, keys = trial
    table = assess.assess_endotype(frame, scores[["rna:candidate"]], keys, "SII", SETTINGS, 2)
    people = frame[frame["endotype"] == "SII"]
    first = assess.at_visit(scores, keys, people.index, 1)["rna:candidate"]
    change = assess.changes(scores, keys, people.index, 4)["rna:candidate"]
    terms = np.column_stack([np.ones(len(people)), people["arm"], first, people["sofa_baseline"]])
    terms = np.column_stack([terms, assess.countries(people)])
    expected = fit("continuous", change.to_numpy(), terms).coef[1]
    row = table[(table["outcome"] == "landmark_delta_d4") & (table["measure"] == "prentice_2_arm_on_marker")]
    assert row["estimate"].item() == pytest.approx(expected)
    assert set(table["outcome"]) == {"landmark_delta_d4", "landmark_response_d4", "death_28"}
    share = table[(table["outcome"] == "landmark_delta_d4") & (table["measure"] == "proportion_explained")]
    assert share["low"].item() < 1 < share["high"].item()  # the marker carries all of it


def test_who_died_before_the_visit_or_lacks_a_value_is_not_compared(trial):
    frame, scores, keys = trial
    frame, scores = frame.copy(), scores.copy()
    people = frame.index[frame["endotype"] == "SII"]
    frame.loc[people[0], "time_to_death_28"] = 3.0
    scores.loc[f"{people[1]}-D04", "rna:noise"] = np.nan
    frame.loc[people[2], "landmark_delta_d4"] = np.nan
    table = assess.assess_endotype(frame, scores[["rna:noise"]], keys, "SII", SETTINGS, 2)
    n = table.drop_duplicates("outcome").set_index("outcome")["n"]
    assert n["death_28"] == len(people) - 2
    assert n["landmark_delta_d4"] == len(people) - 2
    assert n["landmark_response_d4"] == len(people) - 1
    few = {**SETTINGS, "min_per_arm": 200}
    assert assess.assess_endotype(frame, scores, keys, "SII", few, 2).empty


def test_between_units_needs_units(trial):
    frame, scores, keys = trial
    summary, effects = assess.between_units(frame, scores[["rna:candidate"]], keys, SETTINGS, 5)
    assert summary["units"].item() == 6
    assert list(summary)[2:5] == ["r2", "r2_low", "r2_high"]
    assert set(effects["unit"]) >= {"SII Greece", "MALS Romania"}


def make_joined(rng):
    names = [f"GR01-{k:09d}-D{day:02d}" for k in range(30) for day in (1, 4)]
    obs = pd.DataFrame(
        {"participant": [name[:14] for name in names], "visit_day": [int(name[-2:]) for name in names]}, index=names
    )
    genes = pd.DataFrame({"symbol": ["A", "B", "C", "D"]}, index=["ENSG1", "ENSG2", "ENSG3", "ENSG4"])
    rna = AnnData(rng.normal(5, 2, (60, 4)), obs=obs.copy(), var=genes)
    kept = names[:40]
    assays = pd.DataFrame({"symbol": ["IL18", "IL18", "X"]}, index=["OID1", "OID2", "OID3"])
    protein = AnnData(rng.normal(0, 1, (40, 3)), obs=obs.loc[kept], var=assays)
    joined = mudata.MuData({"rna": rna, "proteome": protein})
    joined.obs = obs.loc[joined.obs_names]
    return joined, pd.DataFrame({"factor1": rng.normal(size=60)}, index=names)


GENE_SETS = pd.DataFrame(
    [
        ("PLANTED", "up", "A", ""),
        ("PLANTED", "down", "B", ""),
        ("MISSING", "up", "Q", ""),
        ("MISSING", "up", "R", ""),
        ("definers", "member", "A", ""),
    ],
    columns=["gene_set", "direction", "symbol", "source"],
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_scores_are_means_of_standardised_features():
    joined, factors = make_joined(np.random.default_rng(4))
    learned_from = {"rna": ["ENSG1", "ENSG2", "ENSG3"], "proteome": ["OID1", "OID3"]}
    joined.mod["proteome"].var["definer"] = [False, True, True]
    scores, details = markers.score_markers(joined, factors, learned_from, GENE_SETS, SETTINGS)
    values = pd.DataFrame(joined.mod["rna"].X, index=joined.mod["rna"].obs_names)
    first = joined.mod["rna"].obs["visit_day"] == 1
    z = (values - values[first.to_numpy()].mean()) / values[first.to_numpy()].std()
    assert scores["rna:PLANTED"].to_numpy() == pytest.approx(((z[0] - z[1]) / 2).loc[scores.index].to_numpy())
    assert scores["proteome:IL18"].notna().sum() == 40  # two assays, one marker; where the layer is missing, none
    details = details.set_index("marker")
    assert details.loc["rna:MISSING", "note"] == "not scored: 0 of 2 features measured"
    assert details.loc["rna:PLANTED", ["direction", "definers"]].tolist() == ["up minus down", 1]
    # Of the model's features A defines the endotypes, and a protein that its layer says does.
    assert details.loc["mofa:factor1", ["features", "definers"]].tolist() == [5, 2]
    assert "never diagnostic, prognostic, predictive" in details.loc["mofa:factor1", "note"]
    assert "proteome:IL1RN" in details.index
    analytes = pd.DataFrame([("IL1RN", "protein", "anakinra", "")], columns=["symbol", "kind", "drug", "source"])
    assert markers.drop_drug_proteins(["IL18", "IL1RN"], analytes) == ["IL18"]


def test_labels_of_a_lower_role_are_refused(tmp_path):
    write_table(pd.DataFrame({"participant": ["GR01-000000001"], "endotype": ["SII"]}), tmp_path / "labels.tsv")
    with pytest.raises(InputError, match="no column arm; surrogates need the role unblinded"):
        steps.read_trial(tmp_path / "labels.tsv")


def test_the_stage_from_files_to_files(trial, tmp_path):
    frame, scores, keys = trial
    labels = frame.drop(columns=["age_years"]).reset_index()
    labels["arm"] = labels["arm"].map({0.0: "placebo", 1.0: "active"})
    labels["landmark_response_d4"] = labels["landmark_response_d4"].map({0.0: "nonresponse", 1.0: "response"})
    write_table(labels, tmp_path / "labels.tsv")
    people = pd.DataFrame(
        {"site": "GR01", "participant_code": [name[5:] for name in frame.index], "age_years": frame["age_years"]}
    )
    write_table(people, tmp_path / "participants.tsv")
    write_table(keys.join(scores).rename_axis("observation").reset_index(), tmp_path / "scores.tsv")
    details = pd.DataFrame({"marker": list(scores), "definers": 0})
    write_table(details, tmp_path / "markers.tsv")
    paths = []
    for endotype in assess.ENDOTYPES:
        paths.append(tmp_path / f"measures_{endotype}.tsv")
        steps.write_measures(
            tmp_path / "labels.tsv",
            tmp_path / "participants.tsv",
            tmp_path / "scores.tsv",
            endotype,
            SETTINGS,
            2,
            paths[-1],
        )
    names = ("measures", "baseline", "interactions", "stepp", "between_units", "unit_effects", "grades")
    outputs = {name: tmp_path / f"{name}.tsv" for name in names}
    steps.write_grades(
        tmp_path / "labels.tsv",
        tmp_path / "participants.tsv",
        tmp_path / "scores.tsv",
        tmp_path / "markers.tsv",
        paths,
        SETTINGS,
        3,
        outputs,
    )
    grades = read_table(outputs["grades"]).set_index(["endotype", "marker"])
    assert {name: grades.loc[("SII", f"rna:{name}"), "best_category"] for name in PLANTED} == PLANTED
