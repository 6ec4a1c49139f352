"""The demonstration cohort: reference, manifest, clinical and sealed tables, raw files, and the truth behind them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunosep.io import write_table
from immunosep.sealed import sealed_folder
from immunosep.simulate import accessibility, amplicons, olink, transcriptome
from immunosep.simulate.catalogue import GENERA
from immunosep.simulate.effects import (
    Effects,
    draw_states,
    gene_effects,
    genus_effects,
    protein_effects,
    region_effects,
)
from immunosep.simulate.frames import observation_name, records
from immunosep.simulate.genome import Genome, build_genome, draw_genotypes, haplotypes, write_references
from immunosep.simulate.participants import SITES, Trial, draw_trial
from immunosep.simulate.sampling import BODY_SITES, NPX_TABLE, design_libraries, draw_dna, fastq_paths, manifest_rows
from immunosep.simulate.tables import write_clinical, write_truth

logger = logging.getLogger(__name__)

REFERENCES = (
    "genome.fa.gz",
    "annotation.gtf.gz",
    "transcriptome.fa.gz",
    "blacklist.bed",
    "taxonomy_16s.fa.gz",
    "host.fa.gz",
)


@dataclass
class Cohort:
    """Everything decided before a read is drawn."""

    seed: int
    trial: Trial
    libraries: pd.DataFrame
    missing: pd.DataFrame
    states: pd.DataFrame
    genome: Genome
    genotypes: pd.DataFrame
    effects: dict[str, Effects]


def design_cohort(config: dict[str, Any], seed: int) -> Cohort:
    """Decide people, samples, genome, genotypes and effects.

    Parameters
    ----------
    config
        Validated configuration; reads `simulate` (participants, screen_failures) and `schedule.sofa_days`.
    """
    settings = config["simulate"]
    trial = draw_trial(settings["participants"], settings["screen_failures"], seed, config["schedule"]["sofa_days"])
    libraries, missing = design_libraries(trial, seed)
    libraries = draw_dna(libraries, seed)
    states = draw_states(trial, libraries[libraries["sample_type"] == "sample"], seed)
    genome = build_genome(seed)
    genotypes = draw_genotypes(genome, trial.enrolled["participant"].tolist(), seed)
    effects = {
        "rna": gene_effects(genome, seed),
        "atac": region_effects(genome, seed),
        "proteome": protein_effects(olink.assay_table()["Assay"].to_numpy(), seed),
        **{f"microbiome_{site}": genus_effects(np.array(list(GENERA)), site, seed) for site in BODY_SITES},
    }
    return Cohort(seed, trial, libraries, missing, states, genome, genotypes, effects)


def write_design(config: dict[str, Any], out: Path, seed: int, sealed: Path | None = None) -> None:
    """Write manifest, clinical, sealed and truth tables, and empty files in place of references and raw data.

    For tests of the job graph, which look at names alone.
    """
    out = Path(out)
    cohort = design_cohort(config, seed)
    rows = write_tables(cohort, out, sealed)
    names = {*rows["fastq_1"], *rows["fastq_2"], *rows["table"], *(f"reference/{name}" for name in REFERENCES)} - {""}
    for name in sorted(names):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()


def simulate_reads(config: dict[str, Any], out: Path, seed: int, sealed: Path | None = None) -> None:
    """Write the whole cohort; equal configuration and seed give equal bytes in every file.

    Parameters
    ----------
    config
        Validated configuration; besides the keys of :func:`design_cohort` reads `simulate.rna_pairs`, `atac_pairs`
        and `amplicon_pairs` (read pairs per library).
    out
        Folder of the cohort; made when missing.
    seed
        The one seed.
    sealed
        Folder of the sealed tables; by default the one beside `out` whose name ends in ``-sealed``.
    """
    out = Path(out)
    cohort = design_cohort(config, seed)
    write_references(cohort.genome, make(out / "reference"))
    reference = amplicons.build_reference(seed)
    amplicons.write_references(reference, out / "reference", seed)
    settings = config["simulate"]
    counts, rna_digests = write_rna(cohort, out, settings["rna_pairs"])
    atac_digests = write_atac(cohort, out, settings["atac_pairs"])
    genera, amplicon_digests = write_amplicons(cohort, reference, out, settings["amplicon_pairs"])
    proteome = actual(cohort, "proteome")
    npx = olink.npx_table(proteome, cohort.effects["proteome"], cohort.states, seed)
    make(out / "raw" / "proteome")
    npx.to_csv(out / NPX_TABLE, sep=";", index=False, lineterminator="\n", float_format="%.4f")
    write_tables(cohort, out, sealed, rna_digests | atac_digests | amplicon_digests)
    write_table(counts, out / "truth" / "gene_counts.tsv")
    write_table(genera, out / "truth" / "genus_composition.tsv")
    logger.info("simulated %d libraries of %d people", len(cohort.libraries), len(cohort.trial.people))


def make(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def actual(cohort: Cohort, layer: str) -> pd.DataFrame:
    """Return a layer's libraries with the keys of the material their files really hold.

    `library` and `lanes` stay those of the file; `participant`, `visit_day` and `specimen` follow a planted swap.
    """
    own = cohort.libraries[cohort.libraries["layer"] == layer].set_index("library", drop=False)
    moved = own.loc[own["source"], ["participant", "visit_day", "specimen"]]
    table = own.reset_index(drop=True)
    for name in ("participant", "visit_day", "specimen"):
        table[name] = moved[name].to_numpy()
    return table.assign(observation=[observation_name(row["participant"], row["visit_day"]) for row in records(table)])


def lane_files(record: dict[str, Any], out: Path) -> list[tuple[Path, Path]]:
    """Return the FASTQ pair of every lane of a library."""
    pairs = [fastq_paths(record, lane) for lane in range(1, record["lanes"] + 1)]
    return [(out / first, out / second) for first, second in pairs]


def remember(digests: dict[str, str], files: list[tuple[Path, Path]], found: list[tuple[str, str]], out: Path) -> None:
    """Note the digest of each file under its name relative to the cohort's folder."""
    for paths, values in zip(files, found, strict=True):
        digests.update({path.relative_to(out).as_posix(): value for path, value in zip(paths, values, strict=True)})


