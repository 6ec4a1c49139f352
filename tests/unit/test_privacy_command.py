"""The commands around withdrawal, release and scanner: what they print, and how they end."""

from pathlib import Path

import pytest
import yaml

from immunosep.cli import main
from support.trial import FIRST, Trial

SITE, CODE = FIRST["site"], FIRST["participant_code"]


@pytest.fixture
def overlay(tmp_path, monkeypatch):
    """Folder of a run with a result of a participant; returns the overlay's name."""
    run = tmp_path / "run"
    trial = Trial(run / "cohort").write()
    for place in (f"results/rna/{SITE}-{CODE}-D01-rna/quant.sf", "results/rna/rna.h5ad", "results/reference/genome.fa"):
        (run / place).parent.mkdir(parents=True, exist_ok=True)
        (run / place).write_text("values\n")
    keys = ("manifest", "sites", "data_root", "clinical", "sealed")
    privacy = {"secret": str(tmp_path / "settings/secret.key")}
    (run / "my.yaml").write_text(yaml.safe_dump({key: trial.config[key] for key in keys} | {"privacy": privacy}))
    monkeypatch.chdir(run)
    return "my.yaml"


def test_a_withdrawal_is_listed_first_and_done_when_asked(overlay, capsys):
    assert main(["withdraw", SITE, CODE, "--config", overlay]) == 0
    said = capsys.readouterr().out
    assert f"  results/rna/{SITE}-{CODE}-D01-rna/quant.sf" in said
    assert "Nothing was changed" in said
    assert Path("results/rna/rna.h5ad").exists()

    assert main(["withdraw", SITE, CODE, "--config", overlay, "--yes"]) == 1
    assert "input file(s) still hold" in capsys.readouterr().out
    assert not Path("results/rna/rna.h5ad").exists()
    assert main(["release", "--config", overlay, "--out", "bundle"]) == 2
    assert "unfinished" in capsys.readouterr().err

    assert main(["withdraw", "--resume", "--config", overlay, "--yes", "--inputs"]) == 0
    said = capsys.readouterr().out
    assert '"status": "complete"' in said
    assert CODE not in said
    assert main(["scan", ".", "--config", overlay]) == 2  # my.yaml names folders of the machine
    assert main(["scan", "results", "--config", overlay]) == 0
    assert Path("results/reference/genome.fa").exists()
    Path("../settings/secret.key").unlink()
    assert main(["release", "--config", overlay, "--out", "bundle"]) == 2
    assert "secret of the surrogates is not at" in capsys.readouterr().err  # no second one beside the tombstones


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["withdraw", SITE], "Give site and code"),
        (["withdraw", SITE, CODE, "--resume", "--yes"], "Give site and code"),
        (["withdraw", "--resume"], "add --yes"),
        (["withdraw", "--resume", "--yes"], "No withdrawal is unfinished"),
        (["withdraw", SITE, "999999999", "--yes"], "Nothing is known"),
        (["release", "--out", "bundle"], "may be shared"),
        (["release", "--out", "bundle", "--secret", "here.key"], "lies inside"),
        (["scan", "nowhere"], "no such folder"),
    ],
)
def test_mistakes_are_told(overlay, capsys, words, told):
    assert main([*words, "--config", overlay]) == 2
    assert told in capsys.readouterr().err


def test_a_leak_is_placed_and_not_printed(overlay, capsys):
    Path("logs").mkdir()
    Path("logs/x.log").write_text(f"sample {CODE}\n")
    assert main(["scan", "logs", "--config", overlay]) == 2
    said = capsys.readouterr().out
    assert "x.log, byte 7: code" in said
    assert CODE not in said
