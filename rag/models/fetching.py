"""Getting a model before it is needed."""

from __future__ import annotations

from pathlib import Path

from rag.core.settings.config import Config
from rag.models.cache import models_folder
from rag.models.defaults import ENCODER, GENERATOR
from rag.models.gguf.convert import convert
from rag.models.hub import hub
from rag.models.packages import locate
from rag.models.resolve import local_path


def get_model(name: str, config: Config) -> list[Path]:
    """Fetch or convert a model and return its folders; ``default`` is the generator and the encoder.

    A hub's model is brought up to date.

    Raises:
        ModelError: no such model, or no way to get it.
    """
    models = models_folder(config.cache_dir)
    if name == "default":
        return [convert(locate(GENERATOR, models), models), locate(ENCODER, models)]
    path = local_path(name, models)
    if path is None:
        return [hub.download(name, models)]
    return [convert(path, models) if path.is_file() else path]
