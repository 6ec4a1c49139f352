"""What every other file uses: the checked configuration, the index of libraries, the names of layers and results.

Nothing here starts a job. The logic lives in `scripts/immunosep/` and is tested there.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parent / "scripts"))

from immunosep.biomarkers.guard import (
    check_tasks,
    may_predict,
    rules_of,
    visible_tasks,
)
from immunosep.blinding import hidden_features
from immunosep.config import check_config, feature_filters, require_inputs
from immunosep.errors import InputError
from immunosep.intake import load_libraries
from immunosep.label_table import targets
from immunosep.launch import find_own_tools
from immunosep.provenance import code_fingerprint as fingerprint
from immunosep.schedule import layer_days
from immunosep.sealed import labels_are_shuffled
from immunosep.tombstones import epoch as data_epoch, withdrawals

find_own_tools()

BODY_SITES = ("nares", "oral", "rectum")

try:
    config = check_config(config)
    check_tasks(config)
    # A job reads the tables again, which were checked when the run was planned.
    LIBRARIES = load_libraries(config, checked=not workflow.is_main_process)
    RAW_LAYERS = tuple(
        layer
        for layer in ("rna", "atac", "proteome", "microbiome")
        if config["layers"][layer]["enabled"]
        and config["layers"][layer]["matrix"] is None
        and LIBRARIES.names(layer)
    )
    require_inputs(config, RAW_LAYERS)
    # What is masked after the first dose; None where the role sees the true arm.
    HIDDEN = hidden_features(config)
    SHUFFLED = labels_are_shuffled(config)
    if SHUFFLED:
        config["report"]["title"] = f"SHUFFLED LABELS, {config['report']['title']}"
except InputError as error:
    # A mistake in the input is no fault of the workflow: say it without a traceback, leave nothing behind.
    print(f"\n{error}\n", file=sys.stderr, flush=True)
    sys.exit(2)


SAMPLED_SITES = tuple(
    site
    for site in BODY_SITES
    if "microbiome" in RAW_LAYERS
    and any(
        LIBRARIES.of(name).specimen == site for name in LIBRARIES.names("microbiome")
    )
)
SEES_ENDOTYPE = config["role"] in ("endotype", "unblinded")
SEES_ARM = config["role"] == "unblinded"
OWN_LABELS = config["clinical"]["labels"] is None


wildcard_constraints:
    library=r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)+",
    layer="|".join(RAW_LAYERS) or "none",
    body_site="|".join(BODY_SITES),
    matrix="|".join(
        layer for layer, options in config["layers"].items() if options.get("matrix")
    )
    or "none",
    endotype="MALS|SII",
    task=r"[a-z][a-z0-9_]*",
    run=r"[A-Za-z0-9_]+",
    repeat=r"[0-9]+|leave_one_(country|site_group)_out",
    start=r"[0-9]+",


def project_file(path):
    """Return a tracked file of the project, relative to the run's folder: reports name no folder of the machine."""
    return os.path.relpath(Path(workflow.basedir).parent / path)


def scaled_mem_mb(base, per_input=2.0):
    """Return a `mem_mb` function: `base` plus `per_input` times the input's size, more with every attempt."""
    return lambda wildcards, input, attempt: int(
        (base + per_input * input.size_mb) * attempt
    )
