"""Column names of results tables (proteome, cytokines, ...): do they hold personal data or hint at the treatment."""

from collections.abc import Iterator
from pathlib import Path

from immunosep.codes import CODES
from immunosep.privacy import column_risk
from immunosep.sheet import parse_sheet

_START = 1 << 16
_PARQUET = b"PAR1"


def header_findings(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Judge the column names of a table.

    Parameters
    ----------
    path
        Text table, plain; workbook; or Parquet file.

    Yields
    ------
    tuple of str
        Code, column of the manifest, problem, value, for every column name that should not be there.
    """
    for name in _header(path):
        risk = column_risk(name)
        if risk:
            yield risk, "table", f"column '{name}' of the table: {CODES[risk].title}", path.name


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        start = file.read(_START)
        if start.startswith(_PARQUET):
            from pyarrow import parquet

            return list(parquet.read_schema(path).names)
        if start.startswith(b"PK"):
            return parse_sheet(start + file.read(), path.name).header
    # Only the first line is wanted of a table that may have millions.
    return parse_sheet(start.rpartition(b"\n")[0] or start, path.name).header
