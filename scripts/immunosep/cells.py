"""Judge single cells: what is wrong with a value, in words that say what probably happened to it.

A column is described by a field of a table schema (see `checks`). Nothing here knows of files or rows.
"""

import difflib
import functools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from immunosep.privacy import is_words, path_risk, value_risk
from immunosep.sheet import Typed

_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_ANY_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:[.,'\u2019\u00a0\u202f ][0-9]{3})+(?:[.,][0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
# A code within a name; a longer number, or one with a sign before it, is something else.
_CODE = re.compile(r"(?<![0-9+])[0-9]{9}(?![0-9])")
_WORD = re.compile(r"[^\W\d_]{3}")
_NINE = "a code is nine digits and nothing else"
_QUOTES = "'\"\u2018\u2019\u201c\u201d\u00b4`"
_AROUND_CODES = ".,-_/" + _QUOTES
_MISSING = {"na", "n/a", "nan", "null", "none", "nil", "missing", "unknown", "-", "--", ".", "?", "#n/a", "nd", "n.d."}


class Flaw(NamedTuple):
    """What is wrong with one cell, wherever it stands."""

    code: str
    problem: str
    suggestion: str = ""
    masked: bool = False


def judge_values(spec: dict[str, Any], values: Collection[str]) -> dict[str, Flaw]:
    """Judge the distinct values of a column; return what is wrong with those that are not legal.

    Parameters
    ----------
    spec
        A field of a schema.
    values
        Texts of cells.
    """
    if "pattern" in spec and not spec.get("required") and _all_fit(spec["pattern"], [v for v in values if v]):
        return {}
    judge = cell_judge(spec)
    return {value: flaw for value in values if (flaw := judge(value)) is not None}


def _all_fit(pattern: str, values: list[str]) -> bool:
    """Whether values are legal beyond doubt, seen at once as the lines of a text: a trial has tens of thousands.

    Where one is not, they are judged one by one.
    """
    if not values:
        return True
    text = "\n".join(values)
    if text.count("\n") >= len(values) or re.search(rf"^(?!(?:{pattern})$)", text, re.ASCII | re.MULTILINE):
        return False
    if not _MISSING.isdisjoint(map(str.casefold, values)):
        return False
    return not any(map(_name_risk, set(_CODE.sub("code", text).split("\n"))))


def cell_judge(spec: dict[str, Any]) -> Callable[[str], Flaw | None]:
    """Return the function that judges a cell of a column.

    Parameters
    ----------
    spec
        A field of a schema.

    Returns
    -------
    callable
        Takes the text of a cell; returns None for a legal value.
    """
    required = spec.get("required", False)
    allowed = ["yes", "no"] if spec["type"] == "boolean" else spec.get("enum")
    pattern = re.compile(spec["pattern"], re.ASCII) if "pattern" in spec else None
    numeric = {"integer": _judge_integer, "number": _judge_number}.get(spec["type"])

    def judge(value: str) -> Flaw | None:
        if not value:
            return Flaw("required_empty", f"{spec['name']} is empty") if required else None
        if allowed is not None:
            return None if value in allowed else _judge_listed(value, allowed, spec)
        if numeric is not None:
            return numeric(value, spec)
        if spec.get("format") == "code":
            return _judge_code(value)
        # A batch named NA would be a batch of its own, made of all that is not known.
        if pattern is not None and pattern.fullmatch(value) and value.casefold() not in _MISSING:
            risk = _name_risk(_CODE.sub("code", value))
            return Flaw("personal_value", f"holds what looks like {risk}", masked=True) if risk else None
        return _judge_text(value, spec, pattern)

    return judge


@functools.lru_cache(maxsize=1 << 14)
def _name_risk(name: str) -> str:
    """Say what the name of a file, batch or run gives away; without codes, thousands of names are a few hundred."""
    return path_risk(name)


def judge_typed(typed: Typed, value: str, spec: dict[str, Any]) -> Flaw | None:
    """Judge a worksheet's cell that is not text.

    Parameters
    ----------
    typed
        What the cell is.
    value
        How it reads as text.
    spec
        A field of a schema.

    Returns
    -------
    Flaw or None
        None where the text alone says what is wrong.
    """
    if typed.kind == "merged":
        return Flaw("cell_merged", f"the cell belongs to the merged cells {typed.detail}")
    if typed.kind == "formula":
        return Flaw("cell_formula", "a formula stands in the cell", masked=bool(value_risk(value)))
    if typed.kind == "date":
        return Flaw("cell_date", f"the spreadsheet shows it as a date ({typed.detail})", masked=True)
    if typed.kind == "boolean":
        word = {"TRUE": "yes", "FALSE": "no"}[value] if spec["type"] == "boolean" else ""
        return Flaw("cell_boolean", f"the spreadsheet's own {value}, which is not a word", word)
    if spec.get("format") == "code":
        lost = f"lost; {len(value)} digits are left" if len(value) < 9 else "lost if it had any"
        return Flaw("code_not_text", f"the cell has lost its text type: it is a number, and leading zeros are {lost}")
    if spec["type"] in ("integer", "number"):
        return Flaw("cell_number", "the cell is a number and not text")
    if spec["type"] == "boolean" or "enum" in spec:
        return None
    return Flaw("cell_not_text", "the cell is a number, and the column holds text")


def _judge_common(value: str, *, is_code: bool = False) -> Flaw | None:
    """Name what is wrong in any column: words for missing, stray whitespace, personal data."""
    if value.strip().casefold() in _MISSING:
        return Flaw("missing_token", "a missing value is an empty cell")
    risk = value_risk(value, is_code=is_code)
    if risk:
        return Flaw("personal_value", f"looks like {risk}", masked=True)
    if value != value.strip() or not value.isprintable():
        around = value[: len(value) - len(value.lstrip())] + value[len(value.rstrip()) :]
        hidden = "".join(c for c in value.strip() if not c.isprintable())
        mended = "".join(c for c in value if c.isprintable()).strip()
        return Flaw("whitespace", f"{_strays(around + hidden)} in or around the value", mended)
    return None


def _judge_text(value: str, spec: dict[str, Any], pattern: re.Pattern[str] | None) -> Flaw | None:
    flaw = _judge_common(value)
    if flaw is not None or pattern is None:
        return flaw
    wanted = spec["description"].rstrip(".")
    # Names such as SHA-256 keep their capital.
    start = wanted[0] if wanted[1].isupper() else wanted[0].lower()
    return Flaw("bad_pattern", f"should be {start}{wanted[1:]}", masked=is_words(value))


def _judge_listed(value: str, allowed: list[str], spec: dict[str, Any]) -> Flaw:
    if "unitOf" in spec:
        if "%" in value or "percent" in value.casefold():
            return Flaw("unit_percent", f"{spec['unitOf']} in percent; the unit is {allowed[0]}")
        problem = f"the unit of {spec['unitOf']} is written {allowed[0]}"
        return Flaw("unit_wrong", problem, allowed[0], masked=is_words(value))
    near = same_letters(value, allowed) or _yes_or_no(value, allowed) or nearest(value, allowed)
    flaw = _judge_common(value)
    if flaw is not None and flaw.code != "whitespace":
        return flaw
    # Words that are near nothing legal may be a person's name in the wrong column.
    return Flaw("not_allowed", f"not one of: {', '.join(allowed)}", near, masked=not near and is_words(value))


def _judge_code(value: str) -> Flaw | None:
    """Name what happened to a code; it is never mended."""
    if value.isascii() and value.isdigit():
        if len(value) == 9:
            return None
        if len(value) < 9:
            return Flaw("code_leading_zero", f"{len(value)} digits; Excel has probably dropped leading zeros")
        # The numbers by which states and insurers know their citizens are longer.
        return _judge_common(value) or Flaw("code_too_long", f"{len(value)} digits; a code has nine")
    if _SCIENTIFIC.fullmatch(value):
        return Flaw("code_scientific", "Excel has probably turned the code into a number and rounded it")
    if re.fullmatch(r"[0-9]+[.,]0*", value):
        return Flaw("code_decimal", "Excel or a script has read the code as a decimal number")
    flaw = _judge_dressed_code(value) or _judge_common(value, is_code=True)
    # Words beside digits may be a name; a formula and its error (#REF!) are not.
    words = _WORD.search(value) is not None and value[0] not in "#="
    return flaw or Flaw("code_malformed", _NINE, masked=words)


def _judge_dressed_code(value: str) -> Flaw | None:
    """Name what stands around the digits of a code, or in place of them."""
    bare = "".join(c for c in value if not c.isspace() and c.isprintable() and c not in _AROUND_CODES)
    if bare.isdecimal() and not bare.isascii():
        return Flaw("code_non_ascii", "the digits are not the digits 0 to 9 of a Latin keyboard")
    if bare.isdecimal():
        if any(c in _QUOTES for c in value):
            return Flaw("code_quoted", f"{len(bare)} digits with quotation marks or an apostrophe, as Excel shows text")
        if len(bare) == 9:
            return Flaw("code_spaces", f"{_strays(value)} in or around the nine digits")
    if re.fullmatch(r"[0-9OoIl|]{9}", bare) and re.search(r"[0-9]", bare):
        letters = ", ".join(sorted({c for c in bare if not c.isdigit()}))
        return Flaw("code_letters", f"{letters} in place of a digit")
    return None


def _strays(value: str) -> str:
    """Name the characters of a value that are neither letters nor digits, the invisible ones by their names."""
    found = dict.fromkeys(c for c in value if not c.isalnum())
    return ", ".join(f"'{c}'" if c.isprintable() and c != " " else _name_of(c) for c in found)


def _name_of(character: str) -> str:
    known = {" ": "space", "\t": "tab", "\n": "line break", "\r": "line break", "\ufeff": "byte order mark"}
    name = known.get(character) or unicodedata.name(character, "control character").lower()
    return name if character in " \t\n\r" else f"{name} (U+{ord(character):04X})"


def _judge_integer(value: str, spec: dict[str, Any]) -> Flaw | None:
    if _INTEGER.fullmatch(value):
        plain = str(int(value))
        if value != plain:
            # 4 and 04 are one day, and two keys.
            return Flaw("not_integer", "zeros or a sign stand in front of the number", plain)
        return _judge_range(int(value), spec)
    if _THOUSANDS.fullmatch(value):
        return _ambiguous(value)
    flaw = _judge_numeric(value, spec)
    if flaw is not None:
        return flaw
    return Flaw("not_integer", "a whole number is written with digits only", masked=is_words(value))


def _judge_number(value: str, spec: dict[str, Any]) -> Flaw | None:
    if _NUMBER.fullmatch(value):
        if spec.get("thousands") and _THOUSANDS.fullmatch(value):
            return _ambiguous(value)
        return _judge_range(float(value), spec)
    return _judge_numeric(value, spec) or Flaw("not_number", "not a plain number", masked=is_words(value))


def _judge_numeric(value: str, spec: dict[str, Any]) -> Flaw | None:
    """Name what is wrong with a cell that should hold a number and does not."""
    if _SCIENTIFIC.fullmatch(value):
        return Flaw("not_number", "scientific notation: a spreadsheet may have rounded it")
    if value.endswith("%"):
        return Flaw("unit_percent", "a percentage stands in a column of counts")
    if value[0] in "<>≤≥~":
        return Flaw("not_number", "beyond the limit of measurement: give the limit as a plain number")
    if _ANY_THOUSANDS.fullmatch(value) and not _NUMBER.fullmatch(value):
        return _ambiguous(value)
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", value):
        return Flaw("decimal_comma", "the decimals follow a comma", value.replace(",", "."))
    return _judge_common(value)


def _ambiguous(value: str) -> Flaw:
    digits = re.sub(r"[^0-9]", "", value)
    return Flaw("ambiguous_separator", f"is this {digits}, or a number with decimals?")


def _judge_range(number: float, spec: dict[str, Any]) -> Flaw | None:
    low, high = spec.get("minimum"), spec.get("maximum")
    above = spec.get("exclusiveMinimum")
    if above is not None and number <= above:
        return Flaw("out_of_range", f"must be greater than {above}")
    if low is not None and number < low:
        return Flaw("out_of_range", f"smaller than {low}")
    if high is not None and number > high:
        return Flaw("out_of_range", f"greater than {high}")
    return None


def nearest(value: str, known: Iterable[str]) -> str:
    """Return the known word closest to `value`, or empty."""
    found = difflib.get_close_matches(value.casefold(), list(known), n=1, cutoff=0.7)
    return found[0] if found else ""


def same_letters(value: str, known: Iterable[str]) -> str:
    """Return the known word that differs only in case, spaces or punctuation, or empty."""
    letters = re.sub(r"[\W_]", "", value).casefold()
    return next((word for word in known if re.sub(r"[\W_]", "", word).casefold() == letters), "")


def _yes_or_no(value: str, allowed: list[str]) -> str:
    if allowed != ["yes", "no"]:
        return ""
    return {"1": "yes", "y": "yes", "true": "yes", "0": "no", "n": "no", "false": "no"}.get(value.casefold(), "")
