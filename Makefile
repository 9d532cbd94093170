# The two commands to know: `make demo` and `make test`. Both set everything up first.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
# Processes that share the tests. Half of the time is waiting for servers, so three are worth it on two cores.
WORKERS ?= 3
# uv of the system if there is one, else one of the project's own.
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)

# Nothing phones home.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false

.PHONY: demo test browser lint types check bench docs setup clean help

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t12

demo: setup ## import a demo site into an embedded CloudStack
	$(BIN)/ingest demo $(ARGS)

test: setup ## run the whole suite, in three processes
	$(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

browser: setup ## what tests in a real browser need besides Chromium: make browser test
	$(UV) sync --locked --quiet --group browser

lint: setup ## style, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## strict type check
	$(BIN)/mypy

check: lint types test ## everything CI checks

bench: setup ## benchmarks: each prints a ratio and both numbers
	$(BIN)/python -m bench

setup: $(VENV)/.installed ## the project's own environment, from the lock file

$(VENV)/.installed: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(UV) sync --locked --quiet --compile-bytecode
	@touch $@

docs: setup ## reference pages made from the code
	$(BIN)/python docs/generate.py

clean: ## remove what runs and tests leave behind, not the environment
	rm -rf runs .ingest .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
