# `make split` and `make test` are all the set-up there is; both build .venv from the lock files.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: split serve deploy test check

split: .venv/.runtime
	$(BIN)/python -m flows.split

# A Prefect server with its UI, a worker, and every deployment: http://127.0.0.1:4200 unless PORT says otherwise.
PORT ?= 4200
serve: .venv/.runtime
	$(BIN)/python -m flows.serve --port $(PORT)

# Registers the deployments in the Prefect server that PREFECT_API_URL names, on the work pool POOL.
POOL ?= local-process
deploy: .venv/.runtime
	$(BIN)/python -m flows.register --pool $(POOL)

test: .venv/.dev
	$(BIN)/python -m pytest

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.runtime: .venv/bin/python requirements.lock
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	touch $@

.venv/.dev: .venv/bin/python requirements-dev.lock
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@ .venv/.runtime
