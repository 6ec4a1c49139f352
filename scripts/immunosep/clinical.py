"""The clinical tables: read, checked, and handed on as rows of text.

Sealed tables (classification, allocation) are opened only in a role that may see them and after a recorded unblinding
(see `sealed`); in a lower role they need not exist.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunosep.checks import Row, Table, check_file, check_table, columns_of
from immunosep.clinical_rules import (
    PLAUSIBLE,
    Key,
    check_allocation,
    check_classified,
    check_known,
    check_limits,
    check_participants,
    check_quantity,
    check_visits,
    classify_rows,
)
from immunosep.findings import Finding
from immunosep.manifest_rules import sites_unread
from immunosep.row_rules import check_site
from immunosep.schedule import sample_days
from immunosep.sealed import open_sealed
from immunosep.sheet import parse_sheet


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
        Sealed rows without a finding; None in a role that may not see them.
    unread
        Sites with participants whose code cannot be read, as `manifest_rules.sites_unread` returns them.
    endotypes
        (site, participant code) to endotype at screening; empty where it is undetermined, None where the role does not
        see the classification.
    """

    participants: dict[Key, Row] | None = None
    visits: tuple[Row, ...] = ()
    classification: tuple[Row, ...] | None = None
    allocation: tuple[Row, ...] | None = None
    unread: frozenset[str] = frozenset()
    endotypes: dict[Key, str] | None = None


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
        Keys `clinical`, `sealed`, `role`, `schedule`, `endotype`, `manifest`.
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
    tables = [t for t in (participants, visits, *sealed.values()) if t is not None]
    for table in tables if countries is not None else ():
        for index, row in enumerate(table.rows):
            if row["site"] and table.good(index, "site"):
                check_site(table, index, countries or {})
    people: dict[Key, Row] | None = None
    unread: frozenset[str] = frozenset()
    if participants is not None:
        people = {
            (row["site"], row["participant_code"]): row
            for index, row in enumerate(participants.rows)
            if participants.good(index, "site", "participant_code")
        }
        # Of a table without rows it is told that there are none, and not that nobody is in it.
        unread = sites_unread(participants, "participant_code") if participants.rows else frozenset([""])
        check_participants(participants, countries)
    for table in tables:
        check_limits(table)
        if table is not participants and people is not None:
            check_known(table, people, unread)
        for quantity in PLAUSIBLE:
            if table.rows and quantity in table.rows[0]:
                check_quantity(table, quantity)
    if visits is not None:
        schedule = config["schedule"]
        days = {*sample_days(schedule), *schedule["sofa_days"], schedule["screening_day"]}
        check_visits(visits, people or {}, days)
    shuffled = {name for name, table in opened.items() if table.shuffled}
    clinical = Clinical(
        participants=people,
        visits=tuple(visits.rows) if visits else (),
        classification=_rows(sealed.get("classification")),
        allocation=_rows(sealed.get("allocation")),
        unread=unread,
        endotypes=_check_sealed(sealed, shuffled, people or {}, config["endotype"]),
    )
    findings = [f for table in tables for f in table.located()]
    return clinical, [*findings, *of_sealed]


def _check_sealed(
    sealed: Mapping[str, Table], shuffled: Collection[str], people: Mapping[Key, Row], rule: Mapping[str, Any]
) -> dict[Key, str] | None:
    """Check the sealed tables that were opened; return the endotypes where the classification is one of them."""
    if "allocation" in sealed:
        check_allocation(sealed["allocation"], people)
    if "classification" not in sealed:
        return None
    endotypes = classify_rows(sealed["classification"], rule)
    # Shuffled values belong to somebody else of the site, enrolled or not.
    if people and "classification" not in shuffled:
        check_classified(sealed["classification"], people, endotypes)
    return endotypes


def _rows(table: Table | None) -> tuple[Row, ...] | None:
    if table is None:
        return None
    return tuple(row for index, row in enumerate(table.rows) if table.good(index, *row))


def _read(path: str | None, name: str, *, optional: bool) -> Table | None:
    if not path or (optional and not Path(path).exists()):
        return None
    return check_file(path, name)
