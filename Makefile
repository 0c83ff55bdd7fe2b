# Leaky Tokens. Needs Python >= 3.11 with its venv module, and make; everything else is fetched.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LINTED := $(wildcard schemas topics state pipelines gateway auth providers service leaky devstack \
            bench examples docs tests)
TYPED  := $(filter-out examples,$(LINTED))

.DEFAULT_GOAL := help
.PHONY: help run test lint bench verify docs clean requirements

help: ## print these lines
	@echo "Leaky Tokens: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18
	@echo "Another interpreter: make PYTHON=/path/to/python3.12 TARGET"

run: $(STAMP) ## start the whole system; Ctrl-C stops it
	@$(BIN)/python -m leaky run

test: lint ## lint, then every test (starts its own servers)
	@$(BIN)/python -m pytest

lint: $(STAMP) ## format, style, types and import rules
	@$(BIN)/ruff format --check $(LINTED)
	@$(BIN)/ruff check $(LINTED)
	@$(BIN)/mypy $(TYPED)
	@$(BIN)/lint-imports

bench: $(STAMP) ## measure throughput, latency and memory into build/bench.json
	@$(BIN)/python -m bench

verify: $(STAMP) ## replay the running system's log and compare every answer
	@$(BIN)/leaky verify

docs: $(STAMP) ## write the generated pages of docs/ again
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m schemas.export
	@$(BIN)/python -m topics asyncapi > docs/asyncapi.yaml.new
	@mv docs/asyncapi.yaml.new docs/asyncapi.yaml

clean: ## stop the development servers, remove their data, the build and the tools' caches
	@test ! -x $(BIN)/python || $(BIN)/python -m devstack down
	rm -rf $(VENV) build dist .leaky .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	       .import_linter_cache .grimp_cache

requirements: $(STAMP) ## compile requirements/*.in to exact versions with hashes
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --universal requirements/runtime.in -o requirements/runtime.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --universal requirements/dev.in -o requirements/dev.txt

$(STAMP): requirements/runtime.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 run" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); \
	      echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: python3-venv)" >&2; \
	      exit 1; }
	@echo "Installing the pinned packages into $(VENV) (several minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes \
	    -r requirements/runtime.txt -r requirements/dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $(STAMP)
