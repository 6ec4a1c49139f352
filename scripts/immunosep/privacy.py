"""Recognise personal data and treatment in table headers and cells; nothing personal is ever printed in full.

Recognition by name and form finds the accidents (a column left in an export, a date for a day); it is no proof of
absence.
"""

import re

from immunosep.findings import mask

__all__ = ["column_risk", "mask", "value_risk"]

_PERSONAL = {
    "name", "names", "surname", "firstname", "lastname", "forename", "initials", "initial", "dob", "birth", "birthdate",
    "birthday", "born", "date", "dates", "datetime", "timestamp", "mrn", "ssn", "amka", "insurance", "passport",
    "email", "mail", "phone", "telephone", "tel", "mobile", "fax", "address", "street", "postcode", "zip", "zipcode",
    "city", "comment", "comments", "note", "notes", "remark", "remarks", "freetext", "text", "pregnant", "pregnancy",
    "hiv", "ethnicity", "race", "religion", "occupation", "physician", "doctor", "nurse",
}  # fmt: skip
_TREATMENT = {
    "arm", "arms", "treatment", "treatments", "treat", "treated", "trt", "drug", "drugs", "anakinra", "kineret",
    "interferon", "ifn", "ifng", "rhifn", "imukin", "placebo", "dose", "doses", "dosage", "allocation", "allocated",
    "assignment", "unblinded", "unblinding", "therapy",
}  # fmt: skip
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_PHONE = re.compile(r"(?:\+|\b00)[1-9][\d ()/.-]{6,}\d")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    r"(?<!\d)(?:"
    r"(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"  # 2024-02-29
    r"|(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:(?:19|20)\d\d|\d\d)"  # 29.02.2024, 2/29/24
    rf"|(?:0?[1-9]|[12]\d|3[01])[- .]?{_MONTH}(?:[- .](?:19|20)?\d\d)?"  # 29-Feb-2024, 2-Sep
    rf"|{_MONTH}[- .](?:0?[1-9]|[12]\d|3[01])(?:[, -]+(?:19|20)\d\d)?"  # Feb 29, 2024
    r")(?![\da-z])",
    re.IGNORECASE | re.ASCII,
)
_NAME = re.compile(r"[^\W\d_]{2,}(?:[ ,.'-]+[^\W\d_]+)*\.?|(?:[^\W\d_]\.? ?){2,4}")


def column_risk(name: str) -> str:
    """Say what a column's name gives away.

    Parameters
    ----------
    name
        A column that the table's schema does not know.

    Returns
    -------
    str
        ``personal_column``, ``treatment_column`` (codes of findings) or empty.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = set(re.findall(r"[a-z]+", spaced.casefold()))
    if words & _PERSONAL:
        return "personal_column"
    if words & _TREATMENT:
        return "treatment_column"
    return ""


def value_risk(value: str, *, is_code: bool = False) -> str:
    """Say what personal thing a cell looks like.

    Parameters
    ----------
    value
        Text of a cell.
    is_code
        The column holds codes, where letters alone are a name or initials.

    Returns
    -------
    str
        Words for a message (``an e-mail address``), or empty.
    """
    if "@" in value and _EMAIL.search(value):
        return "an e-mail address"
    if _DATE.search(value):
        return "a calendar date"
    if _PHONE.search(value):
        return "a telephone number"
    if is_code and _NAME.fullmatch(value):
        return "a name or initials"
    return ""
