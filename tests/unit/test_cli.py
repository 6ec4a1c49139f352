"""The command: exit codes, one message per mistake, never a traceback, nothing written unasked."""

import json
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from immunosep import cli
from immunosep.codes import CODES
from immunosep.errors import InputError
from support.trial import Trial

SCRIPTS = Path(cli.__file__).parents[1]


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path).write()


def call(trial, *more):
    return [
        "check",
        trial.config["manifest"],
        "--clinical",
        str(trial.folder / "clinical"),
        "--sites",
        trial.config["sites"],
        *more,
    ]


def test_clean_trial(trial, capsys):
    assert cli.main(call(trial)) == 0
    out = capsys.readouterr().out
    assert out.startswith("No mistakes found.\n\nNot checked:\n")
    assert "sealed tables" in out
    assert "--deep" in out
    assert "--clinical" not in out


def test_warnings_only(trial):
    trial.visits[0]["visit_day"] = "40"
    trial.write_tables()
    assert cli.main(call(trial)) == 1


def test_ten_mistakes_in_a_process_of_its_own(trial):
    rows = trial.manifest
    rows[0]["batch"] = "B7"
    rows[2]["sample_code"] = "12345678"
    rows[3] |= {"site": "RO66", "fastq_1": "raw/none_R1.fastq.gz"}
    rows[4] |= {"assay": "16s", "visit_day": "5"}
    rows[5] |= {"specimen": "nose", "fastq_2": "../x_R2.fastq.gz"}
    rows[7]["missing_reason"] = ""
    rows[8]["participant_code"] = "987654321"
    trial.write_tables()
    before = sorted(trial.folder.rglob("*"))
    process = subprocess.run(
        [sys.executable, "-m", "immunosep.cli", *call(trial)],
        env={"PYTHONPATH": str(SCRIPTS), "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        cwd=trial.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2, process.stderr
    assert "10 error(s), 0 warning(s)" in process.stdout
    assert "Traceback" not in process.stdout + process.stderr
    assert process.stderr == ""
    assert sorted(trial.folder.rglob("*")) == before


def bare(*words):
    """Run the command with nothing but the standard library."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "immunosep.cli", *words],
        env={"PYTHONPATH": str(SCRIPTS), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_check_needs_the_standard_library_only(trial):
    manifest = convert(trial.folder / "manifest.tsv", "xlsx")
    out = bare("check", str(manifest), *call(trial, "--report", str(trial.folder / "x.html"))[2:])
    assert (out.returncode, out.stderr) == (0, "")
    assert (trial.folder / "x.html").exists()


@pytest.mark.parametrize(("words", "package"), [(["template", "--out"], "openpyxl"), (["check", "--deep"], "numpy")])
def test_a_package_that_is_not_installed_is_named(trial, words, package):
    out = bare(*words, str(trial.folder / "new") if words[0] == "template" else trial.config["manifest"])
    assert out.returncode == 2
    assert package in out.stderr
    assert "Traceback" not in out.stderr
    assert not list((trial.folder).glob("new/*"))


def test_json_for_programs(trial):
    trial.manifest[3]["specimen"] = "wholeblood"
    trial.write_tables()
    out = trial.folder / "check.json"
    assert cli.main(call(trial, "--json", str(out))) == 2
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["counts"] == {"error": 1, "warning": 0, "info": 0}
    assert content["findings"][0]["suggestion"] == "whole_blood"
    assert content["findings"][0]["row"] == 5


def test_raw_files_can_be_left_aside(trial):
    for path in (trial.folder / "raw").iterdir():
        path.unlink()
    assert cli.main(call(trial)) == 2
    assert cli.main(call(trial, "--no-files")) == 0


@pytest.mark.parametrize("path", ["/data/x_R1.fastq.gz", "raw/../../x_R1.fastq.gz"])
def test_paths_that_leave_the_data_root_need_no_disk_to_be_told(trial, capsys, path):
    trial.manifest[3] |= {"fastq_1": path, "fastq_2": path.replace("_R1", "_R2")}
    trial.write_tables()
    assert cli.main(call(trial, "--no-files")) == 2
    assert f"path_{'absolute' if path[0] == '/' else 'outside'}" in capsys.readouterr().out


def test_data_root(trial, tmp_path_factory):
    assert cli.main(call(trial, "--data-root", str(tmp_path_factory.mktemp("empty")))) == 2


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", "m.tsv", "--config", "c.yaml"], ["check", "--config", "none.yaml"]]
)
def test_mistaken_calls_are_told_without_traceback(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err


def test_report_and_json_are_written_with_errors_too(trial, capsys):
    trial.manifest[3]["specimen"] = "wholeblood"
    trial.write_tables()
    folder = trial.folder / "new" / "folder"
    page, data = folder / "check.html", folder / "check.json"
    assert cli.main(call(trial, "--report", str(page), "--json", str(data))) == 2
    text = page.read_text(encoding="utf-8")
    assert "wholeblood" in text
    assert "whole_blood" in text
    assert "--deep" in text
    assert any("--deep" in sentence for sentence in json.loads(data.read_text())["unchecked"])


def test_report_of_a_clean_trial_counts_what_came_in(trial):
    page = trial.folder / "check.html"
    assert cli.main(call(trial, "--report", str(page))) == 0
    text = page.read_text(encoding="utf-8")
    assert "icrobiome nares" in text
    assert "missed" in text


def test_json_where_none_can_be_written(trial, capsys):
    assert cli.main(call(trial, "--json", str(trial.folder / "manifest.tsv" / "x.json"))) == 2
    assert "cannot be read or written" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--report", "--json"])
@pytest.mark.parametrize("name", ["manifest.tsv", "sites.tsv", "clinical/../clinical/visits.tsv"])
def test_a_report_never_replaces_an_input(trial, capsys, option, name):
    before = (trial.folder / name).read_bytes()
    assert cli.main(call(trial, option, str(trial.folder / name))) == 2
    assert (trial.folder / name).read_bytes() == before
    assert "input" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--report", "--json"])
@pytest.mark.parametrize("name", ["raw file", "sealed table", "notes.txt"])
def test_a_report_replaces_reports_alone(trial, capsys, option, name):
    files = {
        "raw file": trial.folder / trial.manifest[3]["fastq_1"],
        "sealed table": trial.sealed / "allocation.tsv",
        "notes.txt": trial.folder / "notes.txt",
    }
    path = files[name]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("site\tarm\n")
    before = path.read_bytes()
    assert cli.main(call(trial, option, str(path))) == 2
    assert path.read_bytes() == before
    assert "is no report of a check" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_a_report_replaces_an_older_report(trial, option):
    path = trial.folder / "report"
    for _ in range(2):
        assert cli.main(call(trial, option, str(path))) == 0
    trial.manifest[3]["specimen"] = "wholeblood"
    trial.write_tables()
    assert cli.main(call(trial, option, str(path))) == 2
    assert "wholeblood" in path.read_text(encoding="utf-8")


def test_report_and_json_need_two_names(trial, capsys):
    target = str(trial.folder / "x")
    assert cli.main(call(trial, "--report", target, "--json", target)) == 2
    assert "same file" in capsys.readouterr().err


def test_what_was_not_given_is_said(trial, capsys):
    assert cli.main(["check", trial.config["manifest"], "--no-files"]) == 0
    out = capsys.readouterr().out
    for word in ("participants and visits", "--clinical", "--sites", "--no-files"):
        assert word in out


def test_sites_of_the_clinical_folder_are_used(trial, capsys):
    (trial.folder / "sites.tsv").rename(trial.folder / "clinical" / "Sites.TSV")
    trial.manifest[3]["site"] = "RO66"
    trial.write_tables()
    (trial.folder / "sites.tsv").unlink()
    assert cli.main(["check", trial.config["manifest"], "--clinical", str(trial.folder / "clinical")]) == 2
    assert "unknown_site" in capsys.readouterr().out


def test_clinical_folder_without_tables_or_with_two_of_a_name(trial, capsys):
    (trial.folder / "empty").mkdir()
    for folder in ("none", "empty"):
        assert cli.main(["check", trial.config["manifest"], "--clinical", str(trial.folder / folder)]) == 2
    (trial.folder / "clinical" / "visits.csv").write_text("site,participant_code\n")
    assert cli.main(call(trial)) == 2
    assert "visits.csv and visits.tsv" in capsys.readouterr().err


def convert(path, kind):
    """Write a TSV in another format; return the new path."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    path.unlink()
    target = path.with_suffix(".xlsx" if kind == "xlsx" else ".csv" if kind in ",;" else ".txt")
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([cell or None for cell in row])
        book.save(target)
    elif kind == "utf-16":
        target.write_text("\r\n".join("\t".join(row) for row in rows), encoding="utf-16")
    else:
        target.write_text("\n".join(kind.join(row) for row in rows), encoding="utf-8-sig" if kind == ";" else "utf-8")
    return target


@pytest.mark.parametrize("kind", [",", ";", "utf-16", "xlsx"])
def test_every_format_gives_the_same_findings(trial, kind):
    trial.participants[0]["infection"] = trial.participants[1]["infection"] = "CAP"
    trial.manifest[3]["specimen"] = "wholeblood"
    trial.visits[1]["sofa_total"] = "25"
    trial.write_tables()
    files = [trial.folder / name for name in ("manifest.tsv", "sites.tsv")]
    files += [trial.folder / "clinical" / f"{name}.tsv" for name in ("participants", "visits")]
    out = trial.folder / "x.json"

    def findings(manifest, sites):
        words = ["check", str(manifest), "--clinical", str(trial.folder / "clinical"), "--sites", str(sites)]
        assert cli.main([*words, "--json", str(out)]) == 2
        return [
            (f["code"], f["row"], f["column"], f["value"])
            for f in json.loads(out.read_text(encoding="utf-8"))["findings"]
            if f["severity"] == "error"
        ]

    before = findings(*files[:2])
    assert before == [("not_allowed", 5, "specimen", "wholeblood"), ("out_of_range", 3, "sofa_total", "25")]
    assert findings(*[convert(path, kind) for path in files][:2]) == before


def test_explain_from_check(capsys):
    assert cli.main(["check", "--explain", "code_leading_zero"]) == 0
    assert "Why:" in capsys.readouterr().out
    assert cli.main(["check", "--explain", "code_leading_zeros"]) == 2
    assert "Did you mean 'code_leading_zero'?" in capsys.readouterr().err


def test_unknown_argument_is_refused_except_for_snakemake(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["check", "m.tsv", "--deeep"])
    assert caught.value.code == 2
    assert "--deeep" in capsys.readouterr().err


def test_demo_hands_options_to_snakemake(monkeypatch):
    from immunosep import demo

    calls = []
    monkeypatch.setattr(demo, "main", lambda *arguments: calls.append(arguments) or 0)
    assert cli.main(["demo", "--cores", "2", "--sdm", "conda"]) == 0
    assert calls == [(2, demo.DEMO_CONFIG, ["--sdm", "conda"])]


def test_input_error_of_any_part_is_a_message(monkeypatch, capsys):
    from immunosep import doctor

    def fail(arguments):
        raise InputError("Mend this.")

    monkeypatch.setattr(doctor, "main", fail)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "Mend this.\n"


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_can_be_explained(code, capsys):
    assert cli.main(["explain", code]) == 0
    assert CODES[code].why in capsys.readouterr().out


def test_explain_suggests_and_lists(capsys):
    assert cli.main(["explain", "sofa_sums"]) == 2
    assert "sofa_sum" in capsys.readouterr().err
    assert cli.main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CODES)


def test_check_imports_nothing_heavy(trial):
    code = (
        "import sys; from immunosep import cli; cli.main(sys.argv[1:]);"
        "print(sorted({'pandas', 'numpy', 'openpyxl', 'jsonschema', 'snakemake'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *call(trial)],
        env={"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.splitlines()[-1] == "[]"
