"""The rules of the integration: files in, files out."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad
import pandas as pd
from mudata import MuData

from immunosep.integration import starts
from immunosep.integration.assemble import assemble, read_h5mu, read_layer, read_matrix, write_h5mu
from immunosep.integration.consent import with_consent
from immunosep.integration.enrichment import enrich
from immunosep.integration.factors import associate, observation_variables
from immunosep.integration.flags import flag_features
from immunosep.integration.mefisto import TimeScale
from immunosep.integration.mixed_models import model_factors
from immunosep.integration.tables import factors_table, summarise_factors, variance_table, weights_table
from immunosep.integration.trajectories import trace
from immunosep.io import PathLike, atomic_path, read_clinical, read_table, write_h5ad, write_table
from immunosep.layer import kept_features
from immunosep.masking import mask_features

logger = logging.getLogger(__name__)


def assemble_layers(
    *, matrices: Sequence[PathLike], modalities: Sequence[str], labels_path: PathLike | None, joined_path: PathLike
) -> None:
    """Join layer matrices, reduced to the features that the cohort's filters kept, and labels in one MuData.

    Parameters
    ----------
    matrices, modalities
        Files (`assemble.read_layer`) and the name of each.
    labels_path
        Label table, already reduced to what the role may see; None for no labels.
    joined_path
        Target, `.h5mu`.
    """
    parts = {}
    for path, modality in zip(matrices, modalities, strict=True):
        parts.update({name: kept_features(data) for name, data in read_layer(path, modality).items()})
    write_h5mu(assemble(parts, read_table(labels_path) if labels_path else None), joined_path)


def admit_matrix(
    *,
    matrix: PathLike,
    layer: str,
    hidden: Mapping[str, Any] | None,
    participants_path: PathLike | None,
    gene_sets_path: PathLike,
    drug_analytes_path: PathLike,
    admitted_path: PathLike,
    left_out_path: PathLike,
) -> None:
    """Write a ready matrix as a run may use it: without rows that lack consent, features flagged, the telling masked.

    Only X, the layers, `obs`, `var` and `uns["immunosep"]` are carried over: what else a file may hold (`raw`,
    embeddings, graphs) was made from unmasked values.

    Parameters
    ----------
    matrix
        As in `assemble.read_matrix`.
    layer
        Name of the layer.
    hidden
        `blinding.hidden_features`; None where the role sees all.
    participants_path
        Clinical table of participants, or None. Whom it does not name stays.
    gene_sets_path, drug_analytes_path
        Tables of `resources/`, for what the matrix does not say of its features (`flags.flag_features`).
    admitted_path
        Target, `.h5ad`.
    left_out_path
        Target: observation, participant, visit_day and reason of the rows that were left out.
    """
    source = read_matrix(matrix)
    participants = read_clinical(participants_path, "participants") if participants_path else None
    source, left_out = with_consent(source, participants)
    data = ad.AnnData(source.X, obs=source.obs.copy(), var=source.var.copy(), layers=dict(source.layers))
    if "immunosep" in source.uns:
        data.uns["immunosep"] = source.uns["immunosep"]
    flag_features(data, layer, read_table(gene_sets_path), read_table(drug_analytes_path))
    mask_features(data, layer, hidden)
    write_h5ad(data, admitted_path)
    write_table(left_out, left_out_path)


def fit_start(*, joined_path: PathLike, seed: int, start: int, model_path: PathLike, **settings: Any) -> None:
    """Fit MOFA to all observations from one random start.

    Parameters
    ----------
    joined_path
        MuData.
    seed, start
        Seed of the configuration and number of the start.
    model_path
        Target: HDF5 of mofapy2, without the training data.
    settings
        As in `starts.fit_start`.
    """
    starts.fit_start(read_h5mu(joined_path), seed=starts.start_seed(seed, start), save_to=model_path, **settings)


def choose_start(
    *,
    joined_path: PathLike,
    start_paths: Sequence[PathLike],
    model_path: PathLike,
    factors_path: PathLike,
    weights_path: PathLike,
    variance_path: PathLike,
    stability_path: PathLike,
) -> None:
    """Keep the start with the highest bound; write its tables, and how far its factors come back in the others.

    Parameters
    ----------
    joined_path
        MuData.
    start_paths
        Models of `fit_start`, the first start first.
    model_path
        The model that is kept.
    factors_path, weights_path, variance_path, stability_path
        Tables: observation, participant, visit_day, factor1, ...; layer, factor, rank, feature, symbol, weight; layer,
        factor (or `total`), r2; `starts.stability_table`.
    """
    data = read_h5mu(joined_path)
    models = {number: starts.read_model(path) for number, path in enumerate(start_paths, start=1)}
    best = starts.best_start(models)
    logger.info("start %d is kept", best)
    write_table(factors_table(data, models[best]), factors_path)
    write_table(weights_table(data, models[best]), weights_path)
    write_table(variance_table(models[best]), variance_path)
    write_table(starts.stability_table(models, best), stability_path)
    with atomic_path(model_path) as temporary:
        shutil.copyfile(start_paths[best - 1], temporary)


def associate_factors(
    *,
    joined_path: PathLike,
    factors_path: PathLike,
    variance_path: PathLike,
    stability_path: PathLike,
    participants_path: PathLike | None,
    associations_path: PathLike,
    summary_path: PathLike,
) -> None:
    """Test every factor against technical, clinical and label variables, and sum every factor up in one line.

    Parameters
    ----------
    joined_path
        MuData; its obs holds the labels that the role may see.
    factors_path, variance_path, stability_path
        Tables of `choose_start`.
    participants_path
        Clinical table of participants, or None.
    associations_path
        Table of `factors.associate`.
    summary_path
        Table of `tables.summarise_factors`.
    """
    data = read_h5mu(joined_path)
    scores = _read_scores(factors_path, data)
    participants = read_clinical(participants_path, "participants") if participants_path else None
    associations = associate(scores, observation_variables(data, participants), data.obs["participant"])
    variance = read_table(variance_path).astype({"r2": float})
    stability = read_table(stability_path).astype({"r": float})
    write_table(associations, associations_path)
    write_table(summarise_factors(variance, stability, associations), summary_path)


def enrich_weights(
    *, joined_path: PathLike, model_path: PathLike, gene_sets_path: PathLike, enrichment_path: PathLike
) -> None:
    """Test gene sets against the weights of every factor and layer.

    Parameters
    ----------
    joined_path
        MuData.
    model_path
        Model of `choose_start`.
    gene_sets_path
        `resources/gene_sets.tsv`.
    enrichment_path
        Table of `enrichment.enrich`.
    """
    found = enrich(read_h5mu(joined_path), starts.read_model(model_path), read_table(gene_sets_path))
    write_table(found, enrichment_path)


def model_courses(
    *, joined_path: PathLike, factors_path: PathLike, group: str | None, time: TimeScale, models_path: PathLike
) -> None:
    """Fit a mixed model over the visits to every factor.

    Parameters
    ----------
    joined_path
        MuData; its obs holds the labels that the role may see.
    factors_path
        Table of `choose_start`.
    group
        Label whose values are compared; None for no comparison.
    time
        How days become time (`mefisto.time_scale`).
    models_path
        Table of `mixed_models.model_factors`.
    """
    data = read_h5mu(joined_path)
    groups = data.obs[group] if group and group in data.obs else None
    days = pd.to_numeric(data.obs["visit_day"]).to_numpy(dtype=float)
    scores = _read_scores(factors_path, data)
    write_table(model_factors(scores, days, data.obs["participant"], groups, time=time), models_path)


def trace_trajectories(
    *,
    joined_path: PathLike,
    factors_path: PathLike,
    trajectories_path: PathLike,
    summary_path: PathLike,
    seed: int,
    **settings: Any,
) -> None:
    """Follow everybody's factors over the visits with MEFISTO, or say why not.

    Parameters
    ----------
    joined_path
        MuData.
    factors_path
        Table of `choose_start`.
    trajectories_path, summary_path
        Tables of `trajectories.trace`.
    seed
        Seed of the configuration.
    settings
        As in `trajectories.trace`.
    """
    data = read_h5mu(joined_path)
    trajectories, summary = trace(data, _read_scores(factors_path, data), seed=seed, **settings)
    write_table(trajectories, trajectories_path)
    write_table(summary, summary_path)


def _read_scores(path: PathLike, data: MuData) -> pd.DataFrame:
    """Return the factors of the observations, in the order of the MuData."""
    table = read_table(path).set_index("observation").loc[data.obs_names]
    return table.filter(regex=r"^factor\d+$").astype(float)
