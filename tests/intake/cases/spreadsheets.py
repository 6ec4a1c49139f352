"""Tables as a spreadsheet program left them: the files of `spreadsheets/`, made by LibreOffice, handed in as such."""

from intake.corpus import finds, finds_each, hides
from intake.lab import Lab

_GOOD = Lab()
_SAMPLES = [name for name, row in _GOOD.manifest.items() if row["sample_type"] == "sample"]
_ZEROS = [name for name in _SAMPLES if _GOOD.manifest[name]["participant_code"].startswith("0")]
_MEASURED = [name for name, row in _GOOD.visits.items() if row.get("ferritin")]
_COUNTED = [name for name, row in _GOOD.visits.items() if row.get("haemoglobin_g_dl")]


@finds_each("code_not_text", "manifest", _SAMPLES, "sample_code")
@finds_each("code_not_text", "manifest", _SAMPLES, "participant_code")
@finds_each("cell_number", "manifest", _SAMPLES, "visit_day")
@finds_each("cell_number", "manifest", ["nares", "oral", "nares second"], "dna_ng_ul")
def opened_by_a_double_click(lab: Lab):
    """The good manifest was opened by a double click and saved as a workbook: every code is a number."""
    lab.hand_in("manifest", "manifest_opened.xlsx")


@finds_each("code_leading_zero", "manifest", _ZEROS, "participant_code")
def opened_by_a_double_click_and_saved_as_text(lab: Lab):
    """The same, saved as text again: the codes that began with zeros are shorter, and nothing else shows."""
    lab.hand_in("manifest", "manifest_opened.csv")


@finds_each("code_not_text", "manifest", _SAMPLES, "sample_code")
@finds_each("code_not_text", "manifest", _SAMPLES, "participant_code")
@finds_each("cell_number", "manifest", _SAMPLES, "visit_day")
@finds("cell_not_text", "manifest", "rna day 4", "well")
@finds("cell_date", "manifest", "rna second", "plate")
@finds("cell_date", "manifest", "nares", "plate")
@finds("cell_not_text", "manifest", "nares second", "run")
def names_turned_into_dates_and_numbers(lab: Lab):
    """On a German machine plate '2.4.' and '1. MRZ' became dates, well 1E5 a hundred thousand, and run 007 a 7."""
    lab.hand_in("manifest", "manifest_names.xlsx")


@finds_each("code_leading_zero", "manifest", _ZEROS, "participant_code")
@finds("bad_pattern", "manifest", "rna day 4", "well")
@finds("personal_value", "manifest", "rna second", "plate")
@finds("personal_value", "manifest", "nares", "plate")
@hides("02.04.26", "01.03.26")
def names_turned_into_dates_and_numbers_and_saved_as_text(lab: Lab):
    """The same, saved as text: dates with a year, and 1,00E+05."""
    lab.hand_in("manifest", "manifest_names.csv")


@finds("cell_date", "manifest", "olink", "table_id")
@finds("cell_date", "manifest", "olink second", "table_id")
def gene_names_turned_into_dates(lab: Lab):
    """Entries SEPT2 and MARCH1 of the provider's table are dates, shown as 2-Sep and 1-Mar."""
    lab.hand_in("manifest", "manifest_genes.xlsx")


@finds_each("code_scientific", "manifest", _SAMPLES, "sample_code")
def codes_shown_in_scientific_notation(lab: Lab):
    """A column in scientific notation was saved as shown: 3.00E+08, and all tubes are one."""
    lab.hand_in("manifest", "manifest_scientific.csv")


@finds_each("code_spaces", "manifest", _SAMPLES, "sample_code")
def codes_shown_with_thousands_separators(lab: Lab):
    """A column with thousands separators was saved as shown: 300,000,011."""
    lab.hand_in("manifest", "manifest_grouped.csv")


