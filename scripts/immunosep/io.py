"""Reading and writing the files that pass between rules.

Tables are UTF-8 TSV with a header. They are read as text and written with a fixed float format, so that equal numbers
give equal bytes. Every writer goes through a temporary file in the target's folder: a final name never holds half a
file.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import anndata
    import pandas as pd

PathLike = str | os.PathLike[str]


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there when the block ends without an error.

    Parameters
    ----------
    path
        Final name. Its folder is made when missing.

    Yields
    ------
    Path
        Temporary name with the same suffix, removed when the block fails.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=target.name, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's umask; `mkstemp` ignores it and always makes files private."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_table(path: PathLike) -> "pd.DataFrame":
    """Read a TSV with every column as text; a missing value is the empty string.

    Parameters
    ----------
    path
        TSV file, plain or compressed by its suffix.

    Returns
    -------
    pandas.DataFrame
        All columns of dtype object holding str. Codes keep their leading zeros.
    """
    import pandas as pd

    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, na_filter=False)


def read_clinical(path: PathLike, name: str) -> "pd.DataFrame":
    """Read a clinical table that passed the intake, in any format that the intake reads, with every column as text.

    Parameters
    ----------
    path
        Text table or workbook.
    name
        Name of the table (``participants``), which chooses the sheet of a workbook.

    Returns
    -------
    pandas.DataFrame
        As `read_table` gives it.
    """
    import pandas as pd

    from immunosep.checks import columns_of
    from immunosep.sheet import read_sheet

    sheet = read_sheet(os.fspath(path), name, columns_of(name))
    return pd.DataFrame(sheet.rows, columns=sheet.header, dtype=str)


def write_table(table: "pd.DataFrame", path: PathLike, *, digits: int = 6) -> None:
    """Write a TSV: header, no index, floats to `digits` significant digits, missing values empty.

    Parameters
    ----------
    table
        Columns in the order to be written. An index that carries information must be a column.
    path
        Target; replaced in one step.
    digits
        Significant digits of floats. Six are below the precision of any assay here and above the noise of summation
        order, which keeps tables identical between runs.
    """
    with atomic_path(path) as temporary:
        table.to_csv(
            temporary,
            sep="\t",
            index=False,
            float_format=f"%.{digits}g",
            lineterminator="\n",
            na_rep="",
            encoding="utf-8",
        )


def write_json(content: Any, path: PathLike) -> None:
    """Write indented JSON with sorted keys; NaN is refused because JSON has none."""
    with atomic_path(path) as temporary:
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        # Halves of characters, as in names of files that are no text, become escapes, which JSON has too.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_h5ad(path: PathLike) -> "anndata.AnnData":
    """Read an AnnData file into memory."""
    import anndata

    return anndata.read_h5ad(path)


def write_h5ad(data: "anndata.AnnData", path: PathLike) -> None:
    """Write an AnnData file, compressed, in one step."""
    with atomic_path(path) as temporary:
        data.write_h5ad(temporary, compression="gzip")
