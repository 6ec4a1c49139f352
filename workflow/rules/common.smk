"""What every other file uses: the checked configuration, the index of libraries, the names of layers and results.

Nothing here starts a job. The logic lives in `scripts/immunosep/` and is tested there.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parent / "scripts"))
# Tools that came with the Python packages (macs3, cutadapt, multiqc) lie beside the interpreter; they are found whether or
# not its environment was activated. An environment of a rule's own still comes first.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from immunosep.config import check_config, require_references
from immunosep.errors import InputError
from immunosep.intake import load_libraries
from immunosep.provenance import code_fingerprint as fingerprint

BODY_SITES = ("nares", "oral", "rectum")

try:
    config = check_config(config)
    LIBRARIES = load_libraries(config)
    RAW_LAYERS = tuple(
        layer
        for layer in ("rna", "atac", "proteome", "microbiome")
        if config["layers"][layer]["enabled"]
        and config["layers"][layer]["matrix"] is None
        and LIBRARIES.names(layer)
    )
    require_references(config, RAW_LAYERS)
except InputError as error:
    # A mistake in the input is no fault of the workflow: say it without a traceback, leave nothing behind.
    print(f"\n{error}\n", file=sys.stderr, flush=True)
    sys.exit(2)


SAMPLED_SITES = tuple(
    site
    for site in BODY_SITES
    if "microbiome" in RAW_LAYERS
    and any(LIBRARIES.of(name).specimen == site for name in LIBRARIES.names("microbiome"))
)
SEES_ENDOTYPE = config["role"] in ("endotype", "unblinded")
SEES_ARM = config["role"] == "unblinded"
OWN_LABELS = config["clinical"]["labels"] is None


wildcard_constraints:
    library=r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)+",
    layer="|".join(RAW_LAYERS) or "none",
    body_site="|".join(BODY_SITES),
    task=r"[a-z][a-z0-9_]*",
    run=r"[A-Za-z0-9_]+",
    repeat=r"[0-9]+",


def project_file(path):
    """Return a tracked file of the project, relative to the run's folder: reports name no folder of the machine."""
    return os.path.relpath(Path(workflow.basedir).parent / path)


def modalities():
    """Map each modality of the joint analysis to its matrix: our own layers, body sites apart, and ready matrices."""
    paths = {}
    for layer, options in config["layers"].items():
        if options.get("matrix") and options["enabled"]:
            paths[layer] = options["matrix"]
        elif layer == "microbiome" and layer in RAW_LAYERS:
            paths.update({f"microbiome_{site}": f"results/microbiome/{site}.h5ad" for site in SAMPLED_SITES})
        elif layer in RAW_LAYERS:
            paths[layer] = f"results/{layer}/{layer}.h5ad"
    return paths


def tasks():
    """List the prediction tasks of this run; one whose target the role may not see is left out."""
    return [
        name
        for name, task in config["biomarkers"]["tasks"].items()
        if task is not None and (SEES_ENDOTYPE or not OWN_LABELS or task["target"] not in SEALED_TARGETS)
    ]


# Labels that follow from the sealed classification.
SEALED_TARGETS = ("endotype", "both_criteria", "borderline", "reversal_d15")


def scaled_mem_mb(base, per_input=2.0):
    """Return a `mem_mb` function: `base` plus `per_input` times the input's size, more with every attempt."""
    return lambda wildcards, input, attempt: int((base + per_input * input.size_mb) * attempt)


def all_results():
    """List what `rule all` asks for, given the layers, the role and the tasks of this run."""
    targets = ["results/integration/multiomics.h5mu", "results/integration/associations.tsv"]
    if RAW_LAYERS:
        targets += ["results/qc/verdicts.tsv", "results/qc/multiqc.html"]
    if config["manifest"]:
        targets.append("results/intake/intake_report.html")
    if OWN_LABELS and config["clinical"]["participants"]:
        targets.append("results/labels/endpoints.tsv")
    for layer in RAW_LAYERS:
        targets.append(f"results/{layer}/{layer}.h5ad")
    for task in tasks():
        targets += [f"results/biomarkers/{task}/performance.tsv", f"results/biomarkers/{task}/model.skops"]
        if config["biomarkers"]["permutations"]:
            targets.append(f"results/biomarkers/{task}/permutations.tsv")
    return targets + all_figures()