@finds("cell_merged", "manifest", "rna", "site")
@finds("cell_merged", "manifest", "rna lane 2", "site")
@finds("cell_merged", "manifest", "rna day 4", "site")
def sites_merged(lab: Lab):
    """The cells of one site were merged, so that the site is written once."""
    lab.hand_in("manifest", "manifest_merged.xlsx")


@finds("cell_formula", "manifest", "rna lane 2", "sample_code")
@finds("cell_formula", "manifest", "rna day 4", "visit_day")
@finds("cell_formula", "manifest", "rna second", "well")
def values_computed(lab: Lab):
    """Codes, days and wells are formulas that point to the cells above."""
    lab.hand_in("manifest", "manifest_formulas.xlsx")


@finds("missing_token", "manifest", "nares", "sample_code")
def look_up_that_failed(lab: Lab):
    """A code was looked up in another sheet and not found: #N/A, saved as text."""
    lab.hand_in("manifest", "manifest_lookup.csv")


@finds("hidden_cells", "manifest", ["rna died", "atac second"])
def filter_left_on(lab: Lab):
    """A filter hides two rows, which are in the file all the same."""
    lab.hand_in("manifest", "manifest_filtered.xlsx")


@finds_each("cell_boolean", "manifest", _GOOD.manifest, "collected")
@finds("cell_boolean", "manifest", "rna second", "pre_dose")
def yes_turned_into_true(lab: Lab):
    """A check box for each row: yes and no are truth values, and read WAHR and FALSCH elsewhere."""
    lab.hand_in("manifest", "manifest_booleans.xlsx")


@finds("not_text", "manifest")
def saved_as_open_document(lab: Lab):
    """Saved in LibreOffice's own format."""
    lab.hand_in("manifest", "manifest.ods")


@finds("not_text", "manifest")
def saved_for_excel_97(lab: Lab):
    """Saved for the laboratory's old Excel."""
    lab.hand_in("manifest", "manifest.xls")


@finds_each("decimal_comma", "visits", _COUNTED, "neutrophils_10e9_l")
@finds_each("decimal_comma", "visits", _COUNTED, "lymphocytes_10e9_l")
@finds_each("decimal_comma", "visits", _COUNTED, "haemoglobin_g_dl")
@finds("decimal_comma", "visits", "second day 1", "ferritin")
def numbers_of_a_german_machine(lab: Lab):
    """Numbers were saved as a German machine shows them; ferritin of 5210 is whole and stays legal."""
    lab.hand_in("visits", "visits_german.csv")


@finds_each("ambiguous_separator", "visits", [name for name in _MEASURED if name != "second day 1"], "ferritin")
def ferritin_of_a_greek_machine(lab: Lab):
    """Ferritin with thousands separators of a Greek machine: 5.210; 870.5 was rounded to 871, which nobody can see."""
    lab.hand_in("visits", "visits_thousands.csv")


@finds_each("unit_percent", "visits", _MEASURED, "hladr")
def hladr_formatted_as_percent(lab: Lab):
    """HLA-DR as the cytometer's percentage, in cells formatted as percent."""
    lab.hand_in("visits", "visits_percent.xlsx")


@finds_each("unit_percent", "visits", _MEASURED, "hladr")
def hladr_formatted_as_percent_and_saved_as_text(lab: Lab):
    """The same, saved as text."""
    lab.hand_in("visits", "visits_percent.csv")


@finds("cell_date", "visits", "first day 2", "visit_day")
@finds("cell_date", "visits", "died day 9", "visit_day")
@hides("15-Mar", "2022", "44635")
def visit_days_as_dates(lab: Lab):
    """Days were typed as dates."""
    lab.hand_in("visits", "visits_dates.xlsx")


@finds("not_utf8", "participants", "second")
@finds("bad_pattern", "participants", "second", "country")
def text_of_a_western_european_windows(lab: Lab):
    """Saved in the encoding of Windows: a country in its own spelling is not UTF-8, nor in plain letters."""
    lab.hand_in("participants", "participants_windows.csv")
