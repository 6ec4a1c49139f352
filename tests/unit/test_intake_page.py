"""The intake report as HTML: escaped, grouped, masked, legible in both colour schemes, and free of the network."""

import base64
import hashlib
import json
import random
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunosep.codes import CODES
from immunosep.findings import Finding, finding, mask
from immunosep.html_page import FIRST_ROWS
from immunosep.intake_page import render_page
from immunosep.intake_page_assets import SCRIPT, STYLE
from support.contrast import contrast
from support.intake_findings import many_findings
from support.trial import Trial

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--",
    "&lt;b&gt;",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
)
SUMMARY = {"rna": {"samples": 1200, "left_out": 3}, "microbiome_oral": {"samples": 4, "left_out": 0}}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and the text of each."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self._open = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        around = [element["id"] for element in self._open if "id" in element]
        element = {"tag": tag, "text": "", "inside": around, **dict(attributes)}
        self.elements.append(element)
        if tag not in ("meta", "input", "img"):
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, tag, name=None):
        """Elements of a tag, and of a class."""
        return [
            e for e in self.elements if e["tag"] == tag and (name is None or name in (e.get("class") or "").split())
        ]

    def inside(self, name, tag):
        """Elements of a tag inside the element of an id."""
        return [e for e in self.all(tag) if name in e["inside"]]

    @property
    def lists(self):
        """Rows of each list as text, from the page's data."""
        data = json.loads(next(e["text"] for e in self.all("script") if e.get("type") == "application/json"))
        return {item["id"]: [[data["strings"][cell] for cell in row] for row in item["rows"]] for item in data["lists"]}


def page_of(findings, summary=None, rejected=(), **more):
    return Page(render_page(findings, summary or {}, rejected, **more))


def headings(page):
    return [e["text"] for e in page.all("h1") + page.all("h2")]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_strangers_write_stays_text(text):
    one = Finding("not_allowed", text, 7, text, text, f"{text} is not in the list", text, text, (9,))
    html = render_page([one], {text: {text: 1}}, [{text: text, "reason": text}], unchecked=[text])
    page = Page(html)
    assert {e["tag"] for e in page.elements} == {
        e["tag"]
        for e in page_of(
            [Finding("not_allowed", "f", 7, "c", "v", "p", "x", "s", (9,))],
            {"l": {"c": 1}},
            [{"l": "v", "reason": "r"}],
            unchecked=["u"],
        ).elements
    }
    assert not any(name.startswith("on") for e in page.elements for name in e)
    assert page.lists["kind-not_allowed"] == [[text, "7", text, text, f"{text} is not in the list", text, "9", text]]
    assert [e["text"] for e in page.all("td")][:4] == [text, "7", text, text]
    # Nothing of a value may end the element that holds the data.
    data = html.split('<script type="application/json" id="rows">')[1].split("</script>")[0]
    assert not set(data) & set("<>&")
    assert "alert(1)" not in html.split("<style>")[0]


