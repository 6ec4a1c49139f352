"""Recognise personal data and treatment in headers, cells, file names and read names.

Recognition by name and form finds the accidents (a column left in an export, a date for a day); it is no proof of
absence. Every function looks at a text once, in time proportional to its length, whatever stands in it.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from immunosep.findings import mask
from immunosep.privacy_words import (
    NAMES,
    NOT_TREATMENT,
    PERSONAL,
    PERSONAL_STEMS,
    RECORD_NUMBER,
    THINGS,
    TREATMENT,
)

__all__ = [
    "column_risk", "header_risk", "is_prose", "is_two_armed", "is_words", "mask", "path_risk", "pattern_risk",
    "value_risk",
]  # fmt: skip

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_MONTH_ABROAD: Final = (
    r"(?:januar|jänner|februar|märz|mai|juni|juli|oktober|okt|dezember|dez|januari|februari|maart|mrt|mei|augustus"
    r"|janvier|février|fevrier|mars|avril|juin|juillet|août|aout|septembre|octobre|novembre|décembre|decembre"
    r"|gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|dicembre"
    r"|enero|febrero|abril|mayo|junio|julio|septiembre|octubre|noviembre|diciembre"
    r"|ianuarie|februarie|martie|aprilie|iunie|iulie|septembrie|octombrie|noiembrie|decembrie"
    r"|ιαν(?:ουαρίου)?|φεβ(?:ρουαρίου)?|μαρ(?:τίου)?|απρ(?:ιλίου)?|μα[ΐϊι](?:ου)?|ιουν(?:ίου)?|ιουλ(?:ίου)?"
    r"|αυγ(?:ούστου)?|σεπ(?:τεμβρίου)?|οκτ(?:ωβρίου)?|νοε(?:μβρίου)?|δεκ(?:εμβρίου)?)"
)
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR: Final = r"(?:19|20)\d\d"
_DATE: Final = re.compile(
    r"(?<!\d)(?<!\d\.)(?:"
    rf"{_YEAR}([-/.])(?:0?[1-9]|1[0-2])\1{_DAY}(?:t\d\d)?"  # 2024-02-29, 2024-02-29T10:00
    rf"|{_DAY}([-/.])(?:0?[1-9]|[12]\d|3[01])\2{_YEAR}"  # 29.02.2024
    # Two digits for the year: not with dashes nor as 1.1.12, which are how samples and versions are numbered.
    rf"|{_DAY}/(?:0?[1-9]|[12]\d|3[01])/\d\d|(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])\.\d\d"
    rf"|(?:{_DAY}[- .]|(?<!\w){_DAY}){_MONTH}(?:[- .,]{{0,2}}(?:{_YEAR}|\d\d))?"  # 29-Feb-2024, and 2-Sep, once a gene
    rf"|{_DAY}\.? ?{_MONTH_ABROAD}\.?[- .]{_YEAR}"  # 29. März 2024
    r")(?!\w|\.\d)",
    re.IGNORECASE,
)
# Feb 29, 2024; without a year only as people write it: SEP-10 is a sample.
_MONTH_FIRST: Final = re.compile(
    rf"(?<![^\W_])(?:(?i:{_MONTH})[- .]{_DAY}(?:st|nd|rd|th)?[, -]{{1,2}}{_YEAR}|(?=[A-Z][a-z])(?i:{_MONTH}) {_DAY})"
    r"(?!\w|\.\d)"
)
# In small letters; a date has two numbers with a sign between them, or begins a month's name beside a number.
_MAYBE_DATE: Final = re.compile(
    r"\d[-/.]\d|(?<![^\W_])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|\d[-. ]{0,2}(?:j[aäu]|f[eé]|m[aäer]|a[pvbuog]|gi|ge|lu|i[ua]|en|se|o[ckt]|no|d[eéi]"
    r"|ια|φε|μα|απ|ιο|αυ|σε|οκ|νο|δε)"
)
_COMPACT_DATE: Final = re.compile(
    r"(?<![^\W_])(?:19[3-9]\d|20[0-4]\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?![^\W_])"
)
_ISO_TIME: Final = re.compile(rf"(?<!\d){_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)")
# At most as long as an address may be (RFC 5321), so that a long run of letters is not searched again and again.
# It ends in letters: models of base callers are named dna_r10.4.1_400bps_sup@v4.2.0.
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2}")
_PHONE: Final = re.compile(r"(?<![\w.])(?:\+|00)[1-9](?:[ ()/-]{0,3}\d){7,14}(?!\w)")
_LOCAL_PHONE: Final = re.compile(r"(?<![\w./-])\(?0\d{1,4}\)?[ /-]\d{2,8}(?:[ -]\d{2,4}){0,3}(?![\w./-])")
_PHONE_DIGITS: Final = 10
_CALLED: Final = re.compile(r"(?<!\w)(?:tel|telefon|phone|mob|mobil|handy|gsm|fax|τηλ)\b[.: ]{1,3}\(?\+?\d{5}", re.I)
_NATIONAL_ID: Final = re.compile(
    r"(?<![\w.-])(?:756\.\d{4}\.\d{4}\.\d\d"  # Switzerland, AHV
    r"|[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]"  # Italy, codice fiscale
    r"|[1-8]\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{6}"  # Romania, CNP
    r"|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{7})(?![\w.-])"  # Greece, AMKA
)
_RECORD: Final = re.compile(
    r"(?<!\w)(?:mrn|amka|αμκα|bsn|cnp|patient(?:en)?[ -]?(?:nr|no|id|nummer|number)|hospital (?:no|number))"
    r"[.:# ]{1,3}[A-Z]?\d{4}",
    re.IGNORECASE,
)
_POSTCODE: Final = re.compile(r"[1-9]\d{3} [A-Z]{2}|GR-[1-8]\d{4}|RO-\d{6}|DE?-\d{5}")
_TITLED: Final = re.compile(
    r"(?<!\w)(?:Mr|Mrs|Ms|Dr|Prof|Herrn?|Frau|Mme|Mevr|Dhr|Sig|Sig\.ra|Κος|Κα)\.? (?=[A-ZÀ-ÞΑ-Ω])[^\W\d_]{2}"
)
_NAME: Final = re.compile(r"[^\W\d_]{2,}(?:[ ,.'-]{1,3}[^\W\d_]{1,40}){0,8}\.?|(?:[^\W\d_]\.? ?){2,4}")
_SEVERAL_WORDS: Final = re.compile(r"[^\W\d_]{1,40}\.?(?:[ ,'-]{1,3}[^\W\d_]{1,40}\.?){1,8}")
_WORD: Final = re.compile(r"(?<![^\s(\"'])[^\W\d_]{2,}(?=[\s.,;:!?)\"']|$)")
_PROSE_WORDS: Final = 5
_RISKY: Final = re.compile(r"[@+]|\d")
_TWO_ARMS: Final = frozenset(
    frozenset(pair) for pair in (("0", "1"), ("1", "2"), ("0.0", "1.0"), ("1.0", "2.0"), ("a", "b"), ("x", "y"))
)
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_CAPITALS: Final = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])")
_PAIR: Final = re.compile(r"(?<![\w.-])([^\W\d_][\w.-]{0,60})=([^\s;|&]+)")
_LETTERS_ONLY: Final = re.compile(r"[^\W\d]+")
_SAM_TAG: Final = re.compile(r"([A-Za-z][A-Za-z0-9]):[ABHZif]:")
_TAGS_OF_WORDS: Final = frozenset({"CN", "CO", "DS", "LB", "SM"})
_LONGEST_NAME: Final = 200
# No legal cell, name or header is that long.
_LONGEST: Final = 20_000


def column_risk(name: str) -> str:
    """Say what a column's name gives away.

    Parameters
    ----------
    name
        A column that the table's schema does not know.

    Returns
    -------
    str
        ``personal_column``, ``treatment_column`` (codes of findings) or empty.
    """
    name = name[:200]
    # Split where small letters end and, apart, where a run of capitals does: PatientName, IFNg, HIVStatus.
    split = re.sub(r"(?<=[a-zα-ω])(?=[A-ZΑ-Ω])", " ", name)
    words = {word for text in (split, _CAPITALS.sub(" ", split)) for word in _LETTERS.findall(_fold(text))}
    joined = "".join(_LETTERS.findall(_fold(name)))
    if words & PERSONAL or joined in PERSONAL or any(stem in joined for stem in PERSONAL_STEMS):
        return "personal_column"
    if (words & NAMES and not words & THINGS) or RECORD_NUMBER.search(_fold(split)):
        return "personal_column"
    if words & TREATMENT and not any(harmless <= words for harmless in NOT_TREATMENT):
        return "treatment_column"
    return ""


def _fold(text: str) -> str:
    """Small letters without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("ς", "σ")


