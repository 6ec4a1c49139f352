"""R scripts of the 16S layer, run as Snakemake runs them: on reads whose origin is known, and on none."""

import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from immunosep.io import read_table

SCRIPTS = Path(__file__).parents[2] / "scripts" / "microbiome"
pytestmark = [
    pytest.mark.r,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs Rscript with dada2"),
]
SETTINGS = "list(trunc_len = c(0, 0), max_ee = c(2, 2), trunc_q = 2, min_overlap = 12)"


def run_r(script, folder, *, threads=1, before="", **slots):
    """Source a script with the object that Snakemake gives it; `before` is R code that runs first."""
    given = ", ".join(f"{name} = {value}" for name, value in slots.items())
    (folder / "run.R").write_text(
        'setClass("Snakemake", slots = c(input = "list", output = "list", params = "list", log = "list",'
        ' threads = "numeric"))\n'
        f'snakemake <- new("Snakemake", log = list("rule.log"), threads = {threads}, {given})\n'
        f'{before}\nsource("{SCRIPTS / script}")\n'
    )
    done = subprocess.run(["Rscript", "run.R"], cwd=folder, capture_output=True, text=True)
    log = (folder / "rule.log").read_text() if (folder / "rule.log").exists() else ""
    if "there is no package called" in done.stderr + log:
        pytest.skip("needs the R package dada2")
    assert done.returncode == 0, done.stderr + log


def complement(sequence):
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def write_pairs(folder, name, templates):
    """Write pairs of 2 x 160 from templates of 250 bases, with qualities that fall and errors that follow them."""
    random = np.random.default_rng(len(name))
    quality = np.linspace(38, 26, 160).round().astype(int)
    text = "".join(chr(33 + q) for q in quality)

    def read(sequence):
        letters = np.array(list(sequence[:160]))
        wrong = random.random(160) < 10 ** (-quality / 10)
        letters[wrong] = random.choice(list("ACGT"), wrong.sum())
        return "".join(letters)

    with (
        gzip.open(folder / f"{name}_1.fastq.gz", "wt") as first,
        gzip.open(folder / f"{name}_2.fastq.gz", "wt") as second,
    ):
        for i, template in enumerate(templates):
            first.write(f"@r{i}\n{read(template)}\n+\n{text}\n")
            second.write(f"@r{i}\n{read(complement(template))}\n+\n{text}\n")


def denoise(folder, names, run, threads=1, before=""):
    def files(mate):
        return "c(" + ", ".join(f'"{name}_{mate}.fastq.gz"' for name in names) + ")"

    libraries = "c(" + ", ".join(f'"{name}"' for name in names) + ")"
    run_r(
        "denoise_run.R",
        folder,
        threads=threads,
        before=before,
        input=f"list(fastq_1 = {files(1)}, fastq_2 = {files(2)})",
        output=f'list(sequences = "{run}.rds", tracking = "{run}.tsv")',
        params=f"list(libraries = {libraries}, settings = {SETTINGS}, seed = 1)",
    )
    return read_table(folder / f"{run}.tsv").set_index("library")


def find_chimeras(folder, runs):
    paths = "c(" + ", ".join(f'"{run}.rds"' for run in runs) + ")"
    run_r(
        "find_chimeras.R",
        folder,
        input=f"list(sequences = {paths})",
        output='list(counts = "counts.tsv", sequences = "sequences.tsv")',
        params="list()",
    )
    return read_table(folder / "counts.tsv"), read_table(folder / "sequences.tsv")


def test_known_templates_come_back_with_their_counts(tmp_path):
    random = np.random.default_rng(1)
    a, b, c = ("".join(random.choice(list("ACGT"), 250)) for _ in range(3))
    chimera = a[:120] + b[120:]
    write_pairs(tmp_path, "one", [a] * 300 + [b] * 200 + [chimera] * 40)
    write_pairs(tmp_path, "two", [b] * 150 + [c] * 250)
    write_pairs(tmp_path, "empty", [])
    tracking = denoise(tmp_path, ["empty", "one", "two"], "r1")
    assert (tracking.loc["empty"] == "0").all()
    assert int(tracking.loc["one", "merged"]) > 450
    again = tmp_path / "again"
    again.mkdir()
    for path in tmp_path.glob("*.fastq.gz"):
        shutil.copy(path, again)
    denoise(again, ["empty", "one", "two"], "r1", threads=2)
    assert (again / "r1.rds").read_bytes() == (tmp_path / "r1.rds").read_bytes(), "threads change nothing"

    # The same library in a second run: counts add up.
    denoise(tmp_path, ["two"], "r2")
    counts, sequences = find_chimeras(tmp_path, ["r1", "r2"])
    assert set(sequences["sequence"]) == {a, b, c, chimera}
    assert sequences.set_index("sequence")["chimera"].to_dict() == {a: "no", b: "no", c: "no", chimera: "yes"}
    table = counts.astype({"count": int}).pivot(index="library", columns="sequence", values="count").fillna(0)
    assert table.loc["one", a] == pytest.approx(300, rel=0.1)
    assert table.loc["one", b] == pytest.approx(200, rel=0.1)
    assert table.loc["two", c] == pytest.approx(500, rel=0.1)
    assert table.loc["two", a] == 0


def test_a_run_of_blanks_without_reads_is_a_result(tmp_path):
    write_pairs(tmp_path, "blank", [])
    tracking = denoise(tmp_path, ["blank"], "r1")
    assert list(tracking.loc["blank"]) == ["0"] * 4
    counts, sequences = find_chimeras(tmp_path, ["r1"])
    assert list(counts.columns) == ["library", "sequence", "count"]
    assert counts.empty
    assert sequences.empty


def test_round_numbers_of_reads_are_written_out(tmp_path):
    """R writes the double 100000 as 1e+05, which is no whole number to the next step."""
    write_pairs(tmp_path, "one", ["ACGTTGCA" * 30])
    stand_ins = """
    filterAndTrim <- function(...) matrix(100000, 1, 1, dimnames = list(NULL, "reads.out"))
    learnErrors <- function(...) NULL
    derepFastq <- dada <- function(...) NULL
    mergePairs <- function(...) data.frame(abundance = 100000)
    makeSequenceTable <- function(...) matrix(100000L, 1, 1, dimnames = list("one", "A"))
    """
    tracking = denoise(tmp_path, ["one"], "r1", before=stand_ins)
    assert tracking.loc["one", ["filtered", "merged"]].tolist() == ["100000", "100000"]
