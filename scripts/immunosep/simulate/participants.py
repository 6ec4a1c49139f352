"""The synthetic trial's people: sites, codes, endotypes, arms, SOFA courses, deaths and screening laboratory values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunosep.simulate.seeds import generator

# Site, country, relative size. Enrolment is competitive, so the sizes differ.
SITES = (
    ("GR01", "GR", 10),
    ("GR03", "GR", 8),
    ("DE02", "DE", 6),
    ("DE05", "DE", 3),
    ("NL04", "NL", 5),
    ("RO06", "RO", 4),
)
SHARED_CODE = "012345678"
SHARING_SITES = ("GR03", "RO06")
SOFA_COMPONENTS = ("respiration", "coagulation", "liver", "cardiovascular", "cns", "renal")
MALS_SHARE = 0.4
DISCHARGE_SHARE = 0.3
LATE_HOURS = 74

# Screening values at the cut-offs and the day-15 value that goes with each: (ferritin, HLA-DR, ferritin d15,
# HLA-DR d15). Text on purpose: decimals are part of the case.
MALS_CASES = (
    ("4421", "20000", None, None),
    ("5000", "9000", "4250", None),
    ("5000", "7000", "4251", None),
    ("4420.01", "3000", None, None),
)
SII_CASES = (
    ("4420", "3000", None, None),
    ("4420", "4999", None, None),
    ("1500", "2500", None, "8000"),
    ("1800", "3100", None, "8001"),
)
FAILURE_CASES = (("4420", "5000"), ("900", "12500"))
# Days of the first deaths; later ones are drawn. No death falls next to day 15, where reversal would hang on the rule.
DEATH_DAYS = (6, 20, 9, 12, 3, 45, 26, 5, 8, 18)
DEATH_SHARE = 0.33
# Mean and SD of how strongly people answer to their drug.
DRUG_RESPONSE = (1.0, 0.5)


@dataclass
class Trial:
    """The clinical side of the synthetic trial.

    Attributes
    ----------
    people
        One row per person, enrolled first. Holds the public columns of ``participants.tsv`` and the hidden ones
        (``endotype``, ``arm``, ``true_sex``, ``severity``, ``drug_response``, ``special``).
    visits
        Rows of ``visits.tsv``, all columns text.
    classification
        Rows of ``classification.tsv``, all columns text.
    """

    people: pd.DataFrame
    visits: pd.DataFrame
    classification: pd.DataFrame

    @property
    def enrolled(self) -> pd.DataFrame:
        """The randomised people."""
        return self.people[self.people["randomised"] == "yes"]


def split_sites(total: int) -> np.ndarray:
    """Divide people over the sites by size, at least one each where there are enough (largest remainders)."""
    share = np.array([size for _, _, size in SITES], dtype=float)
    floor = 1 if total >= len(SITES) else 0
    exact = share / share.sum() * (total - floor * len(SITES))
    counts = np.floor(exact).astype(int)
    rest = total - floor * len(SITES) - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return counts + floor


def draw_codes(sites: list[str], rng: np.random.Generator) -> list[str]:
    """Draw a 9-digit code per person; every fourth begins with 0; the first of two sites share one code."""
    codes = [
        f"{value:09d}" for value in rng.choice(np.arange(100_000_000, 1_000_000_000, 7919), len(sites), replace=False)
    ]
    codes = ["0" + code[1:] if i % 4 == 1 else code for i, code in enumerate(codes)]
    for site in SHARING_SITES:
        if site in sites:
            codes[sites.index(site)] = SHARED_CODE
    return codes


def draw_people(participants: int, screen_failures: int, seed: int) -> pd.DataFrame:
    """Draw the enrolled people (sorted by site) and the screening failures.

    Endotypes alternate in the ratio 40/60 along the list and arms in blocks of two within site, as the trial's
    randomisation is stratified by site alone.
    """
    rng = generator(seed, "people")
    total = participants + screen_failures
    sites: list[str] = []
    for count in (participants, screen_failures):
        sites += [site for (site, _, _), n in zip(SITES, split_sites(count), strict=True) for _ in range(n)]
    country = {site: land for site, land, _ in SITES}
    rank = np.arange(participants)
    mals = np.floor((rank + 1) * MALS_SHARE + 1e-9) > np.floor(rank * MALS_SHARE + 1e-9)
    people = pd.DataFrame(
        {
            "site": sites,
            "participant_code": draw_codes(sites, rng),
            "country": [country[site] for site in sites],
            "age_years": np.clip(np.round(rng.normal(68, 12, total)), 19, 89).astype(int),
            "true_sex": np.where(rng.permutation(total) % 9 < 5, "M", "F"),
            "infection": rng.choice(["CAP", "HAP", "VAP", "BSI", "CAP;BSI"], total, p=[0.5, 0.15, 0.1, 0.15, 0.1]),
            "endotype": np.r_[np.where(mals, "MALS", "SII"), np.repeat("unclassified", screen_failures)],
            "hours_sepsis_to_drug": rng.integers(10, 71, total),
        }
    )
    people["participant"] = people["site"] + "-" + people["participant_code"]
    people["randomised"] = np.where(np.arange(total) < participants, "yes", "no")
    order = people.groupby("site").cumcount().to_numpy()
    first = {site: rng.integers(2) for site, _, _ in SITES}
    flips = (order + people["site"].map(first).to_numpy()) % 2
    people["arm"] = np.where(flips == 0, "active", "placebo")
    people["severity"] = rng.normal(0, 1, total)
    return people


def assign_roles(people: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Give people their planted part: boundary cases, deaths, withdrawal, deviations, the wrongly declared sex.

    The column ``special`` says which; boundary cases live to day 28 and stay in hospital so that their day-15 value
    exists. Days that do not come are 0.
    """
    rng = generator(seed, "roles")
    enrolled = np.flatnonzero(people["randomised"] == "yes").tolist()
    endotype, severity, sex = (people[name].tolist() for name in ("endotype", "severity", "true_sex"))
    roles: list[dict[str, Any]] = [default_role(own) for own in sex]
    reserved: list[int] = []
    for kind, cases in (("MALS", MALS_CASES), ("SII", SII_CASES)):
        members = [i for i in enrolled if endotype[i] == kind]
        for case, i in enumerate(members[: min(len(cases), max(1, len(members) // 2))]):
            roles[i].update(case=case, special="boundary")
            reserved.append(i)
    others = [i for i in enrolled if i not in reserved]
    risk = np.array([severity[i] for i in others]) + rng.normal(0, 0.7, len(others))
    others = [others[k] for k in np.argsort(-risk)]
    deaths = draw_death_days(round(DEATH_SHARE * len(others)), rng)
    for i, day in zip(others, deaths, strict=False):
        roles[i].update(death_day=day, last_contact_day=day, special="died")
    living = others[len(deaths) :]
    for i in living[1:-1]:
        if rng.random() < DISCHARGE_SHARE:
            roles[i]["discharge_day"] = int(rng.integers(7, 25))
    for i in [i for i in living[1:-1] if endotype[i] == "MALS"][:3]:
        roles[i]["covid19"] = "yes"
    parts: tuple[dict[str, Any], ...] = (
        {"special": "sex_swap"},
        {"dosed": "no", "per_protocol": "no"},
        # 72 hours or more from sepsis to drug: a protocol deviation.
        {"late_drug": True, "per_protocol": "no"},
        # Lost after day 40: censored between the two horizons.
        {"last_contact_day": 40},
    )
    for i, part in zip(living, parts, strict=False):
        roles[i].update(part)
    for i in living[:1]:
        roles[i]["sex"] = {"M": "F", "F": "M"}[sex[i]]
    for i in living[-1:]:
        roles[i].update(consent="withdrawn", withdrawn_day=12, last_contact_day=12, special="withdrawn")
    people = pd.concat([people, pd.DataFrame(roles, index=people.index)], axis=1)
    people["hours_sepsis_to_drug"] = people["hours_sepsis_to_drug"].where(~people["late_drug"], LATE_HOURS)
    outside = people["randomised"] == "no"
    for name, value in (("dosed", "no"), ("per_protocol", "no"), ("arm", ""), ("last_contact_day", 0)):
        people[name] = people[name].where(~outside, value)
    return people.drop(columns="late_drug")


def default_role(sex: str) -> dict[str, Any]:
    """Return what holds for a participant to whom nothing special happens."""
    return {
        "sex": sex, "special": "", "case": -1, "dosed": "yes", "per_protocol": "yes", "death_day": 0,
        "discharge_day": 0, "last_contact_day": 90,
        "consent": "consented", "withdrawn_day": 0, "covid19": "no", "late_drug": False,
    }  # fmt: skip


def draw_drug_response(people: pd.DataFrame, seed: int) -> np.ndarray:
    """Draw how strongly each person answers to the active drug: 1 on average, never below 0; 0 without it."""
    drawn = np.maximum(generator(seed, "drug response").normal(*DRUG_RESPONSE, len(people)), 0)
    return np.where((people["arm"] == "active") & (people["dosed"] == "yes"), drawn, 0.0)


def draw_death_days(count: int, rng: np.random.Generator) -> list[int]:
    """Return days of death: the fixed ones first, the rest from a long-tailed distribution over the 90 days."""
    drawn = np.clip(np.round(rng.gamma(1.2, 16, count)), 2, 89).astype(int)
    drawn[(drawn >= 14) & (drawn <= 16)] = 17
    return [*DEATH_DAYS, *drawn.tolist()][:count]


def draw_classification(people: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw screening ferritin and HLA-DR that obey each person's endotype; boundary cases are exact."""
    rng = generator(seed, "classification")
    n = len(people)
    endotype = people["endotype"].to_numpy()
    ferritin = np.where(
        endotype == "MALS",
        np.exp(rng.uniform(np.log(4700), np.log(30000), n)),
        np.exp(rng.uniform(np.log(250), np.log(4000), n)),
    )
    low = np.select([endotype == "MALS", endotype == "SII"], [1500, 900], 5300)
    high = np.select([endotype == "MALS", endotype == "SII"], [14000, 4800], 20000)
    hladr = np.exp(rng.uniform(np.log(low), np.log(high)))
    table = pd.DataFrame(
        {
            "site": people["site"],
            "participant_code": people["participant_code"],
            "ferritin": [f"{value:.0f}" for value in ferritin],
            "ferritin_unit": "ng/mL",
            "hladr": [f"{value:.0f}" for value in hladr],
            "hladr_unit": "receptors_per_cell",
            "class_lab": "LAB_" + people["country"],
        }
    )
    for i, (kind, case) in enumerate(zip(endotype, people["case"], strict=True)):
        if case >= 0:
            table.loc[i, ["ferritin", "hladr"]] = (MALS_CASES if kind == "MALS" else SII_CASES)[case][:2]
    failures = people.index[people["randomised"] == "no"]
    for i, values in zip(failures, FAILURE_CASES, strict=False):
        table.loc[i, ["ferritin", "hladr"]] = values
    return table


def draw_trial(participants: int, screen_failures: int, seed: int, sofa_days: list[int]) -> Trial:
    """Draw people, clinical course and classification of the whole synthetic trial."""
    from immunosep.simulate.courses import draw_visits

    people = assign_roles(draw_people(participants, screen_failures, seed), seed)
    people["drug_response"] = draw_drug_response(people, seed)
    classification = draw_classification(people, seed)
    return Trial(people, draw_visits(people, classification, seed, sofa_days), classification)
