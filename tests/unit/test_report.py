"""A report that is sent around holds no participant code."""

import zipfile
from pathlib import Path

from immunosep import report
from immunosep.report import mask_codes

TEXT = (
    '"input": ["results/rna/GR03-012345678-D04-rna/quant.sf", "raw/DE01-012345678-D01-rna_L001_1.fastq.gz"], '
    'bare 012345678, tube GR03-987654321, alphabet "0123456789abcdef", another number 111222333, share 0.012345678'
)


def make(path, **members):
    with zipfile.ZipFile(path, "w") as handle:
        for name, content in members.items():
            handle.writestr(name.replace("__", "."), content)


def read(path):
    with zipfile.ZipFile(path) as handle:
        return handle.read("report.html")


def test_codes_are_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "report.zip"
    picture = b"\x89PNG 012345678"
    make(path, report__html=TEXT, a__png=picture)
    known = [("GR03", "012345678"), ("DE01", "012345678"), ("GR03", "987654321")]
    assert mask_codes(path, known, seed=1) == 4
    with zipfile.ZipFile(path) as handle:
        text = handle.read("report.html").decode()
        assert handle.read("a.png") == picture  # a picture has no text; figures are checked when they are saved
    for site, code in known:
        assert f"{site}-{code}" not in text
    assert '"0123456789abcdef", another number 111222333, share 0.012345678' in text
    masked = [part.split("/")[-1] for part in text.split('"')[3].split("-D04")[:1]]
    other = text.split('"')[5].removeprefix("raw/").split("-D01")[0]
    assert masked[0] != other  # the same code at two sites is two people
    assert masked[0].startswith("P")
    assert other.startswith("P")


def test_masking_twice_changes_nothing(tmp_path):
    path = tmp_path / "report.zip"
    make(path, report__html=TEXT)
    mask_codes(path, [("GR03", "012345678")], seed=1)
    first = read(path)
    assert mask_codes(path, [("GR03", "012345678")], seed=1) == 0
    assert read(path) == first


def test_a_report_appears_only_when_it_is_masked(tmp_path, monkeypatch):
    """Snakemake is replaced here by what it leaves: a zip. The real one runs in the end-to-end tests."""
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "results/intake/libraries.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("site\tsample_code\tparticipant_code\nGR03\t987654321\t012345678\n\t\t\n")

    def snakemake(_, options):
        make(Path(options[-1]), report__html=TEXT)
        return 0

    monkeypatch.setattr(report, "call_snakemake", snakemake)
    target = Path("results/report/report.zip")
    assert report.build_report(Path("my.yaml"), target, seed=1) == 0
    assert b"GR03-012345678" not in read(target)
    assert b"GR03-987654321" not in read(target)
    assert b"DE01-" in read(target)

    monkeypatch.setattr(report, "call_snakemake", lambda *_: 1)
    target.unlink()
    assert report.build_report(Path("my.yaml"), target, seed=1) == 1
    assert list(target.parent.iterdir()) == []
