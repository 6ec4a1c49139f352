"""What is installed, beside what is wanted: the table behind ``make doctor``.

Standard library only, so that it also runs where nothing is installed yet.
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION_IN_TEXT = re.compile(r"\d+(?:\.\d+)+")

# How to ask a tool for its version, where `<command> --version` is not the way.
VERSION_COMMANDS = {
    "gcc": ("gcc", "-dumpfullversion"),
    "g++": ("g++", "-dumpfullversion"),
}
# Debian packages that hold an R package, and the name that R knows it by.
R_PACKAGES = {"r-bioc-dada2": "dada2", "r-cran-survival": "survival"}
# Lists of Debian packages: what the workflow needs, and what only tests use and can do without.
LISTS = ("debian.txt", "debian-test.txt")


@dataclass(frozen=True)
class SystemPackage:
    """One line of a list of Debian packages; ``version`` and ``command`` are empty where the line says ``-``."""

    package: str
    need: str
    version: str
    command: str


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table; ``found`` is empty where the tool is missing."""

    tool: str
    need: str
    found: str
    wanted: str
    ok: bool
    optional: bool = False


def parse_debian_list(text: str) -> list[SystemPackage]:
    """Read the lines of a list of Debian packages (columns: package, need, version, command)."""
    rows = (line.split("#")[0].split() for line in text.splitlines())
    return [SystemPackage(*("" if field == "-" else field for field in row)) for row in rows if row]


def parse_lock(text: str) -> dict[str, str]:
    """Read a requirements lock: normalised package name -> pinned version."""
    return {normalise(name): version for name, version in PIN.findall(text)}


def normalise(name: str) -> str:
    """Spell a Python package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_dependencies(pyproject: str) -> dict[str, str]:
    """Read what ``pyproject.toml`` asks for: normalised package name -> need (run; test for the extra ``dev``)."""
    project = tomllib.loads(pyproject)["project"]
    lists = {"run": project["dependencies"], "test": project["optional-dependencies"]["dev"]}
    names = ((REQUIREMENT_NAME.match(line), need) for need, lines in lists.items() for line in lines)
    return {normalise(match[0]): need for match, need in names if match}


def version_key(version: str) -> tuple[int, ...]:
    """Turn the leading ``1.2.3`` of a version into numbers that compare; no number gives an empty tuple."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def is_at_least(found: str, wanted: str) -> bool:
    """Whether the version found is the wanted one or newer."""
    have, want = version_key(found), version_key(wanted)
    length = max(len(have), len(want))
    return have + (0,) * (length - len(have)) >= want + (0,) * (length - len(want))


