"""Every code a check can report: what it means, why it matters, how to mend it.

The one source of these texts: terminal messages, ``immunosep explain`` and the guide for labs read them from here.
"""

from typing import NamedTuple

_EXCEL = "In a spreadsheet, set the column's format to Text before typing or pasting."


class Code(NamedTuple):
    """Documentation of one kind of finding."""

    severity: str
    title: str
    why: str
    fix: str


def _error(title: str, why: str, fix: str) -> Code:
    return Code("error", title, why, fix)


def _warning(title: str, why: str, fix: str) -> Code:
    return Code("warning", title, why, fix)


def _info(title: str, why: str, fix: str) -> Code:
    return Code("info", title, why, fix)


CODES: dict[str, Code] = {
    # the file as a whole
    "file_unreadable": _error(
        "file cannot be read",
        "The file does not exist at this path, is a folder, or you may not read it.",
        "Give the right path, relative to the folder you work in, or ask for read permission.",
    ),
    "file_empty": _error(
        "file is empty", "A table has at least a header line.", "Save the table again and check its size."
    ),
    "no_rows": _error(
        "table has a header but no rows", "There is nothing to work on.", "Fill in the rows, or leave the table out."
    ),
    "table_without_rows": _warning(
        "table has a header but no rows",
        "Legal for a cohort without such data; every label that needs the table will be missing.",
        "Nothing to do if that is so; else check that the table was exported whole.",
    ),
    "byte_order_mark": _info(
        "file begins with a byte order mark",
        "Windows programs write this invisible mark; it is read over.",
        "Nothing to do; save as 'UTF-8' without 'BOM' to be rid of it.",
    ),
    "not_utf8": _error(
        "file is not UTF-8",
        "Letters outside ASCII would be read wrongly.",
        "Save the table as text (tab delimited) in the encoding UTF-8.",
    ),
    "utf16": _error(
        "file is UTF-16 and cannot be read for certain",
        "UTF-16 ('Unicode text' of Excel) is read where the file begins with its mark and is whole; this one is not.",
        "Save the table again: as a workbook (.xlsx), or as text in the encoding UTF-8.",
    ),
    "not_tab_separated": _error(
        "columns are separated by neither tabs, commas nor semicolons",
        "Other signs also occur inside values.",
        "Save the table as a workbook (.xlsx), or as text with tabs between the columns.",
    ),
    "not_text": _error(
        "file is neither a text table nor an .xlsx workbook that can be read",
        "Tables are read as text (tabs, commas, semicolons) and as .xlsx workbooks without a password.",
        "Unpack or unlock the file; in the spreadsheet program, save it as .xlsx or as text in the encoding UTF-8.",
    ),
    # a workbook
    "sheet_chosen": _info(
        "workbook has more than one sheet",
        "One sheet is read: the one named like the table, or else the first visible one with its column names.",
        "Nothing to do if it is the right one; else give the right sheet the table's name.",
    ),
    "hidden_cells": _warning(
        "hidden rows or columns were read",
        "A filter hides rows and does not remove them: the file holds more than the screen shows.",
        "Unhide them and look; delete what should not be there.",
    ),
    "code_not_text": _error(
        "code cell has lost its text type",
        "The spreadsheet holds the code as a number: leading zeros are lost, and a code that begins without one cannot "
        "be told from one that lost it.",
        "Set the column's format to Text and copy the codes again from their source; the format alone brings nothing "
        "back.",
    ),
    "cell_not_text": _error(
        "cell is a number in a column of text",
        "The spreadsheet dropped leading zeros, and may have turned a name into a number (1E5, 007).",
        "Set the column's format to Text and type the value again.",
    ),
    "cell_number": _warning(
        "cell is a number and not text",
        "It is read with the digits that the workbook stores. Which decimal sign was typed, nobody can see any more.",
        "Compare the value with its source. " + _EXCEL,
    ),
    "cell_date": _error(
        "cell holds a date",
        "A calendar date must not be here; or the spreadsheet took a value for one, as it does with 2-4, MARCH1, SEP2.",
        "Remove the date and give whole days, day 1 being the day of randomisation; or set the column's format to Text "
        "and type the value again.",
    ),
    "cell_boolean": _error(
        "cell is a truth value of the spreadsheet",
        "TRUE and FALSE are not words of this table, and read VERDADERO or WAHR on other machines.",
        "Set the column's format to Text and type yes or no.",
    ),
    "cell_formula": _error(
        "cell holds a formula",
        "What it shows depends on other cells and on the program that opens it.",
        "Copy the column and paste it in place as values, with the format Text.",
    ),
    "cell_merged": _error(
        "cell is merged with others",
        "Only the first of merged cells has a value; the other rows are left without.",
        "Unmerge the cells and write the value into each.",
    ),
    # header and shape
    "no_header": _error(
        "first line holds no column name of this table",
        "Values are read by the names of their columns; nothing else can be said about the file.",
        "Begin the file with a line of column names, separated by tabs; config/README.md lists them.",
    ),
    "missing_column": _error(
        "required column is missing", "The table's columns are fixed.", "Add the column with exactly this name."
    ),
    "unknown_column": _error(
        "column is not part of this table",
        "The table's columns are fixed, so that a misspelt column is not silently ignored.",
        "Correct the name, or remove the column.",
    ),
    "duplicate_column": _error(
        "column name occurs twice", "It is not clear which of the two holds.", "Remove or rename one of the columns."
    ),
    "unnamed_column": _error(
        "column has no name",
        "Usually a stray cell to the right of the table.",
        "Delete the column, or give it its name.",
    ),
    "ragged_row": _error(
        "row has more or fewer cells than the header",
        "Values have slipped into other columns, or a tab or line break stands inside a cell.",
        "Give the row as many cells as the header; remove tabs and line breaks inside cells.",
    ),
    "header_repeated": _error(
        "column names stand among the rows",
        "Usually two tables were put one below the other.",
        "Delete the row; look whether other rows stand twice too.",
    ),
    "blank_row": _error("row is empty", "A row of empty cells is not a record.", "Delete the row."),
    "broken_quotes": _error(
        "quotation mark is opened and not closed",
        "All text up to the next quotation mark would be read as one cell.",
        "Remove the quotation marks; no value of this table needs them.",
    ),
    # one cell
    "required_empty": _error("required value is empty", "The record means nothing without it.", "Fill in the value."),
    "whitespace": _error(
        "spaces or invisible characters in the value",
        "'GR03 ' and 'GR03' look alike and are two different codes to a computer.",
        "Remove spaces, line breaks and invisible characters from the cell.",
    ),
    "missing_token": _error(
        "word for 'missing' in place of an empty cell",
        "Missing is written as an empty cell, so that no two words for it are in use.",
        "Leave the cell empty.",
    ),
    "code_leading_zero": _error(
        "code has fewer than nine digits: leading zeros lost",
        "A spreadsheet read the code as a number and dropped its leading zeros. The code is not padded here, because a "
        "padded guess may be another person.",
        "Copy the code again from its source as text. " + _EXCEL,
    ),
    "code_too_long": _error(
        "code has more than nine digits",
        "Codes have exactly nine digits.",
        "Copy the code again from its source; look for two codes run together.",
    ),
    "code_scientific": _error(
        "code in scientific notation",
        "A spreadsheet read the code as a number and rounded it: digits are lost for good.",
        "Copy the code again from its source as text. " + _EXCEL,
    ),
    "code_decimal": _error(
        "code written as a decimal number",
        "A program read the code as a number; leading zeros may be lost as well.",
        "Copy the code again from its source as text. " + _EXCEL,
    ),
    "code_non_ascii": _error(
        "code with digits of another script",
        "These digits look right and never match the same code typed on another keyboard.",
        "Type the code again with the digits 0 to 9.",
    ),
    "code_spaces": _error(
        "code with spaces or separators",
        "A code is nine digits and nothing else.",
        "Remove spaces, dots, commas and invisible characters from the code.",
    ),
    "code_quoted": _error(
        "code in quotation marks or behind an apostrophe",
        "Excel shows numbers typed as text behind an apostrophe; some exports write it into the value.",
        "Remove the quotation marks and the apostrophe; keep the nine digits.",
    ),
    "code_letters": _error(
        "code with letters in place of digits",
        "The letters O, I and l look like 0 and 1. They are not replaced here: the tube says what is right.",
        "Read the code from the tube and type its nine digits.",
    ),
    "code_malformed": _error(
        "code is not nine digits", "A code is nine digits and nothing else.", "Write the nine digits of the tube."
    ),
    "not_integer": _error("not a whole number", "The column holds whole numbers.", "Write digits only, as in 15."),
    "not_number": _error(
        "not a number", "The column holds plain numbers with a decimal point.", "Write the number as in 4420.5."
    ),
    "ambiguous_separator": _error(
        "number with a separator that can be read in two ways",
        "4.420 is four thousand four hundred and twenty in Greece and four point four two in Ireland; the difference "
        "changes the endotype.",
        "Write the number without a thousands separator, with a point for decimals only: 4420 or 4.42.",
    ),
    "decimal_comma": _error(
        "decimal comma", "Numbers are written with a decimal point.", "Replace the comma by a point."
    ),
    "out_of_range": _error("number outside its range", "The value is impossible.", "Correct the value."),
    "not_allowed": _error(
        "value is not in the list of this column", "The column's values are fixed.", "Use a value of the list."
    ),
    "bad_pattern": _error(
        "value does not have this column's form",
        "The value would break names or files.",
        "Write it as the message says; the guide in config/README.md has an example for each column.",
    ),
    "unit_percent": _error(
        "percent in place of a count",
        "HLA-DR as percent of positive monocytes and as receptors per cell cannot be converted into each other.",
        "Give the value in the column's unit, from the calibrated (Quantibrite) measurement.",
    ),
    "unit_wrong": _error(
        "unit is not this column's unit",
        "The cut-offs of the trial hold in one unit only; nothing is converted silently.",
        "Convert the value, and write the unit exactly.",
    ),
    "unit_missing": _error(
        "value without a unit", "A number without a unit cannot be checked.", "Write the unit beside the value."
    ),
    "duplicate_key": _error(
        "two rows for the same record",
        "It is not clear which row holds.",
        "Keep one row, or correct the code or the day of the other.",
    ),
    # privacy and blinding
    "personal_column": _error(
        "column of personal data or free text",
        "Names, birth dates, addresses and the like must not enter the workflow, and comments often hold them.",
        "Remove the column from the file, and the file from wherever it was sent.",
    ),
    "personal_value": _error(
        "value looks like personal data or a calendar date",
        "Only pseudonyms and days counted from randomisation may enter the workflow.",
        "Remove it; give times as whole days, day 1 being the day of randomisation.",
    ),
    "treatment_column": _error(
        "column may reveal the treatment",
        "The arm belongs in the sealed allocation table and nowhere else.",
        "Remove the column.",
    ),
    "sealed_open": _error(
        "sealed table can be read by others",
        "Labels and allocation are blinded information; only their owner may read them.",
        "Run: chmod 600 on the file.",
    ),
    "sealed_changed": _error(
        "sealed table is not the one that was unsealed",
        "The record of unblindings holds the table's SHA-256, so that nobody exchanges labels unseen.",
        "Bring the table back; or, if the change is right, record it: immunosep unseal.",
    ),
    "not_unsealed": _error(
        "sealed table has no recorded unblinding for this role",
        "A sealed table is opened only after somebody has recorded when, for which role and in which function.",
        "Run: immunosep unseal --config my.yaml --role ROLE --who FUNCTION; or set role: blinded.",
    ),
    "sealed_misplaced": _warning(
        "sealed table lies in a folder of open tables",
        "Whoever gets the folder with the manifest or the clinical tables gets the labels with it.",
        "Move the sealed tables to a folder of their own and name it in the configuration (sealed).",
    ),
    # one manifest row
    "unknown_site": _error(
        "site is not in the table of sites", "Sites come from one list.", "Correct the site, or add it to sites.tsv."
    ),
    "day_not_scheduled": _error(
        "day is not a visit of the schedule",
        "Samples are taken on the trial's visit days; a layer may have days of its own.",
        "Write the nominal visit day (config: schedule.omics_days, schedule.layer_days).",
    ),
    "assay_layer": _error(
        "assay does not belong to the layer",
        "Each layer has its own platforms.",
        "Correct the layer or the assay.",
    ),
    "assay_not_processed": _warning(
        "assay is known but not processed",
        "This version has no way from these raw files to a matrix. The rows are set aside, with this reason.",
        "Nothing to do for the record; to use the data, give a ready matrix (layers.<name>.matrix).",
    ),
    "specimen_layer": _error(
        "specimen does not belong to the layer",
        "Body sites are for the microbiome, blood for the other layers.",
        "Correct the layer or the specimen.",
    ),
    "control_has_participant": _error(
        "control with a participant's code or day",
        "Blanks, mocks, bridges and pools belong to nobody.",
        "Leave sample_code, participant_code and visit_day empty, or set sample_type to sample.",
    ),
    "not_collected_has_files": _error(
        "files named for a sample that was not collected",
        "collected=no means that there is no data.",
        "Set collected to yes, or remove the files.",
    ),
    "collected_has_reason": _error(
        "reason for a missing sample that was collected",
        "A reason is given only where collected=no.",
        "Set collected to no, or remove the reason.",
    ),
    "file_column": _error(
        "file in a column this assay does not use",
        "Reads stand in fastq_1 and fastq_2, tables in table and table_id.",
        "Move the name to the right column.",
    ),
    "mate_missing": _error(
        "FASTQ mate is missing", "The assay is read from both ends.", "Name both files of the pair."
    ),
    "single_end": _warning(
        "library is read from one end only",
        "fastq_2 is empty, so the library is taken as single-end.",
        "Nothing to do if that is so; else name the mate in fastq_2.",
    ),
    "mates_swapped": _warning(
        "mates look swapped",
        "The file names say R2 in fastq_1 and R1 in fastq_2.",
        "Exchange the two files, or ignore this if the names mislead.",
    ),
    "mates_same": _error(
        "both mates are the same file",
        "The second mate is another file with as many reads.",
        "Name the file of the second mate in fastq_2.",
    ),
    "mates_names": _warning(
        "names of the mates do not match",
        "The two file names differ in more than R1 and R2: usually a slip by one row.",
        "Check which files belong together; `immunosep check --deep` compares the reads themselves.",
    ),
    "file_of_other": _warning(
        "file name holds the code of another participant",
        "Usually a slip by one row; the data of one participant would count as another's.",
        "Check which file belongs to this row, or rename the file.",
    ),
    "path_outside": _error(
        "path leaves the data folder",
        "All raw files lie under the data root, so that a manifest cannot reach other files.",
        "Write the path relative to the data root, without '..', and let no link lead out of it.",
    ),
    "path_absolute": _error(
        "path is not a plain relative path",
        "A manifest must work on every machine.",
        "Write the path relative to the data root, with forward slashes.",
    ),
    "data_missing": _error(
        "data file does not exist",
        "The manifest names it, and it is looked for below the data root.",
        "Copy the file there, correct its name (small and capital letters differ), or give the right data root.",
    ),
    "data_unreadable": _error(
        "data file cannot be read",
        "You may not read the file, or not enter its folder.",
        "Ask for read permission, or run: chmod u+r on the file.",
    ),
    "data_empty": _error("data file is empty", "Usually a broken copy.", "Copy the file again."),
    "not_gzip": _error(
        "FASTQ file is not gzipped",
        "Its name ends in .gz and its content does not begin as gzip does: unpacked, packed by another program, or a "
        "page that a download link answered with.",
        "Copy the file again, or pack it with gzip.",
    ),
    # contents of raw files
    "gzip_truncated": _error(
        "FASTQ file is cut off",
        "The packed data end before they are complete: a copy or a download was broken off.",
        "Copy the file again and compare its size or its SHA-256.",
    ),
    "gzip_broken": _error(
        "FASTQ file is damaged",
        "The packed data do not pass gzip's own test.",
        "Copy the file again and compare its SHA-256.",
    ),
    "fastq_malformed": _error(
        "record of a FASTQ file is malformed",
        "A record is four lines: @name, bases, +, as many qualities as bases.",
        "Copy or export the file again; wrapped lines and lines lost in between cannot be read.",
    ),
    "no_reads": _warning(
        "FASTQ file holds no reads",
        "Legal for a blank; anything else was probably not sequenced or demultiplexed under another name.",
        "Nothing to do for a blank; else export the file again.",
    ),
    "mates_differ": _error(
        "mates do not belong together",
        "Read by read, both mates have the same name; here they do not: files of two samples, or sorted differently.",
        "Find the right mate, or export both files again.",
    ),
    "mates_count": _error(
        "mates have different numbers of reads",
        "Usually one of the two files is cut off or was filtered alone.",
        "Export or copy both files again.",
    ),
    "checksum_mismatch": _error(
        "file is not the one that was sent",
        "Its SHA-256 is not the one in the manifest: the copy is broken, or the file was changed since.",
        "Copy the file again; if it was changed on purpose, correct the manifest.",
    ),
    "reads_of_other": _warning(
        "read name holds the code of another participant",
        "The file was probably named for the wrong row.",
        "Check which file belongs to this row.",
    ),
    # across rows
    "duplicate_row": _error("row occurs twice", "The same data would count twice.", "Delete one of the rows."),
    "file_used_twice": _error(
        "file is used by more than one row",
        "The same reads would stand for two libraries or be counted twice.",
        "Give each row its own file.",
    ),
    "content_used_twice": _error(
        "two files have the same content",
        "Their SHA-256 is the same: one is a copy of the other, and its reads would count twice or for another sample.",
        "Find out whose reads they are; give each row its own file and its own SHA-256.",
    ),
    "lanes_disagree": _error(
        "rows of one library disagree",
        "Rows of the same participant, day and layer are lanes of one library; only run and files may differ.",
        "Correct the value that differs; if these are two samples, correct the code, the day or the specimen.",
    ),
    "duplicate_library": _error(
        "library is listed twice",
        "A library read from a table, or one that was not collected, has one row.",
        "Keep one of the rows.",
    ),
    "sample_code_reused": _error(
        "one sample code at two participants, visits or body sites",
        "A tube belongs to one person, one day and one place.",
        "Correct the code that was copied to the wrong row.",
    ),
    "code_in_two_roles": _warning(
        "code names a participant and another participant's tube",
        "Within one site a code should name one thing; perhaps sample_code and participant_code are exchanged in some "
        "rows.",
        "Compare the rows with the list of tubes; correct the code that stands in the wrong column.",
    ),
    "well_used_twice": _error(
        "well of a plate holds two libraries",
        "Two specimens cannot lie in one well: a well, a plate or a code is wrong, and swaps are sought by wells.",
        "Correct the well or the plate; plates of different batches may bear the same name.",
    ),
    "specimens_mixed": _error(
        "layer mixes kinds of specimen",
        "Whole blood and PBMC, plasma and serum differ more than any two patients; one matrix cannot hold both.",
        "Correct the specimen; if both were taken, run each kind by itself with a manifest of its own.",
    ),
    "no_blank": _warning(
        "extraction batch of the microbiome has no blank",
        "Contaminants of reagents are told from residents by the blanks of the same batch; nares hold little DNA of "
        "their own.",
        "Add the rows of the batch's negative controls; if none were sequenced, read the results with this in mind.",
    ),
    "no_mock": _warning(
        "extraction batch of the microbiome has no mock community",
        "Without a sample of known composition nobody can say how well the batch was extracted and read.",
        "Add the row of the batch's positive control; if none was sequenced, read the results with this in mind.",
    ),
    "pre_dose_late": _error(
        "sample from before the first dose, after day 1",
        "The first dose is given on day 1. What was taken later must not pass for a baseline.",
        "Set pre_dose to no, or correct the day.",
    ),
    "pre_dose_unknown": _warning(
        "not said whether a sample of day 1 is from before the first dose",
        "What was taken after the dose holds the drug. Only what is surely from before it predicts as a baseline.",
        "Write yes or no in pre_dose, by the times of sampling and of the dose.",
    ),
    "pre_dose_disagrees": _warning(
        "layers disagree on whether a visit was before the first dose",
        "The tubes of one visit are mostly drawn together.",
        "Compare with the times of sampling; leave it where the tubes were drawn at different times.",
    ),
    "code_at_two_sites": _info(
        "same participant code at two sites",
        "Allowed: they are two people. Told, because it may also be a wrong site.",
        "Nothing to do if both sites use the code.",
    ),
    "sample_before_day_1": _error(
        "omics sample from before day 1",
        "No sample is taken for research before consent and randomisation; day 0 is the screening in the clinic.",
        "Correct the day; write the values of the screening into the clinical tables.",
    ),
    "sample_after_death": _error(
        "sample after the participant's death",
        "One of code, day and death_day is wrong.",
        "Correct the code or the day in the manifest, or death_day in the participants table.",
    ),
    "sample_after_withdrawal": _warning(
        "sample after withdrawal of consent",
        "Data from after the withdrawal is left out.",
        "Nothing to do; the library is listed in rejected.tsv. Remove its files where consent demands it.",
    ),
    "sample_without_consent": _warning(
        "sample of a participant without consent",
        "Consent is pending, or erasure was asked for: the library is left out.",
        "Nothing to do; the library is listed in rejected.tsv. Delete the files where erasure was asked for.",
    ),
    "withdrawn_participant": _error(
        "participant has withdrawn and stands in the table again",
        "Consent was withdrawn and the data were erased; a tombstone keeps them from coming back. No code is shown.",
        "Take the rows out at their source; `immunosep withdraw SITE CODE --inputs` takes them out of these files.",
    ),
    "not_in_participants": _warning(
        "participant of the manifest is not in the participants table",
        "The libraries have no labels and cannot be used for biomarkers; or the code or site is wrong.",
        "Add the participant, or correct the code.",
    ),
    "not_in_manifest": _warning(
        "randomised participant has no row in the manifest",
        "Nobody can tell whether samples are missing or were forgotten.",
        "Add rows; where nothing was collected, with collected=no and the reason.",
    ),
    "label_in_one_batch": _error(
        "level of a label lies in one batch only",
        "The batch's technical shift and the label's biology cannot be told apart: a model may learn the batch and "
        "look excellent.",
        "Correct the batches if they are wrong. If they are right, assay some participants of that level again in "
        "another batch, or accept it knowingly: intake.confounded_batch: warning.",
    ),
    "label_in_one_batch_allowed": _warning(
        "level of a label lies in one batch only, and the configuration accepts it",
        "The batch's technical shift and the label's biology cannot be told apart in this layer.",
        "Do not take what separates this level in this layer for biology.",
    ),
    "batch_follows_label": _warning(
        "batches follow a label",
        "Cramér's V, corrected for chance, is above intake.cramers_v: part of the batch effect will pass for biology.",
        "See results/intake/confounding.tsv. Correct the batches if they are wrong; else adjust for them, and say so.",
    ),
    "batch_follows_design": _info(
        "batches follow site, country or visit",
        "Usual where samples are shipped together. Differences between sites or visits then hold the batch effect.",
        "Nothing to do; results/intake/confounding.tsv has the numbers. Spread them over batches where you still can.",
    ),
    # clinical tables
    "unknown_participant": _error(
        "participant is not in the participants table",
        "Every record belongs to a participant of the trial.",
        "Correct the code or the site, or add the participant.",
    ),
    "country_mismatch": _error(
        "country is not the country of the site",
        "The table of sites says otherwise.",
        "Correct the site or the country.",
    ),
    "under_age": _error(
        "randomised participant under 18", "The trial enrols adults.", "Correct the age, or randomised."
    ),
    "late_drug": _warning(
        "first dose 72 hours or more after sepsis",
        "The protocol asks for the first dose within 72 hours: a deviation, kept in the intention-to-treat population.",
        "Check the hours; if they are right, per_protocol is no.",
    ),
    "not_eligible": _error(
        "randomised participant without an endotype of the trial",
        "Only participants with MALS or immunoparalysis at screening may be randomised.",
        "Check ferritin and HLA-DR in the classification table, and randomised in the participants table.",
    ),
    "endotype_unknown": _warning(
        "randomised participant whose endotype cannot be determined",
        "Without ferritin MALS cannot be excluded, and where ferritin is not high HLA-DR decides: no label follows.",
        "Fill in the values of the screening; else the participant has no endotype in any analysis.",
    ),
    "not_randomised": _error(
        "participant was not randomised and has data of the randomised",
        "Dosing, per-protocol status and allocation presuppose randomisation.",
        "Correct randomised, or the other value.",
    ),
    "sofa_sum": _error(
        "SOFA total is not the sum of its six components",
        "Total and components are given and disagree.",
        "Correct the wrong one; the total may be left empty.",
    ),
    "sofa_baseline_low": _warning(
        "SOFA at baseline below 2",
        "Sepsis means a SOFA of at least 2.",
        "Check the score of day 1, or of day 0 where day 1 has none.",
    ),
    "visit_after_withdrawal": _warning(
        "visit after withdrawal of consent",
        "Values from after the withdrawal are not used.",
        "Nothing to do for the analysis; remove the rows where consent demands it.",
    ),
    "day_after_death": _error(
        "day after death",
        "Nothing can be recorded after death_day.",
        "Correct the day, or death_day.",
    ),
    "contact_mismatch": _error(
        "last contact and death disagree",
        "The last contact of a participant who died is the day of death.",
        "Set last_contact_day to death_day or leave it empty.",
    ),
    "contact_before_data": _warning(
        "data from after the last contact",
        "Survival is censored at the last contact; data from later show that contact was later.",
        "Set last_contact_day to the latest day on which the participant was seen, or correct the day of the data.",
    ),
    "withdrawal_mismatch": _error(
        "consent and withdrawal day disagree",
        "consent=withdrawn needs the day from which data must not be used; other states have none.",
        "Fill in withdrawn_day, or correct consent.",
    ),
    "visit_not_scheduled": _warning(
        "clinical day outside the schedule",
        "The endpoints use scheduled days only.",
        "Check the day; the row is kept.",
    ),
    "implausible": _warning(
        "value implausible in sepsis",
        "Often a wrong unit.",
        "Check value and unit against the laboratory's report.",
    ),
}
