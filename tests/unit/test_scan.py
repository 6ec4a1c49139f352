"""What must not leave the house is found wherever it hides, and what may leave is not mistaken for it."""

import base64
import bz2
import gzip
import io
import json
import lzma
import socket
import tarfile
import time
import urllib.parse
import zipfile
import zlib

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.scan import Watchlist, codes_of, scan_folder, watchlist
from support.trial import FIRST, Trial

CODE = "012345678"
PERSON = ("GR03", CODE)
OTHERS = {("RO06", f"{n:09d}") for n in range(500_000_000, 500_004_000)}
HOST, USER = "biobank-node7", "mpapadaki"


@pytest.fixture(autouse=True)
def names(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    monkeypatch.setenv("USER", USER)


@pytest.fixture
def watch():
    return watchlist({PERSON, *OTHERS}, b"\x01secret of the trial, 32 bytes..")


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def png(kind, body):
    chunk = len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\x00\x00\x00\x00IEND\xaeB`\x82"


def pdf(content, info=b""):
    packed = zlib.compress(content)
    lines = [
        b"%PDF-1.4",
        b"1 0 obj",
        b"<< /Length " + str(len(packed)).encode() + b" /Filter /FlateDecode >>",
        b"stream",
    ]
    return b"\n".join([*lines, packed, b"endstream", b"endobj", b"2 0 obj", b"<< /Title " + info + b" >>", b"endobj"])


def tarred(name, content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def parquet(frame):
    packed = io.BytesIO()
    frame.to_parquet(packed)
    return packed.getvalue()


def h5ad(tmp_path):
    data = anndata.AnnData(np.zeros((2, 2), dtype="float32"))
    data.obs["participant"] = [f"GR03-{CODE}", "GR03-000000000"]
    data.write_h5ad(tmp_path / "x.h5ad", compression="gzip")
    return (tmp_path / "x.h5ad").read_bytes()


def npy(array):
    packed = io.BytesIO()
    np.save(packed, array)
    return packed.getvalue()


def hdf5(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["ids"] = np.array([float(CODE), np.nan])
    return (tmp_path / "x.h5").read_bytes()


def page(text):
    return f'<svg xmlns="http://www.w3.org/2000/svg"><title>{text}</title></svg>'.encode()


LEAKS = {
    "tsv": lambda _: f"participant\tvalue\nGR03-{CODE}\t1\n".encode(),
    "bare code": lambda _: f"id={CODE};".encode(),
    "behind a site without a dash": lambda _: f"GR03{CODE}".encode(),
    "gz": lambda _: gzip.compress(CODE.encode(), mtime=0),
    "bz2": lambda _: bz2.compress(CODE.encode()),
    "xz": lambda _: lzma.compress(CODE.encode()),
    "zip in a zip": lambda _: zipped(inner=zipped(deep=CODE)),
    "name in a zip": lambda _: zipped(**{f"{CODE}.txt": "x"}),
    "skops member": lambda _: zipped(**{"schema.json": json.dumps({"content": {"names": [CODE]}})}),
    "xlsx shared string": lambda _: zipped(**{"xl/sharedStrings.xml": f"<sst><si><t>{CODE}</t></si></sst>"}),
    "tar": lambda _: tarred("a", gzip.compress(CODE.encode(), mtime=0)),
    "name in a tar": lambda _: tarred(f"{CODE}.bam", b""),
    "png tEXt": lambda _: png(b"tEXt", b"Title\x00" + CODE.encode()),
    "png zTXt": lambda _: png(b"zTXt", b"Title\x00\x00" + zlib.compress(CODE.encode())),
    "png iTXt": lambda _: png(b"iTXt", b"Title\x00\x01\x00en\x00\x00" + zlib.compress(CODE.encode())),
    "behind a png": lambda _: png(b"tEXt", b"a\x00b") + gzip.compress(CODE.encode(), mtime=0),
    "pdf stream": lambda _: pdf(b"BT (" + CODE.encode() + b") Tj ET"),
    "pdf kerned": lambda _: pdf(b"BT [ (0123) 20 (45) -3 (678) ] TJ ET"),
    "pdf octal": lambda _: pdf(b"BT (\\06012345\\066\\0678) Tj ET"),
    "pdf hex": lambda _: pdf(b"BT <" + CODE.encode().hex().encode() + b"> Tj ET"),
    "pdf title": lambda _: pdf(b"", b"(" + CODE.encode("utf-16") + b")"),
    "svg title": lambda _: page(CODE),
    "xml entity": lambda _: page("&#48;1234567&#x38;"),
    "json escape": lambda _: b'{"id": "\\u0030\\u00312345678"}',
    "percent": lambda _: b"url?id=" + urllib.parse.quote(CODE).replace("0", "%30").encode(),
    "data uri": lambda _: (
        b'<image href="data:image/png;base64,' + base64.b64encode(png(b"tEXt", b"T\x00" + CODE.encode()))
    ),
    "utf-16": lambda _: f"Code {CODE}".encode("utf-16"),
    "utf-16 big endian": lambda _: CODE.encode("utf-16-be"),
    "utf-32": lambda _: CODE.encode("utf-32"),
    "npy text": lambda _: npy(np.array(["a", CODE])),
    "npy number": lambda _: npy(np.array([1, int(CODE)])),
    "parquet text": lambda _: parquet(pd.DataFrame({"x": ["a", CODE] * 100})),
    "parquet number": lambda _: parquet(pd.DataFrame({"x": [int(CODE)]})),
    "npy float": lambda _: npy(np.array([np.nan, float(CODE), 0.5])),
    "npy float32": lambda _: npy(np.array([1, int(CODE)], dtype="float32")),
    "parquet with gaps": lambda _: parquet(pd.DataFrame({"x": pd.array([int(CODE), None], dtype="Int64")})),
    "parquet of objects": lambda _: parquet(pd.DataFrame({"x": [[float(CODE)], None]})),
    "h5 float": hdf5,
    "json number": lambda _: b'{"participant": %d, "n": 3}' % int(CODE),
    "csv float": lambda _: b"id,x\n%d.0,1\n" % int(CODE),
    "site and a number": lambda _: b"GR03-%d" % int(CODE),
    "visit behind": lambda _: f"GR03{CODE}D04".encode(),
    "digits behind": lambda _: f"GR03-{CODE}04".encode(),
    "digits on both sides": lambda _: f"GR03{CODE}04".encode(),
    "parquet column": lambda _: parquet(pd.DataFrame({f"s{CODE}": [1]})),
    "h5ad obs": h5ad,
}
TOP = "/"  # by itself: the examples are no paths of this project
GENERAL = {
    "host name": [f"ran on {HOST} at night", f"@PG\tCL:ssh {HOST}.example", f"ran on {HOST.upper()}"],
    "user name": [f"owner {USER}", f"ID:{USER};"],
    "path": [
        "index=/data/trial/genome", f"file://{TOP}home/someone/x", "C:\\Users\\anna\\x.tsv", "see ~/immunosep/results",
        '"/mnt/nas/x"', f"{TOP}work/x", "salmon -i /scratch/y",
        "/users/anna", "in /hpc/group/x", "/ceph/x", f"{TOP}home/\u03bc\u03b1\u03c1\u03af\u03b1",
        "from \\\\nas01\\omics\\x", '"\\\\\\\\nas01\\\\omics"',
    ],
    "e-mail": ["mail anna.b@umc-example.nl now"],
    "date": [
        "made 2023-04-05", "05.04.2023", "D:20230405121314Z", "5 April 2023", "Apr 5, 2023", "Apr  5 12:13:14",
        "2023-04-05T12:13:14", "20230405_121314",
    ],
    "library name": ["DE09-111222333-D01-rna"],
    "host or user name": ["Host: vm1x", "HOSTNAME=VM1X", "user=root", '"hostname": "vm1x"'],
}  # fmt: skip


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_code_is_found(tmp_path, watch, kind):
    folder = tmp_path / "bundle"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "file").write_bytes(LEAKS[kind](tmp_path))
    leaks = scan_folder(folder, watch)
    assert {leak.kind for leak in leaks} & {"code", "library name"}, kind
    assert CODE not in " ".join(map(str, leaks))
    assert all("a/file" in leak.place for leak in leaks)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GENERAL.items() for text in texts])
def test_a_planted_name_path_or_date_is_found(tmp_path, watch, monkeypatch, kind, text):
    if kind == "host or user name":
        monkeypatch.setattr(socket, "gethostname", lambda: "vm1x")
        monkeypatch.setattr("getpass.getuser", lambda: "root")
    (tmp_path / "log.txt").write_text(f"first line\n{text}\n")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    leaks = scan_folder(tmp_path, watch)
    assert {leak.place.partition("!")[0] for leak in leaks if leak.kind == kind} == {"log.txt", "packed.gz"}


def test_a_planted_name_is_found(tmp_path, watch):
    (tmp_path / f"GR03-{CODE}").mkdir()
    (tmp_path / f"GR03-{CODE}" / "quant.sf").touch()
    (tmp_path / "link").symlink_to("/data/GR03")
    record = base64.urlsafe_b64encode(f"results/rna/GR03-{CODE}-D01-rna/quant.sf".encode()).decode()
    (tmp_path / ".snakemake/metadata").mkdir(parents=True)
    (tmp_path / ".snakemake/metadata" / record).touch()
    leaks = scan_folder(tmp_path, watch)
    assert {(leak.place, leak.kind) for leak in leaks} == {
        ("name of .snakemake/metadata (a record)", "code"),
        ("name of GR03-#########/quant.sf", "code"),
        ("link!link", "path"),
    }


@pytest.mark.parametrize("spelling", [lambda s: s, lambda s: s.hex().encode(), base64.b64encode])
def test_the_secret_is_found(tmp_path, spelling):
    secret = bytes(range(200, 232))
    (tmp_path / "key").write_bytes(b"key: " + spelling(secret) + b"\n")
    assert {leak.kind for leak in scan_folder(tmp_path, watchlist((), secret))} == {"secret"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stamped.gz", gzip.compress(b"x", mtime=1_700_000_000)),
        ("broken.zip", b"PK\x03\x04 not a zip"),
        ("closed.zst", b"\x28\xb5\x2f\xfd" + bytes(20)),
        ("broken.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
        ("short.gz", gzip.compress(b"x" * 1000, mtime=0)[:-12]),
    ],
)
def test_what_cannot_be_opened_is_no_clean_file(tmp_path, watch, name, content):
    (tmp_path / name).write_bytes(content)
    assert {leak.kind for leak in scan_folder(tmp_path, watch)} <= {"unreadable", "date"} != set()


def test_bombs_end(tmp_path, watch):
    packed = b"x"
    for _ in range(12):
        packed = zipped(inner=packed)
    (tmp_path / "nested.zip").write_bytes(packed)
    assert [leak.kind for leak in scan_folder(tmp_path, watch)] == ["unreadable"]


def test_what_may_leave_is_clean(tmp_path, watch):
    text = (
        "doi 10.1001/jama.2025.24175 and https://doi.org/10.1186/s13054-019-2665-5, https://example.org/data/home/x\n"
        "0.123456789012 111222333 1234567 5000000000 0.12345678 x12345678 12345678.5\n"
        "1.12345678.0 chr1\t12345678\tA chr1:100000000-500000000 chrX:500000000-500000001\n"
        "chr2\t7\t500000002 version 2026.1 ratio 3/4 and/or\n"
        "version 12345678.0.1 00012345678 5000000010 99501234567\n"
        "\\\\nline\\\\nline \\\\d{3}\\w https://x.org/users/me\n"
        "<g><path d='M 1 2'/></g> </tmp> /Type/Font/Subtype/Type3 anakinra@visit 2 ATP@ P@x.y\n"
    )
    (tmp_path / "text.md").write_text(text)
    (tmp_path / "values.h5ad").write_bytes(_matrix(tmp_path))
    # A font of a figure that shows every digit but nine, one after the other: the code, and nobody's.
    digits = " ".join(f"<{ord(digit):04x}>" for digit in CODE)
    font = f"begincmap 1 beginbfrange <0030> <0038> [{digits}] endbfrange endcmap"
    (tmp_path / "digits.pdf").write_bytes(pdf(font.encode()) + b"\nxref\n")
    (tmp_path / "figure.pdf").write_bytes(pdf(b"BT [ (A) -3 (UROC 0.81) ] TJ ET", b"(ROC)") + b"\nxref\n")
    (tmp_path / "values.h5ad.npy").write_bytes(npy(np.arange(0, 10**6, 7)))
    (tmp_path / "halves.npy").write_bytes(npy(np.array([1, np.inf, int(CODE) % 1000], dtype="float16")))
    (tmp_path / "parts.npy").write_bytes(npy(np.array([np.nan, np.inf, int(CODE) + 0.25])))
    assert scan_folder(tmp_path, watch) == []


def _matrix(tmp_path):
    data = anndata.AnnData(np.random.default_rng(1).normal(size=(200, 200)).astype("float32"))
    data.write_h5ad(tmp_path / "y", compression="gzip")
    content = (tmp_path / "y").read_bytes()
    (tmp_path / "y").unlink()
    return content


def test_noise_raises_no_alarm(tmp_path, watch):
    """Compressed data is noise; patterns that short strings match by chance would make every bundle fail."""
    (tmp_path / "noise").write_bytes(np.random.default_rng(2).bytes(5_000_000))
    assert scan_folder(tmp_path, watch) == []


def test_a_code_of_two_people_counts_beside_its_site_only(tmp_path):
    watch = Watchlist(people=frozenset({(b"GR03", CODE.encode())}), general=False)
    (tmp_path / "a.tsv").write_text(f"DE01-{CODE}\nDE01\t{CODE}\n")
    assert scan_folder(tmp_path, watch) == []
    (tmp_path / "b.tsv").write_text(f"GR03-{CODE}-D01\nGR03\t{CODE}\nGR03_{CODE}\n")
    assert [leak.offset for leak in scan_folder(tmp_path, watch)] == [5, 24, 39]


def test_time_grows_with_the_bytes_and_not_with_the_codes(tmp_path, watch):
    rows = "".join(f"{n:09d}\t{n * 0.37:.6f}\tgene{n}\n" for n in range(600_000_000, 600_100_000))
    (tmp_path / "big.tsv").write_text(rows * 4)  # 10 MB, 400,000 codes of nobody
    one = Watchlist(codes=frozenset({CODE.encode()}))
    start = time.perf_counter()
    assert scan_folder(tmp_path, one) == []
    alone = time.perf_counter() - start
    start = time.perf_counter()
    assert scan_folder(tmp_path, watch) == []
    assert time.perf_counter() - start < 3 * alone + 1


def test_the_codes_come_from_all_tables(tmp_path):
    trial = Trial(tmp_path)
    trial.manifest[0]["sample_code"] = "555666777"
    trial.participants.append(trial.participants[0] | {"participant_code": "999000111"})
    trial.write()
    assert codes_of(trial.config) == {
        (FIRST["site"], "012345678"),
        (FIRST["site"], "555666777"),
        (FIRST["site"], "999000111"),
        ("RO06", "987654321"),
    }


def test_a_folder_that_is_not_there_is_said(tmp_path, watch):
    with pytest.raises(InputError, match="no such folder"):
        scan_folder(tmp_path / "none", watch)
