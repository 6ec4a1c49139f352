"""The rules from reads on a genome of 30 kb: what the filters keep is known; a library without reads is no error."""

import gzip

import numpy as np
import pandas as pd
import pytest
import yaml

from support.runs import assert_success, snakemake
from support.trial import FIRST, SECOND, Trial, sample

pytestmark = pytest.mark.slow

LETTERS = np.array(list("ACGT"))
COMPLEMENT = str.maketrans("ACGT", "TGCA")
READ = 50
GENE = (4000, 6000)


def sequence(rng, n):
    return "".join(LETTERS[rng.integers(0, 4, n)])


def reverse(text):
    return text.translate(COMPLEMENT)[::-1]


def write_fastq(folder, row, pairs):
    """Write the two files of a library; `pairs` are sequences of the first and the second mate."""
    for mate in (1, 2):
        with gzip.open(folder / row[f"fastq_{mate}"], "wt") as handle:
            for number, pair in enumerate(pairs):
                read = pair[mate - 1]
                handle.write(f"@read{number}/{mate}\n{read}\n+\n{'I' * len(read)}\n")


def ends(genome, start, end, flip):
    """Return the mates of a fragment, as a sequencer reads them from its two ends."""
    fragment = genome[start:end]
    mates = fragment[:READ], reverse(fragment)[:READ]
    return mates[::-1] if flip else mates


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Working folder after the run, and the fragments planted in the good ATAC library."""
    rng = np.random.default_rng(11)
    folder = tmp_path_factory.mktemp("reads")
    genome = {"chr1": sequence(rng, 30_000), "chrM": sequence(rng, 2_000)}
    (folder / "genome.fa").write_text("".join(f">{name}\n{text}\n" for name, text in genome.items()))
    (folder / "transcripts.fa").write_text(f">ENST00000000001.1\n{genome['chr1'][slice(*GENE)]}\n")
    names = 'gene_id "ENSG00000000001.1"; gene_name "CD74"; transcript_id "ENST00000000001.1";'
    (folder / "genes.gtf").write_text(f"chr1\tx\ttranscript\t{GENE[0] + 1}\t{GENE[1]}\t.\t+\t.\t{names}\n")
    (folder / "blacklist.bed").write_text("chr1\t20000\t22000\n")

    trial = Trial(folder)
    trial.manifest = [
        *(sample(FIRST, day, "atac", "atacseq", "pbmc") for day in ("1", "2", "4")),
        *(sample(SECOND, day, "rna", "rnaseq", "whole_blood", strandedness="ISR") for day in ("1", "2")),
        sample(SECOND, "4", "rna", "rnaseq", "whole_blood", run="R1", strandedness="SR"),
        sample(SECOND, "4", "rna", "rnaseq", "whole_blood", run="R2", strandedness="SR"),
    ]
    single = trial.manifest[5:]
    for lane, row in enumerate(single):
        row |= {"fastq_1": f"raw/lane_{'ab'[lane]}.fastq.gz", "fastq_2": ""}
    trial.write()

    start = rng.integers(100, 29_000, 300)
    length = rng.integers(READ + 1, 600, 300)
    copies = np.where(np.arange(300) < 40, 3, 1)
    planted = pd.DataFrame({"start": start, "end": start + length, "copies": copies}).drop_duplicates(["start", "end"])
    planted = planted[planted["end"] < 30_000]
    pairs = [
        ends(genome["chr1"], row.start, row.end, flip=bool(number % 2))
        for number, row in enumerate(planted.itertuples())
        for _ in range(row.copies)
    ]
    pairs += [ends(genome["chrM"], at, at + 200, flip=False) for at in range(100, 1_100, 10)]
    alien = [(sequence(rng, READ), sequence(rng, READ)) for _ in range(200)]
    gene = [ends(genome["chr1"], at, at + 180, flip=True) for at in range(*GENE, 10) if at + 180 <= GENE[1]]
    contents = [pairs, [], alien, [], alien]
    for row, content in zip(trial.manifest, contents, strict=False):
        write_fastq(folder, row, content)
    for lane, row in enumerate(single):
        with gzip.open(folder / row["fastq_1"], "wt") as handle:
            handle.writelines(f"@l{lane}_{i}\n{r[0]}\n+\n{'I' * READ}\n" for i, r in enumerate(gene[lane::2]))

    config = {key: trial.config[key] for key in ("role", "manifest", "sites", "data_root", "clinical", "sealed")}
    config["reference"] = {
        "genome": "genome.fa",
        "annotation": "genes.gtf",
        "transcriptome": "transcripts.fa",
        "blacklist": "blacklist.bed",
        "effective_genome_size": 30_000,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    targets = ["results/rna/qc_metrics.tsv", "results/atac/qc_metrics.tsv"]
    assert_success(snakemake(folder, *targets, configfile=folder / "config.yaml"))
    return folder, planted, len(gene)


def metrics(folder, layer):
    table = pd.read_csv(folder / f"results/{layer}/qc_metrics.tsv", sep="\t")
    return table.pivot(index="library", columns="metric", values="value")


def test_fragments_are_those_planted(run):
    folder, planted, _ = run
    allowed = planted[(planted["end"] - 5 <= 20_000) | (planted["start"] + 4 >= 22_000)]
    assert len(allowed) < len(planted)
    wanted = {(row.start + 4, row.end - 5, row.copies) for row in allowed.itertuples()}
    columns = ["chrom", "start", "end", "library", "copies"]
    found = pd.read_csv(
        folder / "results/atac/GR03-012345678-D01-atac/fragments.tsv.gz", sep="\t", header=None, names=columns
    )
    assert set(found["chrom"]) == {"chr1"}
    assert set(zip(found["start"], found["end"], found["copies"], strict=True)) == wanted
    assert len(found) == len(wanted)


def test_metrics_of_the_good_atac_library(run):
    folder, planted, _ = run
    row = metrics(folder, "atac").loc["GR03-012345678-D01-atac"]
    pairs = planted["copies"].sum() + 100
    assert row["read_pairs"] == pairs
    assert row["mapped_fraction"] == 1
    assert row["mitochondrial_fraction"] == pytest.approx(100 / pairs, rel=1e-5)
    assert 0.7 < row["nrf"] < 0.9


def test_atac_libraries_without_aligned_reads(run):
    table = metrics(run[0], "atac")
    for name, reads in (("GR03-012345678-D02-atac", 0), ("GR03-012345678-D04-atac", 200)):
        assert table.loc[name, ["read_pairs", "fragments", "mapped_fraction", "peaks"]].tolist() == [reads, 0, 0, 0]


def test_rna_libraries_without_mapped_reads(run):
    table = metrics(run[0], "rna")
    for name, reads in (("RO06-987654321-D01-rna", 0), ("RO06-987654321-D02-rna", 200)):
        assert table.loc[name, ["read_pairs", "mapped_fraction", "assigned_fragments"]].tolist() == [reads, 0, 0]


def test_single_reads_of_two_lanes(run):
    folder, _, reads = run
    row = metrics(folder, "rna").loc["RO06-987654321-D04-rna"]
    assert row[["read_pairs", "assigned_fragments"]].tolist() == [reads, reads]
    assert row["strand_agreement"] == 1
