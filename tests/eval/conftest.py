"""What the tests of the evaluation share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


def _load(path: Path) -> ModuleType:
    """The module at ``path``; tests/eval cannot be a package, its name would hide the one under test."""
    spec = importlib.util.spec_from_file_location(f"tests_eval_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def samples() -> Path:
    """Hand-written rows in the published formats."""
    return HERE / "samples"


@pytest.fixture(scope="session")
def deterministic() -> ModuleType:
    """The module :mod:`deterministic`."""
    return _load(HERE / "deterministic.py")


@pytest.fixture
def answerer(deterministic: ModuleType) -> Any:
    """An answerer without a corpus."""
    return deterministic.DeterministicAnswerer()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measured data sets beside the checkout."""
    folder = HERE.parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the data sets are not at {folder}")
    return folder
