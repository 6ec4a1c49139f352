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
# The names of two mates, one below the other, that differ in the mate's number alone.
_PAIR = re.compile(r"(.*(?<![A-Za-z0-9])R?)1((?:_\d{3})?\.f(?:ast)?q\.gz)\n\1[2]\2")
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
    flaws
        Path as the manifest writes it, and whether it is packed reads -> code and problem of what is wrong with the
        file; None where nothing is.
    """

    def __init__(self, root: str) -> None:
        self.root = root or "."
        self.identities: dict[str, tuple[int, int]] = {}
        self.flaws: dict[tuple[str, bool], tuple[str, str] | None] = {}
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


def check_file_cell(table: Table, index: int, column: str, folder: DataFolder) -> None:
    """Check that a named file lies below the data root, exists, can be read and is not empty."""
    path = table.rows[index][column]
    # A table is named by many rows, and looked at once.
    packed = column in READS
    if (path, packed) not in folder.flaws:
        folder.flaws[path, packed] = _path_flaw(path) or _file_flaw(path, folder, packed=packed)
    flaw = folder.flaws[path, packed]
    if flaw is not None:
        table.add(flaw[0], index, column, flaw[1])


def _path_flaw(path: str) -> tuple[str, str] | None:
    """Code and problem of a path that does not stay below the data root, whatever is on the disk."""
    if _ABSOLUTE.match(path) or "\\" in path:
        return "path_absolute", ""
    return ("path_outside", "the path contains '..'") if ".." in path and ".." in path.split("/") else None


def _file_flaw(path: str, folder: DataFolder, *, packed: bool) -> tuple[str, str] | None:
    """Code and problem of what is wrong with a file on the disk."""
    full = f"{folder.root}/{path}"
    try:
        status = os.lstat(full)
        if stat.S_ISLNK(status.st_mode):
            status = os.stat(full)  # noqa: PTH116
            real = os.path.realpath(full)
        else:
            real = folder.real(full.rpartition("/")[0])
    except PermissionError:
        return "data_unreadable", "its folder may not be entered"
    except (OSError, ValueError):
        return "data_missing", ""
    if not folder.holds(real):
        return "path_outside", "a link leads out of the data root"
    if not stat.S_ISREG(status.st_mode):
        return "data_missing", "there is a folder, or something else, in place of the file"
    folder.identities[path] = (status.st_dev, status.st_ino)
    if status.st_size == 0:
        return "data_empty", ""
    return _content_flaw(full) if packed else _access_flaw(full)


def _access_flaw(full: str) -> tuple[str, str] | None:
    return None if os.access(full, os.R_OK) else ("data_unreadable", "")


def _content_flaw(full: str) -> tuple[str, str] | None:
    """Read the two bytes that every gzip file begins with."""
    try:
        handle = os.open(full, os.O_RDONLY)
        try:
            start = os.read(handle, 2)
        finally:
            os.close(handle)
    except OSError as error:
        return "data_unreadable", (error.strerror or "cannot be read").lower()
    return None if start == _GZIP else ("not_gzip", "")


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
    if _PAIR.fullmatch(f"{first}\n{second}"):
        return
    if posixpath.normpath(first) == posixpath.normpath(second):
        table.add("mates_same", index, "fastq_2")
        return
    if _ends(row) == ("2", "1"):
        table.findings.append(finding("mates_swapped", table.file, table.lines[index], "fastq_1", first))


def _ends(row: Row) -> tuple[str, str]:
    """Which mate each file's name says it is; empty where it says nothing."""
    first, second = (_MATE.search(row[column]) for column in READS)
    return first[2] if first else "", second[2] if second else ""


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
    paths = [_plain(row[column]) for row in table.rows for column in READS if row[column]]
    repeated = {path for path, uses in Counter(paths).items() if uses > 1} if len(set(paths)) < len(paths) else ()
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


def _name_flaw(row: Row, known: set[str]) -> tuple[str, str, str]:
    """Column, problem and code of what the names of a row's files give away."""
    names = [row[column].rpartition("/")[2] for column in READS]
    pair = "\n".join(names)
    # Controls belong to nobody; the run before may be part of their names.
    if row["sample_type"] == "sample":
        own = (row["sample_code"], row["participant_code"])
        others = {code for code in _CODE.findall(pair) if code not in own and code in known}
        for column, name in zip(READS, names, strict=True) if others else ():
            if held := codes_in(name) & others:
                return column, f"the name holds the code {min(held)}, which is not this row's", "file_of_other"
    if not names[1] or _PAIR.fullmatch(pair):
        return "", "", ""
    first, second = _ends(row)
    if first and first == second:
        return "fastq_2", f"both names say R{first}", "mates_names"
    if first and second and _MATE.sub("", names[0]) != _MATE.sub("", names[1]):
        wanted = _MATE.sub(rf"\g<1>{second}", names[0])
        return "fastq_2", f"the mate of {names[0]} would be {wanted}", "mates_names"
    return "", "", ""
