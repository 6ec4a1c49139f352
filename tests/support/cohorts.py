"""The tables of other cohorts as the workflow wants them: matrices by observation, labels by participant.

What a table says in a way of its own (commas, zeros for "not found", days of life) is settled here, by whoever knows
the cohort: the workflow's readers refuse what can be read in two ways.
"""

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from support.realdata import write_if_changed

ASSOCIATIONS = "results/integration/associations.tsv"


def write_matrix(folder, name, frame):
    """Write a ready matrix: rows named by observation, columns by feature; not measured is empty."""
    write_if_changed(folder / f"{name}.tsv", frame.to_csv(sep="\t", index_label="observation", lineterminator="\n"))


def write_labels(folder, frame):
    """Write a ready label table: rows named by participant."""
    write_if_changed(folder / "labels.tsv", frame.to_csv(sep="\t", index_label="participant", lineterminator="\n"))


def log2_found(values):
    """Return log2 of concentrations in which 0 stands for not found."""
    return np.log2(values.where(values > 0))


def performance(folder, task):
    """Return the performance of a task's models by model and class."""
    table = pd.read_csv(folder / f"results/biomarkers/{task}/performance.tsv", sep="\t")
    return table[table["feature_set"] == "full"].set_index(["model", "class"])


def associations(folder):
    """Return what the factors follow, by variable and factor."""
    return pd.read_csv(folder / ASSOCIATIONS, sep="\t").set_index(["variable", "factor"])


def plain_auroc(values, positive, penalty):
    """Return the AUROC of a logistic regression of scikit-learn's, five folds, mean of three divisions.

    `values`: a row per participant; `positive`: whether each belongs to the class.
    """
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=penalty, max_iter=5000))
    folds = [StratifiedKFold(5, shuffle=True, random_state=seed) for seed in (1, 2, 3)]
    scores = [cross_val_predict(model, values, positive, cv=fold, method="decision_function") for fold in folds]
    return np.mean([roc_auc_score(positive, score) for score in scores])


def write_covid(shared, folder):
    """Write proteins and metabolites of 102 patients with COVID, and what is known of them (Overmyer 2021)."""
    people = pd.read_csv(shared / "covid_overmyer/CEA_covariates.csv.gz", index_col=0)
    people = people[people["COVID"] == 1]
    protein = pd.read_csv(shared / "covid_overmyer/CEA_protein.csv.gz", index_col=0).loc[people.index]
    metabolite = pd.read_csv(shared / "covid_overmyer/CEA_mtb.csv.gz", index_col=0).loc[people.index]
    names = people["Sample_label"].to_numpy()
    # The metabolites are on the log2 scale already.
    write_matrix(folder, "protein", log2_found(protein).set_axis(names))
    write_matrix(folder, "metabolite", metabolite.set_axis(names))
    known = {
        "Age_less_than_90": "age_years",
        "Gender": "sex",
        "SOFA": "sofa",
        "APACHEII": "apache2",
        "Hospital_free_days_45": "hospital_free_days",
        "Ferritin_NG.ML": "ferritin",
        "CRP_MG.L": "crp",
        "Lymphocytes_percent": "lymphocytes",
    }
    labels = people[list(known)].rename(columns=known).set_axis(names)
    labels["icu"] = people["ICU_1"].map({0: "ward", 1: "icu"}).to_numpy()
    write_labels(folder, labels)


def write_breast(shared, folder):
    """Write three layers of 220 tumours of three subtypes (TCGA): 70 of them lack the proteins."""

    def read(part, layer):
        return pd.read_csv(shared / "breast_tcga" / f"breast.TCGA__data.{part}__{layer}.csv.gz", index_col=0)

    for layer, parts in {"mrna": ("train", "test"), "mirna": ("train", "test"), "protein": ("train",)}.items():
        write_matrix(folder, layer, pd.concat([read(part, layer) for part in parts]))
    labels = [read(part, "subtype").set_axis(read(part, "mrna").index).assign(part=part) for part in ("train", "test")]
    write_labels(folder, pd.concat(labels).rename(columns={"value": "subtype"}))


def write_srs(shared, folder):
    """Write 19 genes and the SRS endotypes of three studies (Cano-Gamez 2022); a sample stands for a participant."""
    table = pd.read_csv(shared / "sepsis_srs/srs_extended19_microarray.csv.gz", index_col=0)
    genes = table.filter(regex="^ENSG")
    write_matrix(folder, "rna19", genes)
    labels = table[["SRS", "SRSq", "Study"]].rename(columns=str.lower)
    # The sepsis cohort alone: the third endotype is made of the healthy of two other studies.
    labels["srs_in_sepsis"] = labels["srs"].where(table["Study"] == "GAinS")
    write_labels(folder, labels)


def read_metabolome(shared):
    """Read the samples of critically ill patients: patient, day, survival, cap_fp, then what was measured.

    The file has decimal commas, says 0 for not found, and leaves the clinical chemistry of some samples empty. Of its
    two editions the later one is read: they differ in whether patient 18 survived.
    """
    path = shared / "sepsis_metabolome/Summary human sample data_2019_10_24.csv"
    table = pd.read_csv(path, sep="\t", decimal=",", encoding="latin-1").drop(columns="Sample ID")
    table["Patient"] = [f"P{number:02d}" for number in table["Patient"]]
    return table.rename(columns={"Patient": "patient", "Day": "day", "Survival": "survival", "CAP / FP": "cap_fp"})


def write_metabolome(shared, folder):
    """Write metabolites and clinical chemistry by patient and day, and who survived."""
    table = read_metabolome(shared)
    names = [f"{patient}-D{day:02d}" for patient, day in zip(table["patient"], table["day"], strict=True)]
    measured = table.drop(columns=["patient", "day", "survival", "cap_fp"]).set_axis(names)
    first = measured.columns.get_loc("Urea")
    chemistry = measured.iloc[:, first:].dropna(how="all")
    write_matrix(folder, "metabolite", log2_found(measured.iloc[:, :first]))
    write_matrix(folder, "chemistry", log2_found(chemistry))
    people = table.drop_duplicates("patient").set_index("patient")
    labels = people[["survival"]].replace({"S": "survived", "NS": "died"})
    labels["infection_source"] = people["cap_fp"].replace("-", "none")
    labels["sepsis_survival"] = labels["survival"].where(people["cap_fp"] != "-")
    # Who is predicted from days 0 and 1 has to have been there on day 1.
    on_day_1 = labels.index.isin(table.loc[table["day"] == 1, "patient"])
    labels["survival_after_day_1"] = labels["survival"].where(on_day_1)
    write_labels(folder, labels)
