"""The rules of the integration: files in, files out."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad

from immunosep.integration.assemble import assemble, read_h5mu, read_layer, read_matrix, write_h5mu
from immunosep.integration.factors import (
    associate,
    factors_table,
    fit_cohort,
    observation_variables,
    variance_table,
    weights_table,
)
from immunosep.io import PathLike, read_table, write_h5ad, write_table
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


def mask_matrix(*, matrix: PathLike, layer: str, hidden: Mapping[str, Any], masked_path: PathLike) -> None:
    """Write a ready matrix without the telling features' later values.

    Only X, the layers, `obs`, `var` and `uns["immunosep"]` are carried over: what else a file may hold (`raw`,
    embeddings, graphs) was made from unmasked values.

    Parameters
    ----------
    matrix
        As in `assemble.read_matrix`.
    layer
        Name of the layer.
    hidden
        `blinding.hidden_features`.
    masked_path
        Target, `.h5ad`.
    """
    source = read_matrix(matrix)
    data = ad.AnnData(source.X, obs=source.obs.copy(), var=source.var.copy(), layers=dict(source.layers))
    if "immunosep" in source.uns:
        data.uns["immunosep"] = source.uns["immunosep"]
    mask_features(data, layer, hidden)
    write_h5ad(data, masked_path)


def fit_factors(
    *,
    joined_path: PathLike,
    factors: int,
    max_features: int,
    min_features: int,
    iterations: int,
    convergence: str,
    drop_r2: float,
    seed: int,
    model_path: PathLike,
    factors_path: PathLike,
    weights_path: PathLike,
    variance_path: PathLike,
) -> None:
    """Fit MOFA to all observations; write the model, the factors, the top weights and the variance explained.

    Parameters
    ----------
    joined_path
        MuData.
    factors, max_features, min_features, iterations, convergence, drop_r2
        Section `integration` of the configuration.
    seed
        Seed.
    model_path
        HDF5 of mofapy2, without the training data.
    factors_path, weights_path, variance_path
        Tables: observation, participant, visit_day, factor1, ...; layer, factor, rank, feature, symbol, weight; layer,
        factor (or `total`), r2.
    """
    data = read_h5mu(joined_path)
    fit, features = fit_cohort(
        data,
        factors=factors,
        max_features=max_features,
        min_features=min_features,
        iterations=iterations,
        convergence=convergence,
        drop_r2=drop_r2,
        seed=seed,
        save_to=model_path,
    )
    write_table(factors_table(data, fit), factors_path)
    write_table(weights_table(data, fit, features), weights_path)
    write_table(variance_table(fit), variance_path)


def associate_factors(
    *,
    joined_path: PathLike,
    factors_path: PathLike,
    participants_path: PathLike | None,
    associations_path: PathLike,
) -> None:
    """Test every factor against technical, clinical and label variables.

    Parameters
    ----------
    joined_path
        MuData; its obs holds the labels that the role may see.
    factors_path
        Table of `fit_factors`.
    participants_path
        Clinical table of participants, or None.
    associations_path
        Table: kind, variable, factor, test, n, groups, effect, p_value, q_value.
    """
    data = read_h5mu(joined_path)
    table = read_table(factors_path).set_index("observation").loc[data.obs_names]
    scores = table.filter(regex=r"^factor\d+$").astype(float)
    participants = read_table(participants_path) if participants_path else None
    write_table(associate(scores, observation_variables(data, participants)), associations_path)
