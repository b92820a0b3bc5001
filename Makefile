# `make run` needs Python 3.11 or newer and nothing else; `make test` also uses npm where it is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# One process more than there are processors: many tests wait for another process.
PYTEST := $(BIN)/python -m pytest -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist worksteal
# What one process of the tests compiled serves all others.
unexport PYTHONDONTWRITEBYTECODE
COMPILE := uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url

.PHONY: run test test-all fuzz conformance lint man lock dev clients bench bench-full bench-mcp bench-store bench-wake

run: $(VENV)/.installed
	@$(BIN)/python examples/run.py

test: dev
	$(PYTEST) -m "not slow"

test-all: dev
	$(PYTEST) --loop both

# What untrusted bytes meet, fuzzed along its coverage for SECONDS each; what is learnt stays in .run.
fuzz: SECONDS ?= 60
fuzz: dev
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

# What the official MCP conformance suite finds, every revision; tests/conformance/*.txt.
conformance: clients
	$(BIN)/python -m pytest tests/conformance

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples/run.py
	$(BIN)/mypy examples/python-function/app.py
	$(BIN)/mypy examples/mcp-clients/client.py

# Write the manual page anew from the commands.
man: dev
	$(BIN)/python -m tests.docs.manual

# Write the lists of what is installed anew, at the newest versions that pyproject.toml allows, and
# those of the clients in Python that tests drive.
lock:
	$(PYTHON) -m venv .run/lock
	.run/lock/bin/python -m pip --quiet install -r .ci/uv.txt
	.run/lock/bin/$(COMPILE) pyproject.toml --upgrade --group build -o .ci/requirements.txt
	.run/lock/bin/$(COMPILE) pyproject.toml --upgrade --all-extras --group dev -c .ci/requirements.txt -o .ci/requirements-dev.txt
	for each in tests/clients/python/*.in; do \
		.run/lock/bin/$(COMPILE) $$each --upgrade -o $${each%.in}.txt || exit 1; \
	done

# CPU per request beside nginx, HAProxy, Envoy, Caddy, Traefik, Python proxies and MCP gateways:
# docs/performance.md.
bench: dev
	@$(BIN)/python -m tests.benchmarks

# The same in every scenario; over an hour.
bench-full: dev
	@$(BIN)/python -m tests.benchmarks --full

# Every scenario of MCP, and nothing else; under ten minutes.
bench-mcp: dev
	@$(BIN)/python -m tests.benchmarks --mcp --rounds 3 --seconds 1

# What 10,000 functions and 1,000,000 tokens cost: docs/scale.md; some ten minutes.
bench-store: dev
	@$(BIN)/python -m tests.benchmarks.store_scale

# How long a sleeping function's first answer takes: docs/functions.md; two minutes.
bench-wake: dev
	@$(BIN)/python -m tests.benchmarks.wake

dev: $(VENV)/.installed-dev

# The packages from npm and PyPI that tests use, fetched ahead of the tests.
clients: dev
	$(BIN)/python -m tests.clients.packages

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: .ci/requirements.txt pyproject.toml | $(BIN)/python
	@echo "▸ Installing into $(VENV), once"
	@$(PIP) install --require-hashes -r .ci/requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: .ci/requirements-dev.txt $(VENV)/.installed
	@echo "▸ Installing what the tests need into $(VENV), once"
	@$(PIP) install --require-hashes -r .ci/requirements-dev.txt
	@touch $@
