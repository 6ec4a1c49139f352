#!/usr/bin/env bash
# Install what the workflow needs and this machine lacks: system tools by apt (or, without the right to, by conda) and
# the Python packages of the lock into .venv; with --with-tests also, where it may, the tools that only tests use. Asks
# nothing; started again it goes on where it was interrupted, and where nothing is missing it touches no network and
# ends at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

readonly LIST=envs/debian.txt TEST_LIST=envs/debian-test.txt LOCK=envs/requirements.lock
readonly LOG=.setup.log      # what apt and pip say
readonly STATE=.setup        # options for Snakemake, read by the Makefile: "--sdm conda" where the tools come from conda
readonly STAMP=.venv/.stamp  # written last: what a complete .venv was made from
readonly CONDA_BASE=.conda   # Python and compilers, where conda has to bring these too
# The lock is made for the first; newer ones work where every package has a wheel for them.
readonly PYTHONS="python3.11 python3 python3.12 python3.13"

CHANGED=no     # whether this call did anything
LACKING=""     # tools of tests that are missing and could not be installed
IN_CONDA=()    # prefix that runs a command with conda's Python and compilers

say() { printf 'set-up: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# ------------------------------------------------------------------------------------------------ what is missing

find_python() {
    local python
    for python in $PYTHONS; do
        if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

# Whether what a package would bring is there without it: Python and compilers come in many ways.
comes_otherwise() {
    local python
    case $1 in
        python3-venv) python=$(find_python) && "$python" -c 'import ensurepip, venv' 2>/dev/null ;;
        python3-dev)
            python=$(find_python) && "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' 2>/dev/null
            ;;
        zlib1g-dev) have gcc && gcc -E -include zlib.h - </dev/null >/dev/null 2>&1 ;;
        chromium) have chromium-browser || have google-chrome ;;
        fonts-dejavu-core) have fc-list && [[ -n $(fc-list) ]] ;;
        r-cran-survival) have Rscript && Rscript --vanilla -e 'quit(status = !nzchar(system.file(package = "survival")))' ;;
        ca-certificates) [[ -e /etc/ssl/certs/ca-certificates.crt || -d /etc/pki/tls/certs ]] ;;
        *) return 1 ;;
    esac
}

# Print the packages of one need (build, run, test) that neither dpkg nor the PATH has.
missing() {
    local package need _version command
    while read -r package need _version command; do
        [[ $need == "$1" && " $INSTALLED " != *" $package "* ]] || continue
        [[ $command == - ]] || ! have "$command" || continue
        ! comes_otherwise "$package" || continue
        echo "$package"
    done < <(sed 's/#.*//' "$LIST" "$TEST_LIST")
}

# Names of the listed packages that dpkg has; it complains of names that it does not know and lists the others.
installed_packages() {
    have dpkg-query || return 0
    sed 's/#.*//' "$LIST" "$TEST_LIST" | awk '{ print $1 }' |
        xargs dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
        awk '$1 == "installed" { printf "%s ", $2 }' || true
}

wanted_stamp() {
    { cat "$LOCK" pyproject.toml && pwd -P; } | sha256sum
}

venv_is_complete() {
    [[ -x .venv/bin/python && -f $STAMP && $(<"$STAMP") == "$(wanted_stamp)" ]]
}

# --------------------------------------------------------------------------------------------------- system tools

# One line per tenth of the packages: enough to see it move.
show_apt() {
    awk '/ newly installed,/ { total = $1 + $3; step = int(total / 10) + 1; printf "set-up:   %d packages\n", total }
         /^Get:/ && step && ++got % step == 0 { printf "set-up:   fetched %d of %d\n", got, total }
         /^Setting up / && step && ++done % step == 0 { printf "set-up:   installed %d of %d\n", done, total }
         { fflush() }'
}

# Print what to put before a command that needs root (nothing for root itself); fail where there is no way.
become_root() {
    [[ $(id -u) == 0 ]] || { sudo -n true 2>/dev/null && echo "sudo -n"; }
}

# install_by_apt "<what become_root printed>" package...; what went wrong is shown
install_by_apt() {
    local sudo=$1 root
    shift
    root="$sudo env DEBIAN_FRONTEND=noninteractive"
    say "system packages by apt: $*"
    # An installation that was interrupted must be ended before apt starts another one.
    [[ -z $(dpkg --audit) ]] || $root dpkg --configure -a >>"$LOG" 2>&1 </dev/null
    $root apt-get -y -o Acquire::Retries=3 update >>"$LOG" 2>&1 </dev/null ||
        say "apt-get update failed (see $LOG); going on with the package lists that are there"
    if ! $root apt-get -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 --no-install-recommends install "$@" \
        2>>"$LOG" </dev/null | tee -a "$LOG" | show_apt; then
        tail -n 15 "$LOG" >&2
        say "apt could not install these packages (the whole log: $LOG)." >&2
        return 1
    fi
}

refuse() {
    cat >&2 <<TEXT

set-up: this machine lacks

    $*

and nothing here may install it: not root, no 'sudo -n', no conda. Three ways to get it:

  1. An administrator runs     apt-get install --no-install-recommends $*
  2. You install conda (Miniforge asks for no rights), put it on the PATH and start again: each rule then gets its
     tools from the files in envs/.
  3. You start again where you are root: a container or a virtual machine with Debian 12.

Tools that stand on the PATH already, from environment modules for instance, count as installed.
TEXT
    exit 1
}

