"""Personal data and treatment in headers, cells, file names and reads: found, and never printed. All is invented."""

import gzip

from intake.corpus import Case, Found, finds, hides, one_cell
from intake.lab import Lab

# what happened, name of the column, a value in it, code
_COLUMNS = [
    ("name left in the export", "patient_name", "Papadopoulou Eleni", "personal_column"),
    ("surname in German", "Nachname", "Steinbichler", "personal_column"),
    ("initials", "initials", "E.P.K.", "personal_column"),
    ("date of birth", "DOB", "14/03/1951", "personal_column"),
    ("date of birth in German", "Geburtsdatum", "14.03.1951", "personal_column"),
    ("year of birth", "birth_year", "1951", "personal_column"),
    ("date of the sampling", "collection_date", "2022-03-14", "personal_column"),
    ("date of admission in Greek", "Ημερομηνία εισαγωγής", "14/03/2022", "personal_column"),
    ("number of the hospital's record", "MRN", "H4471902", "personal_column"),
    ("Greek social security number", "AMKA", "14035101234", "personal_column"),
    ("mail address of the nurse", "e-mail", "nurse.k@hospital.example", "personal_column"),
    ("telephone of the family", "phone", "+30 694 555 0123", "personal_column"),
    ("postcode", "postcode", "115 27", "personal_column"),
    ("comments", "comments", "very ill, transferred from Patras", "personal_column"),
    ("remarks in Dutch", "opmerkingen", "kwam met dochter", "personal_column"),
    ("pregnancy test", "pregnancy_test", "negative", "personal_column"),
    ("HIV status", "HIV", "negative", "personal_column"),
    ("treating doctor", "physician", "Dr. Vasilakis", "personal_column"),
    ("arm", "arm", "B", "treatment_column"),
    ("arm under another name", "TreatmentArm", "2", "treatment_column"),
    ("study drug", "study_drug", "anakinra", "treatment_column"),
    ("given or not", "anakinra_yn", "yes", "treatment_column"),
    ("dose", "dose_mg", "100", "treatment_column"),
    ("syringes of placebo", "placebo_ml", "20", "treatment_column"),
    ("interferon level, which tells the drug", "IFNg_given", "1", "treatment_column"),
]


def _column(story: str, column: str, value: str, code: str) -> Case:
    secrets = [value] if len(value) > 4 and value not in ("negative", "anakinra") else []
    return Case(
        f"column-{column}",
        story,
        lambda lab: lab.fill("manifest" if code == "personal_column" else "visits", column, value),
        [Found(code, "manifest" if code == "personal_column" else "visits", (1,), column)],
        secrets,
    )


# what happened, table, row, column, what stands in the cell
_CELLS = [
    ("name for a code", "manifest", "rna second", "sample_code", "Papadopoulou"),
    ("name with its first name", "manifest", "rna second", "participant_code", "Steinbichler, Anna"),
    ("initials for a code", "participants", "screened", "participant_code", "E.P.K."),
    ("date for a day", "manifest", "rna day 4", "visit_day", "14/03/2022"),
    ("date of the Romanian form", "visits", "first day 2", "visit_day", "14.03.2022"),
    ("date of a spreadsheet", "manifest", "rna day 4", "visit_day", "14-Mar-22"),
    ("date of death for its day", "participants", "died", "death_day", "2022-03-24"),
    ("date of the consent", "participants", "second", "consent", "signed 14.03.2022"),
    ("date and time of the drug", "participants", "first", "hours_sepsis_to_drug", "14/03/2022 09:30"),
    ("date of the plate", "manifest", "rna day 4", "plate", "14 March 2022"),
    ("mail address in the batch", "manifest", "rna day 4", "batch", "nurse.k@hospital.example"),
    ("telephone in the table's entry", "manifest", "olink", "table_id", "+30 694 555 0123"),
    ("name as the entry of the provider's table", "manifest", "olink", "table_id", "Papadopoulou Eleni"),
    ("sentence for a reason", "manifest", "rna missed", "missing_reason", "family did not want blood taken today"),
    ("sentence in a field of words", "visits", "first day 1", "antibiotic", "given by the nurse of the night"),
]


@finds("personal_value", "manifest", "rna day 4", "fastq_1")
@finds("personal_value", "manifest", "rna day 4", "fastq_2")
@hides("2022-03-14")
def date_in_the_names_of_files(lab: Lab):
    """The laboratory names its files after the day of the blood draw."""
    for mate in (1, 2):
        lab.put("manifest", "rna day 4", **{f"fastq_{mate}": f"raw/blood_2022-03-14_R{mate}.fastq.gz"})
    lab.deliver()


@finds("personal_value", "manifest", "rna day 4", "fastq_1")
@finds("personal_value", "manifest", "rna day 4", "fastq_2")
@hides("k.nurse@hospital.example")
def mail_address_in_a_folder(lab: Lab):
    """The sequencing centre's folder is named after the customer's mail address."""
    for mate in (1, 2):
        lab.put("manifest", "rna day 4", **{f"fastq_{mate}": f"raw/k.nurse@hospital.example/A02_R{mate}.fastq.gz"})
    lab.deliver()


@finds("personal_value", "manifest", "rna day 4", "fastq_1")
@hides("papadopoulou@hospital.example")
def mail_address_in_the_names_of_reads(lab: Lab):
    """A converter wrote its user's mail address into the names of the reads."""
    lab.options.append("--deep")
    path = lab.manifest["rna day 4"]["fastq_1"]
    reads = gzip.decompress(lab.files[path]).decode().replace(" 1:N:0", " papadopoulou@hospital.example 1:N:0")
    lab.files[path] = gzip.compress(reads.encode(), mtime=0)


