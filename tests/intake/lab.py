"""A partner lab and what it hands in: six good tables whose rows have names, the raw files, and the check of them.

The tests break one thing at a time in these tables, write them out as the lab would have saved them, and run the
command's own entry.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from immunosep import cli
from immunosep.checks import columns_of
from immunosep.sealed import unseal
from intake import tables
from intake.tables import Row, Rows

SPREADSHEETS = Path(__file__).with_name("spreadsheets")
OPEN = ("manifest", "sites", "participants", "visits")
SEALED = ("classification", "allocation")
_FOLDERS = {"manifest": ".", "sites": ".", "participants": "clinical", "visits": "clinical"}
_READS = ("fastq_1", "fastq_2")


@dataclass
class Outcome:
    """What one run of the command left: exit code, output, and the findings as programs and browsers get them."""

    code: int
    stdout: str
    stderr: str
    json: str
    html: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        return json.loads(self.json)["findings"] if self.json else []

    @property
    def everything(self) -> str:
        """All that a person could read of it."""
        return "\n".join((self.stdout, self.stderr, self.json, self.html))


@dataclass
class Lab:
    """The tables by the names of their rows; change them, then `write` and `check`.

    Attributes
    ----------
    manifest, sites, participants, visits, classification, allocation
        Name of a row to its cells.
    columns
        Table to its columns in the order of the file.
    files
        Path below the data root to the bytes of a raw file.
    savers
        Table to what turns its columns and rows into bytes, and the ending of the file; by default a plain TSV.
    edits
        Table to what happens to the bytes of its file afterwards, in order.
    role
        In a higher role than `blinded` the command gets a configuration, and the sealed tables are unsealed.
    alone
        Only the manifest is handed in.
    sealed
        Folder of the sealed tables, seen from the lab's.
    after_unsealing
        What happens to the folder of the sealed tables after their unblinding was recorded.
    options
        Further words of the command line.
    settings
        Further keys of the configuration, in a role that has one.
    """

    manifest: Rows = field(default_factory=tables.manifest)
    sites: Rows = field(default_factory=tables.sites)
    participants: Rows = field(default_factory=tables.participants)
    visits: Rows = field(default_factory=tables.visits)
    classification: Rows = field(default_factory=tables.classification)
    allocation: Rows = field(default_factory=tables.allocation)
    columns: dict[str, list[str]] = field(default_factory=lambda: {t: columns_of(t) for t in (*OPEN, *SEALED)})
    files: dict[str, bytes] = field(default_factory=dict)
    savers: dict[str, tuple[str, Callable[[list[str], list[Row]], bytes]]] = field(default_factory=dict)
    edits: dict[str, list[Callable[[bytes], bytes]]] = field(default_factory=dict)
    role: str = "blinded"
    alone: bool = False
    sealed: str = "../sealed"
    after_unsealing: Callable[[Path], object] = lambda sealed: None
    options: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.deliver()

    # ------------------------------------------------------------------------------------------ what happens to tables

    def deliver(self) -> None:
        """Make the raw files that the manifest names and that are not there yet."""
        for row in self.manifest.values():
            for column in _READS:
                if row.get(column):
                    self.files.setdefault(row[column], _reads(row[column], mate=1 + _READS.index(column)))
        tables = {row["table"] for row in self.manifest.values() if row.get("table")}
        for path in tables:
            names = [row["table_id"] for row in self.manifest.values() if row.get("table") == path]
            lines = [f"{name};OID{n:05d};P{n:05d};1.25" for name in names for n in range(2)]
            self.files.setdefault(path, "\n".join(["SampleID;OlinkID;UniProt;NPX", *lines, ""]).encode())

    def rows(self, table: str) -> Rows:
        """Rows of a table by name."""
        rows: Rows = getattr(self, table)
        return rows

    def line(self, table: str, row: str | int) -> int:
        """Line of a row in the file: the header is line 1. A number stands for itself."""
        return row if isinstance(row, int) else 2 + list(self.rows(table)).index(row)

    def put(self, table: str, row: str, /, **cells: str) -> None:
        """Write into cells of one row."""
        self.rows(table)[row] |= cells

    def fill(self, table: str, column: str, value: str) -> None:
        """Write the same value into a column of every row."""
        if column not in self.columns[table]:
            self.columns[table].append(column)
        for row in self.rows(table).values():
            row[column] = value

    def drop(self, table: str, *columns: str) -> None:
        """Delete columns."""
        self.columns[table] = [column for column in self.columns[table] if column not in columns]

    def rename(self, table: str, column: str, name: str) -> None:
        """Write another name over a column."""
        self.columns[table] = [name if c == column else c for c in self.columns[table]]
        for row in self.rows(table).values():
            row[name] = row.pop(column, "")

    def copy(self, table: str, row: str, name: str, /, **cells: str) -> None:
        """Append a copy of a row, with other cells, under a new name."""
        self.rows(table)[name] = self.rows(table)[row] | cells

    def text(self, table: str, change: Callable[[str], str]) -> None:
        """Edit the file as text."""
        self.bytes(table, lambda data: change(data.decode()).encode())

    def bytes(self, table: str, change: Callable[[bytes], bytes]) -> None:
        """Edit the bytes of the file."""
        self.edits.setdefault(table, []).append(change)

    def enlarge(self, batch: Callable[[int], str]) -> None:
        """Take the cohort of forty; `batch` says which extraction each person's library was in."""
        for table, rows in tables.forty(batch).items():
            setattr(self, table, rows)
        self.files.clear()
        self.deliver()

    def save(
        self, table: str, separator: str = "\t", ending: str = ".tsv", *, newline: str = "\n", quoted: bool = False
    ) -> None:
        """Save a table as text of another kind."""
        self.savers[table] = (ending, lambda columns, rows: as_text(columns, rows, separator, newline, quoted=quoted))

    def workbook(self, table: str, change: Callable[[Any], None] = lambda book: None) -> None:
        """Save a table as a workbook of text cells, and change the workbook (openpyxl)."""
        self.savers[table] = (".xlsx", lambda columns, rows: as_workbook(table, columns, rows, change))

    def hand_in(self, table: str, name: str) -> None:
        """Hand in a file of `spreadsheets/` as it is."""
        data = (SPREADSHEETS / name).read_bytes()
        self.savers[table] = (Path(name).suffix, lambda columns, rows: data)

    # ------------------------------------------------------------------------------------------------- write and check

    def path(self, table: str) -> str:
        """Path of a table, seen from the lab's folder."""
        folder = _FOLDERS.get(table, self.sealed)
        ending = self.savers.get(table, (".tsv",))[0]
        return f"{table}{ending}" if folder == "." else f"{folder}/{table}{ending}"

    def content(self, table: str) -> bytes:
        """Bytes of a table's file."""
        _, save = self.savers.get(table, (".tsv", as_text))
        data = save(self.columns[table], list(self.rows(table).values()))
        for change in self.edits.get(table, []):
            data = change(data)
        return data

    def write(self, folder: Path) -> "Lab":
        """Write tables and raw files below `folder`/lab, sealed tables beside it."""
        root = folder / "lab"
        for path, data in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        for table in (*OPEN, *(SEALED if self.role != "blinded" else ())):
            target = root / self.path(table)
            target.parent.mkdir(parents=True, exist_ok=True)
            for older in target.parent.glob(f"{table}.*"):
                older.unlink()
            target.write_bytes(self.content(table))
            if table in SEALED:
                target.chmod(0o600)
        if self.role != "blinded":
            self._write_config(root)
        return self

    def _write_config(self, root: Path) -> None:
        sealed = {table: self.path(table) for table in SEALED} | {"record": "../unblinding.tsv"}
        config = {
            "role": self.role,
            "manifest": self.path("manifest"),
            "sites": self.path("sites"),
            "clinical": {table: self.path(table) for table in ("participants", "visits")},
            "sealed": sealed,
            **self.settings,
        }
        (root / sealed["record"]).unlink(missing_ok=True)
        # JSON is YAML.
        (root / "config.yaml").write_text(json.dumps(config))
        with chdir(root):
            unseal(config, self.role, "trial statistician")
        self.after_unsealing(root / self.sealed)

    def command(self) -> list[str]:
        """Words of the command line, from the lab's folder."""
        if self.role != "blinded":
            return ["check", "--config", "config.yaml", *self.options]
        if self.alone:
            return ["check", self.path("manifest"), *self.options]
        sites = ["--sites", self.path("sites")]
        return ["check", self.path("manifest"), "--clinical", "clinical", *sites, *self.options]

    def check(self, folder: Path) -> Outcome:
        """Run the command on what was written; nothing but its own entry is called."""
        return run(self.command(), folder / "lab")


