"""A cohort of placeholder files: enough for Snakemake to plan on, made in a second."""

import pytest

from immunosep.config import load_config
from immunosep.simulate.reads import write_design
from support.runs import DEMO, ROOT
from support.trial import PACKED


@pytest.fixture(scope="session")
def design(tmp_path_factory):
    """Working folder with the demonstration's tables and raw files of hardly a byte."""
    folder = tmp_path_factory.mktemp("design")
    config = load_config(ROOT / "config/config.yaml", DEMO)
    cohort = folder / "resources/demo"
    write_design(config, cohort, config["seed"])
    for path in [*(cohort / "raw").rglob("*"), *(cohort / "reference").rglob("*")]:
        if path.is_file() and not path.stat().st_size:
            path.write_bytes(PACKED if path.suffix == ".gz" else b"\n")
    return folder
