"""Make the files of this folder with LibreOffice: the good tables as people's hands and a spreadsheet leave them.

    python tests/intake/spreadsheets/make.py [soffice]

A table goes in as a flat OpenDocument sheet (or as text, opened as by a double click) and comes out as LibreOffice
saves it. Run by hand when a file is added; the tests read what is committed and need no LibreOffice.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2] / "scripts")]

from immunosep.template import write_templates  # noqa: E402
from intake.lab import Lab, as_text, fill_in  # noqa: E402
from intake.tables import Rows  # noqa: E402

# Filter options: separator, quote, encoding, first line, columns, language (the machine's), quote all text, as shown.
CSV = "csv:Text - txt - csv (StarCalc):{separator},34,{encoding},1,,0,{quoted},true"
TAB, SEMICOLON, COMMA, UTF_8, UTF_16, WINDOWS_1252 = 9, 59, 44, 76, 65535, 1
# Opened by a double click: every column of the kind General, numbers and dates recognised.
OPENED = "CSV:9,34,76,1,,0,false,true"
# Settings of the machine: its language decides on decimal signs and on what looks like a date.
PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale"><value>{machine}</value></prop></item>
</oor:items>
"""
PARTS = {"office": "office", "table": "table", "text": "text", "style": "style", "number": "datastyle"}
NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{path}:1.0"' for name, path in PARTS.items()
)
NAMESPACES += ' xmlns:of="urn:oasis:names:tc:opendocument:xmlns:of:1.2"'
STYLES = """
  <number:text-style style:name="N-text"><number:text-content/></number:text-style>
  <number:number-style style:name="N-science">
    <number:scientific-number number:decimal-places="2" number:min-integer-digits="1" number:min-exponent-digits="2"/>
  </number:number-style>
  <number:number-style style:name="N-thousands">
    <number:number number:decimal-places="0" number:min-integer-digits="1" number:grouping="true"/>
  </number:number-style>
  <number:percentage-style style:name="N-percent">
    <number:number number:decimal-places="0" number:min-integer-digits="1"/><number:text>%</number:text>
  </number:percentage-style>
  <number:date-style style:name="N-date"><number:day/><number:text>-</number:text><number:month number:textual="true"/>
  </number:date-style>
  <number:boolean-style style:name="N-boolean"><number:boolean/></number:boolean-style>
""" + "".join(
    f'<style:style style:name="{kind}" style:family="table-cell" style:data-style-name="N-{kind}"/>'
    for kind in ("text", "science", "thousands", "percent", "date", "boolean")
)

# What becomes of a cell: its text to the element that stands in the sheet.
Cell = Callable[[str], str]


def text(value: str) -> str:
    """Cell of text, formatted as text."""
    return f'<table:table-cell table:style-name="text" office:value-type="string">{_shown(value)}</table:table-cell>'


def number(style: str = "", factor: float = 1) -> Cell:
    """Cell that has become a number, shown in a style."""
    styled = f'table:style-name="{style}" ' if style else ""
    kind = "percentage" if style == "percent" else "float"
    return lambda value: (
        f'<table:table-cell {styled}office:value-type="{kind}" office:value="{float(value) * factor}"/>'
    )


def date(day: str) -> Cell:
    """Cell that has become a date."""
    return lambda _: f'<table:table-cell table:style-name="date" office:value-type="date" office:date-value="{day}"/>'


def truth(value: str) -> str:
    """Cell that has become a truth value."""
    truth = "true" if value == "yes" else "false"
    return f'<table:table-cell table:style-name="boolean" office:value-type="boolean" office:boolean-value="{truth}"/>'


def formula(expression: str) -> Cell:
    """Cell with a formula."""
    return lambda _: f"<table:table-cell table:formula={quoteattr(f'of:={expression}')}/>"


def merged(rows: int) -> Cell:
    """First of several cells in a column that are merged; LibreOffice keeps what the others hide."""
    return lambda value: text(value).replace(
        "<table:table-cell ", f'<table:table-cell table:number-rows-spanned="{rows}" '
    )


def covered(_: str) -> str:
    """Cell below the first of merged cells."""
    return "<table:covered-table-cell/>"


def _shown(value: str) -> str:
    return f"<text:p>{escape(value)}</text:p>" if value else ""


