# Two commands set everything up on a fresh machine: `make demo` and `make test`.
# PYTHON names another Python (3.11 or 3.12), TORCH_INDEX the address of PyTorch's CPU index: docs/INSTALL.md.
PYTHON ?= python3
# Test processes. Each loads models of its own: several GB of memory.
WORKERS ?= 2
# A whole file goes to one process, so that its fixtures are made once; in the order of tests/conftest.py.
SHARED_OUT = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Here and not only in the installer: a Python before 3.7 cannot read that.
CHECK_PYTHON = import sys; (3, 11) <= sys.version_info < (3, 13) or sys.exit("error: Concord needs Python 3.11 or 3.12, and \
%s is %s; install one of them and name it: make demo PYTHON=python3.11" % (sys.executable, sys.version.split()[0]))

.PHONY: demo test test-fast lint docs clean installed installed-dev

demo: installed ## add the example documents and ask three questions
	.venv/bin/concord demo

test: installed-dev lint ## all tests: the fast tier, then those that load models
	.venv/bin/python -m pytest $(SHARED_OUT)

test-fast: installed-dev ## tests that load no model
	.venv/bin/python -m pytest $(SHARED_OUT) -m "not real"

lint: installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

docs: installed-dev ## what the pages take from the code and from real answers; the picture of the page needs a browser
	.venv/bin/python -m docs.make_settings
	.venv/bin/python -m docs.make_samples
	.venv/bin/python -m docs.make_images

installed: ## what is missing of the environment
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	@$(PYTHON) deploy/install.py

installed-dev:
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	@$(PYTHON) deploy/install.py --dev

clean:
	rm -rf .venv demo-library
