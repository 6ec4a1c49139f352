"""Read the raw files that a manifest names, several at once, and tell what their names alone do not show."""

import posixpath
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from immunosep.checks import Row, Table, load_schema
from immunosep.deep.fastq import FastqFile, compare_mates
from immunosep.deep.headers import header_findings
from immunosep.findings import finding, mask
from immunosep.privacy import header_risk
from immunosep.raw_files import READS, codes_in
from immunosep.row_rules import Surroundings

_SECONDS = 2.0


class Note(NamedTuple):
    """A finding before it has its row."""

    code: str
    column: str
    problem: str
    value: str = ""


class Stopped(Exception):
    """The user wants no more."""


@dataclass
class Progress:
    """Count what is read, and say so on stderr now and then.

    Attributes
    ----------
    sets
        Rows or tables to read.
    done, packed, unpacked
        Those read, and bytes.
    """

    sets: int
    done: int = 0
    packed: int = 0
    unpacked: int = 0

    def __post_init__(self) -> None:
        self._start = self._told = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def note(self, packed: int, unpacked: int) -> None:
        """Count bytes; called from every thread."""
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            self.packed += packed
            self.unpacked += unpacked

    def stop(self) -> None:
        """Make every thread end at its next block."""
        self._stop.set()

    def say(self, *, last: bool = False) -> None:
        """Write a line: on a terminal over the one before, else the last one only."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not last and (not terminal or now - self._told < _SECONDS):
            return
        self._told = now
        seconds = max(now - self._start, 1e-3)
        text = (
            f"{self.done} of {self.sets} file sets read: {self.packed / 1e6:.0f} MB, unpacked "
            f"{self.unpacked / 1e6:.0f} MB, in {seconds:.1f} s ({self.packed / 1e6 / seconds:.0f} MB/s, unpacked "
            f"{self.unpacked / 1e6 / seconds:.0f} MB/s)"
        )
        sys.stderr.write((f"\r{text}" if terminal else text) + ("\n" if last else ""))
        sys.stderr.flush()


def reader(jobs: int) -> Callable[[Table, Surroundings], None]:
    """Return the function that reads the raw files of a checked manifest and adds findings to it.

    Parameters
    ----------
    jobs
        File sets read at once.
    """

    def read(table: Table, around: Surroundings) -> None:
        read_contents(table, around, jobs)

    return read


def read_contents(table: Table, around: Surroundings, jobs: int) -> None:
    """Read every raw file whose cells have no finding yet.

    Parameters
    ----------
    table
        Manifest, checked row by row; findings are added in the order of the rows.
    around
        Data root, and the layers whose files are looked for.
    jobs
        File sets read at once.
    """
    work = list(_work(table, around))
    progress = Progress(len(work))
    codes = frozenset(row[column] for row in table.rows for column in ("sample_code", "participant_code")) - {""}
    results: dict[int, list[Note]] = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        # The files of few rows wait for a thread at a time, so that a stop is quick.
        waiting: dict[Future[list[Note]], int] = {}
        try:
            for index, column in work:
                waiting[pool.submit(_read, table.rows[index], column, around.data_root, codes, progress.note)] = index
                if len(waiting) >= 2 * max(1, jobs):
                    _collect(waiting, results, progress)
            while waiting:
                _collect(waiting, results, progress)
        except BaseException:
            progress.stop()
            raise
    if work:
        progress.say(last=True)
    # A table is read once, and what is wrong with it is so for every row that names it.
    users: dict[str, list[int]] = {}
    for index, row in enumerate(table.rows):
        users.setdefault(row["table"], []).append(table.lines[index])
    for index, notes in sorted(results.items()):
        for note in notes:
            value = note.value or table.rows[index][note.column]
            lines = users[table.rows[index]["table"]] if note.column == "table" else [table.lines[index]]
            table.findings.append(
                finding(note.code, table.file, lines[0], note.column, value, note.problem, others=lines[1:])
            )


def _collect(waiting: dict[Future[list[Note]], int], results: dict[int, list[Note]], progress: Progress) -> None:
    done, _ = wait(waiting, timeout=_SECONDS, return_when=FIRST_COMPLETED)
    for future in done:
        results[waiting.pop(future)] = future.result()
        progress.done += 1
    progress.say()


def _work(table: Table, around: Surroundings) -> Iterator[tuple[int, str]]:
    """Yield rows to read, and the column of the file: FASTQ files of each row, each table once."""
    assays = load_schema("manifest")["assays"]
    tables = set()
    for index, row in enumerate(table.rows):
        if row["collected"] != "yes" or not table.good(index, "collected", "layer", "assay"):
            continue
        if around.layers_with_files is not None and row["layer"] not in around.layers_with_files:
            continue
        if assays[row["assay"]]["files"] == "fastq":
            if row["fastq_1"] and table.good(index, *READS):
                yield index, "fastq_1"
        elif row["table"] and row["table"] not in tables and table.good(index, "table"):
            tables.add(row["table"])
            yield index, "table"


def _read(row: Row, column: str, root: str, codes: frozenset[str], note: Callable[[int, int], None]) -> list[Note]:
    """Read the files of one row; an error of the disk is a finding as well."""
    try:
        if column == "table":
            return [Note(*found) for found in header_findings(Path(posixpath.join(root, row["table"])))]
        return list(_read_reads(row, root, codes, note))
    except OSError as error:
        return [Note("data_unreadable", column, (error.strerror or "cannot be read").lower())]


def _read_reads(row: Row, root: str, codes: frozenset[str], note: Callable[[int, int], None]) -> Iterator[Note]:
    files = {column: FastqFile(Path(posixpath.join(root, row[column])), note) for column in READS if row[column]}
    streams = [file.blocks() for file in files.values()]
    differing = compare_mates(streams[0], streams[1] if len(streams) == 2 else iter(()))
    for column, file in files.items():
        yield from (Note(fault.code, column, fault.problem) for fault in file.faults)
        wanted = row[f"{column}_sha256"]
        if wanted and file.sha256 != wanted:
            yield Note(
                "checksum_mismatch", column, f"the file's SHA-256 is {file.sha256[:12]}..., not {wanted[:12]}..."
            )
        if not file.reads and not file.faults:
            yield Note("no_reads", column, "")
        yield from _judge_names(row, column, file.examples, codes)
    if not any(file.faults for file in files.values()):
        yield from _judge_pair(files, differing)


def _judge_pair(files: Mapping[str, FastqFile], differing: int | None) -> Iterator[Note]:
    if len(files) < 2:
        return
    first, second = files.values()
    if differing is not None:
        yield Note("mates_differ", "fastq_2", f"the names of read {differing:,} differ between the mates")
    elif first.reads != second.reads:
        yield Note("mates_count", "fastq_2", f"fastq_1 has {first.reads:,} reads, fastq_2 {second.reads:,}")


def _judge_names(row: Row, column: str, names: Collection[str], codes: frozenset[str]) -> Iterator[Note]:
    """Look for personal data and for other participants in the headers of some reads of a file."""
    own = {row["sample_code"], row["participant_code"]}
    for name in names:
        risk = header_risk(f"@{name}")
        if risk:
            yield Note("personal_value", column, f"the header of a read looks like {risk}", mask(name))
            return
        others = (codes_in(name) & codes) - own
        if others:
            yield Note("reads_of_other", column, f"a read's name holds the code {min(others)}, which is not this row's")
            return