def sheet(
    name: str,
    columns: list[str],
    rows: Rows,
    cells: dict[tuple[str, str], Cell] | None = None,
    hidden: tuple[str, ...] = (),
) -> str:
    """Write a worksheet of text cells, some of which have become something else.

    `cells` goes by row and column; ``("*", column)`` is every row with a value.
    """
    lines = [f'<table:table table:name="{name}">']
    lines.append(f"<table:table-row>{''.join(map(text, columns))}</table:table-row>")
    for label, row in rows.items():
        state = ' table:visibility="filter"' if label in hidden else ""
        made = []
        for column in columns:
            value = row.get(column, "")
            become = (cells or {}).get((label, column)) or ((cells or {}).get(("*", column), text) if value else text)
            made.append(become(value))
        lines.append(f"<table:table-row{state}>{''.join(made)}</table:table-row>")
    return "\n".join([*lines, "</table:table>"])


def document(*sheets: str) -> str:
    """Write a flat OpenDocument spreadsheet."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document {NAMESPACES} office:version="1.3" '
        'office:mimetype="application/vnd.oasis.opendocument.spreadsheet">'
        f"<office:automatic-styles>{STYLES}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{''.join(sheets)}</office:spreadsheet></office:body></office:document>\n"
    )


def csv(separator: int, encoding: int = UTF_8, *, quoted: bool = False) -> str:
    """Name the filter that saves text as it is shown."""
    return CSV.format(separator=separator, encoding=encoding, quoted=str(quoted).lower())


# ----------------------------------------------------------------------------------------------------------- the files


def plain(table: str, cells: dict[tuple[str, str], Cell] | None = None, hidden: tuple[str, ...] = ()) -> str:
    """One good table with some cells made into something else."""
    lab = Lab()
    return document(sheet(table, lab.columns[table], lab.rows(table), cells, hidden))


DECIMALS = ("ferritin", "neutrophils_10e9_l", "lymphocytes_10e9_l", "haemoglobin_g_dl")
# Names of wells, plates and runs that a spreadsheet takes for numbers and dates.
NAMES = {
    "rna day 4": {"well": "1E5"},
    "rna second": {"plate": "2.4."},
    "nares": {"plate": "1. MRZ"},
    "nares second": {"run": "007"},
}


def opened(table: str, change: Callable[[Lab], None] = lambda lab: None) -> str:
    """Text of a table, to be opened by a double click."""
    lab = Lab()
    change(lab)
    return as_text(lab.columns[table], list(lab.rows(table).values())).decode()


def names_like_numbers_and_dates(lab: Lab) -> None:
    """Name wells, plates and runs as many labs do."""
    for row, cells in NAMES.items():
        lab.put("manifest", row, **cells)


def with_notes() -> str:
    """The manifest behind a sheet of notes."""
    lab = Lab()
    notes = {"1": {"About": "Second shipment"}, "2": {"About": "Blood first, swabs last"}}
    return document(
        sheet("Notes", ["About"], notes), sheet("manifest", lab.columns["manifest"], lab.rows("manifest")),
        sheet("Sheet3", [], {}),
    )  # fmt: skip


def merged_sites() -> str:
    """The site of the first three rows is merged into one cell."""
    return plain(
        "manifest", {("rna", "site"): merged(3), ("rna lane 2", "site"): covered, ("rna day 4", "site"): covered}
    )


def template() -> bytes:
    """Return the workbook that ``immunosep template`` writes, filled in."""
    with tempfile.TemporaryDirectory() as folder:
        path = next(path for path in write_templates(Path(folder)) if path.suffix == ".xlsx")
        fill_in(path, Lab().manifest.values())
        return path.read_bytes()


class File(NamedTuple):
    """What goes in (a workbook as bytes), how LibreOffice saves it, opens it, and the language of the machine."""

    content: str | bytes
    saved_as: str = "xlsx"
    opened_as: str = ""
    machine: str = "en-US"


FILES: dict[str, File] = {
    # right as they are
    "manifest_text.xlsx": File(plain("manifest")),
    "manifest_notes.xlsx": File(with_notes()),
    "manifest_unicode.txt": File(plain("manifest"), csv(TAB, UTF_16)),
    "manifest_semicolons.csv": File(plain("manifest"), csv(SEMICOLON, quoted=True), machine="el-GR"),
    "manifest_template.xlsx": File(template(), machine="de-DE"),
    "manifest_template.csv": File(template(), csv(SEMICOLON), machine="de-DE"),
    "visits_commas.csv": File(plain("visits"), csv(COMMA)),
    # opened by a double click
    "manifest_opened.xlsx": File(opened("manifest"), opened_as=OPENED),
    "manifest_opened.csv": File(opened("manifest"), csv(COMMA), OPENED),
    "manifest_names.xlsx": File(opened("manifest", names_like_numbers_and_dates), opened_as=OPENED, machine="de-DE"),
    "manifest_names.csv": File(opened("manifest", names_like_numbers_and_dates), csv(SEMICOLON), OPENED, "de-DE"),
    # formatted
    "manifest_scientific.csv": File(plain("manifest", {("*", "sample_code"): number("science")}), csv(COMMA)),
    "manifest_grouped.csv": File(plain("manifest", {("*", "sample_code"): number("thousands")}), csv(TAB)),
    "visits_german.csv": File(
        plain("visits", {("*", column): number() for column in DECIMALS}), csv(SEMICOLON), machine="de-DE"
    ),
    "visits_thousands.csv": File(
        plain("visits", {("*", "ferritin"): number("thousands")}), csv(SEMICOLON), machine="el-GR"
    ),
    "visits_percent.xlsx": File(plain("visits", {("*", "hladr"): number("percent", 1e-4)})),
    "visits_percent.csv": File(plain("visits", {("*", "hladr"): number("percent", 1e-4)}), csv(SEMICOLON)),
    "visits_dates.xlsx": File(
        plain(
            "visits",
            {("first day 2", "visit_day"): date("2022-03-15"), ("died day 9", "visit_day"): date("2022-03-23")},
        )
    ),
    # as Excel leaves SEPT2 and MARCH1: a date, shown as 2-Sep
    "manifest_genes.xlsx": File(
        plain("manifest", {("olink", "table_id"): date("2022-09-02"), ("olink second", "table_id"): date("2022-03-01")})
    ),
    "manifest_booleans.xlsx": File(plain("manifest", {("*", "collected"): truth, ("rna second", "pre_dose"): truth})),
    # laid out
    "manifest_merged.xlsx": File(merged_sites()),
    "manifest_filtered.xlsx": File(plain("manifest", hidden=("rna died", "atac second"))),
    # computed
    "manifest_formulas.xlsx": File(
        plain(
            "manifest",
            {
                ("rna lane 2", "sample_code"): formula("[.B2]"),
                ("rna day 4", "visit_day"): formula("[.D2]+3"),
                ("rna second", "well"): formula('"A"&"03"'),
            },
        )
    ),
    "manifest_lookup.csv": File(
        plain("manifest", {("nares", "sample_code"): formula("VLOOKUP([.A5];[.A1:.B2];2;FALSE())")}), csv(COMMA)
    ),
    # of another kind
    "manifest.ods": File(plain("manifest"), "ods"),
    "manifest.xls": File(plain("manifest"), "xls"),
    "participants_windows.csv": File(
        plain("participants", {("second", "country"): lambda _: text("România")}), csv(SEMICOLON, WINDOWS_1252)
    ),
}


def make(soffice: str, name: str) -> None:
    """Let LibreOffice make one file."""
    file = FILES[name]
    with tempfile.TemporaryDirectory() as folder:
        is_workbook = isinstance(file.content, bytes)
        kind = "xlsx" if is_workbook else "tsv" if file.opened_as else "fods"
        source = Path(folder) / f"{Path(name).stem}.{kind}"
        source.write_bytes(file.content if is_workbook else file.content.encode())
        settings = Path(folder) / "profile" / "user" / "registrymodifications.xcu"
        settings.parent.mkdir(parents=True)
        settings.write_text(PROFILE.format(machine=file.machine), encoding="utf-8")
        how = ["--headless", f"-env:UserInstallation=file://{folder}/profile"]
        how += [f"--infilter={file.opened_as}"] if file.opened_as else []
        command = [soffice, *how, "--convert-to", file.saved_as, "--outdir", f"{folder}/out", str(source)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (made,) = (Path(folder) / "out").iterdir()
        shutil.copyfile(made, HERE / name)


if __name__ == "__main__":
    wanted = sys.argv[2:] or list(FILES)
    for file in wanted:
        make(sys.argv[1] if len(sys.argv) > 1 else "soffice", file)
        print(file, (HERE / file).stat().st_size)
