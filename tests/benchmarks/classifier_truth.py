"""What the classifiers find of the planted signal on a full-size simulated trial, and how long one repeat takes.

Make the trial once, then run this on a quiet machine, from the project's folder::

    .venv/bin/immunosep simulate matrices --help
    .venv/bin/python tests/benchmarks/classifier_truth.py TRIAL [--sealed DIR] [--task endotype] [--repeats 10 --jobs 2]

TRIAL is the folder of the simulated matrices with `truth/bayes.tsv`, the AUROC of the score that the classes were drawn
from: no classifier can be expected above it. With the settings of `config/config.yaml` the script evaluates
`--repeats` repeats of the outer folds, `--jobs` at once, with all models and feature sets of the task. It prints the
AUROC, that of the planted score and the calibration slope, then the time.

Measured on the endotype of a trial of 280 (six matrices, three feature sets, twenty models each) over all ten repeats.
The planted score has an AUROC of 0.971; rna 0.969, trees on rna 0.966, mofa 0.965, atac 0.963, late fusion and clinical
plus omics 0.960, early fusion 0.959, proteome 0.957, missingness 0.50. Calibration slopes, means of one repeat's: mofa
1.01, early fusion, atac and proteome 0.97, rna 0.95, late fusion 0.94, genera 0.83 to 0.85, trees 1.02 to 1.08, those
on the genera of nares 1.20. A repeat took 193 to 209 s of processor time and 2.2 GB: 17 minutes for ten, two at once.

On its SOFA response, all ten repeats: planted 0.787; clinical plus omics 0.783, rna and mofa 0.782, late fusion 0.778,
proteome 0.773, early fusion 0.766, clinical 0.647, missingness 0.49; slopes 0.82 to 1.19 in every model with signal,
late fusion 0.96. A repeat took 59 to 68 s: 5.4 minutes for ten, two at once.

The figures of the response are of pairs within a test fold; those of the endotype are of the scores averaged over
repeats, as the table had them before. Two repeats by pairs: rna 0.971, mofa 0.967, late fusion 0.963.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

# As a job of one thread has it.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import pandas as pd  # noqa: E402

from immunosep.biomarkers.evaluate import performance_table  # noqa: E402
from immunosep.biomarkers.fold_steps import split_folds  # noqa: E402
from immunosep.biomarkers.steps import Choices, Sources, evaluate_one_repeat  # noqa: E402
from immunosep.config import feature_filters, load_config  # noqa: E402


def main() -> None:
    """Evaluate one repeat and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", type=Path)
    parser.add_argument("--sealed", type=Path, help="folder of the sealed tables, for no_definers_strict")
    parser.add_argument("--task", default="endotype")
    parser.add_argument("--repeats", type=int, default=1, help="repeats of the outer folds; default 1")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once; default 1")
    parser.add_argument("--layers", nargs="*", help="default: all matrices of the trial")
    parser.add_argument("--comparators", nargs="*", help="default: those of the configuration")
    arguments = parser.parse_args()
    config = load_config(ROOT / "config/config.yaml")
    task = config["biomarkers"]["tasks"][arguments.task]
    task["comparators"] = arguments.comparators or task["comparators"]
    matrices = {path.stem: path for path in sorted(arguments.trial.glob("*.h5ad"))}
    matrices = {name: path for name, path in matrices.items() if not arguments.layers or name in arguments.layers}
    with tempfile.TemporaryDirectory() as folder:
        folds = Path(folder) / "folds.tsv"
        labels, people = arguments.trial / "labels.tsv", arguments.trial / "clinical/participants.tsv"
        split_folds(
            task_name=arguments.task,
            biomarkers=config["biomarkers"],
            seed=config["seed"],
            matrices=matrices,
            labels_path=labels,
            participants_path=people,
            kept_path=None,
            classes_path=Path(folder) / "classes.tsv",
            folds_path=folds,
            elsewhere_path=Path(folder) / "folds_elsewhere.tsv",
        )
        sources = Sources(
            matrices,
            labels,
            people,
            folds,
            arguments.sealed / "classification.tsv" if arguments.sealed else None,
        )
        choices = Choices(config["biomarkers"], config["integration"], feature_filters(config), config["seed"])
        start = time.perf_counter()
        parts = [Path(folder) / f"{repeat}.tsv" for repeat in range(1, arguments.repeats + 1)]
        with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
            seconds = list(pool.map(partial(evaluate, arguments.task, sources, choices), parts))
        wall = time.perf_counter() - start
        table = pd.concat([pd.read_csv(part, sep="\t", dtype={"participant": str}) for part in parts])
    truth = pd.read_csv(arguments.trial / "truth/bayes.tsv", sep="\t").set_index("task")["auroc"]
    performance = performance_table(table, arguments.task, bootstrap=200, seed=1)
    columns = ["model", "feature_set", "class", "n", "auroc", "auroc_low", "auroc_high", "calibration_slope"]
    print(performance[columns].assign(planted=truth.get(arguments.task)).round(3).to_string(index=False))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{arguments.repeats} repeats, {arguments.jobs} at once: {wall / 60:.1f} min; processor time of one")
    print(f"{min(seconds):.0f} to {max(seconds):.0f} s; {peak:.0f} MB each at the most")


def evaluate(task: str, sources: Sources, choices: Choices, target: Path) -> float:
    """Evaluate one repeat, as the rule does, in a process of its own; return its seconds of processor time."""
    begun = time.process_time()
    evaluate_one_repeat(task_name=task, repeat=target.stem, sources=sources, choices=choices, predictions_path=target)
    return time.process_time() - begun


if __name__ == "__main__":
    main()
