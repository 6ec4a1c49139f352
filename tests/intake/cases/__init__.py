"""The corpus: broken tables by what they are about, and good ones."""

from intake.cases import cells, clinical, files, manifest, privacy, sealed, spreadsheets
from intake.cases import good as good_cases
from intake.corpus import Case, cases_of


def broken() -> list[Case]:
    """Return all broken tables."""
    written = (
        case for module in (files, manifest, clinical, sealed, privacy, spreadsheets) for case in cases_of(module)
    )
    return [*cells.CASES, *privacy.CASES, *written]


def good() -> list[Case]:
    """Return all good tables."""
    return cases_of(good_cases)
