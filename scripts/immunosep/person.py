"""One participant in files: which codes are theirs, where they stand, and how their rows are taken out of a table."""

import codecs
import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from immunosep.checks import check_file
from immunosep.errors import InputError
from immunosep.outputs import LAYERS
from immunosep.scan import Scanner, Watchlist

_Key = tuple[str, str]
_FILE_COLUMNS: Final = ("fastq_1", "fastq_2")
_SEPARATORS: Final = (b"\t", b";", b",")
_TEXT: Final = (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz", ".txt.gz")
# Excel's line above the header that names the separator.
_HINTS: Final = (b"sep=", b"SEP=", codecs.BOM_UTF8 + b"sep=", codecs.BOM_UTF8 + b"SEP=")
_WIDE_TEXT: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Person:
    """What the input tables say of a participant.

    Attributes
    ----------
    site, code
        Site and participant code.
    codes
        The participant's code and those of their tubes.
    shared
        Those of the codes that other people have as well; they count only beside the site.
    layers
        Layers with samples of theirs.
    files
        Raw files that are theirs alone, as they can be opened from the folder of the run.
    tables
        Table of the vendor, likewise -> names of their samples in it.
    """

    site: str
    code: str
    codes: tuple[str, ...]
    shared: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tables: Mapping[str, tuple[str, ...]] | None = None

    def scanner(self) -> Scanner:
        """Return a scanner that finds this participant and nothing else."""
        site = self.site.encode()
        return Scanner(
            Watchlist(
                codes=frozenset(code.encode() for code in self.codes if code not in self.shared),
                people=frozenset((site, code.encode()) for code in self.codes),
                general=False,
            )
        )


class _Owners(NamedTuple):
    """Whose, as site and participant code, is what a list of libraries names.

    Attributes
    ----------
    tubes
        Site and code of the tube.
    files
        Paths.
    samples
        Path of a vendor's table, and name of the sample in it.
    layers
        Layers.
    """

    tubes: dict[tuple[str, str], set[_Key]]
    files: dict[str, set[_Key]]
    samples: dict[tuple[str, str], set[_Key]]
    layers: dict[str, set[_Key]]


def find_person(config: Mapping[str, Any], site: str, code: str) -> Person:
    """Gather from the input tables, and from the run's own lists of libraries, what belongs to a participant.

    Tables with mistakes are read as well as they can be, and one that is not there is passed over: a withdrawal must
    not wait for a clean manifest. The lists of the last run know what has left the manifest since; what the manifest
    still names belongs to whom it says.

    Raises
    ------
    InputError
        When one of the tables cannot be read at all: what it names would stay.
    """
    me = (site, code)
    root = Path(config["data_root"])
    now = _owners(_rows(config["manifest"], "manifest"), lambda path: [os.path.normpath(root / path)])
    # The lanes of a library stand in one cell, and the data folder before each path.
    before = _owners(_listed(), lambda paths: [os.path.normpath(path) for path in paths.split(";")])
    tubes, files, samples = before.tubes | now.tubes, before.files | now.files, before.samples | now.samples
    people = {me, *(owner for owners in tubes.values() for owner in owners)}
    for name in ("participants", "visits"):
        people |= {(row["site"], row["participant_code"]) for row in _rows(config["clinical"][name], name)}
    mine = {code, *(tube for (_, tube), owners in tubes.items() if me in owners)}
    others = {own for _, own in people - {me}} | {tube for (_, tube), owners in tubes.items() if owners != {me}}
    tables: dict[str, list[str]] = {}
    for (table, sample), owners in sorted(samples.items()):
        if me in owners:
            tables.setdefault(table, []).append(sample)
    return Person(
        site,
        code,
        tuple(sorted(mine)),
        tuple(sorted(mine & others)),
        tuple(sorted({layer for own in (before, now) for layer, owners in own.layers.items() if me in owners})),
        tuple(sorted(file for file, owners in files.items() if owners == {me})),
        {table: tuple(ids) for table, ids in tables.items()},
    )


def _owners(rows: Iterable[Mapping[str, str]], paths_in: Callable[[str], list[str]]) -> _Owners:
    found = _Owners({}, {}, {}, {})
    for row in rows:
        owner = (row["site"], row["participant_code"] or row["sample_code"])
        named = [path for column in _FILE_COLUMNS if row[column] for path in paths_in(row[column])]
        for table in paths_in(row["table"]) if row["table"] else ():
            if row["table_id"]:
                found.samples.setdefault((table, row["table_id"]), set()).add(owner)
            else:
                named.append(table)
        for path in named:
            found.files.setdefault(path, set()).add(owner)
        if owner[1]:
            found.tubes.setdefault((owner[0], row["sample_code"] or owner[1]), set()).add(owner)
        if row["layer"]:
            found.layers.setdefault(row["layer"], set()).add(owner)
    return found


def _listed() -> Iterator[Mapping[str, str]]:
    for name in ("libraries", *LAYERS):
        yield from _rows(f"results/intake/{name}.tsv", "manifest")


def _rows(path: str | None, name: str) -> Iterator[Mapping[str, str]]:
    if not path or not Path(path).is_file():
        return
    table = check_file(path, name)
    for found in table.findings:
        if found.code in ("file_unreadable", "not_text"):
            raise InputError(
                f"{path}: {found.problem}. What belongs to the participant cannot be told without it. Mend or restore "
                "the file, then call the command again."
            )
    yield from table.rows


def edited(path: Path, person: Person, ids: Iterable[str] = ()) -> tuple[bytes, int]:
    """Return what an input file holds without a participant, and how many rows and columns that takes out of it.

    Parameters
    ----------
    path
        Text table, workbook or AnnData, by its ending; of any other file nothing is taken out.
    person
        The participant.
    ids
        Names of their samples in this file.
    """
    if path.suffix == ".h5ad":
        return _edited_matrix(path, person)
    if path.suffix in (".xlsx", ".xlsm"):
        return _edited_workbook(path, person, ids)
    return without_person(path.read_bytes(), person, ids) if path.name.endswith(_TEXT) else (b"", 0)


def _edited_matrix(path: Path, person: Person) -> tuple[bytes, int]:
    from immunosep.io import read_h5ad, write_h5ad

    data = read_h5ad(path)
    scanner = person.scanner()
    rows = zip(data.obs_names, *(data.obs[name].astype(str) for name in data.obs), strict=True)
    theirs = [scanner.holds("\t".join(map(str, row)).encode()) for row in rows]
    if not any(theirs):
        return b"", 0
    with tempfile.TemporaryDirectory(prefix=".edited_", dir=path.parent) as folder:
        write_h5ad(data[[not gone for gone in theirs]].copy(), Path(folder) / path.name)
        return (Path(folder) / path.name).read_bytes(), sum(theirs)


def _edited_workbook(path: Path, person: Person, ids: Iterable[str]) -> tuple[bytes, int]:
    from openpyxl import load_workbook

    book = load_workbook(path, keep_vba=path.suffix == ".xlsm")
    wanted, taken = {name.encode() for name in ids}, 0
    for sheet in book.worksheets:
        rows = [[str(value or "").encode() for value in row] for row in sheet.iter_rows(values_only=True)]
        top = next((number for number, cells in enumerate(rows) if any(cells)), len(rows))
        theirs = _row_test(rows[top] if rows[top:] else [], person, wanted)
        for number in range(len(rows), top + 1, -1):
            if theirs(rows[number - 1]):
                sheet.delete_rows(number)
                taken += 1
    if not taken:
        return b"", 0
    written = io.BytesIO()
    book.save(written)
    return written.getvalue(), taken


def without_person(data: bytes, person: Person, ids: Iterable[str] = ()) -> tuple[bytes, int]:
    """Take a participant out of a text table: their rows, and, where columns stand for samples, their columns.

    Parameters
    ----------
    data
        Content of the table, plain or packed by gzip. Every other byte stays as it is.
    person
        The participant.
    ids
        Names of their samples in this table.

    Returns
    -------
    bytes
        The table without them.
    int
        Rows and columns taken out; 0 where the participant is not in it, or where it is no table that this can edit.
    """
    if data.startswith(b"\x1f\x8b"):
        plain, taken = without_person(gzip.decompress(data), person, ids)
        return (gzip.compress(plain, mtime=0) if taken else data), taken
    for mark in _WIDE_TEXT:
        if data.startswith(mark):
            plain, taken = without_person(data.decode("utf-16").encode(), person, ids)
            return (plain.decode().encode("utf-16") if taken else data), taken
    if b"\x00" in data or not data.strip():
        return data, 0
    lines = data.splitlines(keepends=True)
    top = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith(_HINTS)), 0)
    above, header, lines = lines[:top], lines[top], lines[top + 1 :]
    separator = b"\t" if b"\t" in header else max(_SEPARATORS, key=header.count)
    scanner, wanted = person.scanner(), {name.encode() for name in ids}
    names = _cells(header.removeprefix(codecs.BOM_UTF8), separator)
    theirs = _row_test(names, person, wanted)
    kept = [line for line in lines if not theirs(_cells(line, separator))]
    taken = len(lines) - len(kept)
    columns = {index for index, name in enumerate(names) if name in wanted or scanner.holds(name)}
    if columns:
        taken += len(columns)
        header, *kept = (_without_columns(line, separator, columns) for line in (header, *kept))
    return b"".join((*above, header, *kept)), taken


