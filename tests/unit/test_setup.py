"""The set-up script's decisions, with stand-ins for the machine's tools: nothing is installed here."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASICS = [
    "awk",
    "bash",
    "cat",
    "cut",
    "dirname",
    "env",
    "grep",
    "mkdir",
    "nproc",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "tail",
    "tee",
    "touch",
    "xargs",
]
TEST_LIST = "strace test 6.1 strace\nr-cran-survival test 3.5 -\n"
LIST = "gcc build 12.2 gcc\nsalmon run 1.10.1 salmon\nr-bioc-dada2 run 1.26.0 -\n"


class Machine:
    """A folder with a project and a PATH of its own, on which each tool is a stand-in that notes its calls."""

    def __init__(self, folder):
        self.project = folder / "project"
        self.path = folder / "bin"
        self.calls = folder / "calls"
        (self.project / "envs").mkdir(parents=True)
        self.path.mkdir()
        shutil.copy(ROOT / "envs" / "setup.sh", self.project / "envs")
        (self.project / "envs" / "debian.txt").write_text(LIST)
        (self.project / "envs" / "debian-test.txt").write_text(TEST_LIST)
        (self.project / "envs" / "requirements.lock").write_text("")
        (self.project / "pyproject.toml").write_text("")
        for tool in BASICS:
            (self.path / tool).symlink_to(shutil.which(tool))

    def add(self, tool, body=""):
        """Put a tool on the PATH; it notes its name and arguments, then runs `body`."""
        script = self.path / tool
        script.write_text(f'#!/bin/bash\necho "{tool} $*" >>{self.calls}\n{body}\n')
        script.chmod(0o755)

    def complete_venv(self):
        """Leave a `.venv` that looks as the set-up leaves one."""
        (self.project / ".venv" / "bin").mkdir(parents=True)
        python = self.project / ".venv" / "bin" / "python"
        python.write_text("#!/bin/bash\n")
        python.chmod(0o755)
        stamp = hashlib.sha256(f"{self.project.resolve()}\n".encode()).hexdigest()
        (self.project / ".venv" / ".stamp").write_text(f"{stamp}  -\n")

    def set_up(self, *arguments):
        """Run the script; its result, and the calls of the stand-ins."""
        self.calls.write_text("")
        done = subprocess.run(
            ["bash", "envs/setup.sh", *arguments],
            cwd=self.project,
            env={"PATH": str(self.path), "HOME": str(self.project)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done, self.calls.read_text()

    @property
    def state(self):
        path = self.project / ".setup"
        return path.read_text() if path.exists() else None


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def dpkg_has(*packages):
    lines = "".join(f"installed {package}\\n" for package in packages)
    return f"printf '{lines}'; exit 1"


def test_where_all_is_there_nothing_is_called(machine):
    machine.complete_venv()
    machine.add("dpkg-query", dpkg_has("gcc", "salmon", "r-bioc-dada2"))
    machine.add("apt-get", "exit 1")
    (machine.project / ".setup").write_text("--sdm conda\n")
    done, calls = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "set-up: nothing was missing\n"
    assert [line.split()[0] for line in calls.splitlines()] == ["dpkg-query"]
    assert machine.state is None


def test_a_tool_on_the_path_counts_and_compilers_only_for_building(machine):
    machine.complete_venv()
    machine.add("dpkg-query", dpkg_has("r-bioc-dada2"))
    machine.add("salmon")
    done, calls = machine.set_up()
    assert done.stdout == "set-up: nothing was missing\n", done.stderr
    assert "apt-get" not in calls


def test_another_lock_makes_the_compilers_needed_again(machine):
    machine.complete_venv()
    machine.add("id", "echo 1000")
    machine.add("dpkg-query", dpkg_has("salmon", "r-bioc-dada2"))
    (machine.project / "envs" / "requirements.lock").write_text("numpy==2.0\n")
    done, _ = machine.set_up()
    assert done.returncode == 1
    assert "    gcc\n" in done.stderr


@pytest.mark.parametrize(("user", "prefix"), [("0", ""), ("1000", "sudo -n ")])
def test_root_and_sudo_install_what_is_missing_by_apt_without_a_question(machine, user, prefix):
    machine.complete_venv()
    machine.add("id", f"echo {user}")
    machine.add("sudo", 'shift; "$@"')
    machine.add("dpkg-query", dpkg_has("gcc", "r-bioc-dada2"))
    machine.add("dpkg")
    machine.add("apt-get", 'echo "frontend $DEBIAN_FRONTEND" >>"$0.log"')
    done, calls = machine.set_up()
    assert done.returncode == 0, done.stderr
    apt = [line for line in calls.splitlines() if line.startswith("apt-get")]
    assert [line.split()[-1] for line in apt] == ["update", "salmon"]
    assert all(line.startswith("apt-get -y ") for line in apt)
    assert "--no-install-recommends install salmon" in apt[1]
    assert (machine.path / "apt-get.log").read_text() == "frontend noninteractive\n" * 2
    assert calls.count("sudo -n env") == (2 if prefix else 0)
    assert machine.state is None


def test_an_error_of_apt_is_shown_and_ends_the_set_up(machine):
    machine.complete_venv()
    machine.add("id", "echo 0")
    machine.add("dpkg-query", dpkg_has("gcc", "r-bioc-dada2"))
    machine.add("dpkg")
    machine.add("apt-get", 'echo "E: Unable to locate package" >&2; exit 100')
    done, _ = machine.set_up()
    assert done.returncode == 1
    assert "E: Unable to locate package" in done.stderr
    assert "start again" in done.stderr


def test_without_rights_one_message_names_what_is_missing_and_three_ways(machine):
    machine.complete_venv()
    machine.add("id", "echo 1000")
    machine.add("dpkg-query", dpkg_has("gcc"))
    machine.add("apt-get", "exit 1")
    done, calls = machine.set_up()
    assert done.returncode == 1
    assert done.stdout == ""
    assert "    salmon r-bioc-dada2\n" in done.stderr
    assert [line[2:4] for line in done.stderr.splitlines() if line[2:4] in ("1.", "2.", "3.")] == ["1.", "2.", "3."]
    assert "apt-get install --no-install-recommends salmon r-bioc-dada2" in done.stderr
    assert "apt-get" not in calls
    assert machine.state is None


def test_without_rights_but_with_conda_the_tools_come_from_conda(machine):
    machine.complete_venv()
    machine.add("id", "echo 1000")
    machine.add("conda")
    first, _ = machine.set_up()
    assert first.returncode == 0, first.stderr
    assert "--sdm conda" in first.stdout
    assert machine.state == "--sdm conda\n"
    second, calls = machine.set_up()
    assert second.stdout == "set-up: nothing was missing\n"
    assert "create" not in calls


def test_tools_of_tests_are_installed_only_when_asked_for(machine):
    machine.complete_venv()
    machine.add("id", "echo 0")
    machine.add("dpkg-query", dpkg_has("gcc", "salmon", "r-bioc-dada2"))
    machine.add("dpkg")
    machine.add("apt-get")
    done, calls = machine.set_up()
    assert done.stdout == "set-up: nothing was missing\n", done.stderr
    assert "apt-get" not in calls
    done, calls = machine.set_up("--with-tests")
    assert done.returncode == 0, done.stderr
    assert "--no-install-recommends install strace r-cran-survival\n" in calls


def test_where_the_tools_of_tests_are_there_nothing_is_called(machine):
    machine.complete_venv()
    machine.add("dpkg-query", dpkg_has("gcc", "salmon", "r-bioc-dada2", "r-cran-survival"))
    machine.add("strace")
    machine.add("apt-get", "exit 1")
    done, calls = machine.set_up("--with-tests")
    assert done.stdout == "set-up: nothing was missing\n", done.stderr
    assert [line.split()[0] for line in calls.splitlines()] == ["dpkg-query"]


def test_a_package_of_r_counts_however_it_came(machine):
    machine.complete_venv()
    machine.add("dpkg-query", dpkg_has("gcc", "salmon", "r-bioc-dada2", "strace"))
    machine.add("Rscript")
    assert machine.set_up("--with-tests")[0].stdout == "set-up: nothing was missing\n"
    machine.add("Rscript", "exit 1")
    assert "r-cran-survival" in machine.set_up("--with-tests")[0].stdout


@pytest.mark.parametrize("user", ["0", "1000"], ids=["apt fails", "no rights"])
def test_without_the_tools_of_tests_the_set_up_still_succeeds_and_says_what_is_skipped(machine, user):
    machine.complete_venv()
    machine.add("id", f"echo {user}")
    machine.add("dpkg-query", dpkg_has("gcc", "salmon", "r-bioc-dada2"))
    machine.add("dpkg")
    machine.add("apt-get", 'echo "E: Unable to locate package" >&2; exit 100')
    done, calls = machine.set_up("--with-tests")
    assert done.returncode == 0
    last = done.stdout.splitlines()[-1]
    assert (
        last == "set-up: not installed, and only tests need it: strace r-cran-survival. The tests that do are skipped."
    )
    assert ("E: Unable to locate package" in done.stderr) is (user == "0")
    assert ("apt-get" in calls) is (user == "0")
