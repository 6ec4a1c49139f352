"""The RNA layer as AnnData: counts, variance-stabilised values, QC."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from pydeseq2.dds import DeseqDataSet
from scipy.stats import trim_mean

from immunosep.errors import InputError
from immunosep.genes import read_genes
from immunosep.io import PathLike, read_h5ad, read_table, write_h5ad, write_table
from immunosep.layer import SCHEMA_VERSION, common_enough, passing_obs
from immunosep.masking import mask_features

logger = logging.getLogger(__name__)

# Below this number of libraries no trend of the dispersion can be estimated.
MIN_LIBRARIES = 3


class Stabilised(NamedTuple):
    """Variance-stabilised counts.

    Attributes
    ----------
    values
        Shape (libraries, genes), log2 scale.
    size_factors
        Shape (libraries,).
    method
        Of the size factors: ``ratio`` or ``poscounts``.
    trend
        Of the dispersion: ``parametric``, or ``mean`` where no trend could be fitted.
    """

    values: npt.NDArray[np.float64]
    size_factors: npt.NDArray[np.float64]
    method: str
    trend: str


def build_rna(
    counts: PathLike,
    genes: PathLike,
    libraries: PathLike,
    verdicts: PathLike,
    min_count: int,
    min_fraction: float,
    threads: int,
    hidden: Mapping[str, Any] | None,
    matrix_path: PathLike,
    genes_path: PathLike,
) -> None:
    """Write the AnnData of the passing libraries and the list of genes with what became of each.

    The matrix holds every gene with a count in any passing library, because the classifiers choose their genes from the
    training participants alone; `var["kept"]` is the choice over the whole cohort, for all that describes the cohort.

    Parameters
    ----------
    counts
        `.h5ad` of `count_genes`, all libraries.
    genes
        Table of genes.
    libraries, verdicts
        Library table and verdicts of the layer.
    min_count, min_fraction
        A gene is kept when it reaches `min_count` in this fraction of the passing libraries. Globin genes are flagged
        and take no part in the size factors.
    threads
        Processes for the dispersion estimates; the result does not depend on it.
    hidden
        What is masked after the first dose (`blinding.hidden_features`), or None.
    matrix_path
        Target `.h5ad`: `layers["counts"]` raw counts, `X` variance-stabilised (log2 scale), the transformation fitted
        on the kept genes.
    genes_path
        Target table: gene_id, symbol, n_libraries (that reach `min_count`), kept.
    """
    obs = passing_obs(read_table(libraries), read_table(verdicts))
    _require_libraries(len(obs))
    everything = read_h5ad(counts)[obs.index]
    var = read_genes(genes).loc[everything.var_names]
    values = np.asarray(everything.X)
    reached = values >= max(min_count, 1)
    kept = common_enough(reached, min_fraction)
    if not (kept & ~var["globin"].to_numpy()).any():
        raise InputError(
            f"RNA: no gene reaches {min_count} reads in {min_fraction:.0%} of the {len(obs)} libraries that passed QC. "
            "Check that the transcriptome is the sample's species, or lower layers.rna.min_count and min_fraction."
        )
    table = (
        var[["symbol"]]
        .assign(n_libraries=reached.sum(axis=0), kept=np.where(kept, "yes", "no"))
        .rename_axis("gene_id")
        .reset_index()
    )
    found = values.any(axis=0)
    values, kept = values[:, found], kept[found]
    var = var.loc[found].assign(kept=kept)
    stable = stabilise(values, ~var["globin"].to_numpy(), kept, threads)
    data = ad.AnnData(
        X=stable.values.astype(np.float32),
        obs=obs.assign(size_factor=stable.size_factors),
        var=var.rename_axis(None),
        layers={"counts": values.astype(np.int32)},
        uns={
            "immunosep": {
                "schema_version": SCHEMA_VERSION,
                "layer": "rna",
                "scale": "variance-stabilised counts (log2), fitted on the kept genes",
                "frozen_upstream": "nothing, counts are made library by library",
                "size_factors": f"{stable.method}, globin genes left out",
                "dispersion_trend": stable.trend,
                "min_count": min_count,
                "min_fraction": min_fraction,
            }
        },
    )
    logger.info("%d libraries, %d genes of %d with a count, %d kept", *data.shape, everything.n_vars, kept.sum())
    mask_features(data, "rna", hidden)
    write_h5ad(data, matrix_path)
    write_table(table, genes_path)


def _require_libraries(n: int) -> None:
    if n < MIN_LIBRARIES:
        raise InputError(
            f"RNA: {n} libraries passed QC, and the variance-stabilising transformation needs at least "
            f"{MIN_LIBRARIES}. See results/qc/rna_verdicts.tsv for the reasons, or set layers.rna.enabled: false."
        )


def stabilise(
    counts: npt.NDArray[np.integer],
    controls: npt.NDArray[np.bool_],
    fitted: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Stabilised:
    """Apply DESeq2's variance-stabilising transformation, blind to every design.

    Size factors are medians of ratios over the control genes. Where each of them has a zero in some library, which
    happens in large cohorts, DESeq2's ``poscounts`` takes the place of the ratio method.

    Parameters
    ----------
    counts
        Shape (libraries, genes); no library is all zero.
    controls
        Shape (genes,). Genes that the size factors rest on, as far as they are fitted.
    fitted
        Shape (genes,). Genes that the size factors and the trend are estimated from; None: all. Rare genes would bend
        the trend. It is a function of the normalised count alone, so that it serves the other genes as well. No fitted
        gene is all zero.
    threads
        Processes for the dispersion estimates.

    Returns
    -------
    Stabilised
        Values, size factors and how both came about.

    Raises
    ------
    InputError
        When there are fewer than three libraries or one has no count in a control gene.

    References
    ----------
    Anders and Huber 2010, doi 10.1186/gb-2010-11-10-r106; PyDESeq2, doi 10.1093/bioinformatics/btad547.
    """
    _require_libraries(len(counts))
    if fitted is None:
        fitted = np.ones(counts.shape[1], dtype=bool)
    basis, controls = counts[:, fitted], controls[fitted]
    empty = np.flatnonzero(basis[:, controls].sum(axis=1) == 0)
    if len(empty):
        raise InputError(
            f"RNA: {len(empty)} of the libraries that passed QC have no read in any gene but globin. "
            "Set fail_below for qc.rna.detected_genes so that they are left out."
        )
    method = "ratio" if (basis[:, controls] > 0).all(axis=0).any() else "poscounts"
    index = [str(row) for row in range(len(counts))]
    dataset = DeseqDataSet(
        counts=pd.DataFrame(basis, index=index, columns=[str(gene) for gene in range(basis.shape[1])]),
        metadata=pd.DataFrame({"all": ["one"] * len(counts)}, index=index),
        design="~1",
        size_factors_fit_type=method,
        control_genes=np.flatnonzero(controls),
        n_cpus=threads,
        quiet=True,
    )
    with warnings.catch_warnings():
        # PyDESeq2 then goes on with the mean dispersion; the log and `uns` say so.
        warnings.filterwarnings("ignore", message="The dispersion trend curve fitting did not converge")
        dataset.vst(use_design=False)
    logger.info("size factors by %s, dispersion trend: %s", method, dataset.vst_fit_type)
    size_factors = dataset.obs["size_factors"].to_numpy(dtype=np.float64)
    values = np.empty(counts.shape)
    values[:, fitted] = dataset.layers["vst_counts"]
    values[:, ~fitted] = transform(counts[:, ~fitted] / size_factors[:, None], dataset)
    return Stabilised(values, size_factors, method, dataset.vst_fit_type)


def transform(normalised: npt.NDArray[np.float64], dataset: DeseqDataSet) -> npt.NDArray[np.float64]:
    """Apply a fitted transformation to genes that it was not fitted on, which PyDESeq2 itself does not offer.

    Parameters
    ----------
    normalised
        Counts over size factors, shape (libraries, genes).
    dataset
        After `DeseqDataSet.vst`.

    Returns
    -------
    numpy.ndarray
        log2 scale, the same formula as for the fitted genes; finite for a count of zero.
    """
    if dataset.vst_fit_type == "parametric":
        # The trend is dispersion = a0 + a1 / mean.
        a0, a1 = dataset.uns["vst_trend_coeffs"]
        scaled = a0 * normalised
        return np.asarray(np.log2((1 + a1 + 2 * scaled + 2 * np.sqrt(scaled * (1 + a1 + scaled))) / (4 * a0)))
    dispersions = dataset.var["vst_genewise_dispersions"].to_numpy()
    mean = trim_mean(dispersions[dispersions > 10 * dataset.min_disp], proportiontocut=0.001)
    return np.asarray((2 * np.arcsinh(np.sqrt(mean * normalised)) - np.log(4 * mean)) / np.log(2))
