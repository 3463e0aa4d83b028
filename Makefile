# Every target works from a fresh clone: what it needs is installed into .venv first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PACKAGES := budgets queries service
CHECKED := $(PACKAGES) $(wildcard benchmarks) tests
WORKERS ?= 2
PEERS := $(basename $(wildcard benchmarks/peers/*.in))
UV := .venv/lock/bin/uv
RESOLVE := $(UV) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
LOCK_OPTIONS ?=

.PHONY: help install run test faults nightly check lint format bench bench-accuracy bench-ledger bench-peers refusals demo lock docker-lint clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv from the lock (again only when pyproject.toml or the lock changed)

# Hashes pin every byte that comes from the registry; --no-build-isolation keeps the build backend under the same lock.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kvitto needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (a few minutes the first time) ..."
	@$(PIP) install --quiet --require-hashes --no-deps --only-binary :all: --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: install ## Serve the demo on http://localhost:8000 (KVITTO_PORT, KVITTO_HOST, KVITTO_DATA_DIR)
	@exec $(BIN)/kvitto serve --demo

test: install ## Run the tests (long ones excluded)
	$(BIN)/python -m pytest -n $(WORKERS)

faults: install ## Kill, cut and fill the ledger at every point (needs strace; `make test` has a sample)
	$(BIN)/python -m pytest -n $(WORKERS) -m faults

nightly: install ## Run the long tests
	$(BIN)/python -m pytest -n $(WORKERS) -m nightly

lint: install ## Style, format, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CHECKED)
	$(BIN)/lint-imports --no-cache --no-logo

format: install ## Put the code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: ## The one gate: all that must pass before a change lands
	$(MAKE) lint
	$(MAKE) docker-lint
	$(MAKE) test

bench: install ## Measure speed and error against plain DuckDB (SIZE=100m for the large run)
	$(BIN)/python -m benchmarks

bench-accuracy: install ## Measure accuracy beside the best fixed bounds (SIZES="x1 x20", DRAWS=10, EPSILONS="0.5 1 3")
	$(BIN)/python -m benchmarks.accuracy

bench-ledger: install ## Measure charges a second, durable, on SQLite and PostgreSQL
	$(BIN)/python -m benchmarks.ledger

bench-peers: install ## Ask other systems the same, in environments of their own (DRAWS=3, QUESTIONS="Q1 Q6")
	$(BIN)/python -m benchmarks.peers

refusals: install ## Write docs/refusals.md anew from the table of codes
	@page="$$($(BIN)/python -m queries.refusals)" && echo "$$page" > docs/refusals.md

demo: install ## A two-minute tour on a temporary instance
	$(BIN)/python -m service.tour

docker-lint: install ## Lint the Dockerfile
	$(BIN)/hadolint Dockerfile

lock: ## Resolve the locks anew from pyproject.toml (LOCK_OPTIONS=--upgrade for newer versions)
	@test -x $(UV) || { $(PYTHON) -m venv .venv/lock && .venv/lock/bin/python -m pip install --quiet uv; }
	$(RESOLVE) pyproject.toml --extra demo --extra postgres --extra dev $(LOCK_OPTIONS) --output-file requirements.lock
	$(RESOLVE) pyproject.toml --extra demo --extra postgres --group build --constraint requirements.lock --output-file requirements-image.lock
	for peer in $(PEERS); do $(RESOLVE) $$peer.in $(LOCK_OPTIONS) --output-file $$peer.txt; done

clean: ## Remove caches and build output (keeps .venv and var)
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis build dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
