"""Broken as files: encodings, separators, headers, shapes."""

import gzip

from intake.corpus import finds
from intake.lab import Lab


def _cells(line: str, at: int, *put: str, drop: int = 0) -> str:
    """Put cells into a line in place of `drop` of its own."""
    cells = line.split("\t")
    cells[at : at + drop] = put
    return "\t".join(cells)


def _on_line(text: str, number: int, change) -> str:
    lines = text.split("\n")
    lines[number - 1] = change(lines[number - 1])
    return "\n".join(lines)


# ----------------------------------------------------------------------------------------------------- file and bytes


@finds("file_empty", "manifest")
def upload_broke_off_at_once(lab: Lab):
    """The upload broke off before the first byte."""
    lab.bytes("manifest", lambda data: b"")


@finds("file_empty", "participants")
def only_empty_lines(lab: Lab):
    """An export with no rows and no header left two line breaks."""
    lab.bytes("participants", lambda data: b"\r\n\r\n")


@finds("no_rows", "manifest")
def filter_hid_everything(lab: Lab):
    """A filter that no row passed was active when the table was exported."""
    lab.text("manifest", lambda text: text.partition("\n")[0] + "\n")


@finds("table_without_rows", "visits")
def visits_not_exported_yet(lab: Lab):
    """The visits table was made from its header and never filled."""
    lab.text("visits", lambda text: text.partition("\n")[0] + "\n")


@finds("not_text", "manifest")
def packed_for_the_mail(lab: Lab):
    """The table was packed with gzip and kept its name."""
    lab.bytes("manifest", lambda data: gzip.compress(data, mtime=0))


@finds("not_text", "manifest")
def saved_as_web_page(lab: Lab):
    """Downloaded from a shared drive while logged out: the file is the log-in page."""
    lab.bytes("manifest", lambda data: b"<!DOCTYPE html><html><body>Sign in to continue</body></html>")


@finds("not_text", "manifest")
def printed_to_pdf(lab: Lab):
    """Printed to a PDF, which was renamed."""
    lab.bytes("manifest", lambda data: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n")


@finds("not_text", "manifest")
def excel_of_1997(lab: Lab):
    """Saved by the laboratory's old Excel as .xls and renamed to .tsv."""
    lab.bytes("manifest", lambda data: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))


@finds("not_text", "manifest")
def workbook_download_broke_off(lab: Lab):
    """Half of the workbook arrived."""
    lab.workbook("manifest")
    lab.bytes("manifest", lambda data: data[: len(data) // 2])


@finds("not_utf8", "participants", 3)
@finds("bad_pattern", "participants", "second", "country")
def saved_in_windows_1252(lab: Lab):
    """Saved as 'Text (tab delimited)' in Western Europe: a letter outside ASCII is not UTF-8, nor legal."""
    lab.put("participants", "second", country="România")
    lab.bytes("participants", lambda data: data.decode().replace("â", "\u00e2").encode("cp1252"))


@finds("utf16", "manifest")
def unicode_text_without_its_mark(lab: Lab):
    """Saved as Unicode text; a script of the lab cut off the mark at the beginning."""
    lab.bytes("manifest", lambda data: data.decode().encode("utf-16-le"))


@finds("not_tab_separated", "manifest", 1)
def separated_by_bars(lab: Lab):
    """The database exports with vertical bars between the columns."""
    lab.save("manifest", "|")


@finds("no_header", "manifest", 1)
def header_deleted(lab: Lab):
    """The line of column names was deleted before the upload."""
    lab.text("manifest", lambda text: text.partition("\n")[2])


@finds("no_header", "manifest", 1)
def title_above_the_table(lab: Lab):
    """A title stands above the column names."""
    lab.text("manifest", lambda text: "ImmunoSep shipment 3\n" + text)


@finds("no_header", "manifest", 1)
def title_above_the_table_of_a_workbook(lab: Lab):
    """The same in a workbook, with an empty row between."""

    def entitle(book) -> None:
        book.active.insert_rows(1, 2)
        book.active["A1"] = "ImmunoSep shipment 3"

    lab.workbook("manifest", entitle)


@finds("header_repeated", "manifest", "second header")
def two_exports_one_below_the_other(lab: Lab):
    """Two exports were put one below the other, with both headers."""
    lab.copy("manifest", "rna", "second header", **{column: column for column in lab.columns["manifest"]})


@finds("not_integer", "visits", "units", "visit_day")
@finds("not_number", "visits", "units", "ferritin")
@finds("required_empty", "visits", "units", "site")
@finds("required_empty", "visits", "units", "participant_code")
def units_below_the_header(lab: Lab):
    """A second line of the header says the units."""
    lab.visits = {"units": {"visit_day": "days", "ferritin": "ng/mL"}} | lab.visits


# -------------------------------------------------------------------------------------------------------------- header


@finds("unknown_column", "manifest", 1, "visitday")
def underscore_forgotten(lab: Lab):
    """The underscore of a column name was forgotten."""
    lab.rename("manifest", "visit_day", "visitday")


@finds("unknown_column", "manifest", 1, "Sample Code")
def header_made_pretty(lab: Lab):
    """Capitals and spaces made the header pretty."""
    lab.rename("manifest", "sample_code", "Sample Code")


@finds("unknown_column", "manifest", 1, " layer")
def space_in_the_header(lab: Lab):
    """A space slipped in front of a column name."""
    lab.rename("manifest", "layer", " layer")


@finds("unknown_column", "manifest", 1, "rin")
def column_of_the_labs_own(lab: Lab):
    """The lab added the RNA integrity number, which the table has no column for."""
    lab.fill("manifest", "rin", "8.9")


@finds("missing_column", "manifest", 1, "specimen")
def specimen_column_left_out(lab: Lab):
    """All samples are the same to this lab, so it left the specimen out."""
    lab.drop("manifest", "specimen")


@finds("missing_column", "manifest", 1, "layer")
def layer_column_left_out(lab: Lab):
    """A lab of one layer left the column out."""
    lab.drop("manifest", "layer")


@finds("missing_column", "participants", 1, "consent")
def consent_left_out(lab: Lab):
    """The consent stands in another table of the lab."""
    lab.drop("participants", "consent")


@finds("missing_column", "visits", 1, "transfusion")
@finds("missing_column", "visits", 1, "infection_resolved")
def columns_without_values_left_out(lab: Lab):
    """Columns that were never filled were deleted; clinical tables keep them all, empty."""
    lab.drop("visits", "transfusion", "infection_resolved")


@finds("duplicate_column", "manifest", 1, "batch")
def column_pasted_twice(lab: Lab):
    """The batch was pasted in once more at the end."""
    lab.text("manifest", lambda text: "".join(
        f"{line}\t{line.split(chr(9))[8]}\n" for line in text.splitlines()))  # fmt: skip


@finds("unnamed_column", "manifest", 1)
def stray_cell_to_the_right(lab: Lab):
    """A tick was set to the right of the table."""
    lab.fill("manifest", "", "")
    lab.manifest["atac"][""] = "ok"


@finds("unknown_column", "sites", 1, "Country")
@finds("unknown_column", "sites", 1, "Site")
def sites_with_capitals(lab: Lab):
    """The table of sites came with capital column names."""
    lab.rename("sites", "site", "Site")
    lab.rename("sites", "country", "Country")


# --------------------------------------------------------------------------------------------------------------- shape


@finds("ragged_row", "manifest", "rna day 4")
def cell_deleted_and_the_rest_moved_left(lab: Lab):
    """A cell was deleted, and the rest of the row moved to the left."""
    lab.text("manifest", lambda text: _on_line(text, 4, lambda line: _cells(line, 2, drop=1)))


@finds("ragged_row", "manifest", "rna day 4")
def tab_inside_a_cell(lab: Lab):
    """A tab was typed inside a cell."""
    lab.text("manifest", lambda text: _on_line(text, 4, lambda line: _cells(line, 8, "RB01", "", drop=1)))


@finds("ragged_row", "visits", "first day 1")
def decimal_comma_in_comma_separated_text(lab: Lab):
    """A CSV with commas between the columns, and one decimal comma inside a value."""
    lab.save("visits", ",", ".csv")
    lab.text("visits", lambda text: text.replace(",9.1,", ",9,1,", 1))


@finds("blank_row", "manifest", 5)
def empty_row_between_blocks(lab: Lab):
    """An empty row sets the participants apart for the eye."""
    lab.text("manifest", lambda text: _on_line(text, 5, lambda line: "\t" * (line.count("\t")) + "\n" + line))


@finds("broken_quotes", "manifest", 4)
@finds("ragged_row", "manifest", 4)
def quotation_mark_for_inches(lab: Lab):
    """One quotation mark opens and never closes: the rest of the table would be one cell."""
    lab.text("manifest", lambda text: _on_line(text, 4, lambda line: _cells(line, 8, '"RB01', drop=1)))


@finds("broken_quotes", "manifest", "rna day 4")
def line_break_inside_a_cell(lab: Lab):
    """Alt+Enter was pressed inside a cell."""
    lab.put("manifest", "rna day 4", batch="RB01\n")


@finds("required_empty", "manifest", "rna second", "layer")
@finds("required_empty", "manifest", "rna second", "assay")
@finds("required_empty", "manifest", "rna second", "sample_type")
@finds("required_empty", "manifest", "rna second", "collected")
def rest_of_the_row_not_typed_yet(lab: Lab):
    """Somebody went for coffee in the middle of a row."""
    keep = {"site": "RO06", "sample_code": "600000021", "participant_code": "987654321", "visit_day": "1"}
    lab.manifest["rna second"] = keep
