"""The cells of a worksheet, each as text together with what it is: number, date, truth value, formula."""

from collections.abc import Callable, Iterator

from immunosep.sheet import Typed, column_number
from immunosep.xlsx.plain import PlainRow, split_rows
from immunosep.xlsx.workbook import Book, BrokenWorkbook, Place, blocks, local_name, new_parser, unescape

_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
# What a cell is made of; other names, and names with a prefix, are rare.
_NAMES = frozenset(("c", "v", "is", "t", "f", "row"))

# Number of the row, text by position, type by position of the cells that are not text.
Row = tuple[int, dict[int, str], dict[int, Typed]]


class Worksheet:
    """Rows of a worksheet, one after the other; what is said of the whole sheet is known after the last.

    Attributes
    ----------
    hidden_rows, hidden_columns
        Numbers of rows; positions of columns.
    merged
        Ranges, as in ``A1:C1``.
    """

    def __init__(self, book: Book, place: Place) -> None:
        self._book, self._part = book, place.part
        self.hidden_rows: list[int] = []
        self.hidden_columns: list[int] = []
        self.merged: list[str] = []

    def __iter__(self) -> Iterator[Row]:
        """Yield number, text by position, and type of what is not text, of every row."""
        cells = _CellReader(self._book, self._note)
        parser = new_parser()
        parser.StartElementHandler, parser.EndElementHandler = cells.start, cells.end
        parser.CharacterDataHandler = cells.characters
        for piece in split_rows(blocks(self._book.archive, self._part)):
            if isinstance(piece, PlainRow):
                cells.read(piece)
            else:
                parser.Parse(piece)
            yield from cells.rows
            cells.rows.clear()
        parser.Parse(b"", True)
        yield from cells.rows

    def _note(self, name: str, line: int, attributes: dict[str, str]) -> None:
        """Keep what an element says that is neither a cell nor inside of one."""
        hidden = attributes.get("hidden") in ("1", "true")
        if name == "mergeCell":
            self.merged.append(attributes.get("ref", ""))
        elif name == "row" and hidden:
            self.hidden_rows.append(line)
        elif name == "col" and hidden:
            first, last = int(attributes.get("min", 1)), int(attributes.get("max", 1))
            self.hidden_columns.extend(range(first - 1, min(last, _LAST_COLUMN)))


class _Positions(dict[str, int]):
    """Position of the column by its letters, each worked out once."""

    def __missing__(self, letters: str) -> int:
        position = self[letters] = _checked(column_number(letters), _LAST_COLUMN)
        return position


class _CellReader:
    """Turn the elements of a worksheet into rows; called for each of them, a million times, so it does little."""

    __slots__ = (
        "_book", "_cells", "_collecting", "_formula", "_guide", "_kind", "_line", "_note", "_position", "_positions",
        "_style", "_text", "_typed", "rows",
    )  # fmt: skip

    def __init__(self, book: Book, note: Callable[[str, int, dict[str, str]], None]) -> None:
        self._book, self._note = book, note
        self.rows: list[Row] = []
        self._positions = _Positions()
        self._line, self._position = 0, -1
        self._collecting = self._guide = False
        self._cells: dict[int, str] = {}
        self._typed: dict[int, Typed] = {}
        self._kind = self._style = self._text = ""
        self._formula: str | None = None

    def read(self, row: PlainRow) -> None:
        """Take a row that needs no parser."""
        self._start_row(row.line)
        strings, position_of = self._book.strings, self._positions
        self._cells = {position_of[letters]: text for letters, at in row.shared if (text := strings[int(at)])}
        for letters, self._style, kind, value, inline in row.cells:
            self._position, self._kind, self._text = position_of[letters], kind or "n", value or inline
            self._formula = None
            self._end_cell()
        self.rows.append((self._line, self._cells, self._typed))

    def _start_row(self, line: int) -> None:
        self._line = _checked(line, _LAST_ROW + 1)
        self._position, self._cells, self._typed = -1, {}, {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name == "v":
            self._collecting = not self._guide
        else:
            self._start_rarer(name if name in _NAMES else local_name(name), attributes)

    def _start_cell(self, attributes: dict[str, str]) -> None:
        told = attributes.get
        reference = told("r")
        if reference is None:
            self._position += 1
        else:
            self._position = self._positions[reference.rstrip("0123456789")]
        self._kind, self._style = told("t", "n"), told("s", "")
        self._text, self._formula, self._guide = "", None, False

    def _start_rarer(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name in ("v", "t"):
            self._collecting = not self._guide
        elif name == "row":
            self._start_row(int(attributes.get("r", self._line + 1)))
            if "hidden" in attributes:
                self._note(name, self._line, attributes)
        elif name == "f":
            self._formula, self._collecting = "", True
        elif name == "rPh":
            self._guide = True  # Phonetic guides follow the text and are no part of it.
        elif name != "is":
            self._note(name, self._line, attributes)

    def characters(self, data: str) -> None:
        if self._collecting:
            self._text += data

    def end(self, name: str) -> None:
        self._collecting = False
        if name == "v":
            return
        if name not in _NAMES:
            name = local_name(name)
        if name == "c":
            self._end_cell()
        elif name == "row":
            self.rows.append((self._line, self._cells, self._typed))
        elif name == "f":
            self._formula, self._text = self._text, ""

    def _end_cell(self) -> None:
        if self._kind == "s" and self._text and self._formula is None:
            # What most cells are: a text of the workbook's table of texts.
            if text := self._book.strings[int(self._text)]:
                self._cells[self._position] = text
        elif self._text or self._formula:
            self._keep()

    def _keep(self) -> None:
        """Keep a cell: its text, and what it is where it is not text."""
        kind, text = self._kind, self._text
        typed: Typed | None = None
        if kind == "s" and text:
            text = self._book.strings[int(text)]
        elif kind in ("inlineStr", "str"):
            text = unescape(text)
        elif kind == "b":
            text, typed = ("TRUE" if text == "1" else "FALSE"), Typed("boolean")
        elif kind == "d" or self._style in self._book.dates:
            typed = Typed("date", self._book.dates.get(self._style, "date"))
        elif kind != "e" and text:  # An error reads as what it says (#N/A), and is told as such.
            if self._style in self._book.percents:
                text = _percent_text(text)  # Nobody who sees 25% means 0.25; it is judged as the percentage it is.
            else:
                text, typed = _number_text(text), Typed("number")
        if self._formula is not None:
            # A program that does not calculate leaves no value: the formula itself stands in its place. One that gives
            # no text is an empty cell.
            text, typed = text or ("" if kind == "str" else f"={self._formula}"), Typed("formula")
        if text:
            self._cells[self._position] = text
            if typed is not None:
                self._typed[self._position] = typed


def _checked(number: int, limit: int) -> int:
    if not 0 <= number < limit:
        raise BrokenWorkbook("workbook cannot be read: a cell lies outside of any sheet")
    return number


def _number_text(text: str) -> str:
    """Write a stored number in its shortest form: ``9``, ``4420.5``."""
    if text.isdigit():
        return text
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _percent_text(text: str) -> str:
    """Write a stored number as the percentage that the cell shows: ``25%`` for 0.25."""
    return f"{round(100 * float(text), 6):.12g}%"
