"""Where a participant is in the folder of a run and in its input files."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from immunosep.outputs import find_output
from immunosep.person import Person, edited
from immunosep.scan import Scanner, files_below, scan_file
from immunosep.surrogates import PROJECT_ROOT
from immunosep.tombstones import withdrawals
from immunosep.unpack import TIME_STAMP, parts

MANAGED: Final = ("results", "logs", "benchmarks", ".snakemake")
# Environments of the tools; no run writes into them.
_TOOLS: Final = (".snakemake/conda", ".snakemake/conda-archive", ".snakemake/singularity")
# Parts of the project that hold no trial; their examples name codes.
_PROJECT: Final = (".git", ".venv", "README.md", "config/README.md", "envs", "scripts", "tests", "workflow")
# Reads of other libraries: large, and under a name that says whose they are.
_READS: Final = (".fastq.gz", ".fq.gz", ".bam", ".bai", ".tbi")


class Traces(NamedTuple):
    """Files to be deleted, by kind; paths relative to the folder of the run, each once.

    Attributes
    ----------
    libraries
        Files about the participant's own libraries.
    cohort
        Results that were computed with the participant.
    logs
        Logs and benchmarks.
    records
        Snakemake's records and logs.
    """

    libraries: list[str]
    cohort: list[str]
    logs: list[str]
    records: list[str]

    def paths(self) -> list[str]:
        """All of them."""
        return [path for kind in self for path in kind]


def find_traces(root: Path, person: Person, *, computed: bool = True) -> Traces:
    """Find every file of a run that is about a participant or was computed with them.

    Parameters
    ----------
    root
        Folder of the run.
    person
        The participant.
    computed
        Also the results that were computed with them and do not name them.

    Notes
    -----
    A result of the cohort, or of a layer with samples of theirs, counts whether or not it names them; so does a file
    that the table of outputs does not know. Results of nobody (references), of other libraries and of other layers
    stay, unless the participant is found in them.
    """
    scanner = person.scanner()
    traces = Traces([], [], [], [])
    for path in _managed(root):
        place = path.relative_to(root).as_posix()
        top = place.partition("/")[0]
        if any(True for _ in scanner.name(place)):
            kind = {"results": traces.libraries, ".snakemake": traces.records}.get(top, traces.logs)
            kind.append(place)
        elif top == "results":
            with_them = computed and _computed_with(place.removeprefix("results/"), person)
            if with_them or _holds(scanner, path, place):
                traces.cohort.append(place)
        elif _holds(scanner, path, place):
            (traces.records if top == ".snakemake" else traces.logs).append(place)
    return traces


def _managed(root: Path) -> Iterator[Path]:
    for top in MANAGED:
        if (root / top).is_dir():
            for path in files_below(root / top):
                if not path.relative_to(root).as_posix().startswith(_TOOLS):
                    yield path


def _computed_with(place: str, person: Person) -> bool:
    found = find_output(place)
    if found is None:
        return True
    output, words = found
    if output.scope == "layer":
        return words.get("layer", place.partition("/")[0]) in person.layers
    return output.scope == "cohort"


def _holds(scanner: Scanner, path: Path, place: str) -> bool:
    if place.endswith(_READS):
        return False
    return any(True for _ in scan_file(scanner, path, place))


def _look_into(scanner: Scanner, path: Path, place: str) -> str:
    """Return ``held`` of a file that holds the participant; ``closed`` of one that cannot be opened, or one in it."""
    if any(True for _ in scanner.name(place)):
        return "held"
    if place.endswith(_READS):
        return ""
    if path.is_symlink() or not path.is_file():
        return "held" if _holds(scanner, path, place) else ""
    closed = False
    for part in parts(path.read_bytes(), place):
        if any(True for _ in scanner.part(part)):
            return "held"
        closed |= part.problem not in ("", TIME_STAMP)
    return "closed" if closed else ""


class InputTraces(NamedTuple):
    """Where a participant is in the inputs.

    Attributes
    ----------
    tables
        Tables with rows (or columns) of theirs -> names of their samples in it.
    raw
        Files that are theirs alone.
    other
        Files that hold them and must be edited or deleted by hand: of a kind that is not edited here, or elsewhere in
        the folder of the run.
    closed
        Files in which nothing was found and that could not be opened to the last layer, so that nobody can vouch for
        them.
    """

    tables: dict[str, tuple[str, ...]]
    raw: list[str]
    other: list[str]
    closed: list[str]

    def paths(self) -> list[str]:
        """All that hold the participant."""
        return [*self.tables, *self.raw, *self.other]

    def keep(self, place: str, state: str) -> None:
        """Add a file that is not edited here, by what `_look_into` says of it."""
        if state:
            (self.other if state == "held" else self.closed).append(place)


def find_inputs(config: Mapping[str, Any], person: Person) -> InputTraces:
    """Find a participant in the input tables, the sealed ones included, among the raw files, and elsewhere in the run.

    Sealed tables are searched as bytes; nothing of them is shown, whatever the role.
    """
    scanner, data_root = person.scanner(), Path(os.path.normpath(config["data_root"]))
    named = dict(person.tables or {})
    raw = {file for file in person.files if Path(file).is_file()}
    found = InputTraces({}, sorted(raw), [], [])
    seen = set(raw)
    for path in [*_input_tables(config), *map(Path, named), *_below(data_root, config)]:
        place = str(path)
        if place in seen or not path.is_file():
            continue
        seen.add(place)
        if place not in named and any(True for _ in scanner.name(path.name)):
            found.raw.append(place)
        elif _loses_rows(path, person, named.get(place, ())):
            found.tables[place] = named.get(place, ())
        else:
            found.keep(place, _look_into(scanner, path, path.name))
    searched = {Path(place).resolve() for place in seen}
    for path in _elsewhere(config):
        place = path.as_posix()
        if path.resolve() not in searched:
            found.keep(place, _look_into(scanner, path, place))
    found.raw.sort()
    return found


def _loses_rows(path: Path, person: Person, ids: tuple[str, ...]) -> bool:
    """Whether a table can be edited and loses something by it."""
    try:
        return edited(path, person, ids)[1] > 0
    except Exception:  # a broken file may raise anything in its reader; whether it holds somebody is seen in its bytes
        return False


def _input_tables(config: Mapping[str, Any]) -> Iterator[Path]:
    paths = [config["manifest"], *config["clinical"].values()]
    paths += [path for name, path in config["sealed"].items() if name != "record"]
    paths += [layer.get("matrix") for layer in config["layers"].values()]
    yield from (Path(path) for path in paths if isinstance(path, str) and path)


def _below(data_root: Path, config: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files of the data folder; nothing where that is a folder around the project or the run itself."""
    top = data_root.resolve()
    around = (PROJECT_ROOT, Path.cwd().resolve(), withdrawals(config).folder.resolve())
    if top.is_dir() and not any(folder.is_relative_to(top) for folder in around):
        for path in files_below(data_root):
            if path.is_file() and not path.is_symlink():
                yield path


def _elsewhere(config: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files of the run's folder that the workflow did not write: copies, old tables, tables of dry runs."""
    run = Path.cwd().resolve()
    spared = [run / top for top in MANAGED] + [PROJECT_ROOT / part for part in _PROJECT]
    spared.append(withdrawals(config).journal.resolve())
    for path in _files_but(run, frozenset(spared)):
        yield path.relative_to(run)


def _files_but(folder: Path, spared: frozenset[Path]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path in spared:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files_but(path, spared)
        else:
            yield path
