"""The steps of the proteome layer, from file to file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from immunosep.io import PathLike, read_table, write_h5ad, write_table
from immunosep.layer import definer_symbols, drug_symbols
from immunosep.masking import is_hidden, mask_features
from immunosep.proteome.matrix import (
    build_proteome,
    describe_assays,
    describe_controls,
    match_libraries,
    measure_libraries,
)
from immunosep.proteome.npx import read_npx


def read_tables(
    *,
    tables: Sequence[PathLike],
    libraries_path: PathLike,
    values_path: PathLike,
    unmatched_path: PathLike,
) -> None:
    """Read all NPX tables and write the values of libraries and controls, and the samples left out.

    Parameters
    ----------
    tables
        Paths of the distinct tables that the libraries lie in, as the library table's column ``table`` gives them.
    libraries_path
        The layer's library table.
    values_path, unmatched_path
        Targets: parquet of `Matched.values`, TSV of `Matched.unmatched`.
    """
    matched = match_libraries({str(path): read_npx(path) for path in tables}, read_table(libraries_path))
    matched.values.to_parquet(values_path, index=False)
    write_table(matched.unmatched, unmatched_path)


def measure(
    *,
    values_path: PathLike,
    hidden: Mapping[str, Any] | None,
    metrics_path: PathLike,
    assays_path: PathLike,
    controls_path: PathLike,
) -> None:
    """Write the metrics per library, the description per assay and the statistics of the controls.

    A bridge is a participant's sample of a visit that the table does not tell: of what is hidden (`hidden`), none of
    its values is shown.
    """
    values = pd.read_parquet(values_path)
    write_table(measure_libraries(values), metrics_path)
    write_table(describe_assays(values), assays_path)
    controls = describe_controls(values)
    if hidden is not None:
        telling = is_hidden(controls.set_index("olink_id"), "proteome", hidden)
        controls.loc[telling & controls["control"].str.startswith("bridge").to_numpy(), "median_npx"] = np.nan
    write_table(controls, controls_path)


def build(
    *,
    values_path: PathLike,
    libraries_path: PathLike,
    verdicts_path: PathLike,
    gene_sets_path: PathLike,
    drug_analytes_path: PathLike,
    accessions_path: PathLike,
    warned_values: str,
    hidden: Mapping[str, Any] | None,
    matrix_path: PathLike,
) -> None:
    """Write the AnnData of the libraries that passed, masked by `hidden`; see `matrix.build_proteome`."""
    accessions = read_table(accessions_path)
    data = build_proteome(
        pd.read_parquet(values_path),
        read_table(libraries_path),
        read_table(verdicts_path),
        warned_values=warned_values,
        definers=definer_symbols(read_table(gene_sets_path)),
        drugs=drug_symbols(read_table(drug_analytes_path), "protein"),
        accessions=dict(zip(accessions["symbol"], accessions["uniprot"], strict=True)),
    )
    mask_features(data, "proteome", hidden)
    write_h5ad(data, matrix_path)
