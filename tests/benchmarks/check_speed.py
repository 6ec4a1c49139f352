"""How long `immunosep check` takes on a full trial, and how much memory: process start included, files on the disk.

Run it on a quiet machine, from the project's folder::

    .venv/bin/python tests/benchmarks/check_speed.py [--rows 13440 20000] [--repeats 3] [--folder DIR]

It makes a clean trial with that many manifest rows, as text and as a workbook, with participants, visits and sites, and
one small gzip file per FASTQ name; runs the command on each; and prints the best wall time, the processor time and the
peak memory of the process. What it makes in DIR (default: a temporary folder) is used again.

`--parse` also has Snakemake plan nothing (`--list-rules`) on a configuration with the trial's manifest and on one
without, which tells what reading the manifest adds to Snakemake's own start.
"""

import argparse
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import openpyxl  # noqa: E402

from immunosep.checks import columns_of  # noqa: E402
from immunosep.sheet import column_letters  # noqa: E402
from support.trial import write_tsv  # noqa: E402

DAYS = (1, 2, 4, 7, 15, 21, 28, 90)
KINDS = (
    ("rna", "rnaseq", "whole_blood"),
    ("atac", "atacseq", "pbmc"),
    ("proteome", "olink", "plasma"),
    ("microbiome", "16s", "nares"),
    ("microbiome", "16s", "oral"),
    ("microbiome", "16s", "rectum"),
)
SITES = 24
PLATE = 80
PACKED = gzip.compress(b"@read\nACGT\n+\nIIII\n", mtime=0)
LIMIT_SECONDS, LIMIT_MB = 2.0, 300


