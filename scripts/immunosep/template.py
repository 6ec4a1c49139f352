"""The command `immunosep template`: empty tables to fill in, as text and as workbooks that keep codes as text.

A workbook's columns have the format Text, so that a spreadsheet program changes nothing that is typed; cells of closed
vocabularies have a drop-down list; a second sheet says what goes into each column.
"""

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from immunosep.errors import InputError

_CLINICAL = ("participants", "visits", "sites")
_GUIDE = "guide"
_GUIDE_HEADER = ("column", "what goes in", "accepted values", "example", "must be filled")
_LAST_ROW = 1_048_576
_CODE_DIGITS = 9
# A list written into a cell's rule may be no longer.
_LONGEST_LIST = 255


def add_template(commands: Any, say: Callable[[str], None]) -> None:
    """Add the subcommand to the command's parser.

    Parameters
    ----------
    commands
        Subparsers of the command.
    say
        Prints a line.
    """
    template = commands.add_parser(
        "template",
        help="write empty tables to fill in: text, and workbooks with drop-down lists and a guide",
        description="Writes manifest.xlsx and manifest.tsv: fill in one of the two. Nothing is overwritten.",
    )
    template.add_argument("--layer", nargs="+", metavar="LAYER", help="only these layers (default: all)")
    template.add_argument("--clinical", action="store_true", help="also the tables participants, visits and sites")
    template.add_argument("--out", default=".", metavar="DIR", help="folder (default: the present one)")
    template.set_defaults(run=lambda options: _template(options, say))


def _template(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    for path in write_templates(Path(options.out), options.layer or (), clinical=options.clinical):
        say(str(path))
    return 0


def write_templates(out: Path, layers: Collection[str] = (), *, clinical: bool = False) -> list[Path]:
    """Write empty tables.

    Parameters
    ----------
    out
        Folder; made when missing. The clinical tables stand in ``clinical`` (workbooks) and ``clinical-text`` below it.
    layers
        Layers of the manifest; all when empty.
    clinical
        Also write the clinical tables.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    InputError
        For an unknown layer, or where one of the files exists; then nothing is written.
    """
    from immunosep.checks import load_schema

    tables = {"manifest": manifest_fields(layers)}
    if clinical:
        tables |= {name: load_schema(name)["fields"] for name in _CLINICAL}
    targets = {name: _targets(out, name) for name in tables}
    taken = [str(path) for pair in targets.values() for path in pair if path.exists()]
    if taken:
        raise InputError(f"Nothing was written, because these files exist: {', '.join(taken)}.")
    for name, fields in tables.items():
        workbook, text = targets[name]
        _write_workbook(name, fields, workbook)
        _write_text(fields, text)
    return [path for pair in targets.values() for path in pair]


def _targets(out: Path, name: str) -> tuple[Path, Path]:
    """Name the workbook and the text table; clinical tables have a folder per format, to be checked as they are."""
    if name == "manifest":
        return out / "manifest.xlsx", out / "manifest.tsv"
    return out / "clinical" / f"{name}.xlsx", out / "clinical-text" / f"{name}.tsv"


def manifest_fields(layers: Collection[str]) -> list[dict[str, Any]]:
    """Return the columns of a manifest that holds some layers only, their vocabularies cut down to these.

    Parameters
    ----------
    layers
        Layers; all when empty.

    Returns
    -------
    list of dict
        Fields as in the table's schema.
    """
    from immunosep.cells import nearest
    from immunosep.checks import load_schema

    schema = load_schema("manifest")
    known = schema["layers"]
    for name in layers:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}."
            raise InputError(f"There is no layer '{name}': {hint}")
    chosen = [name for name in known if name in layers] or list(known)
    assays = [a for a in schema["assays"] if any(a in known[name]["assays"] for name in chosen)]
    specimens = {s for name in chosen for s in known[name]["specimens"]}
    files = {schema["assays"][a]["files"] for a in assays}
    legal = {"layer": chosen, "assay": assays, "specimen": specimens}
    fields = []
    for spec in schema["fields"]:
        name = spec["name"]
        kind = "fastq" if name.startswith("fastq") else "table" if name.startswith("table") else ""
        if (kind and kind not in files) or not set(spec.get("layers", chosen)) & set(chosen):
            continue
        listed = [word for word in spec["enum"] if word in legal[name]] if name in legal else None
        fields.append(spec if listed is None else {**spec, "enum": listed})
    return fields


def _write_text(fields: Sequence[dict[str, Any]], path: Path) -> None:
    from immunosep.io import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text("\t".join(f["name"] for f in fields) + "\n", encoding="utf-8")


def _write_workbook(name: str, fields: Sequence[dict[str, Any]], path: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.comments import Comment
    from openpyxl.styles import Alignment, Font, PatternFill

    from immunosep.io import atomic_path
    from immunosep.sheet import column_letters

    book = Workbook()
    sheet = book.active
    sheet.title = name
    sheet.freeze_panes = "A2"
    for at, spec in enumerate(fields):
        letters = column_letters(at)
        # The format of the whole column, which every cell typed into it takes over.
        column = sheet.column_dimensions[letters]
        column.number_format = "@"
        column.width = max(12, len(spec["name"]) + 2)
        head = sheet.cell(1, at + 1, spec["name"])
        head.number_format = "@"
        head.font = Font(bold=True)
        if spec.get("required"):
            head.fill = PatternFill("solid", fgColor="DDEBF7")
        head.comment = Comment("\n".join(filter(None, _guide_row(spec)[1:])), "immunosep", height=120, width=320)
        for rule in _rules(spec):
            rule.add(f"{letters}2:{letters}{_LAST_ROW}")
            sheet.add_data_validation(rule)
    guide = book.create_sheet(_GUIDE)
    for row in (_GUIDE_HEADER, *map(_guide_row, fields)):
        guide.append(row)
    for letters, width in zip("ABCDE", (22, 70, 50, 24, 14), strict=True):
        guide.column_dimensions[letters].width = width
    for cells in guide.iter_rows():
        for cell in cells:
            cell.number_format = "@"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(bold=cell.row == 1)
    guide.freeze_panes = "A2"
    with atomic_path(path) as temporary:
        book.save(temporary)


def _guide_row(spec: dict[str, Any]) -> tuple[str, ...]:
    from immunosep.guide import accepted_values

    must = "always" if spec.get("required") else ""
    return spec["name"], spec["description"], accepted_values(spec).replace("`", ""), spec.get("example", ""), must


def _rules(spec: dict[str, Any]) -> Iterator[Any]:
    """Yield what a spreadsheet program checks while a cell is filled in."""
    from openpyxl.worksheet.datavalidation import DataValidation

    words = ("yes", "no") if spec["type"] == "boolean" else spec.get("enum", ())
    listed = ",".join(words)
    if words and len(listed) <= _LONGEST_LIST:
        rule = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True, showErrorMessage=True)
        rule.error = f"Not one of: {', '.join(words)}"
        yield rule
    elif spec.get("format") == "code":
        rule = DataValidation(
            type="textLength", operator="equal", formula1=str(_CODE_DIGITS), allow_blank=True, showErrorMessage=True
        )
        rule.error = "A code has nine digits; zeros in front belong to it."
        yield rule
