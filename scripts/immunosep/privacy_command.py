"""The commands that guard personal data: `immunosep withdraw`, `immunosep release`, `immunosep scan`."""

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from immunosep.errors import InputError

Say = Callable[[str], None]


def add_privacy(commands: Any, say: Say) -> None:
    """Add the commands to the parser of `immunosep`.

    Parameters
    ----------
    commands
        Subparsers of the command.
    say
        Prints a line.
    """
    withdraw = commands.add_parser(
        "withdraw",
        help="withdrawal of consent: delete everything of a participant in this folder, and keep them out",
        description="Without --yes only lists what would go. Exit code: 0 done, 1 input files are still to be edited.",
    )
    withdraw.add_argument("site", nargs="?", help="study site, such as GR03")
    withdraw.add_argument("code", nargs="?", help="participant code, nine digits")
    withdraw.add_argument("--yes", action="store_true", help="delete")
    withdraw.add_argument("--inputs", action="store_true", help="also edit the input tables and delete raw files")
    withdraw.add_argument("--resume", action="store_true", help="finish a withdrawal that was interrupted")
    _add_common(withdraw)
    withdraw.set_defaults(run=lambda options: _withdraw(options, say))

    release = commands.add_parser(
        "release",
        help="write what a reviewer may have of the run in this folder: aggregates and figures, no participant",
        description="The bundle appears only when the scanner finds nothing in it.",
    )
    release.add_argument("--out", required=True, metavar="DIR", help="target: a new folder, or a name ending in .zip")
    _add_common(release)
    release.set_defaults(run=lambda options: _release(options, say))

    scan = commands.add_parser(
        "scan",
        help="look for codes, paths, names, addresses and dates in every byte of a folder",
        description="Exit code: 0 nothing found, 2 something found.",
    )
    scan.add_argument("folder", help="folder or file")
    _add_common(scan)
    scan.set_defaults(run=lambda options: _scan(options, say))


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", action="append", metavar="YAML", required=True, help="overlay of the run")
    parser.add_argument("--secret", metavar="FILE", help="secret of the surrogates (default: privacy.secret)")


def _config_and_secret(options: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    from immunosep.config import load_config
    from immunosep.launch import BASE_CONFIG
    from immunosep.surrogates import secret_path

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    config = load_config(BASE_CONFIG, *options.config)
    if options.secret:
        config["privacy"]["secret"] = options.secret
    return config, secret_path(config)


def _secret(config: dict[str, Any], path: Path, *outside: Path) -> bytes:
    """Read the secret; make one only where nothing was made with another, for tombstones would then say nothing."""
    from immunosep.surrogates import load_secret
    from immunosep.tombstones import epoch

    return load_secret(path, create=epoch(config) == 0, outside=[Path(), *outside])


def _withdraw(options: argparse.Namespace, say: Say) -> int:
    from immunosep import withdraw
    from immunosep.launch import only_run

    named = options.site is not None and options.code is not None
    if named == options.resume:
        raise InputError("Give site and code of the participant, or --resume to finish what was begun.")
    if options.resume and not options.yes:
        raise InputError("--resume goes on with deleting; add --yes.")
    config, path = _config_and_secret(options)
    if not options.yes:
        withdraw.describe_plan(*withdraw.plan(config, options.site, options.code), say)
        say("Nothing was changed. To delete what is listed, say so: --yes")
        return 0
    with only_run(Path(".snakemake")):
        if named:
            withdraw.begin(config, options.site, options.code, _secret(config, path))
        certificate = withdraw.finish(config, edit_inputs=options.inputs)
    say(json.dumps(certificate, indent=2))
    if certificate["inputs_pending"]:
        say(
            f"{certificate['inputs_pending']} input file(s) still hold the participant; nothing runs here before they "
            "do not. Edit them, or add --inputs; then: immunosep withdraw --resume --config my.yaml --yes"
        )
        return 1
    return 0


def _release(options: argparse.Namespace, say: Say) -> int:
    from immunosep.release import write_release

    config, path = _config_and_secret(options)
    say("\n".join(write_release(config, Path(options.out), _secret(config, path, Path(options.out)))))
    return 0


def _scan(options: argparse.Namespace, say: Say) -> int:
    from immunosep.scan import codes_of, describe, scan_folder, watchlist
    from immunosep.surrogates import load_secret

    config, path = _config_and_secret(options)
    secret = load_secret(path) if options.secret or path.is_file() else None
    codes = codes_of(config)
    leaks = scan_folder(Path(options.folder), watchlist(codes, secret))
    if leaks:
        say(f"{len(leaks)} finding(s) in {options.folder}:\n{describe(leaks)}")
        return 2
    say(f"{options.folder}: nothing found; {len(codes)} codes, paths, names, addresses and dates were looked for.")
    return 0
