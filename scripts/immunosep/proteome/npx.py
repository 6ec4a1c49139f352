"""Reader of Olink NPX tables: every vendor format and product generation into one long table.

Two layouts are read: the long table (csv with ``;``, ``,`` or tab; parquet; xlsx), one row per sample and assay, and
the wide xlsx sheet of NPX Manager (Target panels), one row per sample. SampleIDs and OlinkIDs are text throughout.
"""

import gzip
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunosep.errors import InputError
from immunosep.io import PathLike
from immunosep.privacy import column_risk
from immunosep.privacy_tables import check_annotations

logger = logging.getLogger(__name__)

# Column of the long table -> header names across NPX Manager, NPX Signature, NPX Explore, Explore HT and NPX Map,
# compared in lower case without separators. The first name that is present is taken.
ALIASES: dict[str, tuple[str, ...]] = {
    "sample_id": ("sampleid", "sample"),
    "sample_type": ("sampletype",),
    "olink_id": ("olinkid", "oid"),
    "uniprot": ("uniprot", "uniprotid"),
    "symbol": ("assay", "genename", "geneid", "gene"),
    "assay_type": ("assaytype",),
    "panel": ("panel", "panelname"),
    "plate": ("plateid", "plate"),
    "well": ("wellid", "well"),
    "npx": ("npx",),
    "lod": ("lod", "maxlod", "platelod"),
    "sample_qc": ("qcwarning", "sampleqc"),
    "assay_qc": ("assayqc", "assaywarning"),
    "normalization": ("normalization", "normalisation", "normalizationtype"),
}
KNOWN = frozenset(alias for aliases in ALIASES.values() for alias in aliases)
REQUIRED = ("sample_id", "symbol", "npx")
NUMERIC = ("npx", "lod")
COLUMNS = (
    "sample_id",
    "sample_type",
    "olink_id",
    "uniprot",
    "symbol",
    "panel",
    "plate",
    "well",
    "npx",
    "lod",
    "warned",
    "normalization",
)

# NPX is a log2 scale that runs from about -10 to 25. Larger numbers come from a lost decimal sign (2.20938 -> 220938).
LARGEST_NPX = 60.0
# Rows from which it is told whether a column that is not used holds numbers or text.
PROBE_ROWS = 5000
MISSING = frozenset({"", "na", "nan", "null", "none", "n/a", "#n/a"})
PASSED = frozenset({"pass", "passed", "ok", ""}) | MISSING
# Incubation, amplification, extension and detection controls are assays of the kit, not proteins.
KIT_ASSAY = re.compile(r"^(inc|ext|amp|det)[a-z]*[ _-]?(ctrl|control)", re.IGNORECASE)


def read_npx(path: PathLike) -> pd.DataFrame:
    """Read one NPX table of any supported layout.

    Parameters
    ----------
    path
        ``.csv``, ``.txt``, ``.tsv`` (optionally ``.gz``), ``.parquet``, or ``.xlsx`` (long, or the wide sheet of
        NPX Manager).

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`. ``sample_type`` is sample, sample_control, plate_control or negative_control, empty where the
        table does not say; ``npx`` and ``lod`` are log2 floats, NaN where missing; ``warned`` is True where the sample
        or the assay carries a QC flag other than pass. Where the table has no OlinkID (published tables that dropped
        it), the key is ``<panel>_<UniProt>``.

    Raises
    ------
    InputError
        When the format is unknown, required columns are absent, numbers cannot be read, a sample has an assay twice, or
        a column looks like personal data or a treatment.
    """
    suffix = Path(str(path).removesuffix(".gz")).suffix.lower()
    if suffix in (".csv", ".txt", ".tsv"):
        raw = _read_text(path)
    elif suffix == ".parquet":
        raw = pd.read_parquet(path)
    elif suffix == ".xlsx":
        raw = _read_workbook(path)
    else:
        raise InputError(f"{path}: not a known NPX table; give .csv, .tsv, .txt (or .gz of these), .parquet or .xlsx")
    _check_privacy(raw, str(path))
    table = tidy_npx(raw, str(path))
    _refuse_duplicates(table, str(path))
    counts = table[["sample_id", "olink_id"]].nunique()
    logger.info("%s: %d values, %d samples, %d assays", path, len(table), counts["sample_id"], counts["olink_id"])
    return table


