"""Headers of reads: looked at where a file begins, told masked, harmless ones left alone."""

import gzip

import pytest

from immunosep.findings import as_text
from immunosep.intake import check_inputs
from immunosep.read_headers import check_read_headers, read_headers
from support.trial import Trial


def write(path, *headers):
    path.write_bytes(gzip.compress("".join(f"{header}\nACGT\n+\nFFFF\n" for header in headers).encode()))


@pytest.fixture
def trial(tmp_path):
    made = Trial(tmp_path).write()
    for number, path in enumerate(sorted((tmp_path / "raw").glob("*.gz"))):
        write(path, f"@M01320:265:000000000-CG3W6:1:2107:17144:{number} 1:N:0:TCGCCTTA")
    return made


def told(trial):
    libraries, findings = check_inputs(trial.config)
    assert [f for f in findings if f.severity == "error"] == []
    return check_read_headers(libraries, ("rna", "atac", "microbiome"))


def test_headers_of_sequencers_pass(trial):
    assert told(trial) == []


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("@9f3a runid=77 start_time=2024-02-29T10:11:12Z", "a calendar date"),
        ("@r1\tRG:Z:1\tDS:Z:Frau Schmidt", "a name or initials"),
        ("@r1 patient=Maria_Papadopoulou dob=01.02.1950", "personal data"),
        ("@r1 mail=anna.b@clinic.example", "an e-mail address"),
    ],
)
def test_a_header_that_says_more_is_told_masked(trial, header, what):
    path = next((trial.folder / "raw").glob("*rnaseq*_R1.fastq.gz"))
    write(path, "@r0", header)
    (found,) = told(trial)
    assert (found.code, found.file) == ("personal_value", str(path))
    assert what in found.problem
    assert header[5:] not in as_text([found])


def test_the_layers_of_the_run_only(trial):
    write(next((trial.folder / "raw").glob("*rnaseq*_R1.fastq.gz")), "@r 2024-02-29")
    libraries, _ = check_inputs(trial.config)
    assert check_read_headers(libraries, ("atac",)) == []
    assert len(check_read_headers(libraries, ("rna",))) == 1


def test_what_is_no_fastq_has_no_headers(tmp_path):
    (tmp_path / "x.gz").write_bytes(b"not packed")
    write(tmp_path / "many.gz", *(f"@r{number}" for number in range(9)))
    assert read_headers(tmp_path / "x.gz") == []
    assert read_headers(tmp_path / "none.gz") == []
    assert read_headers(tmp_path / "many.gz") == ["@r0", "@r1", "@r2", "@r3"]
