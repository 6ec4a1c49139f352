"""Rules of the manifest across its rows, and beside the participants; those within a row are in `row_rules`.

Every rule leaves out cells that already have a finding, so that one mistake gives one message, and names the rows
that take part whatever their order in the file.
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from immunosep.checks import Row, Table, load_schema
from immunosep.findings import finding, row_list
from immunosep.manifest import LANE_COLUMNS, library_name, participant_code

_NAME_COLUMNS = (
    "site", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "sample_type", "batch",
    "well",
)  # fmt: skip


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
