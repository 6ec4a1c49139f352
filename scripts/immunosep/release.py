"""What a reviewer may have of a run: aggregates, figures, coefficients, and nothing about a single participant.

Each file of the results has a row in the table of outputs; a file without one is not released and is named. The bundle
is made beside its place, searched byte by byte, and put there only when nothing was found.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from immunosep.aggregates import SECOND, small
from immunosep.doctor import ROOT, direct_dependencies, examine_python, examine_system, parse_debian_list, parse_lock
from immunosep.errors import InputError
from immunosep.outputs import find_output
from immunosep.release_tables import MAKERS, RESULTS, LeftOut, Release
from immunosep.report import LIBRARY_TABLE
from immunosep.scan import codes_in, codes_of, describe, files_below, scan_folder, watchlist
from immunosep.tombstones import epoch, require_finished
from immunosep.unpack import DOS_EPOCH

logger = logging.getLogger(__name__)

MANIFEST: Final = "MANIFEST.sha256"
_EPOCH_SECONDS: Final = 315_532_800  # 1980-01-01, the first day that a zip file can write
_PATH_ENDINGS: Final = (".tsv", ".csv", ".yaml", ".yml", ".h5ad", ".gz", ".fa", ".gtf", ".bed", ".key", ".json", ".txt")
CONTROL_TABLE: Final = "biomarkers/<task>/performance.tsv"
_HIDDEN_PATH: Final = "(path)"


def write_release(config: Mapping[str, Any], out: Path, secret: bytes) -> list[str]:
    """Write the bundle of the run in the present folder.

    Parameters
    ----------
    config
        Checked configuration of the run.
    out
        A folder that is not there yet, or a name that ends in ``.zip``.
    secret
        Of the surrogates; the sites' names are made with it.

    Returns
    -------
    list of str
        What was released and what not, for the user.

    Raises
    ------
    InputError
        When there are no results, the target is there, a withdrawal is unfinished, or the scanner finds anything; then
        there is no bundle.
    """
    require_finished(config)
    if not any(path.name != "README.md" for path in RESULTS.glob("*")):
        raise InputError("There are no results in this folder. Run the workflow here first.")
    if out.exists():
        raise InputError(f"{out} is there already. Give the name of a new folder, or remove the old bundle.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".release_", dir=out.parent) as working:
        folder = Path(working) / "bundle"
        folder.mkdir()
        told = _fill(folder, Release(config, secret))
        _settle(folder)
        finished = folder
        if out.suffix == ".zip":
            finished = Path(working) / out.name
            finished.write_bytes(_zipped(folder))
        watch = watchlist(codes_of(config) | codes_in(LIBRARY_TABLE), secret)
        leaks = scan_folder(finished, watch)
        if leaks:
            raise InputError(
                f"The bundle was not written: the scanner found {len(leaks)} thing(s) in it that must not be shared.\n"
                + describe(leaks)
            )
        finished.replace(out)
    return [*told, f"Scanned for {len(watch.codes)} codes, paths, names, addresses and dates: nothing found.", f"{out}"]


def _fill(folder: Path, release: Release) -> list[str]:
    """Write the files of the bundle; return what was done."""
    shared: dict[str, str] = {}
    left_out: Counter[tuple[str, str]] = Counter()
    unknown = []
    for path in files_below(RESULTS):
        place = path.relative_to(RESULTS).as_posix()
        found = find_output(place)
        if found is None:
            unknown.append(place)
            continue
        output, words = found
        if output.release == "keep" or path.is_symlink():
            left_out[output.pattern, output.reason] += 1
            continue
        if words.get("task") in release.controls and output.pattern != CONTROL_TABLE:
            left_out[place, "of a negative control the performance alone is told"] += 1
            continue
        try:
            made = (
                {place: path.read_bytes()}
                if output.release == "share"
                else MAKERS[output.pattern](release, place, words)
            )
        except LeftOut as reason:
            left_out[place, str(reason)] += 1
            continue
        for name, content in made.items():
            shared[name] = output.reason
            _write(folder / name, _normalised(content))
    if not shared:
        raise InputError("None of the results here may be shared. Run the workflow to its end first.")
    _write(folder / "config.yaml", yaml.safe_dump(_without_paths(release.config), sort_keys=False).encode())
    _write(folder / "software.tsv", _software().encode())
    _write(folder / "README.md", _readme(release, shared, left_out, len(unknown)).encode())
    told = [f"{len(shared)} files released; {sum(left_out.values())} kept back."]
    if unknown:
        told.append("Not released, because the table of outputs does not know them:")
        told += [f"  results/{place}" for place in unknown]
    return told


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _without_paths(value: Any, key: str = "") -> Any:
    """Return a configuration without the names of files and folders; sources of numbers are literature and stay."""
    if isinstance(value, Mapping):
        return {name: _without_paths(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item, key) for item in value]
    if isinstance(value, str) and key != "source" and _is_path(value, key):
        return _HIDDEN_PATH
    return value


def _is_path(value: str, key: str) -> bool:
    named = key in ("data_root", "withdrawals", "secret", "record")
    return named or "/" in value or "\\" in value or value.endswith(_PATH_ENDINGS) or Path(value).exists()


def _software() -> str:
    """List the versions of the tools and packages of the run."""
    packages = direct_dependencies((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = parse_lock((ROOT / "envs" / "requirements.lock").read_text(encoding="utf-8"))
    debian = parse_debian_list((ROOT / "envs" / "debian.txt").read_text(encoding="utf-8"))
    found = [*examine_system(debian), *examine_python(packages, pins)]
    rows = sorted({(item.tool, item.found or "not installed", item.wanted) for item in found if item.need == "run"})
    return "".join("\t".join(row) + "\n" for row in [("software", "version", "tested"), *rows])


def _readme(release: Release, shared: Mapping[str, str], left_out: Counter[tuple[str, str]], unknown: int) -> str:
    config = release.config
    size = config["simulate"]["participants"]
    lines = [
        f"# {config['report']['title']}: results for review",
        "",
        "Aggregates and figures of one run of the ImmunoSep multi-omics workflow. There is no row about a single",
        "participant, library or sample. Research only; not for treatment decisions.",
        "",
        f"- Role of the run: {config['role']}. Data epoch: {epoch(config)} (withdrawals of consent so far).",
        f"- A count of 1 to {release.k - 1} participants is written as {small(release.k)}; `{SECOND}` hides a",
        "  second count where the first could be worked out. Rows about smaller groups are left out.",
        f"- Bins of calibration hold at least {config['report']['min_bin']} participants.",
        "- Sites bear surrogates, the same in every release of this trial.",
        "- `config.yaml` holds every setting, without paths; `software.tsv` the versions.",
        f"- `{MANIFEST}` holds the SHA-256 of each file: `sha256sum -c {MANIFEST}`.",
        "",
        "## Reproduce it on synthetic data",
        "",
        "The same figures and tables on a synthetic trial, in the folder of the workflow:",
        "",
        "    make demo",
        "",
        "A synthetic trial of full size, as matrices, and one of raw files:",
        "",
        f"    immunosep simulate matrices --seed {config['seed']} --out synthetic",
        f"    immunosep simulate reads --config config/demo.yaml --seed {config['seed']} --out synthetic-reads",
        "",
        f"The configured synthetic trial has {size} participants.",
        "",
        "## Files",
        "",
        "| file | what it is |",
        "|---|---|",
        *(f"| `{name}` | {reason} |" for name, reason in sorted(shared.items())),
        "",
        "## Kept back",
        "",
        "| output | why |",
        "|---|---|",
        *(f"| `{name}` | {reason} |" for name, reason in sorted(left_out)),
    ]
    if unknown:
        lines.append(f"| {unknown} other file(s) | not known to be safe |")
    return "\n".join(lines) + "\n"


def _normalised(content: bytes) -> bytes:
    """Pack a zip file anew without its time stamps; anything else stays as it is."""
    if not content.startswith(b"PK\x03\x04"):
        return content
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            new.writestr(_member(name), old.read(name), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, DOS_EPOCH)
    member.external_attr = 0o644 << 16
    return member


def _settle(folder: Path) -> None:
    """Write the list of digests, and give every file the same time and mode."""
    paths = list(files_below(folder))
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in paths]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
    for path in [*files_below(folder), *(p for p in folder.rglob("*") if p.is_dir()), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_EPOCH_SECONDS, _EPOCH_SECONDS))


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files_below(folder):
            archive.writestr(_member(path.relative_to(folder).as_posix()), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
