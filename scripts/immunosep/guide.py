"""The tables of the guide for labs (`config/README.md`), generated from what the programs themselves read.

The guide holds pairs of marker lines, ``<!-- table: NAME -->`` and ``<!-- end: NAME -->``; what stands between them is
made here from the table schemas, the codes of the findings and the schema of the configuration.
``python -m immunosep.guide --write`` renews the tables; without ``--write`` it tells whether they are up to date.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from immunosep.checks import load_schema
from immunosep.codes import CODES
from immunosep.config import load_schema as load_config_schema
from immunosep.errors import InputError
from immunosep.findings import SEVERITIES
from immunosep.io import atomic_path
from immunosep.outputs import OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "config" / "README.md"
RESULTS = ROOT / "results" / "README.md"
CONFIG = ROOT / "config" / "config.yaml"
TABLES = ("manifest", "sites", "participants", "visits", "classification", "allocation")

_BLOCK = re.compile(r"<!-- table: (?P<name>[a-z]+) -->\n(?P<body>.*?)<!-- end: (?P=name) -->", re.DOTALL)
_OPENING = re.compile(r"<!-- (?:table|end): (\S*) -->")
_TYPES = {"integer": "whole number", "number": "number", "boolean": "`yes` or `no`", "string": "text"}
_SEVERITY_TITLES = {"error": "Errors", "warning": "Warnings", "info": "Notes"}


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown; bars inside cells are escaped.

    Parameters
    ----------
    header
        Titles of the columns.
    rows
        Cells, as many as the header has.

    Returns
    -------
    str
        Lines, the last one ended.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def column_table(name: str) -> str:
    """Document the columns of an input table.

    Parameters
    ----------
    name
        Stem of the table's schema.

    Returns
    -------
    str
        Markdown: column, what goes in, example, may be empty.
    """
    rows = [
        (f"`{f['name']}`", _sentence(f["description"], accepted_values(f)), _code(f.get("example", "")), _must(f))
        for f in load_schema(name)["fields"]
    ]
    return markdown_table(("column", "what goes in", "example", "must be filled"), rows)


def _must(field: Mapping[str, Any]) -> str:
    return "always" if field.get("required") else ""


def accepted_values(field: Mapping[str, Any]) -> str:
    """Say which values a column takes, where its description does not; words stand between backticks."""
    if field.get("enum"):
        return "One of " + ", ".join(_code(value) for value in field["enum"])
    if field.get("type") in ("integer", "number"):
        return f"A {_TYPES[field['type']]}{_limits(field)}"
    if field.get("type") == "boolean":
        return _TYPES["boolean"].capitalize()
    return ""


def _limits(spec: Mapping[str, Any]) -> str:
    """Spell the limits of a number: `` from 0 to 24``, `` above 0``."""
    low, above, high = (spec.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    parts = [f"above {above:g}" if above is not None else "", f"from {low:g}" if low is not None else ""]
    return "".join(f" {part}" for part in [*parts, f"to {high:.15g}" if high is not None else ""] if part)


def _sentence(*parts: str) -> str:
    """Join parts to sentences, each ended by one full stop."""
    return " ".join(f"{part.strip().rstrip('.')}." for part in parts if part.strip())


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


def assay_table() -> str:
    """Document which assays and specimens belong to which layer, and which files an assay needs."""
    schema = load_schema("manifest")
    rows = [
        (f"`{layer}`", f"`{assay}`", ", ".join(map(_code, legal["specimens"])), _files(schema["assays"][assay]))
        for layer, legal in schema["layers"].items()
        for assay in legal["assays"]
    ]
    return markdown_table(("layer", "assay", "specimen", "files"), rows)


def _files(assay: Mapping[str, Any]) -> str:
    more = "".join(f", `{column}`" for column in assay.get("required", ()))
    if assay["files"] == "table":
        return "`table`" + more
    return ("`fastq_1`, `fastq_2`" if assay["ends"] == [2] else "`fastq_1`, and `fastq_2` if paired") + more


def code_table() -> str:
    """Document every code of a finding, errors first."""
    parts = []
    for severity in SEVERITIES:
        chosen = {code: entry for code, entry in CODES.items() if entry.severity == severity}
        rows = [(f"`{code}`", entry.title, f"{entry.why} *{entry.fix}*") for code, entry in chosen.items()]
        parts.append(
            f"**{_SEVERITY_TITLES[severity]}**\n\n" + markdown_table(("code", "what it says", "why, *mend*"), rows)
        )
    return "\n".join(parts)


def config_table() -> str:
    """Document every key of the configuration: one table per section."""
    schema = load_config_schema()
    flat, sections = [], []
    for name, node in schema["properties"].items():
        keys = list(_keys(node, name, schema))
        if "properties" in node:
            sections.append((name, node["description"], keys))
        else:
            flat += keys
    parts = [_key_table(flat)]
    parts += [f"**`{name}`** {_sentence(description)}\n\n{_key_table(keys)}" for name, description, keys in sections]
    return "\n".join(parts)


def _key_table(rows: Iterable[Sequence[str]]) -> str:
    return markdown_table(("key", "default", "meaning"), rows)


def _keys(node: Mapping[str, Any], path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield key, default and meaning of a node of the schema and all below it."""
    spec = _resolved(node, schema)
    children = spec.get("properties", {})
    free = spec.get("additionalProperties")
    if not children:
        yield f"`{path}`", _default(spec), _sentence(spec["description"], _accepted(spec))
    for name, child in children.items():
        yield from _keys(child, f"{path}.{name}", schema)
    if isinstance(free, Mapping) and free.get("properties"):
        yield from _keys(free, f"{path}.<name>", schema)


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a node with the definition it refers to; the node's own words win."""
    reference = node.get("$ref")
    return {**(schema["$defs"][reference.rpartition("/")[2]] if reference else {}), **node}


