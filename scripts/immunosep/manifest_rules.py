"""Rules of the manifest that a schema cannot say: within a row, on the disk, across rows, and beside the participants.

Every rule leaves out cells that already have a finding, so that one mistake gives one message, and names the rows
that take part whatever their order in the file.
"""

import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from immunosep.checks import Row, Table, load_schema, nearest
from immunosep.findings import finding, row_list
from immunosep.manifest import LANE_COLUMNS, is_processed, library_name, participant_code

_READS = ("fastq_1", "fastq_2")
_TABLES = ("table", "table_id")
_FILE_COLUMNS = (*_READS, *_TABLES)
_NAME_COLUMNS = (
    "site", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "sample_type", "batch",
    "well",
)  # fmt: skip
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*://")
_MATE = re.compile(r"(?<![A-Za-z0-9])(R?)([12])(?=(?:_\d{3})?\.f(?:ast)?q\.gz$)")


@dataclass(frozen=True)
class Surroundings:
    """What the manifest is checked against.

    Attributes
    ----------
    countries
        Site to country; None where there is no table of sites.
    days
        Visit days on which samples are taken.
    data_root
        Folder below which the files lie.
    layers_with_files
        Layers whose files must exist; None means all.
    """

    countries: Mapping[str, str] | None
    days: Collection[int]
    data_root: str
    layers_with_files: Collection[str] | None = None
    _folders: dict[str, str] = field(default_factory=dict)


def check_rows(table: Table, around: Surroundings) -> None:
    """Check every row of the manifest by itself; add findings to the table."""
    schema = load_schema("manifest")
    for index, row in enumerate(table.rows):
        if not table.good(index, "sample_type", "collected"):
            continue
        _check_kind(table, index, row, schema)
        _check_owner(table, index, row, around)
        if row["collected"] == "no":
            _check_absent(table, index, row)
        elif table.good(index, "layer", "assay"):
            _check_data(table, index, row, schema["assays"][row["assay"]], around)


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
        for column in ("sample_code", "participant_code", "visit_day"):
            if row[column]:
                table.add("control_has_participant", index, column, f"{column} in a row of type {row['sample_type']}")
                return
    if around.countries is not None and row["site"] and table.good(index, "site"):
        check_site(table, index, around.countries)
    if is_sample and row["visit_day"] and table.good(index, "visit_day") and int(row["visit_day"]) not in around.days:
        days = ", ".join(map(str, sorted(around.days)))
        table.add("day_not_scheduled", index, "visit_day", f"samples are taken on days {days}")


def check_site(table: Table, index: int, countries: Mapping[str, str]) -> None:
    """Check that the site is known; shared by all tables that have a site."""
    site = table.rows[index]["site"]
    if site not in countries:
        near = nearest(site.upper(), countries) if site.upper() not in countries else site.upper()
        table.add("unknown_site", index, "site", "site is not in the table of sites", suggestion=near)


def _check_absent(table: Table, index: int, row: Row) -> None:
    """Check a row without data: it has a reason and no files."""
    table.need(index, "missing_reason", "a sample that was not collected")
    named = next((column for column in _FILE_COLUMNS if row[column]), None)
    if named is not None:
        table.add("not_collected_has_files", index, named)


def _check_data(table: Table, index: int, row: Row, assay: Mapping[str, Any], around: Surroundings) -> None:
    """Check a row with data: its files stand in the right columns and exist."""
    if row["missing_reason"] and table.good(index, "missing_reason"):
        table.add("collected_has_reason", index, "missing_reason")
    reads = assay["files"] == "fastq"
    mine, others = (_READS, _TABLES) if reads else (_TABLES, _READS)
    for column in others:
        if row[column] and table.good(index, column):
            table.add("file_column", index, column, f"assay {row['assay']} does not use {column}")
    for column in (mine[0], *assay.get("required", ())):
        table.need(index, column, f"assay {row['assay']}")
    if around.layers_with_files is None or row["layer"] in around.layers_with_files:
        for column in mine:
            if column != "table_id" and row[column] and table.good(index, column):
                _check_file(table, index, column, around)
    if reads and row["fastq_1"]:
        _check_mates(table, index, row, around, paired_only=assay["ends"] == [2])


def _check_mates(table: Table, index: int, row: Row, around: Surroundings, *, paired_only: bool) -> None:
    if not table.good(index, "fastq_1", "fastq_2"):
        return
    first, second = row["fastq_1"], row["fastq_2"]
    if not second:
        mate = _MATE.sub(lambda m: f"{m[1]}2", first) if (found := _MATE.search(first)) and found[2] == "1" else ""
        if paired_only:
            table.add("mate_missing", index, "fastq_2", f"assay {row['assay']} is read from both ends")
        elif mate and Path(around.data_root, mate).exists():
            table.add("mate_missing", index, "fastq_2", "the second mate lies beside the first", suggestion=mate)
        else:
            table.findings.append(finding("single_end", table.file, table.lines[index], "fastq_2"))
        return
    ends = [found[2] if (found := _MATE.search(path)) else "" for path in (first, second)]
    if ends == ["2", "1"]:
        table.findings.append(finding("mates_swapped", table.file, table.lines[index], "fastq_1", first))