def value_risk(value: str, *, is_code: bool = False) -> str:
    """Say what personal thing a cell looks like.

    Parameters
    ----------
    value
        Text of a cell.
    is_code
        The column holds codes, where letters alone are a name or initials.

    Returns
    -------
    str
        Words for a message (``an e-mail address``), or empty.
    """
    if len(value) > _LONGEST:
        return "free text"
    if risk := pattern_risk(value):
        return risk
    if _TITLED.search(value) or (is_code and len(value) < _LONGEST_NAME and _NAME.fullmatch(value)):
        return "a name or initials"
    return "free text" if is_prose(value) else ""


def pattern_risk(value: str) -> str:
    """Say which personal number, address or date a text holds, whatever it is: a cell, a header, a feature's name."""
    if not _RISKY.search(value, 0, _LONGEST):
        return ""
    if "@" in value and _EMAIL.search(value):
        return "an e-mail address"
    if _has_date(value):
        return "a calendar date"
    local = _LOCAL_PHONE.search(value)
    is_local = local is not None and sum(map(str.isdigit, local[0])) >= _PHONE_DIGITS
    if _PHONE.search(value) or _CALLED.search(value) or is_local:
        return "a telephone number"
    if _RECORD.search(value) or _NATIONAL_ID.search(value):
        return "a hospital or identity number"
    if _POSTCODE.fullmatch(value):
        return "a postcode"
    return ""


