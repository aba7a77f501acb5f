# Two commands set everything up on a fresh machine: `make demo` and `make test`.
# PYTHON names another Python (3.11 or later), TORCH_INDEX the address of PyTorch's CPU index: docs/INSTALL.md.
PYTHON ?= python3

.PHONY: demo test test-fast lint clean installed installed-dev

demo: installed ## add the example documents and ask three questions
	.venv/bin/concord demo

test: installed-dev lint ## all tests: the fast tier, then those that load models
	.venv/bin/python -m pytest

test-fast: installed-dev ## tests that load no model
	.venv/bin/python -m pytest -m "not real"

lint: installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

installed: ## what is missing of the environment
	@$(PYTHON) deploy/install.py

installed-dev:
	@$(PYTHON) deploy/install.py --dev

clean:
	rm -rf .venv demo-library
