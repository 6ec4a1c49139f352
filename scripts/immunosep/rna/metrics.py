"""Quality metrics of the RNA libraries."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.genes import read_genes
from immunosep.io import PathLike, read_h5ad, read_table, write_table
from immunosep.layer import metric_table

logger = logging.getLogger(__name__)

# A gene is detected from this number of reads on (the count behind the thresholds of detected_genes).
DETECTION_COUNT = 10


def measure_rna(
    counts: PathLike,
    genes: PathLike,
    libraries: PathLike,
    names: Sequence[str],
    fastp: Sequence[PathLike],
    meta: Sequence[PathLike],
    formats: Sequence[PathLike],
    metrics_path: PathLike,
) -> None:
    """Write the metrics of all libraries as a long table: library, metric, value.

    Parameters
    ----------
    counts
        `.h5ad` of `count_genes`.
    genes
        Table of genes.
    libraries
        Library table of the layer, for the strandedness that the manifest declares.
    names
        Names of the libraries.
    fastp, meta, formats
        Per library, in the order of `names`: the report of fastp, salmon's `meta_info.json` and
        `lib_format_counts.json`.
    metrics_path
        Target.
    """
    data = read_h5ad(counts)
    declared = read_table(libraries).set_index("library")["strandedness"].reindex(list(names)).fillna("")
    reads = pd.DataFrame(
        [
            read_metrics(_read_json(report), _read_json(info), _read_json(strands), wanted)
            for report, info, strands, wanted in zip(fastp, meta, formats, declared, strict=True)
        ],
        index=list(names),
    )
    metrics = reads.join(count_metrics(data[list(names)].to_df(), read_genes(genes)))
    write_table(metric_table(metrics), metrics_path)


def _read_json(path: PathLike) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return content


def read_metrics(
    fastp: Mapping[str, Any], meta: Mapping[str, Any], formats: Mapping[str, Any], declared: str
) -> dict[str, float]:
    """Compute the metrics of one library that follow from the reports of fastp and salmon.

    Parameters
    ----------
    fastp
        fastp's JSON report.
    meta
        salmon's `meta_info.json`.
    formats
        salmon's `lib_format_counts.json`.
    declared
        Library type that the manifest declares, in salmon's letters (``ISR``, ``U``); empty: not declared.

    Returns
    -------
    dict
        read_pairs (fragments before trimming), passed_fraction (of them, after trimming), duplication_fraction (fastp's
        estimate), mapped_fraction (of the fragments given to salmon; 0 where there were none), strand_agreement.
    """
    summary = fastp["summary"]
    paired = "read2_before_filtering" in fastp
    raw = summary["before_filtering"]["total_reads"]
    processed = meta["num_processed"]
    return {
        "read_pairs": raw // 2 if paired else raw,
        "passed_fraction": summary["after_filtering"]["total_reads"] / raw if raw else 0.0,
        "duplication_fraction": fastp["duplication"]["rate"] if raw else np.nan,
        "mapped_fraction": meta["num_mapped"] / processed if processed else 0.0,
        "strand_agreement": strand_agreement(formats, declared),
    }


def strand_agreement(formats: Mapping[str, Any], declared: str) -> float:
    """Measure how well the strands of the mapped reads fit the declared library type.

    Parameters
    ----------
    formats
        salmon's `lib_format_counts.json`: numbers of fragments by orientation. Where salmon settles on a stranded type
        it leaves out the other strand, so that the value is 0 or 1; where it does not, the value lies between.
    declared
        Declared library type in salmon's letters.

    Returns
    -------
    float
        For a stranded type the fraction of fragments on the declared strand; for an unstranded type 1 minus the
        absolute difference of the two strands' fractions; NaN where nothing is declared or no strand was seen.
    """
    forward = sum(formats.get(kind, 0) for kind in ("ISF", "OSF", "MSF", "SF"))
    reverse = sum(formats.get(kind, 0) for kind in ("ISR", "OSR", "MSR", "SR"))
    if not declared or forward + reverse == 0:
        return float("nan")
    share = forward / (forward + reverse)
    if declared.endswith("U"):
        return 1.0 - abs(2.0 * share - 1.0)
    return share if declared.endswith("F") else 1.0 - share


def count_metrics(counts: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Compute the metrics that follow from the gene counts.

    Parameters
    ----------
    counts
        Libraries x genes.
    genes
        Table of genes, indexed by gene_id, with the flags globin and mitochondrial.

    Returns
    -------
    pandas.DataFrame
        Per library: assigned_fragments (without globin), globin_fraction, mitochondrial_fraction (of the fragments
        assigned to any gene; NaN where there are none), detected_genes (at least 10 fragments, without globin).
    """
    flags = genes.reindex(counts.columns)
    globin = flags["globin"].to_numpy(dtype=bool)
    mitochondrial = flags["mitochondrial"].to_numpy(dtype=bool)
    values = counts.to_numpy()
    total = values.sum(axis=1, dtype="int64")

    def fraction(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        part = values[:, mask].sum(axis=1, dtype="int64")
        return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)

    return pd.DataFrame(
        {
            "assigned_fragments": values[:, ~globin].sum(axis=1, dtype="int64"),
            "globin_fraction": fraction(globin),
            "mitochondrial_fraction": fraction(mitochondrial),
            "detected_genes": (values[:, ~globin] >= DETECTION_COUNT).sum(axis=1),
        },
        index=counts.index,
    )