def _check_privacy(raw: pd.DataFrame, where: str) -> None:
    """Refuse personal data and treatment; the columns of the format itself are known, except for the SampleIDs."""
    known = {name for name in raw.columns if _normalised(name) in KNOWN}
    found = _find_columns(list(raw.columns), where)
    assays = raw[found.get("olink_id", found["symbol"])]
    check_annotations(raw, where, known=known, names=found["sample_id"], assays=assays)


def tidy_npx(raw: pd.DataFrame, where: str) -> pd.DataFrame:
    """Bring the columns of a long NPX table to their common names and types.

    Parameters
    ----------
    raw
        The table as read: any column order, text or typed.
    where
        Name of the file for messages.

    Returns
    -------
    pandas.DataFrame
        See `read_npx`.
    """
    names = _find_columns(list(raw.columns), where)
    table = pd.DataFrame({ours: raw[theirs].to_numpy() for ours, theirs in names.items() if ours not in NUMERIC})
    table = table.apply(_as_text)
    for column in NUMERIC:
        table[column] = parse_numbers(raw[names[column]], f"{where}: {names[column]}") if column in names else np.nan
    table = table.reindex(columns=[*COLUMNS, "sample_qc", "assay_qc", "assay_type"])
    text = [column for column in table.columns if column not in (*NUMERIC, "warned")]
    table[text] = table[text].fillna("")
    _refuse_lost_decimals(table["npx"], where)
    table["sample_type"] = table["sample_type"].map(_sample_type, na_action=None)
    table["warned"] = ~(table["sample_qc"].str.lower().isin(PASSED) & table["assay_qc"].str.lower().isin(PASSED))
    if "olink_id" not in names:
        if "uniprot" not in names:
            raise InputError(f"{where}: has neither OlinkID nor UniProt, so its assays cannot be told apart")
        logger.warning("%s has no OlinkID; its assays are named <panel>_<UniProt>", where)
        table["olink_id"] = (table["panel"] + "_" + table["uniprot"]).str.removeprefix("_")
    is_kit = table["assay_type"].str.lower().str.endswith("_ctrl") | table["symbol"].str.match(KIT_ASSAY)
    no_key = ~is_kit & ((table["sample_id"] == "") | (table["olink_id"] == ""))
    if no_key.any():
        raise InputError(
            f"{where}: {int(no_key.sum())} rows have no SampleID or no OlinkID, first in data row "
            f"{int(no_key.to_numpy().argmax()) + 1}; complete or remove them"
        )
    return table.loc[~is_kit, list(COLUMNS)].reset_index(drop=True)


def parse_numbers(values: pd.Series, where: str) -> np.ndarray:
    """Read numbers written with a decimal point or, throughout, with a decimal comma.

    Parameters
    ----------
    values
        Text or numbers. ``NA`` and blanks are missing.
    where
        File and column for messages.

    Returns
    -------
    numpy.ndarray
        Float64, NaN where missing.

    Raises
    ------
    InputError
        When comma and point are mixed, or a value is no number.
    """
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    text = _as_text(values)
    text = text.mask(text.str.lower().isin(MISSING))
    comma = text.str.contains(",", regex=False, na=False)
    if comma.any():
        if text.str.contains(".", regex=False, na=False).any():
            raise InputError(
                f"{where}: mixes decimal comma and decimal point (such as {text[comma].iloc[0]!r}); "
                "export the table again with one decimal sign"
            )
        text = text.str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(text, errors="coerce")
    wrong = numbers.isna() & text.notna()
    if wrong.any():
        examples = ", ".join(repr(value) for value in text[wrong].unique()[:5])
        raise InputError(f"{where}: {int(wrong.sum())} values are not numbers: {examples}")
    return numbers.to_numpy(dtype=np.float64)


def _as_text(values: pd.Series) -> pd.Series:
    """Turn a column into stripped text; a whole number read as float loses its ``.0``, a missing value is empty."""
    if pd.api.types.is_float_dtype(values):
        values = values.map(lambda number: "" if pd.isna(number) else f"{number:.15g}")
    # Few distinct values over millions of rows: strip each once.
    codes, unique = pd.factorize(values, use_na_sentinel=True)
    stripped = np.array([*(str(value).strip() for value in unique), ""], dtype=object)
    return pd.Series(stripped[codes], index=values.index)


