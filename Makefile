# `make help` lists the targets. Everything is set up on first use: a virtual environment in .venv, pinned by constraints.txt.
PYTHON ?= python3
OPTIM  ?= distilbert
ARGS   ?=
PORT   ?= 5000
PY     := .venv/bin/python
NPM    := $(or $(TRANSFORMERS_JS),$(HOME)/.cache/transformers.js)

.PHONY: help run sweep compare decide report ui test test-fast transformers-js format lint check clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

run: .venv/.ready ## the main job: make run OPTIM=baseline ARGS="data=clinc150 seed=1"
	$(PY) -m pipeline optim=$(OPTIM) $(ARGS)

sweep: .venv/.ready ## every optimization on the shipped data set
	$(PY) -m pipeline -m experiment=quickstart $(ARGS)

compare: .venv/.ready ## table and plot again, from what MLflow holds
	$(PY) -m pipeline compare $(ARGS)

decide: .venv/.ready ## the optimization to ship: make decide ARGS="constraints.size_mb=30 constraints.accuracy_loss=0.01"
	$(PY) -m pipeline decide $(ARGS)

report: .venv/.ready ## one HTML page of an experiment, or of a sweep: make report ARGS="data=clinc150"
	$(PY) -m pipeline page $(ARGS)

ui: .venv/.ready ## the MLflow UI on what was logged, on 127.0.0.1: make ui PORT=5001
	$(PY) -m pipeline ui $(PORT)

test: .venv/.ready ## the tests, offline
	$(PY) -m pytest

test-fast: .venv/.ready ## the inner loop: the tests of parts, without whole runs
	$(PY) -m pytest -m "not slow"

transformers-js: ## the npm package, outside of the project, with which the tests run ONNX artifacts in Node.js and a browser
	npm install --prefix "$(NPM)" --ignore-scripts --no-audit --no-fund @huggingface/transformers@4.3.2

format: .venv/.ready ## ruff mends what it can, and formats
	.venv/bin/ruff check --fix pipeline tests
	.venv/bin/ruff format pipeline tests

lint: .venv/.ready ## ruff, mypy, and the direction of imports
	.venv/bin/ruff check pipeline tests
	.venv/bin/ruff format --check pipeline tests
	.venv/bin/mypy
	.venv/bin/lint-imports

check: lint test ## lint and test

clean: ## remove the virtual environment (what was logged in mlruns/ stays)
	rm -rf .venv

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name yours with make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
