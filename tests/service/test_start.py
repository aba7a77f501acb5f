"""The first seconds of a service: questions that come before the models are loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.core.errors import UnavailableError
from rag.service.catalog.generator import SharedGenerator
from tests.conftest import ROOT
from tests.service.conftest import chat
from tests.service.running import running_service
from tests.service.tiny import load_tiny

_LOADERS = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from rag.core.settings.config import Config
from rag.generation.load import load_generator
from rag.models.sentence_encoder import load_encoder

config, start = Config(), Barrier(6)

def load(function):
    start.wait()
    return function(config)

with ThreadPoolExecutor(6) as threads:
    loaded = list(threads.map(load, [load_generator, load_encoder] * 3))
models = [generator.model for generator in loaded[::2]] + [encoder for encoder, folder in loaded[1::2]]
assert not any(parameter.is_meta for model in models for parameter in model.parameters())
"""


@pytest.mark.real
def test_threads_of_a_fresh_process_load_models_at_once(generator: Any) -> None:
    """``generator``: the default model is in the cache, so that all threads get to loading it at once."""
    done = subprocess.run([sys.executable, "-c", _LOADERS], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.real
def test_questions_in_the_first_second(tmp_path: Path, example_library: Path, generator: Any) -> None:
    """Each is answered, or refused with the time to wait; once the service is ready, they are answered."""
    shutil.copytree(example_library, tmp_path / "default" / "town")
    question = chat("Who is the harbour master?", "town", max_tokens=4)

    def ask(number: int) -> httpx.Response:
        path = "/v1/libraries/town/retrieve" if number % 2 else "/v1/chat/completions"
        body = {"questions": ["Who is the harbour master?"]} if number % 2 else question
        return httpx.post(f"{address}{path}", json=body, timeout=120)

    with running_service(tmp_path, until="/healthz") as address, ThreadPoolExecutor(6) as pool:
        for reply in pool.map(ask, range(6)):
            assert reply.status_code in (200, 503), reply.text
            assert reply.status_code == 200 or int(reply.headers["Retry-After"]) > 0


def test_a_question_does_not_wait_for_a_model_for_long() -> None:
    is_loading, may_load = threading.Event(), threading.Event()

    def load() -> Any:
        is_loading.set()
        assert may_load.wait(30)
        return load_tiny()

    shared = SharedGenerator(load, wait_s=0.01)
    loader = threading.Thread(target=shared)
    loader.start()
    assert is_loading.wait(30)
    with pytest.raises(UnavailableError, match="still being loaded"):
        shared()
    may_load.set()
    loader.join(30)
    assert shared() is shared.loaded is not None