# Snakemake calls conda; mamba brings it along in its own folder.
find_conda() {
    local mamba
    command -v conda && return
    mamba=$(command -v mamba) && [[ -x ${mamba%/*}/conda ]] && echo "${mamba%/*}/conda"
}

use_conda() {
    local conda=$1 build=$2
    if [[ ! -f $STATE ]]; then
        CHANGED=yes
        say "no right to install system packages; conda was found: the workflow runs with --sdm conda"
        echo "--sdm conda" >"$STATE"
    fi
    [[ -n $build ]] || return 0
    if [[ ! -f $CONDA_BASE/.complete ]]; then
        CHANGED=yes
        say "Python and compilers by conda, because these are missing: $build"
        rm -rf "$CONDA_BASE"
        "$conda" create --yes --quiet --prefix "$PWD/$CONDA_BASE" --override-channels --channel conda-forge \
            python=3.11 c-compiler cxx-compiler zlib >>"$LOG" 2>&1 </dev/null || {
            tail -n 15 "$LOG" >&2
            say "conda could not make $CONDA_BASE (the whole log: $LOG)." >&2
            exit 1
        }
        touch "$CONDA_BASE/.complete"
    fi
    IN_CONDA=("$conda" run --no-capture-output --prefix "$PWD/$CONDA_BASE")
}

ensure_system_tools() {
    local build="" run sudo conda
    INSTALLED=$(installed_packages)
    venv_is_complete || build=$(missing build)
    run=$(missing run)
    if [[ -z $build$run ]]; then
        rm -f "$STATE"
    elif have apt-get && sudo=$(become_root); then
        # shellcheck disable=SC2086 # lists of package names
        if ! install_by_apt "$sudo" $build $run; then
            say "Mend that and start again." >&2
            exit 1
        fi
        CHANGED=yes
        rm -f "$STATE"
    elif conda=$(find_conda); then
        use_conda "$conda" "$(echo $build)"
    else
        refuse $build $run
    fi
}

# No test is worth a set-up that fails: those that lack their tool are skipped, and say so.
ensure_test_tools() {
    local wanted sudo
    wanted=$(echo $(missing test))
    [[ -n $wanted ]] || return 0
    # shellcheck disable=SC2086 # a list of package names
    if have apt-get && sudo=$(become_root) && install_by_apt "$sudo" $wanted; then
        CHANGED=yes
    else
        LACKING=$wanted
        say "not installed, and only tests need it: $wanted. The tests that do are skipped."
    fi
}

# ------------------------------------------------------------------------------------------------ Python packages

show_pip() {
    awk -v total="$(grep -c '==' "$LOCK")" \
        '/^(Collecting|Processing) / && ++seen % 20 == 0 { printf "set-up:   fetched %d of %d\n", seen, total }
         /^ *Building wheel for .*started/ { printf "set-up:   compiling %s%s\n", $4, $4 == "macs3" ? ", some minutes" : "" }
         /^Installing collected packages:.*,/ { print "set-up:   writing them" }
         { fflush() }'
}

pip_install() {
    if ! DIST_EXTRA_CONFIG=$PWD/.venv/build.cfg "${IN_CONDA[@]}" .venv/bin/python -m pip install --progress-bar off "$@" \
        2>>"$LOG" </dev/null | tee -a "$LOG" | show_pip; then
        tail -n 15 "$LOG" >&2
        say "pip could not install the Python packages (the whole log: $LOG). Started again, it goes on from here." >&2
        exit 1
    fi
}

make_venv() {
    local python=python
    ((${#IN_CONDA[@]})) || python=$(find_python)
    say "a Python environment in .venv"
    "${IN_CONDA[@]}" "$python" -m venv --clear .venv
}

fill_venv() {
    say "Python packages: $(grep -c '==' "$LOCK") at the versions of $LOCK"
    # A current pip reads the registry's lists many times faster than the one that comes with Debian. The lock is
    # complete, so nothing is left to resolve; what has no wheel is compiled on all cores.
    awk '/^[a-z0-9]/ { wanted = /^pip==/ } wanted' "$LOCK" >.venv/pip.lock
    printf '[build_ext]\nparallel = %s\n' "$(nproc)" >.venv/build.cfg
    pip_install --require-hashes --no-deps --requirement .venv/pip.lock
    pip_install --require-hashes --no-deps --requirement "$LOCK"
}

ensure_venv() {
    local broken
    ! venv_is_complete || return 0
    CHANGED=yes
    rm -f "$STAMP"
    .venv/bin/python -m pip --version 2>/dev/null | grep -qF " $(pwd -P)/.venv/" || make_venv
    fill_venv
    # What an interrupted installation left by halves looks installed to pip, and pip cannot always take it away.
    broken=$(PYTHONPATH=scripts .venv/bin/python -m immunosep.doctor --broken)
    if [[ -n $broken ]]; then
        say "left by halves when it was interrupted:" $broken
        make_venv
        fill_venv
    fi
    pip_install --no-build-isolation --no-deps --editable .
    wanted_stamp >"$STAMP"
}

# ---------------------------------------------------------------------------------------------------------- main

ensure_system_tools
ensure_venv
[[ ${1:-} != --with-tests ]] || ensure_test_tools
if [[ $CHANGED == yes ]]; then
    say "done; \`make doctor\` lists the versions"
elif [[ -z $LACKING ]]; then
    say "nothing was missing"
fi
