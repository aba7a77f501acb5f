"""From settings to a vLLM generator: in this process, or a server elsewhere."""

from __future__ import annotations

import os
from typing import Any

from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.generation.codec import Codec
from rag.generation.vllm.adapters.engine import adapter_options
from rag.generation.vllm.generator import VllmGenerator
from rag.generation.vllm.identity import model_fingerprint
from rag.generation.vllm.local import LocalVllm
from rag.generation.vllm.remote import RemoteVllm
from rag.models.loading import as_model_error, one_at_a_time, quiet, resolve_device
from rag.models.resolve import resolve_generator, resolve_tokenizer


@one_at_a_time
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

    The tokenizer is this machine's own copy: of ``config.model``, or of the model that the server names.

    Raises:
        UnavailableError: no server answers there.
        ModelError: the model has no tokenizer here, or the server runs another model.
    """
    ranks = int(config.engine_options.get("data_parallel_size", 1))
    server = RemoteVllm(config.engine, api_key=os.environ.get("CONCORD_ENGINE_KEY"), num_ranks=ranks)
    name, place = _resolve_copy(config, server)
    expected = server.identity.fingerprint
    if expected and model_fingerprint(name, place) != expected:
        raise ModelError(
            f"the vLLM server at {config.engine} runs {server.identity.served_name}, which is another model than "
            f"{name!r} here; give 'concord serve-llm' and this side the same --model"
        )
    return VllmGenerator(server, load_codec(config, server.identity.name, place))


def _resolve_copy(config: Config, server: RemoteVllm) -> tuple[str, str]:
    """Name and place of this machine's copy of the server's model."""
    if config.model != "default":
        return resolve_tokenizer(config)
    name = server.identity.name
    try:
        return resolve_tokenizer(config.model_copy(update={"model": name}))
    except ModelError as error:
        raise ModelError(
            f"the vLLM server at {config.engine} runs {name!r}, whose tokenizer is not on this machine; "
            f"name it with --model ({error})"
        ) from error


@one_at_a_time
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


def engine_options(config: Config, base: str = "") -> dict[str, Any]:
    """Fields of vLLM's ``AsyncEngineArgs`` that follow from our settings; the user's own come last.

    Args:
        config: the settings.
        base: fingerprint of the model's weights, for clients of a server.
    """
    options: dict[str, Any] = {"dtype": config.dtype, "disable_log_stats": True}
    options |= adapter_options(config.patch_memory_mib, base)
    if resolve_device(config.device) == "cpu":
        # Without a GPU: bfloat16 products are slower there, and there is nothing to compile for.
        options |= {"dtype": "float32" if config.dtype == "auto" else config.dtype, "enforce_eager": True}
    if config.window is not None:
        options["max_model_len"] = config.window
    return options | config.engine_options
