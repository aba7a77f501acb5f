"""The model that patches are made for: where it can be trained, and its fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

from rag.core.errors import ModelError, PatchError
from rag.core.process.lazy import lazy_property
from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.generation.load import load_generator
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.vllm.generator import VllmGenerator
from rag.models.fingerprint import folder_fingerprint, model_fingerprint
from rag.models.resolve import resolve_generator
from rag.patches.base import PatchInfo


def is_trainable(generator: Generator) -> TypeGuard[TransformersGenerator]:
    """Whether the generator's model can learn patches in this process."""
    return isinstance(generator, TransformersGenerator)


class BaseModel:
    """The base model of one engine; loaded when it is needed, once, whatever the number of threads.

    Args:
        config: names the model.
        generator: gives the engine's generator.
    """

    def __init__(self, config: Config, generator: Callable[[], Generator]) -> None:
        self._config = config
        self._generator = generator

    @property
    def name(self) -> str:
        """The model, as the user named it."""
        return self._config.model

    @lazy_property
    def trainable(self) -> TransformersGenerator:
        """The engine's generator if it can be trained; else the configured model, loaded for training."""
        generator = self._generator()
        if is_trainable(generator):
            return generator
        loaded = load_generator(self._config.model_copy(update={"engine": "transformers"}))
        if is_trainable(loaded):
            return loaded
        raise ModelError(f"model {self.name!r} cannot be trained; patches need a model that transformers loads")

    @lazy_property
    def fingerprint(self) -> str:
        """Of the model's weights: as a server tells it, else as the folder has it, without a second copy in memory."""
        generator = self._generator()
        if is_trainable(generator):
            return model_fingerprint(generator.model)
        if isinstance(generator, VllmGenerator) and generator.base:
            return generator.base
        folder = Path(resolve_generator(self._config)[1])
        return folder_fingerprint(folder) if folder.is_dir() else model_fingerprint(self.trainable.model)


def check_base(info: PatchInfo, base: str, *, is_portable: bool) -> None:
    """Refuse a patch that was made for another base model.

    Raises:
        PatchError: it was, and ``is_portable`` is not set.
    """
    if info.base != base and not is_portable:
        raise PatchError(
            f"patch {info.key} was made for model {info.base_name!r} ({info.base}), not for this one ({base}); "
            "build it for this model, or use it as it is with --portable"
        )
