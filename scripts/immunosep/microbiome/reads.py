"""Reads from step to step: metrics of the libraries, blanks and mocks, what was dropped."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunosep.compositions import bray_curtis, closure
from immunosep.io import PathLike
from immunosep.layer import controls, metric_table, samples
from immunosep.microbiome.taxonomy import RANKS

STEPS = ("raw", "with_primers", "filtered", "denoised_forward", "denoised_reverse", "merged", "nonchimeric", "kept")
# Genera listed for a control: enough to name a contamination.
TOP_GENERA = 5


def count_steps(reports: Iterable[tuple[str, int, int]], tracking: pd.DataFrame) -> pd.DataFrame:
    """Add up the reads of each library from step to step over its runs.

    Parameters
    ----------
    reports
        (library, read pairs, pairs with both primers), one per library and run.
    tracking
        Tables of `denoise_run`, concatenated: library, filtered, denoised_forward, denoised_reverse, merged.

    Returns
    -------
    pandas.DataFrame
        Indexed by library: the steps up to merged, int.
    """
    primers = pd.DataFrame(list(reports), columns=["library", "raw", "with_primers"])
    numbers = tracking.set_index("library").astype("int64")
    steps = primers.groupby("library").sum().join(numbers.groupby("library").sum(), how="outer")
    return steps.fillna(0).astype("int64")


def read_primer_report(path: PathLike) -> tuple[str, int, int]:
    """Read library, read pairs and pairs with both primers from a cutadapt report named ``<library>.cutadapt.json``."""
    counts = json.loads(Path(path).read_text(encoding="utf-8"))["read_counts"]
    return Path(path).name.removesuffix(".cutadapt.json"), counts["input"], counts["output"]


def measure_libraries(steps: pd.DataFrame, counts: pd.DataFrame, libraries: pd.DataFrame) -> pd.DataFrame:
    """Measure each sample library.

    Parameters
    ----------
    steps
        Reads per step (`STEPS`), indexed by library.
    counts
        Long: library, asv, count (int) of the sequence variants that stay.
    libraries
        The layer's library table.

    Returns
    -------
    pandas.DataFrame
        Long: library, metric, value. ``reads_<body site>``: bacterial reads after chimera removal, for the library's
        own body site only. ``primer_fraction``, ``merged_fraction`` (of filtered), ``nonchimeric_fraction`` (of
        merged), ``bacterial_fraction`` (of nonchimeric); a fraction of nothing has no row. ``observed_asvs``,
        ``shannon`` (nats).
    """
    own = samples(libraries).set_index("library")
    reads = steps.reindex(own.index)
    metrics = pd.DataFrame(
        {f"reads_{place}": reads["kept"].where(own["specimen"] == place) for place in sorted(own["specimen"].unique())}
    )
    for name, part, whole in (
        ("primer_fraction", "with_primers", "raw"),
        ("merged_fraction", "merged", "filtered"),
        ("nonchimeric_fraction", "nonchimeric", "merged"),
        ("bacterial_fraction", "kept", "nonchimeric"),
    ):
        metrics[name] = reads[part] / reads[whole].where(reads[whole] > 0)
    fraction = counts["count"] / counts.groupby("library")["count"].transform("sum")
    metrics["observed_asvs"] = counts.groupby("library")["asv"].nunique().reindex(own.index, fill_value=0)
    metrics["shannon"] = -(fraction * np.log(fraction)).groupby(counts["library"]).sum()
    return metric_table(metrics)


def describe_controls(
    steps: pd.DataFrame, genera: pd.DataFrame, libraries: pd.DataFrame, mock: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Describe blanks and mocks.

    Parameters
    ----------
    steps
        Reads per step, indexed by library.
    genera
        Counts, libraries x genera; a library without reads may be absent.
    libraries
        The layer's library table.
    mock
        Expected composition of the positive controls (genus, fraction), or None.

    Returns
    -------
    pandas.DataFrame
        library, sample_type, batch, plate, well, measure, genus, value, expected. Measures: the reads of each step;
        ``fraction`` of the five commonest genera, and of every expected genus for a positive control; ``bray_curtis``
        between a positive control and the expected composition.
    """
    own = controls(libraries)
    expected = None if mock is None else mock.set_index("genus")["fraction"].astype("float64")
    rows = [row for control in own.itertuples() for row in _control_rows(control, steps, genera, expected)]
    table = pd.DataFrame(rows, columns=["library", "measure", "genus", "value", "expected"])
    keys = ["library", "sample_type", "batch", "plate", "well"]
    return own[keys].merge(table, on="library", how="inner", validate="one_to_many")


def _control_rows(
    control: Any, steps: pd.DataFrame, genera: pd.DataFrame, expected: pd.Series | None
) -> Iterable[tuple[str, str, str, float, float]]:
    name = control.library
    reads = steps.loc[name]
    for step in STEPS:
        yield name, f"reads_{step}", "", float(reads[step]), np.nan
    counts = genera.loc[name] if name in genera.index else pd.Series(0, index=genera.columns)
    fractions = pd.Series(closure(counts), index=counts.index)
    commonest = fractions[fractions > 0].nlargest(TOP_GENERA).index
    if expected is None or control.sample_type != "positive_control":
        yield from ((name, "fraction", genus, fractions[genus], np.nan) for genus in commonest)
        return
    both = pd.DataFrame({"found": fractions, "expected": expected}).fillna(0)
    listed = both.loc[commonest.union(expected.index, sort=False)]
    yield from (
        (name, "fraction", str(genus), *pair) for genus, pair in zip(listed.index, listed.to_numpy(), strict=True)
    )
    yield name, "bray_curtis", "", bray_curtis(both["found"], both["expected"]), np.nan


def describe_dropped(counts: pd.DataFrame, taxonomy: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """List the sequence variants that leave.

    Parameters
    ----------
    counts
        Long: library, asv, count (int) of all sequence variants.
    taxonomy, reasons
        See `taxonomy.clean_taxonomy` and `taxonomy.drop_reasons`.

    Returns
    -------
    pandas.DataFrame
        asv, reason, length, reads, libraries and the ranks; not the sequence, which may be the patient's own.
    """
    table = taxonomy[list(RANKS)].assign(
        reason=reasons,
        length=taxonomy["sequence"].str.len(),
        reads=counts.groupby("asv")["count"].sum(),
        libraries=counts.groupby("asv")["library"].nunique(),
    )
    table = table[reasons != ""]
    first = ["reason", "length", "reads", "libraries"]
    return table[[*first, *RANKS]].sort_index().reset_index()
