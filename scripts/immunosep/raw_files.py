"""The raw files that a manifest names: where they lie, that they can be read, and that mates belong together.

Tens of thousands of files: plain strings instead of Path objects, every folder resolved once, two bytes read of each.
"""

import os
import posixpath
import re
import stat
from collections import Counter
from pathlib import Path

from immunosep.checks import Row, Table
from immunosep.findings import finding

READS = ("fastq_1", "fastq_2")
TABLES = ("table", "table_id")
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*://")
_MATE = re.compile(r"(?<![A-Za-z0-9])(R?)([12])(?=(?:_\d{3})?\.f(?:ast)?q\.gz$)")
_USUAL_ENDS = (("_R1.fastq.gz", "_R2.fastq.gz"), ("_R1_001.fastq.gz", "_R2_001.fastq.gz"))
# No longer than R1_001.fastq.gz and what stands before it.
_LONGEST_END = 20
_CODE = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")
_GZIP = b"\x1f\x8b"


class DataFolder:
    """Folder of the raw files; remembers where its subfolders really lie, and which names lead to one file.

    Parameters
    ----------
    root
        The data root.

    Attributes
    ----------
    identities
        Path relative to the root -> device and inode, of the files that were found.
    """

    def __init__(self, root: str) -> None:
        self.root = root or "."
        self.identities: dict[str, tuple[int, int]] = {}
        self._real: dict[str, str] = {}
        self._held: dict[str, bool] = {}

    def real(self, folder: str) -> str:
        """Return the folder with all links followed."""
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder or ".")
        return self._real[folder]

    def holds(self, real: str) -> bool:
        """Whether a resolved path lies in the data root."""
        if real not in self._held:
            root = self.real(self.root)
            self._held[real] = real == root or real.startswith(root.rstrip("/") + "/")
        return self._held[real]


def check_file_cell(table: Table, index: int, column: str, folder: DataFolder | None) -> None:
    """Check that a named file lies below the data root and, where files are looked for, can be read and is not empty.

    Parameters
    ----------
    table, index, column
        A cell with the name of a file and without a finding.
    folder
        Where files are looked for; None judges the name alone.
    """
    path = table.rows[index][column]
    if _ABSOLUTE.match(path) or "\\" in path:
        table.add("path_absolute", index, column)
        return
    if ".." in path and ".." in path.split("/"):
        table.add("path_outside", index, column, "the path contains '..'")
        return
    if folder is None:
        return
    flaw = _file_flaw(path, folder, packed=column in READS)
    if flaw is not None:
        table.add(flaw[0], index, column, flaw[1])


def _file_flaw(path: str, folder: DataFolder, *, packed: bool) -> tuple[str, str] | None:
    """Code and problem of what is wrong with a file on the disk.

    The usual file is opened and looked at through its handle: its path is followed once.
    """
    full = f"{folder.root}/{path}"
    try:
        status, start = _look_into(full, os.O_NOFOLLOW, packed=packed)
    except (OSError, ValueError):
        return _odd_file_flaw(path, full, folder, packed=packed)
    real = folder.real(full.rpartition("/")[0])
    return _status_flaw(path, status, real, folder) or (None if start == _GZIP else ("not_gzip", ""))


def _look_into(full: str, flags: int, *, packed: bool) -> tuple[os.stat_result, bytes]:
    """Return what a file is and, of one that should be packed, the two bytes that every gzip file begins with."""
    # A pipe would keep us waiting.
    handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | flags)
    try:
        status = os.fstat(handle)
        return status, os.read(handle, 2) if packed and stat.S_ISREG(status.st_mode) else _GZIP
    finally:
        os.close(handle)


def _odd_file_flaw(path: str, full: str, folder: DataFolder, *, packed: bool) -> tuple[str, str] | None:
    """Code and problem of a file that is a link, is absent, or cannot be opened."""
    try:
        status = os.stat(full)  # noqa: PTH116
        real = os.path.realpath(full)
    except PermissionError:
        return "data_unreadable", "its folder may not be entered"
    except (OSError, ValueError):
        return "data_missing", ""
    flaw = _status_flaw(path, status, real, folder)
    if flaw is not None:
        return flaw
    try:
        _, start = _look_into(full, 0, packed=packed)
    except OSError as error:
        return "data_unreadable", (error.strerror or "cannot be read").lower()
    return None if start == _GZIP else ("not_gzip", "")


def _status_flaw(path: str, status: os.stat_result, real: str, folder: DataFolder) -> tuple[str, str] | None:
    """Code and problem of a file by what it is and where it lies; note which file it is."""
    if not folder.holds(real):
        return "path_outside", "a link leads out of the data root"
    if not stat.S_ISREG(status.st_mode):
        return "data_missing", "there is a folder, or something else, in place of the file"
    folder.identities[path] = (status.st_dev, status.st_ino)
    return ("data_empty", "") if status.st_size == 0 else None


