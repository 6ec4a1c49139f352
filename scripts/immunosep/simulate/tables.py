"""The cohort's clinical, sealed and truth tables, written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from immunosep.io import write_table
from immunosep.sealed import OWNER_ONLY, TRUE_LABELS, Unblinding, append_record, write_sealed
from immunosep.simulate.catalogue import MOCK
from immunosep.simulate.effects import DRUG, Effects
from immunosep.simulate.genome import Genome
from immunosep.simulate.participants import Trial
from immunosep.simulate.truth_labels import true_labels

PARTICIPANT_COLUMNS = (
    "site", "participant_code", "country", "age_years", "sex", "infection", "randomised", "dosed", "per_protocol",
    "hours_sepsis_to_drug", "death_day", "discharge_day", "last_contact_day", "consent", "withdrawn_day", "covid19",
)  # fmt: skip
DAYS = ("death_day", "discharge_day", "last_contact_day", "withdrawn_day")
RECORD = "unblinding.tsv"
UNSEALED_ON = "2000-01-01T00:00:00Z"  # no clock: the same seed gives the same bytes
README = """# What is planted in this cohort

Synthetic data, made by `immunosep simulate reads`; no person stands behind any of it.

| file | what |
|---|---|
| `labels.tsv` | endotype, SOFA labels, reversal, survival, derived by the simulator in exact arithmetic |
| `arms.tsv` | arm and drug of every enrolled person |
| `latent_factors.tsv` | factor 1 per observation: moves a third of all features; endotype score per person |
| `effects.tsv` | log2 effect per layer and feature: `endotype` (per unit of score), `factor1` (per unit), `arm_*` |
| `gene_counts.tsv` | RNA fragments really drawn, gene by library |
| `peaks.bed` | accessible regions (chrom, start, end, name, endotype effect) |
| `genus_composition.tsv` | genus fractions of the pairs really drawn, per 16S library |
| `mock_composition.tsv` | genus fractions of the mock community |
| `genotypes.tsv` | alternative alleles (0, 1, 2) per SNP and person |
| `failed_libraries.tsv` | the one library per layer that must fail QC |
| `swaps.tsv` | exchanged materials and the wrongly declared sex |
| `batches.tsv` | the batch that holds one endotype only |
| `broken/` | copies of clinical tables with mistakes that intake must refuse |
"""


def write_clinical(trial: Trial, out: Path, sealed: Path) -> None:
    """Write `clinical/`, and into the folder `sealed` the sealed tables and their record of unblinding."""
    write_table(public_people(trial), out / "clinical" / "participants.tsv")
    write_table(trial.visits, out / "clinical" / "visits.tsv")
    allocation = trial.enrolled[["site", "participant_code", "arm"]].assign(emergency_unblinded="no")
    allocation.iloc[-1:, -1] = "yes"
    entries = []
    for name, table in (("classification", trial.classification), ("allocation", allocation)):
        digest = write_sealed(sealed / f"{name}.tsv", table.to_csv(sep="\t", index=False, lineterminator="\n"))
        entries.append(Unblinding(UNSEALED_ON, "unblinded", "simulated cohort", name, digest, TRUE_LABELS))
    (sealed / RECORD).unlink(missing_ok=True)
    append_record(sealed / RECORD, entries)


def public_people(trial: Trial) -> pd.DataFrame:
    """Return `participants.tsv`, all columns text, days that did not come empty."""
    table = trial.people[list(PARTICIPANT_COLUMNS)].astype(str)
    for name in DAYS:
        table[name] = table[name].where(trial.people[name] > 0, "")
    table["hours_sepsis_to_drug"] = table["hours_sepsis_to_drug"].where(trial.people["hours_sepsis_to_drug"] >= 0, "")
    table.loc[table["dosed"] == "no", "hours_sepsis_to_drug"] = ""
    return table


def write_truth(
    trial: Trial,
    libraries: pd.DataFrame,
    states: pd.DataFrame,
    genome: Genome,
    genotypes: pd.DataFrame,
    effects: dict[str, Effects],
    out: Path,
) -> None:
    """Write everything under `truth/` that is decided before a read is drawn."""
    truth = out / "truth"
    write_table(true_labels(trial), truth / "labels.tsv")
    enrolled = trial.enrolled
    drug = np.where((enrolled["arm"] == "active") & (enrolled["dosed"] == "yes"), enrolled["endotype"].map(DRUG), "")
    write_table(enrolled[["participant", "arm"]].assign(drug=drug), truth / "arms.tsv")
    factors = states.reset_index()[["observation", "factor1", "endotype_score"]]
    write_table(factors, truth / "latent_factors.tsv")
    write_table(pd.concat([own.table(layer) for layer, own in effects.items()]), truth / "effects.tsv")
    size = pd.Series(effects["atac"].endotype, index=effects["atac"].features)
    regions = genome.regions[["chrom", "start", "end", "name"]].assign(effect=genome.regions["name"].map(size))
    regions.to_csv(truth / "peaks.bed", sep="\t", header=False, index=False, float_format="%.4f", lineterminator="\n")
    write_table(genotype_table(genome, genotypes), truth / "genotypes.tsv")
    failed = libraries[libraries["failed"] != ""].rename(columns={"failed": "reason"})
    mock = pd.DataFrame({"genus": MOCK, "fraction": 1 / len(MOCK)})
    write_table(mock, truth / "mock_composition.tsv")
    write_table(failed[["library", "layer", "reason"]], truth / "failed_libraries.tsv")
    write_table(swap_table(trial, libraries), truth / "swaps.tsv")
    write_table(confounded_batches(trial, libraries), truth / "batches.tsv")
    (truth / "README.md").write_text(README, encoding="utf-8")
    write_broken(trial, truth / "broken")


def genotype_table(genome: Genome, genotypes: pd.DataFrame) -> pd.DataFrame:
    """Return alternative-allele counts: chrom, position (1-based), ref, alt, symbol, and one column per participant."""
    snps = genome.snps
    table = pd.DataFrame(
        {
            "chrom": snps["chrom"],
            "position": snps["position"] + 1,
            "ref": [chr(code) for code in snps["ref"]],
            "alt": [chr(code) for code in snps["alt"]],
            "symbol": snps["symbol"],
        }
    )
    counts = genotypes.to_numpy().reshape(len(genotypes), 2, -1).sum(axis=1)
    return pd.concat([table, pd.DataFrame(counts.T, columns=genotypes.index)], axis=1)


def swap_table(trial: Trial, libraries: pd.DataFrame) -> pd.DataFrame:
    """List exchanged libraries with the library whose material they hold, and wrongly declared sexes."""
    moved = libraries[libraries["source"] != libraries["library"]]
    rows = [
        ("body_site" if row.layer == "microbiome" else "participant", row.layer, row.library, row.source)
        for row in moved.itertuples()
    ]
    wrong = trial.people[trial.people["sex"] != trial.people["true_sex"]]
    rows += [("declared_sex", "clinical", row.participant, row.true_sex) for row in wrong.itertuples()]
    return pd.DataFrame(rows, columns=["kind", "layer", "name", "actual"])


def confounded_batches(trial: Trial, libraries: pd.DataFrame) -> pd.DataFrame:
    """List batches whose participants are all of one endotype."""
    endotype = trial.people.set_index("participant")["endotype"]
    own = libraries[libraries["sample_type"] == "sample"]
    kinds = own.assign(endotype=own["participant"].map(endotype)).groupby(["layer", "batch"])["endotype"].unique()
    alone = kinds[kinds.map(len) == 1].map(lambda values: values[0])
    return alone.rename("endotype").reset_index()


def write_broken(trial: Trial, folder: Path) -> None:
    """Write copies of two tables with the classical mistakes: a percent HLA-DR, a thousands separator in ferritin."""
    visits = trial.visits.copy()
    measured = visits.index[visits["hladr"] != ""][:1]
    visits.loc[measured, ["hladr", "hladr_unit"]] = ["25", "%"]
    classification = trial.classification.copy()
    classification.loc[classification.index[:1], "ferritin"] = "4.420"
    write_table(visits, folder / "visits.tsv")
    path = folder / "classification.tsv"
    write_table(classification, path)
    path.chmod(OWNER_ONLY)
