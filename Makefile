# `make split` and `make test` are all the set-up there is: both build .venv from the lock files, and again when those change.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement

.PHONY: split test check bench serve deploy

# Rehearses a whole split on this machine; ARGS go to the program, e.g. ARGS="--engine process".
split: .venv/.runtime
	$(BIN)/python -m flows.split $(ARGS)

# ARGS go to pytest, e.g. ARGS="tests/unit -k plan". Without ARGS all tests run, several at a time.
test: .venv/.dev
	$(BIN)/python -m pytest $(or $(ARGS),--numprocesses=auto)

check: .venv/.dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m config.reference --check

# Prints the figures, and writes them to build/bench.json.
bench: .venv/.dev
	$(BIN)/python -m benchmarks $(ARGS)

# A Prefect server with its UI, a worker, and every deployment: http://127.0.0.1:4200 unless PORT says otherwise.
PORT ?= 4200
serve: .venv/.runtime
	$(BIN)/python -m flows.serve --port $(PORT)

# Registers the deployments in the Prefect server that PREFECT_API_URL names, on the work pool POOL.
POOL ?= local-process
deploy: .venv/.runtime
	$(BIN)/python -m flows.register --pool $(POOL)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer on PATH: install one, or say PYTHON=/where/it/is" >&2; exit 2; }
	$(PYTHON) -m venv --clear .venv

.venv/.runtime: .venv/bin/python requirements.lock
	@echo "installing what requirements.lock lists into .venv; this takes a minute, once"
	@$(INSTALL) requirements.lock
	@touch $@

.venv/.dev: .venv/bin/python requirements-dev.lock
	@echo "installing what requirements-dev.lock lists into .venv; this takes a minute, once"
	@$(INSTALL) requirements-dev.lock
	@touch $@ .venv/.runtime
