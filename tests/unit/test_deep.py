"""Raw files read to their end: whole, well-formed, mates of each other, the ones that were sent."""

import gzip
import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunosep import cli
from immunosep.deep import fastq
from immunosep.deep.contents import reader
from immunosep.deep.fastq import FastqFile, compare_mates
from immunosep.intake import check_inputs
from support.trial import FIRST, Trial

BASES = "ACGT"


def records(count, mate=1, *, seed=1, name="M0:7:FC:1:11:{}:{}", length=50):
    rng = random.Random(seed)
    out = []
    for index in range(count):
        bases = "".join(rng.choices(BASES, k=length + index % 3))
        out.append(f"@{name.format(index, index * 7)} {mate}:N:0:ACGT\n{bases}\n+\n{'I' * len(bases)}\n")
    return out


def text(lines):
    return "".join(lines).encode()


def packed(lines):
    return gzip.compress(text(lines), mtime=0)


def read(tmp_path, data):
    path = tmp_path / "x.fastq.gz"
    path.write_bytes(data)
    file = FastqFile(path, lambda packed, unpacked: None)
    names = list(file.blocks())
    return file, names


def names_of(blocks):
    out = []
    for block in blocks:
        letters, at = bytes(block.letters), 0
        for length in block.lengths:
            out.append(letters[at : at + length].decode())
            at += length
    return out


GOOD = records(300)


@pytest.mark.parametrize("block", [1 << 22, 4096, 700])
@pytest.mark.parametrize(
    "data",
    [
        packed(GOOD),
        b"".join(packed(GOOD[at : at + 7]) for at in range(0, 300, 7)),  # many members, as bgzip writes
        packed(GOOD) + bytes(512),  # padding
        gzip.compress(text(GOOD)[:-1], mtime=0),  # no line end at the end
        gzip.compress(text(GOOD) + b"\n\n", mtime=0),
        gzip.compress(text(GOOD).replace(b"\n", b"\r\n"), mtime=0),
    ],
    ids=["plain", "members", "padded", "no line end", "empty lines", "carriage returns"],
)
def test_good_files(tmp_path, monkeypatch, data, block):
    monkeypatch.setattr(fastq, "_BLOCK", block)
    file, names = read(tmp_path, data)
    assert file.faults == []
    assert file.reads == 300
    assert names_of(names) == [line.split()[0][1:] for line in GOOD]
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert file.examples[0] == "M0:7:FC:1:11:0:0 1:N:0:ACGT"


def broken(index, old, new):
    lines = list(GOOD)
    lines[index] = lines[index].replace(old, new)
    return packed(lines)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (packed(GOOD)[:-20], "gzip_truncated", "before they are complete"),
        (packed(GOOD)[:-4] + b"\0\0\0\0", "gzip_broken", "damaged"),
        (packed(GOOD) + b"garbage behind it", "gzip_broken", "damaged"),
        (broken(122, "+\n", "-\n"), "fastq_malformed", "record 123: its third line"),
        (broken(122, "@M0", "M0"), "fastq_malformed", "record 123: its first line"),
        (broken(122, "IIII\n", "III\n"), "fastq_malformed", "record 123: it has not as many"),
        (gzip.compress(text(GOOD)[:-30], mtime=0), "fastq_malformed", "record 300"),
        (gzip.compress(text(GOOD) + b"@x\nAC\n", mtime=0), "fastq_malformed", "record 301: the file ends within it"),
        (gzip.compress(text(GOOD).replace(b"\n", b"\r"), mtime=0), "fastq_malformed", "record 1"),
        (gzip.compress(b">x\nACGT\n" * 8, mtime=0), "fastq_malformed", "record 1: its first"),
    ],
)
@pytest.mark.parametrize("block", [1 << 22, 997])
def test_bad_files(tmp_path, monkeypatch, data, code, words, block):
    monkeypatch.setattr(fastq, "_BLOCK", block)
    file, _ = read(tmp_path, data)
    assert [fault.code for fault in file.faults] == [code]
    assert words in file.faults[0].problem
    assert file.sha256 == hashlib.sha256(data).hexdigest()


def test_a_bomb_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(fastq, "_BLOCK", 1 << 16)
    sizes = []
    path = tmp_path / "x.fastq.gz"
    path.write_bytes(gzip.compress(b"@x\nA\n+\nI\n" * 1_000_000, mtime=0))
    file = FastqFile(path, lambda packed, unpacked: sizes.append(unpacked))
    assert max(block.letters.size for block in file.blocks()) < 1 << 17
    assert file.reads == 1_000_000
    assert sum(sizes) == 9_000_000


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mates_are_compared_as_a_plain_loop_would(data):
    name = st.text("ab/12", min_size=1, max_size=4)
    first = data.draw(st.lists(name, max_size=12))
    second = list(first)
    for _ in range(data.draw(st.integers(0, 2))):
        if second:
            second[data.draw(st.integers(0, len(second) - 1))] = data.draw(name)
    second = second[: data.draw(st.integers(0, len(second)))] if data.draw(st.booleans()) else second

    def blocks(names):
        while names:
            size = data.draw(st.integers(1, len(names)))
            part, names = names[:size], names[size:]
            letters = np.frombuffer("".join(part).encode(), dtype=np.uint8)
            yield fastq.Names(np.array([len(n) for n in part], dtype=np.int64), letters)

    expected = next((i for i, (a, b) in enumerate(zip(first, second, strict=False), 1) if a != b), None)
    assert compare_mates(blocks(first), blocks(second)) == expected


