# `make` shows what there is. Everything works on a fresh machine with Python 3.11 or newer.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help demo install dev browser test test-fast lint format bench mutants clean

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Riposte needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing Riposte (a minute or two the first time) ..."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

install: $(VENV)/.installed ## create .venv and install Riposte into it

dev: $(VENV)/.dev ## the same with the tools for tests and checks

demo: install ## the whole job: data, features, walk-forward, back-test, report
	$(BIN)/riposte demo

browser: ## Chromium for the report's browser test, where Debian's packages can be installed
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  echo "no Chromium: the browser test will be skipped"

test: dev browser ## set everything up and run all tests
	$(BIN)/python -m pytest -n auto --dist loadfile

test-fast: dev ## the tests without the long proofs
	$(BIN)/python -m pytest -m "not slow"

lint: dev ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check src tests benchmarks conftest.py
	$(BIN)/ruff check src tests benchmarks conftest.py
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## put the source into form
	$(BIN)/ruff format src tests benchmarks conftest.py
	$(BIN)/ruff check --fix src tests benchmarks conftest.py

bench: dev ## the speed figures of SPEC section 12, beside other libraries
	$(BIN)/python -m pytest benchmarks --benchmark-only -q

mutants: dev ## change the engine in thousands of small ways and see that a test notices each
	$(BIN)/python tests/mutation --at-least 85

clean: ## remove what was built, never your data or reports
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
