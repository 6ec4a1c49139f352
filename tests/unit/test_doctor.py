"""The doctor: reading the lists, comparing versions, and the verdict."""

import sys

import pytest

from immunosep import doctor
from immunosep.doctor import Finding, SystemPackage

LOCK = """# made by
anndata==0.12.19 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via immunosep (pyproject.toml)
Types_PyYAML==6.0.12.20261113 ; python_version < '3.12' \\
    --hash=sha256:cc
"""
PYPROJECT = """
[project]
dependencies = ["numpy~=2.4", "scikit_learn[tests]>=1.9"]
[project.optional-dependencies]
dev = ["pytest"]
"""


def test_the_list_of_packages_is_read_with_its_gaps():
    text = "# head\n\ngcc build 12.2 gcc  # compiler\nzlib1g-dev build - -\n"
    assert doctor.parse_debian_list(text) == [
        SystemPackage("gcc", "build", "12.2", "gcc"),
        SystemPackage("zlib1g-dev", "build", "", ""),
    ]


def test_the_lock_gives_pins_by_their_normal_names():
    assert doctor.parse_lock(LOCK) == {"anndata": "0.12.19", "types-pyyaml": "6.0.12.20261113"}


def test_direct_dependencies_know_what_they_are_for():
    assert doctor.direct_dependencies(PYPROJECT) == {"numpy": "run", "scikit-learn": "run", "pytest": "test"}


@pytest.mark.parametrize(
    ("found", "wanted", "enough"),
    [
        ("1.10.1", "1.10.1", True),
        ("1.9.9", "1.10.1", False),
        ("1.10", "1.10.0", True),
        ("1.16.1", "1.16", True),
        ("2.0", "10.0", False),
        ("0.23.2+dfsg", "0.23.2", True),
        ("20230311+deb12u1", "", True),
        ("unreadable", "1.0", False),
    ],
)
def test_versions_compare_as_numbers(found, wanted, enough):
    assert doctor.is_at_least(found, wanted) is enough


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("salmon 1.10.1", "1.10.1"),
        ("bedtools v2.30.0", "2.30.0"),
        ("/usr/bin/bowtie2-align-s version 2.5.0\n64-bit\nBuilt on 2022.01", "2.5.0"),
        ("bgzip (htslib) 1.16\nCopyright (C) 2022", "1.16"),
        ("Rscript (R) version 4.2.2 Patched (2022-11-10 r83330)", "4.2.2"),
    ],
)
def test_a_tool_is_asked_for_its_version(tmp_path, monkeypatch, says, version):
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\n[ $1 = --version ] || exit 1\nprintf '{says}' >&2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert doctor.command_version("tool") == version
    assert doctor.command_version("no_such_tool") == ""


def test_system_tools_missing_old_and_right(monkeypatch):
    monkeypatch.setattr(doctor, "command_version", {"salmon": "1.9.0", "fastp": "0.24.0"}.get)
    monkeypatch.setattr(doctor, "r_versions", lambda names: {"dada2": "1.26.0"})
    monkeypatch.setattr(doctor, "dpkg_versions", lambda names: {})
    packages = [
        SystemPackage("salmon", "run", "1.10.1", "salmon"),
        SystemPackage("fastp", "run", "0.23.2", "fastp"),
        SystemPackage("r-bioc-dada2", "run", "1.26.0", ""),
        SystemPackage("gcc", "build", "12.2", "gcc"),
    ]
    found = {item.tool: (item.found, item.ok) for item in doctor.examine_system(packages)}
    assert found["salmon"] == ("1.9.0", False)
    assert found["fastp"] == ("0.24.0", True)
    assert found["r-bioc-dada2"] == ("1.26.0", True)
    assert found["gcc"][1] is False
    # With conda the tools of the rules come when the rules run; compilers do not.
    by_conda = {item.tool: item.ok for item in doctor.examine_system(packages, by_conda=True)}
    assert by_conda == {"salmon": True, "fastp": True, "r-bioc-dada2": True, "gcc": False}


def test_a_python_package_must_have_the_locked_version():
    pins = {"pytest": pytest.__version__, "numpy": "0.0.1", "no-such-package": "1.0"}
    findings = doctor.examine_python({"pytest": "test", "numpy": "run"}, pins)
    assert [(item.tool, item.ok) for item in findings[:2]] == [("pytest", True), ("numpy", False)]
    assert findings[2].found == "0 of 1, not no-such-package"
    assert not findings[2].ok


def test_a_package_installed_by_half_is_named(tmp_path, monkeypatch):
    info = tmp_path / "halved-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halved\nVersion: 1.0\n")
    (tmp_path / "halved.py").write_text("")
    record = "halved.py,,\nhalved-1.0.dist-info/METADATA,,\n"
    (info / "RECORD").write_text(record)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert doctor.broken_packages({"halved": "1.0"}) == []
    assert doctor.broken_packages({"halved": "1.1"}) == ["halved==1.1"]
    (tmp_path / "halved.py").unlink()
    assert doctor.broken_packages({"halved": "1.0"}) == ["halved==1.0"]
    (info / "RECORD").unlink()
    assert doctor.broken_packages({"halved": "1.0"}) == ["halved==1.0"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "r_versions", lambda names: {})
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "debian.txt").write_text("tar run 1.0 tar\n")
    (tmp_path / "envs" / "debian-test.txt").write_text("")
    (tmp_path / "envs" / "requirements.lock").write_text(f"pytest=={pytest.__version__} \\\n    --hash=sha256:aa\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["pytest"]\n[project.optional-dependencies]\ndev = []\n'
    )
    return tmp_path


def test_the_doctor_is_content_or_says_what_to_do(project, capsys):
    assert doctor.doctor(project) == 0
    assert capsys.readouterr().out.endswith("All as wanted.\n")
    (project / "envs" / "debian.txt").write_text("tar run 99.0 tar\nx run 1.0 no_such_tool\n")
    assert doctor.doctor(project) == 1
    out = capsys.readouterr().out
    assert out.endswith("2 not as wanted: tar x. Run `make setup`.\n")
    assert "no_such_tool" not in out
    assert [line.split()[2:] for line in out.splitlines() if line.startswith("x ")] == [["missing", "1.0", "NO"]]


def test_a_tool_that_only_tests_use_is_listed_and_no_fault(project, capsys):
    (project / "envs" / "debian-test.txt").write_text("tar test 1.0 tar\nx test 1.0 no_such_tool\n")
    assert doctor.doctor(project) == 0
    out = capsys.readouterr().out
    assert [line.split()[1:] for line in out.splitlines() if line.startswith("x ")] == [
        ["test", "missing", "1.0", "NO"]
    ]
    assert out.endswith(
        "All as wanted. Only for tests, which are skipped without: x; `make setup-test` installs them.\n"
    )
    (project / "envs" / "debian.txt").write_text("y run 1.0 no_such_tool\n")
    assert doctor.doctor(project) == 1
    assert "1 not as wanted: y. Run `make setup`. Only for tests" in capsys.readouterr().out


def test_the_table_keeps_its_columns():
    lines = doctor.format_table([Finding("a", "run", "1.0", "", True), Finding("longer", "build", "", "2", False)])
    assert lines.splitlines() == [
        "tool    for    found    wanted  ok",
        "a       run    1.0      any     yes",
        "longer  build  missing  2       NO",
    ]