def path_risk(path: str) -> str:
    """Say what a file's name, or the name of a batch or a run, gives away; empty where nothing is seen.

    A person's name is not seen: in ``Papadopoulou_Maria_R1.fastq.gz`` it looks like ``Whole_Blood_R1.fastq.gz``.
    """
    if len(path) > _LONGEST:
        return "free text"
    if "@" in path and _EMAIL.search(path):
        return "an e-mail address"
    if _COMPACT_DATE.search(path) or _has_date(path.replace("_", " ")):
        return "a calendar date"
    return ""


def _has_date(text: str) -> bool:
    # Tens of thousands of paths: most have nothing that could be part of a date.
    return bool(_MAYBE_DATE.search(text.lower()) and (_DATE.search(text) or _MONTH_FIRST.search(text)))


def header_risk(line: str) -> str:
    """Say what the header of a read, or a line of a SAM header, gives away.

    Parameters
    ----------
    line
        ``@name comment`` of a FASTQ record, the comment also as SAM tags (``DS:Z:text``) behind tabs; or ``@RG``,
        ``@CO``, ``@PG`` with tab-separated tags.

    Returns
    -------
    str
        Words for a message, or empty. Instrument, run, flow cell, lane, barcode and coordinates are legal. The name
        itself is judged for e-mail addresses, ISO dates and ``key=value`` only: its numbers have any form.
    """
    if len(line) > _LONGEST:
        return "free text"
    if "@" in line[1:] and _EMAIL.search(line, 1):
        return "an e-mail address"
    if _ISO_TIME.search(line):
        return "a calendar date"
    kind, _, tags = line.partition("\t")
    if kind == "@CO":
        return value_risk(tags) or path_risk(tags)
    if kind in ("@RG", "@PG"):
        return next(filter(None, (_tag_risk(*tag.partition(":")[::2]) for tag in tags.split("\t"))), "")
    risks = (_pair_risk(*pair) for pair in _PAIR.findall(line))
    comment = _PAIR.sub("", _comment(line))
    return next(filter(None, risks), "") or next(filter(None, map(_comment_risk, comment.split("\t"))), "")


def _comment(header: str) -> str:
    """Return what stands behind the name of a read."""
    return header.split(maxsplit=1)[1] if len(header.split(maxsplit=1)) == 2 else ""


def _tag_risk(key: str, value: str) -> str:
    """Judge a tag of a read group: DT is its date, and some others hold words of people."""
    if key == "DT" and value:
        return "a calendar date"
    return value_risk(value) or path_risk(value) if key in _TAGS_OF_WORDS else ""


def _comment_risk(text: str) -> str:
    """Judge one part of a read's comment: a SAM tag, or anything."""
    tag = _SAM_TAG.match(text)
    if tag is not None:
        key, value = tag[1], text[tag.end() :]
        return _tag_risk(key, value) or value_risk(value)
    return value_risk(text.replace("_", " "))


def _pair_risk(key: str, value: str) -> str:
    risk = column_risk(key)
    if risk == "personal_column" or (key.casefold() == "patient" and _LETTERS_ONLY.fullmatch(value)):
        return "personal data"
    if risk:
        return "a treatment"
    return value_risk(value.replace("_", " "))


def is_prose(value: str) -> bool:
    """Whether a cell holds a sentence: five words or more with spaces between them."""
    if value.count(" ") < _PROSE_WORDS - 1:
        return False
    return any(count == _PROSE_WORDS for count, _ in enumerate(_WORD.finditer(value), start=1))


def is_words(value: str) -> bool:
    """Whether a value is two words or more and nothing else, as a person's name is; CAP,BSI is a list of codes."""
    if len(value) >= _LONGEST_NAME or not _SEVERAL_WORDS.fullmatch(value):
        return False
    return " " in value or not value.isupper()


def is_two_armed(values: Iterable[str]) -> bool:
    """Whether the values of a column are a code of two arms: 0 and 1, 1 and 2, A and B."""
    return frozenset(value.strip().casefold() for value in values if value.strip()) in _TWO_ARMS
