"""The intake report in a real browser, from a file URL: fits phone and desk, filters, copies, and asks for nothing."""

import csv
import io
import re
import socket
import time

import pytest

from immunosep.findings import finding
from immunosep.html_page import FIRST_ROWS
from immunosep.intake_page import render_page
from support.contrast import contrast
from support.intake_findings import ERRORS, many_findings

PHONE, DESK = (360, 740), (1280, 900)
COUNTS = {"samples": 1200, "participants": 280, "controls": 24, "left_out": 31, "missing": 210}
SUMMARY = dict.fromkeys(("rna", "atac", "proteome", "microbiome_nares", "microbiome_oral"), COUNTS)
LEFT_OUT = [
    {"library": f"GR03-0123{i:05d}-D04-16s-nares", "layer": "microbiome", "visit_day": "4", "reason": "discharged"}
    for i in range(250)
]
CONTROLS = "[...document.querySelectorAll('#filters, button')]"
LONG = "raw/" + "x" * 300 + ".fastq.gz"

# What is wider than the window, or than the frame that could scroll it: a person would have to move it sideways.
STICKING_OUT = """
const out = [...document.querySelectorAll(".wide")].filter(e => e.scrollWidth > e.clientWidth);
for (const e of document.querySelectorAll("body *")) {
  if (e.closest("script, thead, legend, .skip") || !e.getClientRects().length) continue;
  if (e.getBoundingClientRect().right > innerWidth + 1) out.push(e);
}
return out.slice(0, 5).map(e => e.outerHTML.slice(0, 200))"""

# Colour of each visible text and of the ground that it stands on, once each.
TEXT_COLOURS = """
const found = new Map();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || e.closest("script, .skip") || !e.getClientRects().length) continue;
  let under = e, ground;
  while ((ground = getComputedStyle(under).backgroundColor).startsWith("rgba(0, 0, 0, 0")) {
    under = under.parentElement;
    if (!under) { ground = getComputedStyle(document.body).backgroundColor; break; }
  }
  const colour = getComputedStyle(e).color;
  found.set(colour + ground, [colour, ground, walk.currentNode.data.trim().slice(0, 40)]);
}
return [...found.values()]"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of all sorts, as files."""
    folder = tmp_path_factory.mktemp("pages")
    several = [*many_findings(400), finding("data_missing", LONG, 3, "fastq_1", LONG)]
    warnings = [finding("single_end", "manifest.tsv", i, "fastq_2") for i in range(2, 6)]
    notes = [finding("byte_order_mark", "manifest.tsv")]
    contents = {
        "errors": render_page(many_findings(5000, ERRORS), {}, [], unchecked=["The raw files were not looked for."]),
        "mixed": render_page(several, SUMMARY, LEFT_OUT),
        "warnings": render_page(warnings, SUMMARY, []),
        "notes": render_page(notes, SUMMARY, LEFT_OUT),
        "clean": render_page([], SUMMARY, []),
    }
    for name, html in contents.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in contents}


@pytest.fixture
def open_page(start, pages):
    """Return a function that opens one of the pages at a size."""

    def get(name, size=DESK, **kind):
        browser = start(**kind)
        browser.size(*size)
        browser.open(pages[name])
        browser.complaints()
        browser.requests()
        return browser

    return get


def number(text):
    return int(text.replace(",", ""))


def shown_rows(browser):
    return browser.run("return [...document.querySelectorAll('.kind')].filter(s => !s.hidden)"
                       ".map(s => [s.id, s.querySelectorAll('tbody tr').length])")  # fmt: skip


def search(browser, text, wanted):
    """Type into the search field and wait for the count."""
    browser.type("#filters input[type=search]", text)
    browser.wait_for(f"return document.getElementById('found').textContent === {wanted!r}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", ["errors", "mixed", "warnings", "notes", "clean"])
