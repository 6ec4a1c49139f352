"""Rules of the clinical tables that a schema cannot say: courses, scores, units, eligibility, consent.

As in the rules of the manifest, a cell that already has a finding takes part in no other rule.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from immunosep.checks import Row, Table
from immunosep.findings import finding, mask
from immunosep.manifest_rules import add_across, lines_of, sites_unread
from immunosep.privacy import is_words

Key = tuple[str, str]
_SOFA = (
    "sofa_respiration", "sofa_coagulation", "sofa_liver", "sofa_cardiovascular", "sofa_cns", "sofa_renal",
)  # fmt: skip
# Below these a value is likelier a wrong unit than a patient with sepsis (domain practice).
PLAUSIBLE = {"ferritin": 10.0, "hladr": 100.0}
# Lowest and highest value that is passed without a word (domain practice). Cells per microlitre, haemoglobin in g/L and
# a date's number in place of a day lie beyond; a leukaemoid reaction, neutropenia and a lasting stay within.
LIMITS = {
    "age_years": (0.0, 110.0),
    "death_day": (0.0, 400.0),
    "discharge_day": (0.0, 400.0),
    "last_contact_day": (0.0, 400.0),
    "withdrawn_day": (0.0, 400.0),
    "neutrophils_10e9_l": (0.0, 100.0),
    "lymphocytes_10e9_l": (0.0, 20.0),
    "monocytes_10e9_l": (0.0, 10.0),
    "haemoglobin_g_dl": (3.0, 20.0),
    "platelets_10e9_l": (1.0, 1500.0),
}
# Eligibility (protocol, BMJ Open 2022;12:e067251): adults, the first dose within 72 hours of sepsis.
_ADULT = 18
_HOURS_TO_DRUG = 72
# Sepsis-3 (JAMA 2016, doi 10.1001/jama.2016.0287) asks for a SOFA of at least 2.
_SEPSIS = 2
# From one day to the next a total changes by a few points; a bigger step is likelier a slip of the pen.
_SOFA_STEP = 10


def _number(table: Table, index: int, column: str) -> float | None:
    """Value of a cell; None where it is empty or already has a finding."""
    text = table.rows[index][column]
    return float(text) if text and table.good(index, column) else None


def _key(row: Row) -> Key:
    return row["site"], row["participant_code"]


# ------------------------------------------------------------------------------------------------------ participants


def check_participants(table: Table, countries: Mapping[str, str] | None) -> None:
    """Check each participant: country of the site, eligibility, course, consent."""
    for index, row in enumerate(table.rows):
        expected = (countries or {}).get(row["site"])
        if expected and row["country"] != expected and table.good(index, "site", "country"):
            _tell_country(table, index, expected, countries or {})
        age = _number(table, index, "age_years")
        if row["randomised"] == "yes" and age is not None and age < _ADULT:
            table.add("under_age", index, "age_years")
        hours = _number(table, index, "hours_sepsis_to_drug")
        if row["randomised"] == "yes" and row["dosed"] != "no" and hours is not None and hours >= _HOURS_TO_DRUG:
            problem = f"{_HOURS_TO_DRUG} hours or more from sepsis to the first dose"
            problem += "; per_protocol is yes" if row["per_protocol"] == "yes" else ""
            _tell(table, "late_drug", index, "hours_sepsis_to_drug", problem)
        for column in ("dosed", "per_protocol"):
            if row["randomised"] == "no" and row[column] == "yes":
                table.add("not_randomised", index, column, f"{column} is yes, randomised is no")
                break
        _check_course(table, index)
        _check_consent(table, index)


def _tell_country(table: Table, index: int, expected: str, countries: Mapping[str, str]) -> None:
    """Note a wrong country; words that are no country of the trial may be a person's name."""
    row = table.rows[index]
    value = row["country"]
    shown = mask(value) if is_words(value) and value not in countries.values() else value
    problem, line = f"site {row['site']} is in {expected}", table.lines[index]
    table.findings.append(finding("country_mismatch", table.file, line, "country", shown, problem, suggestion=expected))
    table.mark(index, "country")


def _check_course(table: Table, index: int) -> None:
    """Check that days of discharge and last contact fit the day of death."""
    death = _number(table, index, "death_day")
    if death is None:
        return
    discharge = _number(table, index, "discharge_day")
    contact = _number(table, index, "last_contact_day")
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


