"""The manifest as typed records and an index: which libraries exist, and which files they come from.

Look-ups are dictionary look-ups: a full trial has more than ten thousand libraries, and Snakemake asks for each of
them many times.
"""

import hashlib
import json
import operator
import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from immunosep.checks import Row, Table, load_schema
from immunosep.errors import InputError

_CONTROL_SHORT = {"negative_control": "NC", "positive_control": "PC", "bridge": "BR", "pool": "PL"}
# Columns that may differ between the lanes of a library.
LANE_COLUMNS = ("run", "fastq_1", "fastq_2", "fastq_1_sha256", "fastq_2_sha256")
# Columns that Library holds as attributes; the others are in `Library.row`.
_ATTRIBUTES = (
    "site", "sample_code", "participant_code", "visit_day", "layer", "assay", "specimen", "sample_type", "batch",
    "plate", "well", *LANE_COLUMNS,
)  # fmt: skip


class FileSet(NamedTuple):
    """Files of one lane, as paths that can be opened; `fastq_2` is empty for single-end reads, both for tables."""

    fastq_1: str = ""
    fastq_2: str = ""
    run: str = ""
    fastq_1_sha256: str = ""
    fastq_2_sha256: str = ""


class Library(NamedTuple):
    """One assayed specimen, or one control.

    Attributes
    ----------
    library
        Unique name, safe in file names: ``GR03-012345678-D04-rna``, ``16s-NC-MB01-A01``.
    participant, observation
        ``GR03-012345678`` and ``GR03-012345678-D04``; empty for controls.
    visit_day
        Nominal trial day; None for controls.
    files
        One per lane, ordered by run and file name.
    row
        The other columns of the manifest, as text.
    """

    library: str
    layer: str
    assay: str
    site: str
    country: str
    sample_code: str
    participant_code: str
    participant: str
    observation: str
    visit_day: int | None
    specimen: str
    sample_type: str
    batch: str
    plate: str
    well: str
    files: tuple[FileSet, ...]
    row: Mapping[str, str]

    @property
    def modality(self) -> str:
        """Feature space the library belongs to: its layer, for the microbiome with the body site."""
        return modality(self.layer, self.specimen)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A planned or delivered library that does not enter the analysis, and why."""

    library: str
    layer: str
    specimen: str
    participant: str
    visit_day: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """How long samples of a participant are expected.

    Attributes
    ----------
    randomised
        Expected at every visit.
    death_day
        Last day on which a sample is possible; None while alive.
    consent_reason, consent_day
        Why, and from which day, samples are left out; an empty reason where consent holds.
    """

    randomised: bool
    death_day: int | None = None
    consent_reason: str = ""
    consent_day: int = 0

    def ended_by(self, day: int) -> str:
        """Return why no sample is expected on a day; empty where one is."""
        if self.consent_reason and day >= self.consent_day:
            return self.consent_reason
        return "died" if self.death_day is not None and day > self.death_day else ""


class Libraries:
    """Index of the libraries of a run.

    Parameters
    ----------
    libraries
        Records with distinct names.
    rejected
        What was left out.
    followup
        Participant to how long samples are expected; empty without a participants table.
    """

    def __init__(
        self,
        libraries: Iterable[Library] = (),
        rejected: Iterable[Rejected] = (),
        followup: Mapping[str, FollowUp] | None = None,
    ) -> None:
        self.followup = dict(followup or {})
        self._by_name = {lib.library: lib for lib in sorted(libraries, key=lambda lib: lib.library)}
        self.rejected = tuple(sorted(rejected, key=lambda r: (r.library, r.reason)))
        self._by_run: dict[str, dict[str, list[str]]] = {}
        self._by_layer: dict[str, list[Library]] = {}
        for lib in self._by_name.values():
            self._by_layer.setdefault(lib.layer, []).append(lib)
        self._digests: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def layers(self) -> list[str]:
        """Layers that have a library."""
        return sorted(self._by_layer)

    def names(
        self, layer: str, sample_types: Collection[str] | None = ("sample",), *, specimen: str | None = None
    ) -> list[str]:
        """Sorted names of a layer's libraries, of all sample types where None; empty for a layer without any."""
        return [
            lib.library
            for lib in self._by_layer.get(layer, ())
            if (sample_types is None or lib.sample_type in sample_types) and specimen in (None, lib.specimen)
        ]

    def of(self, library: str) -> Library:
        """Return the record of a library; `InputError` when there is none of this name."""
        try:
            return self._by_name[library]
        except KeyError:
            raise InputError(f"There is no library '{library}' in the manifest.") from None

    def fastq(self, library: str, mate: int | str, *, run: str | None = None) -> list[str]:
        """Paths of a library's first or second mates, one per lane; of one run where `run` is given."""
        name = f"fastq_{mate}"
        files = (f for f in self.of(library).files if run in (None, f.run))
        return [path for f in files if (path := getattr(f, name))]

    def tables(self, layer: str) -> list[str]:
        """Distinct paths of the tables that hold a layer's libraries, sorted."""
        return sorted({lib.row["table"] for lib in self._by_layer.get(layer, ()) if lib.row["table"]})

    def runs(self, layer: str) -> list[str]:
        """Distinct sequencing runs of a layer, sorted."""
        return sorted({f.run for lib in self._by_layer.get(layer, ()) for f in lib.files if f.run})

    def in_run(self, layer: str, run: str) -> list[str]:
        """Sorted names of a layer's libraries with files of this run; controls included."""
        if layer not in self._by_run:
            index = self._by_run.setdefault(layer, {})
            for lib in self._by_layer.get(layer, ()):
                for name in {f.run for f in lib.files}:
                    index.setdefault(name, []).append(lib.library)
        return list(self._by_run[layer].get(run, ()))

    def digest(self, layer: str) -> str:
        """Hash of everything the manifest says of a layer; changes when, and only when, one of its libraries does."""
        if layer not in self._digests:
            content = [
                (_head_of(lib), tuple(lib.row.items()), [tuple(files) for files in lib.files])
                for lib in self._by_layer.get(layer, ())
            ]
            self._digests[layer] = hashlib.sha256(ascii(content).encode()).hexdigest()[:16]
        return self._digests[layer]

    def whole_digest(self) -> str:
        """Hash of all layers, of what was left out and of the follow-up: of all that the sample tables tell."""
        parts: list[object] = [self.digest(layer) for layer in self.layers()]
        parts += [asdict(r) for r in self.rejected]
        parts += [(name, asdict(self.followup[name])) for name in sorted(self.followup)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]

    def consent_digest(self) -> str:
        """Hash of who is left out for want of consent, and from which day."""
        parts = [
            (name, course.consent_reason, course.consent_day)
            for name, course in sorted(self.followup.items())
            if course.consent_reason
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]

    def records(self, layer: str | None = None) -> list[Library]:
        """Libraries of a layer, or all, sorted by name."""
        return list(self._by_name.values()) if layer is None else list(self._by_layer.get(layer, ()))


