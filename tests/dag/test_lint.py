"""The workflow in the eyes of Snakemake's own linter."""

from support.runs import snakemake


def test_snakemake_finds_nothing_to_mend(design):
    process = snakemake(design, "--lint")
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Congratulations, your workflow is in a good condition!" in process.stdout + process.stderr
