# ImmunoSep multi-omics workflow. `make demo` and `make test` are all that a new machine needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CORES ?= $(shell nproc)
BIN := .venv/bin
# snakefmt looks for shfmt on the PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
PYTEST_FLAGS ?=
RUNS := e2e or realdata or browser
# The set-up writes "--sdm conda" there where the system tools come from conda. Read when a recipe runs, after the set-up.
SDM = $$(cat .setup 2>/dev/null || true)

.PHONY: help setup setup-test demo test test-fast test-intake test-leak realdata check doctor lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing; does nothing where all is there
	@bash envs/setup.sh

setup-test: ## the same, and the tools that only tests use, where it may: a browser, strace, R's survival
	@bash envs/setup.sh --with-tests

demo: setup ## make the demonstration cohort and run the whole workflow on it
	@$(BIN)/immunosep demo --cores $(CORES) $(SDM)

# The workflow's own runs take all cores by themselves, and share what they made; everything else is spread over the cores.
# Exit code 5: PYTEST_FLAGS chose none of these.
test: setup-test ## all tests, with the end-to-end run
	@$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m "not ($(RUNS))" $(PYTEST_FLAGS) || test $$? -eq 5
	@$(BIN)/python -m pytest -m "$(RUNS)" $(PYTEST_FLAGS) || test $$? -eq 5

test-fast: setup ## the tests that take seconds
	@$(BIN)/python -m pytest -m "not slow and not leak and not e2e and not realdata and not browser" $(PYTEST_FLAGS)

test-intake: setup ## the check of input tables: broken tables are found out, good ones pass, anything gives a report
	@$(BIN)/python -m pytest tests/intake $(PYTEST_FLAGS)

test-leak: setup ## the classifiers on noise, and with tampered test participants: nothing is found, nothing moves
	@$(BIN)/python -m pytest -m leak $(PYTEST_FLAGS)

realdata: setup ## the workflow on the public data sets in ../shared/data, against their known answers
	@$(BIN)/python -m pytest -m realdata -rs $(PYTEST_FLAGS)

check: setup ## lint, types, formatting, workflow lint, schema sync
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" snakefmt --check workflow # it calls shfmt
	$(BIN)/python -m pytest -q tests/dag/test_lint.py tests/unit/test_config.py tests/unit/test_envs.py tests/unit/test_guide.py

doctor: ## each tool: the version found, the version wanted
	@PYTHONPATH=scripts $$(test -x $(BIN)/python && echo $(BIN)/python || echo python3) -m immunosep.doctor

lock: setup ## resolve pyproject.toml anew into envs/requirements.lock
	@bash envs/lock.sh

clean: ## remove what runs generate; the set-up stays
	rm -rf resources/demo resources/demo-sealed logs benchmarks .snakemake .e2e .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
