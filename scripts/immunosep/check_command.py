"""The command `immunosep check`: which inputs are meant, what is said of them, and what was not looked at."""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from immunosep.errors import InputError

_CLINICAL = ("participants", "visits")
# How the reports begin, in small letters.
_PAGE, _JSON = b"<!doctype html", b"{"


def add_check(commands: Any, say: Callable[[str], None], explain: Callable[[str | None], int]) -> None:
    """Add the subcommand to the command's parser.

    Parameters
    ----------
    commands
        Subparsers of the command.
    say
        Prints a line.
    explain
        Explains a code of a finding.
    """
    check = commands.add_parser(
        "check",
        help="check manifest and clinical tables; says everything that is wrong at once",
        description="Tables are text (tabs, commas or semicolons) or .xlsx workbooks. Exit code: 0 clean, 1 warnings "
        "only, 2 errors. Nothing is changed, and nothing is written but what you ask for.",
    )
    check.add_argument("manifest", nargs="?", help="manifest; or use --config")
    check.add_argument("--config", action="append", metavar="YAML", help="configuration; may be given more than once")
    check.add_argument("--clinical", metavar="DIR", help="folder with the tables participants, visits and sites")
    check.add_argument("--sites", metavar="FILE", help="table of sites (default: the one in the clinical folder)")
    check.add_argument("--data-root", metavar="DIR", help="folder of the raw files (default: the manifest's folder)")
    check.add_argument("--no-files", action="store_true", help="do not look for the raw files")
    check.add_argument("--deep", action="store_true", help="read every raw file to its end")
    check.add_argument("--jobs", type=int, default=1, metavar="N", help="files read at once with --deep (default 1)")
    check.add_argument("--report", metavar="FILE", help="also write an HTML page")
    check.add_argument("--json", metavar="FILE", help="also write the findings as JSON")
    check.add_argument("--explain", metavar="CODE", help="explain a code of a finding, and check nothing")
    check.set_defaults(run=lambda options: explain(options.explain) if options.explain else _check(options, say))


def _check(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from immunosep.findings import as_json, as_text, exit_code
    from immunosep.intake import check_inputs, report_page
    from immunosep.io import atomic_path, write_json

    if options.deep and options.no_files:
        raise InputError("--deep reads the raw files and --no-files leaves them aside: give one of the two.")
    config = _config(options)
    _refuse_to_overwrite(options, config)
    deep = None
    if options.deep:
        from immunosep.deep.contents import reader

        deep = reader(options.jobs)
    libraries, findings = check_inputs(config, files=not options.no_files, deep=deep)
    unchecked = list(_unchecked(options, config))
    say(as_text(findings))
    if unchecked:
        say("\nNot checked:\n" + "\n".join(f"  - {sentence}" for sentence in unchecked))
    if options.json:
        write_json({**as_json(findings), "unchecked": unchecked}, options.json)
    if options.report:
        page = report_page(config, libraries, findings, unchecked)
        with atomic_path(options.report) as temporary:
            temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return exit_code(findings)


def _config(options: argparse.Namespace) -> dict[str, Any]:
    """Build the part of the configuration that the check reads."""
    if options.config and options.manifest:
        raise InputError("Give either a manifest or --config, not both.")
    if not options.config and not options.manifest:
        raise InputError("Give a manifest (immunosep check manifest.tsv) or a configuration (--config my.yaml).")
    from immunosep.config import defaults, load_config

    if options.config:
        config = load_config(*options.config)
    else:
        # Without a configuration: the trial's schedule, blinded, and only the tables named on the command line.
        config = defaults()
        config |= {"role": "blinded", "manifest": options.manifest, "sites": None, "layers": {}}
        config["clinical"] = {"participants": None, "visits": None, "labels": None}
        config["sealed"] = dict.fromkeys(config["sealed"])
        config["data_root"] = str(Path(options.manifest).parent)
    if options.clinical:
        found = _find_tables(Path(options.clinical))
        config["clinical"] |= {name: found.get(name) for name in _CLINICAL}
        config["sites"] = found.get("sites", config["sites"])
    if options.sites:
        config["sites"] = options.sites
    if options.data_root:
        config["data_root"] = options.data_root
    return config


def _find_tables(folder: Path) -> dict[str, str]:
    """Find the clinical tables of a folder in any legal format; none, or one of them twice, is an `InputError`."""
    from immunosep.sheet import ENDINGS

    if not folder.is_dir():
        raise InputError(f"--clinical {folder}: there is no such folder.")
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        name = path.stem.casefold()
        if name not in (*_CLINICAL, "sites") or path.suffix.casefold() not in ENDINGS:
            continue
        if name in found:
            raise InputError(f"{folder} holds {Path(found[name]).name} and {path.name}: keep the one that is meant.")
        found[name] = str(path)
    if not set(found) & set(_CLINICAL):
        raise InputError(
            f"--clinical {folder}: it holds no table named {' or '.join(_CLINICAL)} ({', '.join(ENDINGS)})."
        )
    return found


def _refuse_to_overwrite(options: argparse.Namespace, config: Mapping[str, Any]) -> None:
    """Refuse a report that would take the place of an input, or of anything but an older report."""
    inputs = {os.path.realpath(path) for path in _tables(config) if path}
    written = {path: start for path, start in ((options.report, _PAGE), (options.json, _JSON)) if path}
    for path, start in written.items():
        if os.path.realpath(path) in inputs:
            raise InputError(f"{path} is an input of this check: give the report another name.")
        if not _may_be_replaced(Path(path), start):
            raise InputError(f"{path} is there already and is no report of a check: give the report another name.")
    if options.report and options.json and os.path.realpath(options.report) == os.path.realpath(options.json):
        raise InputError("--report and --json name the same file.")


def _may_be_replaced(path: Path, start: bytes) -> bool:
    """Whether there is no file, an empty one, or one that begins as a report does; raw files and tables do not."""
    if not path.is_file():
        return True
    try:
        with path.open("rb") as handle:
            return handle.read(len(start)).lower() in (b"", start)
    except OSError:
        return False


def _tables(config: Mapping[str, Any]) -> list[str | None]:
    clinical = config["clinical"]
    tables = (config["manifest"], config["sites"], *(clinical.get(name) for name in (*_CLINICAL, "labels")))
    return [*tables, *config["sealed"].values()]


def _unchecked(options: argparse.Namespace, config: Mapping[str, Any]) -> Iterable[str]:
    """Say what was not looked at, and why."""
    missing = [name for name in _CLINICAL if not config["clinical"].get(name)]
    where = f"{options.clinical} holds no such table" if options.clinical else "no folder was given (--clinical DIR)"
    if missing:
        yield f"{' and '.join(missing)}: {where}."
    if not config["sites"]:
        yield "sites and their countries: no table of sites was given (--sites FILE)."
    if config["role"] == "blinded":
        yield "sealed tables: the role blinded does not open them."
    if config["layers"]:
        aside = [name for name, layer in config["layers"].items() if not layer["enabled"] or layer.get("matrix")]
        if aside:
            yield f"raw files of {', '.join(aside)}: switched off, or started from a matrix."
    if options.no_files:
        yield "raw files: --no-files leaves them aside."
    elif not options.deep:
        yield (
            "contents of the raw files: only their first bytes were read, and no header of a read, which a run judges "
            "for personal data before it starts (--deep reads them whole)."
        )
