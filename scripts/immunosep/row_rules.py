"""Rules within one row of the manifest that a schema cannot say: who it belongs to, and what it brings.

Every rule leaves out cells that already have a finding, so that one mistake gives one message.
"""

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from immunosep.cells import nearest
from immunosep.checks import Row, Table, load_schema
from immunosep.findings import finding, mask
from immunosep.manifest import is_processed
from immunosep.privacy import value_risk
from immunosep.raw_files import READS, TABLES, DataFolder, check_file_cell, check_mates, check_names

_KIND = ("layer", "assay", "specimen", "collected")
_kind_of = operator.itemgetter(*_KIND)
_OWNER = ("sample_code", "participant_code", "visit_day")


@dataclass(frozen=True)
class Surroundings:
    """What the manifest is checked against.

    Attributes
    ----------
    countries
        Site to country; None where there is no table of sites.
    days
        Layer to the visit days on which its samples are taken.
    data_root
        Folder below which the files lie.
    layers_with_files
        Layers whose files must exist; None means all.
    """

    countries: Mapping[str, str] | None
    days: Mapping[str, Collection[int]]
    data_root: str
    layers_with_files: Collection[str] | None = None


def check_rows(table: Table, around: Surroundings) -> DataFolder:
    """Check every row of the manifest by itself; add findings to the table and return what was seen of its files."""
    schema = load_schema("manifest")
    folder = DataFolder(around.data_root)
    agreeing: set[tuple[str, ...]] = set()
    for index, row in enumerate(table.rows):
        if not table.good(index, "sample_type", "collected"):
            continue
        # Thousands of rows are of a dozen kinds.
        kind = _kind_of(row)
        if kind not in agreeing:
            before = len(table.findings)
            _check_kind(table, index, row, schema)
            if len(table.findings) == before and table.good(index, *_KIND):
                agreeing.add(kind)
        _check_owner(table, index, row, around)
        if row["collected"] == "no":
            _check_absent(table, index, row)
        elif table.good(index, "layer", "assay"):
            _check_data(table, index, row, schema["assays"][row["assay"]])
            looked_for = around.layers_with_files is None or row["layer"] in around.layers_with_files
            _check_files(table, index, row, schema["assays"][row["assay"]], folder if looked_for else None)
    check_names(table)
    return folder


def _check_kind(
    table: Table, index: int, row: Row, schema: Mapping[str, Mapping[str, Mapping[str, list[str]]]]
) -> None:
    """Check that layer, assay and specimen agree."""
    if not table.good(index, "layer"):
        return
    legal = schema["layers"][row["layer"]]
    if table.good(index, "assay") and row["assay"] not in legal["assays"]:
        table.add("assay_layer", index, "assay", f"assays of layer {row['layer']}: {', '.join(legal['assays'])}")
    elif table.good(index, "assay") and row["collected"] == "yes" and not is_processed(row):
        table.add("assay_not_processed", index, "assay")
    if table.good(index, "specimen") and row["specimen"] and row["specimen"] not in legal["specimens"]:
        problem = f"specimens of layer {row['layer']}: {', '.join(legal['specimens'])}"
        table.add("specimen_layer", index, "specimen", problem)


def _check_owner(table: Table, index: int, row: Row, around: Surroundings) -> None:
    """Check that a sample has a site, a code and a day, and that a control has a batch and a well and no owner."""
    is_sample = row["sample_type"] == "sample"
    needed = ("site", "sample_code", "visit_day", "specimen") if is_sample else ("batch", "well")
    for column in needed:
        table.need(index, column, "a sample" if is_sample else "a control")
    if not is_sample:
        for column in _OWNER:
            if row[column]:
                table.add("control_has_participant", index, column, f"{column} in a row of type {row['sample_type']}")
                return
    if around.countries is not None and row["site"] and table.good(index, "site"):
        check_site(table, index, around.countries)
    if is_sample and row["visit_day"] and table.good(index, "layer", "visit_day"):
        days = around.days[row["layer"]]
        if int(row["visit_day"]) not in days:
            code = "day_not_scheduled" if int(row["visit_day"]) > 0 else "sample_before_day_1"
            listed = ", ".join(map(str, sorted(days)))
            table.add(code, index, "visit_day", f"samples of layer {row['layer']} are taken on days {listed}")


def check_site(table: Table, index: int, countries: Mapping[str, str]) -> None:
    """Check that the site is known; shared by all tables that have a site."""
    site = table.rows[index]["site"]
    if site not in countries:
        near = nearest(site.upper(), countries) if site.upper() not in countries else site.upper()
        table.add("unknown_site", index, "site", "site is not in the table of sites", suggestion=near)


def _check_absent(table: Table, index: int, row: Row) -> None:
    """Check a row without data: it has a reason and no files."""
    table.need(index, "missing_reason", "a sample that was not collected")
    named = next((column for column in (*READS, *TABLES) if row[column]), None)
    if named is not None:
        table.add("not_collected_has_files", index, named)


def _check_data(table: Table, index: int, row: Row, assay: Mapping[str, Any]) -> None:
    """Check a row with data: its files stand in the right columns."""
    if row["missing_reason"] and table.good(index, "missing_reason"):
        table.add("collected_has_reason", index, "missing_reason")
    mine, others = (READS, TABLES) if assay["files"] == "fastq" else (TABLES, READS)
    for column in others:
        if row[column] and table.good(index, column):
            table.add("file_column", index, column, f"assay {row['assay']} does not use {column}")
    for column in (mine[0], *assay.get("required", ())):
        table.need(index, column, f"assay {row['assay']}")
    # Controls are called by words; a sample that is has somebody's name.
    inside = row["table_id"]
    if " " in inside and row["sample_type"] == "sample" and table.good(index, "table_id"):
        risk = value_risk(inside, is_code=True)
        if risk:
            problem = f"looks like {risk}"
            line = table.lines[index]
            table.findings.append(finding("personal_value", table.file, line, "table_id", mask(inside), problem))
            table.mark(index, "table_id")


def _check_files(table: Table, index: int, row: Row, assay: Mapping[str, Any], folder: DataFolder | None) -> None:
    """Check the files a row names, on the disk too where they are looked for, and that the mates belong together."""
    reads = assay["files"] == "fastq"
    for column in READS if reads else TABLES[:1]:
        if row[column] and table.good(index, column):
            check_file_cell(table, index, column, folder)
    if reads and row["fastq_1"] and table.good(index, *READS):
        check_mates(table, index, row, folder, paired_only=assay["ends"] == [2])
