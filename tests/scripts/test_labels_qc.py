"""Rule scripts of labels and qc: each hands its inputs to the library and writes its outputs."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from immunosep.io import read_table, write_table
from support.figure_inputs import completeness_table, label_table, library_table, verdict_table

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Files(SimpleNamespace):
    """Named files, with `get` as Snakemake's have it."""

    def get(self, name):
        return getattr(self, name, None)


def run(script, tmp_path, params=None, **files):
    stub = SimpleNamespace(
        log=[str(tmp_path / "rule.log")],
        params=SimpleNamespace(**(params or {})),
        input=Files(**files["input"]),
        output=Files(**files["output"]),
    )
    runpy.run_path(str(SCRIPTS / script), init_globals={"snakemake": stub}, run_name="__main__")


@pytest.fixture
def qc_files(tmp_path):
    write_table(
        pd.DataFrame({"library": ["A", "B"], "sample_type": "sample", "specimen": "pbmc"}), tmp_path / "rna.tsv"
    )
    write_table(pd.DataFrame({"library": ["A", "B"], "metric": "frip", "value": [0.1, 0.5]}), tmp_path / "metrics.tsv")
    return tmp_path


def test_judge_and_collect(qc_files):
    one = str(qc_files / "rna_verdicts.tsv")
    run(
        "qc/judge_libraries.py",
        qc_files,
        {"thresholds": {"frip": {"fail_below": 0.2, "source": "x"}}},
        input={"metrics": str(qc_files / "metrics.tsv"), "libraries": str(qc_files / "rna.tsv")},
        output={"verdicts": one},
    )
    outputs = {"verdicts": str(qc_files / "verdicts.tsv"), "summary": str(qc_files / "summary.tsv")}
    run("qc/collect_verdicts.py", qc_files, {"layers": ["rna"]}, input={"verdicts": [one]}, output=outputs)
    table = read_table(outputs["verdicts"])
    assert dict(table[table["metric"] == "overall"][["library", "verdict"]].to_numpy()) == {"A": "fail", "B": "pass"}
    assert read_table(outputs["summary"]).iloc[0].tolist() == ["rna", "2", "1", "0", "1"]


def test_run_multiqc_passes_everything_on(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr("immunosep.multiqc_report.run_multiqc", lambda **given: seen.update(given))
    run(
        "qc/run_multiqc.py",
        tmp_path,
        input={"reports": ["a.json"], "primers": ["b.json"], "verdicts": "v.tsv", "settings": "s.yaml"},
        output={"report": "m.html", "data": "m_data"},
    )
    assert seen == {
        "files": ["a.json", "b.json"],
        "verdicts": "v.tsv",
        "settings": "s.yaml",
        "report": "m.html",
        "data": "m_data",
    }


@pytest.mark.parametrize(
    "sealed", [(), ("classification",), ("classification", "allocation")], ids=["blinded", "endotype", "unblinded"]
)
def test_derive_labels_passes_the_sealed_tables_only_where_they_are_inputs(tmp_path, monkeypatch, sealed):
    seen = {}
    monkeypatch.setattr("immunosep.endpoints.steps.derive_label_tables", lambda **given: seen.update(given))
    outputs = {name: f"{name}.tsv" for name in ("labels", "endpoints", "sensitivity", "landmarks")}
    run(
        "labels/derive_labels.py",
        tmp_path,
        {"settings": {"sofa": {}}},
        input={"participants": "p.tsv", "visits": "v.tsv", **{name: f"{name}.tsv" for name in sealed}},
        output=outputs | ({"dynamic": "dynamic.tsv"} if sealed else {}),
    )
    for name in ("classification", "allocation"):
        assert seen[name] == (f"{name}.tsv" if name in sealed else None)
    assert {name: seen[f"{name}_path"] for name in outputs} == outputs
    assert seen["dynamic_path"] == ("dynamic.tsv" if sealed else None)


def test_a_bad_label_table_ends_the_script_with_its_message_and_no_traceback(tmp_path, capsys):
    (tmp_path / "mine.tsv").write_text("sample\tx\n1\t2\n")
    with pytest.raises(SystemExit) as caught:
        run(
            "labels/import_labels.py",
            tmp_path,
            {"declared": ["x"], "role": "blinded"},
            input={"labels": str(tmp_path / "mine.tsv")},
            output={"labels": str(tmp_path / "labels.tsv")},
        )
    assert caught.value.code == 1
    assert "no column 'participant'" in capsys.readouterr().err
    assert "Traceback" not in (tmp_path / "rule.log").read_text()
    assert not (tmp_path / "labels.tsv").exists()


def test_assess_missingness(tmp_path):
    completeness = completeness_table()
    libraries = library_table(completeness)
    tables = {"completeness": completeness, "libraries": libraries, "verdicts": verdict_table(libraries)}
    files = {name: tmp_path / f"{name}.tsv" for name in (*tables, "labels")}
    for name, table in (tables | {"labels": label_table()}).items():
        write_table(table, files[name])
    out = {"tests": tmp_path / "tests.tsv", "shares": tmp_path / "shares.tsv"}
    params = {"factors": ["endotype", "site"], "seed": 1}
    run("qc/assess_missingness.py", tmp_path, params, input=files, output=out)
    tests = read_table(out["tests"])
    assert set(tests["factor"]) == {"endotype"}  # the label table has no sites
    assert list(read_table(out["shares"])["level"].unique()) == ["MALS", "SII"]
