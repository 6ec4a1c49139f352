"""Empty tables: what they write, filled in, passes; nothing is overwritten."""

import openpyxl
import pytest

from immunosep import cli
from immunosep.checks import columns_of
from immunosep.errors import InputError
from immunosep.template import manifest_fields, write_templates
from support.trial import Trial

TABLES = ("manifest", "participants", "visits", "sites")


def fill_workbook(path, rows):
    book = openpyxl.load_workbook(path)
    sheet = book[path.stem]
    columns = [cell.value for cell in sheet[1]]
    for at, row in enumerate(rows, start=2):
        for column, value in row.items():
            sheet.cell(at, columns.index(column) + 1).value = value or None
    book.save(path)


def fill_text(path, rows):
    columns = path.read_text(encoding="utf-8").rstrip("\n").split("\t")
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write("\t".join(row.get(c, "") for c in columns) + "\n")


@pytest.mark.parametrize("kind", ["xlsx", "text"])
def test_filled_templates_pass(tmp_path, capsys, kind):
    trial = Trial(tmp_path / "trial").write()
    out = tmp_path / "empty"
    assert cli.main(["template", "--clinical", "--out", str(out)]) == 0
    folder = out / ("clinical" if kind == "xlsx" else "clinical-text")
    for name in TABLES:
        suffix = ".xlsx" if kind == "xlsx" else ".tsv"
        path = (out if name == "manifest" else folder) / f"{name}{suffix}"
        assert str(path) in capsys.readouterr().out or path.exists()
        (fill_workbook if kind == "xlsx" else fill_text)(path, getattr(trial, name))
    manifest = out / ("manifest.xlsx" if kind == "xlsx" else "manifest.tsv")
    code = cli.main(["check", str(manifest), "--clinical", str(folder), "--data-root", str(trial.folder)])
    assert code == 0, capsys.readouterr().out


def test_workbook_keeps_text_and_offers_lists(tmp_path):
    write_templates(tmp_path, ["microbiome"])
    book = openpyxl.load_workbook(tmp_path / "manifest.xlsx")
    sheet = book["manifest"]
    columns = [cell.value for cell in sheet[1]]
    letters = {cell.value: cell.column_letter for cell in sheet[1]}
    assert all(sheet.column_dimensions[letter].number_format == "@" for letter in letters.values())
    assert all(cell.comment.text for cell in sheet[1])
    rules = {str(rule.sqref).partition("2:")[0]: rule for rule in sheet.data_validations.dataValidation}
    assert rules[letters["specimen"]].formula1 == '"nares,oral,rectum"'
    assert rules[letters["assay"]].formula1 == '"16s,shotgun"'
    assert rules[letters["collected"]].formula1 == '"yes,no"'
    assert (rules[letters["sample_code"]].type, rules[letters["sample_code"]].formula1) == ("textLength", "9")
    assert str(rules[letters["layer"]].sqref).endswith("1048576")
    assert [cell.value for cell in book["guide"]["A"]][1:] == columns
    assert (tmp_path / "manifest.tsv").read_text() == "\t".join(columns) + "\n"


def test_columns_of_a_layer():
    everything = [f["name"] for f in manifest_fields([])]
    assert everything == columns_of("manifest")
    proteome = [f["name"] for f in manifest_fields(["proteome"])]
    assert {"table", "table_id"} <= set(proteome)
    assert not {"fastq_1", "fastq_1_sha256", "globin_depleted", "primers"} & set(proteome)
    rna = [f["name"] for f in manifest_fields(["rna"])]
    assert {"fastq_1", "strandedness"} <= set(rna)
    assert not {"table", "cell_source"} & set(rna)


def test_every_description_fits_a_cell_and_every_list_a_rule(tmp_path):
    write_templates(tmp_path, clinical=True)
    for path in tmp_path.rglob("*.xlsx"):
        sheet = openpyxl.load_workbook(path)[path.stem]
        listed = [r for r in sheet.data_validations.dataValidation if r.type == "list"]
        assert all(len(rule.formula1) <= 257 for rule in listed)


def test_nothing_is_overwritten(tmp_path, capsys):
    write_templates(tmp_path)
    before = (tmp_path / "manifest.xlsx").read_bytes()
    (tmp_path / "manifest.tsv").unlink()
    assert cli.main(["template", "--out", str(tmp_path), "--clinical"]) == 2
    assert "manifest.xlsx" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["manifest.xlsx"]
    assert (tmp_path / "manifest.xlsx").read_bytes() == before


def test_unknown_layer_is_told_with_the_near_name(tmp_path):
    with pytest.raises(InputError, match="did you mean proteome"):
        write_templates(tmp_path, ["proteomes"])
    assert list(tmp_path.iterdir()) == []
