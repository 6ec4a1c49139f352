"""Tables keep their codes and their bytes; nothing half-written stands under a final name."""

import json

import numpy as np
import openpyxl
import pandas as pd
import pytest

from immunosep.io import atomic_path, read_clinical, read_table, write_json, write_table


def test_codes_stay_text_and_missing_stays_empty(tmp_path):
    path = tmp_path / "t.tsv"
    table = pd.DataFrame({"code": ["012345678", "NA"], "x": [1.5, np.nan], "n": [1, 2]})
    write_table(table, path)
    assert path.read_bytes() == b"code\tx\tn\n012345678\t1.5\t1\nNA\t\t2\n"
    back = read_table(path)
    assert back["code"].tolist() == ["012345678", "NA"]
    assert back["x"].tolist() == ["1.5", ""]


def test_floats_that_differ_below_the_precision_give_equal_bytes(tmp_path):
    for name, value in (("a", 0.1 + 0.2), ("b", 0.3)):
        write_table(pd.DataFrame({"x": [value]}), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"x\n0.3\n"


def test_a_failed_writer_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("old")

    def fail_halfway():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.txt"]


def test_a_written_file_has_the_mode_the_umask_gives(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    write_json({"a": 1}, tmp_path / "a.json")
    assert (tmp_path / "a.json").stat().st_mode == plain.stat().st_mode


def test_json_is_sorted_and_has_no_nan(tmp_path):
    write_json({"b": 1, "a": [2]}, tmp_path / "a.json")
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["a", "b"]
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_a_clinical_table_is_the_same_from_every_format(tmp_path):
    columns = ["site", "participant_code", "visit_day", "sofa_total"]
    rows = [["GR03", "012345678", "1", "9"], ["GR03", "012345678", "2", ""]]
    lines = [columns, *rows]
    (tmp_path / "v.tsv").write_text("\n".join("\t".join(line) for line in lines) + "\n")
    (tmp_path / "v.csv").write_text("\n".join(";".join(line) for line in lines), encoding="utf-16")
    book = openpyxl.Workbook()
    book.active.append(["a guide"])
    for line in lines:
        if line is columns:
            sheet = book.create_sheet("Visits")
        sheet.append([cell or None for cell in line])
    book.save(tmp_path / "v.xlsx")
    expected = read_table(tmp_path / "v.tsv")
    assert list(expected["participant_code"]) == ["012345678"] * 2
    for name in ("v.tsv", "v.csv", "v.xlsx"):
        pd.testing.assert_frame_equal(read_clinical(tmp_path / name, "visits"), expected)