def _split(line: bytes, separator: bytes) -> list[bytes]:
    """Split a line into its cells as they stand in the file; one in quotation marks may hold the separator."""
    cells: list[bytes] = []
    for piece in line.rstrip(b"\r\n").split(separator):
        if cells and cells[-1].startswith(b'"') and cells[-1].count(b'"') % 2:
            cells[-1] += separator + piece
        else:
            cells.append(piece)
    return cells


def _cells(line: bytes, separator: bytes) -> list[bytes]:
    return [cell.strip(b'"') for cell in _split(line, separator)]


def _row_test(names: list[bytes], person: Person, ids: set[bytes]) -> Callable[[list[bytes]], bool]:
    """Return how to tell the participant's rows: by name, by site and code in their columns, by the sample's name."""
    scanner = person.scanner()
    site_at = names.index(b"site") if b"site" in names else None
    codes_at = [names.index(name) for name in (b"sample_code", b"participant_code") if name in names]
    site, codes = person.site.encode(), {code.encode() for code in person.codes}

    def theirs(cells: list[bytes]) -> bool:
        if scanner.holds(b"\t".join(cells)) or ids.intersection(cells):
            return True
        if site_at is None:
            return False
        if len(cells) != len(names):  # a decimal comma moved the cells: they may stand in any column
            return site in cells and not codes.isdisjoint(cells)
        return cells[site_at] == site and any(cells[index] in codes for index in codes_at)

    return theirs


def _without_columns(line: bytes, separator: bytes, columns: set[int]) -> bytes:
    end = line[len(line.rstrip(b"\r\n")) :]
    cells = _split(line, separator)
    return separator.join(cell for index, cell in enumerate(cells) if index not in columns) + end