_HEAD = tuple(name for name in Library._fields if name not in ("files", "row"))
_head_of = operator.attrgetter(*_HEAD)


def library_records(lib: Library) -> list[dict[str, str]]:
    """All a library carries, as text, one dict per lane."""
    head = dict(zip(_HEAD, map(str, _head_of(lib)), strict=True))
    head["visit_day"] = "" if lib.visit_day is None else str(lib.visit_day)
    return [head | dict(lib.row) | f._asdict() for f in lib.files]


def modality(layer: str, specimen: str) -> str:
    """Name of a feature space: body sites of the microbiome are never mixed."""
    return f"{layer}_{specimen}" if layer == "microbiome" else layer


def is_processed(row: Row) -> bool:
    """Whether the workflow has a way from the files of a row to a matrix."""
    return bool(load_schema("manifest")["assays"][row["assay"]].get("processed"))


def participant_code(row: Row) -> str:
    """Return the participant's code; where a site codes participants and not tubes, it is the one on the tube."""
    return row["participant_code"] or row["sample_code"]


def library_name(row: Row) -> str:
    """Name of the library a manifest row belongs to.

    Parameters
    ----------
    row
        A row whose codes, day, layer, assay, specimen, batch and well have been checked.

    Returns
    -------
    str
        ``GR03-012345678-D04-rna``, ``GR03-012345678-D04-16s-nares``, or ``16s-NC-MB01-A01`` for a control.
    """
    kind = row["assay"] if row["layer"] == "microbiome" else row["layer"]
    if row["sample_type"] != "sample":
        return f"{kind}-{_CONTROL_SHORT[row['sample_type']]}-{row['batch']}-{row['well']}"
    place = f"-{row['specimen']}" if row["layer"] == "microbiome" else ""
    return f"{row['site']}-{participant_code(row)}-D{int(row['visit_day']):02d}-{kind}{place}"


