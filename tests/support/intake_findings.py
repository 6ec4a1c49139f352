"""Many findings for the tests of the intake report: every kind, several files, values of all sorts."""

import random

from immunosep.codes import CODES
from immunosep.findings import finding, mask

FILES = ("manifest.tsv", "clinical/participants.tsv", "clinical/visits.tsv")
COLUMNS = ("sample_code", "participant_code", "visit_day", "specimen", "fastq_1", "batch")
VALUES = ("1234567", "wholeblood ", "raw/rna/GR03-012345678_S1_L001_R1_001.fastq.gz", "4.420", "<b>bold</b>")
ERRORS = [code for code, entry in CODES.items() if entry.severity == "error"]


def many_findings(number, codes=tuple(CODES), seed=1):
    """Return findings of `codes`, the first ones often and the last ones rarely."""
    chosen = random.Random(seed)
    kinds = chosen.choices(codes, [1 / (i + 1) for i in range(len(codes))], k=number)
    return [one_finding(code, row, chosen) for row, code in enumerate(kinds, start=2)]


def one_finding(code, row, chosen):
    """Return a finding of a row as the checks make them."""
    value = mask("anna@clinic.example") if code == "personal_value" else chosen.choice(VALUES)
    return finding(
        code,
        chosen.choice(FILES),
        row,
        chosen.choice(COLUMNS),
        value,
        chosen.choice(("", f"row {row} holds a number that a spreadsheet may have changed")),
        suggestion="whole_blood" if value.startswith("whole") else "",
        others=(row + 1, row + 2) if code == "duplicate_row" else (),
    )
