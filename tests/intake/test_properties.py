"""Whatever the tables hold: a report or a clean pass, never a traceback; and the order of rows does not matter."""

import datetime
import functools
import io
import random
from contextlib import chdir, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunosep import cli
from intake import cases
from intake.corpus import expected, found
from intake.lab import OPEN, SEALED, Lab, Outcome, as_text, fill_in, run
from intake.tables import DIED, FIRST, SECOND

ANY_TABLE = st.sampled_from([*OPEN, *SEALED])
# What people, programs and enemies put into cells, beside anything at all.
SAID = (
    "0", "-1", "1e9", "NaN", "inf", "../x", "/etc/passwd", "yes", "no", "٣", "1,5", "4.420", "", " ", "=A1", "#REF!",
    "2022-03-14", "a@b.example", "\u202e", "\x1b[2J", '"', "'", "<script>", "012345678", "GR03", "sample", "rna",
    "\ud800",
)  # fmt: skip
CELL = st.one_of(st.sampled_from(SAID), st.text(max_size=12), st.text("0123456789.,-eE ", max_size=10))


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """Return a folder with the good lab's files; the examples write their tables over its own."""
    folder = tmp_path_factory.mktemp("desk")
    Lab(role="unblinded").write(folder)
    return folder


def check(lab: Lab, desk: Path) -> Outcome:
    """Write a lab's tables and check them; say what must hold of any outcome."""
    lab.files.clear()
    lab.write(desk)
    outcome = lab.check(desk)
    severities = {item["severity"] for item in outcome.findings}
    assert outcome.code == (2 if "error" in severities else 1 if "warning" in severities else 0)
    assert outcome.stderr == ""
    assert outcome.html.endswith("</html>\n")
    assert "\x1b" not in outcome.everything
    return outcome


@settings(max_examples=100)
@given(table=ANY_TABLE, data=st.binary(max_size=400), ending=st.sampled_from([".tsv", ".csv", ".xlsx"]))
def test_any_bytes_give_a_report(desk, table, data, ending):
    lab = Lab(role="unblinded" if table in SEALED else "blinded")
    lab.savers[table] = (ending, lambda columns, rows: data)
    check(lab, desk)


@settings(max_examples=150)
@given(table=ANY_TABLE, data=st.data())
def test_any_text_in_the_right_columns_gives_a_report(desk, table, data):
    lab = Lab(role="unblinded" if table in SEALED else "blinded")
    columns = lab.columns[table]
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(columns), max_size=len(columns)), max_size=5))
    lines = [dict(zip(columns, cells, strict=True)) for cells in rows]
    lab.bytes(table, lambda _: as_text(columns, lines))
    check(lab, desk)


def edit(lab: Lab, draw) -> None:
    """Do one thing to a good lab that a hand in a hurry, or in bad faith, might do."""
    table = draw(ANY_TABLE if lab.role == "unblinded" else st.sampled_from(OPEN))
    rows, columns = lab.rows(table), lab.columns[table]
    row = draw(st.sampled_from(sorted(rows))) if rows else None
    column = draw(st.sampled_from(columns)) if columns else None
    kind = draw(st.sampled_from(["cell", "cell", "cell", "fill", "delete", "copy", "drop", "rename", "shift", "swap"]))
    if row is None or column is None:
        return
    if kind == "cell":
        rows[row][column] = draw(CELL)
    elif kind == "fill":
        lab.fill(table, column, draw(CELL))
    elif kind == "delete":
        del rows[row]
    elif kind == "copy":
        lab.copy(table, row, f"{row}+", **{column: draw(CELL)})
    elif kind == "drop":
        lab.drop(table, column)
    elif kind == "rename":
        lab.rename(table, column, draw(CELL))
    elif kind == "shift":
        rows[row] = dict(zip(columns, [*list(rows[row].values())[1:], "", *columns], strict=False))
    else:
        other = draw(st.sampled_from(sorted(rows)))
        rows[row][column], rows[other][column] = rows[other].get(column, ""), rows[row].get(column, "")


@settings(max_examples=200)
@given(data=st.data(), role=st.sampled_from(["blinded", "blinded", "endotype", "unblinded"]))
def test_any_edit_of_good_tables_gives_a_report(desk, data, role):
    lab = Lab(role=role)
    for _ in range(data.draw(st.integers(1, 6))):
        edit(lab, data.draw)
    check(lab, desk)


