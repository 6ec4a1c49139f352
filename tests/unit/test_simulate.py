"""The synthetic cohort: reproducible bytes, a design that holds what it promises, reads that agree with the truth."""

import gzip
import re
import stat
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.sealed import read_record, sealed_folder, unseal
from immunosep.simulate.accessibility import draw_sizes, read_through
from immunosep.simulate.amplicons import build_reference
from immunosep.simulate.catalogue import Y_GENES
from immunosep.simulate.courses import split_total
from immunosep.simulate.fastq import complement, reverse_complement, sequence, substitute, text_to_bases, write_gzip
from immunosep.simulate.genome import build_genome
from immunosep.simulate.participants import Trial, draw_trial, split_sites
from immunosep.simulate.reads import simulate_reads, write_design
from immunosep.simulate.seeds import generator
from immunosep.simulate.truth_labels import carried_forward, endotype_of, reversal_of, true_labels
from support.trial import SCHEDULE, read_clinical

SOFA_DAYS = [*range(1, 16), 21, 28]
COMPLEMENT = str.maketrans("ACGT", "TGCA")
IUPAC = str.maketrans({"Y": "[CT]", "M": "[AC]", "N": "[ACGT]", "V": "[ACG]", "W": "[AT]"})


def config(participants=36, screen_failures=4, rna=400, atac=400, amplicon=200):
    return {
        "simulate": {
            "participants": participants,
            "screen_failures": screen_failures,
            "rna_pairs": rna,
            "atac_pairs": atac,
            "amplicon_pairs": amplicon,
        },
        "schedule": {"sofa_days": SOFA_DAYS},
    }


def read(path):
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def fastq(path):
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return lines[0::4], lines[1::4], lines[3::4]


def fasta(path):
    blocks = gzip.decompress(path.read_bytes()).decode().split(">")[1:]
    return {block.split("\n", 1)[0]: block.split("\n", 1)[1].replace("\n", "") for block in blocks}


def flip(text):
    return text.translate(COMPLEMENT)[::-1]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Eight participants with a few hundred read pairs per library."""
    out = tmp_path_factory.mktemp("small")
    simulate_reads(config(8, 2), out, seed=1)
    return out


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    """The demonstration's design, with empty raw files."""
    out = tmp_path_factory.mktemp("design")
    write_design(config(), out, seed=1)
    return out


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- bytes -----------------------------------------------------------------------------------------------------------


