"""The steps of the 16S layer that follow DADA2, from file to file."""

from collections.abc import Sequence

import pandas as pd

from immunosep.io import PathLike, read_h5ad, read_table, write_h5ad, write_table
from immunosep.microbiome.matrix import build_body_site, build_microbiome
from immunosep.microbiome.reads import (
    STEPS,
    count_steps,
    describe_controls,
    describe_dropped,
    measure_libraries,
    read_primer_report,
)
from immunosep.microbiome.taxonomy import asv_id, clean_taxonomy, drop_reasons, genus_names


def measure_microbiome(
    *,
    report_paths: Sequence[PathLike],
    tracking_paths: Sequence[PathLike],
    counts_path: PathLike,
    taxonomy_path: PathLike,
    libraries_path: PathLike,
    mock_path: PathLike | None,
    asvs_path: PathLike,
    taxa_path: PathLike,
    dropped_path: PathLike,
    reads_path: PathLike,
    metrics_path: PathLike,
    controls_path: PathLike,
) -> None:
    """Sort the sequence variants into those that stay and those that leave, and write all tables of the layer.

    Parameters
    ----------
    report_paths
        cutadapt reports, one per library and run.
    tracking_paths
        Reads per library of each run.
    counts_path, taxonomy_path
        Long counts (library, sequence, count) and taxonomy of all sequence variants.
    libraries_path
        The layer's library table.
    mock_path
        Expected composition of the positive controls (genus, fraction), or None.
    asvs_path, taxa_path
        Targets: counts (library, asv, count) and taxonomy of the variants that stay.
    dropped_path
        Target: variants that leave, with the reason.
    reads_path, metrics_path, controls_path
        Targets: reads per step, QC metrics, controls.
    """
    libraries = read_table(libraries_path)
    taxonomy = clean_taxonomy(read_table(taxonomy_path))
    reasons = drop_reasons(taxonomy)
    counts = read_table(counts_path)
    counts = pd.DataFrame(
        {
            "library": counts["library"],
            "asv": counts["sequence"].map({sequence: asv_id(sequence) for sequence in counts["sequence"].unique()}),
            "count": counts["count"].astype("int64"),
        }
    )
    reason = counts["asv"].map(reasons)
    kept = counts[reason == ""].reset_index(drop=True)

    steps = count_steps(
        (read_primer_report(path) for path in report_paths),
        pd.concat([read_table(path) for path in tracking_paths], ignore_index=True),
    )
    for name, table in (("nonchimeric", counts[reason != "chimera"]), ("kept", kept)):
        steps[name] = table.groupby("library")["count"].sum().reindex(steps.index, fill_value=0)

    mock = None if mock_path is None else read_table(mock_path)
    genera = kept.assign(genus=kept["asv"].map(genus_names(taxonomy))).pivot_table(
        index="library", columns="genus", values="count", aggfunc="sum", fill_value=0
    )
    stays = taxonomy[reasons == ""].drop(columns="chimera").sort_index()
    write_table(kept.sort_values(["library", "asv"]), asvs_path)
    write_table(stays.reset_index(), taxa_path)
    write_table(describe_dropped(counts, taxonomy, reasons), dropped_path)
    write_table(steps[list(STEPS)].reset_index(), reads_path)
    write_table(measure_libraries(steps, kept, libraries), metrics_path)
    write_table(describe_controls(steps, genera, libraries, mock), controls_path)


def write_microbiome(
    *,
    asvs_path: PathLike,
    taxa_path: PathLike,
    libraries_path: PathLike,
    verdicts_path: PathLike,
    pseudocount: float,
    matrix_path: PathLike,
) -> None:
    """Write the ASV matrix; see `build_microbiome`."""
    counts = read_table(asvs_path).astype({"count": "int64"})
    taxonomy = read_table(taxa_path).set_index("asv")
    libraries, verdicts = read_table(libraries_path), read_table(verdicts_path)
    write_h5ad(build_microbiome(counts, taxonomy, libraries, verdicts, pseudocount=pseudocount), matrix_path)


def write_body_site(
    *,
    source_path: PathLike,
    body_site: str,
    pseudocount: float,
    min_prevalence: float,
    matrix_path: PathLike,
    genera_path: PathLike,
) -> None:
    """Write the genus matrix of one body site and the table of all its genera; see `build_body_site`."""
    data, genera = build_body_site(
        read_h5ad(source_path), body_site, pseudocount=pseudocount, min_prevalence=min_prevalence
    )
    write_h5ad(data, matrix_path)
    write_table(genera, genera_path)
