"""Planted signal: a latent factor per observation; effects of factor, endotype and arm on each layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from immunosep.simulate.catalogue import RECTAL_ENDOTYPE_TAXA, members
from immunosep.simulate.frames import observation_name, records
from immunosep.simulate.genome import Genome
from immunosep.simulate.participants import Trial
from immunosep.simulate.seeds import generator

FACTOR_SHARE = 0.35
# (share of endotype, of the person's lasting severity, of the day) in the factor; squares sum to about 1.
FACTOR_MIX = (0.25, 0.8, 0.5)
ENDOTYPE_GENES = 80
ENDOTYPE_REGIONS = 80
ENDOTYPE_PROTEINS = 24
# People of one endotype differ: their scores lie around +0.5 (MALS) or -0.5 (SII) with this SD, and overlap a little.
ENDOTYPE_SPREAD = 0.3
PERSON_SPREAD = 0.25
DRUG = {"MALS": "anakinra", "SII": "interferon_gamma"}


@dataclass
class Effects:
    """log2 effects of one layer, one value per feature, in the order of `features`.

    Attributes
    ----------
    features
        Feature names, shape (features,).
    endotype
        MALS against SII.
    factor
        Per standard deviation of factor 1.
    arms
        Drug name to effect of the active arm from day 2 on.
    """

    features: np.ndarray
    endotype: np.ndarray
    factor: np.ndarray
    arms: dict[str, np.ndarray]

    def shift(self, state: pd.Series) -> np.ndarray:
        """Return the log2 shift of every feature for one observation (a row of :func:`draw_states`)."""
        total = state["endotype_score"] * self.endotype + state["factor1"] * self.factor
        if state["visit_day"] >= 2 and state["drug"] in self.arms:
            total = total + self.arms[state["drug"]]
        return total

    def table(self, layer: str) -> pd.DataFrame:
        """List the effects that are not zero: layer, feature, kind, log2fc."""
        kinds = {"endotype": self.endotype, "factor1": self.factor} | {
            f"arm_{drug}": v for drug, v in self.arms.items()
        }
        parts = [
            pd.DataFrame({"layer": layer, "feature": self.features[v != 0], "kind": kind, "log2fc": v[v != 0]})
            for kind, v in kinds.items()
        ]
        return pd.concat(parts, ignore_index=True)


def draw_states(trial: Trial, observations: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw factor 1 per observation, and the endotype score per person.

    Parameters
    ----------
    observations
        Distinct `participant`, `visit_day`.

    Returns
    -------
    pandas.DataFrame
        Index observation name; `participant`, `visit_day`, `factor1`, `endotype_score`, `drug` (empty under
        placebo).
    """
    people = trial.people.set_index("participant")
    states = observations[["participant", "visit_day"]].drop_duplicates().sort_values(["participant", "visit_day"])
    names = [observation_name(row["participant"], row["visit_day"]) for row in records(states)]
    states.index = pd.Index(names, name="observation")
    person = people.loc[states["participant"]]
    daily = np.array([generator(seed, "factor1", name).normal() for name in states.index])
    sign = person["endotype"].map({"MALS": 1.0, "SII": -1.0}).fillna(0.0).to_numpy()
    mix = np.array(FACTOR_MIX)
    states["factor1"] = mix @ np.array([sign, person["severity"].to_numpy(), daily])
    own = [generator(seed, "endotype_score", name).normal(0, ENDOTYPE_SPREAD) for name in states["participant"]]
    states["endotype_score"] = 0.5 * sign + np.array(own)
    drug = person["endotype"].map(DRUG).fillna("").to_numpy()
    states["drug"] = np.where((person["arm"] == "active") & (person["dosed"] == "yes"), drug, "")
    return states


def signed(rng: np.random.Generator, low: float, high: float, size: int) -> np.ndarray:
    """Draw effect sizes of either sign with magnitude between the bounds."""
    return rng.uniform(low, high, size) * rng.choice([-1.0, 1.0], size)


