# carillon. `make run` is all it takes to try it, `make test` runs every check and test.
#
#   make setup   install what is needed (also done by run and test; does nothing when nothing changed)
#   make run     a meeting server with a Prosody of its own; more options: make run ARGS='--base-port 9000'
#   make test    lint, types, unit tests, tests with real servers and browsers; fewer of these: make test TESTS=tests/relay
#   make lint    format, lint and types alone
#   make test-dino   calls of a real Dino: sound for half a minute, and twenty connections
#   make soak    what takes an hour and more, one after the other; each prints what it measured:
#   make soak-restarts   component killed 20 times on each server; link, relay, front and XMPP server; upgrades
#   make soak-bridges    bridges killed, hung, drained and cut off
#   make soak-journal    a process that writes the journal killed 50 times; focus and calls killed at 1,000 random points
#   make soak-rooms  ten rooms for 20 minutes with a kill every 30 s; shorter: make soak-rooms ARGS='--minutes 5'
#   make soak-link   what a wrong secret costs in a minute
#   make bench-join   how long joining takes and what it costs; shorter: make bench-join ARGS='--rooms 2 --starts 1'
#   make bench-bosh   what a round trip over BOSH costs, beside Prosody's own
#   make bench-socks5   what moving files costs, beside Prosody's own proxy
#   make man     the manual pages, in build/man
#   make image   the container image, by podman, buildah or docker
#   make test-image   that image on a read-only root file system, without root (as root: it makes the base image itself)
#   make fuzz    the property tests with 100,000 examples each; fewer tests: make fuzz TESTS=tests/relay
#   make clean   remove all that setup and the tests have made (not the data of carillon dev)

PYTHON ?= python3
PY := .venv/bin/python
ARGS ?=
TESTS ?= tests

page_sources := $(shell find web -name node_modules -prune -o -type f -print 2>/dev/null)
page := $(if $(wildcard web/package-lock.json),bosh/pages/index.html)
clients := $(if $(wildcard tests/e2e/package-lock.json),tests/e2e/node_modules/.package-lock.json)

soaks := soak-restarts soak-bridges soak-journal soak-link soak-rooms

.PHONY: setup run test test-dino soak $(soaks) lint bench-join bench-bosh bench-socks5 man image test-image fuzz clean system test-setup
.DELETE_ON_ERROR:

setup: system .venv/.installed $(page)
	@rm -rf build/lib build/bdist.* # or the next `pip install .` would install files that are no more, too

system:
	@PYTHON=$(PYTHON) ./setup.sh

# What only tests and benchmarks need: browsers, the clients of others, namespaces.
test-setup: setup $(clients) .venv-aioxmpp/.installed
	@PYTHON=$(PYTHON) ./setup.sh test

.venv/.installed: pyproject.toml | system
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

.venv-aioxmpp/.installed: tests/e2e/aioxmpp.txt | system
	test -x .venv-aioxmpp/bin/python || $(PYTHON) -m venv .venv-aioxmpp
	.venv-aioxmpp/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
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

# Browsers take all the processors there are, and benchmarks measure: these run one by one, all else two at a time.
alone := tests/bench tests/e2e
tests_alone = $(filter $(alone:%=%%),$(patsubst tests,$(alone),$(TESTS)))
tests_beside = $(filter-out $(alone:%=%%),$(TESTS))

test: lint test-setup
	$(if $(page),cd web && npm run --if-present test </dev/null)
	$(if $(tests_beside),$(PY) -m pytest -n 2 --dist worksteal $(alone:%=--ignore %) $(tests_beside))
	$(if $(tests_alone),$(PY) -m pytest $(tests_alone))

test-dino: test-setup
	@PYTHON=$(PYTHON) ./setup.sh dino
	$(PY) -m pytest -m dino

# A soak is what is marked `soak` and all that its files have in their short forms.
soak: $(soaks)

soak-restarts: soak_files = $(patsubst %,tests/e2e/test_%.py,*restart* front_replaced upgrade)
soak-bridges: soak_files = tests/e2e/test_two_bridges*.py
soak-journal: soak_files = tests/carillon/test_journal_sqlite.py $(patsubst %,tests/component/test_%_kill_points.py,focus calls)
soak-link: soak_files = tests/component/test_link_secret.py
soak-restarts soak-bridges soak-journal soak-link: test-setup
	$(PY) -m pytest -m 'soak or not dino' -rP $(wildcard $(soak_files))

soak-rooms: test-setup
	@$(PY) -m tests.soak.rooms $(ARGS)

bench-join bench-bosh bench-socks5: bench-%: test-setup
	@$(PY) -m bench.$* $(ARGS)

builder = $(firstword $(foreach tool,podman buildah docker,$(if $(shell command -v $(tool)),$(tool))))

image: setup
	$(if $(builder),,$(error image: install podman, buildah or docker))
	$(builder) build $(if $(filter docker,$(builder)),,--format docker) --file Containerfile --tag carillon \
	  --build-arg VERSION=$$($(PY) -c 'import carillon; print(carillon.__version__)') $(ARGS) .

test-image: test-setup
	@PYTHON=$(PYTHON) ./setup.sh image
	tests/image.sh

man: setup
	.venv/bin/carillon man --out build/man

fuzz: test-setup
	HYPOTHESIS_PROFILE=fuzz $(PY) -m pytest -m hypothesis --timeout 0 $(TESTS)

clean:
	rm -rf .venv .venv-aioxmpp build bosh/pages web/node_modules tests/e2e/node_modules *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