def test_only_its_own_style_and_script_may_run_and_nothing_is_asked_of_a_network():
    page = page_of(many_findings(500), SUMMARY, [{"library": "a", "reason": "died"}])
    policy = next(e["content"] for e in page.all("meta") if e.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    own = [e["text"] for e in page.all("script") if "type" not in e] + [e["text"] for e in page.all("style")]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in own]
    assert own == [SCRIPT, STYLE]
    assert rules == {
        "default-src": "'none'",
        "script-src": hashes[0],
        "style-src": hashes[1],
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not any(name in e for e in page.elements for name in ("src", "style", "srcset", "action"))
    assert all(e["href"].startswith("#") for e in page.elements if "href" in e)
    assert not re.search(r"url\(|@import|https?:", STYLE + SCRIPT)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", SCRIPT)


def test_one_block_for_each_kind_with_all_of_its_rows():
    findings = many_findings(3000)
    page = page_of(findings)
    blocks = page.all("section", "kind")
    wanted = {code: [f for f in findings if f.code == code] for code in {f.code for f in findings}}
    assert sorted(b["id"] for b in blocks) == sorted(f"kind-{code}" for code in wanted)
    for block in blocks:
        code = block["id"].removeprefix("kind-")
        assert block["data-severity"] == CODES[code].severity
        # A title begins with a capital here.
        for text in (CODES[code].title[1:], CODES[code].why, CODES[code].fix):
            assert text in block["text"]
        assert f"{min(FIRST_ROWS, len(wanted[code]))} of {len(wanted[code]):,} rows shown." in block["text"]
        rows = page.lists[block["id"]]
        assert len(rows) == len(wanted[code])
        assert sorted((row[0], row[1]) for row in rows) == sorted((f.file, str(f.row)) for f in wanted[code])
    assert len(page.all("tr")) == sum(1 + min(FIRST_ROWS, len(group)) for group in wanted.values())


def test_kinds_come_errors_first_and_files_before_their_cells():
    codes = ["byte_order_mark", "single_end", "not_allowed", "missing_column", "file_empty"]
    page = page_of([finding(code, "a.tsv", 2) for code in codes])
    assert [b["id"] for b in page.all("section", "kind")] == [f"kind-{code}" for code in reversed(codes)]
    assert [e["href"] for e in page.all("a")][1:] == [f"#kind-{code}" for code in reversed(codes)]


def test_the_order_of_findings_does_not_matter():
    findings = many_findings(400)
    shuffled = random.Random(7).sample(findings, len(findings))
    assert render_page(findings, SUMMARY, []) == render_page(shuffled, SUMMARY, [])


def test_columns_without_content_are_left_out():
    plain = page_of([finding("single_end", "a.tsv", 3, "fastq_2")])
    assert [e["text"] for e in plain.all("th")] == ["File", "Row", "Column"]
    rich = finding(
        "code_decimal", "a.xlsx", 3, "sample_code", "12.0", "read as a number", fix="Ask Anna.", others=[5, 6]
    )
    both = page_of([Finding(**{name: getattr(rich, name) for name in rich.__slots__} | {"sheet": "Lab", "cell": "B3"})])
    assert [e["text"] for e in both.all("th")] == [
        "File", "Sheet", "Row", "Cell", "Column", "Value", "What is wrong", "Other rows", "How to mend",
    ]  # fmt: skip
    assert [e["text"] for e in both.all("td")] == [
        "a.xlsx", "Lab", "3", "B3", "sample_code", "12.0", "read as a number", "5-6", "Ask Anna.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "state", "title"),
    [
        ([], "good", "No mistakes found"),
        (["byte_order_mark"], "good", "No mistakes found"),
        (["single_end", "single_end"], "warning", "No errors, 2 warnings"),
        (["single_end", "byte_order_mark"], "warning", "No errors, 1 warning and 1 note"),
        (["not_allowed", "single_end"], "error", "1 error to mend"),
        (["not_allowed"] * 1234, "error", "1,234 errors to mend"),
    ],
)
def test_the_verdict_is_the_heading(codes, state, title):
    page = page_of([finding(code, "a.tsv", row) for row, code in enumerate(codes)])
    assert [e["text"] for e in page.all("h1")] == [title]
    assert [e["class"] for e in page.all("header")] == [f"verdict {state}"]
    assert ("Findings" in headings(page)) is bool(codes)


def test_a_clean_page_says_what_was_counted_left_out_and_not_checked():
    page = page_of([], SUMMARY, [{"library": "GR03-012345678-D01-rna", "visit_day": "1", "reason": "died"}],
                   unchecked=["The raw files were not looked for."])  # fmt: skip
    assert headings(page) == ["No mistakes found", "What was not checked", "Libraries of each layer", "Left out"]
    assert "The raw files were not looked for." in page.all("li")[0]["text"]
    assert [e["text"] for e in page.all("td")] == [
        "rna", "1,200", "3", "microbiome oral", "4", "0", "GR03-012345678-D01-rna", "1", "died",
    ]  # fmt: skip
    assert [e["text"] for e in page.all("th")] == [
        "Layer", "Samples", "Left out", "Library", "Visit day", "Reason",
    ]  # fmt: skip
    assert page.all("form") == []


def test_a_check_without_counts_has_no_empty_sections():
    page = page_of([], unchecked=["raw files: --no-files leaves them aside."])
    assert headings(page) == ["No mistakes found", "What was not checked"]
    assert page.all("li")[0]["text"] == "Raw files: --no-files leaves them aside."


@given(
    st.lists(st.tuples(st.sampled_from(["not_allowed", "single_end"]), st.text(), st.text(), st.text()), max_size=30)
)
def test_any_text_comes_back_from_the_data_as_it_was(cells):
    findings = [finding(code, file, 2, column, value) for code, file, column, value in cells]
    page = Page(render_page(findings, {}, []))
    for code in {f.code for f in findings}:
        head = [e["data-column"] for e in page.inside(f"kind-{code}", "th")]
        rows = [dict(zip(head, row, strict=True)) for row in page.lists[f"kind-{code}"]]
        wanted = [(f.file, f.column, f.value) for f in findings if f.code == code]
        assert sorted((row["file"], row.get("column", ""), row.get("value", "")) for row in rows) == sorted(wanted)


def test_severity_is_said_in_words():
    page = page_of(many_findings(2000))
    words = {"error": "Error", "warning": "Warning", "info": "Note"}
    for block in page.all("section", "kind"):
        assert block["text"].startswith(words[block["data-severity"]])
    assert {e["text"] for e in page.all("span", "badge")} == {*words.values(), "Errors", "Warnings", "Notes"}


@pytest.mark.parametrize("secret", ["anna.b@clinic.example", "29.02.1980", "Anna Schmidt"])
def test_personal_values_stay_masked_in_text_and_data(tmp_path, secret):
    trial = Trial(tmp_path).write()
    trial.participants[0]["participant_code"] = secret
    _, findings = trial.write_tables().check()
    html = render_page(findings, {}, [])
    assert secret not in html
    assert mask(secret).replace("…", "") in html.replace("…", "")
    rows = Page(html).lists["kind-personal_value"]
    assert any(mask(secret) in row for row in rows)


def test_a_file_name_that_is_no_text_can_be_written():
    name = b"caf\xe9.tsv".decode("utf-8", "surrogateescape")
    html = render_page([finding("file_empty", name)], {}, [])
    assert "caf\\udce9.tsv" in html.encode("utf-8").decode("utf-8")


def test_menus_offer_the_values_by_their_place_in_the_data():
    page = page_of(many_findings(300))
    strings = json.loads(next(e["text"] for e in page.all("script") if "type" in e))["strings"]
    options = [e for e in page.all("option") if e["value"]]
    assert [e["name"] for e in page.all("select")] == ["file", "column"]
    assert all(strings[int(e["value"])] == e["text"] for e in options)
    assert [e["text"] for e in options][:3] == ["clinical/participants.tsv", "clinical/visits.tsv", "manifest.tsv"]


def test_many_rows_stay_a_small_page():
    html = render_page(many_findings(50_000), {}, [])
    assert len(html) < 10_000_000
    assert html.count("<tr") < 1500


# ------------------------------------------------------------------------------------------------------- contrast

# What stands on what: text, its ground.
TEXT = [
    ("ink", "paper"), ("ink", "panel"), ("ink", "value"), ("quiet", "paper"), ("quiet", "panel"), ("quiet", "value"),
    ("link", "paper"), ("button-ink", "button"), ("error", "error-tint"), ("warning", "warning-tint"),
    ("info", "info-tint"), ("good", "good-tint"), ("ink", "error-tint"), ("ink", "warning-tint"), ("ink", "good-tint"),
    ("paper", "error"), ("paper", "warning"), ("paper", "info"), ("paper", "good"),
]  # fmt: skip
# Edges of fields and buttons, the ring of what has the focus, a ticked box.
PARTS = [("edge", "paper"), ("edge", "panel"), ("focus", "paper"), ("focus", "panel"), ("button", "panel")]


def scheme(name):
    """Colours of a scheme, from the style: the dark one changes some of the light one's."""
    light = STYLE.split("@media")[0]
    media = {"light": "", "dark": r"@media \(prefers-color-scheme: dark\) \{(.*?)\n\}", "print": r"@media print \{(.*)"}
    more = re.search(media[name], STYLE, re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light + (more[1] if name != "light" else "")))


def test_the_formula_of_contrast_gives_known_values():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#ffffff") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#0000ff", "#ffffff") == pytest.approx(8.59, abs=0.005)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_both_schemes_can_be_read(name):
    colours = scheme(name)
    weak = {(over, under): contrast(colours[over], colours[under]) for over, under in TEXT}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    weak = {(over, under): contrast(colours[over], colours[under]) for over, under in PARTS}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 3} == {}


def test_schemes_name_the_same_colours_and_the_style_names_no_other():
    dark = re.search(r"@media \(prefers-color-scheme: dark\) \{(.*?)\n\}", STYLE, re.DOTALL)[1]
    assert set(re.findall(r"--([\w-]+):", dark)) == set(scheme("light"))
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) <= set(scheme("light"))
    assert re.findall(r"(?<!: )#[0-9a-f]{3,8}\b", STYLE) == []


def test_print_is_dark_on_white():
    colours = scheme("print")
    assert colours["paper"] == colours["panel"] == "#ffffff"
    assert all(
        contrast(colours[name], "#ffffff") >= 4.5 for name in ("ink", "quiet", "error", "warning", "info", "good")
    )
