"""What the surrogacy stage makes of simulated trials in which one marker carries the whole effect of each drug.

Run it from the project's folder, some minutes a trial::

    .venv/bin/python tests/benchmarks/surrogates_truth.py [--trials 3] [--participants 280]

In the simulator people answer to their drug more or less, SOFA falls with that answer, and so do the genes of one
signature: IL1_response under anakinra in MALS, IFNG_response and MHCII under interferon-gamma in SII. These are perfect
surrogates, measured with little noise: the proportion of the arm's effect that they explain is 1, and nothing else
carries any of it. The script runs the stage from tables to grades, as the rules do, on RNA alone. It prints what became
of each marker, how often the intervals of the proportion explained hold the 1, and how often another marker was called
a candidate.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import pandas as pd  # noqa: E402

from immunosep.config import load_config  # noqa: E402
from immunosep.endpoints.steps import derive_label_tables  # noqa: E402
from immunosep.integration.steps import assemble_layers  # noqa: E402
from immunosep.sealed import sealed_folder  # noqa: E402
from immunosep.simulate import matrices  # noqa: E402
from immunosep.surrogacy.assess import ENDOTYPES  # noqa: E402
from immunosep.surrogacy.steps import write_grades, write_markers, write_measures  # noqa: E402

PERFECT = {("MALS", "rna:IL1_response"), ("SII", "rna:IFNG_response"), ("SII", "rna:MHCII")}
TABLES = ("measures", "baseline", "interactions", "stepp", "between_units", "unit_effects", "grades")


def one_trial(participants: int, seed: int, folder: Path) -> dict[str, pd.DataFrame]:
    """Simulate a trial, run the stage in the folder, return its tables."""
    config = load_config(ROOT / "config/config.yaml")
    settings = {**config["surrogacy"], "factors": False}
    matrices.LAYERS = tuple(layer for layer in matrices.LAYERS if layer.name == "rna")
    matrices.simulate_matrices(folder / "trial", participants, seed)
    sealed = sealed_folder(folder / "trial")
    labels = folder / "labels.tsv"
    people = folder / "trial/clinical/participants.tsv"
    derive_label_tables(
        participants=people,
        visits=folder / "trial/clinical/visits.tsv",
        classification=sealed / "classification.tsv",
        allocation=sealed / "allocation.tsv",
        settings=config,
        labels_path=labels,
        endpoints_path=folder / "endpoints.tsv",
        sensitivity_path=folder / "sensitivity.tsv",
        landmarks_path=folder / "landmarks.tsv",
        dynamic_path=None,
    )
    joined, scores, details = folder / "joined.h5mu", folder / "scores.tsv", folder / "markers.tsv"
    factors = folder / "factors.tsv"
    factors.write_text("observation\tparticipant\tvisit_day\n")
    assemble_layers(matrices=[folder / "trial/rna.h5ad"], modalities=["rna"], labels_path=labels, joined_path=joined)
    write_markers(
        joined_path=joined,
        factors_path=factors,
        model_path=folder / "mofa.hdf5",  # not read: no factors among the markers
        gene_sets_path=ROOT / "resources/gene_sets.tsv",
        drug_analytes_path=ROOT / "resources/drug_analytes.tsv",
        settings=settings,
        scores_path=scores,
        details_path=details,
    )
    measures = [folder / f"measures_{endotype}.tsv" for endotype in ENDOTYPES]
    for endotype, path in zip(ENDOTYPES, measures, strict=True):
        write_measures(labels, people, scores, endotype, settings, seed, path)
    outputs = {name: folder / f"{name}.tsv" for name in TABLES}
    write_grades(labels, people, scores, details, measures, settings, seed, outputs)
    return {name: pd.read_csv(path, sep="\t") for name, path in outputs.items()}


def main() -> None:
    """Run the trials and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--participants", type=int, default=280)
    options = parser.parse_args()
    grades, shares = [], []
    for seed in range(1, options.trials + 1):
        with tempfile.TemporaryDirectory() as temporary:
            found = one_trial(options.participants, seed, Path(temporary))
        grades.append(found["grades"].assign(trial=seed))
        table = found["measures"]
        own = table[(table["measure"] == "proportion_explained") & (table["family"] == "continuous")]
        shares.append(own.assign(trial=seed))
    grade, share = pd.concat(grades), pd.concat(shares)
    for table in (grade, share):
        table["perfect"] = [key in PERFECT for key in zip(table["endotype"], table["marker"], strict=True)]
    print(pd.crosstab([grade["perfect"], grade["endotype"], grade["marker"]], grade["best_category"]).to_string())
    known = share[share["perfect"] & share["estimate"].notna()]
    columns = ["trial", "endotype", "marker", "visit_day", "n", "estimate", "low", "high"]
    print(known[columns].round(2).to_string(index=False))
    holds = ((known["low"] <= 1) & (known["high"] >= 1)).mean()
    others = grade[~grade["perfect"]]
    false = (others["best_category"] == "candidate_surrogate").mean()
    print(f"proportion explained by a perfect surrogate: {holds:.0%} of the intervals hold 1")
    print(f"{false:.1%} of the other markers are called a candidate surrogate")


if __name__ == "__main__":
    main()
