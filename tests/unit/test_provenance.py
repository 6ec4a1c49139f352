"""A fingerprint changes with the code of a module and of what it imports, and with nothing else."""

import pytest

from immunosep import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    files = {
        "__init__.py": "",
        "low.py": '"""Low."""\n\ndef f():\n    """Doc."""\n    return 1\n',
        "high.py": "def g():\n    from immunosep.low import f\n    return f()\n",
        "other.py": "x = 1\n",
        "sub/__init__.py": "",
        "sub/part.py": "from immunosep import other\ny = 2\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE_ROOT", tmp_path)

    def edit(name, old, new):
        path = tmp_path / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        clear()

    def clear():
        for function in (provenance._tree, provenance._imports, provenance._normalised_code):
            function.cache_clear()

    clear()
    yield edit
    clear()


def prints():
    names = ("immunosep.low", "immunosep.high", "immunosep.other", "immunosep.sub")
    return {name: provenance.code_fingerprint(name) for name in names}


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def test_code_changes_reach_the_importers_and_nobody_else(package):
    before = prints()
    package("low.py", "return 1", "return 2")
    assert changed(before, prints()) == {"immunosep.low", "immunosep.high"}


def test_a_package_stands_for_its_parts_and_their_imports(package):
    before = prints()
    package("other.py", "x = 1", "x = 3")
    assert changed(before, prints()) == {"immunosep.other", "immunosep.sub"}


def test_comments_docstrings_and_layout_do_not_count(package):
    before = prints()
    package("low.py", '"""Doc."""', '"""Other words."""\n    # why')
    package("low.py", '"""Low."""', '"""High."""')
    assert changed(before, prints()) == set()


def test_an_unknown_module_is_an_error():
    with pytest.raises(ModuleNotFoundError):
        provenance.code_fingerprint("immunosep.nowhere")