def check_known(table: Table, people: Mapping[Key, Row], unread: Collection[str]) -> None:
    """Check that every row of a table belongs to a participant.

    Parameters
    ----------
    table
        Table, checked cell by cell.
    people
        (site, participant code) to the row of the participants table.
    unread
        Sites with participants whose code cannot be read, as `sites_unread` returns them.
    """
    if "" in unread:
        return
    for index, row in enumerate(table.rows):
        good = table.good(index, "site", "participant_code")
        if good and _key(row) not in people and row["site"] not in unread:
            problem = f"{row['site']}-{row['participant_code']} is not in the participants table"
            table.add("unknown_participant", index, "participant_code", problem)


def check_quantity(table: Table, quantity: str) -> None:
    """Check that a value has its unit, and is not implausibly small."""
    unit = f"{quantity}_unit"
    for index, row in enumerate(table.rows):
        if row[quantity] and not row[unit] and table.good(index, quantity, unit):
            table.add("unit_missing", index, unit, f"{quantity} is given without its unit")
        value = _number(table, index, quantity)
        if value is not None and value < PLAUSIBLE[quantity] and table.good(index, unit):
            _tell(table, "implausible", index, quantity, f"{quantity} below {PLAUSIBLE[quantity]:g} {row[unit]}")


def check_limits(table: Table) -> None:
    """Tell values that are legal and far from what is seen in sepsis."""
    present = [column for column in LIMITS if table.rows and column in table.rows[0]]
    for index in range(len(table.rows)):
        for column in present:
            value = _number(table, index, column)
            low, high = LIMITS[column]
            if value is not None and not low <= value <= high:
                limit = f"below {low:g}" if value < low else f"above {high:g}"
                _tell(table, "implausible", index, column, f"{column} {limit}")


# ------------------------------------------------------------------------------------------------------------ visits


def check_visits(table: Table, people: Mapping[Key, Row], days: Collection[int]) -> None:
    """Check scores and days of the visits, each by itself and along each participant's course.

    Parameters
    ----------
    table
        Visits, checked cell by cell.
    people
        (site, participant code) to the row of the participants table.
    days
        Days on which something is recorded.
    """
    courses: dict[Key, dict[int, int]] = {}
    for index, row in enumerate(table.rows):
        _check_sofa(table, index)
        day = _number(table, index, "visit_day")
        if day is None:
            continue
        if day not in days:
            _tell(table, "visit_not_scheduled", index, "visit_day")
        death = people.get(_key(row), {}).get("death_day", "")
        if death.isdigit() and day > int(death):
            table.add("day_after_death", index, "visit_day", f"the participant died on day {death}")
        elif table.good(index, "site", "participant_code"):
            courses.setdefault(_key(row), {})[int(day)] = index
    for key, course in courses.items():
        person = people.get(key, {})
        _check_scores(table, course)
        if person:
            _check_end(table, course, f"{key[0]}-{key[1]}", person)


def _check_sofa(table: Table, index: int) -> None:
    """Check that a total is the sum of its components, or can be, where some are missing."""
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


def _total(table: Table, index: int) -> float | None:
    """SOFA of a day: the total, or the sum of all six components; None where it is not known."""
    total = _number(table, index, "sofa_total")
    if total is not None or table.rows[index]["sofa_total"]:
        return total
    parts = [part for column in _SOFA if (part := _number(table, index, column)) is not None]
    return sum(parts) if len(parts) == len(_SOFA) else None


def _check_scores(table: Table, course: Mapping[int, int]) -> None:
    """Tell a baseline below what sepsis means, and steps from one day to the next that are too high."""
    totals = {day: total for day, index in sorted(course.items()) if (total := _total(table, index)) is not None}
    baseline = next((day for day in (1, 0) if day in totals), None)
    if baseline is not None and totals[baseline] < _SEPSIS:
        problem = f"SOFA of {totals[baseline]:.0f} on day {baseline}; sepsis means at least {_SEPSIS}"
        _tell(table, "sofa_baseline_low", course[baseline], "sofa_total", problem)
    for day, total in totals.items():
        before = totals.get(day - 1)
        if before is not None and abs(total - before) > _SOFA_STEP:
            problem = f"SOFA goes from {before:.0f} on day {day - 1} to {total:.0f} on day {day}"
            _tell(table, "implausible", course[day], "sofa_total", problem)


