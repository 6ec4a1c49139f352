"""Rules of the manifest beside the participants table: who is in both, and what their courses and consent allow."""

from collections.abc import Collection, Mapping

from immunosep.checks import Row, Table
from immunosep.findings import finding
from immunosep.manifest import FollowUp, owner
from immunosep.manifest_rules import add_across, lines_of, sites_unread


def check_against_participants(
    table: Table, participants: Mapping[tuple[str, str], Row], unread: Collection[str] = ()
) -> None:
    """Compare the manifest with the participants table.

    Parameters
    ----------
    table
        Manifest, checked row by row; findings are added.
    participants
        (site, participant code) to the row of the participants table.
    unread
        Sites with participants whose code cannot be read, as `manifest_rules.sites_unread` returns them.
    """
    if table.absent & {"site", "sample_code", "sample_type"}:
        return  # Told as missing columns; without them nobody is known by name.
    # A row of an unknown kind may be a sample.
    owned = [
        i for i, row in enumerate(table.rows) if row["sample_type"] == "sample" or not table.good(i, "sample_type")
    ]
    unread_here = sites_unread(table, "sample_code", "participant_code", "sample_type", of=owned)
    samples = [i for i in owned if table.rows[i]["sample_type"] == "sample"]
    libraries: dict[tuple[str, str], list[int]] = table.grouped(
        samples, owner, "site", "sample_code", "participant_code"
    )
    for (site, code), members in libraries.items():
        record = participants.get((site, code))
        if record is None and (site in unread or "" in unread):
            continue
        if record is None:
            problem = f"{site}-{code} ({lines_of(table, members)}) is not in the participants table"
            add_across(table, "not_in_participants", members, "participant_code", code, problem)
            continue
        taken = [
            index
            for index in members
            if table.rows[index]["collected"] == "yes" and table.good(index, "collected", "visit_day")
        ]
        for index in taken:
            _check_course(table, index, record)
        _check_contact(table, taken, f"{site}-{code}", record)
    if "" in unread_here:
        return
    for (site, code), record in participants.items():
        if record["randomised"] == "yes" and (site, code) not in libraries and site not in unread_here:
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


def _check_contact(table: Table, taken: list[int], name: str, record: Row) -> None:
    """Tell samples of the living from after their last contact; those of the dead and withdrawn are told as such."""
    contact = record["last_contact_day"]
    if record["death_day"] or record["withdrawn_day"] or not contact.isdigit():
        return
    late = [index for index in taken if int(table.rows[index]["visit_day"]) > int(contact)]
    if late:
        problem = f"{name} was last in contact on day {contact}, and has samples from later ({lines_of(table, late)})"
        days = sorted({table.rows[index]["visit_day"] for index in late}, key=int)
        add_across(table, "contact_before_data", late, "visit_day", ", ".join(days), problem)


def consent_limit(record: Row) -> tuple[str, int]:
    """Return why libraries of a participant are left out, and from which day; no reason where they stay."""
    if record["consent"] in ("erase", "deferred_pending"):
        return record["consent"], 0
    if record["consent"] == "withdrawn":
        return "withdrawn", int(record["withdrawn_day"]) if record["withdrawn_day"].isdigit() else 0
    return "", 0


def follow_up(participants: Mapping[tuple[str, str], Row]) -> dict[str, FollowUp]:
    """Say of each participant how long samples are expected."""
    courses = {}
    for (site, code), record in participants.items():
        death = int(record["death_day"]) if record["death_day"].isdigit() else None
        courses[f"{site}-{code}"] = FollowUp(record["randomised"] == "yes", death, *consent_limit(record))
    return courses
