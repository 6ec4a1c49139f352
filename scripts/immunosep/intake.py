"""Intake: check every input at once, hand out the index of libraries, and write down what came in and what did not.

Parse time needs `load_libraries` only; the writers serve the rules of ``workflow/rules/intake.smk``.
"""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from immunosep.checks import Row, Table, check_file, columns_of
from immunosep.clinical import Clinical, check_clinical, read_sites
from immunosep.completeness import COLUMNS as COMPLETENESS_COLUMNS
from immunosep.completeness import summarise, tabulate_completeness
from immunosep.confounding import COLUMNS as CONFOUNDING_COLUMNS
from immunosep.confounding import check_confounding, tabulate_confounding
from immunosep.errors import InputError
from immunosep.findings import Finding, as_json, as_text, errors, in_order
from immunosep.label_table import check_labels
from immunosep.manifest import Libraries, Library, build_libraries, library_records
from immunosep.manifest_rules import NAME_COLUMNS, check_across
from immunosep.people_rules import check_against_participants, follow_up
from immunosep.read_headers import check_read_headers
from immunosep.row_rules import Surroundings, check_rows
from immunosep.schedule import layer_days
from immunosep.tombstones import check_withdrawn, require_finished

logger = logging.getLogger(__name__)

_KEYS = ("library", "participant", "observation")
_ADDED = ("country",)
_REJECTED = ("library", "layer", "specimen", "participant", "visit_day", "reason")


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
    with _without_collection():
        libraries, _, findings = _intake(config, files=files, deep=deep)
    return libraries, findings


