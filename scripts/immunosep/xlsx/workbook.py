"""The parts of an ``.xlsx`` file that its worksheets share: list of sheets, texts, number formats.

The XML is read directly, because the check needs what reading libraries smooth over (which cell was a number, which a
date, which is merged or hidden) and needs it within a second for twenty thousand rows. Streaming, with limits on every
size, without entities: a hostile file gives a message. Format: ECMA-376, part 1, sections 15 and 18.
"""

import posixpath
import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from immunosep.xlsx.plain import split_texts

_BLOCK = 1 << 18
# Decompressed size of one part; a manifest of 20,000 rows has about 25 MB.
_LARGEST_PART = 200 * 2**20
MOST_ITEMS = 5_000_000
# Number formats that every reader knows by their number: those that show a date or a time, and those that show percent.
_KNOWN_FORMATS = {
    **{str(number): "date" for number in (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))},
    "9": "0%",
    "10": "0.00%",
}
_OTHER_KINDS = {
    "xl/workbook.bin": "an Excel binary workbook (.xlsb)",
    "Index/Document.iwa": "a Numbers document",
    "content.xml": "an OpenDocument spreadsheet (.ods)",
    "word/document.xml": "a Word document",
}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")

Handlers = dict[str, Callable[..., None]]


class BrokenWorkbook(Exception):
    """The file is no workbook that can be read; the message says why."""


@dataclass
class Place:
    """A worksheet as the workbook lists it."""

    name: str
    part: str
    hidden: bool


@dataclass
class Book:
    """What the worksheets share; `dates` and `percents` are the styles that show numbers as such."""

    archive: zipfile.ZipFile
    places: list[Place]
    strings: list[str]
    dates: dict[str, str]
    percents: set[str]


def open_book(archive: zipfile.ZipFile) -> Book:
    """Read what the worksheets share.

    Parameters
    ----------
    archive
        The file as a zip archive.

    Returns
    -------
    Book
        With at least one worksheet.

    Raises
    ------
    BrokenWorkbook
        Where the archive is something else, or lacks what a workbook has.
    """
    names = set(archive.namelist())
    for part, kind in _OTHER_KINDS.items():
        if part in names:
            raise BrokenWorkbook(f"file is {kind}")
    main = next(
        (target for kind, _, target in _relations(archive, "") if kind == "officeDocument"),
        "xl/workbook.xml",
    )
    if main not in names:
        raise BrokenWorkbook("file is a zip archive and not a workbook")
    targets = {name: (kind, target) for kind, name, target in _relations(archive, main)}
    listed: list[Place] = []

    def start_sheet(attributes: dict[str, str]) -> None:
        identity = next((value for key, value in attributes.items() if key.endswith("id") and key != "sheetId"), "")
        kind, part = targets.get(identity, ("", ""))
        if kind == "worksheet":
            listed.append(Place(attributes.get("name", ""), part, attributes.get("state", "visible") != "visible"))

    _parse(archive, main, {"sheet": start_sheet})
    listed = [place for place in listed if place.part in names]
    if not listed:
        raise BrokenWorkbook("workbook has no worksheet")
    parts = dict(targets.values())
    strings = _shared_strings(archive, parts["sharedStrings"]) if parts.get("sharedStrings") in names else []
    formats = _number_formats(archive, parts["styles"]) if parts.get("styles") in names else {}
    dates = {style: code for style, code in formats.items() if _shows_date(code)}
    percents = {style for style, code in formats.items() if "%" in _bare(code)}
    return Book(archive, listed, strings, dates, percents)


def _relations(archive: zipfile.ZipFile, part: str) -> list[tuple[str, str, str]]:
    """Relations of a part: last word of the kind, identity, name of the part it leads to."""
    folder, base = posixpath.split(part)
    file = posixpath.join(folder, "_rels", f"{base}.rels")
    found: list[tuple[str, str, str]] = []
    if file not in archive.NameToInfo:
        return found

    def start(attributes: dict[str, str]) -> None:
        target = attributes.get("Target", "")
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if attributes.get("TargetMode") != "External":
            found.append((attributes.get("Type", "").rpartition("/")[2], attributes.get("Id", ""), path))

    _parse(archive, file, {"Relationship": start})
    return found