def _check_file(table: Table, index: int, column: str, around: Surroundings) -> None:
    """Check that the file lies below the data root, exists and is not empty."""
    path = table.rows[index][column]
    if _ABSOLUTE.match(path) or "\\" in path:
        table.add("path_absolute", index, column)
        return
    if ".." in path.split("/"):
        table.add("path_outside", index, column, "the path contains '..'")
        return
    # Tens of thousands of files: plain strings instead of Path objects, and every folder is resolved once.
    full = posixpath.join(around.data_root, path)
    try:
        status = os.lstat(full)
        if stat.S_ISLNK(status.st_mode):
            status = Path(full).stat()
            real = os.path.realpath(full)
        else:
            real = _real_folder(posixpath.dirname(full), around)
    except (OSError, ValueError):
        table.add("data_missing", index, column)
        return
    root = _real_folder(around.data_root, around)
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        table.add("path_outside", index, column, "a link leads out of the data root")
    elif not stat.S_ISREG(status.st_mode):
        table.add("data_missing", index, column, "there is a folder, or something else, in place of the file")
    elif status.st_size == 0:
        table.add("data_empty", index, column)


def _real_folder(folder: str, around: Surroundings) -> str:
    if folder not in around._folders:
        around._folders[folder] = os.path.realpath(folder or ".")
    return around._folders[folder]


def check_across(table: Table) -> None:
    """Rules across the rows of the manifest; add findings to the table."""
    rows = list(_without_duplicates(table))
    _check_files_once(table, rows)
    _check_libraries(table, rows)
    _check_tubes(table, rows)
    _check_two_sites(table, rows)


def _without_duplicates(table: Table) -> Iterator[int]:
    """Yield the indices of distinct rows; a repeated row gets one finding and takes part in no other rule.

    Without one of its columns a table cannot tell its rows apart: nothing is said then.
    """
    whole = all(f.code != "missing_column" for f in table.findings)
    seen: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(table.rows):
        seen.setdefault(tuple(row.values()), []).append(index)
    for same in seen.values():
        yield same[0]
        if len(same) > 1 and whole:
            _across(table, "duplicate_row", same, "", "", f"the same row stands in {_lines(table, same)}")


def _check_files_once(table: Table, rows: Iterable[int]) -> None:
    uses: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for index in rows:
        row = table.rows[index]
        for column in ("fastq_1", "fastq_2"):
            if row[column] and table.good(index, column):
                uses.setdefault((posixpath.normpath(row[column]), ""), []).append((index, column))
        if row["table"] and table.good(index, "table", "table_id"):
            uses.setdefault((posixpath.normpath(row["table"]), row["table_id"]), []).append((index, "table_id"))
    for (path, inside), places in uses.items():
        if len(places) > 1:
            where = sorted({index for index, _ in places})
            what = f"entry '{inside}' of {path}" if inside else path
            column = min(column for _, column in places)
            problem = f"{what} is used {len(places)} times, in {_lines(table, where)}"
            _across(table, "file_used_twice", where, column, inside or path, problem)


def _check_libraries(table: Table, rows: Iterable[int]) -> None:
    """Check that the lanes of a library agree, and that what has no lanes is listed once."""
    assays = load_schema("manifest")["assays"]
    groups: dict[str, list[int]] = {}
    for index in rows:
        if table.good(index, "collected", *_NAME_COLUMNS):
            groups.setdefault(library_name(table.rows[index]), []).append(index)
    for name, members in groups.items():
        if len(members) == 1:
            continue
        inside = [table.rows[index] for index in members]
        if any(row["collected"] == "no" or assays[row["assay"]]["files"] == "table" for row in inside):
            _across(table, "duplicate_library", members, "", name, f"{name} stands in {_lines(table, members)}")
            continue
        for column in inside[0]:
            values = {row[column] for row in inside}
            if len(values) > 1 and column not in LANE_COLUMNS and all(table.good(i, column) for i in members):
                problem = f"rows of {name} differ in {column} ({_lines(table, members)})"
                _across(table, "lanes_disagree", members, column, " / ".join(sorted(values)), problem)
        if len({bool(row["fastq_2"]) for row in inside}) > 1:
            problem = f"some rows of {name} have one mate and some have two ({_lines(table, members)})"
            _across(table, "lanes_disagree", members, "fastq_2", "", problem)


