"""How the commands of this project call Snakemake on its workflow."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from immunosep.config import SCHEMA_PATH
from immunosep.errors import InputError

PROJECT_ROOT = SCHEMA_PATH.parents[2]
BASE_CONFIG = PROJECT_ROOT / "config" / "config.yaml"
# Snakemake 9 drops a coroutine wherever a resource depends on the size of an input that is not there yet.
QUIET = "ignore:coroutine 'InputFiles._predicated_size_files:RuntimeWarning"


def call_snakemake(configfile: Path, options: Sequence[str]) -> int:
    """Run Snakemake in the present folder.

    Parameters
    ----------
    configfile
        Overlay of the default configuration.
    options
        Further words of the command.

    Returns
    -------
    int
        Snakemake's exit code.
    """
    # Relative where possible: what Snakemake records of itself should not name the machine's folders.
    snakefile = os.path.relpath(PROJECT_ROOT / "workflow" / "Snakefile")
    command = [sys.executable, "-W", QUIET, "-m", "snakemake"]
    command += ["--snakefile", snakefile, "--configfile", str(configfile), *options]
    return subprocess.run(command, check=False).returncode


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for the time of the block.

    Raises
    ------
    InputError
        When another run of this project holds it.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "immunosep.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("Another run works in this folder. Wait for it to end, or stop it.") from None
        yield


def find_own_tools() -> None:
    """Put the interpreter's folder first on the search path.

    Tools that came with the Python packages (macs3, cutadapt, multiqc) lie there, and are found whether or not the
    environment was activated. An environment of a rule's own still comes before it.
    """
    own = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", os.defpath)])