def test_same_seed_gives_same_bytes_in_every_file(small, tmp_path):
    simulate_reads(config(8, 2), tmp_path, seed=1)
    first, second = contents(small), contents(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert len(first) > 100


def test_another_seed_gives_other_people_and_reads(small, tmp_path):
    simulate_reads(config(8, 2, rna=50, atac=50, amplicon=50), tmp_path, seed=2)
    for name in ("manifest.tsv", "clinical/visits.tsv", "reference/genome.fa.gz", "raw/proteome/npx.csv"):
        assert (small / name).read_bytes() != (tmp_path / name).read_bytes()


def test_gzip_carries_neither_time_nor_name(tmp_path):
    digest = write_gzip(tmp_path / "a.gz", b"ACGT")
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed[3] == 0  # no flags: no file name
    assert packed[4:8] == b"\0\0\0\0"  # no time
    assert len(digest) == 64


def test_streams_are_independent_and_named():
    assert generator(1, "a").random() == generator(1, "a").random()
    values = {generator(*key).random() for key in ((1, "a"), (2, "a"), (1, "b"), (1, "a", "b"), (1, "ab"))}
    assert len(values) == 5


def test_design_has_the_same_tables_as_the_full_run(small, tmp_path):
    write_design(config(8, 2), tmp_path, seed=1)
    for name in ("clinical/participants.tsv", "clinical/visits.tsv", "truth/labels.tsv"):
        assert (small / name).read_bytes() == (tmp_path / name).read_bytes()
    assert contents(sealed_folder(small)) == contents(sealed_folder(tmp_path))
    columns = [name for name in read(small / "manifest.tsv") if not name.endswith("sha256")]
    pd.testing.assert_frame_equal(read(small / "manifest.tsv")[columns], read(tmp_path / "manifest.tsv")[columns])
    rows = read(tmp_path / "manifest.tsv")
    assert all((tmp_path / name).is_file() for name in [*rows["fastq_1"], *rows["fastq_2"], *rows["table"]] if name)


def test_manifest_holds_the_digest_of_each_file(small):
    import hashlib

    rows = read(small / "manifest.tsv").query("fastq_1 != ''")
    for mate in ("fastq_1", "fastq_2"):
        found = [hashlib.sha256((small / name).read_bytes()).hexdigest() for name in rows[mate]]
        assert found == rows[f"{mate}_sha256"].tolist()


# ---- design ----------------------------------------------------------------------------------------------------------


def test_people(design):
    people = read(design / "clinical/participants.tsv")
    enrolled = people[people["randomised"] == "yes"]
    assert (len(people), len(enrolled)) == (40, 36)
    assert enrolled["country"].nunique() == 4
    assert enrolled["site"].nunique() == 6
    assert enrolled["site"].value_counts().nunique() > 1
    assert people["participant_code"].str.fullmatch("[0-9]{9}").all()
    assert people["participant_code"].str.startswith("0").sum() >= 5
    shared = people[people.duplicated("participant_code", keep=False)]
    assert sorted(shared["site"]) == ["GR03", "RO06"]
    assert not people.duplicated(["site", "participant_code"]).any()
    truth = read(design / "truth/labels.tsv")
    assert Counter(truth["endotype"]) == {"MALS": 14, "SII": 22, "unclassified": 4}
    assert (enrolled["consent"] == "withdrawn").sum() == 1
    assert (enrolled["dosed"] == "no").sum() == 1
    deaths = enrolled.loc[enrolled["death_day"] != "", "death_day"].astype(int)
    assert (deaths < 9).any()
    assert (deaths == 9).any()
    assert (deaths > 28).any()


def test_nobody_is_scored_after_leaving(design):
    people = read(design / "clinical/participants.tsv")
    visits = read(design / "clinical/visits.tsv").merge(people, on=["site", "participant_code"], validate="m:1")
    for name in ("death_day", "discharge_day", "withdrawn_day", "last_contact_day"):
        ended = visits[visits[name] != ""]
        assert (ended["visit_day"].astype(int) <= ended[name].astype(int)).all(), name
    scored = visits[(visits["sofa_total"] != "") & (visits["sofa_cns"] != "")]
    parts = [f"sofa_{part}" for part in ("respiration", "coagulation", "liver", "cardiovascular", "cns", "renal")]
    assert (scored[parts].astype(int).sum(axis=1) == scored["sofa_total"].astype(int)).all()
    assert scored[parts].astype(int).to_numpy().max() <= 4
    assert (visits["sofa_total"] == "").any()


def test_boundary_values_are_in_the_tables(design):
    lab = read(sealed_folder(design) / "classification.tsv")
    values = set(zip(lab["ferritin"], lab["hladr"], strict=True))
    for case in (("4420", "3000"), ("4420", "4999"), ("4420", "5000"), ("4421", "20000"), ("4420.01", "3000")):
        assert case in values
    visits = read(design / "clinical/visits.tsv").query("visit_day == '15'")
    assert {"4250", "4251"} <= set(visits["ferritin"])
    assert {"8000", "8001"} <= set(visits["hladr"])


def test_boundary_labels(design):
    lab = read(sealed_folder(design) / "classification.tsv")
    lab["participant"] = lab["site"] + "-" + lab["participant_code"]
    truth = read(design / "truth/labels.tsv").merge(lab, on="participant", validate="1:1")
    day15 = read(design / "clinical/visits.tsv").query("visit_day == '15'")[
        ["site", "participant_code", "ferritin", "hladr"]
    ]
    both = truth.merge(day15, on=["site", "participant_code"], suffixes=("", "_15"))

    def one(table, **keys):
        for name, value in keys.items():
            table = table[table[name] == value]
        assert len(table) == 1
        return table.iloc[0]

    assert one(truth, ferritin="4420", hladr="3000")["endotype"] == "SII"
    assert one(truth, ferritin="4420", hladr="5000")["endotype"] == "unclassified"
    assert one(truth, ferritin="4420.01", hladr="3000")[["endotype", "both_criteria"]].tolist() == ["MALS", "yes"]
    assert one(truth, ferritin="4421", hladr="20000")["endotype"] == "MALS"
    assert one(both, ferritin="5000", ferritin_15="4250")["reversal_d15"] == "reversed"
    assert one(both, ferritin="5000", ferritin_15="4251")["reversal_d15"] == "not_reversed"
    assert one(both, hladr_15="8000")["reversal_d15"] == "not_reversed"
    assert one(both, hladr_15="8001")["reversal_d15"] == "reversed"


def test_samples(design):
    rows = read(design / "manifest.tsv")
    people = read(design / "clinical/participants.tsv")
    samples = rows[rows["sample_type"] == "sample"].merge(people, on=["site", "participant_code"], validate="m:1")
    assert (samples["randomised"] == "yes").all()
    taken = samples[samples["collected"] == "yes"]
    for name in ("death_day", "withdrawn_day", "discharge_day"):
        ended = taken[taken[name] != ""]
        assert (ended["visit_day"].astype(int) <= ended[name].astype(int)).all(), name
    assert set(samples.loc[samples["collected"] == "no", "missing_reason"]) >= {"died", "missed", "insufficient"}
    key = ["site", "participant_code", "visit_day", "layer", "specimen"]
    assert not samples.duplicated([*key, "run"]).any()
    number = taken.drop_duplicates(key).groupby("layer").size()
    assert 44 <= number["rna"] <= 50
    assert 38 <= number["atac"] <= 42
    assert 66 <= number["microbiome"] <= 74
    assert 58 <= number["proteome"] <= 64
    day_one = taken[taken["visit_day"] == "1"].groupby(["layer", "participant_code"]).size().groupby("layer").size()
    assert day_one["rna"] >= 33
    assert day_one["atac"] >= 30
    lanes = taken[taken["layer"] == "rna"].groupby(key).size()
    assert (lanes == 2).sum() >= 4
    files = rows.loc[rows["fastq_1"] != "", ["fastq_1", "fastq_2"]].to_numpy().ravel()
    assert len(set(files)) == len(files)
    wells = rows[rows["collected"] == "yes"].drop_duplicates(["layer", "batch", "well", "site", "participant_code"])
    assert not wells.duplicated(["layer", "plate", "well"]).any()


def test_controls(design):
    rows = read(design / "manifest.tsv")
    controls = rows[rows["sample_type"] != "sample"]
    assert (controls[["site", "sample_code", "participant_code", "visit_day"]] == "").all(axis=None)
    number = controls.groupby(["layer", "sample_type"]).size().to_dict()
    assert number == {
        ("microbiome", "negative_control"): 4,
        ("microbiome", "positive_control"): 1,
        ("proteome", "negative_control"): 10,
        ("proteome", "pool"): 4,
        ("proteome", "positive_control"): 4,
    }
    assert controls.loc[controls["layer"] == "microbiome", "run"].nunique() == 2


def test_planted_problems(design):
    failed = read(design / "truth/failed_libraries.tsv")
    assert sorted(failed["layer"]) == ["atac", "microbiome", "proteome", "rna"]
    swaps = read(design / "truth/swaps.tsv")
    assert Counter(swaps["kind"]) == {"participant": 2, "body_site": 2, "declared_sex": 1}
    first, second = swaps[swaps["kind"] == "participant"].itertuples()
    assert (first.name, first.actual) == (second.actual, second.name)
    assert first.name[:14] != second.name[:14]
    first, second = swaps[swaps["kind"] == "body_site"].itertuples()
    assert first.name[:14] == second.name[:14]
    assert {first.name.rsplit("-", 1)[1], second.name.rsplit("-", 1)[1]} == {"oral", "rectum"}
    assert not set(failed["library"]) & set(swaps["name"])
    batches = read(design / "truth/batches.tsv")
    assert batches.to_numpy().tolist() == [["rna", "RB03", "MALS"]]


def test_sealed_tables_are_private_recorded_and_not_in_the_cohorts_folder(design):
    assert not (design / "sealed").exists()
    names = []
    for path in sealed_folder(design).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        names.append(path.name)
    assert sorted(names) == ["allocation.tsv", "classification.tsv", "unblinding.tsv"]
    entries = read_record(sealed_folder(design) / "unblinding.tsv")
    assert {(entry.table, entry.role) for entry in entries} == {
        ("allocation", "unblinded"),
        ("classification", "unblinded"),
    }


def clinical_config(folder, **changes):
    paths = {
        "participants": folder / "clinical/participants.tsv",
        "visits": folder / "clinical/visits.tsv",
        "classification": sealed_folder(folder) / "classification.tsv",
        "allocation": sealed_folder(folder) / "allocation.tsv",
        "record": sealed_folder(folder) / "unblinding.tsv",
    } | changes
    paths = {name: str(path) for name, path in paths.items()}
    return {
        "role": "unblinded",
        "sites": str(folder / "sites.tsv"),
        "clinical": {name: paths[name] for name in ("participants", "visits")} | {"labels": None},
        "sealed": {name: paths[name] for name in ("classification", "allocation", "record")},
        "endotype": {"ferritin_cut": 4420, "hladr_cut": 5000},
        "schedule": SCHEDULE | {"sofa_days": SOFA_DAYS},
    }


def test_clinical_tables_pass_intake_and_the_broken_ones_do_not(design, tmp_path):
    assert len(read_clinical(clinical_config(design)).participants) == 40
    broken = {name: design / f"truth/broken/{name}.tsv" for name in ("visits", "classification")}
    config = clinical_config(design, **broken, record=tmp_path / "unblinding.tsv")
    unseal(config, "unblinded", "test statistician")
    with pytest.raises(InputError) as caught:
        read_clinical(config)
    assert "4.420" in str(caught.value)
    assert "%" in str(caught.value)


def test_sites_share_the_people_by_size():
    assert split_sites(36).sum() == 36
    assert split_sites(8).min() == 1
    assert split_sites(4).sum() == 4
    assert split_sites(280).argmax() == 0


@pytest.mark.parametrize("total", [0, 7, 23, 24])
def test_sofa_components_sum_to_the_total(total):
    parts = split_total(total, np.array([0.6, 0.1, 0.1, 0.1, 0.05, 0.05]))
    assert sum(parts) == total
    assert max(parts) <= 4


# ---- truth labels, by hand -------------------------------------------------------------------------------------------


def test_carried_forward():
    assert carried_forward({1: 10, 4: 7, 9: 2}) == [10, 10, 10, 7, 7, 7, 7, 7, 2]
    assert carried_forward({0: 8, 2: 6}) == [8, 6, 6, 6, 6, 6, 6, 6, 6]
    assert carried_forward({1: 5, 0: 9}) == [5] * 9
    assert carried_forward({2: 5}) == []


@pytest.mark.parametrize(
    ("ferritin", "hladr", "expected"),
    [(4420, 3000, "SII"), (4421, 20000, "MALS"), (4420, 5000, "unclassified"), (4420, 4999, "SII")],
)
def test_endotype_rule(ferritin, hladr, expected):
    assert endotype_of(ferritin, hladr) == expected


def test_reversal_rule():
    assert reversal_of("MALS", 5000, {15: 4250}, 0) == "reversed"
    assert reversal_of("MALS", 5000, {15: 4251}, 0) == "not_reversed"
    assert reversal_of("SII", 3000, {15: 8000}, 0) == "not_reversed"
    assert reversal_of("SII", 3000, {14: 8001}, 0) == "reversed"
    assert reversal_of("SII", 3000, {7: 9000}, 0) == "reversed"  # carried forward
    assert reversal_of("SII", 3000, {}, 0) == "not_reversed"
    assert reversal_of("MALS", 5000, {7: 100}, 12) == "dead"


def test_labels_of_a_trial_written_by_hand():
    people = pd.DataFrame(
        {
            "participant": ["S-1", "S-2", "S-3"],
            "site": "S",
            "participant_code": ["1", "2", "3"],
            "randomised": ["yes", "yes", "no"],
            "death_day": [0, 9, 0],
            "last_contact_day": [90, 9, 0],
        }
    )
    lab = pd.DataFrame({"ferritin": ["5000", "300", "300"], "hladr": ["4000", "2000", "6000"]})
    # First: 10 then 8 to day 9: mean 74/9, decrease 16/9 >= 1.4. Second falls more, but dies on day 9.
    visits = pd.DataFrame(
        [("S", "1", "1", "10"), ("S", "1", "2", "8"), ("S", "2", "1", "12"), ("S", "2", "3", "4")],
        columns=["site", "participant_code", "visit_day", "sofa_total"],
    ).assign(sofa_cns="", ferritin="", hladr="")
    labels = true_labels(Trial(people, visits, lab)).set_index("participant")
    assert labels.loc["S-1", ["endotype", "both_criteria", "mean_sofa_d9", "sofa_response"]].tolist() == [
        "MALS", "yes", "8.22222", "response",
    ]  # fmt: skip
    assert labels.loc["S-2", ["sofa_response", "reversal_d15", "time_to_death_28", "event_28"]].tolist() == [
        "nonresponse", "dead", "9", "1",
    ]  # fmt: skip
    assert labels.loc["S-3"].tolist() == ["unclassified", "no", "", "", "", "", "", "", ""]


# ---- reference -------------------------------------------------------------------------------------------------------


def test_transcripts_are_the_spliced_exons_of_the_annotation(small):
    genome = fasta(small / "reference/genome.fa.gz")
    transcripts = fasta(small / "reference/transcriptome.fa.gz")
    spliced: dict[str, str] = {}
    strands = {}
    for line in gzip.decompress((small / "reference/annotation.gtf.gz").read_bytes()).decode().splitlines()[1:]:
        chrom, _, kind, start, end, _, strand, _, attributes = line.split("\t")
        if kind == "exon":
            name = re.search('transcript_id "([^"]+)"', attributes)[1]
            piece = genome[chrom][int(start) - 1 : int(end)]
            spliced[name] = spliced.get(name, "") + (flip(piece) if strand == "-" else piece)
            strands[name] = strand
    assert spliced == transcripts
    assert set(strands.values()) == {"+", "-"}
    assert min(map(len, spliced.values())) >= 300
    assert max(map(len, spliced.values())) <= 2900


def test_genome_plan():
    genome = build_genome(1)
    chrom = genome.genes.set_index("symbol")["chrom"]
    assert chrom["XIST"] == "chrX"
    assert chrom["RPS4Y1"] == "chrY"
    assert chrom["MT-CO1"] == "chrM"
    assert chrom[["HLA-DRA", "HLA-DMB", "HLA-DPB1"]].nunique() == 1
    assert {"HBA1", "ARG1", "ZAP70", "CD74", "CXCL9", "ALAS2", "PF4", "FTH1"} <= set(chrom.index)
    assert len(genome.genes) == 300
    assert genome.genes["gene_id"].str.fullmatch("ENSG[0-9]{11}").all()
    assert genome.transcripts["gene"].value_counts().max() == 2
    assert sum(genome.lengths.values()) < 2.6e6
    near = genome.snps.merge(genome.genes, on=["symbol", "chrom"])
    assert len(near) >= 100
    assert (near["position"] - near["tss"]).abs().max() <= 500
    assert np.diff(genome.regions["centre"]).min() > 2000


def test_genera_stand_apart():
    reference = build_reference(1)
    genus = reference.variants["genus"].to_numpy()
    distance = (reference.inserts[:, None, :] != reference.inserts[None, :, :]).sum(axis=2)
    same = genus[:, None] == genus[None, :]
    assert distance[~same].min() > 30
    assert set(distance[same]) == {0, 5}


# ---- reads -----------------------------------------------------------------------------------------------------------


def library_files(folder, layer, wanted=lambda row: True):
    rows = read(folder / "manifest.tsv")
    failed = set(read(folder / "truth/failed_libraries.tsv")["library"])
    for row in rows[(rows["layer"] == layer) & (rows["fastq_1"] != "")].itertuples():
        name = Path(row.fastq_1).name.rsplit("_L", 1)[0]
        if name not in failed and wanted(row):
            yield name, folder / row.fastq_1, folder / row.fastq_2


def test_rna_read_2_is_sense_and_read_1_antisense(small):
    transcripts = "N".join(fasta(small / "reference/transcriptome.fa.gz").values())
    _, first, second = next(library_files(small, "rna"))
    names, left, quality = fastq(first)
    mates, right, _ = fastq(second)
    assert [name.split()[0] for name in names] == [name.split()[0] for name in mates]
    assert {len(read) for read in left} == {75}
    assert {len(scores) for scores in quality} == {75}
    sense = [read in transcripts for read in right]
    antisense = [flip(read) in transcripts for read in left]
    assert np.mean(sense) > 0.75  # the rest has an error, a SNP, or comes from the genome
    assert np.mean(antisense) > 0.75
    # Genomic fragments (3 %) may lie in an exon on either strand.
    assert np.mean([read in transcripts for read in left]) < 0.05
    pairs = [(transcripts.find(a), transcripts.find(flip(b))) for a, b in zip(right, left, strict=True)]
    sizes = [end + 75 - start for start, end in pairs if start >= 0 and end >= 0]
    # Both mates were looked up in the first transcript that holds them, so a few pairs span two isoforms.
    assert np.mean([150 <= size <= 300 for size in sizes]) > 0.95


def test_gene_counts_are_the_reads(small):
    counts = pd.read_csv(small / "truth/gene_counts.tsv", sep="\t", index_col=0)
    genome = build_genome(1)
    sequences = fasta(small / "reference/transcriptome.fa.gz")
    gene_of = dict(zip(genome.transcripts["transcript_id"] + ".1", genome.transcripts["gene"], strict=True))
    name, _, second = next(library_files(small, "rna", lambda row: row.run == "L1"))
    found = Counter()
    for own in fastq(second)[1]:
        hits = {gene_of[t] for t, sequence in sequences.items() if own in sequence}
        found.update(hits)
    expected = dict(zip(range(len(counts)), counts[name], strict=True))
    surplus = sum(max(0, number - expected[gene]) for gene, number in found.items())
    assert surplus <= 0.03 * counts[name].sum()  # genomic fragments inside an exon
    assert 0.75 * counts[name].sum() < sum(found.values())


def test_sex_genes_and_globin(small):
    counts = pd.read_csv(small / "truth/gene_counts.tsv", sep="\t", index_col=0)
    counts.index = build_genome(1).genes["symbol"]
    people = draw_trial(8, 2, 1, SOFA_DAYS).people.set_index("participant")
    failed = read(small / "truth/failed_libraries.tsv").set_index("layer").loc["rna", "library"]
    globin = (
        counts.loc[["HBA1", "HBA2", "HBB", "HBD", "HBM", "HBQ1", "HBG1", "HBG2", "HBE1", "HBZ"]].sum() / counts.sum()
    )
    for name in counts.columns.drop(failed):
        female = people.loc[name[:14], "true_sex"] == "F"
        assert (counts.at["XIST", name] > 0) == female
        assert (counts.loc[list(Y_GENES), name].sum() > 0) == (not female)
        assert 0.02 < globin[name] < 0.18
    assert globin[failed] > 0.4
    assert counts[failed].sum() < 50


def places(text, reads):
    """Find reads of 50 bases in a sequence: read to place, those that match exactly."""
    wanted = {*reads, *map(flip, reads)}
    return {text[k : k + 50]: k for k in range(len(text) - 49) if text[k : k + 50] in wanted}


def test_atac_pairs_face_each_other_and_short_fragments_read_the_adapter(small):
    _, first, second = next(library_files(small, "atac"))
    left, right = fastq(first)[1], fastq(second)[1]
    genome = places("N".join(fasta(small / "reference/genome.fa.gz").values()), [*left, *right])
    sizes = []
    for one, two in zip(left, right, strict=True):
        for forward, reverse in ((one, two), (two, one)):
            start, end = genome.get(forward, -1), genome.get(flip(reverse), -1)
            if start >= 0 and end >= 0:
                sizes.append(end + 50 - start)
    assert len(sizes) > 0.6 * len(left)
    assert min(sizes) >= 45
    assert max(sizes) < 650
    assert np.mean([size < 120 for size in sizes]) > 0.4
    assert any(read.find("CTGTCTCTTA") >= 36 for read in left)
    begin = [(a.find("CTGTCTCTTA"), b.find("CTGTCTCTTA")) for a, b in zip(left, right, strict=True)]
    both = [(a, b) for a, b in begin if a >= 0 and b >= 0]
    assert len(both) >= 3
    assert all(a == b for a, b in both)


def test_read_through_by_hand():
    bases = np.stack([text_to_bases("AACCGGTTAC" * 20)] * 2)
    left, right = read_through(bases, np.array([4]), np.array([40]), np.array([0]))
    insert = ("AACCGGTTAC" * 20)[4:44]
    assert left.tobytes().decode() == insert + "CTGTCTCTTA"
    assert right.tobytes().decode() == flip(insert) + "CTGTCTCTTA"


def test_fragment_lengths_are_nucleosomal():
    size, _ = draw_sizes(generator(1, "t"), 20_000)
    share = [np.mean((size >= low) & (size < high)) for low, high in ((0, 120), (150, 250), (320, 480))]
    np.testing.assert_allclose(share, [0.62, 0.28, 0.10], atol=0.02)


def test_failed_atac_library_has_no_enrichment(small):
    genome = build_genome(1)
    joined = "".join(fasta(small / "reference/genome.fa.gz").values())
    failed = read(small / "truth/failed_libraries.tsv").set_index("layer").loc["atac", "library"]
    inside = np.zeros(len(joined), dtype=bool)
    for centre in genome.regions["centre"]:
        inside[centre - 150 : centre + 150] = True

    def enriched(path):
        return np.mean([inside[place] for place in places(joined, fastq(path)[1]).values()])

    good = next(library_files(small, "atac"))[1]
    assert enriched(good) > 0.15
    assert enriched(small / f"raw/atac/{failed}_L1_R1.fastq.gz") < 0.08


def test_amplicons_carry_the_primers_and_the_stated_genera(small):
    reference = {header.rstrip(";").split(";")[-1]: [] for header in fasta(small / "reference/taxonomy_16s.fa.gz")}
    blocks = gzip.decompress((small / "reference/taxonomy_16s.fa.gz").read_bytes()).decode().split(">")[1:]
    forward = re.compile("GTGYCAGCMGCCGCGGTAA".translate(IUPAC))
    reverse = re.compile("GGACTACNVGGGTWTCTAAT".translate(IUPAC))
    for block in blocks:
        header, text = block.split("\n", 1)
        text = text.replace("\n", "")
        assert header.startswith("Bacteria;")
        assert reverse.search(flip(text))
        reference[header.rstrip(";").split(";")[-1]].append(text[forward.search(text).end() :][:100])
    truth = pd.read_csv(small / "truth/genus_composition.tsv", sep="\t")
    name, first, second = next(library_files(small, "microbiome", lambda row: row.specimen == "rectum"))
    left, right = fastq(first)[1], fastq(second)[1]
    primed = [own for own, mate in zip(left, right, strict=True) if forward.match(own) and reverse.match(mate)]
    assert 0.85 < len(primed) / len(left) <= 1
    found = Counter(
        genus
        for own in primed
        for genus, inserts in reference.items()
        if any(own[19:119] == insert for insert in inserts)
    )
    own = truth[truth["library"] == name].set_index("genus")["fraction"]
    observed = pd.Series(found).reindex(own.index).fillna(0) / sum(found.values())
    assert (observed - own).abs().sum() / 2 < 0.1
    assert sum(found.values()) > 0.8 * len(primed)


def test_body_sites_differ_and_the_swap_shows(small):
    truth = pd.read_csv(small / "truth/genus_composition.tsv", sep="\t")
    table = truth.pivot(index="library", columns="genus", values="fraction").fillna(0.0)
    swapped = set(read(small / "truth/swaps.tsv")["name"])
    markers = {
        "nares": ["Corynebacterium", "Staphylococcus", "Dolosigranulum"],
        "oral": ["Streptococcus", "Veillonella"],
        "rectum": ["Bacteroides", "Enterococcus", "Escherichia-Shigella"],
    }
    for name in table.index[table.index.str.contains("-16s-") & ~table.index.str.startswith("16s")]:
        site = name.rsplit("-", 1)[1]
        highest = max(markers, key=lambda kind: table.loc[name, markers[kind]].sum())
        assert (highest == site) == (name not in swapped), name


def test_qualities_say_how_often_bases_are_wrong():
    templates = np.full((400, 250), ord("A"), dtype=np.uint8)
    bases, scores = sequence(templates, generator(1, "q"), (30.0, 20.0))
    wrong = (bases != ord("A")).mean()
    assert wrong == pytest.approx((10 ** (-scores.astype(float) / 10)).mean(), rel=0.05)
    assert set(np.unique(bases)) == set(b"ACGT")
    assert scores[:, 0].mean() > scores[:, -1].mean() + 8


def test_bases():
    bases = text_to_bases("ACGTT")
    assert complement(bases).tobytes() == b"TGCAA"
    assert reverse_complement(bases).tobytes() == b"AACGT"
    where = np.array([True, False, True, True, False])
    changed = substitute(bases, where, generator(1, "s"))
    assert ((changed != bases) == where).all()
    assert bases.tobytes() == b"ACGTT"


# ---- proteome --------------------------------------------------------------------------------------------------------


def test_npx_table(small):
    npx = pd.read_csv(small / "raw/proteome/npx.csv", sep=";")
    assert ";".join(npx) == (
        "SampleID;SampleType;Index;OlinkID;UniProt;Assay;MissingFreq;Panel;PlateID;WellID;QC_Warning;LOD;NPX;Normalization"
    )
    assert npx["PlateID"].nunique() == 2
    assert not npx.duplicated(["SampleID", "OlinkID"]).any()
    assert npx["OlinkID"].str.fullmatch("OID[0-9]{5}").all()
    assert npx.groupby("Assay")["OlinkID"].nunique()[["IL6", "CXCL8", "TNF"]].tolist() == [3, 3, 3]
    rows = read(small / "manifest.tsv").query("layer == 'proteome' and collected == 'yes'")
    assert set(rows["table_id"]) == set(npx["SampleID"])
    negative = npx[npx["SampleType"] == "NEGATIVE_CONTROL"].pivot(index="SampleID", columns="OlinkID", values="NPX")
    lod = npx.groupby("OlinkID")["LOD"].first()
    expected = negative.median() + np.maximum(3 * negative.std(), 0.2)
    np.testing.assert_allclose(lod, expected[lod.index], atol=2e-3)
    samples = npx[npx["SampleType"] == "SAMPLE"]
    below = (samples["NPX"] < samples["LOD"]).mean()
    assert 0.005 < below < 0.2
    wide = samples.pivot(index="SampleID", columns="OlinkID", values="NPX")
    panels = samples[samples["Assay"] == "IL6"]["OlinkID"].unique()
    assert wide[panels].corr().to_numpy().min() > 0.8
    failed = read(small / "truth/failed_libraries.tsv").set_index("layer").loc["proteome", "library"]
    name = f"{failed[:14].replace('-', '_')}_{failed[15:18]}"
    assert wide.median(axis=1).idxmin() == name
    assert (samples[samples["SampleID"] == name]["QC_Warning"] == "WARN").mean() > 0.5


def test_drug_shows_in_the_proteome_after_the_first_dose(design, tmp_path):
    simulate_reads(config(36, 4, rna=5, atac=5, amplicon=5), tmp_path, seed=1)
    npx = pd.read_csv(tmp_path / "raw/proteome/npx.csv", sep=";")
    wide = npx[npx["SampleType"] == "SAMPLE"].pivot_table(index="SampleID", columns="Assay", values="NPX")
    treated = read(tmp_path / "truth/arms.tsv").query("drug == 'anakinra'")["participant"].str.replace("-", "_")
    late = ~wide.index.str.endswith("_D01")
    drugged = wide.index.str[:14].isin(treated)
    assert (late & drugged).sum() >= 2
    shift = wide.loc[late & drugged, "IL1RN"].mean() - wide.loc[~drugged, "IL1RN"].mean()
    assert shift > 3
    assert abs(wide.loc[~late & drugged, "IL1RN"].mean() - wide.loc[~drugged, "IL1RN"].mean()) < 2
