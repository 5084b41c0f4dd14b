# Everything a newcomer needs: `make run` starts Waystation, `make test` runs the whole suite.
# Works with a Python from 3.11 to 3.14 that has venv, and nothing else; `make PYTHON=/path/to/python` chooses one.

.DEFAULT_GOAL := help
.PHONY: help run test containers again check lint types layers fast bench report chaos lock clean .venv
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Where bytecode may not be kept, as in many containers, every process compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

KILLS ?= 20
# Most tests wait for processes of theirs, so four keep two cores busy.
WORKERS ?= 4
# A file stays on one worker, with what its tests share.
SPREAD := --dist loadfile --no-loadscope-reorder
PY := .venv/bin/python
UV := .venv/bin/uv
CANDIDATES := $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python)

# The stamps remember what is installed. An environment with the developers' set is never made smaller.
READY := .venv/.ready
DEVELOPERS := .venv/.ready-for-developers
RUNNABLE := $(if $(wildcard $(DEVELOPERS)),$(DEVELOPERS),$(READY))
# An environment whose Python is gone or too old is made again.
BROKEN := $(shell test ! -d .venv || \
    $(PY) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1 || echo broken)

help:
	@echo 'make run              make the environment when it is missing, and start everything'
	@echo 'make test             run the whole suite'
	@echo 'make check            lint, types, layers and the fast tests: before every commit'
	@echo 'make again            only the tests that failed last, one after the other'
	@echo 'make bench            measure, beside what it is compared with'
	@echo 'make report           live through a simulated hot week of 1,800 stations: injected, raised, false'
	@echo 'make containers       the tests that start docker compose'
	@echo 'make chaos KILLS=200  kill processes while messages flow, and count what is lost'
	@echo 'make lock             resolve dependencies again and write the four lock files'
	@echo 'make clean            remove the environment and caches; ./var stays'

run: $(RUNNABLE)
	@exec ./waystation up

test: $(DEVELOPERS)
	@$(PY) -m pytest -n $(WORKERS) $(SPREAD) -m 'not docker'
	@echo 'Left out: the tests that start all containers. make containers runs them, with a Docker engine.'

# What failed here is remembered apart, so that `make again` never starts containers.
containers: $(DEVELOPERS)
	@exec $(PY) -m pytest -m docker --timeout=900 -o cache_dir=.pytest_cache/containers $(OPTIONS)

again: $(DEVELOPERS)
	@exec $(PY) -m pytest --last-failed --last-failed-no-failures=none

check: lint types layers fast

lint: $(DEVELOPERS)
	@$(PY) -m ruff check --quiet .

types: $(DEVELOPERS)
	@$(PY) -m mypy --no-error-summary

layers: $(DEVELOPERS)
	@said=$$(.venv/bin/lint-imports --no-logo 2>&1) || { printf '%s\n' "$$said"; exit 1; }

fast: $(DEVELOPERS)
	@WAYSTATION_TEST_HYPOTHESIS=$${WAYSTATION_TEST_HYPOTHESIS:-quick} \
	    exec $(PY) -m pytest -q -n auto $(SPREAD) -m 'not integration and not chaos and not browser'

bench: $(DEVELOPERS)
	@$(PY) -m bench.ingest
	@$(PY) -m bench.unlock
	@$(PY) -m bench.backtest

# `make report SCENARIO=recalled_batch OPTIONS="--stations 60 --days 1"` is smaller.
SCENARIO ?= hot_week
report: $(RUNNABLE)
	@exec ./waystation sim run-scenario $(SCENARIO) --in-process $(OPTIONS)

chaos: $(DEVELOPERS)
	@WAYSTATION_TEST_KILLS=$(KILLS) exec $(PY) -m pytest -m chaos -s --timeout=0

.venv: $(RUNNABLE)

$(READY): requirements.lock uv.lock.txt $(BROKEN)
	$(call install,requirements.lock,about 55 MB to download the first time)
	@touch $@

$(DEVELOPERS): requirements-dev.lock uv.lock.txt $(BROKEN)
	$(call install,requirements-dev.lock,about 250 MB to download the first time)
	@rm -f $(READY)
	@touch $@

.PHONY: broken
broken:
	@rm -rf .venv

# $(call install,LOCK,SIZE): find a Python, make the environment, bring in uv by its hash, then the rest.
# uv reads no pip settings, so a mirror that pip knows is handed on. Where uv fails, pip does it slowly.
define install
	@set -e; \
	if [ ! -x $(PY) ]; then \
	    why='No Python 3.11 to 3.14 was found (looked for: $(strip $(CANDIDATES))): install one, or name it with PYTHON=.'; \
	    chosen=; first=; \
	    for candidate in $(CANDIDATES); do \
	        if said=$$("$$candidate" -I runtime/python_check.py 2>/dev/null); then chosen=$$candidate; break; fi; \
	        if [ -n "$$said" ] && [ -z "$$first" ]; then first=yes; why="$$candidate $$said."; fi; \
	    done; \
	    if [ -z "$$chosen" ]; then echo "$$why" >&2; exit 1; fi; \
	    echo "Making .venv with $$("$$chosen" -V)."; \
	    "$$chosen" -m venv .venv || { rm -rf .venv; exit 1; }; \
	elif [ ! -x $(UV) ] && ! $(PY) -m pip --version >/dev/null 2>&1; then \
	    $(PY) -m ensurepip --default-pip >/dev/null; \
	fi; \
	mirror=; \
	if $(PY) -m pip --version >/dev/null 2>&1; then \
	    mirror=$${PIP_INDEX_URL:-$$($(PY) -m pip config get global.index-url 2>/dev/null || true)}; \
	    if ! $(UV) --version 2>/dev/null | grep -q "^$$(sed -n 's/^uv==\([^ ]*\).*/uv \1 /p' uv.lock.txt)"; then \
	        $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	            -r uv.lock.txt; \
	    fi; \
	fi; \
	echo "Installing $(1) into .venv ($(2))."; \
	if [ -n "$$mirror" ] && [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL" ]; then export UV_DEFAULT_INDEX="$$mirror"; fi; \
	$(UV) pip sync --python $(PY) --require-hashes --no-build --compile-bytecode $(1) || { \
	    echo 'uv could not do it; trying pip.' >&2; \
	    $(PY) -m pip install --disable-pip-version-check --require-hashes --only-binary :all: -r $(1); \
	}
endef

lock: $(DEVELOPERS)
	@$(UV) lock
	@$(UV) export --frozen --quiet --no-header --no-emit-project \
	    --no-default-groups --group install -o requirements.lock >/dev/null
	@$(UV) export --frozen --quiet --no-header --no-emit-project \
	    -o requirements-dev.lock >/dev/null
	@$(UV) export --frozen --quiet --no-header --no-emit-project \
	    --only-group install -o uv.lock.txt >/dev/null

clean:
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis .coverage
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
