"""From what a user names to a folder that can be loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.models.cache import models_folder
from rag.models.defaults import ENCODER, GENERATOR
from rag.models.gguf.convert import convert
from rag.models.hub import hub
from rag.models.loading import MODEL_HINT
from rag.models.packages import locate


def resolve_generator(config: Config) -> tuple[str, str]:
    """The name of the generator's model, and its folder; the model is converted or downloaded first where needed.

    Raises:
        ModelError: no such model, or one that cannot be used here.
    """
    return _resolve(config, hub.fetch)


def resolve_tokenizer(config: Config) -> tuple[str, str]:
    """The name of the generator's model, and a folder with its settings and tokenizer; weights may be missing there.

    Raises:
        ModelError: no such model, or one that cannot be used here.
    """
    return _resolve(config, hub.fetch_tokenizer)


def _resolve(config: Config, fetch: Callable[[str, Path], Path]) -> tuple[str, str]:
    models = models_folder(config.cache_dir)
    if config.model in ("default", GENERATOR.name):
        return GENERATOR.name, str(convert(locate(GENERATOR, models), models))
    path = local_path(config.model, models)
    if path is None:
        return config.model, str(fetch(config.model, models))
    return config.model, str(convert(path, models) if path.is_file() else path)


def resolve_encoder(config: Config) -> tuple[str, str]:
    """The name of the sentence encoder, and its folder.

    Raises:
        ModelError: no such model, or one that cannot be used here.
    """
    models = models_folder(config.cache_dir)
    if config.encoder in ("default", ENCODER.name):
        return ENCODER.name, str(locate(ENCODER, models))
    path = local_path(config.encoder, models)
    if path is not None and path.is_file():
        raise ModelError(f"{config.encoder} is a file; give a sentence encoder's folder or its Hugging Face name")
    return config.encoder, str(path or hub.fetch(config.encoder, models))


def local_path(name: str, models: Path) -> Path | None:
    """The file or folder that ``name`` means: a path, or a name that ``concord models`` lists; ``None``: a hub's model.

    Raises:
        ModelError: a path with nothing there, or a folder without a model.
    """
    path = Path(name).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # such as a name that is too long
        raise ModelError(f"cannot read model {name[:80]!r} ({error.strerror}); {MODEL_HINT}") from error
    if is_folder:
        _check_folder(path)
        return path
    if is_file:
        return path
    if name.lower().endswith(".gguf"):
        raise ModelError(f"no file {name!r}; {MODEL_HINT}")
    cached = models / name
    return cached if cached.parent == models and cached.is_dir() else None


def _check_folder(folder: Path) -> None:
    if (folder / "config.json").is_file() or (folder / "modules.json").is_file():
        return
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs:
        raise ModelError(f"the folder {folder} holds GGUF files only; give one of them, such as {ggufs[0]}")
    raise ModelError(f"the folder {folder} holds no model: it has no config.json; {MODEL_HINT}")
