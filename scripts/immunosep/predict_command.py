"""`immunosep predict`: probabilities of a frozen model for new samples."""

import argparse
import gc
import logging
from pathlib import Path

from immunosep.errors import InputError


def add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="probabilities of a frozen model for new samples, without refitting",
        description=(
            "Research only. Exit code: 0 every layer of every sample was used, 1 some were refused (the table of "
            "checks says why), 2 nothing could be predicted."
        ),
    )
    parser.add_argument("--model", required=True, metavar="SKOPS", help="frozen model: model.skops or panel.skops")
    parser.add_argument(
        "--sample",
        action="append",
        default=[],
        metavar="[LAYER=]H5AD",
        help="new samples of one layer, rows are observations; the layer may be left out where the file names it; may "
        "be given more than once",
    )
    parser.add_argument(
        "--clinical", metavar="TSV", help="clinical values: column observation, and one per predictor (age_years, ...)"
    )
    parser.add_argument("--out", metavar="TSV", help="write the predictions there instead of printing them")
    parser.add_argument("--checks", metavar="TSV", help="also write what was checked of each layer")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    if not options.sample and not options.clinical:
        raise InputError("Give at least one --sample or --clinical.")
    for target in (options.out, options.checks):
        if target and Path(target).exists():
            raise InputError(f"{target}: exists already; nothing is overwritten.")
    enabled = gc.isenabled()
    # A command of seconds: what it makes lives to its end, and looking for garbage would be a tenth of it.
    gc.disable()
    try:
        return _apply(options)
    finally:
        # Nor is it looked for at the end, when Python would go through everything that its modules hold.
        gc.freeze()
        if enabled:
            gc.enable()


def _apply(options: argparse.Namespace) -> int:
    # As it is imported, skops looks through all modules for each of scipy's functions, the oldest modules first: a
    # third of a second less before the others than behind them.
    import scipy.special  # noqa: F401
    import skops.io  # noqa: F401

    from immunosep.biomarkers.apply import apply_model, load_model
    from immunosep.io import read_table, write_table

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    content = load_model(options.model)
    clinical = None
    if options.clinical:
        clinical = read_table(options.clinical)
        if "observation" not in clinical or clinical["observation"].duplicated().any():
            raise InputError(f"{options.clinical}: needs a column `observation` in which every sample stands once.")
        clinical = clinical.set_index("observation")
    predictions, checks = apply_model(content, _read_samples(options.sample), clinical)
    if options.checks:
        write_table(checks, options.checks)
    refused = checks[checks["verdict"] != "used"].drop_duplicates(["observation", "block", "verdict"])
    if predictions.empty:
        reasons = "; ".join(f"{row['observation']}, {row['block']}: {row['verdict']}" for _, row in refused.iterrows())
        raise InputError("Nothing was predicted. " + (reasons or "No layer of the samples is one of the model."))
    if options.out:
        write_table(predictions, options.out)
    else:
        print(predictions.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n"), end="")  # noqa: T201
    logger = logging.getLogger(__name__)
    for _, row in refused.iterrows():
        logger.warning("%s, %s: %s", row["observation"], row["block"], row["verdict"])
    return 1 if len(refused) else 0


def _read_samples(given: list[str]) -> dict:
    """Read `LAYER=FILE` or `FILE` into modalities with rows named by observation."""
    from immunosep.integration.assemble import read_layer
    from immunosep.io import read_h5ad

    layers: dict = {}
    for text in given:
        layer, found, path = text.rpartition("=")
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file.")
        if not found:
            own = read_h5ad(path).uns.get("immunosep", {})
            layer = str(own.get("layer", ""))
            if not layer:
                raise InputError(f"{path}: does not say of which layer it is; write --sample LAYER={path}.")
        parts = read_layer(path, layer)
        twice = sorted(set(parts) & set(layers))
        if twice:
            raise InputError(f"Layer {', '.join(twice)} is given more than once.")
        layers |= parts
    return layers