def test_numbers_of_mates_and_comments_are_no_part_of_the_name(tmp_path):
    lines = ["@a/1\nA\n+\nI\n", "@b/2 x\nA\n+\nI\n", "@c/3\tx\nA\n+\nI\n", "@/1\nA\n+\nI\n", "@\nA\n+\nI\n"]
    assert names_of(read(tmp_path, packed(lines))[1]) == ["a", "b", "c/3", "/1", ""]


@pytest.fixture
def trial(tmp_path):
    trial = Trial(tmp_path).write()
    for row in trial.manifest:
        for mate in (1, 2):
            if row.get(f"fastq_{mate}"):
                (tmp_path / row[f"fastq_{mate}"]).write_bytes(packed(records(20, mate)))
    (tmp_path / "raw/npx.csv").write_text("SampleID;Assay;NPX\nx;IL6;3\n")
    return trial


def found(trial, jobs=1):
    _, findings = check_inputs(trial.config, deep=reader(jobs))
    return [(f.code, f.row, f.column) for f in findings]


def put(trial, index, column, data):
    (trial.folder / trial.manifest[index][column]).write_bytes(data)


def test_a_good_trial_has_no_findings(trial, capsys):
    digest = hashlib.sha256(packed(records(20, 2))).hexdigest()
    trial.manifest[3]["fastq_2_sha256"] = digest
    trial.write_tables()
    assert found(trial) == []
    assert "9 of 9 file sets read" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_found_in_raw_files(trial, jobs):
    put(trial, 0, "fastq_1", packed(records(20, 1))[:-9])
    put(trial, 1, "fastq_2", packed(records(19, 2)))
    put(trial, 2, "fastq_2", packed(records(20, 2, name="OTHER:{}:{}")))
    trial.manifest[3]["fastq_1_sha256"] = "0" * 64
    put(trial, 5, "fastq_1", packed([]))
    put(trial, 5, "fastq_2", packed([]))
    put(trial, 6, "fastq_1", packed(records(20, 1, name=FIRST["participant_code"] + ":{}:{}")))
    put(trial, 6, "fastq_2", packed(records(20, 2, name=FIRST["participant_code"] + ":{}:{}")))
    put(trial, 8, "fastq_1", packed(records(20, 1, name="x@clinic.example.org:{}:{}")))
    put(trial, 9, "fastq_2", packed(["@x\nACGT\n+\nII\n"]))
    (trial.folder / "raw/npx.csv").write_text("SampleID;PatientName;Treatment\n")
    trial.write_tables()
    assert sorted(found(trial, jobs)) == sorted(
        [
            ("gzip_truncated", 2, "fastq_1"),
            ("mates_count", 3, "fastq_2"),
            ("mates_differ", 4, "fastq_2"),
            ("checksum_mismatch", 5, "fastq_1"),
            ("personal_column", 6, "table"),
            ("treatment_column", 6, "table"),
            ("no_reads", 7, "fastq_1"),
            ("no_reads", 7, "fastq_2"),
            ("reads_of_other", 8, "fastq_1"),
            ("reads_of_other", 8, "fastq_2"),
            ("mates_differ", 10, "fastq_2"),
            ("personal_value", 10, "fastq_1"),
            ("fastq_malformed", 11, "fastq_2"),
        ]
    )


@pytest.mark.parametrize(
    "name", ["maria@clinic.example.org:{}:{}", "r{}:{} dob=01.02.1950 maria", "r{}:{}\tDS:Z:Mrs Maria born 1950"]
)
def test_a_read_name_with_personal_data_is_not_printed(trial, capsys, name):
    put(trial, 3, "fastq_1", packed(records(20, 1, name=name)))
    assert cli.main(["check", trial.config["manifest"], "--deep", "--jobs", "2"]) == 2
    out = capsys.readouterr().out
    assert "personal_value" in out
    assert "maria" not in out.casefold()


def test_a_file_that_vanishes_is_a_finding(trial, monkeypatch):
    lost = trial.manifest[3]["fastq_1"]
    real = FastqFile._unpacked

    def unpacked(self):
        if str(self.path).endswith(lost):
            self.path.unlink()
        return real(self)

    monkeypatch.setattr(FastqFile, "_unpacked", unpacked)
    assert found(trial) == [("data_unreadable", 5, "fastq_1")]


def test_files_with_a_finding_are_not_read(trial):
    put(trial, 3, "fastq_1", b"not gzip")
    assert found(trial) == [("not_gzip", 5, "fastq_1")]


def test_deep_and_no_files_exclude_each_other(trial, capsys):
    assert cli.main(["check", trial.config["manifest"], "--deep", "--no-files"]) == 2
    assert "--deep" in capsys.readouterr().err