def _check_end(table: Table, course: Mapping[int, int], name: str, person: Row) -> None:
    """Tell visits from after withdrawal, and of the living from after their last contact."""
    # A day of withdrawal beside another state of consent is told where the participants are checked.
    withdrawn = person["withdrawn_day"] if person["consent"] in ("withdrawn", "erase") else ""
    contact = person["last_contact_day"]
    if withdrawn.isdigit():
        late = [index for day, index in course.items() if day >= int(withdrawn)]
        if late:
            problem = f"{name} withdrew on day {withdrawn} and has visits from then on ({lines_of(table, late)})"
            add_across(table, "visit_after_withdrawal", late, "visit_day", _days(table, late), problem)
    elif contact.isdigit() and not person["death_day"]:
        late = [index for day, index in course.items() if day > int(contact)]
        if late:
            problem = f"{name} was last in contact on day {contact} and has visits from later ({lines_of(table, late)})"
            add_across(table, "contact_before_data", late, "visit_day", _days(table, late), problem)


def _days(table: Table, rows: Iterable[int]) -> str:
    return ", ".join(table.rows[index]["visit_day"] for index in rows)


# ----------------------------------------------------------------------------------------------------- sealed tables


def check_allocation(table: Table, people: Mapping[Key, Row]) -> None:
    """Check that whoever has an arm was randomised."""
    for index, row in enumerate(table.rows):
        person = people.get(_key(row))
        if person is not None and person["randomised"] == "no" and table.good(index, "participant_code"):
            table.add("not_randomised", index, "participant_code", "has an arm, and was not randomised")


def endotype_of(ferritin: float | None, hladr: float | None, rule: Mapping[str, Any]) -> str:
    """Classify one participant; empty where it cannot be decided.

    The rule of `labels.endotypes.classify`, which needs numpy and does it for a cohort; a test holds the two together.
    """
    if ferritin is None:
        return ""
    if ferritin > rule["ferritin_cut"]:
        return "MALS"
    if hladr is None:
        return ""
    return "SII" if hladr < rule["hladr_cut"] else "unclassified"


def classify_rows(table: Table, rule: Mapping[str, Any]) -> dict[Key, str]:
    """Classify every participant of the classification table; a value with a finding counts as missing."""
    return {
        _key(row): endotype_of(_number(table, index, "ferritin"), _number(table, index, "hladr"), rule)
        for index, row in enumerate(table.rows)
    }


def check_classified(table: Table, people: Mapping[Key, Row], endotypes: Mapping[Key, str]) -> None:
    """Check that every randomised participant has MALS or SII: nobody else may be enrolled.

    Parameters
    ----------
    table
        Classification, checked cell by cell.
    people
        (site, participant code) to the row of the participants table.
    endotypes
        As `classify_rows` returns them.
    """
    listed = Counter(map(_key, table.rows))
    for index, row in enumerate(table.rows):
        if people.get(_key(row), {}).get("randomised") != "yes" or not table.good(index, "ferritin", "hladr"):
            continue
        if listed[_key(row)] > 1:
            continue  # Told as two rows for one record; which of them holds, nobody knows.
        if endotypes[_key(row)] == "unclassified":
            table.add("not_eligible", index, "participant_code", "randomised, and ferritin and HLA-DR say unclassified")
        elif not endotypes[_key(row)]:
            _tell(table, "endotype_unknown", index, "participant_code", "randomised, and ferritin or HLA-DR is missing")
    unread = sites_unread(table, "participant_code")
    for (site, code), person in people.items():
        if person["randomised"] == "yes" and (site, code) not in listed and not unread & {site, ""}:
            problem = f"{site}-{code} was randomised and has no row"
            table.findings.append(finding("endotype_unknown", table.file, 0, "participant_code", code, problem))


def _tell(table: Table, code: str, index: int, column: str, problem: str = "") -> None:
    """Note a finding on a cell that stays good for other rules."""
    table.findings.append(finding(code, table.file, table.lines[index], column, table.rows[index][column], problem))
