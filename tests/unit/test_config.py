"""The configuration: file and schema agree, defaults are filled, every mistake is named at once."""

import re
from pathlib import Path

import pytest
import yaml

from immunosep.config import (
    check_config,
    defaults,
    feature_filters,
    load_config,
    load_schema,
    overlay,
    require_inputs,
)
from immunosep.errors import InputError

ROOT = Path(__file__).parents[2]
OPEN_MAPS = {("qc",), ("biomarkers", "tasks"), ("biomarkers", "clinical")}  # free keys: config.yaml alone holds them


def walk(node, path=()):
    for key, sub in node.get("properties", {}).items():
        yield (*path, key), sub
        yield from walk(sub, (*path, key))


def strip_open_maps(config):
    stripped = yaml.safe_load(yaml.safe_dump(config))
    for *parents, last in OPEN_MAPS:
        node = stripped
        for key in parents:
            node = node[key]
        node.pop(last)
    return stripped


def test_config_yaml_equals_the_schemas_defaults():
    written = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert strip_open_maps(written) == strip_open_maps(defaults())


def test_shipped_overlays_pass():
    demo = load_config(ROOT / "config/config.yaml", ROOT / "config/demo.yaml")
    assert demo["role"] == "endotype"
    assert demo["endotype"]["ferritin_cut"] == 4420


def test_every_property_is_described_and_has_a_default_or_parts():
    missing = []
    for path, sub in walk(load_schema()):
        if "description" not in sub:
            missing.append(path)
        if "default" not in sub and "properties" not in sub:
            missing.append(path)
    assert missing == []


def test_all_mistakes_at_once_with_the_nearest_name():
    with pytest.raises(InputError) as caught:
        check_config({"rolle": "x", "role": "unblind", "seed": -1, "layers": {"rna": {"matrx": "a.tsv"}}})
    text = str(caught.value)
    assert "4 mistake(s)" in text
    assert "unknown key 'rolle'. Did you mean 'role'?" in text
    assert "layers.rna: unknown key 'matrx'. Did you mean 'matrix'?" in text
    assert "Did you mean 'unblinded'?" in text
    assert "seed" in text


def test_a_foreign_layer_enters_only_as_a_matrix():
    config = check_config({"layers": {"mirna": {"matrix": "m.tsv"}}})
    assert config["layers"]["mirna"] == {"matrix": "m.tsv", "enabled": True}
    with pytest.raises(InputError, match=r"layers\.mirna"):
        check_config({"layers": {"mirna": {"enabled": True}}})


def test_checking_twice_changes_nothing_and_the_input_is_untouched():
    given = {"role": "endotype"}
    once = check_config(given)
    assert check_config(once) == once
    assert given == {"role": "endotype"}


def test_a_threshold_set_to_null_is_switched_off():
    limits = {"fail_below": 0.2, "source": "practice"}
    checked = check_config({"qc": {"atac": {"frip": None, "nrf": limits}}})
    assert checked["qc"]["atac"] == {"nrf": limits}


def test_overlay_merges_mappings_and_replaces_the_rest():
    assert overlay({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": None}) == {
        "a": {"b": 1, "c": [3]},
        "d": None,
    }


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "\xff"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"c\.yaml"):
        load_config(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml"):
        load_config(tmp_path / "absent.yaml")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with the clinical tables where the defaults look for them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clinical").mkdir()
    for name in ("clinical/participants.tsv", "clinical/visits.tsv", "genome.fa"):
        (tmp_path / name).write_text("content\n")
    return tmp_path


def test_every_missing_reference_is_named(files):
    config = check_config({"reference": {"genome": "genome.fa", "annotation": "absent.gtf"}})
    with pytest.raises(InputError) as caught:
        require_inputs(config, ["atac", "microbiome", "proteome"])
    assert "absent.gtf is not there (layer atac" in str(caught.value)
    assert "reference.taxonomy_16s: layer microbiome" in str(caught.value)
    assert "genome" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "raw_layers", "expected"),
    [
        ({}, ["proteome"], None),
        (
            {"layers": {"proteome": {"matrix": "genome.fa.tsv"}}},
            ["proteome"],
            "layers.proteome.matrix: genome.fa.tsv is",
        ),
        ({"layers": {"proteome": {"matrix": "no.tsv", "enabled": False}}}, ["rna"], "reference.genome: layer rna"),
        ({"reference": {"blacklist": "no.bed"}}, ["proteome"], None),
        ({"layers": {"microbiome": {"mock_composition": "no.tsv"}}}, ["microbiome"], "mock_composition: no.tsv is not"),
        ({"clinical": {"visits": None}}, ["proteome"], "clinical.visits: the derivation of labels needs it"),
        ({"clinical": {"visits": None, "labels": "no.tsv"}}, ["proteome"], "clinical.labels: no.tsv is not there"),
        ({"clinical": {"visits": None, "labels": "genome.fa"}}, ["proteome"], None),
        ({}, [], "layers: none has a sample or a matrix"),
    ],
)
def test_an_input_that_is_named_is_there(files, changes, raw_layers, expected):
    config = check_config(changes)
    if expected is None:
        require_inputs(config, raw_layers)
    else:
        with pytest.raises(InputError, match=re.escape(expected)):
            require_inputs(config, raw_layers)


def test_filters_of_features_are_options_of_their_layers_and_fit_the_transformers():
    from immunosep.biomarkers.preparation import LogCpm, LogRatios, MeasuredValues

    config = check_config({"layers": {"atac": {"min_cpm": 3}}})
    filters = feature_filters(config)
    assert filters["atac"] == {"min_cpm": 3, "min_fraction": 0.1}
    kinds = {"rna": LogCpm, "atac": LogCpm, "proteome": MeasuredValues, "microbiome": LogRatios}
    assert filters.keys() == kinds.keys()
    for layer, kind in kinds.items():
        assert filters[layer].items() <= kind(**filters[layer]).get_params().items()
