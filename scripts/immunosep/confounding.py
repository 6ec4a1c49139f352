"""Whether the laboratory's batches follow the study's design or its labels: Cramér's V of every pair.

A batch effect cannot be told from the effect of what the batches follow. Standard library only: this is part of the
check before a run, and costs one pass over the libraries per pair of columns.
"""

import math
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from immunosep.checks import Row
from immunosep.findings import Finding, finding
from immunosep.manifest import Library

FACTORS: Final = ("batch", "plate", "run")
DESIGN: Final = ("site", "country", "visit_day")
COLUMNS: Final = (
    "layer", "factor", "against", "n", "levels", "cramers_v", "cramers_v_corrected", "verdict", "reason",
)  # fmt: skip
# A label level of fewer participants lies in one batch whatever the laboratory does.
MIN_PARTICIPANTS: Final = 2
_STOP: Final = {"error": "label_in_one_batch", "warning": "label_in_one_batch_allowed"}

# Label (endotype, arm) -> participant -> level; None where the role does not see the label.
Labels = Mapping[str, Mapping[str, str] | None]


class Association(NamedTuple):
    """How far one column follows another.

    Attributes
    ----------
    n
        Units counted.
    rows, columns
        Levels of either.
    v
        Cramér's V, 0 to 1.
    corrected
        The same after Bergsma (2013, doi 10.1016/j.jkss.2012.10.002): without the part that chance alone gives in a
        table of this size.
    """

    n: int
    rows: int
    columns: int
    v: float
    corrected: float


def cramers_v(pairs: Iterable[tuple[str, str]]) -> Association:
    """Measure the association of two columns of levels.

    Parameters
    ----------
    pairs
        One pair of levels per unit.

    Returns
    -------
    Association
        `v` and `corrected` are NaN where a column has fewer than two levels, `corrected` also where the table is so
        sparse that nothing is left of it.
    """
    cells = Counter(pairs)
    n = sum(cells.values())
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (a, b), count in cells.items():
        first[a] += count
        second[b] += count
    r, k = len(first), len(second)
    if min(r, k) < 2:
        return Association(n, r, k, math.nan, math.nan)
    # chi2 / n = sum of O^2 / (row total x column total) - 1; empty cells add nothing.
    phi2 = math.fsum(count * count / (first[a] * second[b]) for (a, b), count in cells.items()) - 1
    phi2 = max(0.0, phi2)
    left = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    room = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    corrected = min(1.0, math.sqrt(left / room)) if room > 0 else math.nan
    return Association(n, r, k, math.sqrt(phi2 / (min(r, k) - 1)), corrected)


def tabulate_confounding(libraries: Iterable[Library], labels: Labels, *, threshold: float, unseen: str) -> list[Row]:
    """Compare batch, plate and run of each feature space with site, country, visit and the labels.

    What belongs to a participant is counted once per participant and batch, what belongs to a visit once per library,
    so that a participant with many visits does not weigh more.

    Parameters
    ----------
    libraries
        Of all layers; controls are left out.
    labels
        `endotype`, `arm`.
    threshold
        Corrected V above which a pair is remarkable.
    unseen
        What to say of a label that is None.

    Returns
    -------
    list of dict
        Columns `COLUMNS`, as text. `layer` is the feature space (the microbiome by body site). verdict: ``pass``;
        ``note`` (batches follow the design) and ``warn`` (they follow a label) above the threshold; ``fail`` (a level
        of a label lies in one batch); ``not_tested``.
    """
    spaces: dict[str, list[Library]] = {}
    for lib in libraries:
        if lib.sample_type == "sample":
            spaces.setdefault(lib.modality, []).append(lib)
    rows = []
    for space in sorted(spaces):
        for factor in FACTORS:
            people, visits = _units(spaces[space], factor)
            for against in DESIGN:
                pairs = visits if against == "visit_day" else [(level, getattr(lib, against)) for level, lib in people]
                rows.append(_row(space, factor, against, pairs, threshold, above="note"))
            for against, known in labels.items():
                if known is None:
                    rows.append(_untested(space, factor, against, unseen))
                    continue
                pairs = [(level, known[lib.participant]) for level, lib in people if known.get(lib.participant)]
                row = _row(space, factor, against, pairs, threshold, above="warn")
                if factor == "batch" and row["verdict"] != "not_tested":
                    row |= _contained(pairs)
                rows.append(row)
    return rows


