"""A cohort of empty files: enough for Snakemake to plan on, made in a second."""

import pytest
from immunosep.config import load_config
from immunosep.simulate.reads import write_design
from support.runs import DEMO, ROOT


@pytest.fixture(scope="session")
def design(tmp_path_factory):
    """Working folder with the demonstration's tables and empty raw files."""
    folder = tmp_path_factory.mktemp("design")
    config = load_config(ROOT / "config/config.yaml", DEMO)
    write_design(config, folder / "resources/demo", config["seed"])
    return folder