def test_fits_the_window_can_be_read_and_is_silent(start, pages, picture, name, size, dark):
    browser = start(dark=dark)
    browser.size(*size)
    browser.requests()
    browser.open(pages[name])
    assert browser.run("return document.documentElement.classList.contains('live')")
    assert browser.run("return matchMedia('(prefers-color-scheme: dark)').matches") is dark
    assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [size[0], size[0]]
    assert browser.run(STICKING_OUT) == []
    for colour, ground, text in browser.run(TEXT_COLOURS):
        assert contrast(hexadecimal(colour), hexadecimal(ground)) >= 4.5, (text, colour, ground)
    assert browser.complaints() == []
    assert browser.requests() == []
    stem = f"{name}-{'phone' if size == PHONE else 'desk'}-{'dark' if dark else 'light'}"
    picture(browser, stem)
    if name in ("errors", "mixed"):
        browser.run("document.querySelector('section.kind').scrollIntoView()")
        picture(browser, f"{stem}-block")


def hexadecimal(colour):
    parts = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    return "#" + "".join(f"{int(part):02x}" for part in parts.groups())


def test_search_narrows_rows_and_counts(open_page, picture):
    browser = open_page("errors")
    findings = many_findings(5000, ERRORS)
    assert browser.text("#found") == "All 5,000 findings."
    wanted = sum(("wholeblood" in f.value and "visits.tsv" in f.file) for f in findings)
    assert 0 < wanted < 5000
    search(browser, "WholeBlood visits.tsv", f"{wanted:,} of 5,000 findings.")
    assert number(browser.text("[data-count=error]")) == wanted
    tallies = browser.run("return [...document.querySelectorAll('.kind:not([hidden]) .tally')].map(t => t.textContent)")
    assert sum(number(t.split(" of ")[0]) for t in tallies) == wanted
    listed = browser.run(
        "return [...document.querySelectorAll('.kinds li:not([hidden]) .tally')].map(t => t.textContent)"
    )
    assert listed == tallies
    values = browser.run(
        "return [...document.querySelectorAll('.kind:not([hidden]) tbody tr')].map(r => r.textContent)"
    )
    assert values
    assert all("wholeblood" in row and "clinical/visits.tsv" in row for row in values)
    picture(browser, "errors-desk-searched")
    # The code of a kind, as its title, finds all of its rows.
    search(browser, ERRORS[0], f"{sum(f.code == ERRORS[0] for f in findings):,} of 5,000 findings.")
    search(browser, "no such words", "0 of 5,000 findings.")
    assert browser.text("#nothing") == "No row matches these filters."
    assert shown_rows(browser) == []
    browser.click("#filters button[type=reset]")
    browser.wait_for("return document.getElementById('found').textContent === 'All 5,000 findings.'")
    assert not browser.run("return [...document.querySelectorAll('.kind')].some(s => s.hidden)")
    assert browser.complaints() == []


def test_severities_can_be_switched(open_page):
    browser = open_page("mixed")
    total = len(many_findings(400)) + 1
    severities = "return [...document.querySelectorAll('.kind:not([hidden])')].map(s => s.dataset.severity)"
    assert set(browser.run(severities)) == {"error", "warning", "info"}
    errors = number(browser.text("[data-count=error]"))
    browser.click("#filters input[value=error]")
    browser.wait_for(
        f"return document.getElementById('found').textContent === '{total - errors:,} of {total} findings.'"
    )
    assert set(browser.run(severities)) == {"warning", "info"}
    # The count beside the box still says how many there are to switch on.
    assert number(browser.text("[data-count=error]")) == errors
    browser.click("#filters input[value=error]")
    browser.wait_for(f"return document.getElementById('found').textContent === 'All {total} findings.'")


def test_menus_filter_by_file_and_column(open_page):
    browser = open_page("errors", PHONE)
    wanted = sum(f.file == "manifest.tsv" and f.column == "batch" for f in many_findings(5000, ERRORS))
    for menu, text in (("file", "manifest.tsv"), ("column", "batch")):
        browser.type_choice(f"select[name={menu}]", text)
    browser.wait_for(f"return document.getElementById('found').textContent === '{wanted:,} of 5,000 findings.'")


