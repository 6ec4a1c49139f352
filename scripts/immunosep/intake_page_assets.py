"""Style and script of the intake report. Both stand inside the page, which allows these two by their hash and no other.

The page is complete without the script, apart from rows beyond the first of each list. The script reads the rows from
the page's data, writes them as text and never as markup, and talks to no network.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f4f6f8; --ink: #1a2129; --quiet: #4a5662; --line: #d3d9df; --edge: #73808c;
  --link: #0b4f96; --focus: #0b57a4; --value: #e9edf1; --button: #0b4f96; --button-ink: #ffffff;
  --error: #9b1318; --error-tint: #fdeceb; --warning: #704100; --warning-tint: #fff3da;
  --info: #0b4a82; --info-tint: #e7f1fb; --good: #11592a; --good-tint: #e4f4e9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --panel: #1d232a; --ink: #e8edf2; --quiet: #b0bac4; --line: #38424d; --edge: #84909c;
    --link: #8cc0ff; --focus: #ffd166; --value: #2c353f; --button: #9ccaff; --button-ink: #10161d;
    --error: #ffa8a2; --error-tint: #3b1e20; --warning: #f5c46b; --warning-tint: #37290f;
    --info: #9accff; --info-tint: #16293d; --good: #8bdfa4; --good-tint: #173120;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0 auto; max-width: 80rem; padding: 1rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1, h2, h3, p, ul, ol { margin: 0; }
h1 { font-size: 1.75rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1.05rem; display: inline; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible,
textarea:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
[hidden], html:not(.live) .live-only { display: none !important; }
.skip { position: absolute; left: -100rem; padding: .5rem 1rem; background: var(--paper); }
.skip:focus { left: .5rem; top: .5rem; z-index: 2; }
.about { color: var(--quiet); }

.verdict {
  margin: 1.25rem 0; padding: 1.25rem 1.5rem; border-left: .5rem solid; border-radius: .25rem;
  display: flex; gap: 1rem; align-items: flex-start;
}
.verdict > .icon { font-size: 1.5rem; width: 2.25rem; height: 2.25rem; line-height: 2.25rem; }
.verdict p { margin-top: .5rem; max-width: 48rem; color: var(--ink); }
.error { color: var(--error); } .warning { color: var(--warning); } .info { color: var(--info); }
.good { color: var(--good); }
.verdict.error, .badge.error { background: var(--error-tint); }
.verdict.warning, .badge.warning { background: var(--warning-tint); }
.badge.info { background: var(--info-tint); }
.verdict.good { background: var(--good-tint); }
.icon {
  flex: none; display: inline-block; width: 1.15em; height: 1.15em; line-height: 1.15em; border-radius: 50%;
  text-align: center; font-weight: 700; background: currentColor;
}
.icon::before { color: var(--paper); }
.error > .icon::before { content: "\\00d7"; }
.warning > .icon { border-radius: .2em; } .warning > .icon::before { content: "!"; }
.info > .icon::before { content: "i"; }
.good > .icon::before { content: "\\2713"; }
.badge {
  display: inline-flex; gap: .4em; align-items: center; padding: .1rem .5rem; border-radius: .25rem;
  font-size: .85rem; font-weight: 600; white-space: nowrap;
}

.kinds { list-style: none; padding: 0; margin: 0 0 1.5rem; columns: 28rem 2; column-gap: 3rem; }
.kinds li {
  display: grid; grid-template-columns: 6.5rem 1fr auto; gap: .75rem; align-items: baseline; padding: .35rem 0;
  border-bottom: 1px solid var(--line); break-inside: avoid;
}
.kinds .badge { justify-self: start; }
.kinds .tally { font-variant-numeric: tabular-nums; }
#filters {
  display: flex; flex-wrap: wrap; gap: .75rem 1rem; padding: 1rem; margin-bottom: 1.5rem; background: var(--panel);
  border-radius: .25rem;
}
#filters label.field { display: grid; gap: .25rem; font-weight: 600; font-size: .9rem; flex: 1 1 8rem; min-width: 0; }
#filters label.search { flex-grow: 3; flex-basis: 16rem; }
#filters fieldset, #filters .result { flex: 1 0 100%; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
fieldset label { display: inline-flex; gap: .5rem; align-items: center; min-height: 2rem; }
input[type=checkbox] { width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--button); }
input[type=search], select, textarea {
  width: 100%; min-width: 0; min-height: 2.5rem; padding: .35rem .6rem; font: inherit; font-size: 1rem;
  font-weight: 400; color: var(--ink); background: var(--paper); border: 1px solid var(--edge); border-radius: .25rem;
}
textarea { height: 10rem; margin-top: .5rem; }
button {
  min-height: 2.25rem; padding: .3rem .8rem; font: inherit; color: var(--link); background: var(--paper);
  border: 1px solid var(--edge); border-radius: .25rem; cursor: pointer;
}
button:hover { text-decoration: underline; }
button.main { color: var(--button-ink); background: var(--button); border-color: var(--button); }
.result { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: center; }
#found { min-width: 14rem; }

.kind { margin-bottom: 1rem; border: 1px solid var(--line); border-radius: .25rem; }
.kind summary { padding: .75rem 1rem; cursor: pointer; background: var(--panel); }
.kind summary h3 { margin-left: .25rem; } .kind summary .badge { margin-right: .5rem; }
.kind .tally { color: var(--quiet); white-space: nowrap; }
.kind .tally::before { content: "("; } .kind .tally::after { content: ")"; }
.kind .inside { padding: .75rem 1rem 1rem; }
.kind .inside > p { max-width: 60rem; margin-bottom: .5rem; }
.foot { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: center; margin-top: .75rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .925rem; }
th, td { padding: .4rem 1.5rem .4rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--quiet); white-space: nowrap; }
td { overflow-wrap: break-word; }
td.long { overflow-wrap: anywhere; min-width: 9rem; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
table.counts .number { min-width: 5.5rem; }
code {
  padding: .05rem .3rem; border-radius: .2rem; background: var(--value); white-space: pre-wrap;
  font: .95em/1.45 ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet); }

@media (max-width: 45rem) {
  body { padding: .75rem .75rem 3rem; }
  .verdict { padding: 1rem; }
  h1 { font-size: 1.4rem; }
  .kinds li { grid-template-columns: 1fr auto; gap: .1rem .75rem; }
  .kinds .badge { grid-column: 1 / -1; justify-self: start; }
  .kind summary, .kind .inside { padding-left: .75rem; padding-right: .75rem; }
  table, tbody, tr { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--edge); }
  th, td, th.number, td.number { text-align: left; padding: .15rem 0; border: 0; min-width: 0; }
  td { overflow-wrap: anywhere; display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .5rem; }
  td::before { content: attr(data-label); color: var(--quiet); }
  td:empty { display: none; }
  td > code { justify-self: start; }
}
@media print {
  :root {
    color-scheme: light; --paper: #ffffff; --panel: #ffffff; --ink: #000000; --quiet: #333333; --line: #999999;
    --edge: #666666; --link: #000000; --value: #eeeeee; --error: #9b1318; --error-tint: #ffffff; --warning: #704100;
    --warning-tint: #ffffff; --info: #0b4a82; --info-tint: #ffffff; --good: #11592a; --good-tint: #ffffff;
  }
  :root { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  #filters, button, .skip { display: none !important; }
  summary { list-style: none; }
  .icon { background: none; border: 1px solid; } .icon::before { color: inherit; }
  .kind { border: 0; } .kind summary, tr, .verdict { break-inside: avoid; } .kind summary { break-after: avoid; }
  thead { display: table-header-group; }
}
"""

