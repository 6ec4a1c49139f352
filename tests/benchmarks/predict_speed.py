"""How long `immunosep predict` takes on one new sample with the frozen model of a full-size trial, its start included.

Make the trial once, then run this on a quiet machine, from the project's folder::

    .venv/bin/immunosep simulate matrices --out TRIAL
    .venv/bin/python tests/benchmarks/predict_speed.py TRIAL SEALED [--task endotype] [--repeats 3]

It freezes the task's model with the settings of `config/config.yaml`, all layers, models and feature sets, takes the
day-1 sample of one participant in every layer, and runs the command on it. It ends with 1 where the best of the repeats
takes more than three seconds.

Measured on the endotype of a trial of 280, two cores: 2.3 to 2.5 s for all six layers and 55 predictions, 2.1 to 2.4 s
for one layer; 2.8 to 3.1 s while the same machine ran a third slower. Two seconds of it are the libraries' imports.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import pandas as pd  # noqa: E402

from immunosep.biomarkers.fold_steps import split_folds  # noqa: E402
from immunosep.biomarkers.steps import Choices, Sources, freeze_model  # noqa: E402
from immunosep.config import feature_filters, load_config  # noqa: E402
from immunosep.io import read_h5ad, write_h5ad, write_table  # noqa: E402

LIMIT_SECONDS = 3.0


def freeze(trial: Path, sealed: Path, task: str, folder: Path) -> Path:
    """Write the frozen model of a task of the trial; return its path."""
    config = load_config(ROOT / "config/config.yaml")
    matrices = {path.stem: path for path in sorted(trial.glob("*.h5ad"))}
    labels, people = trial / "labels.tsv", trial / "clinical/participants.tsv"
    split_folds(
        task_name=task, biomarkers=config["biomarkers"], seed=config["seed"], matrices=matrices, labels_path=labels,
        participants_path=people, kept_path=None, classes_path=folder / "classes.tsv", folds_path=folder / "folds.tsv",
        elsewhere_path=folder / "folds_elsewhere.tsv",
    )  # fmt: skip
    write_table(pd.DataFrame({"note": [""]}), folder / "performance.tsv")
    freeze_model(
        task_name=task,
        sources=Sources(matrices, labels, people, folder / "folds.tsv", sealed / "classification.tsv"),
        choices=Choices(config["biomarkers"], config["integration"], feature_filters(config), config["seed"]),
        epoch=0, shuffled=False, performance_path=folder / "performance.tsv", model_path=folder / "model.skops",
        training_path=folder / "training.tsv",
    )  # fmt: skip
    return folder / "model.skops"


def one_sample(trial: Path, folder: Path) -> list[str]:
    """Write the day-1 sample of a participant whom all layers have; return the command's arguments."""
    layers = {path.stem: read_h5ad(path) for path in sorted(trial.glob("*.h5ad"))}
    rows = {name: pd.Series(data.obs_names, index=data.obs["observation"].astype(str)) for name, data in layers.items()}
    first = [{name for name in own.index if name.endswith("-D01")} for own in rows.values()]
    everywhere = sorted(set.intersection(*first))
    arguments = []
    for name, data in layers.items():
        write_h5ad(data[[rows[name][everywhere[0]]]].copy(), folder / f"{name}.h5ad")
        arguments += ["--sample", f"{name}={folder / name}.h5ad"]
    return arguments


def main() -> None:
    """Freeze, then time the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", type=Path)
    parser.add_argument("sealed", type=Path, help="folder of the sealed tables, for no_definers_strict")
    parser.add_argument("--task", default="endotype")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT / "scripts")
    # As for anyone who has started the command once: modules are compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        started = time.perf_counter()
        model = freeze(arguments.trial, arguments.sealed, arguments.task, folder)
        frozen = time.perf_counter() - started
        command = [sys.executable, "-m", "immunosep.cli", "predict", "--model", str(model)]
        command += one_sample(arguments.trial, folder)
        walls = []
        for _ in range(arguments.repeats):
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            walls.append(time.perf_counter() - started)
        print(done.stdout[:1500], done.stderr[-1500:], sep="\n")
        size, said = model.stat().st_size / 1e6, len(done.stdout.splitlines()) - 1
        print(f"model frozen in {frozen / 60:.1f} min, {size:.1f} MB; {said} predictions")
        print(f"predict: {', '.join(f'{wall:.2f}' for wall in walls)} s")
    sys.exit(0 if done.returncode == 0 and min(walls) < LIMIT_SECONDS else 1)


if __name__ == "__main__":
    main()
