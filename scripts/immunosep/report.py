"""The HTML report without participant codes.

Snakemake's report lists the input and output files of every rule, and file names hold library names, which hold codes.
A report is made to be sent around, so the codes in it are replaced by surrogate numbers after it was built.
"""

from __future__ import annotations

import logging
import re
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from immunosep.figures.style import surrogate_ids
from immunosep.io import atomic_path
from immunosep.launch import call_snakemake
from immunosep.scan import codes_in

logger = logging.getLogger(__name__)

TEXTS: Final = {".html", ".js", ".json", ".css", ".svg", ".tsv", ".csv", ".txt", ".rst", ".md"}
_NAME: Final = re.compile(rb"(?:([A-Za-z0-9]+)-)?(?<![0-9.])([0-9]{9})(?![0-9])")


LIBRARY_TABLE: Final = Path("results/intake/libraries.tsv")


def build_report(configfile: Path, target: Path, seed: int) -> int:
    """Write the HTML report of the run in the present folder as a zip without codes.

    Parameters
    ----------
    configfile
        Overlay that the run used.
    target
        The zip; it appears under this name only when the codes are out of it.
    seed
        The seed of the configuration.

    Returns
    -------
    int
        Snakemake's exit code.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".report_", dir=target.parent) as folder:
        # The folder inside the zip is named after the file.
        built = Path(folder) / target.name
        code = call_snakemake(configfile, ["--nolock", "--report", str(built)])
        if code == 0:
            mask_codes(built, codes_in(LIBRARY_TABLE), seed)
            built.replace(target)
    return code


def mask_codes(report: str | Path, codes: Iterable[tuple[str, str]], seed: int) -> int:
    """Replace participant and sample codes in the texts of a report, in place.

    Parameters
    ----------
    report
        The zip that ``snakemake --report`` wrote.
    codes
        Site and code of every participant and sample. ``GR03-012345678`` becomes ``P017``; a code without its site
        gets a number of its own, because two sites may use the same code.
    seed
        The seed of the configuration.

    Returns
    -------
    int
        Number of replacements.
    """
    known = sorted(set(codes))
    names = [f"{site}-{code}" for site, code in known] + [code for _, code in known]
    surrogates = {name.encode(): number.encode() for name, number in surrogate_ids(names, seed, "report").items()}
    replaced = 0

    def surrogate(match: re.Match[bytes]) -> bytes:
        nonlocal replaced
        whole, code = match.group(0), match.group(2)
        if code not in surrogates:
            return whole
        replaced += 1
        bare = whole.removesuffix(code) + surrogates[code]
        return surrogates.get(whole, bare)

    with (
        atomic_path(report) as temporary,
        zipfile.ZipFile(report) as source,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.infolist():
            content = source.read(member)
            if Path(member.filename).suffix in TEXTS:
                content = _NAME.sub(surrogate, content)
            target.writestr(member, content)
    logger.info("%s: %d codes masked", Path(report).name, replaced)
    return replaced
