"""Ways of being right: no error and no warning; a note only where `finds` says so."""

from intake.corpus import finds, good
from intake.lab import Lab
from intake.tables import DIED, FIRST, ROWS_OF_FIRST, ROWS_OF_SECOND, SECOND

# ------------------------------------------------------------------------------------------------------------- content


@good
def as_the_guide_says(lab: Lab):
    """Every table with every column."""


@good
def one_library(lab: Lab):
    """The smallest trial: one participant, one library, only the columns that it needs."""
    lab.manifest = {"rna": lab.manifest["rna"]}
    lab.participants = {"first": lab.participants["first"]}
    lab.visits = {"first day 1": lab.visits["first day 1"]}
    needed = ("site", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "sample_type",
              "batch", "fastq_1", "fastq_2", "collected", "pre_dose")  # fmt: skip
    lab.columns["manifest"] = list(needed)


@good
def manifest_alone(lab: Lab):
    """A laboratory that has no clinical tables and no table of sites checks its manifest."""
    lab.alone = True


@good
def columns_in_another_order(lab: Lab):
    """The columns stand in the lab's own order."""
    for columns in lab.columns.values():
        columns.reverse()


@good
def participants_coded_and_not_tubes(lab: Lab):
    """A site that codes participants only: the code on the tube is the participant's, the column is left empty."""
    for row in lab.manifest.values():
        if row["sample_type"] == "sample":
            row |= {"sample_code": row["participant_code"], "participant_code": ""}


@good
def one_of_two_sites_codes_tubes(lab: Lab):
    """One site codes participants, the other one tubes."""
    for row in lab.manifest.values():
        if row["site"] == "GR03":
            row["sample_code"] = row["participant_code"]


@good
@finds("code_at_two_sites", "manifest", [*ROWS_OF_FIRST, *ROWS_OF_SECOND], "participant_code")
def same_code_at_two_sites(lab: Lab):
    """Two sites happened to give the same code to two people."""
    for table in ("manifest", "participants", "visits"):
        for row in lab.rows(table).values():
            if row["participant_code"] == SECOND["participant_code"]:
                row["participant_code"] = FIRST["participant_code"]


@good
def every_code_of_zeros(lab: Lab):
    """The smallest and the largest code, and one that reads like scientific notation without its E."""
    codes = {FIRST["participant_code"]: "000000000", SECOND["participant_code"]: "999999999", DIED["participant_code"]:
             "100000000"}  # fmt: skip
    for table in ("manifest", "participants", "visits"):
        for row in lab.rows(table).values():
            row["participant_code"] = codes.get(row["participant_code"], row["participant_code"])


@good
def nothing_collected(lab: Lab):
    """Every sample of a participant is missing, each for its own reason."""
    reasons = ("died", "discharged", "refused", "missed", "insufficient", "failed_qc", "restricted")
    for day, reason in zip(("1", "2", "4", "7", "15", "21", "28"), reasons, strict=True):
        lab.copy(
            "manifest",
            "rna missed",
            reason,
            visit_day=day,
            missing_reason=reason,
            sample_code=f"6000001{day:0>2}",
            well="",
        )
    for name in ("rna missed", "rna second"):
        del lab.manifest[name]


@good
def all_layers(lab: Lab):
    """Every layer that is processed from raw files, and a full visit of swabs."""
    lab.copy("manifest", "nares second", "oral second", specimen="oral", sample_code="600000042", well="A04",
             fastq_1="raw/16s_A04_R1.fastq.gz", fastq_2="raw/16s_A04_R2.fastq.gz")  # fmt: skip
    lab.copy("manifest", "nares second", "rectum second", specimen="rectum", sample_code="600000043", well="A05",
             fastq_1="raw/16s_A05_R1.fastq.gz", fastq_2="raw/16s_A05_R2.fastq.gz")  # fmt: skip
    lab.copy("manifest", "atac second", "atac later", visit_day="15", sample_code="600000151",
             well="A06", fastq_1="raw/atac_A06_R1.fastq.gz", fastq_2="raw/atac_A06_R2.fastq.gz")  # fmt: skip
    lab.deliver()


@good
def bridges_and_pools(lab: Lab):
    """Bridging samples and pools on the plate of the proteome."""
    owner = dict.fromkeys(("site", "sample_code", "participant_code", "visit_day"), "")
    lab.copy("manifest", "olink", "bridge", **owner, sample_type="bridge", well="H01", table_id="BRIDGE1")
    lab.copy("manifest", "olink", "pool", **owner, sample_type="pool", well="H02", table_id="POOL1")