def build_libraries(
    table: Table,
    countries: Mapping[str, str],
    data_root: str,
    followup: Mapping[str, FollowUp],
) -> Libraries:
    """Make the index from a manifest that has no errors.

    Parameters
    ----------
    table
        Checked manifest.
    countries
        Site to country.
    data_root
        Folder below which the files lie; becomes part of their paths.
    followup
        Participant to how long samples are expected; those without consent are left out.

    Returns
    -------
    Libraries
    """
    groups: dict[str, list[Row]] = {}
    rejected = []
    for row in table.rows:
        name = library_name(row)
        reason = row["missing_reason"] if row["collected"] == "no" else _consent_reason(row, followup)
        if not reason and not is_processed(row):
            reason = "assay_not_processed"
        if reason:
            rejected.append(_rejected(name, row, reason))
        else:
            groups.setdefault(name, []).append(row)
    others = [column for column in (table.rows[0] if table.rows else ()) if column not in _ATTRIBUTES]
    root = posixpath.normpath(data_root or ".")
    told = _told_of_visits(table.rows)
    libraries = [_library(name, rows, countries, root, others, told) for name, rows in groups.items()]
    return Libraries(libraries, set(rejected), followup)


def _consent_reason(row: Row, followup: Mapping[str, FollowUp]) -> str:
    course = followup.get(f"{row['site']}-{participant_code(row)}") if row["sample_type"] == "sample" else None
    return course.consent_reason if course and int(row["visit_day"]) >= course.consent_day else ""


def _rejected(name: str, row: Row, reason: str) -> Rejected:
    is_sample = row["sample_type"] == "sample"
    return Rejected(
        library=name,
        layer=row["layer"],
        specimen=row["specimen"],
        participant=f"{row['site']}-{participant_code(row)}" if is_sample else "",
        visit_day=int(row["visit_day"]) if is_sample else None,
        reason=reason,
    )


def _told_of_visits(rows: Iterable[Row]) -> dict[tuple[str, str, str], str]:
    """Return whether a visit was before the first dose, by site, participant and day, where its rows agree on it."""
    said: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        if row["pre_dose"]:
            said.setdefault((row["site"], participant_code(row), row["visit_day"]), set()).add(row["pre_dose"])
    return {visit: min(words) for visit, words in said.items() if len(words) == 1}


def _library(
    name: str,
    rows: list[Row],
    countries: Mapping[str, str],
    root: str,
    others: Iterable[str],
    told: Mapping[tuple[str, str, str], str],
) -> Library:
    first = rows[0]
    is_sample = first["sample_type"] == "sample"
    code = participant_code(first) if is_sample else ""
    day = int(first["visit_day"]) if is_sample else None
    participant = f"{first['site']}-{code}" if is_sample else ""
    more = {column: first[column] for column in others}
    more["table"] = _below(root, first["table"])
    if is_sample and not more["pre_dose"]:
        # Tubes of one visit are drawn together.
        more["pre_dose"] = told.get((first["site"], code, first["visit_day"]), "")
    files = [
        FileSet(
            _below(root, row["fastq_1"]),
            _below(root, row["fastq_2"]),
            row["run"],
            row["fastq_1_sha256"],
            row["fastq_2_sha256"],
        )
        for row in rows
    ]
    return Library(
        library=name,
        layer=first["layer"],
        assay=first["assay"],
        site=first["site"],
        country=countries.get(first["site"], ""),
        sample_code=first["sample_code"],
        participant_code=code,
        participant=participant,
        observation=f"{participant}-D{day:02d}" if is_sample else "",
        visit_day=day,
        specimen=first["specimen"],
        sample_type=first["sample_type"],
        batch=first["batch"],
        plate=first["plate"],
        well=first["well"],
        files=tuple(sorted(files, key=lambda f: (f.run, f.fastq_1)) if len(files) > 1 else files),
        row=more,
    )


def _below(root: str, path: str) -> str:
    """Write a file's path with the data root before it, without detours (which few have)."""
    if not path:
        return ""
    plain = posixpath.normpath(path) if "//" in path or "./" in path else path
    return plain if root == "." else f"{root.rstrip('/')}/{plain}"
