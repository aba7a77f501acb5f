"""Real processes that are there in a moment: each is forked from a server that has imported the packages already."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "eval.run.evaluation",
        "rag.engine",
        "rag.cli.evaluation",
        "rag.ingest.add",
        "rag.models.gguf.convert",
        "rag.service.app",
        "tests.conftest",
        "tests.service.tiny_worker",
    ]
)


def start(target: Callable[..., object], *arguments: Any) -> BaseProcess:
    """Run ``target`` in a process that ends with this one at the latest; both ends of a pipe may be arguments."""
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
