"""The intake report as one self-contained HTML page: no script, no network, readable from a file URL."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from immunosep.codes import CODES
from immunosep.findings import Finding, count, in_order

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 72rem; margin: 0 auto;
  padding: 1rem; }
h1, h2, h3 { line-height: 1.25; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { border-bottom: 1px solid #bbb; padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.error { color: #a30000; } .warning { color: #7a4b00; } .info { color: #0b4f8a; }
"""

_COLUMNS = (
    "Samples, participants and controls came in. Left out: rows of the manifest without data or without consent. "
    "Missing: visits of the schedule, of participants still alive, without a sample; completeness.tsv lists them. "
    "Controls of the microbiome belong to no body site and stand in a line of their own."
)
_REASONS = (
    "Libraries of the manifest that are not analysed, with the reason that the manifest gives, or the state of consent."
)
_SHOWN_AS = {"error": "Error", "warning": "Warning", "info": "Note"}


def render_page(
    findings: Iterable[Finding], summary: Mapping[str, Mapping[str, int]], rejected: Sequence[Mapping[str, str]]
) -> str:
    """Render the report.

    Parameters
    ----------
    findings
        All findings.
    summary
        Layer to counts.
    rejected
        Rows of the table of what was left out.

    Returns
    -------
    str
        HTML page; every value is escaped.
    """
    ordered = in_order(findings)
    counted = count(ordered)
    parts = [
        "<h1>Intake</h1>",
        f"<p>{_numbered(counted['error'], 'error')}, {_numbered(counted['warning'], 'warning')}, "
        f"{_numbered(counted['info'], 'note')}.</p>",
        "<h2>Libraries</h2>",
        f"<p>{_COLUMNS}</p>",
        _table(
            [{"layer": name, **{k.replace("_", " "): str(v) for k, v in row.items()}} for name, row in summary.items()]
        ),
        "<h2>Findings</h2>",
    ]
    for code in dict.fromkeys(f.code for f in ordered):
        parts.append(_kind(code, [f for f in ordered if f.code == code]))
    if not ordered:
        parts.append("<p>None.</p>")
    parts += ["<h2>Left out</h2>", f"<p>{_REASONS}</p>\n{_table(rejected)}" if rejected else "<p>Nothing.</p>"]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Intake report</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _kind(code: str, group: Sequence[Finding]) -> str:
    documented = CODES[code]
    rows = [
        {"file": f.file, "line": str(f.row or ""), "column": f.column, "value": f.value, "what is wrong": f.problem}
        | ({"did you mean": f.suggestion} if any(g.suggestion for g in group) else {})
        for f in group
    ]
    head = (
        f'<span class="{documented.severity}">{_SHOWN_AS[documented.severity]}</span>: '
        f"{escape(documented.title)} ({len(group)})"
    )
    return f"<h3>{head}</h3>\n<p>{escape(documented.why)} {escape(documented.fix)}</p>\n{_table(rows)}"


def _numbered(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row.values()) + "</tr>" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _cell(value: str) -> str:
    kind = ' class="number"' if value.isascii() and value.isdigit() and len(value) < 7 else ""
    return f"<td{kind}>{escape(value)}</td>"