@good
def lanes_of_four_runs(lab: Lab):
    """Four lanes of one library, named as the sequencer names them."""
    for lane in range(1, 5):
        name = f"raw/S1_L00{lane}_R{{}}_001.fastq.gz"
        lab.copy("manifest", "rna day 4", f"lane {lane}", run=f"RUN{lane}",
                 fastq_1=name.format(1), fastq_2=name.format(2))  # fmt: skip
    del lab.manifest["rna day 4"]
    lab.deliver()


@good
def checksums_given(lab: Lab):
    """The checksums of the reads stand beside them, and the files are read whole."""
    import hashlib

    lab.options.append("--deep")
    for row in lab.manifest.values():
        for column in ("fastq_1", "fastq_2"):
            if row.get(column):
                row[f"{column}_sha256"] = hashlib.sha256(lab.files[row[column]]).hexdigest()


@good
def folders_with_spaces_and_accents(lab: Lab):
    """Legal, if not wise: names of folders with spaces, accents and brackets."""
    for mate in (1, 2):
        lab.put("manifest", "rna day 4", **{f"fastq_{mate}": f"Läufe (neu)/Ρους 1/a&b_R{mate}.fq.gz"})
    lab.deliver()


@good
def raw_files_elsewhere(lab: Lab):
    """The raw files are on another disk, and only the tables are checked."""
    lab.files.clear()
    lab.options.append("--no-files")


@good
def visits_beyond_the_ward(lab: Lab):
    """Day 0, scores at day 21 and 28, survival at day 90: the whole schedule."""
    for day in ("0", "21", "28", "90"):
        lab.copy("visits", "first day 2", f"first day {day}", visit_day=day, sofa_total="2")


@good
def components_of_sofa_only(lab: Lab):
    """SOFA by its components without a total, and by its total without components."""
    lab.put("visits", "first day 1", sofa_total="")
    lab.put(
        "visits",
        "second day 2",
        **{c: "" for c in lab.columns["visits"] if c.startswith("sofa_")} | {"sofa_total": "0"},
    )


@good
def extreme_and_real(lab: Lab):
    """Values at the edge of what is seen in sepsis."""
    lab.put("visits", "first day 1", ferritin="98000", hladr="101", haemoglobin_g_dl="4.2", neutrophils_10e9_l="0",
            platelets_10e9_l="3")  # fmt: skip
    lab.put("visits", "second day 1", ferritin="4420.01", hladr="45000.5")
    lab.put("participants", "second", age_years="101", hours_sepsis_to_drug="71.5")


@good
def died_on_the_first_day(lab: Lab):
    """A death on day 1 with a sample, a score and a contact of that day."""
    lab.put("participants", "died", death_day="1", last_contact_day="1")
    lab.put("manifest", "rna died", visit_day="1", pre_dose="yes")
    del lab.visits["died day 9"]


@good
def withdrawn_after_the_last_sample(lab: Lab):
    """Consent withdrawn on day 30; all that was given before stays."""
    lab.put("participants", "second", consent="withdrawn", withdrawn_day="30", last_contact_day="30")


@good
def infections_of_every_kind(lab: Lab):
    """One infection, or several."""
    lab.put("participants", "first", infection="CAP;HAP;VAP;BSI")
    lab.put("participants", "died", infection="")


@good
def unblinded(lab: Lab):
    """The statistician's own check, with classification and allocation."""
    lab.role = "unblinded"


@good
def label_holder(lab: Lab):
    """The check of who holds the labels and not the arms; borderline and missing values are no mistakes."""
    lab.role = "endotype"
    lab.put("classification", "first", ferritin="4420", hladr="4999.5")
    lab.put("classification", "died", hladr="", hladr_unit="")


@good
@finds("batch_follows_design", "manifest", (), "batch")
@finds("batch_follows_design", "manifest", (), "batch")
def one_batch_for_each_site(lab: Lab):
    """Each site extracted its own libraries: told for site and country, for no model can undo it, and no mistake."""
    lab.enlarge(lambda number: f"RB0{1 + number // 2 % 2}")


@good
def batches_at_random(lab: Lab):
    """Forty participants, dealt over the batches whatever their site, endotype and arm."""
    lab.role = "unblinded"
    lab.enlarge(lambda number: f"RB0{1 + number // 8 % 2}")


