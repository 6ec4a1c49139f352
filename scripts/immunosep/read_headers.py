"""Personal data in the headers of reads: what a sequencer or a converter from BAM wrote behind the name.

The first reads of each file are looked at when a run begins: a program writes the same kind of header throughout.
`check --deep` looks at one read of every few megabytes (`deep.fastq.FastqFile.examples`), and `check` alone at none.
"""

import itertools
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from immunosep.findings import Finding, finding, mask
from immunosep.manifest import Libraries
from immunosep.privacy import header_risk

_READS: Final = 4
_START: Final = 1 << 14


def check_read_headers(libraries: Libraries, layers: Collection[str]) -> list[Finding]:
    """Find read headers that look like personal data, such as an instrument's clock or the tags of a read group.

    Parameters
    ----------
    libraries
        Index of the libraries.
    layers
        Layers that start from raw files in this run.

    Returns
    -------
    list of Finding
        One per file, the header masked. A file that cannot be read is told elsewhere.
    """
    files = (
        path
        for lib in libraries.records()
        if lib.layer in layers
        for lane in lib.files
        for path in (lane.fastq_1, lane.fastq_2)
        if path
    )
    return [found for path in files for found in itertools.islice(_risks(path), 1)]


def _risks(path: str) -> Iterator[Finding]:
    for header in read_headers(path):
        risk = header_risk(header)
        if risk:
            problem = f"the header of a read looks like {risk}"
            fix = "Take the part behind the name out of all headers, as in: zcat x.fastq.gz | sed '1~4s/[ \\t].*//'."
            yield finding("personal_value", path, value=mask(header), problem=problem, fix=fix)


def read_headers(path: str | Path) -> list[str]:
    """Return the header lines of the first reads of a gzipped FASTQ file; none where it is not one."""
    try:
        with Path(path).open("rb") as handle:
            start = zlib.decompressobj(wbits=31).decompress(handle.read(_START), _START)
    except (OSError, zlib.error):
        return []
    return [line.decode("utf-8", "replace") for line in start.split(b"\n")[: 4 * _READS : 4] if line.startswith(b"@")]