def check_mates(table: Table, index: int, row: Row, folder: DataFolder | None, *, paired_only: bool) -> None:
    """Check by their names that the files of a row are the two mates of one library.

    Parameters
    ----------
    table, index, row
        A row whose file columns have no finding.
    folder
        Where a missing mate is looked for; None where files are not looked for.
    paired_only
        The assay is always read from both ends.
    """
    first, second = row["fastq_1"], row["fastq_2"]
    if not second:
        _check_single(table, index, row, folder, paired_only=paired_only)
        return
    if posixpath.normpath(first) == posixpath.normpath(second):
        table.add("mates_same", index, "fastq_2")
        return
    if _ends(row) == ("2", "1"):
        table.findings.append(finding("mates_swapped", table.file, table.lines[index], "fastq_1", first))


def _ends(row: Row) -> tuple[str, str]:
    """Which mate each file's name says it is; empty where it says nothing."""
    first, second = row["fastq_1"], row["fastq_2"]
    if _are_usual_mates(first, second):
        return "1", "2"
    found = [_MATE.search(name, max(0, len(name) - _LONGEST_END)) for name in (first, second)]
    return found[0][2] if found[0] else "", found[1][2] if found[1] else ""


def _are_usual_mates(first: str, second: str) -> bool:
    """Whether two names differ in their ``_R1`` and ``_R2`` alone, as nearly all do: no pattern has to be searched."""
    return any(first.endswith(end) and second == f"{first.removesuffix(end)}{other}" for end, other in _USUAL_ENDS)


def _check_single(table: Table, index: int, row: Row, folder: DataFolder | None, *, paired_only: bool) -> None:
    first = row["fastq_1"]
    mate = _MATE.sub(lambda m: f"{m[1]}2", first) if (found := _MATE.search(first)) and found[2] == "1" else ""
    if paired_only:
        table.add("mate_missing", index, "fastq_2", f"assay {row['assay']} is read from both ends")
    elif mate and folder is not None and Path(folder.root, mate).exists():
        table.add("mate_missing", index, "fastq_2", "the second mate lies beside the first", suggestion=mate)
    else:
        table.findings.append(finding("single_end", table.file, table.lines[index], "fastq_2"))


def check_names(table: Table) -> None:
    """Tell files whose names fit neither the row nor each other.

    A file that stands in two rows is told as such, and its name then says nothing more.
    """
    known = {row[column] for row in table.rows for column in ("sample_code", "participant_code")} - {""}
    uses = Counter(_plain(row[column]) for row in table.rows for column in READS if row[column])
    repeated = {path for path, count in uses.items() if count > 1}
    for index, row in enumerate(table.rows):
        if not (row["fastq_1"] and table.good(index, "sample_code", "participant_code", *READS)):
            continue
        if repeated and any(_plain(row[column]) in repeated for column in READS):
            continue
        column, problem, code = _name_flaw(row, known)
        if code:
            table.findings.append(finding(code, table.file, table.lines[index], column, row[column], problem))


def codes_in(text: str) -> set[str]:
    """Return the runs of exactly nine digits in a text."""
    return set(_CODE.findall(text))


def _plain(path: str) -> str:
    """Write a path without detours, which few have."""
    return posixpath.normpath(path) if "//" in path or "./" in path else path


def _base(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _name_flaw(row: Row, known: set[str]) -> tuple[str, str, str]:
    """Column, problem and code of what the names of a row's files give away."""
    usual = _are_usual_mates(row["fastq_1"], row["fastq_2"])
    # Controls belong to nobody; the run before may be part of their names.
    if row["sample_type"] == "sample":
        own = (row["sample_code"], row["participant_code"])
        # Of usual mates the second name holds what the first does.
        for column in READS[: 1 if usual else 2]:
            others = [code for code in _CODE.findall(_base(row[column])) if code not in own and code in known]
            if others:
                return column, f"the name holds the code {min(others)}, which is not this row's", "file_of_other"
    if usual:
        return "", "", ""
    first, second = _ends(row)
    names = {column: _base(row[column]) for column in READS}
    if first and first == second:
        return "fastq_2", f"both names say R{first}", "mates_names"
    if first and second and _MATE.sub("", names["fastq_1"]) != _MATE.sub("", names["fastq_2"]):
        wanted = _MATE.sub(rf"\g<1>{second}", names["fastq_1"])
        return "fastq_2", f"the mate of {names['fastq_1']} would be {wanted}", "mates_names"
    return "", "", ""
