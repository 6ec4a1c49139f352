"""Intake: check every input at once, hand out the index of libraries, and write down what came in and what did not.

Parse time needs `load_libraries` only; the writers serve the rules of ``workflow/rules/intake.smk``.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from immunosep.checks import Row, Table, check_file, columns_of
from immunosep.clinical import Clinical, check_clinical, read_sites
from immunosep.errors import InputError
from immunosep.findings import Finding, as_json, as_text, errors, in_order
from immunosep.manifest import Libraries, Library, build_libraries, library_records
from immunosep.manifest_rules import check_across
from immunosep.people_rules import check_against_participants, consent_limit
from immunosep.row_rules import Surroundings, check_rows
from immunosep.tombstones import check_withdrawn, require_finished

logger = logging.getLogger(__name__)

_KEYS = ("library", "participant", "observation")
_ADDED = ("country",)
_REJECTED = ("library", "layer", "specimen", "participant", "visit_day", "reason")
_COMPLETENESS = ("participant", "visit_day", "layer", "specimen", "status", "reason")


ReadContents = Callable[[Table, Surroundings], None]


def check_inputs(
    config: Mapping[str, Any], *, files: bool = True, deep: ReadContents | None = None
) -> tuple[Libraries, list[Finding]]:
    """Check manifest, sites and clinical tables together.

    Parameters
    ----------
    config
        Validated configuration. Without `layers` the raw files of all layers are looked for.
    files
        Look for the raw files.
    deep
        Reads what the raw files hold and adds findings to the manifest (`deep.contents.reader`).

    Returns
    -------
    Libraries
        Empty where there are errors, or where every layer starts from a ready matrix.
    list of Finding
        Errors first.
    """
    libraries, _, findings = _intake(config, files=files, deep=deep)
    return libraries, findings


def load_libraries(config: Mapping[str, Any]) -> Libraries:
    """Return the index of libraries, or stop with everything that is wrong.

    Raises
    ------
    InputError
        With every error of every input table, or when a withdrawal of consent is unfinished; warnings do not stop.
    """
    require_finished(config)
    libraries, findings = check_inputs(config)
    _stop_on_errors(findings)
    return libraries


def _stop_on_errors(findings: Iterable[Finding]) -> None:
    wrong = errors(findings)
    if wrong:
        raise InputError("The input tables have mistakes; nothing was started.\n\n" + as_text(wrong, shown=50))


def _intake(
    config: Mapping[str, Any], *, files: bool = True, deep: ReadContents | None = None
) -> tuple[Libraries, Clinical, list[Finding]]:
    countries, findings = read_sites(config)
    clinical, of_clinical = check_clinical(config, countries)
    findings = [*findings, *of_clinical]
    table = _read_manifest(config)
    if table is None:
        findings = [*findings, *check_withdrawn(config, None, clinical.participants)]
        return Libraries(), clinical, in_order(findings)
    looked_for = _raw_layers(config) if config["layers"] else None
    around = Surroundings(
        countries=countries,
        days=frozenset(config["schedule"]["omics_days"]),
        data_root=str(config["data_root"]),
        layers_with_files=looked_for if files else (),
    )
    folder = check_rows(table, around)
    if deep is not None:
        deep(table, around)
    check_across(table, folder.identities)
    people = clinical.participants
    if people and table.rows:
        check_against_participants(table, people)
    findings = in_order([*findings, *table.located(), *check_withdrawn(config, table, people)])
    if errors(findings):
        return Libraries(), clinical, findings
    limits = {key: consent_limit(row) for key, row in (people or {}).items()}
    barred = {key: limit for key, limit in limits.items() if limit[0]}
    return build_libraries(table, countries or {}, around.data_root, barred), clinical, findings


def _raw_layers(config: Mapping[str, Any]) -> list[str]:
    """Layers that start from raw files."""
    return [name for name, options in config["layers"].items() if options["enabled"] and not options.get("matrix")]


def _read_manifest(config: Mapping[str, Any]) -> Table | None:
    """Read the manifest; None where every enabled layer starts from a matrix and there is none."""
    path = config["manifest"]
    needed = _raw_layers(config)
    if config["layers"] and not needed and not (path and Path(path).exists()):
        return None
    if not path:
        raise InputError(
            f"The configuration names no manifest, and {', '.join(needed)} start from raw files. Name a manifest, or "
            "for each of these layers give layers.<name>.matrix or set layers.<name>.enabled to false."
        )
    return check_file(path, "manifest")


def library_columns() -> list[str]:
    """Columns of a library table: keys, then the manifest's columns."""
    manifest = columns_of("manifest")
    return [*_KEYS, manifest[0], *_ADDED, *manifest[1:]]


def library_row(lib: Library) -> Row:
    """One row of a library table; the lanes of a library stand in one cell, separated by ``;``."""
    lanes = library_records(lib)
    joined = {
        column: ";".join(lane[column] for lane in lanes) if any(lane[column] for lane in lanes) else ""
        for column in ("run", "fastq_1", "fastq_2", "fastq_1_sha256", "fastq_2_sha256")
    }
    return {column: (lanes[0] | joined)[column] for column in library_columns()}