@finds("personal_column", "manifest", ["olink", "olink second"], "table")
@hides("Papadopoulou Eleni")
def names_in_the_providers_table(lab: Lab):
    """The provider's table carries the names that came with the tubes."""
    lab.options.append("--deep")
    lines = lab.files["raw/npx.csv"].decode().splitlines()
    with_names = [f"{line};{'PatientName' if n == 0 else 'Papadopoulou Eleni'}" for n, line in enumerate(lines)]
    lab.files["raw/npx.csv"] = "\n".join(with_names).encode()


@finds("treatment_column", "manifest", ["olink", "olink second"], "table")
def arm_in_the_providers_table(lab: Lab):
    """The provider was told the arm, to spread it over the plates, and hands it back with the results."""
    lab.options.append("--deep")
    lines = lab.files["raw/npx.csv"].decode().splitlines()
    lab.files["raw/npx.csv"] = "\n".join(
        f"{line};{'B' if n else 'TreatmentArm'}" for n, line in enumerate(lines)
    ).encode()


@finds("personal_value", "manifest", "rna day 4", "fastq_1")
@finds("personal_value", "manifest", "rna day 4", "fastq_2")
@hides("20220314")
def date_without_separators_in_the_names_of_files(lab: Lab):
    """The day of the blood draw in the file's name, as computers sort it."""
    for mate in (1, 2):
        lab.put("manifest", "rna day 4", **{f"fastq_{mate}": f"raw/A02_20220314_R{mate}.fastq.gz"})
    lab.deliver()


@finds("personal_value", "manifest", "rna day 4", "fastq_1")
@finds("personal_value", "manifest", "rna day 4", "fastq_2")
@hides("2022-03-14")
def date_in_the_names_of_reads(lab: Lab):
    """A converter put the day of the blood draw in front of the names of the reads."""
    lab.options.append("--deep")
    for column in ("fastq_1", "fastq_2"):
        path = lab.manifest["rna day 4"][column]
        reads = gzip.decompress(lab.files[path]).decode().replace("@SIM", "@2022-03-14_SIM")
        lab.files[path] = gzip.compress(reads.encode(), mtime=0)


@finds("personal_column", "visits", 1, "f… (19 characters, masked)")
@hides("14.03.2022")
def dates_for_names_of_columns(lab: Lab):
    """A table that was turned on its side: one column for each day of the blood draw."""
    lab.fill("visits", "ferritin 14.03.2022", "5210")


@finds("personal_column", "participants", 1, "n… (24 characters, masked)")
@hides("nurse.k@hospital.example")
def mail_address_for_the_name_of_a_column(lab: Lab):
    """A column is named after who filled it in."""
    lab.fill("participants", "nurse.k@hospital.example", "ok")


@finds("sheet_chosen", "manifest")
@finds("code_leading_zero", "manifest", "rna second", "sample_code")
@hides("14.03.2022", "nurse.k@hospital.example")
def names_of_sheets(lab: Lab):
    """The sheets of a workbook are named after the day and the nurse."""

    def name(book) -> None:
        book.active.title = "ward 14.03.2022"
        book.create_sheet("nurse.k@hospital.example")

    lab.put("manifest", "rna second", sample_code="60000021")
    lab.workbook("manifest", name)


@finds("code_malformed", "manifest", 40, "participant_code")
@finds("required_empty", "manifest", 40, "layer")
@finds("required_empty", "manifest", 40, "assay")
@finds("required_empty", "manifest", 40, "sample_type")
@finds("required_empty", "manifest", 40, "collected")
@hides("Papadopoulou", "694 555 0123")
def reminder_below_the_table(lab: Lab):
    """A reminder to call a participant's daughter stands far below the table."""
    lab.workbook("manifest", lambda book: book.active.cell(40, 3, "call Eleni Papadopoulou 694 555 0123"))


@finds("unnamed_column", "manifest", 4)
@hides("Papadopoulou")
def reminder_beside_the_table(lab: Lab):
    """The same, far to the right."""
    lab.workbook("manifest", lambda book: book.active.cell(4, 40, "call Eleni Papadopoulou"))


@finds("ragged_row", "manifest", "rna missed")
@hides("Papadopoulou", "14.03.2022")
def reminder_at_the_end_of_a_row(lab: Lab):
    """The same, in a cell of its own at the end of a row of text."""
    lab.text("manifest", lambda text: text.replace("\tmissed\t", "\tmissed\tPapadopoulou called on 14.03.2022\t"))


@finds("personal_column", "participants", 1, "date_of_birth")
@finds("treatment_column", "participants", 1, "randomisation_arm")
@finds("personal_value", "participants", "died", "death_day")
@hides("14.03.1951", "24.03.2022")
def whole_case_report_form(lab: Lab):
    """The participants table is a raw export of the case report form."""
    lab.fill("participants", "date_of_birth", "14.03.1951")
    lab.fill("participants", "randomisation_arm", "B")
    lab.put("participants", "died", death_day="24.03.2022")


CASES = [
    *(_column(*entry) for entry in _COLUMNS),
    *(one_cell(table, row, column, value, "personal_value", story, secret=True)
      for story, table, row, column, value in _CELLS),
]  # fmt: skip