def output_of(command: Sequence[str]) -> str:
    """Run a command and return what it says, both streams in their order; nothing where it cannot run."""
    executable = shutil.which(command[0])
    if executable is None:
        return ""
    try:
        done = subprocess.run(
            (executable, *command[1:]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def command_version(command: str) -> str:
    """Ask a tool on the PATH for its version; empty where it is missing or does not tell."""
    match = VERSION_IN_TEXT.search(output_of(VERSION_COMMANDS.get(command, (command, "--version"))))
    return match[0] if match else ""


def r_versions(packages: Iterable[str]) -> dict[str, str]:
    """Ask R, once, for the versions of its packages; those that it lacks are left out."""
    names = ", ".join(f'"{name}"' for name in packages)
    script = f"for (p in c({names})) if (nzchar(system.file(package = p))) cat(p, format(packageVersion(p)), '\\n')"
    rows = (line.split() for line in output_of(("Rscript", "--vanilla", "-e", script)).splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def dpkg_versions(packages: Iterable[str]) -> dict[str, str]:
    """Ask dpkg for the upstream versions of the packages that it has installed: no epoch, no Debian revision."""
    lines = output_of(("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n", *packages)).splitlines()
    rows = (line.split() for line in lines if line.startswith("installed "))
    return {package: version.split(":")[-1].rsplit("-", 1)[0] for _, package, version in rows}


def examine_system(packages: Sequence[SystemPackage], *, by_conda: bool = False) -> list[Finding]:
    """Compare the system tools with the lists of Debian packages.

    Parameters
    ----------
    packages
        The lines of the lists. Tools for tests are optional.
    by_conda
        The run's tools come from conda, rule by rule: missing ones are no fault.

    Returns
    -------
    list of Finding
        One per line, in the lists' order. A tool on the PATH counts before what dpkg says, for that is what runs.
    """
    in_r = r_versions(R_PACKAGES.values())
    in_dpkg = dpkg_versions([item.package for item in packages])
    findings = []
    for item in packages:
        found = (
            (command_version(item.command) if item.command else "")
            or in_r.get(R_PACKAGES.get(item.package, ""), "")
            or in_dpkg.get(item.package, "")
        )
        ok = bool(found) and is_at_least(found, item.version)
        if by_conda and item.need == "run":
            found, ok = found or "(by conda)", True
        findings.append(Finding(item.package, item.need, found, item.version, ok, optional=item.need == "test"))
    return findings


def examine_python(needs: dict[str, str], pins: dict[str, str]) -> list[Finding]:
    """Compare the Python packages of this interpreter with the lock.

    Parameters
    ----------
    needs
        The packages that the project names itself, with their need; each gets a line.
    pins
        The whole lock, package -> version. The packages that only others need share the last line.

    Returns
    -------
    list of Finding
        A pin is met by exactly its version.
    """
    found = {normalise(item.name): item.version for item in importlib.metadata.distributions()}
    findings = [
        Finding(name, need, found.get(name, ""), pins[name], found.get(name) == pins[name])
        for name, need in needs.items()
    ]
    others = {name: version for name, version in pins.items() if name not in needs}
    wrong = sorted(name for name, version in others.items() if found.get(name) != version)
    right = f"{len(others) - len(wrong)} of {len(others)}" + (f", not {' '.join(wrong)}" if wrong else "")
    return [*findings, Finding("(packages they need)", "run", right, "as locked", not wrong)]


def broken_packages(pins: dict[str, str]) -> list[str]:
    """Name the locked packages that are absent, of another version, or installed by half (an interrupted set-up)."""
    distributions = {normalise(item.name): item for item in importlib.metadata.distributions()}
    return [
        f"{name}=={version}"
        for name, version in pins.items()
        if name not in distributions
        or distributions[name].version != version
        or not (files := distributions[name].files)
        or not all(Path(str(file.locate())).exists() for file in files)
    ]


def format_table(findings: Sequence[Finding]) -> str:
    """Lay the findings out in columns, with a heading; what is not right is marked ``NO``."""
    rows = [("tool", "for", "found", "wanted", "ok")]
    rows += [(f.tool, f.need, f.found or "missing", f.wanted or "any", "yes" if f.ok else "NO") for f in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
    )


def doctor(root: Path = ROOT) -> int:
    """Print the table of tools and say whether the workflow can run.

    Parameters
    ----------
    root
        The project's folder, which holds ``envs/`` and ``pyproject.toml``.

    Returns
    -------
    int
        0 when all is as wanted; else 1.
    """
    state = root / ".setup"
    by_conda = state.exists() and "conda" in state.read_text(encoding="utf-8")
    packages = [
        item for name in LISTS for item in parse_debian_list((root / "envs" / name).read_text(encoding="utf-8"))
    ]
    pins = parse_lock((root / "envs" / "requirements.lock").read_text(encoding="utf-8"))
    needs = direct_dependencies((root / "pyproject.toml").read_text(encoding="utf-8"))
    python = ".".join(str(part) for part in sys.version_info[:3])
    findings = [
        *examine_system(packages, by_conda=by_conda),
        Finding("python", "run", python, "3.11", is_at_least(python, "3.11")),
        *examine_python(needs, pins),
    ]
    faults = [finding.tool for finding in findings if not finding.ok and not finding.optional]
    verdict = f"{len(faults)} not as wanted: {' '.join(faults)}. Run `make setup`." if faults else "All as wanted."
    lacking = [finding.tool for finding in findings if not finding.ok and finding.optional]
    if lacking:
        verdict += f" Only for tests, which are skipped without: {' '.join(lacking)}; `make setup-test` installs them."
    sys.stdout.write(f"{format_table(findings)}\n\n{verdict}\n")
    return 1 if faults else 0


def main(arguments: Sequence[str]) -> int:
    """Run the doctor; with ``--broken`` only name the packages to install again (what ``envs/setup.sh`` asks)."""
    if list(arguments) == ["--broken"]:
        pins = parse_lock((ROOT / "envs" / "requirements.lock").read_text(encoding="utf-8"))
        sys.stdout.write("".join(f"{item}\n" for item in broken_packages(pins)))
        return 0
    return doctor()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
