"""``/readyz``: what it says while models load, and while what they depend on is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.core.errors import UnavailableError
from rag.generation.base import Checkable
from rag.generation.transformers.generator import TransformersGenerator
from rag.service.readiness import Readiness
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.service.conftest import live, soon
from tests.service.tiny import load_tiny, tiny_app

REASON = "no vLLM server answers at http://gpu-host:8000; start one"


class Elsewhere(TransformersGenerator):
    """A real generator whose health is somebody else's; its checks can be counted, failed and held up."""

    def __init__(self) -> None:
        super().__init__(tiny_model("llama"), tiny_tokenizer(), "tiny", window=256)
        self.error: Exception | None = None
        self.num_checks = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def check(self) -> None:
        self.num_checks += 1
        assert self.may_answer.wait(60)
        if self.error is not None:
            raise self.error


@contextmanager
def service(folder: Path, load: Any, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 5.0) -> Iterator[httpx.Client]:
    """A service that tries to load its model again and again without a pause."""
    options = {"timeout_s": timeout_s, "retry_s": 0.01}
    monkeypatch.setattr("rag.service.state.Readiness", lambda catalog: Readiness(catalog, **options))
    with live(tiny_app(folder, load)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def state(client: httpx.Client) -> tuple[int, str, str]:
    """Status, state and reason."""
    reply = client.get("/readyz")
    assert (reply.status_code == 200) == ("Retry-After" not in reply.headers)
    return reply.status_code, reply.json()["status"], reply.json().get("reason", "")


def test_while_models_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = threading.Event()

    def load() -> Any:
        assert may_load.wait(60)
        return load_tiny()

    with service(tmp_path, load, monkeypatch) as client:
        assert state(client) == (503, "loading", "the models are being loaded")
        assert client.get("/healthz").status_code == 200
        may_load.set()
        assert soon(lambda: state(client) == (200, "ready", ""))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(UnavailableError(REASON), REASON), (RuntimeError("secret"), "the models cannot be loaded; the service's log")],
)
def test_models_that_cannot_be_loaded_are_tried_again(
    error: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_down = threading.Event()
    is_down.set()

    def load() -> Any:
        if is_down.is_set():
            raise error
        return load_tiny()

    with service(tmp_path, load, monkeypatch) as client:
        assert soon(lambda: state(client)[2].startswith(reason))
        assert state(client)[:2] == (503, "loading")
        is_down.clear()
        assert soon(lambda: state(client) == (200, "ready", ""))


def test_a_server_that_goes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Elsewhere()
    assert isinstance(generator, Checkable)
    with service(tmp_path, lambda: generator, monkeypatch) as client:
        assert soon(lambda: state(client)[0] == 200)
        generator.error = UnavailableError(REASON)
        assert soon(lambda: state(client) == (503, "unavailable", REASON))
        generator.error = RuntimeError("secret")
        assert soon(lambda: state(client)[2].startswith("the health check failed"))
        generator.error = None
        assert soon(lambda: state(client) == (200, "ready", ""))


def test_many_ask_and_one_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that hangs is one check, however many wait for it, and the process is well meanwhile."""
    generator = Elsewhere()
    with service(tmp_path, lambda: generator, monkeypatch, timeout_s=0.05) as client:
        assert soon(lambda: state(client)[0] == 200)
        generator.may_answer.clear()
        assert soon(lambda: state(client)[0] == 503)
        before = generator.num_checks
        assert {state(client) for _ in range(5)} == {
            (503, "unavailable", "model server or database gave no sign within 0.05 s")
        }
        assert generator.num_checks == before
        assert client.get("/healthz").status_code == 200
        generator.may_answer.set()
        assert soon(lambda: state(client)[0] == 200)


def test_the_verdict_is_kept_for_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Elsewhere()
    with service(tmp_path, lambda: generator, monkeypatch) as client:
        assert soon(lambda: state(client)[0] == 200)
        before, started_s = generator.num_checks, time.monotonic()
        for _ in range(50):
            state(client)
        assert generator.num_checks - before <= 1 + (time.monotonic() - started_s)