def test_more_rows_come_when_they_are_asked_for(open_page):
    browser = open_page("errors")
    name, first = max(shown_rows(browser), key=lambda row: row[1])
    total = number(browser.text(f"#{name} .tally").strip("()"))
    assert total > 210
    assert first == FIRST_ROWS
    assert browser.text(f"#{name} [role=status]") == f"10 of {total:,} rows shown."
    assert browser.text(f"#{name} .more") == "Show 100 more"
    browser.click(f"#{name} .more")
    assert dict(shown_rows(browser))[name] == 110
    assert browser.text(f"#{name} [role=status]") == f"110 of {total:,} rows shown."
    # The first rows come from the page's text, the others from the script: they look the same.
    rows = f"[...document.querySelectorAll('#{name} tbody tr')]"
    shapes = browser.run(
        f"return {rows}.map(r => [...r.cells].map(c => c.className + c.dataset.label + c.role).join())"
    )
    assert len(set(shapes)) == 1
    numbers = [int(n) for n in browser.run(f"return {rows}.map(r => r.querySelector('.number').textContent)")]
    assert len(set(numbers)) == 110
    while browser.run(f"return !document.querySelector('#{name} .more').hidden"):
        browser.click(f"#{name} .more")
    assert dict(shown_rows(browser))[name] == total
    assert browser.text(f"#{name} [role=status]") == f"All {total:,} rows shown."


def test_what_was_left_out_is_a_list_of_the_same_kind(open_page):
    browser = open_page("notes")
    assert browser.text("#left-out [role=status]") == "10 of 250 rows shown."
    browser.click("#left-out .more")
    assert browser.run("return document.querySelectorAll('#left-out tbody tr').length") == 110


def test_markup_in_values_stays_text(open_page):
    browser = open_page("mixed")
    search(browser, "<b>bold</b>", f"{sum(f.value == '<b>bold</b>' for f in many_findings(400))} of 401 findings.")
    assert browser.run("return document.querySelectorAll('td b').length") == 0
    assert browser.run("return document.querySelector('.kind:not([hidden]) td code').textContent") == "<b>bold</b>"


def test_works_with_the_keyboard_alone(open_page):
    browser = open_page("mixed")
    tab, space, enter = "\ue004", " ", "\ue007"
    focused = "return document.activeElement.textContent.trim() || document.activeElement.name"
    browser.press(tab)
    assert browser.run(focused) == "Skip to the report"
    assert browser.run("return document.activeElement.getBoundingClientRect().left") >= 0
    order = []
    for _ in range(9):
        browser.press(tab)
        order.append(browser.run("return document.activeElement.name || document.activeElement.textContent.trim()"))
    assert order[:8] == [
        "text", "file", "column", "severity", "severity", "severity", "Clear filters", "Copy as text",
    ]  # fmt: skip
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    # A link of the contents opens its block, and the heading of a block closes it.
    name = browser.run("return document.querySelector('.kinds a').hash").removeprefix("#")
    browser.run("document.querySelector('.kind summary').focus()")
    browser.press(enter)
    assert browser.run(f"return document.querySelector('#{name} details').open") is False
    browser.run("document.querySelector('.kinds a').focus()")
    browser.press(enter)
    assert browser.run(f"return document.querySelector('#{name} details').open") is True
    browser.run("document.querySelector('#filters [value=info]').focus()")
    browser.press(space)
    browser.wait_for("return document.querySelector('.kind[data-severity=info]').hidden")


def test_shown_rows_are_copied_as_text(open_page):
    browser = open_page("errors")
    wanted = [f for f in many_findings(5000, ERRORS) if "4.420" in f.value and "participants.tsv" in f.file]
    search(browser, "4.420 participants.tsv", f"{len(wanted):,} of 5,000 findings.")
    text = copied(browser, "#copy", "#said")
    assert len(re.findall(r"(?m)^- File: clinical/participants\.tsv; Row: \d+; .*Value: 4\.420", text)) == len(wanted)
    assert text.count("How to mend:") == len({f.code for f in wanted})
    block = browser.run("return document.querySelector('.kind:not([hidden])').id")
    part = copied(browser, f"#{block} button.copy", f"#{block} [role=status]")
    assert part.strip()
    assert part.strip() in text


def copied(browser, button, said):
    """Press a button that copies, and return the clipboard by pasting it."""
    browser.click(button)
    browser.wait_for(f"return document.querySelector({said!r}).textContent === 'Copied.'")
    browser.run(
        "const box = document.body.appendChild(document.createElement('textarea')); box.id = 'paste'; box.focus()"
    )
    browser.press("v", "\ue009")
    text = browser.wait_for("return document.getElementById('paste').value")
    browser.run("document.getElementById('paste').remove()")
    return text


