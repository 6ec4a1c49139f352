"""The sealed tables: opened in their role, after a recorded unblinding, unchanged and private; else not touched."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from immunosep.cli import main
from immunosep.errors import InputError
from immunosep.findings import as_text
from immunosep.sealed import (
    SHUFFLED,
    append_record,
    labels_are_shuffled,
    open_sealed,
    read_record,
    sealed_folder,
    tables_of,
    unseal,
    write_sealed,
)
from support.runs import ROOT
from support.trial import FIRST, SECOND, Trial, codes

LABS = {"ferritin": "6000", "ferritin_unit": "ng/mL", "hladr": "4000", "hladr_unit": "receptors_per_cell"}


@pytest.fixture
def trial(tmp_path):
    """A trial with both sealed tables, private, and no record of an unblinding."""
    made = Trial(tmp_path / "trial")
    made.classification = [FIRST | LABS, SECOND | LABS]
    made.allocation = [FIRST | {"arm": "active"}, SECOND | {"arm": "placebo"}]
    made.write()
    for table in tables_of("unblinded"):
        Path(made.config["sealed"][table]).chmod(0o600)
    made.config["role"] = "unblinded"
    return made


def refused(trial):
    return codes(f for f in trial.check()[1] if f.severity == "error")


def test_without_a_record_nothing_is_opened(trial):
    findings = trial.check()[1]
    assert codes(findings) == ["not_unsealed", "not_unsealed"]
    assert "immunosep unseal --config my.yaml --role unblinded" in as_text(findings)
    assert open_sealed(trial.config)[0] == {}


def test_a_record_opens_and_says_who_when_and_what(trial):
    unseal(trial.config, "unblinded", "unblinded statistician", when="2026-01-02T03:04:05Z")
    assert refused(trial) == []
    entries = read_record(trial.config["sealed"]["record"])
    assert [(e.when, e.role, e.who, e.table, e.content) for e in entries] == [
        ("2026-01-02T03:04:05Z", "unblinded", "unblinded statistician", "classification", "sealed"),
        ("2026-01-02T03:04:05Z", "unblinded", "unblinded statistician", "allocation", "sealed"),
    ]
    opened, _ = open_sealed(trial.config)
    assert opened["allocation"].data == Path(trial.config["sealed"]["allocation"]).read_bytes()
    assert stat.S_IMODE(Path(trial.config["sealed"]["record"]).stat().st_mode) == 0o600


def test_a_record_for_the_lower_role_does_not_open_the_arm_nor_the_labels_of_the_higher(trial):
    unseal(trial.config, "endotype", "staff-17")
    findings = [f for f in trial.check()[1] if f.severity == "error"]
    assert codes(findings) == ["not_unsealed", "not_unsealed"]
    assert "for the role endotype only" in as_text(findings)
    trial.config["role"] = "endotype"
    assert refused(trial) == []
    assert set(open_sealed(trial.config)[0]) == {"classification"}


def test_a_record_for_the_higher_role_covers_the_lower(trial):
    unseal(trial.config, "unblinded", "staff-17")
    trial.config["role"] = "endotype"
    assert refused(trial) == []
    assert set(open_sealed(trial.config)[0]) == {"classification"}


def test_a_table_that_changed_since_is_refused_until_it_is_recorded_again(trial):
    unseal(trial.config, "unblinded", "staff-17")
    path = Path(trial.config["sealed"]["allocation"])
    path.write_text(path.read_text().replace("active", "placebo"))
    assert refused(trial) == ["sealed_changed"]
    unseal(trial.config, "unblinded", "staff-17")
    assert refused(trial) == []
    assert len(read_record(trial.config["sealed"]["record"])) == 4


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_table_that_others_can_read_is_refused_and_the_command_is_told(trial, mode):
    unseal(trial.config, "unblinded", "staff-17")
    path = Path(trial.config["sealed"]["classification"])
    path.chmod(mode)
    assert refused(trial) == ["sealed_open"]
    assert f"chmod 600 {path}" in as_text(trial.check()[1])
    with pytest.raises(InputError, match="chmod 600"):
        unseal(trial.config, "unblinded", "staff-17")


def test_a_broken_record_opens_nothing(trial):
    Path(trial.config["sealed"]["record"]).write_text("role\twho\nunblinded\tme\n")
    assert refused(trial) == ["not_unsealed"]
    assert open_sealed(trial.config)[0] == {}


@pytest.mark.parametrize(
    "who", ["M.K.", "A B", "ab", "anna@clinic.example", "17.03.1970", "x\ty", "", "+30 210 5831234"]
)
def test_nobody_is_named_in_the_record(trial, who):
    with pytest.raises(InputError, match="--who"):
        unseal(trial.config, "unblinded", who)
    assert not Path(trial.config["sealed"]["record"]).exists()


def test_a_table_that_is_not_given_or_not_there(trial):
    Path(trial.config["sealed"]["allocation"]).unlink()
    with pytest.raises(InputError, match=r"allocation\.tsv: file cannot be read"):
        unseal(trial.config, "unblinded", "staff-17")
    trial.config["sealed"]["allocation"] = None
    with pytest.raises(InputError, match=r"does not give sealed\.allocation"):
        unseal(trial.config, "unblinded", "staff-17")
    unseal(trial.config, "endotype", "staff-17")
    assert refused(trial) == ["file_unreadable", "not_unsealed"]


def test_sealed_tables_beside_open_ones_are_told_in_every_role(trial):
    trial.config |= {"role": "blinded"}
    assert codes(trial.check()[1]) == []
    for folder, told in ((trial.folder / "sealed", True), (trial.folder / "clinical", True), (trial.sealed, False)):
        trial.config["sealed"]["allocation"] = str(folder / "allocation.tsv")
        assert ("sealed_misplaced" in codes(trial.check()[1])) is told


def test_shuffled_labels_are_known_by_the_record(trial):
    unseal(trial.config, "unblinded", "staff-17")
    assert not labels_are_shuffled(trial.config)
    entries = read_record(trial.config["sealed"]["record"])
    append_record(trial.config["sealed"]["record"], [entries[0]._replace(content=SHUFFLED)])
    assert labels_are_shuffled(trial.config)
    trial.config["role"] = "blinded"
    assert not labels_are_shuffled(trial.config)


def test_a_ready_label_table_opens_no_sealed_one(trial):
    trial.config["clinical"]["labels"] = "labels.tsv"
    assert open_sealed(trial.config) == ({}, [])


def test_a_sealed_file_is_private_from_its_first_byte(tmp_path):
    path = tmp_path / "new" / "allocation.tsv"
    write_sealed(path, "a\n")
    write_sealed(path, "b\n")
    assert path.read_text() == "b\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sealed_folder(tmp_path / "demo") == tmp_path / "demo-sealed"


def test_the_command(trial, tmp_path, capsys):
    config = tmp_path / "my.yaml"
    keys = ("role", "manifest", "data_root", "sites", "clinical", "sealed")
    config.write_text(json.dumps({key: trial.config[key] for key in keys}))
    assert main(["unseal", "--config", str(config), "--role", "unblinded", "--who", "data manager"]) == 0
    assert "Recorded in" in capsys.readouterr().out
    assert main(["check", "--config", str(config), "--no-files"]) == 0
    assert main(["unseal", "--config", str(config), "--role", "unblinded", "--who", "M.K."]) == 2


# What opens, lists or looks at a file raises an audit event; hooks cannot be taken off, hence a process of its own.
SPY = """
import json, sys
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args[0]))) if event in (
    "open", "os.listdir", "os.scandir", "os.chmod", "os.rename", "shutil.copyfile") and args else None)
