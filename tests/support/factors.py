"""Layers with planted factors, for the tests of the integration."""

import anndata
import numpy as np
import pandas as pd

OPTIONS = {
    "factors": 4,
    "max_features": 50,
    "min_features": 15,
    "iterations": 500,
    "convergence": "fast",
    "drop_r2": 0.01,
}


def planted_views(seed=0, samples=60, sizes=(80, 40, 25), factors=3):
    """Sparse weights, three factors, features far from zero; five samples lack the second view."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(samples, factors))
    views = {}
    for index, size in enumerate(sizes):
        weights = generator.normal(size=(size, factors)) * (generator.random((size, factors)) < 0.4)
        noise = generator.normal(size=(samples, size))
        views[f"view{index}"] = z @ weights.T + noise + generator.normal(size=size) * 20
    views["view1"][:5] = np.nan
    views["view0"][7, 3] = np.nan
    return views, z


def planted_layers():
    """Forty participants; one factor shared by two layers, a batch that shifts the second; a layer of five features.

    Returns the layers as their builders write them, the label table and the factor.
    """
    generator = np.random.default_rng(1)
    names = [f"GR01-{index:09d}-D01" for index in range(40)]
    factor, batch = generator.normal(size=40), np.arange(40) % 2
    layers = {}
    for name, size, rows in (("rna", 60, 40), ("proteome", 30, 35), ("flow", 5, 40)):
        values = generator.normal(size=(rows, size))
        values[:, :15] += 1.5 * factor[:rows, None]
        if name == "proteome":
            values[:, 15:] += 2.0 * batch[:rows, None]
        obs = pd.DataFrame(
            {"observation": names[:rows], "site": "GR01", "country": "GR", "batch": np.where(batch[:rows], "b1", "b2")},
            index=[f"{n}-{name}" for n in names[:rows]],
        )
        obs["qc_depth"] = np.arange(rows, dtype=float)
        var = pd.DataFrame({"symbol": [f"G{i}" for i in range(size)]}, index=[f"{name}_{i}" for i in range(size)])
        layers[name] = anndata.AnnData(values.astype(np.float32), obs=obs, var=var)
    labels = pd.DataFrame(
        {
            "participant": [n[:-4] for n in names],
            "response": np.where(factor > 0, "yes", "no"),
            "sofa_baseline": "9",
            "response_rule": names,
        }
    )
    return layers, labels, factor
