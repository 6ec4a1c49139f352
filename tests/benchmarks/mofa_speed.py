"""How long MOFA and MEFISTO take on a full trial, and how much memory.

Run it on a quiet machine, from the project's folder::

    .venv/bin/python tests/benchmarks/mofa_speed.py [--participants 280] [--factors 15] [--folder DIR]

It makes the full-size synthetic trial (`immunosep simulate matrices`) in DIR (default: a temporary folder; what is
there is used again), joins five layers of 2,000 to 5,000 features on every planned visit (280 participants x 8 visits
are 2,240 observations; a visit that was not sampled takes a sample of somebody else's, so that the matrices are as full
as they can be), and runs one start of MOFA and the trajectories in processes of their own with two threads. It prints
wall time and peak memory, and ends with 1 where the MOFA needs more than 10 minutes or 6 GB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import anndata as ad  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

DAYS = (1, 2, 4, 7, 15, 21, 28, 90)
LAYERS = {"rna": 5000, "atac": 5000, "proteome": 3000, "methylation": 2000, "metabolome": 2000}
LIMIT_SECONDS, LIMIT_MB = 600, 6000
MEFISTO = {"factors": 5, "max_features": 1000, "max_observations": 400, "min_visits": 3, "min_participants": 20}
OPTIONS = {"max_features": 5000, "min_features": 15, "iterations": 1000, "convergence": "fast", "drop_r2": 0.01}


def join(trial, participants, target):
    """Write a MuData with every planned visit in every layer; layers that the simulator has not are cut from atac."""
    from immunosep.integration.assemble import assemble, to_observations, write_h5mu

    generator = np.random.default_rng(1)
    names = [f"GR01-{person:09d}-D{day:02d}" for person in range(participants) for day in DAYS]
    layers, taken = {}, 0
    for name, size in LAYERS.items():
        path = trial / f"{name}.h5ad"
        source = ad.read_h5ad(path if path.exists() else trial / "atac.h5ad", backed="r")
        first = 0 if path.exists() else taken
        columns = slice(first, first + size)
        taken = taken if path.exists() and name != "atac" else first + size
        filled = generator.integers(source.n_obs, size=len(names))
        values = np.asarray(source[:, columns].to_memory().X, dtype=np.float32)[filled]
        values += generator.normal(scale=0.1, size=values.shape).astype(np.float32)
        obs = pd.DataFrame({"observation": names}, index=[f"{row}-{name}" for row in names])
        var = pd.DataFrame(index=[f"{name}{column}" for column in range(values.shape[1])])
        layers[name] = to_observations(ad.AnnData(values, obs=obs, var=var), name, name)
    write_h5mu(assemble(layers), target)


def fit(folder, factors):
    from immunosep.integration.steps import choose_start, fit_start

    joined, model = folder / "m.h5mu", folder / "1.hdf5"
    fit_start(joined_path=joined, seed=1, start=1, model_path=model, factors=factors, **OPTIONS)
    tables = {f"{name}_path": folder / f"{name}.tsv" for name in ("factors", "weights", "variance", "stability")}
    choose_start(joined_path=joined, start_paths=[model], model_path=folder / "mofa.hdf5", **tables)


def trace(folder):
    from immunosep.integration.steps import trace_trajectories

    paths = {"trajectories_path": folder / "trajectories.tsv", "summary_path": folder / "mefisto.tsv"}
    settings = {**MEFISTO, "min_features": 15, "iterations": 200, "drop_r2": 0.01, "time": "log2"}
    trace_trajectories(joined_path=folder / "m.h5mu", factors_path=folder / "factors.tsv", seed=1, **paths, **settings)


def measure(step, folder, factors):
    """Run a step in a process of its own; return its seconds and peak megabytes."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), "--factors", str(factors)]
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(command, env={**os.environ, **threads}, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=280)
    parser.add_argument("--factors", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=["mofa", "mefisto"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        begun = time.monotonic()
        fit(options.folder, options.factors) if options.step == "mofa" else trace(options.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": time.monotonic() - begun, "mb": peak}))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "trial/truth").exists():
            from immunosep.simulate.matrices import simulate_matrices

            simulate_matrices(folder / "trial", options.participants, 1)
        if not (folder / "m.h5mu").exists():
            join(folder / "trial", options.participants, folder / "m.h5mu")
        print(f"{options.participants * len(DAYS)} observations, features {LAYERS}, {options.factors} factors")
        slow = False
        for step in ("mofa", "mefisto"):
            found = measure(step, folder, options.factors)
            print(f"{step}: {found['seconds']:.0f} s, {found['mb']:.0f} MB")
            slow |= step == "mofa" and (found["seconds"] > LIMIT_SECONDS or found["mb"] > LIMIT_MB)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