def write_rna(cohort: Cohort, out: Path, pairs: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Write all RNA libraries; return fragments per gene (`gene_id` and one column per library) and digests."""
    genome, sexes = cohort.genome, cohort.trial.people.set_index("participant")["true_sex"]
    weights = transcriptome.baseline(genome, cohort.seed)
    columns: dict[str, np.ndarray] = {"gene_id": genome.genes["gene_id"].to_numpy()}
    digests: dict[str, str] = {}
    for record in records(actual(cohort, "rna")):
        person, failed = record["participant"], bool(record["failed"])
        state = cohort.states.loc[record["observation"]]
        share = transcriptome.expression(
            genome, weights, cohort.effects["rna"], state, sexes[person], record["batch"], failed, cohort.seed
        )
        own = haplotypes(genome, cohort.genotypes.loc[person].to_numpy())
        files = lane_files(record, out)
        number = round(pairs * transcriptome.FAILED_PAIRS) if failed else pairs
        columns[record["library"]], found = transcriptome.write_library(
            genome, own, share, number, files, record["library"], cohort.seed
        )
        remember(digests, files, found, out)
    return pd.DataFrame(columns), digests


def write_atac(cohort: Cohort, out: Path, pairs: int) -> dict[str, str]:
    """Write all ATAC libraries; return digests."""
    genome, sexes = cohort.genome, cohort.trial.people.set_index("participant")["true_sex"]
    weights = accessibility.baseline(genome, cohort.seed)
    digests: dict[str, str] = {}
    for record in records(actual(cohort, "atac")):
        person = record["participant"]
        state = cohort.states.loc[record["observation"]]
        share = accessibility.accessibility(genome, weights, cohort.effects["atac"], state, sexes[person], cohort.seed)
        own = haplotypes(genome, cohort.genotypes.loc[person].to_numpy())
        files = lane_files(record, out)
        found = accessibility.write_library(
            genome, own, share, pairs, sexes[person], bool(record["failed"]), files, record["library"], cohort.seed
        )
        remember(digests, files, found, out)
    return digests


def write_amplicons(
    cohort: Cohort, reference: amplicons.Reference, out: Path, pairs: int
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Write all 16S libraries; return the genus fractions of the pairs written (long) and digests."""
    effects = {site: cohort.effects[f"microbiome_{site}"] for site in BODY_SITES}
    parts: list[pd.DataFrame] = []
    digests: dict[str, str] = {}
    for record in records(actual(cohort, "microbiome")):
        fractions = amplicons.community(record, effects, cohort.states, cohort.seed)
        factor = amplicons.FAILED_PAIRS if record["failed"] else 1.0
        if record["sample_type"] == "negative_control":
            factor = amplicons.BLANK_PAIRS
        files = lane_files(record, out)
        specimen = record["specimen"] if record["sample_type"] == "sample" else ""
        counts, found = amplicons.write_library(
            reference, fractions, specimen, round(pairs * factor), files, record["library"], cohort.seed
        )
        remember(digests, files, found, out)
        parts.append(
            pd.DataFrame(
                {"library": record["library"], "genus": list(GENERA), "fraction": counts / max(counts.sum(), 1)}
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table[table["fraction"] > 0], digests


def write_tables(cohort: Cohort, out: Path, sealed: Path | None, digests: dict[str, str] | None = None) -> pd.DataFrame:
    """Write manifest, sites, clinical, sealed and truth tables; return the manifest's rows."""
    rows = manifest_rows(cohort.libraries, cohort.missing)
    for name in ("fastq_1", "fastq_2"):
        rows[f"{name}_sha256"] = rows[name].map(digests or {}).fillna("")
    write_table(rows, out / "manifest.tsv")
    write_table(pd.DataFrame([(site, land) for site, land, _ in SITES], columns=["site", "country"]), out / "sites.tsv")
    write_clinical(cohort.trial, out, sealed or sealed_folder(out))
    write_truth(cohort.trial, cohort.libraries, cohort.states, cohort.genome, cohort.genotypes, cohort.effects, out)
    return rows
