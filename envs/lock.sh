#!/usr/bin/env bash
# Resolve the dependencies of pyproject.toml anew into envs/requirements.lock (needs the network; `make lock`).
# The resolver (uv) lives in a throw-away environment: nobody needs it to run the workflow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
.venv/bin/python -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check "uv~=0.13"

"$tmp/venv/bin/uv" pip compile pyproject.toml --extra dev --extra build \
    --python-version 3.11 --python-platform linux \
    --generate-hashes --no-emit-index-url --no-emit-find-links \
    --custom-compile-command "make lock" \
    --quiet --output-file "$tmp/requirements.lock"
mv "$tmp/requirements.lock" envs/requirements.lock
echo "envs/requirements.lock holds $(grep -c == envs/requirements.lock) packages."
