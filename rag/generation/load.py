"""From settings to a generator: which engine runs the model, and loading it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.models.loading import as_model_error, one_at_a_time, quiet, resolve_device, resolve_dtype
from rag.models.resolve import resolve_generator


def load_generator(config: Config) -> Generator:
    """The generator that ``config`` names: its model, run by its engine.

    Raises:
        ModelError: no such model, not a causal language model, or no such engine here.
        UnavailableError: the engine is a server that does not answer.
    """
    engine = resolve_engine(config.engine)
    if engine == "transformers":
        return _load_transformers(config)
    from rag.generation.vllm.load import load_local, load_remote

    return load_local(config) if engine == "vllm" else load_remote(config)


def generator_fingerprint(generator: Generator, config: Config) -> str:
    """The fingerprint of a generator's weights (:mod:`rag.models.fingerprint`), wherever its engine keeps them.

    Raises:
        ModelError: the model that ``config`` names is not to be found.
    """
    from rag.generation.transformers.generator import TransformersGenerator
    from rag.models.fingerprint import folder_fingerprint, model_fingerprint

    if isinstance(generator, TransformersGenerator):
        return model_fingerprint(generator.model)
    return folder_fingerprint(Path(resolve_generator(config)[1]))


def resolve_engine(engine: str) -> str:
    """``auto`` becomes ``vllm`` where it is installed beside a GPU, else ``transformers``."""
    if engine != "auto":
        return engine
    if importlib.util.find_spec("vllm") is None:
        return "transformers"
    return "vllm" if resolve_device("auto") == "cuda" else "transformers"


@one_at_a_time
def _load_transformers(config: Config) -> Generator:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rag.generation.transformers.generator import TransformersGenerator

    name, folder = resolve_generator(config)
    device = resolve_device(config.device)
    dtype = getattr(torch, resolve_dtype(config.dtype, device))
    with quiet(), as_model_error(name):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    return TransformersGenerator(
        model,
        tokenizer,
        name,
        prompt_style=config.prompt_style,
        max_rows=config.max_rows,
        window=config.window,
    )