def _units(libraries: Iterable[Library], factor: str) -> tuple[list[tuple[str, Library]], list[tuple[str, str]]]:
    """One library of each participant and level of a factor; and (level, visit day) of each library and level."""
    level_of = operator.attrgetter(factor) if factor != "run" else None
    people: dict[tuple[str, str], Library] = {}
    visits = []
    for lib in libraries:
        for level in (level_of(lib),) if level_of else {f.run for f in lib.files}:
            if level:
                people.setdefault((level, lib.participant), lib)
                visits.append((level, str(lib.visit_day)))
    return [(level, lib) for (level, _), lib in people.items()], visits


def _row(space: str, factor: str, against: str, pairs: list[tuple[str, str]], threshold: float, *, above: str) -> Row:
    pairs = [pair for pair in pairs if pair[1]]
    found = cramers_v(pairs)
    levels = f"{found.rows} x {found.columns}"
    if math.isnan(found.v):
        thin = factor if found.rows < 2 else against
        few = {0: "no", 1: "one"}[found.rows if found.rows < 2 else found.columns]
        row = _untested(space, factor, against, f"{few} {_name(thin)} only" if few == "one" else f"{few} {_name(thin)}")
        return row | {"n": str(found.n), "levels": levels}
    follows = found.corrected > threshold
    reason = f"{_name(factor)} follows {_name(against)}: corrected V above {threshold:g}" if follows else ""
    if math.isnan(found.corrected):
        reason = "too few for the correction"
    values = (
        space, factor, against, str(found.n), levels, f"{found.v:.4f}",
        "" if math.isnan(found.corrected) else f"{found.corrected:.4f}", above if follows else "pass", reason,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _untested(space: str, factor: str, against: str, reason: str) -> Row:
    return dict.fromkeys(COLUMNS, "") | {
        "layer": space, "factor": factor, "against": against, "verdict": "not_tested", "reason": reason,
    }  # fmt: skip


def _contained(pairs: Iterable[tuple[str, str]]) -> Row:
    """Verdict and reason where a level of a label lies in one batch while there are several; else nothing."""
    batches: dict[str, Counter[str]] = {}
    for batch, level in pairs:
        batches.setdefault(level, Counter())[batch] += 1
    alone = {
        level: next(iter(counted))
        for level, counted in sorted(batches.items())
        if len(counted) == 1 and counted.total() >= MIN_PARTICIPANTS
    }
    if not alone:
        return {}
    reason = "; ".join(
        f"all {batches[level].total()} of {level} lie in batch {batch}" for level, batch in alone.items()
    )
    return {"verdict": "fail", "reason": reason}


def check_confounding(rows: Iterable[Row], file: str, stop: str) -> Iterator[Finding]:
    """Turn the remarkable rows of the table into findings: one per feature space and column that batches follow.

    Parameters
    ----------
    rows
        As `tabulate_confounding` returns them.
    file
        The manifest, for the message.
    stop
        ``error`` or ``warning``: what a label that lies in one batch is.
    """
    pairs: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["verdict"] in ("note", "warn", "fail"):
            pairs.setdefault((row["layer"], row["against"]), []).append(row)
    for (space, against), found in pairs.items():
        failed = next((row for row in found if row["verdict"] == "fail"), None)
        if failed is not None:
            problem = f"layer {space}, {_name(against)}: {failed['reason']}, and there are others"
            yield finding(_STOP[stop], file, 0, "batch", problem=problem)
            continue
        by = ", ".join(f"{row['factor']} (V = {float(row['cramers_v_corrected']):.2f})" for row in found)
        code = "batch_follows_label" if found[0]["verdict"] == "warn" else "batch_follows_design"
        problem = f"layer {space}: {by} {'follow' if len(found) > 1 else 'follows'} {_name(against)}"
        yield finding(code, file, 0, found[0]["factor"], problem=problem)


def _name(column: str) -> str:
    return {"visit_day": "visit", "arm": "treatment arm"}.get(column, column)