def write_library_table(config: Mapping[str, Any], layer: str, out: str | Path) -> None:
    """Write the library table of one layer (``results/intake/<layer>.tsv``): one row per library, controls included.

    Parameters
    ----------
    config
        Validated configuration.
    layer
        Layer.
    out
        TSV; columns as `library_columns`.
    """
    libraries = load_libraries(config)
    _write([library_row(lib) for lib in libraries.records(layer)], library_columns(), out)


def write_intake_report(
    config: Mapping[str, Any],
    *,
    libraries: str | Path,
    rejected: str | Path,
    completeness: str | Path,
    json: str | Path,
    html: str | Path,
) -> None:
    """Write the tables and the report of the intake.

    Parameters
    ----------
    config
        Validated configuration.
    libraries
        TSV of all libraries; columns as `library_columns`.
    rejected
        TSV of what was left out: library, layer, specimen, participant, visit_day, reason.
    completeness
        TSV of every expected sample: participant, visit_day, layer, specimen (microbiome only), status (collected,
        missing, not_expected), reason.
    json, html
        The findings and the counts, for programs and for people.

    Raises
    ------
    InputError
        When the inputs have errors; then nothing is written.
    """
    from immunosep.intake_page import render_page
    from immunosep.io import atomic_path, write_json

    index, clinical, findings = _intake(config)
    _stop_on_errors(findings)
    complete = tabulate_completeness(index, clinical, config["schedule"]["omics_days"])
    out = [{name: _text(getattr(r, name)) for name in _REJECTED} for r in index.rejected]
    summary = summarise(index, complete)
    _write([library_row(lib) for lib in index.records()], library_columns(), libraries)
    _write(out, _REJECTED, rejected)
    _write(complete, _COMPLETENESS, completeness)
    write_json({**as_json(findings), "summary": summary}, json)
    with atomic_path(html) as temporary:
        temporary.write_text(render_page(findings, summary, out), encoding="utf-8")
    logger.info("%d libraries, %d left out, %d findings", len(index), len(out), len(findings))


def tabulate_completeness(index: Libraries, clinical: Clinical, days: Iterable[int]) -> list[Row]:
    """Say of every expected sample whether it is there, and why not.

    Parameters
    ----------
    index
        Libraries, and what was left out.
    clinical
        Participants; the randomised ones are expected at every visit.
    days
        Visit days of the schedule.

    Returns
    -------
    list of dict
        participant, visit_day, layer, specimen (of the microbiome), status (collected, missing, not_expected),
        reason (the manifest's, the consent's, ``died``, or ``no_row`` where nothing is known).
    """
    samples = [lib for lib in index.records() if lib.participant]
    rejected = {_slot(r): r.reason for r in index.rejected if r.participant}
    present = {_slot(lib) for lib in samples}
    kinds = sorted({slot[2:] for slot in (*present, *rejected)})
    records = {f"{site}-{code}": row for (site, code), row in (clinical.participants or {}).items()}
    randomised = {name for name, row in records.items() if row["randomised"] == "yes"}
    people = sorted(randomised | {slot[0] for slot in present} | {slot[0] for slot in rejected})
    rows = []
    for participant in people:
        death = records.get(participant, {}).get("death_day", "")
        for day in sorted(days):
            for layer, specimen in kinds:
                slot = (participant, day, layer, specimen)
                status, reason = "missing", rejected.get(slot, "no_row")
                if slot in present:
                    status, reason = "collected", ""
                elif death.isdigit() and day > int(death):
                    status, reason = "not_expected", "died"
                elif reason in ("withdrawn", "erase", "deferred_pending"):
                    status = "not_expected"
                values = (participant, str(day), layer, specimen, status, reason)
                rows.append(dict(zip(_COMPLETENESS, values, strict=True)))
    return rows


def _slot(item: Any) -> tuple[str, int, str, str]:
    """Key of an expected sample; the specimen counts for the microbiome only."""
    return item.participant, item.visit_day, item.layer, item.specimen if item.layer == "microbiome" else ""


def summarise(index: Libraries, completeness: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Count libraries, participants, controls and gaps of each layer (the microbiome by body site)."""
    summary: dict[str, dict[str, int]] = {}
    people: dict[str, set[str]] = {}

    @functools.cache
    def entry(name: str) -> dict[str, int]:
        return summary.setdefault(
            name, dict.fromkeys(("samples", "participants", "controls", "left_out", "missing"), 0)
        )

    for lib in index.records():
        is_sample = lib.sample_type == "sample"
        name = lib.modality if is_sample else lib.layer
        entry(name)["samples" if is_sample else "controls"] += 1
        if is_sample:
            people.setdefault(name, set()).add(lib.participant)
    for name, members in people.items():
        entry(name)["participants"] = len(members)
    for item in index.rejected:
        entry(f"{item.layer}_{item.specimen}" if item.layer == "microbiome" else item.layer)["left_out"] += 1
    for row in completeness:
        if row["status"] == "missing":
            entry("_".join(filter(None, (row["layer"], row["specimen"]))))["missing"] += 1
    return dict(sorted(summary.items()))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _write(rows: list[Row], columns: Iterable[str], out: str | Path) -> None:
    import pandas as pd

    from immunosep.io import write_table

    write_table(pd.DataFrame(rows, columns=list(columns), dtype=str), out)
