"""Sealed tables whose labels mean nothing, in the format of the true ones: for a dry run of the whole workflow.

The record beside them says that they are shuffled; reports and model cards repeat it, and what reveals a drug stays
masked.
"""

import json
import math
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from immunosep.checks import Row, Table, check_file, check_table, columns_of
from immunosep.errors import InputError
from immunosep.findings import as_text, errors
from immunosep.sealed import (
    SEALED_ROLES,
    SHUFFLED,
    Unblinding,
    append_record,
    may_open,
    open_sealed,
    utc_now,
    write_sealed,
)
from immunosep.sheet import parse_sheet

RECORD: Final = "unblinding.tsv"
OVERLAY: Final = "dry_run.yaml"
# Endotypes of the enrolled that the protocol expects: 40 % MALS, 60 % immunoparalysis (BMJ Open 2022;12:e067251).
MALS_SHARE: Final = 0.4
ACTIVE_SHARE: Final = 0.5
_KEYS = ("site", "participant_code")


def shuffle_labels(config: Mapping[str, Any], out: Path, seed: int) -> list[str]:
    """Write shuffled sealed tables, their record and an overlay of the configuration that uses them.

    In a role that may open a sealed table its labels are permuted within each site, apart for the randomised and the
    others. A table of a higher role is not opened: plausible values are drawn in the protocol's proportions.

    Parameters
    ----------
    config
        Keys `role`, `clinical`, `sealed`, `endotype`, `manifest`.
    out
        Folder; files of an earlier call are replaced.
    seed
        Of the permutation.

    Returns
    -------
    list of str
        What was done, for the user.

    Raises
    ------
    InputError
        When the participants cannot be read, or a sealed table of the role must not be.
    """
    people = _participants(config)
    opened, findings = open_sealed(config)
    if wrong := errors(findings):
        raise InputError(as_text(wrong))
    said = []
    digests = {}
    for name in SEALED_ROLES:
        rng = random.Random(f"{seed} {name}")
        if name in opened:
            path = str(config["sealed"][name])
            table = _whole(check_table(parse_sheet(opened[name].data, path, name, columns_of(name)), name))
            rows = permute(table.rows, people, rng)
        elif may_open(name, config["role"]):
            raise InputError(f"The run uses ready labels (clinical.labels); there is no {name} to shuffle.")
        else:
            rows = draw_classification(people, config, rng) if name == "classification" else draw_arms(people, rng)
        text = "".join("\t".join(cells) + "\n" for cells in _cells(rows, columns_of(name)))
        digests[name] = write_sealed(out / f"{name}.tsv", text)
        said.append(f"{out / name}.tsv: {len(rows)} rows, {'permuted within site' if name in opened else 'drawn'}")
    (out / RECORD).unlink(missing_ok=True)
    when = utc_now()
    entries = [Unblinding(when, "unblinded", "shuffle-labels", name, sha, SHUFFLED) for name, sha in digests.items()]
    append_record(out / RECORD, entries)
    paths = {name: str((out / f"{name}.tsv").absolute()) for name in SEALED_ROLES}
    overlay = {"role": "unblinded", "sealed": {**paths, "record": str((out / RECORD).absolute())}}
    # JSON is YAML.
    (out / OVERLAY).write_text(json.dumps(overlay, indent=2) + "\n", encoding="utf-8")
    return [*said, f"Dry run, in a folder of its own: snakemake --configfile my.yaml {out / OVERLAY}"]


def permute(rows: Iterable[Row], people: Iterable[Row], rng: random.Random) -> list[Row]:
    """Exchange all but the keys among the rows of a site, apart for randomised participants and the others."""
    randomised = {_key(row): row["randomised"] for row in people}
    ordered = sorted(rows, key=_key)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(ordered):
        groups.setdefault((row["site"], randomised.get(_key(row), "")), []).append(index)
    shuffled = list(ordered)
    for members in groups.values():
        for index, source in zip(members, rng.sample(members, len(members)), strict=True):
            shuffled[index] = ordered[source] | {name: ordered[index][name] for name in _KEYS}
    return shuffled


def draw_classification(people: Iterable[Row], config: Mapping[str, Any], rng: random.Random) -> list[Row]:
    """Draw ferritin and HLA-DR: 40 % MALS among the randomised, evenly over the sites; the others unclassified."""
    ferritin_cut, hladr_cut = config["endotype"]["ferritin_cut"], config["endotype"]["hladr_cut"]
    endotypes = dict(_share_out(people, MALS_SHARE, "MALS", "SII", rng))
    rows = []
    for row in sorted(people, key=_key):
        endotype = endotypes.get(_key(row), "unclassified")
        # Factors from the cut; a tenth at least, so that the other decimals of the cut do not matter.
        above, below = (math.exp(sign * (0.1 + rng.expovariate(1.5))) for sign in (1, -1))
        ferritin = ferritin_cut * (above if endotype == "MALS" else below)
        hladr = hladr_cut * math.exp({"MALS": 0.2, "SII": -0.1, "unclassified": 0.1}[endotype])
        hladr *= math.exp((-1 if endotype == "SII" else 1) * rng.expovariate(2.0))
        rows.append(
            {name: row[name] for name in _KEYS}
            | {"ferritin": f"{max(ferritin, 1):.0f}", "ferritin_unit": "ng/mL"}
            | {"hladr": f"{max(hladr, 1):.0f}", "hladr_unit": "receptors_per_cell"}
        )
    return rows


def draw_arms(people: Iterable[Row], rng: random.Random) -> list[Row]:
    """Draw the arms of the randomised, 1:1 within each site."""
    shares = _share_out(people, ACTIVE_SHARE, "active", "placebo", rng)
    return [dict(zip(_KEYS, key, strict=True)) | {"arm": arm, "emergency_unblinded": "no"} for key, arm in shares]


def _share_out(
    people: Iterable[Row], share: float, one: str, other: str, rng: random.Random
) -> list[tuple[tuple[str, str], str]]:
    """Give `share` of the randomised of each site one label, the rest the other; rounding carries on to the next."""
    keys = sorted((row["site"], rng.random(), row["participant_code"]) for row in people if row["randomised"] == "yes")
    labelled = [
        ((site, code), one if math.floor((at + 1) * share) > math.floor(at * share) else other)
        for at, (site, _, code) in enumerate(keys)
    ]
    return sorted(labelled)


def _key(row: Row) -> tuple[str, str]:
    return row["site"], row["participant_code"]


def _participants(config: Mapping[str, Any]) -> list[Row]:
    path = config["clinical"]["participants"]
    if not path:
        raise InputError("clinical.participants is not given; the shuffled labels are made for its participants.")
    return _whole(check_file(path, "participants")).rows


def _whole(table: Table) -> Table:
    if wrong := errors(table.located()):
        raise InputError(as_text(wrong))
    return table


def _cells(rows: Iterable[Row], columns: list[str]) -> Iterable[list[str]]:
    yield columns
    for row in rows:
        yield [row.get(column, "") for column in columns]
