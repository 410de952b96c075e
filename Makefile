# streamrank: every task of the project, each runnable from a fresh checkout.
.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := streams models state client/streamrank_client
STAMPS := $(VENV)/.stamps
# Tests run in so many processes (tests/support/parallel.py says which where).
PROCESSES ?= 2
# What mypy and ruff read: the folders that exist.
SOURCES := $(wildcard $(PACKAGES) bench tests requirements docs/site_links.py)
# An index with a smaller torch than the default one's, which brings CUDA on Linux. It is named once: later calls take
# the one that the environment was made with.
TORCH_INDEX ?= $(shell cat $(STAMPS)/torch-index 2>/dev/null)

.PHONY: help install test-install demo test unit check lint types layers generated pages docs doctest bench soak wheels lock newest oldest clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

install: $(STAMPS)/run $(STAMPS)/self ## .venv with the command .venv/bin/streamrank (no torch)

test-install: $(STAMPS)/test $(STAMPS)/self ## .venv with all that tests and training need (TORCH_INDEX=url: a smaller torch)

demo: install ## a real purchase log, published, served, asked (KEEP=1 stays up)
	$(BIN)/streamrank demo $(if $(filter-out 0,$(KEEP)),--keep)

test: test-install ## checks, doctests, units, integration
	@$(MAKE) check
	$(BIN)/python -m pytest -n $(PROCESSES) $(ARGS)

unit: test-install ## what needs neither Kafka nor Redis, without the checks
	$(BIN)/python -m pytest -n $(PROCESSES) -m "not servers and not soak" $(ARGS)

check: lint types layers doctest generated ## ruff, mypy --strict, import-linter, doctests, generated pages

lint: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/mypy --strict $(SOURCES)

# $(1): --check, or nothing to write them
define each_generated
	$(BIN)/python -m streamrank_client.asyncapi docs/asyncapi.json $(1)
	$(BIN)/python -m streams.gateway.openapi docs/openapi.json $(1)
	$(BIN)/python -m streams.cli.settings_docs $(1)
	@for page in commands events http metrics; do \
	  $(BIN)/python -m streams.cli.reference.$$page docs/reference/$$page.md $(1) || exit 1; done
endef

generated: $(STAMPS)/test $(STAMPS)/self
	$(call each_generated,--check)

pages: $(STAMPS)/test $(STAMPS)/self ## write the generated pages again
	$(call each_generated)

docs: $(STAMPS)/test $(STAMPS)/self ## the site of docs/, in build/docs; a warning fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/docs/index.html"

layers: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/lint-imports

doctest: $(STAMPS)/test $(STAMPS)/self
	$(BIN)/python -m pytest -q --doctest-modules $(PACKAGES)

bench: test-install ## speed of ingest and queries on real Kafka and Redis
	$(BIN)/python -m bench ingest --json
	$(BIN)/python -m bench query --json

soak: test-install ## a long run under kills, cuts and servers that go away (MINUTES=60); a report in soak.json
	$(BIN)/python -m pytest -m soak -s tests/faults
	$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),60) --out soak.json

wheels: $(STAMPS)/bootstrap ## both wheels, streamrank and streamrank-client, in dist/
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist client
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist .

# ---- installation -------------------------------------------------------------------------------
# Stamps make a repeated call instant; a changed lock file installs again. uv does the installing
# (several times faster than pip); where it cannot (a mirror that only pip is configured for), pip
# does, with the same hashes.
# $(1): the lock file; $(2), $(3): what else uv and pip are told.
define install_lock
	@$(BIN)/python requirements/download_size.py $(1) $(2) || echo "installing $(1); the index does not say how much that is"
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --require-hashes \
	    --no-build-isolation-package jieba -r $(1) $(2) \
	  || { echo "uv could not install $(1); trying pip"; \
	       $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) $(3); }
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
	@touch $@

ifeq ($(TORCH_INDEX),)
$(STAMPS)/test: requirements/test.txt $(STAMPS)/bootstrap
	$(call install_lock,requirements/test.txt)
	@touch $@
else
# torch alone comes from the index that is named, everything else from the default one. What torch needs beside CUDA
# is in test-cpu.txt already: hence --no-deps.
$(STAMPS)/test: requirements/test-cpu.txt requirements/torch-cpu.txt $(STAMPS)/bootstrap
	$(call install_lock,requirements/test-cpu.txt,--no-deps,--no-deps)
	$(call install_lock,requirements/torch-cpu.txt,--no-deps --default-index "$(TORCH_INDEX)",--no-deps --index-url "$(TORCH_INDEX)")
	@echo "$(TORCH_INDEX)" > $(STAMPS)/torch-index && touch $@
endif

$(STAMPS)/self: pyproject.toml client/pyproject.toml $(STAMPS)/bootstrap
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client -e .
	@touch $@

# ---- lock files ---------------------------------------------------------------------------------
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-package streamrank-client --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
RUN_EXTRAS := --extra cpu --extra embedded --extra demo --extra tables

lock: ## write requirements/*.txt again (UPGRADE=1: newer versions; TORCH_INDEX=url: torch-cpu.txt too)
	@test -x $(BIN)/uv || { $(MAKE) $(STAMPS)/bootstrap || exit 1; }
	$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(COMPILE) pyproject.toml $(RUN_EXTRAS) -c requirements/bootstrap.txt -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra gpu -c requirements/run.txt -o requirements/gpu.txt
	$(COMPILE) pyproject.toml $(RUN_EXTRAS) --extra train --extra bench --extra test --extra docs --extra check \
	  -c requirements/bootstrap.txt -c requirements/run.txt -o requirements/test.txt
	@awk '/^[^ #]/ { cuda = /^(torch|triton|nvidia-|cuda-)/ } !cuda' requirements/test.txt > requirements/test-cpu.txt
	@grep -qsF "$$(grep -oE '^torch==[0-9.]+' requirements/test.txt)" requirements/torch-cpu.txt \
	  $(if $(TORCH_INDEX),&& false) || rm -f requirements/torch-cpu.txt
	$(if $(TORCH_INDEX),@$(MAKE) requirements/torch-cpu.txt)

# The hashes are those of the index that is named, for this machine's kind. Kept (or committed), it installs the same
# bytes again. The version is test.txt's, of which `2.15.0+cpu` is one.
requirements/torch-cpu.txt: | requirements/test.txt $(STAMPS)/bootstrap
	@test -n "$(TORCH_INDEX)" || { echo "name an index that has torch for the CPU: make $(MAKECMDGOALS) TORCH_INDEX=url" >&2; exit 1; }
	@echo "making $@ from what $(TORCH_INDEX) has"
	@grep -oE '^torch==[^ ;]+' requirements/test.txt | $(BIN)/uv pip compile --quiet --no-deps --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock TORCH_INDEX=url" --python $(BIN)/python \
	  --default-index "$(TORCH_INDEX)" -o $@ - > /dev/null

newest: test-install ## the packages whose private parts are used, in the newest versions allowed
	.ci/versions newest

oldest: test-install ## the same in the oldest
	.ci/versions oldest

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
