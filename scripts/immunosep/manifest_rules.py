"""Rules of the manifest across its rows.

Those within a row are in `row_rules`, those beside the participants in `people_rules`. Every rule leaves out cells that
already have a finding, so that one mistake gives one message, and names the rows that take part whatever their order in
the file. One pass over the rows each: nothing compares rows pair by pair.
"""

import operator
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from immunosep.checks import Table, load_schema
from immunosep.findings import finding, row_list
from immunosep.manifest import LANE_COLUMNS, is_processed, library_name, participant_code
from immunosep.raw_files import READS

# What a library's name is made of, and where it was prepared.
NAME_COLUMNS = (
    "site", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "sample_type", "batch",
    "well",
)  # fmt: skip
# One well: a plate is told by its name within its batch, because laboratories begin again with plate 1.
_WELL = ("layer", "assay", "batch", "plate", "well")
_well_of = operator.itemgetter(*_WELL)
_CONTROLS = {"negative_control": ("no_blank", "blank"), "positive_control": ("no_mock", "mock")}

FileIdentity = Mapping[str, tuple[int, int]]


def check_across(table: Table, identities: FileIdentity | None = None) -> None:
    """Rules across the rows of the manifest; add findings to the table.

    Parameters
    ----------
    table
        Manifest, checked row by row.
    identities
        Path as the manifest writes it to the file's device and inode, for the files that were looked at. Two names of
        one file (a link) are then known as one.
    """
    rows = list(_without_duplicates(table))
    known = identities or {}
    _check_files_once(table, rows, known)
    _check_contents_once(table, rows, known)
    libraries = _check_libraries(table, rows)
    _check_wells(table, libraries)
    _check_specimens(table, rows)
    _check_controls(table, rows)
    _check_tubes(table, rows)
    _check_pre_dose(table, rows)
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
            add_across(table, "duplicate_row", same, "", "", f"the same row stands in {lines_of(table, same)}")


# ------------------------------------------------------------------------------------------------------------- files


def _file_key(path: str, known: FileIdentity) -> object:
    """Return what two spellings of one file share: its inode, or at least its path without detours."""
    return known.get(path) or unicodedata.normalize("NFC", posixpath.normpath(path))


def _check_files_once(table: Table, rows: Iterable[int], known: FileIdentity) -> None:
    uses: dict[tuple[object, str], list[tuple[int, str]]] = {}
    for index in rows:
        row = table.rows[index]
        for column in READS:
            if row[column] and table.good(index, column):
                uses.setdefault((_file_key(row[column], known), ""), []).append((index, column))
        if row["table"] and table.good(index, "table", "table_id"):
            uses.setdefault((_file_key(row["table"], known), row["table_id"]), []).append((index, "table_id"))
    for (_, inside), places in uses.items():
        if len(places) > 1:
            where = sorted({index for index, _ in places})
            column = min(column for _, column in places)
            names = sorted({table.rows[index]["table" if inside else column] for index, column in places})
            path = names[0]
            what = f"entry '{inside}' of {path}" if inside else path
            aliases = f" (also written {', '.join(names[1:])})" if len(names) > 1 else ""
            problem = f"{what}{aliases} is used {len(places)} times, in {lines_of(table, where)}"
            add_across(table, "file_used_twice", where, column, inside or path, problem)


def _check_contents_once(table: Table, rows: Iterable[int], known: FileIdentity) -> None:
    """Check that no two files have one SHA-256: copies under two names."""
    digests: dict[str, list[tuple[int, str]]] = {}
    for index in rows:
        row = table.rows[index]
        for column in READS:
            digest = f"{column}_sha256"
            if row[column] and row[digest] and table.good(index, column, digest):
                digests.setdefault(row[digest], []).append((index, column))
    for digest, places in digests.items():
        if len(places) > 1 and len({_file_key(table.rows[i][column], known) for i, column in places}) > 1:
            where = sorted({index for index, _ in places})
            names = " and ".join(sorted({table.rows[i][column] for i, column in places})[:2])
            problem = f"{names} have one SHA-256: the same reads under two names, in {lines_of(table, where)}"
            column = min(column for _, column in places)
            add_across(table, "content_used_twice", where, f"{column}_sha256", digest, problem)


# --------------------------------------------------------------------------------------------------------- libraries


