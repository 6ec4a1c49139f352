"""The clinical tables: read, checked, and handed on as rows of text.

Sealed tables (classification, allocation) are opened only in a role that may see them and after a recorded unblinding
(see `sealed`); in a lower role they need not exist.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunosep.checks import Row, Table, check_file, check_table, columns_of
from immunosep.findings import Finding, finding
from immunosep.row_rules import check_site
from immunosep.sealed import open_sealed
from immunosep.sheet import parse_sheet

Key = tuple[str, str]
_SOFA = (
    "sofa_respiration", "sofa_coagulation", "sofa_liver", "sofa_cardiovascular", "sofa_cns", "sofa_renal",
)  # fmt: skip
# Below these a value is likelier a wrong unit than a patient with sepsis (domain practice).
_PLAUSIBLE = {"ferritin": 10.0, "hladr": 100.0}
_ADULT = 18


@dataclass(frozen=True)
class Clinical:
    """Rows of the clinical tables, as text.

    Attributes
    ----------
    participants
        (site, participant code) to row; None where there is no such table.
    visits
        One row per participant and day.
    classification, allocation
        Sealed rows; None in a role that may not see them.
    """

    participants: dict[Key, Row] | None = None
    visits: tuple[Row, ...] = ()
    classification: tuple[Row, ...] | None = None
    allocation: tuple[Row, ...] | None = None


def read_sites(config: Mapping[str, Any]) -> tuple[dict[str, str] | None, list[Finding]]:
    """Read the table of sites: site to country, and what is wrong with it; None where there is no table."""
    path = config.get("sites")
    if not path:
        return None, []
    table = check_file(path, "sites")
    if not table.rows:
        # Without sites every site would be unknown: one message, not thousands.
        return None, table.located()
    return {row["site"]: row["country"] for row in table.rows}, table.located()


def check_clinical(config: Mapping[str, Any], countries: Mapping[str, str] | None) -> tuple[Clinical, list[Finding]]:
    """Read and check the clinical tables.

    Parameters
    ----------
    config
        Keys `clinical`, `sealed`, `role`, `schedule`, `manifest`.
    countries
        Site to country; None where there is no table of sites.

    Returns
    -------
    Clinical
        As far as it can be read.
    list of Finding
        Everything that is wrong or remarkable.
    """
    paths = config["clinical"]
    # A ready label table replaces the trial's clinical tables; they are read where they are there all the same.
    optional = bool(paths.get("labels"))
    participants = _read(paths.get("participants"), "participants", optional=optional)
    visits = _read(paths.get("visits"), "visits", optional=optional)
    opened, of_sealed = open_sealed(config)
    sealed = {
        name: check_table(parse_sheet(table.data, str(config["sealed"][name]), name, columns_of(name)), name)
        for name, table in opened.items()
    }
    people: dict[Key, Row] | None = None
    if participants is not None:
        people = {
            (row["site"], row["participant_code"]): row
            for index, row in enumerate(participants.rows)
            if participants.good(index, "site", "participant_code")
        }
        # Participants with a mistyped code cannot be looked up, and would make all their visits unknown.
        complete = bool(participants.rows) and len(people) == len(participants.rows)
        _check_participants(participants, countries)
    tables = [t for t in (participants, visits, *sealed.values()) if t is not None]
    for table in tables:
        if countries is not None:
            for index, row in enumerate(table.rows):
                if row["site"] and table.good(index, "site"):
                    check_site(table, index, countries)
        if table is not participants and people is not None and complete:
            _check_known(table, people)
        for quantity in _PLAUSIBLE:
            if table.rows and quantity in table.rows[0]:
                _check_quantity(table, quantity)
    if visits is not None:
        schedule = config["schedule"]
        days = {*schedule["omics_days"], *schedule["sofa_days"], schedule["screening_day"]}
        _check_visits(visits, people or {}, days)
    if (allocation := sealed.get("allocation")) is not None:
        _check_allocation(allocation, people or {})
    clinical = Clinical(
        participants=people,
        visits=tuple(visits.rows) if visits else (),
        classification=_rows(sealed.get("classification")),
        allocation=_rows(allocation),
    )
    findings = [f for table in tables for f in table.located()]
    return clinical, [*findings, *of_sealed]


def _rows(table: Table | None) -> tuple[Row, ...] | None:
    return None if table is None else tuple(table.rows)


def _read(path: str | None, name: str, *, optional: bool) -> Table | None:
    if not path or (optional and not Path(path).exists()):
        return None
    return check_file(path, name)


def _number(table: Table, index: int, column: str) -> float | None:
    """Value of a cell; None where it is empty or already has a finding."""
    text = table.rows[index][column]
    return float(text) if text and table.good(index, column) else None


def _check_participants(table: Table, countries: Mapping[str, str] | None) -> None:
    for index, row in enumerate(table.rows):
        expected = (countries or {}).get(row["site"])
        if expected and row["country"] != expected and table.good(index, "site", "country"):
            table.add("country_mismatch", index, "country", f"site {row['site']} is in {expected}", suggestion=expected)
        age = _number(table, index, "age_years")
        if row["randomised"] == "yes" and age is not None and age < _ADULT:
            table.add("under_age", index, "age_years")
        for column in ("dosed", "per_protocol"):
            if row["randomised"] == "no" and row[column] == "yes":
                table.add("not_randomised", index, column, f"{column} is yes, randomised is no")
                break
        _check_course(table, index)
        _check_consent(table, index)


def _check_course(table: Table, index: int) -> None:
    """Check that death, discharge and last contact fit together."""
    death = _number(table, index, "death_day")
    if death is None:
        return
    contact = _number(table, index, "last_contact_day")
    discharge = _number(table, index, "discharge_day")
    if discharge is not None and discharge > death:
        table.add("day_after_death", index, "discharge_day", f"discharged alive after death on day {death:.0f}")
    if contact is not None and contact > death:
        table.add("contact_mismatch", index, "last_contact_day", f"later than death on day {death:.0f}")
    elif contact is not None and contact < death:
        table.add("contact_mismatch", index, "last_contact_day", f"death on day {death:.0f} is known after it")


def _check_consent(table: Table, index: int) -> None:
    row = table.rows[index]
    if not table.good(index, "consent", "withdrawn_day"):
        return
    if row["consent"] == "withdrawn" and not row["withdrawn_day"]:
        table.add("withdrawal_mismatch", index, "withdrawn_day", "consent is withdrawn, and the day is empty")
    elif row["consent"] in ("consented", "deferred_pending") and row["withdrawn_day"]:
        table.add("withdrawal_mismatch", index, "withdrawn_day", f"consent is {row['consent']}, and a day is given")


def _check_known(table: Table, people: Mapping[Key, Row]) -> None:
    for index, row in enumerate(table.rows):
        if table.good(index, "site", "participant_code") and (row["site"], row["participant_code"]) not in people:
            problem = f"{row['site']}-{row['participant_code']} is not in the participants table"
            table.add("unknown_participant", index, "participant_code", problem)


def _check_quantity(table: Table, quantity: str) -> None:
    """Check that a value has its unit, and is not implausibly small."""
    unit = f"{quantity}_unit"
    for index, row in enumerate(table.rows):
        if row[quantity] and not row[unit] and table.good(index, quantity, unit):
            table.add("unit_missing", index, unit, f"{quantity} is given without its unit")
        value = _number(table, index, quantity)
        if value is not None and value < _PLAUSIBLE[quantity] and table.good(index, unit):
            problem = f"{quantity} below {_PLAUSIBLE[quantity]:g} {row[unit]}"
            table.findings.append(
                finding("implausible", table.file, table.lines[index], quantity, row[quantity], problem)
            )


def _check_visits(table: Table, people: Mapping[Key, Row], days: Collection[int]) -> None:
    for index, row in enumerate(table.rows):
        _check_sofa(table, index)
        day = _number(table, index, "visit_day")
        if day is None:
            continue
        if day not in days:
            table.findings.append(
                finding("visit_not_scheduled", table.file, table.lines[index], "visit_day", row["visit_day"])
            )
        death = people.get((row["site"], row["participant_code"]), {}).get("death_day", "")
        if death.isdigit() and day > int(death):
            table.add("day_after_death", index, "visit_day", f"the participant died on day {death}")


def _check_sofa(table: Table, index: int) -> None:
    total = _number(table, index, "sofa_total")
    parts = [_number(table, index, column) for column in _SOFA]
    known = [part for part in parts if part is not None]
    if total is None:
        return
    if len(known) == len(_SOFA) and sum(known) != total:
        table.add("sofa_sum", index, "sofa_total", f"the components add up to {sum(known):.0f}")
    elif known and all(table.good(index, column) for column in _SOFA):
        missing = len(_SOFA) - len(known)
        if not sum(known) <= total <= sum(known) + 4 * missing:
            table.add("sofa_sum", index, "sofa_total", f"the {len(known)} given components cannot add up to this")


def _check_allocation(table: Table, people: Mapping[Key, Row]) -> None:
    for index, row in enumerate(table.rows):
        person = people.get((row["site"], row["participant_code"]))
        if person is not None and person["randomised"] == "no" and table.good(index, "participant_code"):
            table.add("not_randomised", index, "participant_code", "has an arm, and was not randomised")
