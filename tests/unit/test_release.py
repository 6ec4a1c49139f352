"""What is released holds no participant, appears whole or not at all, and is the same in every try."""

import hashlib
import re
import shutil
import socket
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from immunosep import release
from immunosep.biomarkers.frozen import write_model
from immunosep.config import load_config
from immunosep.errors import InputError
from immunosep.figures.style import new_figure, save_figure
from immunosep.launch import BASE_CONFIG
from immunosep.outputs import LAYERS, OUTPUTS, find_output
from immunosep.release import write_release
from immunosep.release_tables import MAKERS
from immunosep.scan import scan_folder, watchlist
from immunosep.surrogates import surrogate

ROOT = Path(__file__).parents[2]
SECRET = b"s" * 64
SITES = ("GR03", "RO06")
PEOPLE = [(site, f"{number:09d}") for number, site in zip(range(12345678, 12345698), SITES * 10, strict=True)]


def write(place, rows):
    path = Path("results") / place
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Folder of figures, drawn once."""
    folder = tmp_path_factory.mktemp("figures")
    tables = {
        "04_pca_rna": {"row": ["P001"], "pc1": [1.0]},
        "05_mofa_variance": {"r2": [0.5]},
        "07_roc_endotype": {"x": [0.5]},
    }
    for name, table in tables.items():
        figure = new_figure()
        figure.subplots().plot([0, 1], [0, 1])
        save_figure(figure, pd.DataFrame(table), folder / name)
    return folder


def performance(smallest):
    counts = {"n": 20, "n_positive": smallest, "auroc": 0.8}
    return [{"task": "endotype", "model": "layers", "feature_set": "full", "class": "MALS", **counts}]


@pytest.fixture
def config(tmp_path, monkeypatch, drawn):
    """Results of a small run in the present folder; returns its configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "biobank-node7")
    monkeypatch.setattr(release, "examine_system", lambda _: [])
    names = [f"{site}-{code}" for site, code in PEOPLE]
    rna = [f"{name}-D01-rna" for name in names]
    pd.DataFrame(
        {"site": [s for s, _ in PEOPLE], "sample_code": [c for _, c in PEOPLE], "participant_code": ""}
    ).to_csv("manifest.tsv", sep="\t", index=False)
    libraries = {"library": rna, "site": [s for s, _ in PEOPLE], "participant": names}
    write("intake/libraries.tsv", libraries)
    write("intake/rna.tsv", libraries)
    # Two of three participants gave up two samples each: four libraries, and few people.
    left = {"library": rna[:10], "layer": "rna", "participant": [*names[:6], *names[:2] * 2]}
    write("intake/rejected.tsv", left | {"reason": ["died"] * 6 + ["missed"] * 4})
    gaps = {"layer": "rna", "specimen": "", "visit_day": "1", "status": "collected", "reason": ["died"] * 2 + [""] * 18}
    write("intake/completeness.tsv", {"participant": names, **gaps})
    verdicts = ["fail"] * 7 + ["pass"] * 13
    write("qc/verdicts.tsv", {"layer": "rna", "library": rna, "metric": "overall", "verdict": verdicts})
    write("qc/summary.tsv", [{"layer": "rna", "libraries": 20, "pass": 13, "warn": 0, "fail": 7}])
    write("labels/labels.tsv", {"participant": names, "randomised": "yes", "endotype": ["MALS"] * 3 + ["SII"] * 17})
    write("rna/genes.tsv", {"gene_id": ["ENSG1"], "symbol": ["CSTA"], "n_libraries": [20], "kept": ["yes"]})
    for library in rna:
        write(f"rna/{library}/quant.sf", {"Name": ["T1"]})
    assay = {"olink_id": ["OID1", "OID2"], "symbol": ["IL6", "IL1RN"], "uniprot": ["P05231", "P18510"]}
    write("proteome/assays.tsv", {**assay, "median_npx": [1, 2]})
    # The rare genus is in eight of sixteen libraries, and in four people.
    genera = {"genus": ["Prevotella", "Rothia"], "family": "f", "reads": 9, "prevalence": [1, 0.5], "kept": "yes"}
    write("microbiome/oral_genera.tsv", genera)
    counts = np.array([[1, int(number % 8 < 4)] for number in range(16)])
    oral = anndata.AnnData(counts.astype("float32"), layers={"counts": counts})
    oral.var_names, oral.obs["participant"] = genera["genus"], names[:8] * 2
    oral.write_h5ad("results/microbiome/oral.h5ad")
    write("biomarkers/endotype/performance.tsv", performance(9))
    write("biomarkers/endotype/predictions.tsv", {"participant": names, "probability": 0.123456789})
    folds = [{"participant": name, "repeat": 1, "fold": 1 + index % 2} for index, name in enumerate(names)]
    write("biomarkers/endotype/folds.tsv", folds)
    curve = {"task": "endotype", "model": "layers", "feature_set": "full", "class": "MALS", "x": 0.5, "y": 0.5}
    points = [{"curve": "roc", "n": ""}, {"curve": "calibration", "n": 9}, {"curve": "calibration", "n": 10}]
    write("biomarkers/endotype/curves.tsv", [curve | point for point in points])
    Path("results/biomarkers/endotype/model_card.md").write_text("# Model card\n\nResearch only.\n")
    write("biomarkers/endotype/tripod_ai.tsv", [{"item": "18a", "status": "by hand"}])
    Path("results/biomarkers/endotype/tripod_ai.md").write_text("# TRIPOD+AI\n")
    write("biomarkers/endotype/training.tsv", [{"kind": "group", "name": "sex", "level": "F", "n": 2}])
    write_model({"format": "2", "status": "not run"}, "results/biomarkers/endotype/model.skops")
    shutil.copytree(drawn, "results/figures")
    Path("my.yaml").write_text(yaml.safe_dump({"data_root": str(tmp_path), "reference": {"genome": "/data/hg38.fa"}}))
    return load_config(BASE_CONFIG, "my.yaml")


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def read(place):
    return pd.read_csv(f"bundle/{place}", sep="\t", dtype=str, keep_default_na=False)


