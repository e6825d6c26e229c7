# make run = the server, make test = everything CI checks; no argument = what you run while editing.
# mypy runs beside the tests. Faults come after all else, more at a time since most of each is waiting; those
# marked `alone`, which count on the machine being theirs, last.
# The first Python here that is new enough.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Bytecode is made at the first import, of what is imported: pip would compile ten times as much.
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/pytest -q -p no:cacheprovider
# Files in the order of tests/conftest.py.
AT_A_TIME := --dist loadfile --no-loadscope-reorder -n

.PHONY: check install run test static tests
.PHONY: format lint types unit conformance differential mutations fault bench all clean

check: format lint types unit conformance

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "tracklog needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-server: pyproject.toml | $(BIN)/python
	@echo "Installing tracklog into $(VENV) (once; needs a package index)"
	@$(PIP_INSTALL) -e '.[server]'
	@touch $@

# The server with it, in one go.
$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	@echo "Installing tracklog and what tests need into $(VENV) (once; needs a package index)"
	@$(PIP_INSTALL) -e '.[test]'
	@touch $(VENV)/.installed-server $@

install: $(VENV)/.installed-server

run: install
	@exec $(BIN)/tracklog server

test: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs 2 static tests

static: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tests: $(VENV)/.installed-test
	$(PYTEST) $(AT_A_TIME) 2 tests/conformance tests/unit
	$(PYTEST) $(AT_A_TIME) 4 -m 'not alone' tests/fault
	$(PYTEST) -m alone tests/fault

format: $(VENV)/.installed-test
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

unit: $(VENV)/.installed-test
	$(BIN)/pytest -q tests/unit

conformance: $(VENV)/.installed-test
	DIFFERENTIAL_CALLS=$${DIFFERENTIAL_CALLS:-2000} $(BIN)/pytest -q tests/conformance

differential: $(VENV)/.installed-test
	$(BIN)/pytest -q tests/conformance/test_differential.py

mutations: $(VENV)/.installed-test
	$(BIN)/python -m tests.conformance.differential.mutations

fault: $(VENV)/.installed-test
	$(BIN)/pytest -q tests/fault

bench: $(VENV)/.installed-test
	$(BIN)/python -m tests.bench

all: check fault bench

clean:
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache
