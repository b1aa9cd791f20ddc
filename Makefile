# Everything that a developer runs. It needs git, make and Python 3.11 or newer with its venv module, nothing else:
# the first target that wants tools makes .venv and fills it from requirements.lock.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
HISTORIES ?= 100000
# Half of the time the tests wait, for servers and for the disk: half as many workers again as there are processors.
WORKERS ?= $(shell echo $$(($$(nproc) * 3 / 2)))
UV := uv==0.13.9

# Folders that come and go with the project; ruff looks at all of the repository by itself.
TYPED := src $(wildcard tests/typing)
SPELLED := $(wildcard *.md benchmarks docs examples src tests)
STATIC := pyright mypy lint format imports spelling
ALL := not soak and not alone
QUICK := not slow and not soak and not cluster and not server and not alone

# The tests start some hundreds of processes; without kept bytecode each would compile all of manystore again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help .venv servers alone demo check test soak bench coverage matrix fmt lock clean $(STATIC) quick-tests

help:  ## show this list
	@sed -n 's/^\([a-z.]*\): .*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

# --- the environment ---

.venv: $(INSTALLED)  ## make or renew the environment (all other targets do so by themselves)

# Remade when what it was made from changes. The stamp comes last, so a run that was cut short is run again.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'manystore needs Python 3.11 or newer; name one: make PYTHON=python3.12'; exit 1; }
	@echo 'Installing the tools into .venv; the first time takes about a minute.'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## pin all dependencies anew in requirements.lock (UPGRADE=--upgrade: at their latest)
	@$(PYTHON) -m venv .lock-tools
	@.lock-tools/bin/python -m pip install -qq --disable-pip-version-check '$(UV)'
	@.lock-tools/bin/uv pip compile pyproject.toml --quiet $(UPGRADE) --output-file requirements.lock \
		--universal --python-version 3.11 --all-extras --group dev --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock'
	@echo 'requirements.lock is written.'

servers:  ## install what the tests start servers from, where it lacks (Debian's packages; sudo unless root)
	@.ci/servers

# --- running it ---

demo: $(INSTALLED)  ## replay the cloud trace through the Nova models on a fresh SQLite file
	@rm -rf .demo && mkdir .demo
	$(BIN)/manystore nova replay --store sqlite:///.demo/nova.db

bench: $(INSTALLED) servers  ## what manystore and its migrations cost beside code by hand, on every store: twenty minutes
	$(BIN)/python -m benchmarks; calls=$$?; $(BIN)/python -m benchmarks --upgrade && exit $$calls

# --- checking it ---

# $(call step,<command>): run it, keep what it prints, and tell in one line how it went. Among others (TOGETHER) a failed
# step leaves a mark rather than stopping make, so that one run shows everything that is wrong.
define step
@mkdir -p .check; rm -f .check/$@.failed; since=$$(date +%s); \
if ( $(1) ) >.check/$@.log 2>&1; then \
	printf 'ok      %-12s %3d s  %s\n' $@ $$(($$(date +%s) - since)) "$$(tail -n 1 .check/$@.log)"; \
else \
	printf 'FAILED  %-12s %3d s\n' $@ $$(($$(date +%s) - since)); \
	$(if $(TOGETHER),touch .check/$@.failed,cat .check/$@.log; exit 1); \
fi
endef

# $(call verdict,<steps>): print what the failed ones had to say, then their names; fail if there is one.
define verdict
failed=; for step in $(1); do [ ! -e .check/$$step.failed ] || failed="$$failed $$step"; done; \
for step in $$failed; do printf '\n--- %s ---\n' $$step; cat .check/$$step.log; done; \
if [ -n "$$failed" ]; then printf '\nFAILED:%s\n' "$$failed"; exit 1; fi
endef

check: $(INSTALLED)  ## format, lint, types, layers and the quick tests: under a minute
	@$(MAKE) --no-print-directory -j3 TOGETHER=yes quick-tests $(STATIC)
	@$(call verdict,$(STATIC) quick-tests)
	@echo 'All is well.'

test: $(INSTALLED) servers  ## everything but the soak tests, on every store; starts servers of its own
	@$(MAKE) --no-print-directory -j2 TOGETHER=yes $(STATIC)
	@$(MAKE) --no-print-directory TOGETHER=yes alone
	@$(BIN)/python -m pytest -n $(WORKERS) -m '$(ALL)' || { \
		printf '\n--- once more, by itself: what failed beside the others ---\n'; \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m '$(ALL)'; }; tests=$$?; \
		$(call verdict,$(STATIC) alone); exit $$tests

soak: $(INSTALLED) servers  ## the tests that run for minutes, or hours (HISTORIES=1000: fewer)
	$(BIN)/python -m pytest -n auto -m soak --histories $(HISTORIES)

coverage: $(INSTALLED) servers  ## which branches the tests never take
	$(BIN)/python -m pytest -n auto -m 'not soak' --cov --cov-report=term-missing:skip-covered

matrix: $(INSTALLED) servers  ## run the suite on every store and write docs/support-matrix.md
	@mkdir -p .check
	$(BIN)/python -m pytest -q -n auto -p manystore.testing.outcomes --outcomes .check/outcomes.json tests/stores \
		-m 'not soak' --ignore tests/stores/test_machine.py
	$(BIN)/python -m manystore.testing.matrix .check/outcomes.json docs/support-matrix.md

fmt: $(INSTALLED)  ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

quick-tests: $(INSTALLED)
	$(call step,$(BIN)/python -m pytest -q -n auto -m '$(QUICK)')

# What measures time has the machine to itself.
alone: $(INSTALLED)
	$(call step,$(BIN)/python -m pytest -q -m alone tests/architecture)

format: $(INSTALLED)
	$(call step,$(BIN)/ruff format --diff .)

lint: $(INSTALLED)
	$(call step,$(BIN)/ruff check .)

imports: $(INSTALLED)
	$(call step,$(BIN)/lint-imports --no-logo)

spelling: $(INSTALLED)
	$(call step,$(BIN)/codespell $(SPELLED))

mypy: $(INSTALLED)
	$(call step,$(BIN)/mypy $(TYPED))

# The node that came with the lock, never one of the machine: the same checker everywhere.
pyright: $(INSTALLED)
	$(call step,PYRIGHT_PYTHON_GLOBAL_NODE=0 $(BIN)/pyright)

clean:  ## remove all that make made
	rm -rf .venv .lock-tools .demo .check .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis \
		.coverage htmlcov dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