def blocks(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """Yield a part unpacked, block by block; `BrokenWorkbook` where it unpacks to more than any table."""
    size = 0
    with archive.open(part) as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > _LARGEST_PART:
                raise BrokenWorkbook(f"{part} unpacks to more than {_LARGEST_PART // 2**20} MB")
            yield block


def local_name(name: str) -> str:
    """Return an element's name without its prefix; no two names of a workbook differ in their namespace only."""
    return name.rpartition(":")[2]


def new_parser() -> Any:
    """Make an XML parser that refuses document types, and with them all entities."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise BrokenWorkbook("workbook declares a document type, which no spreadsheet program does")

    parser.StartDoctypeDeclHandler = refuse
    return parser


def _parse(
    archive: zipfile.ZipFile,
    part: str,
    starts: Handlers,
    ends: Handlers | None = None,
) -> None:
    """Parse a small part; handlers are chosen by the element's name without its namespace."""
    parser = new_parser()

    def start(name: str, attributes: dict[str, str]) -> None:
        handler = starts.get(local_name(name))
        if handler is not None:
            handler({local_name(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        handler = (ends or {}).get(local_name(name))
        if handler is not None:
            handler()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    for block in blocks(archive, part):
        parser.Parse(block)
    parser.Parse(b"", True)


def _shared_strings(archive: zipfile.ZipFile, part: str) -> list[str]:
    """Texts that cells refer to by number; runs of one text are joined, phonetic guides left out."""
    reader = _StringReader()
    parser = new_parser()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    for piece in split_texts(blocks(archive, part)):
        if isinstance(piece, list):
            reader.keep(piece)
        else:
            parser.Parse(piece)
    parser.Parse(b"", True)
    return reader.strings


class _StringReader:
    """Turn the elements of the table of texts into texts; called for each of a hundred thousand, so it does little."""

    __slots__ = ("_collecting", "_guide", "_text", "strings")

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._text, self._collecting, self._guide = "", False, False

    def start(self, name: str, _: dict[str, str]) -> None:
        name = local_name(name) if ":" in name else name
        if name == "t":
            self._collecting = not self._guide
        elif name == "rPh":
            self._guide = True
        elif name == "si":
            self._text, self._guide = "", False

    def characters(self, data: str) -> None:
        if self._collecting:
            self._text += data

    def end(self, name: str) -> None:
        self._collecting = False
        name = local_name(name) if ":" in name else name
        if name == "si":
            self.keep((self._text,))
        elif name == "rPh":
            self._guide = False

    def keep(self, texts: Collection[str]) -> None:
        """Add texts to the table."""
        if len(self.strings) + len(texts) > MOST_ITEMS:
            raise BrokenWorkbook("workbook cannot be read: it holds too many texts")
        self.strings += map(unescape, texts)


def unescape(text: str) -> str:
    """Characters that XML cannot hold are written ``_x000D_``."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _number_formats(archive: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Codes of the number formats, by the number of the style that has them; empty where none matters here."""
    custom: dict[str, str] = {}
    formats: list[str] = []
    inside = [False]

    def start_format(attributes: dict[str, str]) -> None:
        custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")

    def start_styles(_: dict[str, str]) -> None:
        inside[0] = True

    def end_styles() -> None:
        inside[0] = False

    def start_style(attributes: dict[str, str]) -> None:
        if inside[0]:
            formats.append(attributes.get("numFmtId", "0"))

    starts: Handlers = {"numFmt": start_format, "cellXfs": start_styles, "xf": start_style}
    _parse(archive, part, starts, {"cellXfs": end_styles})
    known = _KNOWN_FORMATS | custom
    return {str(style): known.get(number, "") for style, number in enumerate(formats)}


def _shows_date(code: str) -> bool:
    """Whether a number format has a day, month, year, hour or second."""
    return bool(re.search(r"[dmyhs]", _bare(code).replace("general", "")))


def _bare(code: str) -> str:
    """Return a number format without what stands in quotes, colours and escapes."""
    return re.sub(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', "", code.casefold())
