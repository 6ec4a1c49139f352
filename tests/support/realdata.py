"""Runs of the workflow on the public data."""

from support.runs import CACHE, ROOT, assert_success, snakemake

OVERLAYS = ROOT / "tests/realdata"


def working_folder(name, **links):
    """Return the working folder of a data set, with the overlay and the data linked into it."""
    folder = CACHE / f"real_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for link, target in {"overlay": OVERLAYS / name, **links}.items():
        path = folder / link
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    return folder


def run_layer(folder, name, *targets):
    """Run the workflow up to `targets`; return the folder."""
    assert_success(snakemake(folder, *targets, configfile=OVERLAYS / name / "config.yaml"))
    return folder