VALUE = st.one_of(
    CELL.filter(lambda text: text.isprintable()),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(datetime.date(1900, 3, 1), datetime.date(9999, 1, 1)),
    st.sampled_from(["=A1", "=1/0", "=B2&C2"]),
)
FORMAT = st.sampled_from(["@", "General", "0%", "0.00E+00", "D-MMM", "#,##0", "[h]:mm", '"x"0'])


@settings(max_examples=100)
@given(data=st.data())
def test_any_workbook_gives_a_report(desk, data):
    draw = data.draw
    lab = Lab()
    table = draw(st.sampled_from(OPEN))

    def change(book) -> None:
        sheet = book.active
        for _ in range(draw(st.integers(1, 5))):
            cell = sheet.cell(draw(st.integers(1, 20)), draw(st.integers(1, 30)))
            cell.value, cell.number_format = draw(VALUE), draw(FORMAT)
        if draw(st.booleans()):
            row, column = draw(st.integers(1, 9)), draw(st.integers(1, 9))
            sheet.merge_cells(
                start_row=row, start_column=column, end_row=row + draw(st.integers(0, 3)), end_column=column + 1
            )
        sheet.row_dimensions[draw(st.integers(1, 9))].hidden = draw(st.booleans())
        if draw(st.booleans()):
            book.create_sheet(draw(st.sampled_from(["Notes", table.upper(), "x"])), 0)["A1"] = draw(VALUE)

    lab.workbook(table, change)
    check(lab, desk)


@functools.cache
def good_workbook(table: str) -> bytes:
    """Return the bytes of a good workbook; made once, because they hold the time of their making."""
    lab = Lab()
    lab.workbook(table)
    return lab.content(table)


@settings(max_examples=100)
@given(table=st.sampled_from(OPEN), data=st.data())
def test_any_damaged_workbook_gives_a_report(desk, table, data):
    lab = Lab()
    whole = good_workbook(table)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(1, 400)) :]
    lab.savers[table] = (".xlsx", lambda columns, rows: damaged)
    check(lab, desk)


@settings(max_examples=25)
@given(
    layers=st.sets(st.sampled_from(["rna", "atac", "proteome", "microbiome"]), min_size=1),
    codes=st.lists(st.text("0123456789", min_size=9, max_size=9), min_size=3, max_size=3, unique=True),
    workbook=st.booleans(),
)
def test_what_template_writes_passes_when_filled(tmp_path_factory, layers, codes, workbook):
    folder = tmp_path_factory.mktemp("template")
    with chdir(folder), redirect_stdout(io.StringIO()):
        assert cli.main(["template", "--clinical", "--layer", *sorted(layers), "--out", "lab"]) == 0
    lab = Lab()
    lab.manifest = {name: row for name, row in lab.manifest.items() if row["layer"] in layers}
    sampled = {row["participant_code"] for row in lab.manifest.values()}
    people = [row["participant_code"] for row in (FIRST, SECOND, DIED)]
    renamed = dict(zip(people, codes, strict=True))
    for table in OPEN[:1] + OPEN[2:]:
        known = {n: row for n, row in lab.rows(table).items() if row["participant_code"] in sampled}
        setattr(lab, table, known)
        for row in known.values():
            row |= {"participant_code": renamed.get(row["participant_code"], "")}
    lab.files.clear()
    lab.deliver()
    for path, data in lab.files.items():
        (folder / "lab" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "lab" / path).write_bytes(data)
    ending, clinical = (".xlsx", "clinical") if workbook else (".tsv", "clinical-text")
    for table in OPEN:
        place = folder / "lab" if table == "manifest" else folder / "lab" / clinical
        fill_in(place / f"{table}{ending}", list(lab.rows(table).values()))
    outcome = run(["check", f"manifest{ending}", "--clinical", clinical], folder / "lab")
    assert outcome.code == 0, outcome.stdout
    assert {item["code"] for item in outcome.findings} <= {"sheet_chosen", "code_at_two_sites"}


# Where a case edits the file as text, or hands in a file, its rows have their place.
MOVABLE = [case for case in [*cases.broken(), *cases.good()] if not case.lab().edits and not case.lab().savers]


@settings(max_examples=100)
@given(case=st.sampled_from(MOVABLE), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(tmp_path_factory, case, order: random.Random):
    folder = tmp_path_factory.mktemp("order")
    lab = case.lab()
    for table in (*OPEN, *SEALED):
        rows = lab.rows(table)
        names = list(rows)
        order.shuffle(names)
        setattr(lab, table, {name: rows[name] for name in names})
    outcome = lab.write(folder).check(folder)
    assert found(outcome) == expected(case, lab), case.name
