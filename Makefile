# The commands the README names. `make setup` runs by itself where one of them needs it.
PYTHON ?= python3.11
BIN := .venv/bin
UV := uv==0.13.9
ARGS ?=
CASES ?= 10000
DATA ?=
TARGET ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-all test-plugin fuzz lint lock bench clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: .venv/ready ## make .venv from the lock file

.venv/ready: config/requirements.lock setup.cfg pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: $(PYTHON) was not found; try make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes config/requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@rm -rf model_studio.egg-info  # found before the installed package's own, it would hide newer entry points
	@touch $@

demo: setup ## go the whole way on real data: DATA=any.csv TARGET=column for your own, ARGS=--exit to stop at the end
	@$(BIN)/studio demo $(if $(DATA),--data "$(DATA)") $(if $(TARGET),--target "$(TARGET)") $(ARGS)

up: setup ## run the service for real work
	@$(BIN)/studio up $(ARGS)

test: setup ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

test-all: setup ## run every test, the slow ones too
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-plugin: setup ## test a plugin in plugins/, in a virtual environment of its own: NAME=catboost
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python plugins/$(NAME)/.venv
	VIRTUAL_ENV=plugins/$(NAME)/.venv $(BIN)/uv pip install --quiet --require-hashes -r config/requirements.lock
	VIRTUAL_ENV=plugins/$(NAME)/.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@rm -rf model_studio.egg-info
	VIRTUAL_ENV=plugins/$(NAME)/.venv $(BIN)/uv pip install --quiet --no-build-isolation --editable plugins/$(NAME)
	@cd plugins/$(NAME) && .venv/bin/python -m pytest -c setup.cfg $(ARGS)

fuzz: setup ## call every operation with generated data and judge the answers by the contract: CASES=10000
	@$(BIN)/python -m pytest -n 0 -m slow -k sqlite tests/contract/test_fuzzing.py --cases $(CASES) $(ARGS)

lint: setup ## check style, types, import contracts and the Dockerfile
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/hadolint Dockerfile

bench: setup ## measure one thing beside its peer: NAME=start, api, audit, listing, search_overhead, profile, first_prediction or stream
	@$(BIN)/python -m tests.benchmarks.$(NAME) $(ARGS)

lock: setup ## resolve the dependencies anew and write the lock file
	$(BIN)/uv pip compile --quiet setup.cfg --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --output-file config/requirements.lock

clean: ## remove .venv and everything the tools cached
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
