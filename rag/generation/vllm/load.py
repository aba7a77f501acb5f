"""From settings to a vLLM generator: in this process, or a server elsewhere."""

from __future__ import annotations

import os
from typing import Any

from rag.core.config import Config
from rag.generation.codec import Codec
from rag.generation.vllm.generator import VllmGenerator
from rag.generation.vllm.local import LocalVllm
from rag.generation.vllm.remote import RemoteVllm
from rag.models import as_model_error, quiet, resolve_device, resolve_generator


def load_local(config: Config) -> VllmGenerator:
    """vLLM in a child process.

    Raises:
        ModelError: vLLM is missing, in another version than tested, or cannot load the model.
    """
    name, place = resolve_generator(config)
    server = LocalVllm(place, engine_options(config))
    server.start()
    return VllmGenerator(server, load_codec(config, name, place))


def load_remote(config: Config) -> VllmGenerator:
    """A server at ``config.engine``; the key it asks for is in the environment as ``CONCORD_ENGINE_KEY``.

    Raises:
        UnavailableError: nobody answers there.
        ModelError: the server's model has no tokenizer here; ``config.model`` can name one.
    """
    ranks = int(config.engine_options.get("data_parallel_size", 1))
    server = RemoteVllm(config.engine, api_key=os.environ.get("CONCORD_ENGINE_KEY"), num_ranks=ranks)
    place = server.root if config.model == "default" else resolve_generator(config)[1]
    return VllmGenerator(server, load_codec(config, server.model, place))


def load_codec(config: Config, name: str, place: str) -> Codec:
    """The tokenizer of a model, and the tokens that end its answers.

    Raises:
        ModelError: no tokenizer there.
    """
    from transformers import AutoTokenizer, GenerationConfig

    with quiet(), as_model_error(name):
        tokenizer = AutoTokenizer.from_pretrained(place)
    try:
        ends = GenerationConfig.from_pretrained(place).eos_token_id
    except OSError:
        ends = None
    listed = ends if isinstance(ends, list) else [ends]
    return Codec(
        tokenizer, name, config.prompt_style, frozenset(i for i in [*listed, tokenizer.eos_token_id] if i is not None)
    )


def engine_options(config: Config) -> dict[str, Any]:
    """Fields of vLLM's ``AsyncEngineArgs`` that follow from our settings; the user's own come last."""
    options: dict[str, Any] = {"dtype": config.dtype, "disable_log_stats": True}
    if resolve_device(config.device) == "cpu":
        # Without a GPU: bfloat16 products are slower there, and there is nothing to compile for.
        options |= {"dtype": "float32" if config.dtype == "auto" else config.dtype, "enforce_eager": True}
    if config.window is not None:
        options["max_model_len"] = config.window
    return options | config.engine_options