def _normalised(header: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(header).lower())


def _find_columns(header: list[str], where: str) -> dict[str, str]:
    """Map our column names to the table's; an absent optional column is left out."""
    known = {_normalised(name): name for name in reversed(header)}
    found = {
        ours: known[next(alias for alias in aliases if alias in known)]
        for ours, aliases in ALIASES.items()
        if any(alias in known for alias in aliases)
    }
    absent = [f"{ours} ({' or '.join(ALIASES[ours])})" for ours in REQUIRED if ours not in found]
    if absent:
        raise InputError(
            f"{where}: no NPX table; columns not found: {', '.join(absent)}. It has: {', '.join(map(str, header))}"
        )
    return found


def _sample_type(value: str) -> str:
    """Bring the values of SampleType across products to four; an unknown one counts as a control."""
    word = _normalised(value)
    if word in ("", "sample"):
        return word
    if word.startswith("neg") or word in ("nc", "blank"):
        return "negative_control"
    if word.startswith(("plate", "interplate")) or word in ("pc", "ipc", "control"):
        return "plate_control"
    return "sample_control"


def _refuse_lost_decimals(npx: pd.Series, where: str) -> None:
    lost = npx.abs() > LARGEST_NPX
    if lost.any():
        raise InputError(
            f"{where}: {int(lost.sum())} NPX values lie beyond +-{LARGEST_NPX:g}, such as {npx[lost].iloc[0]:.15g}. "
            "NPX is a log2 scale: a spreadsheet has probably taken the decimal sign for a thousands sign. "
            "Export the table again"
        )


def _refuse_duplicates(table: pd.DataFrame, where: str) -> None:
    """Refuse a sample with two values of an assay; controls of one name stand on every plate and are told by well."""
    own = table[table["sample_type"].isin(("", "sample"))]
    twice = own[own.duplicated(["sample_id", "olink_id"])]
    if len(twice):
        counts = twice.groupby("sample_id")["olink_id"].nunique()
        lines = [f"{where}: SampleID {name} has {count} assays more than once" for name, count in counts.items()]
        raise InputError("\n".join([*lines, "Give each run of a sample its own SampleID, or remove one of the two"]))


def _read_text(path: PathLike) -> pd.DataFrame:
    """Read a delimited text table: the columns that are used as text, other columns with text as categories."""
    opener = gzip.open if str(path).endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as handle:
            header = handle.readline()
        separator = max(";,\t", key=header.count)
        options: dict[str, Any] = {
            "sep": separator,
            "keep_default_na": False,
            "na_filter": False,
            "encoding": "utf-8-sig",
        }
        start = pd.read_csv(path, dtype=str, nrows=PROBE_ROWS, **options)
        # Of other columns those with text are read as well, as categories: they are looked at and not used.
        numbers = {name for name in start if _normalised(name) not in KNOWN and _is_numeric(start[name])}
        _check_privacy(start[[name for name in start if _normalised(name) in KNOWN or name in numbers]], str(path))
        dtypes = {name: str if _normalised(name) in KNOWN else "category" for name in start if name not in numbers}
        return pd.read_csv(path, dtype=dtypes, usecols=list(dtypes), **options)
    except UnicodeDecodeError as error:
        where = f"{error.reason} at byte {error.start}"
        raise InputError(f"{path}: is not UTF-8 text ({where}); save it as UTF-8") from error
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: cannot be read as a table: {error}") from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path}: is empty") from error


def _is_numeric(values: pd.Series) -> bool:
    """Whether a column holds numbers only, blanks and words for missing aside."""
    given = values[~values.str.strip().str.lower().isin(MISSING)]
    return bool(pd.to_numeric(given, errors="coerce").notna().all()) and len(given) > 0


