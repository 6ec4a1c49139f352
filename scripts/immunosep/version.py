"""The version of the workflow, that of `pyproject.toml`: which a run knows without that file or an installation."""

from typing import Final

VERSION: Final = "0.1.0"
