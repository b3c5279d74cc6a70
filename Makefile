# One word per chore. `make demo` and `make test` need Python >= 3.11, git and make, nothing else.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOREIGN := .venv-foreign
PEERS_VENV := .venv-peers
# nautilus_trader's newest release asks for one of these; without them an older one is measured, and the page says so
NEWER_PYTHON ?= python3.13 python3.12
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed-$(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
export UV_PYTHON_DOWNLOADS := never
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: help install demo test lint bench faults conformance fuzz replay-week up lock format peers measure

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## make .venv from the lock file

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.version_info >= (3, 14))' \
	  || { echo "Tidemill needs Python 3.11, 3.12 or 3.13 as '$(PYTHON)'; choose another with: make PYTHON=python3.12 install"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing; on Debian and Ubuntu install the package python3-venv, then run make again"; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode --requirements requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## the whole pipeline on real prices, in about two minutes
	$(BIN)/tidemill demo $(ARGS)

test: install ## unit, contract, flow-run, fuzz and architecture tests, on all cores
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --ignore tests/conformance $(ARGS)

lint: install ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install $(if $(PEERS),peers) ## measure, and write docs/performance.md (ARRAYS= a folder of arrays, PEERS=1 runs the peers too)
	$(BIN)/python -m benchmarks $(if $(ARRAYS),--arrays $(ARRAYS)) $(if $(PEERS),--peers $(PEERS_VENV)) $(ARGS)

peers: install ## the environments of the peers that bench PEERS=1 runs
	@for lock in requirements nautilus; do \
	  made=$(PEERS_VENV)/$$lock; \
	  [ -f $$made/.installed ] && [ $$made/.installed -nt benchmarks/peers/$$lock.lock ] && continue; \
	  chosen=$(PYTHON); \
	  [ $$lock = nautilus ] && for newer in $(NEWER_PYTHON); do $$newer -c pass 2>/dev/null && chosen=$$newer && break; done; \
	  { $$chosen -m venv --clear $$made \
	    && VIRTUAL_ENV=$$made $(BIN)/uv pip install --quiet --require-hashes --requirements benchmarks/peers/$$lock.lock \
	    && touch $$made/.installed; } || echo "the peers of benchmarks/peers/$$lock.lock cannot be installed here"; \
	done

measure: install ## print the table of sizes, names and docs (ARGS="--list retired" prints the places, --help the rest)
	@$(BIN)/python -m tools.measure $(ARGS)

faults: install ## kill, cut and double everything around orders, and count them (CASES= SEED= DB= JSON= CASE= CONTROL= FLOWS= NAIVE=)
	$(BIN)/python tests/faults $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED)) $(if $(DB),--db $(DB)) \
	  $(if $(JSON),--json $(JSON)) $(if $(CASE),--case $(CASE)) $(if $(CONTROL),--control $(CONTROL)) \
	  $(if $(FLOWS),--flows $(FLOWS)) $(if $(NAIVE),--naive $(NAIVE)) $(ARGS)

conformance: install ## run clients written by others against the paper venue
	$(BIN)/python -m pytest tests/conformance $(ARGS)
	@[ -f $(FOREIGN)/.installed ] && [ $(FOREIGN)/.installed -nt tests/conformance/requirements.lock ] || { \
	  $(PYTHON) -m venv --clear $(FOREIGN) \
	  && VIRTUAL_ENV=$(FOREIGN) $(BIN)/uv pip install --quiet --require-hashes --requirements tests/conformance/requirements.lock \
	  && touch $(FOREIGN)/.installed; }
	TIDEMILL=$(BIN)/tidemill $(FOREIGN)/bin/python -m pytest --confcutdir=tests/conformance tests/conformance $(ARGS)

fuzz: install ## malformed, unsigned, stale and random requests against the paper venue (TIDEMILL_FUZZ= of each kind)
	TIDEMILL_FUZZ=$${TIDEMILL_FUZZ:-5000} $(BIN)/python -m pytest tests/fuzz $(ARGS)

replay-week: install ## a week of the real recording with its outages, through every stage
	$(BIN)/tidemill demo --data $${TIDEMILL_TEST_DATA:-../shared/data}/recordings/crypto-1h-2021-reddit.toml \
	  --from 2021-04-19T00:00:00Z --to 2021-04-26T00:00:00Z --every 4h $(ARGS)

up: install ## run on schedules until ^C
	$(BIN)/tidemill up $(ARGS)

lock: install ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --quiet --extra demo --extra equities --extra scale --group dev pyproject.toml -o requirements.lock
	for part in tests/conformance/requirements benchmarks/peers/requirements benchmarks/peers/nautilus; do \
	  $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header --quiet $$part.in -o $$part.lock || exit 1; \
	done
