"""The guide for labs: its tables are those of the programs, and what it says exists does exist."""

import re
from pathlib import Path

import pytest
import yaml

from immunosep import guide
from immunosep.checks import load_schema
from immunosep.codes import CODES
from immunosep.errors import InputError
from immunosep.findings import Finding

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "config/README.md")


def test_the_guide_is_up_to_date():
    text = guide.GUIDE.read_text(encoding="utf-8")
    assert guide.render(text) == text, "run: python -m immunosep.guide --write"
    text = guide.RESULTS.read_text(encoding="utf-8")
    assert guide.render(text, {"release": guide.release_table()}) == text, "run: python -m immunosep.guide --write"


def test_every_column_code_and_key_is_in_the_guide():
    made = guide.blocks()
    for name in guide.TABLES:
        assert re.findall(r"^\| `(\w+)` ", made[name], re.M) == [f["name"] for f in load_schema(name)["fields"]]
    assert sorted(re.findall(r"^\| `(\w+)` ", made["codes"], re.M)) == sorted(CODES)
    assert "| `endotype.ferritin_cut` | `4420` | ng/mL; MALS is strictly above. A number above 0. |" in made["config"]
    assert "| `biomarkers.tasks.<name>.target` |  | Column of the label table. |" in made["config"]
    assert "`layers.<name>.matrix`" in made["config"]
    assert "| atac | `frip` | < 0.3 | < 0.2 | ENCODE ATAC-seq |" in made["thresholds"]


def test_leaves_of_config_yaml_are_documented():
    def leaves(node, path):
        for key, value in node.items():
            here = f"{path}.{key}" if path else key
            # Free names: the guide has their form, `<name>`, or a table of its own (thresholds).
            if here.startswith(("qc.", "biomarkers.tasks.", "biomarkers.clinical.")):
                continue
            if isinstance(value, dict) and value:
                yield from leaves(value, here)
            else:
                yield here

    table = guide.config_table()
    config = yaml.safe_load(guide.CONFIG.read_text(encoding="utf-8"))
    assert [key for key in leaves(config, "") if f"| `{key}` |" not in table] == []


def test_values_and_limits_are_spelt():
    visits, manifest = guide.column_table("visits"), guide.column_table("manifest")
    assert "| `sofa_total` | SOFA score, 0 to 24. A whole number from 0 to 24. | `9` |  |" in visits
    assert "A number above 0 to 500000." in visits
    assert "| `collected` | Whether the sample was taken and assayed. `yes` or `no`. | `yes` | always |" in manifest
    assert "| `microbiome` | `16s` | `nares`, `oral`, `rectum` | `fastq_1`, `fastq_2`, `run` |" in guide.assay_table()


def test_bars_do_not_break_a_table():
    assert guide.markdown_table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |\n"


def marked(*names):
    return "\n".join(f"text {name}\n<!-- table: {name} -->\nSTALE\n<!-- end: {name} -->" for name in names) + "\nend\n"


def test_only_the_marked_parts_change():
    names = list(guide.blocks())
    text = guide.render(marked(*names))
    assert "STALE" not in text
    assert text.startswith(f"text {names[0]}\n")
    assert text.endswith("-->\nend\n")
    assert guide.render(text) == text


@pytest.mark.parametrize("change", ["missing", "twice", "unknown", "open"])
def test_markers_that_do_not_fit_are_refused(change):
    names = list(guide.blocks())
    text = {
        "missing": marked(*names[1:]),
        "twice": marked(*names, names[0]),
        "unknown": marked(*names, "stranger"),
        "open": marked(*names) + "<!-- table: manifest -->\n",
    }[change]
    with pytest.raises(InputError, match="each once"):
        guide.render(text)


def test_main_compares_and_writes(tmp_path, monkeypatch, capsys):
    page = tmp_path / "README.md"
    page.write_text(marked(*guide.blocks()), encoding="utf-8")
    results = tmp_path / "results.md"
    results.write_text(marked("release"), encoding="utf-8")
    monkeypatch.setattr(guide, "GUIDE", page)
    monkeypatch.setattr(guide, "RESULTS", results)
    assert guide.main([]) == 1
    assert "--write" in capsys.readouterr().err
    assert guide.main(["--write"]) == 0
    assert guide.main([]) == 0


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert sorted(set(re.findall(r"`make ([a-z-]+)", text)) - targets) == []
    links = re.findall(r"\]\((?!http|#)([^)#]+)", text)
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.M)}
    assert [name for name in re.findall(r"\]\(#([^)]+)\)", text) if name not in anchors] == []


def _anchor(title):
    """Name of a heading in links, as code-hosting sites make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_messages_shown_in_the_guide_are_real():
    text = guide.GUIDE.read_text(encoding="utf-8")
    for code, title in re.findall(r"^ +(?:ERROR|WARNING|INFO) (\w+): (.+) \(\d+\)$", text, re.M):
        assert CODES[code].title == title
    assert Finding("code_leading_zero", "f", 2, "c", "v", "p").severity == "error"
