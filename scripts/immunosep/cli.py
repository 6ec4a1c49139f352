"""The `immunosep` command. Each subcommand imports its own part, so that the check starts in a blink."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from immunosep.check_command import add_check
from immunosep.errors import InputError
from immunosep.predict_command import add_predict
from immunosep.privacy_command import add_privacy
from immunosep.template import add_template


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Words after the command's name; by default those of the process.

    Returns
    -------
    int
        Exit code; 2 for a mistake in the input or in the call.
    """
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    if others and options.run is not _demo:
        parser.error(f"unknown argument: {' '.join(others)}")
    options.others = others
    try:
        code: int = options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except InputError as error:
        _say(str(error), sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        _drop_output()
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("immunosep"):
            raise
        _say(f"This needs the package {error.name}: run `make setup`, then .venv/bin/immunosep.", sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say("Stopped.", sys.stderr)
        return 130
    except OSError as error:
        _say(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.", sys.stderr)
        _drop_output()
        return 2
    return code


def _drop_output() -> None:
    """Let what stdout does not take go nowhere; Python would complain once more when it closes it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str, stream: Any = None) -> None:
    """Print a line, whatever the encoding of the terminal; nowhere, where there is none."""
    stream = stream or sys.stdout
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="immunosep", description="ImmunoSep multi-omics workflow.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add_check(commands, _say, _explain)
    add_template(commands, _say)
    add_predict(commands)

    explain = commands.add_parser("explain", help="explain a code of a finding")
    explain.add_argument("code", nargs="?", help="code; without one, all are listed")
    explain.set_defaults(run=lambda options: _explain(options.code))

    simulate = commands.add_parser("simulate", help="make a synthetic trial").add_subparsers(
        metavar="KIND", required=True
    )
    reads = simulate.add_parser("reads", help="a small trial with raw files")
    reads.add_argument("--config", action="append", metavar="YAML", help="configuration; may be given more than once")
    reads.add_argument("--seed", type=int, default=1, help="seed (default 1)")
    reads.add_argument("--out", default="resources/demo", metavar="DIR", help="folder (default resources/demo)")
    reads.set_defaults(run=_simulate_reads)
    matrices = simulate.add_parser("matrices", help="a full-size trial as layer matrices")
    matrices.add_argument("--participants", type=int, default=280, help="enrolled participants (default 280)")
    matrices.add_argument("--seed", type=int, default=1, help="seed (default 1)")
    matrices.add_argument("--out", required=True, metavar="DIR", help="folder")
    matrices.set_defaults(run=_simulate_matrices)

    demo = commands.add_parser(
        "demo",
        help="make the demonstration cohort and run the whole workflow on it",
        description="Options that are not listed here go to Snakemake.",
    )
    demo.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="cores (default: all)")
    demo.add_argument("--configfile", metavar="YAML", help="overlay of the configuration (default config/demo.yaml)")
    demo.set_defaults(run=_demo)

    report = commands.add_parser(
        "report", help="write the HTML report of the run in this folder, with surrogate numbers in place of codes"
    )
    report.add_argument("--configfile", metavar="YAML", required=True, help="overlay of the configuration of the run")
    report.add_argument(
        "--out", default="results/report/report.zip", metavar="ZIP", help="target (default %(default)s)"
    )
    report.set_defaults(run=_report)

    unseal = commands.add_parser(
        "unseal",
        help="record that the sealed tables are opened for a role, by whom and when",
        description="Adds a line per table to the record of unblindings (sealed.record), with the table's SHA-256.",
    )
    unseal.add_argument("--config", action="append", metavar="YAML", required=True, help="configuration of the run")
    unseal.add_argument("--role", required=True, choices=("endotype", "unblinded"), help="role that is to open them")
    unseal.add_argument("--who", required=True, metavar="FUNCTION", help="your function or staff number; no name")
    unseal.set_defaults(run=_unseal)

    shuffle = commands.add_parser(
        "shuffle-labels",
        help="make sealed tables whose labels mean nothing, for a dry run of the whole workflow",
        description="In a role that may open a sealed table its labels are permuted within each site; in a lower role "
        "plausible ones are drawn, and nothing is opened.",
    )
    shuffle.add_argument("--config", action="append", metavar="YAML", required=True, help="configuration of the run")
    shuffle.add_argument("--out", required=True, metavar="DIR", help="folder of the shuffled tables and their record")
    shuffle.add_argument("--seed", type=int, default=1, help="seed (default 1)")
    shuffle.set_defaults(run=_shuffle_labels)

    add_privacy(commands, _say)

    doctor = commands.add_parser("doctor", help="print each tool, the version found, the version wanted")
    doctor.set_defaults(run=_doctor)
    return parser


def _explain(code: str | None) -> int:
    from immunosep.cells import nearest
    from immunosep.codes import CODES

    if code is None:
        for known, entry in CODES.items():
            _say(f"{known:<24} {entry.severity:<8} {entry.title}")
        return 0
    if code not in CODES:
        near = nearest(code, CODES)
        raise InputError(
            f"There is no code '{code}'."
            + (f" Did you mean '{near}'?" if near else " `immunosep explain` lists all codes.")
        )
    entry = CODES[code]
    _say(f"{code} ({entry.severity}): {entry.title}\n\nWhy: {entry.why}\n\nTo mend: {entry.fix}")
    return 0


def _simulate_reads(options: argparse.Namespace) -> int:
    from immunosep.config import load_config
    from immunosep.simulate.reads import simulate_reads

    simulate_reads(load_config(*(options.config or ())), Path(options.out), options.seed)
    return 0


def _simulate_matrices(options: argparse.Namespace) -> int:
    from immunosep.simulate.matrices import simulate_matrices

    simulate_matrices(Path(options.out), options.participants, options.seed)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from immunosep import demo

    configfile = Path(options.configfile) if options.configfile else demo.DEMO_CONFIG
    return demo.main(options.cores, configfile, options.others)


def _report(options: argparse.Namespace) -> int:
    from immunosep.config import load_config
    from immunosep.launch import BASE_CONFIG
    from immunosep.report import build_report

    config = load_config(BASE_CONFIG, options.configfile)
    return build_report(Path(options.configfile), Path(options.out), config["seed"])


def _unseal(options: argparse.Namespace) -> int:
    from immunosep.config import load_config
    from immunosep.sealed import unseal

    config = load_config(*options.config)
    for entry in unseal(config, options.role, options.who):
        _say(f"{config['sealed'][entry.table]}: unsealed for the role {entry.role}, SHA-256 {entry.sha256}")
    _say(f"Recorded in {config['sealed']['record']}.")
    return 0


def _shuffle_labels(options: argparse.Namespace) -> int:
    from immunosep.config import load_config
    from immunosep.shuffle import shuffle_labels

    config = load_config(*options.config)
    for line in shuffle_labels(config, Path(options.out), options.seed):
        _say(line)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from immunosep import doctor

    return doctor.main([])


if __name__ == "__main__":
    sys.exit(main())
