"""Broken and good tables as functions: the name says which, the docstring what happened in the lab, the body does it.

    @finds("code_leading_zero", "manifest", "rna", "sample_code")
    def saved_from_excel(lab):
        \"""Opened the manifest in Excel and saved it: the zero at the beginning of the code is gone.\"""
        lab.put("manifest", "rna", sample_code="12345678")

What is expected is exact: these findings, on these rows, in this column, and nothing else.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

from intake.lab import Lab, Outcome

Build = Callable[[Lab], None]


class Found(NamedTuple):
    """One expected finding; `rows` are names of rows, or lines of the file, none where it is about the whole file."""

    code: str
    table: str
    rows: tuple[str | int, ...] = ()
    column: str = ""


@dataclass
class Case:
    """Tables made from the good ones, and all that the check must say of them."""

    name: str
    story: str
    build: Build
    expected: list[Found] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def lab(self) -> Lab:
        """Make the lab and let happen what happened."""
        lab = Lab()
        self.build(lab)
        return lab


def finds(
    code: str, table: str, rows: str | int | Iterable[str | int] = (), column: str = ""
) -> Callable[[Build], Build]:
    """Say what the check must find in the tables that a function makes; several stand one above the other."""
    named = (rows,) if isinstance(rows, str | int) else tuple(rows)
    return _note(lambda case: case.expected.append(Found(code, table, named, column)))


def finds_each(code: str, table: str, rows: Iterable[str], column: str) -> Callable[[Build], Build]:
    """Say that the same is found in a column of each of these rows."""
    return _note(lambda case: case.expected.extend(Found(code, table, (row,), column) for row in rows))


def hides(*secrets: str) -> Callable[[Build], Build]:
    """Say which text must not be printed anywhere, neither on the terminal nor in a file."""
    return _note(lambda case: case.secrets.extend(secrets))


def good(build: Build) -> Build:
    """Mark tables that are right; notes (`finds` with a code that is information) may stand beside."""
    return _note(lambda case: None)(build)


def _note(change: Callable[[Case], None]) -> Callable[[Build], Build]:
    def decorate(build: Build) -> Build:
        if not hasattr(build, "case"):
            story = " ".join(inspect.getdoc(build).split()) if build.__doc__ else ""
            build.case = Case(build.__name__, story, build)
        change(build.case)
        return build

    return decorate


def cases_of(module: ModuleType) -> list[Case]:
    """Return the cases of a module in the order of its lines."""
    return [made.case for made in vars(module).values() if hasattr(made, "case")]


def one_cell(table: str, row: str, column: str, value: str, code: str, story: str, *, secret: bool = False) -> Case:
    """Make the case of one wrong cell, found in its place; a secret one must not be printed."""
    name = f"{table}-{row}-{column}-{value or 'empty'}".replace("/", "|").replace(" ", "_")
    expected = [Found(code, table, (row,), column)]
    return Case(name, story, lambda lab: lab.put(table, row, **{column: value}), expected, [value] if secret else [])


def found(outcome: Outcome) -> list[Found]:
    """Findings as the corpus writes them, with lines of the file for rows."""
    result = []
    for item in outcome.findings:
        rows = tuple(sorted({row for row in (item["row"], *item["others"]) if row}))
        table = item["file"].rpartition("/")[2].partition(".")[0]
        result.append(Found(item["code"], table, rows, item["column"]))
    return sorted(result)


def expected(case: Case, lab: Lab) -> list[Found]:
    """Expected findings with lines of the file for rows."""
    return sorted(f._replace(rows=tuple(sorted(lab.line(f.table, row) for row in f.rows))) for f in case.expected)


def without_progress(stderr: str) -> str:
    """Return what stands on stderr beside the line that says how much was read."""
    return "".join(line for line in stderr.splitlines(keepends=True) if "file sets read" not in line)