def _check_libraries(table: Table, rows: Iterable[int]) -> dict[str, list[int]]:
    """Check that the lanes of a library agree, and that what has no lanes is listed once; return rows by library."""
    assays = load_schema("manifest")["assays"]
    groups: dict[str, list[int]] = {}
    for index in rows:
        if table.good(index, "collected", *NAME_COLUMNS):
            groups.setdefault(library_name(table.rows[index]), []).append(index)
    for name, members in groups.items():
        if len(members) == 1:
            continue
        inside = [table.rows[index] for index in members]
        if any(row["collected"] == "no" or assays[row["assay"]]["files"] == "table" for row in inside):
            add_across(table, "duplicate_library", members, "", name, f"{name} stands in {lines_of(table, members)}")
            continue
        for column in inside[0]:
            values = {row[column] for row in inside}
            if len(values) > 1 and column not in LANE_COLUMNS and all(table.good(i, column) for i in members):
                problem = f"rows of {name} differ in {column} ({lines_of(table, members)})"
                add_across(table, "lanes_disagree", members, column, " / ".join(sorted(values)), problem)
                for index in members:
                    table.mark(index, column)
        if len({bool(row["fastq_2"]) for row in inside}) > 1:
            problem = f"some rows of {name} have one mate and some have two ({lines_of(table, members)})"
            add_across(table, "lanes_disagree", members, "fastq_2", "", problem)
    return groups


def _check_wells(table: Table, libraries: Mapping[str, list[int]]) -> None:
    """Check that a well of a plate holds one library of a layer; its lanes share the well, as they should."""
    wells: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for name, members in libraries.items():
        for index in members:
            row = table.rows[index]
            if row["well"] and (row["plate"] or row["batch"]) and table.good(index, *_WELL):
                wells.setdefault(_well_of(row), []).append((name, index))
    for (layer, _, batch, plate, well), holders in wells.items():
        if len(holders) > 1 and len(names := {name for name, _ in holders}) > 1:
            where = sorted(index for _, index in holders)
            parts = (f"well {well}", plate and f"plate {plate}", batch and f"batch {batch}")
            place_name = " of ".join(filter(None, parts))
            problem = f"{place_name} holds {len(names)} libraries of layer {layer}, in {lines_of(table, where)}"
            add_across(table, "well_used_twice", where, "well", well, problem)


def _check_specimens(table: Table, rows: Iterable[int]) -> None:
    """Check that what becomes one matrix is of one kind of specimen; body sites become matrices of their own."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for index in rows:
        row = table.rows[index]
        if row["sample_type"] == "sample" and row["collected"] == "yes" and row["layer"] != "microbiome":
            good = table.good(index, "sample_type", "collected", "layer", "assay", "specimen")
            if good and row["specimen"] and is_processed(row):
                kinds.setdefault((row["layer"], row["assay"]), []).append(index)
    for (layer, _), members in kinds.items():
        counted = Counter(table.rows[index]["specimen"] for index in members)
        if len(counted) > 1:
            ranked = sorted(counted, key=lambda specimen: (-counted[specimen], specimen))
            fewer = [index for index in members if table.rows[index]["specimen"] != ranked[0]]
            parts = ", ".join(f"{specimen} ({counted[specimen]} rows)" for specimen in ranked)
            problem = f"layer {layer} holds {parts}; the fewer stand in {lines_of(table, fewer)}"
            add_across(table, "specimens_mixed", fewer, "specimen", ", ".join(ranked[1:]), problem)


def _check_controls(table: Table, rows: Iterable[int]) -> None:
    """Check that every extraction batch of the microbiome has a blank and a mock.

    A row that may be of the microbiome and whose kind or batch is not known may be the one that is looked for: nothing
    is said then.
    """
    samples: dict[str, list[int]] = {}
    kinds: dict[str, set[str]] = {}
    for index in rows:
        row = table.rows[index]
        if row["layer"] != "microbiome" and table.good(index, "layer"):
            continue
        if not table.good(index, "layer", "collected", "sample_type", "batch"):
            return
        if row["collected"] != "yes":
            continue
        if row["sample_type"] == "sample":
            samples.setdefault(row["batch"], []).append(index)
        else:
            kinds.setdefault(row["batch"], set()).add(row["sample_type"])
    for batch, members in samples.items():
        for kind, (code, name) in _CONTROLS.items():
            if kind not in kinds.get(batch, ()):
                problem = f"batch {batch} has {len(members)} rows of samples and no {name}"
                if not batch:
                    problem = f"{len(members)} rows of samples name no batch, and so no {name} belongs to them"
                add_across(table, code, members, "batch", batch, problem)


# ------------------------------------------------------------------------------------------------------------- codes


def _check_tubes(table: Table, rows: Iterable[int]) -> None:
    """Check that a tube's code belongs to one participant, one visit and, for swabs, one body site."""
    tubes: dict[tuple[str, str], list[int]] = {}
    for index in rows:
        row = table.rows[index]
        if row["sample_type"] == "sample" and table.good(index, "site", "sample_code", "participant_code"):
            tubes.setdefault((row["site"], row["sample_code"]), []).append(index)
    people: dict[tuple[str, str], list[int]] = {}
    for (site, _), members in tubes.items():
        for index in members:
            people.setdefault((site, participant_code(table.rows[index])), []).append(index)
    for (site, code), members in tubes.items():
        inside = [table.rows[index] for index in members]
        owners = {participant_code(row) for row in inside}
        if len(owners) > 1:
            unnamed = " (some rows leave participant_code empty)" if code in owners else ""
            problem = f"tube belongs to {len(owners)} participants{unnamed}, in {lines_of(table, members)}"
            add_across(table, "sample_code_reused", members, "sample_code", code, problem)
            continue
        if owners == {code}:
            continue  # The site codes participants, not tubes.
        if (site, code) in people:
            both = sorted({*members, *people[site, code]})
            problem = f"the code is a tube of another participant and a participant, in {lines_of(table, both)}"
            add_across(table, "code_in_two_roles", both, "sample_code", code, problem)
        if len({row["visit_day"] for row in inside}) > 1:
            if all(table.good(index, "visit_day") for index in members):
                problem = f"tube stands at several visits, in {lines_of(table, members)}"
                add_across(table, "sample_code_reused", members, "sample_code", code, problem)
        else:
            swabs = [index for index in members if table.rows[index]["layer"] == "microbiome"]
            if len({table.rows[index]["specimen"] for index in swabs}) > 1:
                problem = f"swab stands at several body sites, in {lines_of(table, swabs)}"
                add_across(table, "sample_code_reused", swabs, "sample_code", code, problem)


