"""A full-size trial at the level of layer matrices: one AnnData per layer, labels, and the truth behind them.

Every value is `mean + scores x loadings + person + batch + noise` on a log scale with noise of SD 1, so that an effect
size is a signal-to-noise ratio. Endotype acts through a continuous score, which overlaps between the endotypes: the
AUROC of that score is the best that any classifier can reach.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from immunosep.io import atomic_path, write_table
from immunosep.sealed import sealed_folder
from immunosep.simulate.catalogue import BODY_SITE_ORDER, GENERA, PROTEINS, genes_by_chromosome, members
from immunosep.simulate.effects import DRUG
from immunosep.simulate.frames import records
from immunosep.simulate.participants import SOFA_COMPONENTS, Trial, draw_trial
from immunosep.simulate.sampling import ASSAY, library_name, well
from immunosep.simulate.seeds import generator
from immunosep.simulate.tables import write_clinical
from immunosep.simulate.truth_labels import true_labels

logger = logging.getLogger(__name__)

OMICS_DAYS = (1, 2, 4, 7, 15, 21, 28, 90)
SOFA_DAYS = (*range(1, 16), 21, 28)
# Share of living, present participants sampled at each visit, times the layer's own share.
VISIT_SHARE = dict(zip(OMICS_DAYS, (1.0, 0.9, 0.9, 0.85, 0.75, 0.6, 0.6, 0.5), strict=True))
OUTPATIENT_SHARE = 0.4
SCREEN_FAILURE_SHARE = 0.3
SCORES = ("endotype_score", "factor1", "factor2", "factor3", "anakinra", "interferon_gamma")
# Distance of the two endotypes' mean scores, in SD: the ideal AUROC is Phi(2.4 / sqrt 2) = 0.955.
ENDOTYPE_DISTANCE = 2.4
DAILY_SPREAD = 0.5
EFFECT = (0.5, 1.0)
ARM_EFFECT = (0.8, 1.6)
# The genes that answer to a drug in earnest, and in which direction, beside those that are drawn.
RESPONSE = {"anakinra": (("IL1_response",), -1), "interferon_gamma": (("IFNG_response", "MHCII"), 1)}
PERSON_SPREAD, BATCH_SPREAD = 0.4, 0.2
BATCH_SIZE = 88
CHUNK = 10_000


@dataclass(frozen=True)
class Layer:
    """Size and planted structure of one layer.

    Attributes
    ----------
    name
        Modality name and file stem.
    features
        Number of features.
    share
        Share of the visits at which the layer was assayed.
    specimen
        Specimen of its samples.
    planted
        Number of features on which each score acts.
    """

    name: str
    features: int
    share: float
    specimen: str
    planted: dict[str, int]


LAYERS = (
    Layer("rna", 20_000, 0.85, "whole_blood", dict(zip(SCORES, (60, 2000, 1500, 0, 30, 40), strict=True))),
    Layer("atac", 100_000, 0.60, "pbmc", dict(zip(SCORES, (200, 10_000, 7500, 0, 80, 120), strict=True))),
    Layer("proteome", 3_000, 0.90, "plasma", dict(zip(SCORES, (20, 300, 0, 300, 5, 8), strict=True))),
    *(
        Layer(f"microbiome_{site}", 500, share, site, dict(zip(SCORES, (5, 50, 0, 50, 0, 0), strict=True)))
        for site, share in zip(BODY_SITE_ORDER, (0.60, 0.65, 0.70), strict=True)
    ),
)


def simulate_matrices(out: Path, participants: int, seed: int) -> None:
    """Write a full-size trial: `<layer>.h5ad`, `participants.tsv`, `visits.tsv`, `labels.tsv`, `truth/`.

    Parameters
    ----------
    out
        Folder; made when missing. The sealed tables go beside it (`sealed.sealed_folder`).
    participants
        Enrolled participants; each has eight visits in the plan.
    seed
        The one seed.
    """
    out = Path(out)
    trial = draw_trial(participants, round(SCREEN_FAILURE_SHARE * participants), seed, list(SOFA_DAYS))
    scores = draw_scores(trial, seed)
    write_clinical(trial, out, sealed_folder(out))
    labels = label_table(trial)
    write_table(labels, out / "labels.tsv")
    truth = out / "truth"
    write_table(scores.reset_index(), truth / "scores.tsv")
    write_table(bayes_rates(scores, labels), truth / "bayes.tsv")
    planted = []
    for layer in LAYERS:
        obs = draw_samples(trial, scores, layer, seed)
        var = feature_table(layer, seed)
        loadings = draw_loadings(layer, var, seed)
        write_matrix(fill(layer, obs, scores, loadings, seed), obs, var, layer, out / f"{layer.name}.h5ad")
        planted.append(loading_table(layer, var, loadings))
        logger.info("%s: %d samples, %d features", layer.name, len(obs), len(var))
    write_table(pd.concat(planted, ignore_index=True), truth / "effects.tsv")


def draw_scores(trial: Trial, seed: int) -> pd.DataFrame:
    """Draw the generating scores of every planned observation.

    Returns
    -------
    pandas.DataFrame
        Index `observation`; `participant`, `visit_day` and one column per name in ``SCORES``. Factor 1 is the severity
        that also drives SOFA; the drug columns are the person's response to the active drug, 1 on average, from day 2
        to day 15, and half of it on day 21. SOFA falls with the same response.
    """
    people = trial.enrolled
    rng = generator(seed, "scores")
    shape = (len(people), len(OMICS_DAYS))
    sign = people["endotype"].map({"MALS": 0.5, "SII": -0.5}).to_numpy()
    own = sign * ENDOTYPE_DISTANCE + rng.normal(0, np.sqrt(1 - DAILY_SPREAD**2), len(people))
    lasting = np.stack([own, 0.85 * people["severity"].to_numpy(), *rng.normal(0, 0.85, (2, len(people)))])
    values = lasting[:, :, None] + rng.normal(0, DAILY_SPREAD, (4, *shape))
    exposure = np.array([{1: 0.0, 21: 0.5, 28: 0.0, 90: 0.0}.get(day, 1.0) for day in OMICS_DAYS])
    response = people["drug_response"].to_numpy()
    drugs = [np.outer(np.where(people["endotype"] == kind, response, 0.0), exposure) for kind in DRUG]
    table = pd.DataFrame(
        {
            "participant": np.repeat(people["participant"].to_numpy(), shape[1]),
            "visit_day": np.tile(OMICS_DAYS, shape[0]),
        }
    )
    for name, block in zip(SCORES, [*values, *drugs], strict=True):
        table[name] = block.ravel()
    days = table["visit_day"].map("{:02d}".format)
    return table.set_index(pd.Index(table["participant"] + "-D" + days, name="observation"))


def draw_samples(trial: Trial, scores: pd.DataFrame, layer: Layer, seed: int) -> pd.DataFrame:
    """Choose the observations at which a layer was assayed, and lay them on plates; index library name.

    Nobody is sampled after death or withdrawal; after discharge few come back.
    """
    rng = generator(seed, "samples", layer.name)
    people = trial.people.set_index("participant").loc[scores["participant"]]
    day = scores["visit_day"].to_numpy()
    ends = ("death_day", "withdrawn_day", "last_contact_day")
    gone = [(people[name] > 0).to_numpy() & (people[name].to_numpy() < day) for name in ends]
    home = (people["discharge_day"] > 0).to_numpy() & (people["discharge_day"].to_numpy() < day)
    share = layer.share * scores["visit_day"].map(VISIT_SHARE).to_numpy() * np.where(home, OUTPATIENT_SHARE, 1.0)
    taken = ~np.any(gone, axis=0) & (rng.random(len(scores)) < share)
    kind = layer.name.split("_")[0]
    obs = people[["site", "country", "participant_code"]].reset_index()[taken]
    obs["sample_code"] = obs["participant_code"]
    obs["visit_day"] = day[taken]
    obs = obs.assign(layer=kind, assay=ASSAY[kind], specimen=layer.specimen, qc_verdict="pass")
    obs["observation"] = scores.index.to_numpy()[taken]
    # Participants are spread over batches at random, all visits of one together.
    order = pd.Series(rng.permutation(len(trial.enrolled)), index=trial.enrolled["participant"].to_numpy())
    rank = obs["participant"].map(order).rank(method="first").astype(int) - 1
    obs["batch"] = [f"B{k // BATCH_SIZE + 1:02d}" for k in rank]
    obs["plate"] = obs["batch"].str.replace("B", "P")
    obs["well"] = [well(k % BATCH_SIZE) for k in rank]
    names = [library_name(row["participant"], row["visit_day"], kind, layer.specimen) for row in records(obs)]
    return obs.set_index(pd.Index(names, name="library"))


def feature_table(layer: Layer, seed: int) -> pd.DataFrame:
    """Name a layer's features; real symbols first, then numbered ones; flags `definer` and `drug_analyte`."""
    count = layer.features
    number = np.arange(1, count + 1)
    if layer.name == "atac":
        start = 10_000 + 25_000 * ((number - 1) // 22) + generator(seed, "peaks").integers(0, 20_000, count)
        names = [f"chr{chrom}:{at}-{at + 501}" for chrom, at in zip((number - 1) % 22 + 1, start, strict=True)]
        return pd.DataFrame({"symbol": ""}, index=pd.Index(names, name="peak")).assign(
            definer=False, drug_analyte=False
        )
    known = {
        "rna": [symbol for symbols in genes_by_chromosome().values() for symbol in symbols],
        "proteome": list(PROTEINS),
    }.get(layer.name, list(GENERA))
    known = known[:count]
    symbols = np.array([*known, *(f"{layer.name.upper()}{k:05d}" for k in number[len(known) :])])
    names = symbols.tolist()
    if layer.name == "rna":
        names = [f"ENSG99{k:09d}" for k in number]
    elif layer.name == "proteome":
        names = [f"OID{20000 + k}" for k in number]
    var = pd.DataFrame({"symbol": symbols}, index=pd.Index(names, name="feature"))
    var["definer"] = var["symbol"].isin(members("definers")) if layer.name in ("rna", "proteome") else False
    return var.assign(drug_analyte=var["symbol"].isin(["IL1RN", "IFNG"]) & (layer.name == "proteome"))


def draw_loadings(layer: Layer, var: pd.DataFrame, seed: int) -> np.ndarray:
    """Draw loadings, shape (scores, features); zero where nothing is planted.

    The drugs always move their own assay, and the genes of their response.
    """
    rng = generator(seed, "loadings", layer.name)
    loadings = np.zeros((len(SCORES), layer.features), dtype=np.float32)
    for row, score in enumerate(SCORES):
        count = min(layer.planted[score], layer.features)
        bounds = ARM_EFFECT if score in DRUG.values() else EFFECT
        chosen = rng.choice(layer.features, count, replace=False)
        loadings[row, chosen] = rng.uniform(*bounds, count) * rng.choice([-1, 1], count)
        if layer.name == "rna" and score in RESPONSE:
            sets, direction = RESPONSE[score]
            signature = var["symbol"].isin(members(*sets)).to_numpy()
            loadings[row, signature] = direction * rng.uniform(*bounds, signature.sum())
        analyte = {"anakinra": "IL1RN", "interferon_gamma": "IFNG"}.get(score)
        loadings[row, (var["drug_analyte"] & (var["symbol"] == analyte)).to_numpy()] = 5.0
    return loadings


def fill(layer: Layer, obs: pd.DataFrame, scores: pd.DataFrame, loadings: np.ndarray, seed: int) -> np.ndarray:
    """Draw the matrix, shape (samples, features) float32, a block of features at a time."""
    state = scores.loc[obs["observation"], list(SCORES)].to_numpy(dtype=np.float32)
    person = pd.factorize(obs["participant"])[0]
    batch = pd.factorize(obs["batch"])[0]
    matrix = np.empty((len(obs), layer.features), dtype=np.float32)
    for start in range(0, layer.features, CHUNK):
        block = slice(start, min(start + CHUNK, layer.features))
        width = block.stop - block.start
        rng = generator(seed, "matrix", layer.name, str(start))
        view = matrix[:, block]
        noise = rng.standard_normal((len(obs), width), dtype=np.float32)
        np.add(noise, state @ loadings[:, block], out=view)
        view += rng.normal(6, 1.5, width).astype(np.float32)
        view += (PERSON_SPREAD * rng.standard_normal((person.max(initial=0) + 1, width), dtype=np.float32))[person]
        view += (BATCH_SPREAD * rng.standard_normal((batch.max(initial=0) + 1, width), dtype=np.float32))[batch]
    if layer.name.startswith("microbiome"):
        # The scale of these layers is the centred log-ratio: rows sum to zero.
        matrix -= matrix.mean(axis=1, keepdims=True)
    return matrix


def write_matrix(matrix: np.ndarray, obs: pd.DataFrame, var: pd.DataFrame, layer: Layer, path: Path) -> None:
    """Write one AnnData, uncompressed: random numbers do not compress, and half a gigabyte would take minutes."""
    import anndata

    method = "simulated centred log-ratio" if layer.name.startswith("microbiome") else "simulated log2 scale"
    uns = {"immunosep": {"schema_version": "1", "layer": layer.name, "method": method}}
    data = anndata.AnnData(matrix, obs=obs, var=var, uns=uns)
    with atomic_path(path) as temporary:
        data.write_h5ad(temporary)


def loading_table(layer: Layer, var: pd.DataFrame, loadings: np.ndarray) -> pd.DataFrame:
    """List the planted loadings: layer, feature, kind (score), size (SD of noise per unit of score)."""
    row, column = np.nonzero(loadings)
    kinds = np.array(SCORES)[row]
    return pd.DataFrame(
        {"layer": layer.name, "feature": var.index.to_numpy()[column], "kind": kinds, "size": loadings[row, column]}
    )


def label_table(trial: Trial) -> pd.DataFrame:
    """Return the true labels with the keys and the day-1 SOFA that a label table of the workflow carries."""
    keys = trial.people[["participant", "site", "participant_code", "country"]]
    components = [f"sofa_{name}" for name in SOFA_COMPONENTS]
    # Day 0 stands in where day 1 was not scored; the later row wins.
    first = trial.visits[trial.visits["visit_day"].isin(["0", "1"]) & (trial.visits["sofa_respiration"] != "")]
    first = first.drop_duplicates(["site", "participant_code"], keep="last")
    total = first[components].astype(int).sum(axis=1).astype(str)
    baseline = pd.Series(total.to_numpy(), index=first["site"] + "-" + first["participant_code"])
    labels = keys.merge(true_labels(trial), on="participant", validate="one_to_one")
    return labels.assign(sofa_baseline=labels["participant"].map(baseline).fillna(""))


def bayes_rates(scores: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return, per task, the AUROC of the generating day-1 score: what a perfect model of the layers would reach.

    Returns
    -------
    pandas.DataFrame
        `task`, `score`, `participants`, `auroc`.
    """
    day_one = scores[scores["visit_day"] == 1].set_index("participant")
    known = labels.set_index("participant").loc[day_one.index]
    rows = []
    for task, score, sign, positive in (
        ("endotype", "endotype_score", 1.0, known["endotype"] == "MALS"),
        ("sofa_response", "factor1", -1.0, known["sofa_response"] == "response"),
    ):
        rows.append((task, score, len(known), rank_auroc(sign * day_one[score].to_numpy(), positive.to_numpy())))
    return pd.DataFrame(rows, columns=["task", "score", "participants", "auroc"])


def rank_auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the probability that a positive outranks a negative (Mann-Whitney); ties do not occur here."""
    ranks = np.argsort(np.argsort(score)) + 1
    count = int(positive.sum())
    rest = len(score) - count
    if not count or not rest:
        return float("nan")
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))