def _read_workbook(path: PathLike) -> pd.DataFrame:
    """Read the first sheet of a workbook that holds an NPX table, long or wide."""
    import openpyxl

    workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        for sheet in workbook.worksheets:
            rows = list(sheet.iter_rows(values_only=True))
            labels = [_normalised(row[0]) if row and row[0] is not None else "" for row in rows[:40]]
            if "olinkid" in labels and "assay" in labels:
                _warn_of_other_sheets(workbook.worksheets, sheet, str(path))
                return pd.DataFrame(_unpivot(rows, labels, str(path)))
            if rows and {"sampleid", "npx"} <= {_normalised(cell) for cell in rows[0] if cell is not None}:
                _warn_of_other_sheets(workbook.worksheets, sheet, str(path))
                return pd.DataFrame(rows[1:], columns=[str(cell) for cell in rows[0]])
    finally:
        workbook.close()
    raise InputError(
        f"{path}: no sheet holds an NPX table, neither long (SampleID, NPX in the first row) nor the wide sheet of "
        "NPX Manager (Assay, OlinkID in the first column)"
    )


def _warn_of_other_sheets(sheets: Sequence[Any], used: Any, where: str) -> None:
    """Tell sheets that are not read and have columns of personal data: a workbook travels as a whole."""
    for sheet in sheets:
        if sheet is used:
            continue
        rows = sheet.iter_rows(values_only=True, max_row=PROBE_ROWS)
        header = next((row for row in rows if sum(isinstance(cell, str) for cell in row) > 1), ())
        risky = [cell for cell in header if isinstance(cell, str) and column_risk(cell)]
        if risky:
            told = (
                '%s: sheet "%s" is not read and has columns of personal data or treatment (%s): take it out of the file'
            )
            logger.warning(told, where, sheet.title, ", ".join(risky))


def _unpivot(rows: list[tuple[object, ...]], labels: list[str], where: str) -> dict[str, list[object]]:
    """Bring NPX Manager's wide sheet to long columns.

    The sheet names panel, assay, UniProt and OlinkID in rows above the samples; behind the assays of a panel stand its
    columns ``Plate ID`` and ``QC Warning``; ``LOD`` is a row below the samples.
    """
    width = max(len(row) for row in rows)
    cells = np.full((len(rows), width), None, dtype=object)
    for index, row in enumerate(rows):
        cells[index, : len(row)] = row

    def heading(label: str) -> np.ndarray:
        return cells[labels.index(label)] if label in labels else np.full(width, None, dtype=object)

    assay, olink_id = heading("assay"), heading("olinkid")
    panel = pd.Series(heading("panel")[1:]).ffill().to_numpy(dtype=object)
    panel = np.concatenate([[None], panel])
    roles = np.array([_normalised(name) for name in assay])
    start = labels.index("olinkid") + 1
    first = [_normalised(cell) if cell is not None else "" for cell in cells[:, 0]]
    end = next((i for i in range(start, len(first)) if first[i] in ("lod", "maxlod", "missingdatafreq")), len(first))
    body = [i for i in range(start, end) if first[i]]
    lod_row = next((i for i in range(end, len(first)) if first[i] in ("lod", "maxlod")), None)
    is_assay = np.array([value is not None for value in olink_id]) & (np.arange(width) > 0)
    others = [j for j in range(1, width) if assay[j] is not None and not is_assay[j]]
    check_annotations(pd.DataFrame(cells[np.ix_(body, others)], columns=[str(assay[j]) for j in others]), where)

    def of_panel(role: str, name: object) -> list[object]:
        columns = [j for j in range(1, width) if roles[j] == role and panel[j] == name]
        return list(cells[body, columns[0]]) if columns else [None] * len(body)

    def columns_of(j: int) -> Iterator[tuple[str, list[object]]]:
        count = len(body)
        yield "SampleID", list(cells[body, 0])
        yield "OlinkID", [olink_id[j]] * count
        yield "Assay", [assay[j]] * count
        yield "UniProt", [heading("uniprotid")[j]] * count
        yield "Panel", [panel[j]] * count
        yield "PlateID", of_panel("plateid", panel[j])
        yield "QC_Warning", of_panel("qcwarning", panel[j])
        yield "LOD", [cells[lod_row, j] if lod_row is not None else None] * count
        yield "NPX", list(cells[body, j])

    long: dict[str, list[object]] = {}
    for j in np.flatnonzero(is_assay):
        for name, values in columns_of(int(j)):
            long.setdefault(name, []).extend(values)
    return long