def _check_tubes(table: Table, rows: Iterable[int]) -> None:
    """Check that a tube's code belongs to one participant, one visit and, for swabs, one body site."""
    tubes: dict[tuple[str, str], list[int]] = {}
    for index in rows:
        row = table.rows[index]
        if row["sample_type"] == "sample" and table.good(index, "site", "sample_code", "participant_code"):
            tubes.setdefault((row["site"], row["sample_code"]), []).append(index)
    for (_, code), members in tubes.items():
        inside = [table.rows[index] for index in members]
        owners = {participant_code(row) for row in inside}
        if len(owners) > 1:
            problem = f"tube belongs to {len(owners)} participants, in {_lines(table, members)}"
            _across(table, "sample_code_reused", members, "sample_code", code, problem)
        elif owners == {code}:
            continue  # The site codes participants, not tubes.
        elif len({row["visit_day"] for row in inside}) > 1:
            if all(table.good(index, "visit_day") for index in members):
                problem = f"tube stands at several visits, in {_lines(table, members)}"
                _across(table, "sample_code_reused", members, "sample_code", code, problem)
        else:
            swabs = [index for index in members if table.rows[index]["layer"] == "microbiome"]
            if len({table.rows[index]["specimen"] for index in swabs}) > 1:
                problem = f"swab stands at several body sites, in {_lines(table, swabs)}"
                _across(table, "sample_code_reused", swabs, "sample_code", code, problem)


def _check_two_sites(table: Table, rows: Iterable[int]) -> None:
    sites: dict[str, dict[str, int]] = {}
    for index in rows:
        row = table.rows[index]
        if row["sample_type"] == "sample" and table.good(index, "site", "sample_code", "participant_code"):
            known = sites.setdefault(participant_code(row), {})
            known[row["site"]] = min(index, known.get(row["site"], index))
    for code, places in sites.items():
        if len(places) > 1:
            problem = f"sites {', '.join(sorted(places))} both use this code: taken as {len(places)} people"
            _across(table, "code_at_two_sites", list(places.values()), "participant_code", code, problem)


def check_against_participants(table: Table, participants: Mapping[tuple[str, str], Row]) -> None:
    """Compare the manifest with the participants table.

    Parameters
    ----------
    table
        Manifest, checked row by row; findings are added.
    participants
        (site, participant code) to the row of the participants table.
    """
    if table.absent & {"site", "sample_code", "sample_type"}:
        return  # Told as missing columns; without them nobody is known by name.
    libraries: dict[tuple[str, str], list[int]] = {}
    mentioned = Counter((row["site"], participant_code(row)) for row in table.rows if row["sample_type"] == "sample")
    for index, row in enumerate(table.rows):
        if row["sample_type"] == "sample" and table.good(index, "site", "sample_code", "participant_code"):
            libraries.setdefault((row["site"], participant_code(row)), []).append(index)
    for (site, code), members in libraries.items():
        record = participants.get((site, code))
        if record is None:
            problem = f"{site}-{code} ({_lines(table, members)}) is not in the participants table"
            _across(table, "not_in_participants", members, "participant_code", code, problem)
            continue
        for index in members:
            if table.rows[index]["collected"] == "yes" and table.good(index, "collected", "visit_day"):
                _check_course(table, index, record)
    for (site, code), record in participants.items():
        if record["randomised"] == "yes" and (site, code) not in mentioned:
            problem = f"{site}-{code} was randomised and has no row in the manifest"
            table.findings.append(finding("not_in_manifest", table.file, 0, "participant_code", code, problem))


def _check_course(table: Table, index: int, record: Row) -> None:
    """Check that no sample is from after death; tell those without consent, which are left out later."""
    day = int(table.rows[index]["visit_day"])
    line = table.lines[index]
    if record["death_day"].isdigit() and day > int(record["death_day"]):
        problem = f"sample of day {day}; the participant died on day {record['death_day']}"
        table.add("sample_after_death", index, "visit_day", problem)
    if record["consent"] == "withdrawn" and not record["withdrawn_day"]:
        return  # Told where the participants are checked.
    reason, from_day = consent_limit(record)
    if reason and day >= from_day:
        code = "sample_after_withdrawal" if reason == "withdrawn" else "sample_without_consent"
        problem = f"sample of day {day}; consent is {record['consent']}" + (f" from day {from_day}" if from_day else "")
        table.findings.append(finding(code, table.file, line, "visit_day", str(day), problem))


def consent_limit(record: Row) -> tuple[str, int]:
    """Return why libraries of a participant are left out, and from which day; no reason where they stay."""
    if record["consent"] in ("erase", "deferred_pending"):
        return record["consent"], 0
    if record["consent"] == "withdrawn":
        return "withdrawn", int(record["withdrawn_day"]) if record["withdrawn_day"].isdigit() else 0
    return "", 0


def _lines(table: Table, members: Iterable[int]) -> str:
    return row_list(table.lines[index] for index in members)


def _across(table: Table, code: str, members: Iterable[int], column: str, value: str, problem: str) -> None:
    lines = sorted(table.lines[index] for index in members)
    table.findings.append(finding(code, table.file, lines[0], column, value, problem, others=lines[1:]))