# -------------------------------------------------------------------------------------------------------------- format


@good
def carriage_returns(lab: Lab):
    """Line ends of Windows."""
    for table in ("manifest", "participants", "visits", "sites"):
        lab.save(table, newline="\r\n")


@good
def carriage_returns_alone(lab: Lab):
    """Line ends of an old Macintosh, which Excel still offers."""
    for table in ("manifest", "participants", "visits", "sites"):
        lab.save(table, newline="\r")


@good
def every_cell_quoted(lab: Lab):
    """Quotation marks around every cell, as R writes them."""
    for table in ("manifest", "participants", "visits", "sites"):
        lab.save(table, quoted=True)


@good
def empty_lines_at_the_end(lab: Lab):
    """Empty lines and empty rows below the table."""
    lab.text("manifest", lambda text: text + "\t" * text.partition("\n")[0].count("\t") + "\n\n\n")
    lab.text("visits", lambda text: text.rstrip("\n"))


@good
def empty_columns_to_the_right(lab: Lab):
    """Columns without a name and without a value, which spreadsheets export."""
    lab.text("manifest", lambda text: text.replace("\n", "\t\t\n"))


@good
@finds("byte_order_mark", "manifest")
def byte_order_mark(lab: Lab):
    """Saved as 'UTF-8' by Windows, with its mark."""
    lab.bytes("manifest", lambda data: b"\xef\xbb\xbf" + data)


@good
def comma_separated(lab: Lab):
    """CSV with commas."""
    for table in ("manifest", "participants", "visits"):
        lab.save(table, ",", ".csv")


@good
def semicolon_separated(lab: Lab):
    """CSV with semicolons, and a list of infections that holds semicolons too."""
    for table in ("manifest", "participants", "visits"):
        lab.save(table, ";", ".csv")


@good
def excels_hint_of_the_separator(lab: Lab):
    """Excel's line sep=; in front."""
    lab.save("manifest", ";", ".csv", newline="\r\n")
    lab.text("manifest", lambda text: "sep=;\r\n" + text)


@good
def utf_16_of_either_order(lab: Lab):
    """UTF-16 with its mark, little end first and big end first."""
    lab.bytes("manifest", lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"))
    lab.bytes("visits", lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"))


@good
def workbooks(lab: Lab):
    """Every table as a workbook of text cells."""
    for table in ("manifest", "participants", "visits", "sites"):
        lab.workbook(table)


@good
def workbook_with_colours_and_widths(lab: Lab):
    """A workbook with coloured cells, wide columns, a frozen header, a filter that hides nothing, and comments."""
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill

    def paint(book):
        sheet = book.active
        sheet.freeze_panes, sheet.auto_filter.ref = "A2", sheet.dimensions
        sheet.column_dimensions["B"].width = 40
        sheet["A1"].fill = PatternFill("solid", start_color="FFCC00")
        sheet["C4"].comment = Comment("checked", "lab")
        sheet["AZ400"].fill = PatternFill("solid", start_color="EEEEEE")

    lab.workbook("manifest", paint)


@good
def manifest_of_libreoffice(lab: Lab):
    """A workbook that LibreOffice saved from text cells."""
    lab.hand_in("manifest", "manifest_text.xlsx")


@good
@finds("sheet_chosen", "manifest")
def template_filled_and_saved(lab: Lab):
    """The workbook of `immunosep template`, filled in and saved by LibreOffice on a German machine."""
    lab.hand_in("manifest", "manifest_template.xlsx")


@good
def template_filled_and_exported(lab: Lab):
    """The same, exported as CSV: the codes keep their zeros, the numbers their points."""
    lab.hand_in("manifest", "manifest_template.csv")


@good
@finds("sheet_chosen", "manifest")
def manifest_behind_notes(lab: Lab):
    """A workbook with a sheet of notes in front, by LibreOffice."""
    lab.hand_in("manifest", "manifest_notes.xlsx")


@good
def unicode_text_of_a_spreadsheet(lab: Lab):
    """'Unicode text' (UTF-16, tabs) by LibreOffice."""
    lab.hand_in("manifest", "manifest_unicode.txt")


@good
def semicolons_of_a_greek_spreadsheet(lab: Lab):
    """Semicolons and quoted text by LibreOffice on a Greek machine, and CSV with commas for the visits."""
    lab.hand_in("manifest", "manifest_semicolons.csv")
    lab.hand_in("visits", "visits_commas.csv")
