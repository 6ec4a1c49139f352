"""Which library exists: layers per visit, lanes, batches, wells, controls, planted swaps and failures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from immunosep.simulate.frames import observation_name, records
from immunosep.simulate.participants import Trial
from immunosep.simulate.seeds import generator

MANIFEST_COLUMNS = (
    "site", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "sample_type", "batch",
    "plate", "well", "run", "fastq_1", "fastq_2", "fastq_1_sha256", "fastq_2_sha256", "table", "table_id", "collected",
    "missing_reason", "globin_depleted", "strandedness", "cell_source", "primers", "dna_ng_ul", "pre_dose",
)  # fmt: skip
NPX_TABLE = "raw/proteome/npx.csv"
ASSAY = {"rna": "rnaseq", "atac": "atacseq", "proteome": "olink", "microbiome": "16s"}
BODY_SITES = ("rectum", "oral", "nares")
# (layer, specimen, {day: share of the enrolled to be sampled})
PLAN = (
    ("rna", "whole_blood", {1: 0.945, 4: 0.28, 7: 0.09}),
    ("atac", "pbmc", {1: 0.87, 4: 0.25}),
    ("proteome", "plasma", {1: 0.945, 4: 0.5, 7: 0.17, 15: 0.09}),
    ("microbiome", "rectum", {1: 0.75, 4: 0.11}),
    ("microbiome", "oral", {1: 0.56, 4: 0.06}),
    ("microbiome", "nares", {1: 0.48}),
)
CONTROL_CODE = {"negative_control": "NC", "positive_control": "PC", "bridge": "BR", "pool": "PL"}
NAME_CODE = {"rna": "rna", "atac": "atac", "proteome": "proteome", "microbiome": "16s"}
TWO_LANES_EVERY = 8


def well(position: int) -> str:
    """Name the well of a 96-well plate, filled by column (0 is A01, 1 is B01)."""
    return f"{'ABCDEFGH'[position % 8]}{position // 8 % 12 + 1:02d}"


def absence_reason(person: dict[str, Any], day: int) -> str:
    """Say why nothing could be collected on a day; empty where it could."""
    if 0 < person["death_day"] < day:
        return "died"
    if 0 < person["withdrawn_day"] <= day:
        return "refused"
    if 0 < person["discharge_day"] < day:
        return "discharged"
    return ""


def choose_samples(trial: Trial, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the samples taken and a part of those not taken.

    Returns
    -------
    taken, missing
        Both with `site`, `participant_code`, `participant`, `visit_day`, `layer`, `specimen`; `missing` also with
        `missing_reason`.
    """
    people = trial.enrolled
    taken, missing = [], []
    for layer, specimen, shares in PLAN:
        rng = generator(seed, "samples", layer, specimen)
        rank = rng.permutation(len(people))
        for day, share in shares.items():
            wanted = round(share * len(people))
            reasons = [absence_reason(person, day) for person in records(people)]
            present = [i for i in rank if not reasons[i]]
            absent = [i for i in rank if reasons[i]]
            for i in present[:wanted]:
                taken.append((i, day, layer, specimen, ""))
            late = [(i, ("missed", "insufficient")[k % 2]) for k, i in enumerate(present[wanted : wanted + 2])]
            for i, reason in [*late, *((i, reasons[i]) for i in absent[:2])]:
                missing.append((i, day, layer, specimen, reason))
    keys = people[["site", "participant_code", "participant"]].to_numpy()
    columns = ["site", "participant_code", "participant", "visit_day", "layer", "specimen", "missing_reason"]
    frames = [pd.DataFrame([(*keys[row[0]], *row[1:]) for row in rows], columns=columns) for rows in (taken, missing)]
    return frames[0], frames[1]


def library_name(participant: str, day: int, layer: str, specimen: str) -> str:
    """Build the name of a participant's library."""
    suffix = f"-{specimen}" if layer == "microbiome" else ""
    return f"{observation_name(participant, day)}-{NAME_CODE[layer]}{suffix}"