def _check_pre_dose(table: Table, rows: Iterable[int]) -> None:
    """Check `pre_dose`: told of day 1, never after it, and the same in all layers of one participant's visit."""
    owner = ("sample_code", "participant_code", "visit_day", "pre_dose")
    kind = ("sample_type", "collected")
    unknown = [index for index in rows if not table.good(index, *kind)]
    sampled = [
        index
        for index in rows
        if table.rows[index]["sample_type"] == "sample" and table.rows[index]["collected"] != "no"
    ]
    # The row that tells may be one that cannot be read.
    unread = sites_unread(table, *owner, *kind, of=[*sampled, *unknown])
    untold: list[int] = []
    visits: dict[tuple[str, str, str], list[int]] = {}
    for index in sampled:
        row = table.rows[index]
        if row["visit_day"] and table.good(index, "site", *owner):
            visits.setdefault((row["site"], participant_code(row), row["visit_day"]), []).append(index)
    for (site, code, day), everything in visits.items():
        members = [index for index in everything if table.rows[index]["pre_dose"]]
        if not members and day == "1" and unread.isdisjoint((site, "")):
            untold += everything
        before = [index for index in members if table.rows[index]["pre_dose"] == "yes"]
        if before and int(day) > 1:
            problem = f"{site}-{code} has samples of day {day} from before the first dose ({lines_of(table, before)})"
            add_across(table, "pre_dose_late", before, "pre_dose", "yes", problem)
        elif before and len(before) < len(members):
            problem = f"samples of {site}-{code} on day {day} disagree, in {lines_of(table, members)}"
            add_across(table, "pre_dose_disagrees", members, "pre_dose", "no / yes", problem)
    if untold:
        problem = f"not said in {len(untold)} rows of day 1, nor in others of their visits: {lines_of(table, untold)}"
        add_across(table, "pre_dose_unknown", untold, "pre_dose", "", problem)


def _check_two_sites(table: Table, rows: Iterable[int]) -> None:
    sites: dict[str, dict[str, list[int]]] = {}
    for index in rows:
        row = table.rows[index]
        if row["sample_type"] == "sample" and table.good(index, "site", "sample_code", "participant_code"):
            sites.setdefault(participant_code(row), {}).setdefault(row["site"], []).append(index)
    for code, places in sites.items():
        if len(places) > 1:
            problem = f"sites {', '.join(sorted(places))} both use this code: taken as {len(places)} people"
            members = [index for found in places.values() for index in found]
            add_across(table, "code_at_two_sites", members, "participant_code", code, problem)


def sites_unread(table: Table, *columns: str, of: Iterable[int] | None = None) -> frozenset[str]:
    """Return the sites that have rows whose owner cannot be read.

    Who seems to be missing from a table may stand in one of them: then nothing more is said of it.

    Parameters
    ----------
    table
        Checked table.
    columns
        Cells beside the site that say whose a row is.
    of
        Indices of the rows that belong to somebody; all by default.

    Returns
    -------
    frozenset of str
        With the empty string where the site itself cannot be read: then it may be any.
    """
    rows = range(len(table.rows)) if of is None else of
    return frozenset(
        table.rows[index]["site"] if table.good(index, "site") else ""
        for index in rows
        if not table.good(index, "site", *columns)
    )


def lines_of(table: Table, members: Iterable[int]) -> str:
    """Write the lines of rows as text."""
    return row_list(table.lines[index] for index in members)


def add_across(table: Table, code: str, members: Iterable[int], column: str, value: str, problem: str) -> None:
    """Note one finding about several rows; it stands at the first of them."""
    lines = sorted(table.lines[index] for index in members)
    table.findings.append(finding(code, table.file, lines[0], column, value, problem, others=lines[1:]))