def test_a_bundle_holds_the_cohort_and_nobody(config):
    told = write_release(config, Path("bundle"), SECRET)
    assert set(contents(Path("bundle"))) == {
        "MANIFEST.sha256",
        "README.md",
        "config.yaml",
        "software.tsv",
        "intake/left_out.tsv",
        "intake/completeness.tsv",
        "qc/by_site.tsv",
        "qc/summary.tsv",
        "labels/counts.tsv",
        "rna/genes.tsv",
        "proteome/assays.tsv",
        "microbiome/oral_genera.tsv",
        "biomarkers/endotype/performance.tsv",
        "biomarkers/endotype/folds.tsv",
        "biomarkers/endotype/curves.tsv",
        "biomarkers/endotype/model_card.md",
        "biomarkers/endotype/tripod_ai.tsv",
        "biomarkers/endotype/tripod_ai.md",
        "biomarkers/endotype/coefficients.tsv",
        "figures/04_pca_rna.png",
        *(f"figures/05_mofa_variance.{ending}" for ending in ("pdf", "png", "svg", "tsv")),
        *(f"figures/07_roc_endotype.{ending}" for ending in ("pdf", "png", "svg")),
    }
    assert scan_folder(Path("bundle"), watchlist(set(PEOPLE), SECRET)) == []
    assert "nothing found" in told[-2]
    assert read("qc/by_site.tsv")["site"].tolist() == sorted(surrogate(SECRET, "site", s, prefix="S") for s in SITES)
    assert read("intake/left_out.tsv").to_numpy().tolist() == [["rna", "*", "<5"]]
    assert read("microbiome/oral_genera.tsv")["genus"].tolist() == ["Prevotella"]
    assert read("labels/counts.tsv")["participants"].tolist() == ["<5", "*"]
    assert read("intake/completeness.tsv").iloc[0].to_dict() == {
        "layer": "rna", "specimen": "", "visit_day": "1", "collected": "*", "died": "<5",
    }  # fmt: skip
    assert read("biomarkers/endotype/curves.tsv")["n"].tolist() == ["", "10"]
    assert read("biomarkers/endotype/folds.tsv")[["fold_1", "fold_2"]].to_numpy().tolist() == [["10", "10"]]
    assert read("proteome/assays.tsv")["symbol"].tolist() == ["IL6"]  # IL1RN reads anakinra, and the role is blinded
    assert len(read("software.tsv")) > 10


def test_the_configuration_goes_without_its_paths(config):
    write_release(config, Path("bundle"), SECRET)
    shared = yaml.safe_load(Path("bundle/config.yaml").read_text())
    assert shared["reference"]["genome"] == shared["data_root"] == shared["manifest"] == "(path)"
    assert shared["endotype"] == config["endotype"]
    assert shared["qc"] == config["qc"]  # with the sources of the numbers


