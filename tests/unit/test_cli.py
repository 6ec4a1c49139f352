"""The command: exit codes, one message per mistake, never a traceback, nothing written unasked."""

import json
import subprocess
import sys
from pathlib import Path

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
    assert capsys.readouterr().out == "No mistakes found.\n"


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


def test_data_root(trial, tmp_path_factory):
    assert cli.main(call(trial, "--data-root", str(tmp_path_factory.mktemp("empty")))) == 2


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", "m.tsv", "--config", "c.yaml"], ["check", "--config", "none.yaml"]]
)
def test_mistaken_calls_are_told_without_traceback(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err


def test_json_into_a_folder_that_does_not_exist(trial, capsys):
    assert cli.main(call(trial, "--json", str(trial.folder / "none" / "x.json"))) == 2
    assert "No such file" in capsys.readouterr().err


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