def test_without_the_clipboard_of_the_browser_the_text_can_still_be_had(open_page):
    browser = open_page("mixed")
    browser.run("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))")
    assert copied(browser, "#copy", "#said").count("\n- File: ") == 401
    browser.run("document.execCommand = () => false")
    browser.click("#copy")
    browser.wait_for("return document.getElementById('said').textContent.startsWith('Press Ctrl+C')")
    assert browser.run("return getSelection().toString() || document.activeElement.value").count("\n- File: ") == 401


def test_shown_rows_are_saved_as_a_table_that_a_spreadsheet_reads_right(start, tmp_path):
    values = ["012345678", "=1+1", "@x", 'say "hi", twice', "plain", "12345678"]
    findings = [finding("not_allowed", "a.tsv", row, "batch", value) for row, value in enumerate(values * 2, start=2)]
    page = tmp_path / "page.html"
    page.write_text(render_page(findings, {}, []), encoding="utf-8")
    browser = start()
    browser.open(page)
    browser.click("#save")
    saved = browser.downloads / "intake_findings.csv"
    end = time.monotonic() + 10
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.05)
    text = saved.read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Row"] for row in rows] == [str(n) for n in range(2, 14)]
    assert [row["Value"] for row in rows[:6]] == [
        '="012345678"', "'=1+1", "'@x", 'say "hi", twice', "plain", '="12345678"',
    ]  # fmt: skip
    assert {(row["Severity"], row["File"], row["Column"]) for row in rows} == {("error", "a.tsv", "batch")}


def test_without_script_the_kinds_and_their_first_rows_are_there(open_page, picture):
    browser = open_page("errors", script=False)
    assert browser.run("return document.documentElement.classList.contains('live')") is False
    assert browser.text("h1") == "5,000 errors to mend"
    assert browser.run(f"return {CONTROLS}.some(e => e.getClientRects().length)") is False
    assert "first 10 rows" in browser.text("noscript")
    assert all(0 < rows <= FIRST_ROWS for _, rows in shown_rows(browser))
    assert browser.run("return [...document.querySelectorAll('.kind td')].every(c => c.getClientRects().length)")
    picture(browser, "errors-desk-without-script")


def test_fifty_thousand_rows_stay_fluent(start, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(render_page(many_findings(50_000, ERRORS), {}, []), encoding="utf-8")
    browser = start()
    browser.size(*DESK)
    browser.open(page)
    loaded = browser.run("return performance.getEntriesByType('navigation')[0].domComplete")
    took = browser.run("""
      const field = document.querySelector('#filters input[type=search]'), found = document.getElementById('found');
      field.value = 'manifest 4.420'; field.dispatchEvent(new Event('input', { bubbles: true }));
      return new Promise((done) => {
        let began = 0;
        new MutationObserver(() => done(performance.now() - began)).observe(found, { childList: true });
        setTimeout(() => { began = performance.now(); }, 100); // the script waits 120 ms for the next key
      })""")  # fmt: skip
    print(f"50,000 findings: loaded in {loaded:.0f} ms, searched in {took:.0f} ms")
    assert loaded < 8000
    assert took < 2000


def test_print_shows_every_block_and_no_controls(open_page):
    browser = open_page("mixed")
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = false })")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return [...document.querySelectorAll('details')].every(d => d.open)")
    browser.tell("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.run(f"return {CONTROLS}.some(e => e.getClientRects().length)") is False
        assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.run("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    finally:
        browser.tell("Emulation.setEmulatedMedia", {"media": ""})


def test_the_policy_stops_what_is_not_the_page_s_own(start, tmp_path):
    html = render_page([finding("not_allowed", "a.tsv", 2, "batch", "PLANTED")], {}, [])
    page = tmp_path / "page.html"
    browser = start()
    browser.complaints()
    browser.requests()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"
        # As if a value had come through unescaped.
        planted = f'<script>document.title = "owned"</script><img src="{address}" onerror="document.title = 1">'
        page.write_text(html.replace("<code>PLANTED</code>", planted), encoding="utf-8")
        browser.open(page)
        assert browser.run("return document.title") == "Intake report"
        # The attempts are seen, in the console and among the requests, and nothing arrives.
        assert sum("Content Security Policy" in message for message in browser.complaints()) >= 2
        assert browser.requests() == [address]
        with pytest.raises(BlockingIOError):
            listener.accept()