def manifest_rows(count):
    """Return rows of a clean manifest; the last ones are the blanks and mocks of the 16S plates."""
    rows, filled = [], {}
    number = 0
    plates = -(-count // (6 * PLATE)) * 3 + 3
    while len(rows) < count - 2 * plates:
        person, rest = divmod(number, len(DAYS) * len(KINDS))
        day, kind = DAYS[rest // len(KINDS)], KINDS[rest % len(KINDS)]
        number += 1
        layer, assay, specimen = kind
        site, code = f"GR{person % SITES + 1:02d}", f"{person * 7919 + 12345:09d}"
        plate, well = divmod(filled.setdefault(kind, 0), PLATE)
        filled[kind] += 1
        stem = f"{site}-{code}-D{day:02d}-{assay}-{specimen}"
        row = {"site": site, "sample_code": code, "participant_code": code, "visit_day": str(day), "layer": layer}
        row |= {"assay": assay, "specimen": specimen, "sample_type": "sample", "collected": "yes"}
        row |= {"batch": f"{specimen[:2].upper()}{assay[:2].upper()}{plate}", "plate": f"P{plate}", "well": f"W{well}"}
        row |= files(assay, stem, f"R{plate}")
        rows.append(row | ({"pre_dose": "yes"} if day == 1 else {}))
    batches = sorted({row["batch"] for row in rows if row["layer"] == "microbiome"})
    for at, batch in enumerate(batches * 2):
        kind = "negative_control" if at < len(batches) else "positive_control"
        row = {"layer": "microbiome", "assay": "16s", "sample_type": kind, "batch": batch, "collected": "yes"}
        row |= {"well": f"C{at}"} | files("16s", f"{kind}_{batch}", f"R{batch[4:]}")
        rows.append(row)
    return rows


def files(assay, stem, run):
    if assay == "olink":
        return {"table": "raw/npx.csv", "table_id": stem}
    return {"fastq_1": f"raw/{stem}_R1.fastq.gz", "fastq_2": f"raw/{stem}_R2.fastq.gz", "run": run}


def write_trial(folder, count):
    """Write the tables as text and as workbooks, and the raw files."""
    rows = manifest_rows(count)
    people = sorted({(row["site"], row["sample_code"]) for row in rows if row.get("site")})
    person = {"country": "Greece", "age_years": "70", "sex": "F", "infection": "CAP", "randomised": "yes"}
    person |= {"dosed": "yes", "per_protocol": "yes", "last_contact_day": "90", "consent": "consented"}
    keys = [{"site": site, "participant_code": code} for site, code in people]
    tables = {
        "manifest": rows,
        "participants": [key | person for key in keys],
        "visits": [key | {"visit_day": str(day), "sofa_total": "9"} for key in keys for day in range(1, 16)],
        "sites": [{"site": f"GR{at:02d}", "country": "Greece"} for at in range(1, SITES + 1)],
    }
    for name, content in tables.items():
        for kind in ("tsv", "xlsx"):
            path = folder / kind / ("." if name == "manifest" else "clinical") / f"{name}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "tsv":
                write_tsv(path, columns_of(name), content)
            else:
                write_workbook(path, columns_of(name), content)
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw/npx.csv").write_text("SampleID;Assay;NPX\n")
    for row in rows:
        for column in ("fastq_1", "fastq_2"):
            if row.get(column):
                (folder / row[column]).write_bytes(PACKED)


def write_workbook(path, columns, rows):
    """Write a workbook as Excel does: cells refer to a table of texts."""
    stream, texts, lines = io.BytesIO(), {}, []
    book = openpyxl.Workbook()
    book.active.title = path.stem
    book.save(stream)
    for line, row in enumerate([dict(zip(columns, columns, strict=True)), *rows], start=1):
        cells = "".join(
            f'<c r="{column_letters(at)}{line}" s="0" t="s"><v>{texts.setdefault(row[column], len(texts))}</v></c>'
            for at, column in enumerate(columns)
            if row.get(column)
        )
        lines.append(f'<row r="{line}">{cells}</row>')
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    parts = {
        "xl/worksheets/sheet1.xml": f"<worksheet {space}><sheetData>{''.join(lines)}</sheetData></worksheet>",
        "xl/sharedStrings.xml": f"<sst {space}>{''.join(f'<si><t>{escape(text)}</t></si>' for text in texts)}</sst>",
    }
    with zipfile.ZipFile(stream) as empty, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as full:
        for name in sorted({*empty.namelist(), *parts}):
            data = parts[name] if name in parts else empty.read(name).decode()
            relation = (
                '<Relationship Id="texts" Type="x/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>'
            )
            if name == "xl/_rels/workbook.xml.rels" and "sharedStrings" not in data:
                data = data.replace("</Relationships>", relation)
            full.writestr(name, data)


def measure(command, folder):
    """Run a command; return wall seconds, processor seconds, peak MB and exit code of the process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode, out


def check_speed(folder, count, repeats):
    """Print the figures of the command on both formats; return whether all are within the limits."""
    good = True
    for kind in ("tsv", "xlsx"):
        command = [sys.executable, "-m", "immunosep.cli", "check", f"{kind}/manifest.{kind}", "--data-root", "."]
        command += ["--clinical", f"{kind}/clinical"]
        runs = [measure(command, folder) for _ in range(repeats)]
        wall, cpu, memory = (min(run[at] for run in runs) for at in range(3))
        if any(run[3] != 0 for run in runs):
            print(runs[0][4][:3000])
        good &= wall < LIMIT_SECONDS and memory < LIMIT_MB
        print(f"{count:6} rows, {kind:4}: {wall:5.2f} s wall, {cpu:5.2f} s processor, {memory:4.0f} MB")
    return good


def parse_speed(folder, repeats):
    """Print what the manifest adds to Snakemake's own start."""
    walls = []
    for name in ("bare", "full"):
        config = {"manifest": "tsv/manifest.tsv", "data_root": ".", "sites": "tsv/clinical/sites.tsv"}
        (folder / "none").touch()
        config["reference"] = dict.fromkeys(("genome", "annotation", "transcriptome", "taxonomy_16s"), "none")
        config |= {"clinical": {n: f"tsv/clinical/{n}.tsv" for n in ("participants", "visits")}}
        if name == "bare":
            (folder / "bare.tsv").write_text("".join((folder / "tsv/manifest.tsv").open().readlines()[:2]))
            config["manifest"] = "bare.tsv"
        (folder / f"{name}.json").write_text(json.dumps(config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile"), "--list-rules"]
        runs = [measure([*command, "--configfile", f"{name}.json"], folder) for _ in range(repeats)]
        if runs[0][3] != 0:
            print(runs[0][4][-3000:])
        walls.append((min(run[0] for run in runs), min(run[1] for run in runs)))
        print(f"snakemake --list-rules, {name} manifest: {walls[-1][0]:.2f} s wall, {walls[-1][1]:.2f} s processor")
    print(f"the manifest adds {walls[1][0] - walls[0][0]:.2f} s wall, {walls[1][1] - walls[0][1]:.2f} s processor")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[13440, 20000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--parse", action="store_true", help="also measure Snakemake's start")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT / "scripts")
    # As for anyone who has started the command once: modules are compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        for count in options.rows:
            folder = (options.folder or Path(temporary)) / str(count)
            if not (folder / "raw/npx.csv").exists():
                write_trial(folder, count)
            good &= check_speed(folder, count, options.repeats)
            if options.parse:
                parse_speed(folder, options.repeats)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