def random_effects(
    features: np.ndarray, eligible: np.ndarray, endotypes: int, rng: np.random.Generator, scale: float = 1.0
) -> Effects:
    """Plant endotype effects in a number of eligible features and factor effects in a fixed share of them."""
    pool = np.flatnonzero(eligible)
    endotype, factor = np.zeros(len(features)), np.zeros(len(features))
    chosen = rng.choice(pool, min(endotypes, len(pool)), replace=False)
    endotype[chosen] = signed(rng, 0.9, 1.6, len(chosen)) * scale
    loaded = rng.choice(pool, round(FACTOR_SHARE * len(pool)), replace=False)
    factor[loaded] = signed(rng, 0.6, 1.1, len(loaded)) * scale
    return Effects(features, endotype, factor, {})


def assign(values: np.ndarray, features: np.ndarray, symbols: list[str], size: float) -> None:
    """Set the effect of named features in place."""
    values[np.isin(features, symbols)] = size


def gene_effects(genome: Genome, seed: int) -> Effects:
    """Plant effects in nuclear genes other than globin and sex genes; known biology first, the rest at random."""
    symbols = genome.genes["symbol"].to_numpy()
    spared = np.isin(symbols, [*members("globin", "sex_X", "sex_Y"), "DDX3X", "KDM6A", "ZFX"])
    eligible = ~spared & genome.genes["chrom"].isin([f"chr{k}" for k in range(1, 6)]).to_numpy()
    mhc = [symbol for symbol in members("definers") if symbol.startswith("HLA")] + ["CD74", "CIITA"]
    interferon, interleukin1 = members("IFNG_response"), members("IL1_response")
    effects = random_effects(symbols, eligible, ENDOTYPE_GENES - 38, generator(seed, "effects", "rna"))
    assign(effects.endotype, symbols, mhc, 1.3)
    assign(effects.endotype, symbols, interferon, 1.1)
    assign(effects.endotype, symbols, [*interleukin1, "CD163", "IL18BP"], 1.0)
    assign(effects.factor, symbols, mhc, 0.0)
    active = {drug: np.zeros(len(symbols)) for drug in DRUG.values()}
    assign(active["interferon_gamma"], symbols, interferon, 1.5)
    assign(active["interferon_gamma"], symbols, mhc, 1.0)
    assign(active["anakinra"], symbols, interleukin1, -1.2)
    effects.arms = active
    return effects


def region_effects(genome: Genome, seed: int) -> Effects:
    """Plant effects in autosomal accessible regions."""
    eligible = genome.regions["chrom"].str.fullmatch(r"chr\d+").to_numpy()
    names = genome.regions["name"].to_numpy()
    return random_effects(names, eligible, ENDOTYPE_REGIONS, generator(seed, "effects", "atac"))


def protein_effects(symbols: np.ndarray, seed: int) -> Effects:
    """Plant effects in proteins; repeated assays of one protein share them. The drugs show from day 2 on."""
    unique = np.array(list(dict.fromkeys(symbols)))
    drawn = random_effects(
        unique, np.ones(len(unique), dtype=bool), ENDOTYPE_PROTEINS, generator(seed, "effects", "proteome")
    )
    assign(drawn.endotype, unique, members("MALS_proteins"), 1.2)
    assign(drawn.endotype, unique, ["IL1RN", "IFNG"], 0.6)
    row = {symbol: k for k, symbol in enumerate(unique)}
    index = np.array([row[symbol] for symbol in symbols])
    effects = Effects(symbols, drawn.endotype[index], drawn.factor[index], {})
    effects.arms = {drug: np.zeros(len(symbols)) for drug in DRUG.values()}
    for drug, symbol, size in (
        ("anakinra", "IL1RN", 5.0), ("anakinra", "IL6", -0.8), ("interferon_gamma", "IFNG", 4.0),
        ("interferon_gamma", "CXCL9", 2.0), ("interferon_gamma", "CXCL10", 2.0), ("interferon_gamma", "CXCL11", 1.5),
    ):  # fmt: skip
        assign(effects.arms[drug], symbols, [symbol], size)
    return effects


def genus_effects(genera: np.ndarray, body_site: str, seed: int) -> Effects:
    """Plant factor effects in genera of every body site and endotype effects in five genera of the rectum."""
    everywhere = np.ones(len(genera), dtype=bool)
    effects = random_effects(genera, everywhere, 0, generator(seed, "effects", "microbiome", body_site), scale=1.3)
    if body_site == "rectum":
        for genus, size in RECTAL_ENDOTYPE_TAXA.items():
            assign(effects.endotype, genera, [genus], size)
    return effects
