"""What a reviewer gets of a finished run: it leaves the scanner, and holds nobody's code."""

import csv
import subprocess
import sys

from support.runs import DEMO, ROOT, assert_success


def test_a_finished_run_can_be_released(demo, tmp_path):
    bundle = tmp_path / "bundle"
    call = [sys.executable, "-m", "immunosep.cli", "release", "--out", str(bundle), "--config", str(DEMO)]
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*call, "--secret", str(tmp_path / "secret")],
        cwd=demo, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert_success(done)
    assert "nothing found" in done.stdout
    files = [path for path in bundle.rglob("*") if path.is_file()]
    names = {path.relative_to(bundle).as_posix() for path in files}
    assert {"biomarkers/endotype/performance.tsv", "biomarkers/endotype/coefficients.tsv"} <= names
    assert sum(name.endswith(".png") for name in names) >= 10
    # By another way than the scanner's: the bytes of every text as they stand.
    with (demo / "resources/demo/manifest.tsv").open(newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    codes = {row[column].encode() for row in rows for column in ("sample_code", "participant_code")} - {b""}
    assert len(codes) > 30
    texts = [path for path in files if path.suffix in (".tsv", ".md", ".html", ".svg", ".json", ".yaml")]
    assert len(texts) > 20
    held = {path.name for path in texts for code in codes if code in path.read_bytes()}
    assert held == set()
