"""Read gzipped FASTQ files to their end in large blocks: are they whole, well-formed, and mates of each other.

One pass over each file: the hash of its bytes, the check of the gzip stream, and the records, which are found by the
positions of the line ends, thousands at a time.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_READ = 1 << 18
_BLOCK = 1 << 22
_GZIP_WINDOW = 31  # zlib's number for: the largest window, with gzip's own head and tail

Positions = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint8]


class Fault(NamedTuple):
    """What is wrong with a file: code of a finding and words for people."""

    code: str
    problem: str


class Names(NamedTuple):
    """Names of consecutive reads, up to the first space and without ``/1`` or ``/2``.

    Attributes
    ----------
    lengths
        Bytes of each name.
    letters
        All names, one behind the other.
    """

    lengths: Positions
    letters: Letters


class _Members:
    """Unpack a gzip stream of one or many members; what is wrong with it is noted once, and ends the unpacking."""

    def __init__(self, faults: list[Fault]) -> None:
        self._faults = faults
        self._stream: zlib._Decompress | None = None
        self._begun = self._broken = False

    def inflate(self, packed: bytes) -> Iterator[bytes]:
        full = False
        while (packed or full) and not self._broken:
            if self._stream is None:
                # Zeros behind a member are padding.
                packed = packed.lstrip(b"\0") if self._begun else packed
                if not packed:
                    return
                self._stream, self._begun = zlib.decompressobj(_GZIP_WINDOW), True
            try:
                piece = self._stream.decompress(packed, _BLOCK)
            except zlib.error as error:
                self._broken = True
                self._faults.append(Fault("gzip_broken", f"the packed data are damaged ({error})"))
                return
            yield piece
            # A full piece may leave more behind although all input is used up.
            full = len(piece) == _BLOCK and not self._stream.eof
            if self._stream.eof:
                packed, self._stream = self._stream.unused_data, None
            else:
                packed = self._stream.unconsumed_tail

    def close(self) -> None:
        if self._stream is not None and not self._broken:
            self._faults.append(Fault("gzip_truncated", "the packed data end before they are complete"))


@dataclass
class FastqFile:
    """A file while and after it is read; `blocks` reads it.

    Attributes
    ----------
    path
        File.
    note
        Called with the number of packed and unpacked bytes of every step; may raise to stop the reading.
    reads
        Records so far.
    sha256
        Hash of the packed bytes, once the end was reached.
    faults
        What is wrong; at most one for the gzip stream and one for the records.
    examples
        Headers of some reads, whole, as text: the first of each block of some megabytes.
    """

    path: Path
    note: Callable[[int, int], None]
    reads: int = 0
    sha256: str = ""
    faults: list[Fault] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def blocks(self) -> Iterator[Names]:
        """Yield the names of the reads, block by block, to the end of the file or the first malformed record."""
        carried = b""
        formed = True
        for data in self._unpacked():
            if not formed:
                continue  # The rest is read for the hash and the gzip stream only.
            names, carried, formed = self._records(carried + data)
            if names is not None:
                yield names
        if formed and carried.strip() and not self.faults:
            names, carried, formed = self._records(carried.rstrip(b"\r\n") + b"\n")
            if names is not None:
                yield names
            if formed and carried:
                self._malformed(self.reads + 1, "the file ends within it")

    def _unpacked(self) -> Iterator[bytes]:
        """Yield the unpacked content in pieces of some megabytes, and hash the packed one."""
        digest = hashlib.sha256()
        member = _Members(self.faults)
        pieces: list[bytes] = []
        size = 0
        with self.path.open("rb") as file:
            while packed := file.read(_READ):
                digest.update(packed)
                unpacked = 0
                for piece in member.inflate(packed):
                    pieces.append(piece)
                    size += len(piece)
                    unpacked += len(piece)
                    if size >= _BLOCK:
                        yield b"".join(pieces)
                        pieces, size = [], 0
                self.note(len(packed), unpacked)
        if pieces:
            yield b"".join(pieces)
        member.close()
        self.sha256 = digest.hexdigest()

    def _records(self, data: bytes) -> tuple[Names | None, bytes, bool]:
        """Split off the whole records of a block; return their names, the rest, and whether all is well-formed."""
        letters = np.frombuffer(data, dtype=np.uint8)
        breaks = np.flatnonzero(letters == ord("\n"))
        count = breaks.size // 4
        if count == 0:
            return None, data, True
        breaks = breaks[: 4 * count]
        rest = data[int(breaks[-1]) + 1 :]
        # One row per record, one column per line.
        starts = np.concatenate([np.zeros(1, dtype=breaks.dtype), breaks[:-1] + 1]).reshape(-1, 4)
        ends = breaks.reshape(-1, 4)
        wrong = self._first_wrong(letters, starts, ends)
        if wrong is not None:
            count = wrong
            starts, ends = starts[:count], ends[:count]
        if count:
            first = data[int(starts[0, 0]) + 1 : int(ends[0, 0])]
            self.examples.append(first.decode("ascii", "replace").strip())
        self.reads += count
        return (_names(letters, starts[:, 0] + 1, ends[:, 0]) if count else None), rest, wrong is None

    def _first_wrong(self, letters: Letters, starts: Positions, ends: Positions) -> int | None:
        """Index of the first malformed record of a block, which is noted."""
        lengths = ends - starts
        # In an empty line the first letter is the line's end, which is neither of the two signs.
        tests = (
            (letters[starts[:, 0]] != ord("@"), "its first line does not begin with @"),
            (letters[starts[:, 2]] != ord("+"), "its third line does not begin with +"),
            (lengths[:, 1] != lengths[:, 3], "it has not as many qualities as bases"),
        )
        found = [(int(np.argmax(bad)), problem) for bad, problem in tests if bad.any()]
        if not found:
            return None
        index, problem = min(found)
        self._malformed(self.reads + index + 1, problem)
        return index

    def _malformed(self, record: int, problem: str) -> None:
        self.faults.append(Fault("fastq_malformed", f"record {record:,}: {problem}"))


def _names(letters: Letters, starts: Positions, ends: Positions) -> Names:
    """Cut the names of reads out of a block."""
    spaces = np.flatnonzero((letters == ord(" ")) | (letters == ord("\t")))
    if spaces.size:
        following = np.searchsorted(spaces, starts)
        at = spaces[np.minimum(following, spaces.size - 1)]
        ends = np.where((following < spaces.size) & (at < ends), at, ends)
    # A carriage return is no part of the name; neither is the number of the mate.
    ends = ends - ((ends > starts) & (letters[ends - 1] == ord("\r")))
    numbered = (ends - starts > 2) & (letters[ends - 2] == ord("/")) & np.isin(letters[ends - 1], (ord("1"), ord("2")))
    lengths = ends - 2 * numbered - starts
    before = np.cumsum(lengths) - lengths
    places = np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
    return Names(lengths, letters[places])


def compare_mates(first: Iterator[Names], second: Iterator[Names]) -> int | None:
    """Compare the names of two files read by read, and read both to their ends.

    Parameters
    ----------
    first, second
        Names of the reads of both mates, in blocks of any size.

    Returns
    -------
    int or None
        Number (from 1) of the first read whose names differ, among those that both files have.
    """
    done = 0
    held: list[Names | None] = [None, None]
    differing: int | None = None
    streams = (first, second)
    while True:
        for side, stream in enumerate(streams):
            if held[side] is None:
                held[side] = next(stream, None)
        left, right = held
        if left is None or right is None:
            break
        count = min(left.lengths.size, right.lengths.size)
        if differing is None and (index := _first_difference(left, right, count)) is not None:
            differing = done + index + 1
        done += count
        held = [_after(left, count), _after(right, count)]
    for stream in streams:
        for _ in stream:
            pass
    return differing


def _first_difference(left: Names, right: Names, count: int) -> int | None:
    unequal = np.flatnonzero(left.lengths[:count] != right.lengths[:count])
    same = int(unequal[0]) if unequal.size else count
    ends = np.cumsum(left.lengths[:same])
    size = int(ends[-1]) if same else 0
    letters = np.flatnonzero(left.letters[:size] != right.letters[:size])
    if letters.size:
        return int(np.searchsorted(ends, letters[0], side="right"))
    return same if same < count else None


def _after(names: Names, count: int) -> Names | None:
    if count == names.lengths.size:
        return None
    return Names(names.lengths[count:], names.letters[int(names.lengths[:count].sum()) :])
