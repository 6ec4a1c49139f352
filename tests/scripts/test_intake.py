"""Rule scripts of the intake: each hands its configuration to the library and writes its outputs."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.trial import Trial

SCRIPTS = Path(__file__).parents[2] / "scripts" / "intake"


def run(script, config, tmp_path, outputs, **wildcards):
    stub = SimpleNamespace(
        config=config,
        log=[str(tmp_path / "rule.log")],
        wildcards=SimpleNamespace(**wildcards),
        output=SimpleNamespace(**{name: tmp_path / name for name in outputs}),
    )
    runpy.run_path(str(SCRIPTS / script), init_globals={"snakemake": stub}, run_name="__main__")


def test_check_manifest(tmp_path):
    trial = Trial(tmp_path / "trial").write()
    outputs = ("confounding", "json", "html")
    run("check_manifest.py", trial.config, tmp_path, outputs)
    assert all((tmp_path / name).stat().st_size > 0 for name in outputs)
    assert "8 libraries, 1 left out, 0 findings" in (tmp_path / "rule.log").read_text()


def test_check_manifest_ends_with_the_message(tmp_path, capsys):
    trial = Trial(tmp_path / "trial").write()
    trial.manifest[3]["site"] = "RO66"
    trial.write_tables()
    with pytest.raises(SystemExit) as caught:
        run("check_manifest.py", trial.config, tmp_path, ("confounding", "json", "html"))
    assert caught.value.code == 1
    assert "RO66" in capsys.readouterr().err
    assert not (tmp_path / "html").exists()


def test_tabulate_samples(tmp_path):
    trial = Trial(tmp_path / "trial").write()
    outputs = ("libraries", "rejected", "completeness")
    run("tabulate_samples.py", trial.config, tmp_path, outputs)
    assert [len((tmp_path / name).read_text().splitlines()) for name in outputs] == [9, 2, 81]


def test_tabulate_libraries(tmp_path):
    trial = Trial(tmp_path / "trial").write()
    run("tabulate_libraries.py", trial.config, tmp_path, ["libraries"], layer="atac")
    lines = (tmp_path / "libraries").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("GR03-012345678-D04-atac\tGR03-012345678\tGR03-012345678-D04\tGR03\tGR\t")
