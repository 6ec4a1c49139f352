"""The MultiQC report: library names survive, nothing about the machine stands in it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from immunosep import multiqc_report, qc
from immunosep.io import write_table

SETTINGS = Path(__file__).parents[2] / "workflow" / "report" / "multiqc_config.yaml"
FLAGSTAT = """\
{0} + 0 in total (QC-passed reads + QC-failed reads)
{0} + 0 primary
0 + 0 secondary
0 + 0 supplementary
1 + 0 duplicates
1 + 0 primary duplicates
{0} + 0 mapped (100.00% : N/A)
{0} + 0 primary mapped (100.00% : N/A)
"""
MARKDUP = """\
COMMAND: samtools markdup -s in.bam out.bam
READ: 8
WRITTEN: 8
EXCLUDED: 0
EXAMINED: 8
PAIRED: 8
SINGLE: 0
DUPLICATE PAIR: 2
DUPLICATE SINGLE: 0
DUPLICATE PAIR OPTICAL: 0
DUPLICATE SINGLE OPTICAL: 0
DUPLICATE NON PRIMARY: 0
DUPLICATE NON PRIMARY OPTICAL: 0
DUPLICATE PRIMARY TOTAL: 2
DUPLICATE TOTAL: 2
ESTIMATED_LIBRARY_SIZE: 20
"""


@pytest.fixture
def verdicts():
    libraries = [f"GR03-012345678-D0{day}-atac" for day in (1, 4)]
    metrics = pd.DataFrame({"library": libraries, "metric": "frip", "value": [0.4, 0.05]})
    table = pd.DataFrame({"library": libraries, "sample_type": "sample", "specimen": "pbmc"})
    thresholds = {"frip": {"fail_below": 0.2, "source": "ENCODE"}, "peaks": {"warn_below": 5, "source": "practice"}}
    judged = qc.judge(metrics, thresholds, table).assign(layer="atac")
    return judged.assign(value=judged["value"].map("{:g}".format).replace("nan", ""))


def test_sections_carry_verdicts_reasons_and_limits(verdicts):
    summary, layer = multiqc_report.verdict_sections(verdicts)
    assert summary["data"] == {"atac": {"libraries": 2, "pass": 0, "warn": 1, "fail": 1}}
    assert layer["data"]["GR03-012345678-D04-atac"] == {
        "verdict": "fail",
        "reason": "frip 0.05 below 0.2; peaks not measured",
        "frip": 0.05,
    }
    assert layer["headers"]["frip"]["description"] == "fail &lt; 0.2; ENCODE"
    assert json.dumps([summary, layer], allow_nan=False)


def test_signs_of_a_source_are_text_not_markup(verdicts):
    layer = multiqc_report.verdict_sections(verdicts.assign(source="<i>genes</i> & peaks"))[1]
    assert "&lt;i&gt;genes&lt;/i&gt; &amp; peaks" in layer["headers"]["frip"]["description"]


@pytest.mark.slow
def test_report_keeps_library_names_apart_and_the_machine_out(verdicts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(verdicts, tmp_path / "verdicts.tsv")
    files = []
    for reads, library in enumerate(["GR03-012345678-D01-atac", "GR03-012345678-D04-atac"], start=10):
        folder = Path("results") / "atac" / library
        folder.mkdir(parents=True)
        for kind, text in (("flagstat", FLAGSTAT.format(reads)), ("markdup", MARKDUP)):
            files.append(folder / f"{library}.{kind}.txt")
            files[-1].write_text(text)
    # What a personal configuration says does not matter.
    (tmp_path / ".multiqc_config.yaml").write_text("sample_names_ignore: ['*']\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    targets = {"report": tmp_path / "multiqc.html", "data": tmp_path / "multiqc_data"}
    multiqc_report.run_multiqc(files=files, verdicts=tmp_path / "verdicts.tsv", settings=SETTINGS, **targets)
    for kind in ("flagstat", "markdup"):
        table = pd.read_csv(tmp_path / "multiqc_data" / f"multiqc_samtools_{kind}.txt", sep="\t")
        assert table["Sample"].tolist() == ["GR03-012345678-D01-atac", "GR03-012345678-D04-atac"]
    assert "GR03-012345678-D04-atac" in (tmp_path / "multiqc_data" / "multiqc_verdicts_atac_table.txt").read_text()
    written = [targets["report"], *targets["data"].iterdir()]
    assert not [path.name for path in written if str(tmp_path) in path.read_text(encoding="utf-8")]