@contextmanager
def _without_collection() -> Iterator[None]:
    """Spare the tables the search for cyclic garbage: a million objects that all live on, and no cycles among them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # Later searches, Snakemake's own among them, pass over what is there now.
            gc.freeze()
            gc.enable()


def load_libraries(config: Mapping[str, Any], *, checked: bool = False) -> Libraries:
    """Return the index of libraries, or stop with everything that is wrong.

    Parameters
    ----------
    config
        Validated configuration.
    checked
        The tables were checked when the run was planned: a job that reads them again looks at their cells, and neither
        at the raw files and ready tables nor at what rows have to do with each other.

    Raises
    ------
    InputError
        With every error of every input table, or when a withdrawal of consent is unfinished; warnings do not stop.
    """
    require_finished(config)
    with _without_collection():
        libraries, _, findings = _intake(config, files=not checked, across=not checked, warnings=False)
    _stop_on_errors(findings)
    return libraries


def _stop_on_errors(findings: Iterable[Finding]) -> None:
    wrong = errors(findings)
    if wrong:
        raise InputError("The input tables have mistakes; nothing was started.\n\n" + as_text(wrong, shown=50))


def _intake(
    config: Mapping[str, Any],
    *,
    files: bool = True,
    across: bool = True,
    warnings: bool = True,
    deep: ReadContents | None = None,
) -> tuple[Libraries, Clinical, list[Finding]]:
    """Read and check all tables; `warnings=False` leaves out what costs time and could only warn."""
    countries, findings = read_sites(config)
    clinical, of_clinical = check_clinical(config, countries)
    findings = [*findings, *of_clinical, *check_labels(config)]
    table = _read_manifest(config)
    if table is None:
        findings = [*findings, *check_withdrawn(config, None, clinical.participants, ready=across)]
        return Libraries(followup=follow_up(clinical.participants or {})), clinical, in_order(findings)
    looked_for = _raw_layers(config) if config["layers"] else None
    around = Surroundings(
        countries=countries,
        days=layer_days(config["schedule"]),
        data_root=str(config["data_root"]),
        layers_with_files=looked_for if files else (),
    )
    folder = check_rows(table, around)
    if deep is not None:
        deep(table, around)
    people = clinical.participants
    if across:
        check_across(table, folder.identities)
    if across and people and table.rows:
        check_against_participants(table, people, clinical.unread)
    findings = in_order([*findings, *table.located(), *check_withdrawn(config, table, people, ready=across)])
    wrong = bool(errors(findings))
    readable = _readable(table) if wrong else table
    libraries = build_libraries(readable, countries or {}, around.data_root, follow_up(people or {}))
    stop = config["intake"]["confounded_batch"]
    if warnings or (across and stop == "error" and any(_labels(clinical).values())):
        followed = list(check_confounding(_confounding(config, libraries, clinical), table.file, stop))
        # Beside other mistakes only what stops a run is worth a word: the rest is measured again without them.
        findings = in_order([*findings, *(errors(followed) if wrong else followed)])
    return (Libraries() if errors(findings) else libraries), clinical, findings


def _readable(table: Table) -> Table:
    """Return the samples of the layers in which every row says whose it is and of which batch.

    One row that does not may be the one that shows a label in a second batch: nothing is said of its layer then.
    """
    unclear = {
        row["layer"] if table.good(index, "layer") else ""
        for index, row in enumerate(table.rows)
        if not table.good(index, "collected", *NAME_COLUMNS)
    }
    rows = [row for row in table.rows if row["collected"] == "yes" and row["layer"] not in unclear]
    return Table(table.file, [] if "" in unclear else rows)


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


def write_sample_tables(
    config: Mapping[str, Any], *, libraries: str | Path, rejected: str | Path, completeness: str | Path
) -> None:
    """Write which samples there are.

    They depend on the manifest and, of the clinical tables, on randomisation, death and consent alone
    (`Libraries.whole_digest`).

    Parameters
    ----------
    config
        Validated configuration.
    libraries
        TSV of all libraries; columns as `library_columns`.
    rejected
        TSV of what was left out: library, layer, specimen, participant, visit_day, reason.
    completeness
        TSV of every expected sample; see `tabulate_completeness`.

    Raises
    ------
    InputError
        When the inputs have errors; then nothing is written.
    """
    index = load_libraries(config)
    complete = tabulate_completeness(index, layer_days(config["schedule"]))
    _write([library_row(lib) for lib in index.records()], library_columns(), libraries)
    _write(_left_out(index), _REJECTED, rejected)
    _write(complete, COMPLETENESS_COLUMNS, completeness)
    logger.info("%d libraries, %d left out", len(index), len(index.rejected))


def write_intake_report(
    config: Mapping[str, Any], *, confounding: str | Path, json: str | Path, html: str | Path
) -> None:
    """Write the report of the intake, and what the batches follow.

    Parameters
    ----------
    config
        Validated configuration.
    confounding
        TSV of batch, plate and run against design and labels; see `tabulate_confounding`.
    json, html
        The findings and the counts, for programs and for people.

    Raises
    ------
    InputError
        When the inputs have errors; then nothing is written.
    """
    from immunosep.io import atomic_path, write_json

    require_finished(config)
    index, clinical, findings = _intake(config)
    _stop_on_errors([*findings, *check_read_headers(index, _raw_layers(config))])
    summary = summarise(index, tabulate_completeness(index, layer_days(config["schedule"])))
    _write(_confounding(config, index, clinical), CONFOUNDING_COLUMNS, confounding)
    unseen = [name for name, levels in _labels(clinical).items() if levels is None]
    unchecked = [f"{_unseen(config)}: batches were not compared with {' and '.join(unseen)}."] if unseen else []
    write_json({**as_json(findings), "summary": summary, "unchecked": unchecked}, json)
    with atomic_path(html) as temporary:
        temporary.write_text(report_page(config, index, findings, unchecked), encoding="utf-8")
    logger.info("%d libraries, %d left out, %d findings", len(index), len(index.rejected), len(findings))


def report_page(
    config: Mapping[str, Any], index: Libraries, findings: Iterable[Finding], unchecked: Sequence[str]
) -> str:
    """Return the HTML page of a check: the findings, and what came in where there was nothing to mend."""
    from immunosep.intake_page import render_page

    summary = summarise(index, tabulate_completeness(index, layer_days(config["schedule"])))
    return render_page(findings, summary, _left_out(index), unchecked=unchecked)


def _labels(clinical: Clinical) -> dict[str, Mapping[str, str] | None]:
    """Levels of the sealed labels by participant; None where the role does not see them."""
    endotypes, arms = clinical.endotypes, clinical.allocation
    return {
        "endotype": None
        if endotypes is None
        else {f"{site}-{code}": level for (site, code), level in endotypes.items()},
        "arm": None if arms is None else {f"{row['site']}-{row['participant_code']}": row["arm"] for row in arms},
    }


def _unseen(config: Mapping[str, Any]) -> str:
    if config["clinical"].get("labels"):
        return "with a ready label table no sealed table is opened"
    return f"the role {config['role']} does not see every label"


def _confounding(config: Mapping[str, Any], index: Libraries, clinical: Clinical) -> list[Row]:
    threshold = float(config["intake"]["cramers_v"])
    return tabulate_confounding(index.records(), _labels(clinical), threshold=threshold, unseen=_unseen(config))


def _left_out(index: Libraries) -> list[Row]:
    return [{name: _text(getattr(r, name)) for name in _REJECTED} for r in index.rejected]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _write(rows: list[Row], columns: Iterable[str], out: str | Path) -> None:
    import pandas as pd

    from immunosep.io import write_table

    write_table(pd.DataFrame(rows, columns=list(columns), dtype=str), out)
