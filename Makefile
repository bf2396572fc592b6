# `make split` and `make test` are all the set-up there is; both build .venv from the lock files.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: split test check

split: .venv/.runtime
	$(BIN)/python -m flows.split

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
