"""Shuffled labels for dry runs: same format, permuted within site, marked, and nothing sealed opened."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from immunosep.cli import main
from immunosep.config import check_config, load_config, overlay
from immunosep.errors import InputError
from immunosep.intake import check_inputs
from immunosep.io import read_table
from immunosep.sealed import labels_are_shuffled, read_record, sealed_folder
from immunosep.shuffle import shuffle_labels
from immunosep.simulate.reads import write_design
from support.runs import DEMO, ROOT


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shuffle")
    write_design(load_config(ROOT / "config/config.yaml", DEMO), folder / "cohort", 1)
    return folder / "cohort"


def config(design, role):
    sealed = sealed_folder(design)
    return check_config(
        {
            "role": role,
            "manifest": str(design / "manifest.tsv"),
            "data_root": str(design),
            "sites": str(design / "sites.tsv"),
            "clinical": {name: str(design / f"clinical/{name}.tsv") for name in ("participants", "visits")},
            "sealed": {name: str(sealed / f"{name}.tsv") for name in ("classification", "allocation")}
            | {"record": str(sealed / "unblinding.tsv")},
        }
    )


def by_site(table, column):
    return {site: Counter(part[column]) for site, part in table.groupby("site")}


def test_labels_are_permuted_within_site(design, tmp_path):
    shuffle_labels(config(design, "unblinded"), tmp_path / "dry", 1)
    for name, column in (("classification", "ferritin"), ("allocation", "arm")):
        true = read_table(sealed_folder(design) / f"{name}.tsv").sort_values(["site", "participant_code"])
        made = read_table(tmp_path / f"dry/{name}.tsv")
        assert made["participant_code"].tolist() == true["participant_code"].tolist()
        assert by_site(made, column) == by_site(true, column)
        assert (made[column].to_numpy() != true[column].to_numpy()).mean() > 0.2


def test_what_is_made_passes_the_intake_and_is_marked_as_shuffled(design, tmp_path):
    base = config(design, "blinded")
    shuffle_labels(base, tmp_path / "dry", 1)
    dry = check_config(overlay(base, yaml.safe_load((tmp_path / "dry/dry_run.yaml").read_text())))
    assert dry["role"] == "unblinded"
    _, findings = check_inputs(dry, files=False)
    assert [f for f in findings if f.severity == "error"] == []
    assert labels_are_shuffled(dry)
    assert not labels_are_shuffled(config(design, "unblinded"))
    assert {entry.content for entry in read_record(tmp_path / "dry/unblinding.tsv")} == {"shuffled"}
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "dry").glob("*.tsv")} == {0}


def test_blinded_nothing_is_opened_and_the_mix_is_the_protocols(design, tmp_path):
    base = config(design, "blinded")
    base["sealed"] = {name: str(tmp_path / "absent" / name) for name in base["sealed"]}
    shuffle_labels(base, tmp_path / "dry", 1)
    people = read_table(design / "clinical/participants.tsv")
    randomised = set(people.loc[people["randomised"] == "yes", "participant_code"])
    labs = read_table(tmp_path / "dry/classification.tsv")
    enrolled = labs[labs["participant_code"].isin(randomised)]
    mals = enrolled["ferritin"].astype(float) > 4420
    assert abs(mals.sum() - 0.4 * len(enrolled)) <= 1
    assert (enrolled.loc[~mals, "hladr"].astype(float) < 5000).all()
    others = labs[~labs["participant_code"].isin(randomised)]
    assert ((others["ferritin"].astype(float) <= 4420) & (others["hladr"].astype(float) >= 5000)).all()
    arms = read_table(tmp_path / "dry/allocation.tsv")
    assert set(arms["participant_code"]) == randomised
    for counted in by_site(arms, "arm").values():
        assert abs(counted["active"] - counted["placebo"]) <= 1


def test_the_endotype_role_permutes_the_endotype_and_draws_the_arm(design, tmp_path):
    base = config(design, "endotype")
    base["sealed"]["allocation"] = str(tmp_path / "absent.tsv")
    said = shuffle_labels(base, tmp_path / "dry", 1)
    assert "permuted" in said[0]
    assert "drawn" in said[1]


def test_same_seed_same_tables_other_seed_other_tables(design, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        shuffle_labels(config(design, "unblinded"), tmp_path / name, seed)
    a, b, c = (Path(tmp_path / name / "allocation.tsv").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_a_table_that_was_not_unsealed_is_not_shuffled(design, tmp_path):
    base = config(design, "unblinded")
    base["sealed"]["record"] = str(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="immunosep unseal"):
        shuffle_labels(base, tmp_path / "dry", 1)
    assert not (tmp_path / "dry").exists()


def test_the_command(design, tmp_path, capsys):
    path = tmp_path / "my.yaml"
    keys = ("role", "manifest", "data_root", "sites", "clinical", "sealed")
    path.write_text(yaml.safe_dump({key: config(design, "endotype")[key] for key in keys}))
    assert main(["shuffle-labels", "--config", str(path), "--out", str(tmp_path / "dry"), "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "classification.tsv" in out
    assert "permuted within site" in out
    assert (tmp_path / "dry/dry_run.yaml").is_file()
