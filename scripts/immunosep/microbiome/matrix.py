"""Sequence variants and genera of the libraries that passed, as AnnData."""

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from immunosep.compositions import clr
from immunosep.layer import SCHEMA_VERSION, common_enough, passing_obs
from immunosep.microbiome.taxonomy import RANKS, genus_names

if TYPE_CHECKING:
    import anndata

logger = logging.getLogger(__name__)


def build_microbiome(
    counts: pd.DataFrame,
    taxonomy: pd.DataFrame,
    libraries: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    pseudocount: float,
) -> "anndata.AnnData":
    """Assemble the sequence variants of the libraries that passed quality control, all body sites.

    Parameters
    ----------
    counts
        Long: library, asv, count (int).
    taxonomy
        Indexed by ASV: sequence and ranks.
    libraries, verdicts
        See `layer.passing_obs`.
    pseudocount
        See `compositions.clr`.

    Returns
    -------
    anndata.AnnData
        Libraries x ASVs seen in them, both sorted. ``layers["counts"]`` int32; ``X`` CLR (float32) over these ASVs;
        ``var`` sequence and ranks. Body sites share no feature space: learn from the matrices per body site.
    """
    obs = passing_obs(libraries, verdicts)
    counts = counts[counts["library"].isin(obs.index)]
    var = taxonomy.loc[sorted(counts["asv"].unique()), ["sequence", *RANKS]]
    var.index.name = None
    matrix = np.zeros((len(obs), len(var)), dtype=np.int32)
    rows = obs.index.get_indexer(pd.Index(counts["library"]))
    columns = var.index.get_indexer(pd.Index(counts["asv"]))
    matrix[rows, columns] = counts["count"]
    return _compose(matrix, obs, var, "microbiome", "DADA2 sequence variants, CLR", pseudocount)


def build_body_site(
    data: "anndata.AnnData", body_site: str, *, pseudocount: float, min_prevalence: float
) -> tuple["anndata.AnnData", pd.DataFrame]:
    """Collapse the sequence variants of one body site to genera.

    Parameters
    ----------
    data
        See `build_microbiome`.
    body_site
        nares, oral or rectum.
    pseudocount
        See `compositions.clr`.
    min_prevalence
        A genus is kept when it has reads in at least this fraction of the libraries.

    Returns
    -------
    data
        Libraries x genera found in them, because the classifiers choose their genera from the training participants
        alone. ``layers["counts"]`` int32; ``X`` log-ratio (float32) to the geometric mean of the kept genera, which is
        the CLR of these; ``var`` ranks to genus, prevalence, kept.
    genera
        All genera of the body site: genus, family, reads, prevalence, kept (yes|no).
    """
    here = data[data.obs["specimen"] == body_site]
    names = genus_names(data.var).to_numpy()
    labels, codes = np.unique(names, return_inverse=True)
    membership = np.zeros((data.n_vars, len(labels)), dtype=np.int64)
    membership[np.arange(data.n_vars), codes] = 1
    counts = np.asarray(here.layers["counts"], dtype=np.int64) @ membership

    var = data.var.assign(name=names).drop_duplicates("name").set_index("name").loc[labels, list(RANKS[:6])]
    var.index.name = None
    seen = counts > 0
    var["prevalence"] = seen.sum(axis=0) / max(len(counts), 1)
    present = seen.any(axis=0)
    var["kept"] = common_enough(seen, min_prevalence)
    genera = pd.DataFrame(
        {
            "genus": labels,
            "family": var["family"].to_numpy(),
            "reads": counts.sum(axis=0),
            "prevalence": var["prevalence"].to_numpy(),
            "kept": np.where(var["kept"], "yes", "no"),
        }
    ).loc[np.flatnonzero(present)]
    if here.n_obs == 0:
        logger.warning("no library of %s passed quality control; its matrix is empty", body_site)
    matrix = counts[:, present].astype(np.int32)
    method = f"DADA2 variants summed by genus, CLR over the genera of prevalence at least {min_prevalence:g}"
    obs = here.obs.copy()
    return _compose(matrix, obs, var[present], f"microbiome_{body_site}", method, pseudocount), genera


def _compose(
    counts: np.ndarray, obs: pd.DataFrame, var: pd.DataFrame, layer: str, method: str, pseudocount: float
) -> "anndata.AnnData":
    import anndata

    kept = var["kept"].to_numpy() if "kept" in var else np.ones(len(var), dtype=bool)
    # Where no genus is common enough none is kept, and the ratios are those to all that were found.
    ratios = clr(counts, pseudocount, kept if kept.any() else None) if counts.size else counts.astype(np.float64)
    return anndata.AnnData(
        X=ratios.astype(np.float32),
        obs=obs,
        var=var,
        layers={"counts": counts},
        uns={
            "immunosep": {
                "schema_version": SCHEMA_VERSION,
                "layer": layer,
                "method": method,
                "frozen_upstream": "sequence variants of DADA2, inferred by sequencing run",
                "scale": "centred log-ratio (natural logarithm)",
                "pseudocount": pseudocount,
            }
        },
    )
