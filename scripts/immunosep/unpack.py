"""Open files to the last layer, so that a scanner sees what a reader with the right program would see.

Packed and structured files (gzip, bzip2, xz, zip, tar, PNG, PDF, HDF5, Parquet, numpy) are opened, again and again
where they are nested; escaped text (XML entities, JSON, percent signs, wide characters, base64 in pages) is spelt out.
The raw bytes are always handed on as well. What cannot be opened is said: nobody can vouch for it.
"""

import base64
import binascii
import bz2
import gzip
import html
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, SupportsIndex

MAX_DEPTH: Final = 8
TIME_STAMP: Final = "carries a time stamp"
DOS_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_CODE_DIGITS: Final = 9
_SMALLEST_NUMBER: Final = 10**6  # smaller whole numbers are counts; leading zeros of a code are lost in numbers

# Beginnings of formats that cannot be opened with what the workflow has.
_CLOSED: Final = {
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\x1f\x9d": "compress",
    b"CRAM": "CRAM",
    b"ARROW1": "Arrow",
}
_DATA_URI: Final = re.compile(rb";base64,([A-Za-z0-9+/\s]{16,}={0,2})")
# UTF-16 and UTF-32 of either byte order, as their ASCII letters look.
_WIDE: Final = re.compile(rb"[ -~](?:\x00[ -~]){5}|[ -~](?:\x00{3}[ -~]){5}")
_ENTITY: Final = re.compile(rb"&#(?:x[0-9A-Fa-f]{1,6}|[0-9]{1,7});")
_UNICODE: Final = re.compile(rb"\\u00([0-9A-Fa-f]{2})")
_PERCENT: Final = re.compile(rb"%([2-7][0-9A-Fa-f])")
_PDF_STREAM: Final = re.compile(rb"(?<!end)stream\r?\n")
_PDF_TOKEN: Final = re.compile(rb"[\[\]]|\((?:[^()\\]|\\.)*\)|<[0-9A-Fa-f\s]{2,}>", re.DOTALL)
_PDF_ESCAPE: Final = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_PDF_UNREAD: Final = (b"/LZWDecode", b"/ASCII85Decode", b"/ASCIIHexDecode", b"/RunLengthDecode")


class Part(NamedTuple):
    """A piece of a file.

    Attributes
    ----------
    place
        File, and behind ``!`` the way into it.
    data
        Bytes as they stand there, or spelt out.
    problem
        Why the piece cannot be vouched for; empty where it can.
    """

    place: str
    data: bytes
    problem: str = ""


class _Inside(NamedTuple):
    """A piece that may itself be packed."""

    place: str
    data: bytes


_Opened = Iterator[Part | _Inside]


def parts(data: bytes, place: str, depth: int = 0) -> Iterator[Part]:
    """Yield the bytes of a file and everything that is inside them.

    Parameters
    ----------
    data
        Content of a file.
    place
        Name for messages.
    depth
        How many containers are around it.

    Yields
    ------
    Part
        First the bytes themselves.
    """
    yield Part(place, data)
    for view, text in _spelt_out(data):
        yield Part(f"{place}!({view})", text)
    if depth >= MAX_DEPTH:
        yield Part(place, b"", f"nested more than {MAX_DEPTH} times")
        return
    for number, match in enumerate(_DATA_URI.finditer(data)):
        yield from parts(_from_base64(match[1]), f"{place}!data-uri-{number}", depth + 1)
    opener = _opener(data)
    if opener is None:
        return
    try:
        for inside in opener(data, place):
            if isinstance(inside, Part):
                yield inside
            else:
                yield from parts(inside.data, inside.place, depth + 1)
    except Exception as error:  # a broken or hostile file may raise anything in a decoder; it must not pass for clean
        yield Part(place, b"", f"cannot be opened ({type(error).__name__})")