def batch_of(table: pd.DataFrame, layer: str, endotype: pd.Series) -> list[str]:
    """Spread a layer's libraries over batches, a person's libraries together.

    RNA batch RB3 holds MALS only: the planted confounding of batch with endotype.
    """
    code = {"rna": "RB", "atac": "AB", "proteome": "PB", "microbiome": "MB"}[layer]
    order = {name: k for k, name in enumerate(dict.fromkeys(table["participant"]))}
    number = table["participant"].map(order) % 2 + 1
    if layer == "rna":
        mals = [name for name in order if endotype[name] == "MALS"]
        number = number.where(~table["participant"].isin(mals[: max(2, len(mals) * 2 // 5)]), 3)
    return [f"{code}{k:02d}" for k in number]


def design_libraries(trial: Trial, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay out every library of the cohort.

    Returns
    -------
    libraries
        One row per library, controls included, with manifest keys and the hidden columns `source` (the library whose
        material the files really hold), `failed` (reason, or empty) and `lanes`.
    missing
        Samples that were not taken.
    """
    taken, missing = choose_samples(trial, seed)
    endotype = trial.people.set_index("participant")["endotype"]
    parts = []
    for layer in ASSAY:
        table = taken[taken["layer"] == layer].copy()
        table["library"] = [
            library_name(row["participant"], row["visit_day"], layer, row["specimen"]) for row in records(table)
        ]
        table["batch"] = batch_of(table, layer, endotype)
        table["sample_type"] = "sample"
        table = pd.concat([table, controls(layer, sorted(table["batch"].unique()))], ignore_index=True)
        table = table.sort_values("batch", kind="stable", ignore_index=True)
        table["well"] = [well(k) for k in table.groupby("batch").cumcount()]
        table["plate"] = table["batch"].str.replace("B(?=[0-9])", "P", regex=True)
        table["library"] = [row["library"] or control_name(row) for row in records(table.fillna({"library": ""}))]
        parts.append(table)
    libraries = pd.concat(parts, ignore_index=True)
    libraries["source"] = libraries["library"]
    libraries["failed"] = ""
    lanes = (libraries.groupby("layer").cumcount() % TWO_LANES_EVERY == 3) & libraries["layer"].isin(["rna", "atac"])
    libraries["lanes"] = np.where(lanes, 2, 1)
    return plant_failures(plant_swaps(libraries, trial), trial), missing


def control_name(row: dict[str, Any]) -> str:
    """Build the name of a control's library."""
    return f"{NAME_CODE[row['layer']]}-{CONTROL_CODE[row['sample_type']]}-{row['batch']}-{row['well']}"


def controls(layer: str, batches: list[str]) -> pd.DataFrame:
    """List the control wells of a layer: blanks and one mock for 16S; negative, plate and sample controls for Olink."""
    rows: list[tuple[str, str]] = []
    for k, batch in enumerate(batches):
        if layer == "microbiome":
            rows += [(batch, "negative_control")] * 2 + [(batch, "positive_control")] * (k == 0)
        if layer == "proteome":
            rows += [(batch, "negative_control")] * 5 + [(batch, "positive_control")] * 2 + [(batch, "pool")] * 2
    table = pd.DataFrame(rows, columns=["batch", "sample_type"], dtype=object).assign(layer=layer)
    for column in ("site", "participant_code", "participant", "specimen", "missing_reason"):
        table[column] = ""
    return table.assign(visit_day=-1)


def plant_swaps(libraries: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """Exchange the material of two people's ATAC libraries (same sex and endotype) and of two swabs of one person."""
    libraries = libraries.copy()
    people = trial.people.set_index("participant")
    clean = people.index[people["special"].isin(["", "boundary", "died"])]
    day_one = libraries[(libraries["visit_day"] == 1) & libraries["participant"].isin(clean)]
    atac = day_one[
        (day_one["layer"] == "atac")
        & day_one["participant"].isin(day_one.loc[day_one["layer"] == "rna", "participant"])
    ]
    kind = people.loc[atac["participant"], "true_sex"] + people.loc[atac["participant"], "endotype"]
    twins = atac.index[kind.to_numpy() == kind.value_counts().index[0]][:2]
    swabs = day_one[(day_one["layer"] == "microbiome") & day_one["specimen"].isin(["oral", "rectum"])]
    both = (
        swabs[swabs.duplicated("participant", keep=False)]
        .sort_values(["participant", "specimen"], kind="stable")
        .index[:2]
    )
    for pair in (twins, both):
        if len(pair) == 2:
            libraries.loc[pair, "source"] = libraries.loc[pair[::-1], "library"].to_numpy()
    return libraries


def plant_failures(libraries: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """Fail exactly one participant library per layer, a later visit where there is one."""
    libraries = libraries.copy()
    reasons = {
        "rna": "few reads, mostly globin",
        "atac": "background only, no enrichment",
        "proteome": "all values shifted by -4, most assays warned",
        "microbiome": "few reads",
    }
    unswapped = libraries["source"] == libraries["library"]
    for layer, reason in reasons.items():
        own = libraries[(libraries["layer"] == layer) & (libraries["sample_type"] == "sample") & unswapped]
        chosen = own[own["visit_day"] > 1].index
        libraries.loc[(chosen if len(chosen) else own.index)[:1], "failed"] = reason
    return libraries


def fastq_paths(row: dict[str, Any], lane: int) -> tuple[str, str]:
    """Name the two FASTQ files of a library's lane, relative to the cohort's folder."""
    stem = f"raw/{row['layer']}/{row['library']}_L{lane}"
    return f"{stem}_R1.fastq.gz", f"{stem}_R2.fastq.gz"


def manifest_rows(libraries: pd.DataFrame, missing: pd.DataFrame) -> pd.DataFrame:
    """Write libraries and missing samples as manifest rows, one per lane; all columns text."""
    rows = []
    for record in records(libraries):
        for lane in range(1, record["lanes"] + 1):
            rows.append(manifest_row(record, lane))
    for record in records(missing):
        row = manifest_row({**record, "sample_type": "sample", "batch": "", "plate": "", "well": ""}, 0)
        rows.append({**row, "collected": "no", "missing_reason": record["missing_reason"]})
    return pd.DataFrame(rows, columns=list(MANIFEST_COLUMNS)).fillna("")


def manifest_row(record: dict[str, Any], lane: int) -> dict[str, str]:
    """Build one manifest row; lane 0 stands for a sample that was not taken and so has no files."""
    layer, sample = record["layer"], record["sample_type"] == "sample"
    row = {
        name: str(record[name])
        for name in ("site", "participant_code", "layer", "specimen", "sample_type", "batch", "plate", "well")
    }
    row |= {"sample_code": row["participant_code"], "assay": ASSAY[layer], "collected": "yes", "missing_reason": ""}
    row["visit_day"] = str(record["visit_day"]) if sample else ""
    row["pre_dose"] = ("yes" if record["visit_day"] == 1 else "no") if sample else ""
    if lane == 0:
        return row
    if layer == "proteome":
        return row | {"table": NPX_TABLE, "table_id": sample_id(record)}
    files = fastq_paths(record, lane)
    row |= {
        "run": f"L{lane}" if layer != "microbiome" else f"MS{record['batch'][2:]}",
        "fastq_1": files[0],
        "fastq_2": files[1],
    }
    if layer == "rna":
        row |= {"globin_depleted": "yes", "strandedness": "ISR"}
    elif layer == "atac":
        row |= {"cell_source": "PBMC"}
    else:
        row |= {"primers": "515F_806R", "dna_ng_ul": f"{record['dna_ng_ul']:.2f}"}
    return row


def sample_id(record: dict[str, Any]) -> str:
    """Name a sample as the proteomics laboratory writes it."""
    if record["sample_type"] != "sample":
        return f"CONTROL_{CONTROL_CODE[record['sample_type']]}_{record['plate']}_{record['well']}"
    return f"{record['site']}_{record['participant_code']}_D{record['visit_day']:02d}"


def draw_dna(libraries: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add the DNA concentration of 16S extracts (ng/uL): poor in the nose, traces in blanks."""
    typical = {"rectum": 12.0, "oral": 8.0, "nares": 0.8, "": 0.05}
    centre = libraries["specimen"].map(typical).fillna(1.0).to_numpy()
    noise = np.exp(generator(seed, "dna").normal(0, 0.4, len(libraries)))
    value = centre * noise
    value[libraries["sample_type"] == "positive_control"] = 20.0
    return libraries.assign(dna_ng_ul=value)