def run(command: list[str], folder: Path) -> Outcome:
    """Run a check in a folder through the command's own entry, with all the outputs that it has."""
    out, err = io.StringIO(), io.StringIO()
    files = {kind: folder.parent / f"check.{kind}" for kind in ("json", "html")}
    for path in files.values():
        path.unlink(missing_ok=True)
    outputs = ["--json", str(files["json"]), "--report", str(files["html"])]
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = cli.main([*command, *outputs])
    written = {kind: path.read_text(encoding="utf-8") if path.exists() else "" for kind, path in files.items()}
    return Outcome(code, out.getvalue(), err.getvalue(), written["json"], written["html"])


def fill_in(path: Path, rows: Iterable[Row]) -> None:
    """Fill in a template as a person would: values under the names of their columns."""
    if path.suffix == ".tsv":
        header = path.read_text(encoding="utf-8").rstrip("\n").split("\t")
        path.write_bytes(as_text(header, list(rows)))
        return
    from openpyxl import load_workbook

    book = load_workbook(path)
    sheet = book[path.stem]
    header = [cell.value for cell in sheet[1]]
    for line, row in enumerate(rows, start=2):
        for at, column in enumerate(header, start=1):
            if row.get(column):
                sheet.cell(line, at, row[column]).data_type = "s"
    book.save(path)


def as_text(
    columns: list[str], rows: list[Row], separator: str = "\t", newline: str = "\n", *, quoted: bool = False
) -> bytes:
    """Write rows as delimited text; cells are quoted where they must be, or all."""
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=separator, lineterminator=newline, quoting=quoting)
    writer.writerows([columns, *([row.get(column, "") for column in columns] for row in rows)])
    # Broken programs write halves of characters; a test may want them.
    return out.getvalue().encode("utf-8", "surrogatepass")


def as_workbook(name: str, columns: list[str], rows: list[Row], change: Callable[[Any], None]) -> bytes:
    """Write rows as a workbook with one sheet of text cells, and change it."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = name
    for line, cells in enumerate([dict(zip(columns, columns, strict=True)), *rows], start=1):
        for at, column in enumerate(columns, start=1):
            if cells.get(column):
                cell = sheet.cell(line, at, cells[column])
                cell.data_type, cell.number_format = "s", "@"
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _reads(path: str, mate: int) -> bytes:
    """Two reads whose names say which library they are of; the mates of a pair agree."""
    library = path.rsplit("_R", 1)[0].rsplit("/", 1)[-1]
    place = sum(library.encode())
    records = (f"@SIM:1:FC1:1:{place}:{n}:7 {mate}:N:0:ACGT\nACGTACGTAC\n+\nIIIIIIIIII\n" for n in (1, 2))
    return gzip.compress("".join(records).encode(), mtime=0)