def _spelt_out(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield readings of the bytes in which escaped characters stand as themselves."""
    if b"\x00" in data and _WIDE.search(data):
        yield "wide characters", data.replace(b"\x00", b"")
    text = data
    if b"&#" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m[0].decode()).encode("utf-8", "replace"), text)
    if b"\\u00" in text:
        text = _UNICODE.sub(lambda m: bytes.fromhex(m[1].decode()), text)
    if b"%" in text:
        text = _PERCENT.sub(lambda m: bytes.fromhex(m[1].decode()), text)
    if text is not data and text != data:
        yield "unescaped", text


def _from_base64(text: bytes) -> bytes:
    packed = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4))
    except binascii.Error:
        return b""


def _opener(data: bytes) -> Callable[[bytes, str], _Opened] | None:
    """Return how to open a file, by how it begins; None for plain bytes."""
    for magic, opener in _OPENERS.items():
        if data.startswith(magic):
            return opener
    if data[257:262] == b"ustar":
        return _open_tar
    return next((_refuse for magic in _CLOSED if data.startswith(magic)), None)


def _refuse(data: bytes, place: str) -> _Opened:
    kind = next(kind for magic, kind in _CLOSED.items() if data.startswith(magic))
    yield Part(place, b"", f"a {kind} file cannot be opened here")


def _open_gzip(data: bytes, place: str) -> _Opened:
    if any(data[4:8]):
        yield Part(place, b"", TIME_STAMP)
    yield _Inside(f"{place}!gz", gzip.decompress(data))


def _open_bz2(data: bytes, place: str) -> _Opened:
    yield _Inside(f"{place}!bz2", bz2.decompress(data))


def _open_xz(data: bytes, place: str) -> _Opened:
    yield _Inside(f"{place}!xz", lzma.decompress(data))


def _open_zip(data: bytes, place: str) -> _Opened:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            name = member.filename
            yield Part(f"{place}!names", name.encode())
            if member.date_time != DOS_EPOCH:
                yield Part(f"{place}!{name}", b"", TIME_STAMP)
            if not member.is_dir():
                yield _Inside(f"{place}!{name}", archive.read(member))


def _open_tar(data: bytes, place: str) -> _Opened:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            yield Part(f"{place}!names", member.name.encode())
            if member.mtime:
                yield Part(f"{place}!{member.name}", b"", TIME_STAMP)
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield _Inside(f"{place}!{member.name}", content.read())


def _open_png(data: bytes, place: str) -> _Opened:
    position = 8
    while position + 8 <= len(data):
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + size]
        where = f"{place}!{kind.decode('latin-1')}"
        if kind == b"tIME":
            yield Part(where, b"", TIME_STAMP)
        elif kind == b"zTXt":
            yield _Inside(where, zlib.decompress(body.partition(b"\x00")[2][1:]))
        elif kind == b"iTXt":
            _, _, rest = body.partition(b"\x00")
            text = rest[2:].split(b"\x00", 2)[-1]
            yield _Inside(where, zlib.decompress(text) if rest[:1] == b"\x01" else text)
        elif kind not in (b"IDAT", b"IHDR", b"PLTE"):
            yield _Inside(where, body)
        position += 12 + size
        if kind == b"IEND" and position < len(data):
            yield _Inside(f"{place}!behind the picture", data[position:])
            return


def _open_pdf(data: bytes, place: str) -> _Opened:
    if b"/Encrypt" in data:
        yield Part(place, b"", "an encrypted PDF cannot be opened here")
    yield Part(f"{place}!strings", _pdf_strings(data))
    for number, match in enumerate(_PDF_STREAM.finditer(data)):
        header = data[max(data.rfind(b"obj", 0, match.start()), 0) : match.start()]
        where = f"{place}!stream-{number}"
        if any(name in header for name in _PDF_UNREAD):
            yield Part(where, b"", "a PDF stream of this filter cannot be opened here")
        elif b"/FlateDecode" in header:
            content = zlib.decompressobj().decompress(data[match.end() :])
            yield _Inside(where, content)
            if b"/Image" not in header:
                yield Part(f"{where}!strings", _pdf_strings(content))


def _pdf_strings(data: bytes) -> bytes:
    """Spell out the strings of a PDF; those of one array are one text, cut only for kerning.

    But for the arrays of a map of characters: they list those that a font has, 0 to 8 of one that never wrote a nine.
    """
    is_map = b"begincmap" in data
    text = io.BytesIO()
    in_array = False
    for match in _PDF_TOKEN.finditer(data):
        token = match[0]
        if token in (b"[", b"]"):
            in_array = token == b"[" and not is_map
            text.write(b"\n")
            continue
        if token.startswith(b"("):
            text.write(_PDF_ESCAPE.sub(_pdf_character, token[1:-1]))
        else:
            digits = b"".join(token[1:-1].split()).decode()
            text.write(bytes.fromhex(digits + "0" * (len(digits) % 2)))
        if not in_array:
            text.write(b"\n")
    return text.getvalue().replace(b"\x00", b"")


def _pdf_character(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    if escaped[:1] in b"01234567":
        return bytes([int(escaped, 8) & 255])
    return b"" if escaped.endswith(b"\n") else escaped


def _open_npy(data: bytes, place: str) -> _Opened:
    import numpy as np

    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    yield Part(f"{place}!values", _values(array))


def _open_hdf5(data: bytes, place: str) -> _Opened:
    import h5py

    with h5py.File(io.BytesIO(data), "r") as file:
        found: list[tuple[str, Any]] = [("/", file)]
        file.visititems(lambda name, node: found.append((name, node)))
        for name, node in found:
            yield Part(f"{place}!names", name.encode())
            for key in node.attrs:
                yield Part(f"{place}!{name}@{key}", b"\n".join((key.encode(), _values(node.attrs[key]))))
            if isinstance(node, h5py.Dataset):
                yield Part(f"{place}!{name}", _values(node[()]))


def _open_parquet(data: bytes, place: str) -> _Opened:
    import pyarrow.parquet as parquet

    table = parquet.read_table(io.BytesIO(data))
    yield Part(f"{place}!schema", repr((table.schema, table.schema.metadata)).encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        yield Part(f"{place}!{name}", _values(column.to_pandas().to_numpy()))


def _values(value: Any) -> bytes:
    """Write the texts of a value, one a line, and its whole numbers with nine digits, so that both can be searched."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.names:
        return b"\n".join(_values(array[name]) for name in array.dtype.names)
    if array.dtype.kind in "iuf" and array.dtype.itemsize > 2:  # whole numbers with gaps are floats
        numbers = np.unique(array[(array >= _SMALLEST_NUMBER) & (array < 10**_CODE_DIGITS)])
        return b"\n".join(b"%09d" % int(number) for number in numbers if number == int(number))
    if array.dtype.kind in "OSU":
        return b"\n".join(_values(item) if isinstance(item, np.ndarray) else _text(item) for item in array.ravel())
    return b""


def _text(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    is_number = isinstance(item, float | SupportsIndex) and not isinstance(item, bool)
    if is_number and 0 <= item < 10**_CODE_DIGITS and item == int(item):
        return b"%09d" % int(item)
    return str(item).encode("utf-8", "replace")


_OPENERS: Final[dict[bytes, Callable[[bytes, str], _Opened]]] = {
    b"\x1f\x8b": _open_gzip,
    b"BZh": _open_bz2,
    b"\xfd7zXZ\x00": _open_xz,
    b"PK\x03\x04": _open_zip,
    b"\x89PNG\r\n\x1a\n": _open_png,
    b"%PDF-": _open_pdf,
    b"\x93NUMPY": _open_npy,
    b"\x89HDF\r\n\x1a\n": _open_hdf5,
    b"PAR1": _open_parquet,
}