from immunosep.intake import load_libraries, write_intake_report, write_sample_tables
from immunosep.sealed import labels_are_shuffled
config, out = json.loads(sys.argv[1]), sys.argv[2]
load_libraries(config)
labels_are_shuffled(config)
write_sample_tables(config, libraries=out + "/l.tsv", rejected=out + "/r.tsv", completeness=out + "/c.tsv")
write_intake_report(config, confounding=out + "/b.tsv", json=out + "/i.json", html=out + "/i.html")
print(json.dumps([path for event, path in seen]))
"""


@pytest.mark.parametrize(("role", "expected"), [("blinded", set()), ("endotype", {"classification.tsv"})])
def test_no_audited_event_touches_a_sealed_file_of_a_higher_role(trial, tmp_path, role, expected):
    trial.unseal("unblinded")
    trial.config["role"] = role
    call = [sys.executable, "-c", SPY, json.dumps(trial.config), str(tmp_path / "out")]
    done = subprocess.run(call, env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = [Path(path) for path in json.loads(done.stdout)]
    assert {"manifest.tsv", "participants.tsv", "visits.tsv"} <= {path.name for path in seen}
    touched = {path.name for path in seen if trial.sealed in (path, *path.parents)}
    assert touched == expected | ({"unblinding.tsv"} if expected else set())
