# streamrank: every task of the project, each runnable from a fresh checkout.
.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := streams models state client/streamrank_client
STAMPS := $(VENV)/.stamps
# What mypy and ruff read: the folders that exist.
SOURCES := $(wildcard $(PACKAGES) bench tests)

.PHONY: help install test-install demo test check lint types layers generated doctest bench lock newest oldest clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

install: $(STAMPS)/run $(STAMPS)/self ## .venv with the command .venv/bin/streamrank (no torch)

test-install: $(STAMPS)/test $(STAMPS)/self ## .venv with everything that tests and training need

demo: install ## a real purchase log, published, served, asked (KEEP=1 stays up)
	$(BIN)/streamrank demo $(if $(filter-out 0,$(KEEP)),--keep)

test: test-install ## checks, doctests, units, integration
	@$(MAKE) check
	$(BIN)/python -m pytest $(ARGS)

check: lint types layers doctest generated ## ruff, mypy --strict, import-linter, doctests, generated pages

lint: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/mypy --strict $(SOURCES)

generated: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/python -m streamrank_client.asyncapi docs/asyncapi.json --check
	$(BIN)/python -m streams.cli.settings_docs --check

layers: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/lint-imports

doctest: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/python -m pytest -q --doctest-modules $(PACKAGES)

bench: test-install ## speed of ingest and queries on real Kafka and Redis
	$(BIN)/python -m bench ingest --json
	$(BIN)/python -m bench query --json

# ---- installation -------------------------------------------------------------------------------
# Stamps make a repeated call instant; a changed lock file installs again. uv does the installing
# (several times faster than pip); where it cannot (a mirror that only pip is configured for), pip
# does, with the same hashes.
define install_lock
	@echo "installing $(1)"
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --require-hashes \
	    --no-build-isolation-package jieba -r $(1) \
	  || { echo "uv could not install $(1); trying pip"; \
	       $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); }
	@touch $@
endef

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "streamrank needs Python 3.11 or newer, but '$(PYTHON)' was not found." \
	       "Install it, or name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "streamrank needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	       "Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed (on Debian and Ubuntu: apt-get install python3-venv)." >&2; \
	  rm -rf $(VENV); exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/bootstrap: requirements/bootstrap.txt $(STAMPS)/venv
	@echo "installing requirements/bootstrap.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(STAMPS)/run: requirements/run.txt $(STAMPS)/bootstrap
	$(call install_lock,requirements/run.txt)

$(STAMPS)/test: requirements/test.txt $(STAMPS)/bootstrap
	$(call install_lock,requirements/test.txt)

$(STAMPS)/self: pyproject.toml client/pyproject.toml $(STAMPS)/bootstrap
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client -e .
	@touch $@

# ---- lock files ---------------------------------------------------------------------------------
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
RUN_EXTRAS := --extra cpu --extra embedded --extra demo --extra encoders

lock: ## write requirements/*.txt again (UPGRADE=1: newer versions)
	@test -x $(BIN)/uv || { $(MAKE) $(STAMPS)/bootstrap || exit 1; }
	$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(COMPILE) pyproject.toml $(RUN_EXTRAS) -c requirements/bootstrap.txt -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra gpu --extra encoders -c requirements/run.txt -o requirements/gpu.txt
	$(COMPILE) pyproject.toml $(RUN_EXTRAS) --extra train --extra bench --extra test --extra check \
	  -c requirements/bootstrap.txt -c requirements/run.txt -o requirements/test.txt

newest: test-install ## the packages whose private parts are used, in the newest versions allowed
	.ci/versions newest

oldest: test-install ## the same in the oldest
	.ci/versions oldest

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