def _default(spec: Mapping[str, Any]) -> str:
    if "default" not in spec:
        return ""
    if spec["default"] == {}:
        return "see `config.yaml`"
    return _code(json.dumps(spec["default"]).strip('"'))


def _accepted(spec: Mapping[str, Any]) -> str:
    """Spell what values a key takes beyond its type."""
    if "enum" in spec:
        return "One of " + ", ".join(_code(str(value)) for value in spec["enum"])
    choices = spec.get("items", {}).get("enum")
    if choices:
        return "Any of " + ", ".join(map(_code, choices))
    limits = _limits(spec)
    return f"A {_TYPES[spec['type']]}{limits}" if limits and spec["type"] in ("integer", "number") else ""


def threshold_table() -> str:
    """Document the QC thresholds of `config.yaml`."""
    qc = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["qc"]
    rows = [
        (layer, f"`{metric}`", _breach(limits, "warn"), _breach(limits, "fail"), limits["source"])
        for layer, metrics in qc.items()
        for metric, limits in metrics.items()
        if limits
    ]
    return markdown_table(("layer", "metric", "warns", "fails", "source"), rows)


def _breach(limits: Mapping[str, Any], verdict: str) -> str:
    sides = (("below", "< "), ("above", "> "))
    return " or ".join(f"{sign}{limits[key]:,}" for side, sign in sides if (key := f"{verdict}_{side}") in limits)


def release_table() -> str:
    """Document which outputs are released, in what form, and why the others are not."""
    forms = {"share": "as it is", "aggregate": "made anew", "keep": "never"}
    rows = [(f"`{output.pattern}`", forms[output.release], output.reason) for output in OUTPUTS]
    return markdown_table(("output", "released", "what, or why not"), rows)


def blocks() -> dict[str, str]:
    """Make every table of the guide, by the name in its markers."""
    return {
        **{name: column_table(name) for name in TABLES},
        "assays": assay_table(),
        "codes": code_table(),
        "config": config_table(),
        "thresholds": threshold_table(),
    }


def render(text: str, made: Mapping[str, str] | None = None) -> str:
    """Renew the tables of a page.

    Parameters
    ----------
    text
        The page.
    made
        Its tables, by the name in their markers; by default those of the guide.

    Returns
    -------
    str
        The page with new tables; all else as it was.

    Raises
    ------
    InputError
        When a table is not in the page exactly once, or a marker has no partner.
    """
    made = blocks() if made is None else made
    found = [match["name"] for match in _BLOCK.finditer(text)]
    if sorted(found) != sorted(made) or len(_OPENING.findall(text)) != 2 * len(found):
        raise InputError(
            f"The marked tables of the page are {', '.join(found) or 'none'}; "
            f"needed, each once and with both markers: {', '.join(made)}."
        )
    return _BLOCK.sub(
        lambda match: f"<!-- table: {match['name']} -->\n\n{made[match['name']]}\n<!-- end: {match['name']} -->", text
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or tell whether they are up to date; the exit code is 1 where they are not."""
    parser = argparse.ArgumentParser(
        prog="python -m immunosep.guide", description="Tables of config/ and results/README.md."
    )
    parser.add_argument("--write", action="store_true", help="renew the tables; else only compare")
    options = parser.parse_args(arguments)
    code = 0
    for page, made in ((GUIDE, blocks()), (RESULTS, {"release": release_table()})):
        before = page.read_text(encoding="utf-8")
        after = render(before, made)
        if options.write:
            with atomic_path(page) as temporary:
                temporary.write_text(after, encoding="utf-8")
        elif after != before:
            sys.stderr.write(f"{page.parent.name}/{page.name} is out of date; run: python -m immunosep.guide --write\n")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
