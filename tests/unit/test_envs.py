"""The set-up's files agree: one version per tool everywhere, no machine's address, every import has its package."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from immunosep.doctor import LISTS, direct_dependencies, normalise, parse_debian_list, parse_lock
from immunosep.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "scripts" / "immunosep"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))

# Conda's name -> the name in envs/debian.txt or in the lock, where they differ.
DEBIAN_NAMES = {"htslib": "tabix", "r-base": "r-base-core", "bioconductor-dada2": "r-bioc-dada2"}
PYTHON_NAMES = {"matplotlib-base": "matplotlib"}
# Imported name -> package.
IMPORT_NAMES = {"sklearn": "scikit-learn", "yaml": "pyyaml", "matplotlib": "matplotlib-base", "skbio": "scikit-bio"}
# Found in the module search path of every job, for Snakemake adds its own.
FROM_SNAKEMAKE = {"snakemake"}


@pytest.fixture(scope="module")
def pins():
    return parse_lock((ROOT / "envs" / "requirements.lock").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tools():
    return {
        item.package: item.version
        for item in parse_debian_list((ROOT / "envs" / "debian.txt").read_text(encoding="utf-8"))
    }


def packages(environment):
    """Name and version of each conda package of an environment file."""
    return dict(line.split("=") for line in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"])


def test_lists_of_system_packages_share_nothing_and_keep_to_their_needs():
    lists = {name: parse_debian_list((ROOT / "envs" / name).read_text(encoding="utf-8")) for name in LISTS}
    assert {item.need for item in lists["debian.txt"]} == {"build", "run"}
    assert {item.need for item in lists["debian-test.txt"]} == {"test"}
    names = [item.package for items in lists.values() for item in items]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_files_pin_the_tested_versions(environment, pins, tools):
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    assert set(content) == {"channels", "dependencies"}
    assert content["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    for name, version in packages(environment).items():
        tested = "3.11" if name == "python" else tools.get(DEBIAN_NAMES.get(name, name))
        assert version == (tested or pins[PYTHON_NAMES.get(name, name)]), name


def test_the_lock_holds_every_direct_dependency(pins):
    wanted = direct_dependencies((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert len(wanted) > 20
    assert set(wanted) <= set(pins)


def test_every_locked_package_has_hashes():
    text = (ROOT / "envs" / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(blocks) == len(parse_lock(text))
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("path", sorted((ROOT / "envs").iterdir()), ids=lambda path: path.name)
def test_no_registry_and_no_machine_is_named(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"https?://|file://|--(?:extra-)?index-url|--find-links|--trusted-host|@ ", text) == []
    assert re.findall(r"(?<![\w.])/(?:home|root|work|opt|tmp|Users)/", text) == []


def test_every_rule_names_an_environment_that_exists():
    named = {
        environment
        for path in (ROOT / "workflow" / "rules").glob("*.smk")
        for environment in re.findall(r'"\.\./\.\./envs/(\w+)\.yaml"', path.read_text(encoding="utf-8"))
    }
    assert named == {path.stem for path in ENVIRONMENTS}


def imports(path):
    """Dotted names that a Python file imports, anywhere in it, unless for the type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import module` names a module as well as `from module import function`.
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_files(name):
    """Files that importing a module of the library runs: its own and its packages' `__init__`."""
    path = LIBRARY.parent
    for part in name.split("."):
        path = path / part
        if path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")
        elif (path / "__init__.py").is_file():
            yield path / "__init__.py"


def third_party(script):
    """Top-level names outside the standard library that a rule script needs, through the library's modules too."""
    seen, todo, needed = set(), {script}, set()
    while todo:
        path = todo.pop()
        seen.add(path)
        for name in imports(path):
            if name.split(".")[0] == "immunosep":
                todo |= set(module_files(name)) - seen
            elif name.split(".")[0] not in sys.stdlib_module_names:
                needed.add(name.split(".")[0])
    return needed - FROM_SNAKEMAKE


def python_rules():
    """Each rule with a Python script: rule, environment, script."""
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for block in re.split(r"(?m)^ *(?:rule|checkpoint) (?=\w+:)", path.read_text(encoding="utf-8"))[1:]:
            environment = re.search(r"envs/(\w+)\.yaml", block)
            script = re.search(r'script:\s+"\.\./\.\./(scripts/[\w/]+\.py)"', block)
            if environment and script:
                yield pytest.param(environment[1], ROOT / script[1], id=block.split(":")[0])


@pytest.mark.parametrize(("environment", "script"), list(python_rules()))
def test_what_a_rule_imports_is_in_its_environment(environment, script):
    # In development Snakemake's own packages leak into the jobs, so that a missing one would go unnoticed.
    held = set(packages(ROOT / "envs" / f"{environment}.yaml"))
    needed = {IMPORT_NAMES.get(name, normalise(name)) for name in third_party(script)}
    assert needed - held == set()
    assert needed


def test_the_version_that_a_run_states_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["version"] == str(citation["version"]) == VERSION
