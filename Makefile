# Two commands for a newcomer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench simulate kill drops soak lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv and install the pinned, hashed dependencies

$(VENV)/.installed: pyproject.toml .ci/lock/dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .ci/lock/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Two regional centres, a gateway, real messages: watch them settle
	$(BIN)/gateway demo

test: install ## Run the tests, on up to four cores (one after the other: .venv/bin/pytest)
	$(BIN)/pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

check: install ## Style, types, room contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install ## Measure (never part of the tests)
	$(BIN)/python -m tests.bench

SEEDS ?= 2000
FIRST ?= 1
simulate: install ## Play whole days with faults on virtual time (SEEDS=2000 FIRST=1)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

STORE ?= both
KILLS ?= 50
kill: install ## Kill gateways under load (KILLS=50, STORE=sqlite, postgres or both)
	$(BIN)/python -m tests.crashes --kills $(KILLS) --store $(STORE)

DROPS ?= 10000
drops: install ## Lose replies of the platform under load (DROPS=10000, STORE=sqlite, postgres or both)
	$(BIN)/python -m tests.crashes --drops $(DROPS) --desks 32 --store $(STORE)

soak: install ## The long ones: 100,000 seeds, 500 kills
	$(BIN)/python -m tests.simulation --seeds 100000 --first $(FIRST)
	$(BIN)/python -m tests.crashes --kills 400
	$(BIN)/python -m tests.crashes --kills 100 --store postgres --nodes 2 --lease 1

lock: ## Renew the lock files (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --output-file .ci/lock/run.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --group dev pyproject.toml --output-file .ci/lock/dev.txt
	awk '/^[a-z]/ { keep = /^asyncpg==/ } keep' .ci/lock/dev.txt > .ci/lock/postgres.txt

clean: ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
