# carillon. `make run` is all it takes to try it, `make test` runs every check and test.
#
#   make setup   install what is needed (also done by run and test; does nothing when nothing changed)
#   make run     a meeting server with a Prosody of its own; more options: make run ARGS='--base-port 9000'
#   make test    lint, types, unit tests, tests with real servers and browsers
#   make lint    format, lint and types alone
#   make test-dino   calls of a real Dino: sound for half a minute, and twenty connections
#   make bench-join   how long joining takes and what it costs; shorter: make bench-join ARGS='--rooms 2 --starts 1'
#   make bench-bosh   what a round trip over BOSH costs, beside Prosody's own
#   make bench-socks5   what moving files costs, beside Prosody's own proxy
#   make fuzz    the property tests with 100,000 examples each; fewer tests: make fuzz TESTS=tests/relay
#   make clean   remove all that setup and the tests have made (not the data of carillon dev)

PYTHON ?= python3
PY := .venv/bin/python
ARGS ?=
TESTS ?= tests

page_sources := $(shell find web -name node_modules -prune -o -type f -print 2>/dev/null)
page := $(if $(wildcard web/package-lock.json),bosh/pages/index.html)
clients := $(if $(wildcard tests/e2e/package-lock.json),tests/e2e/node_modules/.package-lock.json)

.PHONY: setup run test test-dino lint bench-join bench-bosh bench-socks5 fuzz clean system test-setup
.DELETE_ON_ERROR:

setup: system .venv/.installed $(page)

system:
	@PYTHON=$(PYTHON) ./setup.sh

# What only tests and benchmarks need: browsers, the clients of others, namespaces.
test-setup: setup $(clients)
	@PYTHON=$(PYTHON) ./setup.sh test

.venv/.installed: pyproject.toml | system
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

%/node_modules/.package-lock.json: %/package-lock.json | system
	cd $* && npm ci --no-audit --no-fund --loglevel=error </dev/null
	touch $@

bosh/pages/index.html: web/node_modules/.package-lock.json $(page_sources)
	cd web && npm run build </dev/null
	touch $@

run: setup
	.venv/bin/carillon dev $(ARGS)

lint: setup
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(if $(page),cd web && npm run --if-present check </dev/null)

test: lint test-setup
	$(if $(page),cd web && npm run --if-present test </dev/null)
	$(PY) -m pytest

test-dino: test-setup
	@PYTHON=$(PYTHON) ./setup.sh dino
	$(PY) -m pytest -m dino

bench-join bench-bosh bench-socks5: bench-%: test-setup
	@$(PY) -m bench.$* $(ARGS)

fuzz: test-setup
	HYPOTHESIS_PROFILE=fuzz $(PY) -m pytest -m hypothesis --timeout 0 $(TESTS)

clean:
	rm -rf .venv build bosh/pages web/node_modules tests/e2e/node_modules *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