SCRIPT = """
"use strict";
(() => {
  const MORE = 100; // rows that one press adds
  const PAUSE = 120; // ms without a key before the rows are searched
  const { strings, columns, lists } = JSON.parse(document.getElementById("rows").textContent);
  const lower = strings.map((text) => text.toLowerCase());
  const number = (n) => n.toLocaleString("en");
  const form = document.getElementById("filters");

  // A list: its rows (cells are positions in `strings`), those that the filters leave, and how many of these are drawn.
  const read = ({ id, rows }) => {
    const section = document.getElementById(id);
    const part = (selector) => section.querySelector(selector);
    const body = part("tbody");
    return {
      section, rows, body, found: rows, drawn: body.rows.length, first: body.rows.length,
      heads: [...section.querySelectorAll("th")].map((head) => ({ name: head.dataset.column, label: head.textContent,
        kind: head.className, code: "code" in head.dataset })),
      severity: section.dataset.severity, title: section.dataset.title, tally: part(".tally"), mend: part(".mend"),
      about: `${section.dataset.title} ${id}`.toLowerCase(),
      status: part("[role=status]"), more: part("button.more"),
      link: document.querySelector(`.kinds a[href="#${id}"]`),
    };
  };

  const cell = (text, { label, kind, code }) => {
    const made = document.createElement("td");
    made.className = kind;
    made.dataset.label = label;
    made.setAttribute("role", "cell");
    if (code && text) made.appendChild(document.createElement("code")).textContent = text;
    else made.textContent = text;
    return made;
  };

  const draw = (list, count) => {
    const next = list.found.slice(list.drawn, list.drawn + count);
    list.body.append(...next.map((row) => {
      const line = document.createElement("tr");
      line.setAttribute("role", "row");
      line.append(...row.map((at, i) => cell(strings[at], list.heads[i])));
      return line;
    }));
    list.drawn += next.length;
    const rest = list.found.length - list.drawn;
    list.status.textContent = rest
      ? `${number(list.drawn)} of ${number(list.found.length)} rows shown.`
      : `All ${number(list.found.length)} rows shown.`;
    list.status.hidden = list.found.length <= list.first;
    list.more.hidden = !rest;
    list.more.textContent = `Show ${number(Math.min(MORE, rest))} more`;
  };

  const all = lists.map(read);
  const kinds = all.filter((list) => list.severity);
  for (const list of all) {
    list.more.addEventListener("click", () => draw(list, MORE));
    draw(list, 0);
  }

  // A row is found when each word stands in a cell, or in the title of its kind, and each menu agrees. Every distinct
  // text is searched once per word; rows then only look up the answers.
  const search = () => {
    const words = form.elements.text.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const hits = words.map((word) => lower.map((text) => text.includes(word)));
    const menus = [...form.querySelectorAll("select")].filter((menu) => menu.value !== "");
    return (list) => {
      const wanted = hits.filter((_, i) => !list.about.includes(words[i]));
      const picks = menus.map((menu) => [list.heads.findIndex((head) => head.name === menu.name), Number(menu.value)]);
      return list.rows.filter((row) => picks.every(([at, picked]) => at >= 0 && row[at] === picked)
        && wanted.every((hit) => row.some((at) => hit[at])));
    };
  };

  const apply = () => {
    const find = search();
    const shown = new Set([...form.querySelectorAll("[name=severity]:checked")].map((box) => box.value));
    const counts = {};
    let total = 0;
    for (const list of kinds) {
      const found = find(list);
      counts[list.severity] = (counts[list.severity] || 0) + found.length;
      list.found = shown.has(list.severity) ? found : [];
      list.drawn = 0;
      list.body.replaceChildren();
      draw(list, list.first);
      const size = list.found.length;
      total += size;
      list.tally.textContent = number(size) + (size < list.rows.length ? ` of ${number(list.rows.length)}` : "");
      list.section.hidden = !size;
      if (list.link) {
        list.link.closest("li").hidden = !size;
        list.link.closest("li").querySelector(".tally").textContent = list.tally.textContent;
      }
    }
    for (const count of form.querySelectorAll("[data-count]")) {
      count.textContent = number(counts[count.dataset.count] || 0);
    }
    const every = kinds.reduce((sum, list) => sum + list.rows.length, 0);
    document.getElementById("found").textContent = total === every
      ? `All ${number(every)} findings.` : `${number(total)} of ${number(every)} findings.`;
    document.getElementById("nothing").hidden = total > 0;
  };

  // ---- what leaves the page: text for a letter, CSV for a spreadsheet; always the rows that the filters leave

  const plain = (some) => some.filter((list) => list.found.length).map((list) =>
    [`${list.title} (${number(list.found.length)})`, ...list.found.map((row) => "- " + row
      .map((at, i) => strings[at] && `${list.heads[i].label}: ${strings[at]}`).filter(Boolean).join("; ")),
    list.mend.textContent].join("\\n")).join("\\n\\n") + "\\n";

  // A spreadsheet must neither run a cell as a formula nor take a code for a number.
  const quote = (text) => {
    let safe = text;
    if (/^0\\d|^\\d{8,}$/.test(text)) safe = `="${text}"`;
    else if (/^[=+\\-@\\t\\r]/.test(text)) safe = `'${text}`;
    return `"${safe.replaceAll('"', '""')}"`;
  };

  const csv = () => {
    const lines = [["Severity", "Kind", ...columns.map((column) => column[1])].map(quote)];
    for (const list of kinds) {
      const at = columns.map(([name]) => list.heads.findIndex((head) => head.name === name));
      for (const row of list.found) {
        lines.push([list.severity, list.title, ...at.map((i) => i < 0 ? "" : strings[row[i]])].map(quote));
      }
    }
    return lines.map((line) => line.join(",") + "\\r\\n").join("");
  };

  const copy = async (text, said) => {
    const box = document.getElementById("to-copy");
    said.hidden = false;
    box.hidden = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // older browsers, and those that trust no page from a file
      box.hidden = false;
      box.value = text;
      box.select();
      if (!document.execCommand("copy")) {
        said.textContent = "Press Ctrl+C (or Cmd+C) to copy the text.";
        return;
      }
      box.hidden = true;
    }
    said.textContent = "Copied.";
  };

  const save = (text, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\\ufeff", text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  for (const list of kinds) {
    list.section.querySelector("button.copy").addEventListener("click", () => copy(plain([list]), list.status));
    list.link?.addEventListener("click", () => { list.section.querySelector("details").open = true; });
  }
  if (form) {
    const said = document.getElementById("said");
    let waiting = 0;
    form.reset(); // some browsers bring back what was typed before a reload
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    form.addEventListener("input", () => {
      said.textContent = "";
      clearTimeout(waiting);
      waiting = setTimeout(apply, PAUSE);
    });
    document.getElementById("copy").addEventListener("click", () => copy(plain(kinds), said));
    document.getElementById("save").addEventListener("click", () => save(csv(), "intake_findings.csv"));
  }
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
  document.documentElement.classList.add("live");
})();
"""