def test_the_manifest_of_the_bundle_is_true(config):
    write_release(config, Path("bundle"), SECRET)
    lines = Path("bundle/MANIFEST.sha256").read_text().splitlines()
    listed = dict(line.split("  ")[::-1] for line in lines)
    files = contents(Path("bundle"))
    del files["MANIFEST.sha256"]
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_the_same_run_gives_the_same_bytes(config):
    for name in ("one", "two", "one.zip", "two.zip"):
        write_release(config, Path(name), SECRET)
    assert contents(Path("one")) == contents(Path("two"))
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()
    with zipfile.ZipFile("one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == contents(Path("one"))


def test_small_classes_take_models_and_their_figures_out(config):
    write("biomarkers/endotype/performance.tsv", performance(3))
    write_release(config, Path("bundle"), SECRET)
    names = set(contents(Path("bundle")))
    assert not any(
        "07_roc" in name or "model_card" in name or "tripod" in name or "coefficients" in name for name in names
    )
    assert "fewer than 5 participants" in Path("bundle/README.md").read_text()


def test_a_control_tells_its_performance_alone_and_no_site(config):
    classes = ["site GR03", "country RO", "macro"]
    counts = {"n": 20, "n_positive": [9, 11, ""], "auroc": 0.8, "model": "rna", "feature_set": "full"}
    table = pd.DataFrame({"task": "control_site", "class": classes, **counts})
    write("biomarkers/control_site/performance.tsv", table)
    write("biomarkers/control_site/permutations.tsv", table)
    write("biomarkers/control_site/curves.tsv", table)
    write_release(config, Path("bundle"), SECRET)
    assert [name for name in contents(Path("bundle")) if "control_site" in name] == [
        "biomarkers/control_site/performance.tsv"
    ]
    told = read("biomarkers/control_site/performance.tsv")["class"].tolist()
    assert told == [f"site {surrogate(SECRET, 'site', 'GR03', prefix='S')}", "country RO", "macro"]


def test_what_the_table_does_not_know_is_named_and_not_released(config):
    write("intake/tomorrow.tsv", {"site": ["GR03"]})
    told = write_release(config, Path("bundle"), SECRET)
    assert "  results/intake/tomorrow.tsv" in told
    assert "intake/tomorrow.tsv" not in contents(Path("bundle"))
    assert "1 other file(s)" in Path("bundle/README.md").read_text()


@pytest.mark.parametrize("text", [f"GR03-{PEOPLE[0][1]}", "/data/trial/x", "ran on biobank-node7", "2024-02-29"])
def test_a_finding_of_the_scanner_leaves_no_bundle(config, text):
    Path("results/biomarkers/endotype/model_card.md").write_text(f"# Model card\n\n{text}\n")
    with pytest.raises(InputError, match=r"model_card\.md") as error:
        write_release(config, Path("out/bundle"), SECRET)
    assert text not in str(error.value)
    assert list(Path("out").iterdir()) == []


def test_a_bundle_is_never_written_over_and_never_empty(config, tmp_path, monkeypatch):
    Path("bundle").mkdir()
    with pytest.raises(InputError, match="is there already"):
        write_release(config, Path("bundle"), SECRET)
    Path("withdrawals").mkdir()
    Path("withdrawals/unfinished.json").touch()
    with pytest.raises(InputError, match="unfinished"):
        write_release(config, Path("other"), SECRET)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(InputError, match="no results"):
        write_release(config, Path("other"), SECRET)


def test_every_aggregate_has_its_maker():
    assert {output.pattern for output in OUTPUTS if output.release == "aggregate"} == set(MAKERS)
    assert {output.release for output in OUTPUTS} == {"share", "aggregate", "keep"}
    assert {output.scope for output in OUTPUTS} == {"public", "library", "layer", "cohort"}
    assert len({output.pattern for output in OUTPUTS}) == len(OUTPUTS)


def test_no_row_of_the_table_is_hidden_by_one_before():
    for output in OUTPUTS:
        example = output.pattern + ("x" if output.pattern.endswith("/") else "")
        words = {"<layer>": "rna", "<body site>": "oral", "<library>": "GR03-012345678-D01-rna", "<task>": "endotype"}
        for word, value in {**words, "<name>": "zzz"}.items():
            example = example.replace(word, value)
        found = find_output(example)
        assert found is not None
        assert found[0] is output, example
    assert find_output("atac/rna.h5ad") is None
    assert find_output("rna/x/../../etc") is None or "keep" in find_output("rna/x/../../etc")[0].release


def test_every_output_of_the_contract_is_in_the_table():
    """A file that results/README.md promises and the table does not know would never be released, without a reason."""
    page = (ROOT / "results/README.md").read_text(encoding="utf-8").partition("## What may be shared")[0]
    folder, unknown = "", []
    for line in page.splitlines():
        if match := re.match(r"In `([a-z<>/]+/)`", line):
            folder = match[1]
        elif line.startswith("## "):
            folder = ""
        if not line.startswith("| `"):
            continue
        stem = ""
        for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
            if not re.search(r"[./]|^\d\d_", name):
                continue  # names of columns
            if name.startswith("."):
                name = stem + name
            elif "/" not in name and folder == "" and re.match(r"\d\d_", name):
                name = f"figures/{name}.png"
            elif "/" not in name:
                name = (folder or f"{stem.rpartition('/')[0]}/") + name
            stem = name.rpartition(".")[0]
            example = name + ("x" if name.endswith("/") else "")
            for word, value in {
                "<layer>": "rna", "<body site>": "oral", "<library>": "GR03-012345678-D01-rna", "<task>": "endotype",
                "<run>": "R1", "<endotype>": "SII",
            }.items():  # fmt: skip
                example = example.replace(word, value)
            if find_output(example) is None:
                unknown.append(name)
    assert unknown == []
    assert set(LAYERS) >= {"rna", "atac", "proteome", "microbiome"}
