"""Models of a hub: found in the cache, else looked up and downloaded with one progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NoReturn, cast

from rag.core.errors import ModelError
from rag.models.cache import build_once, check_space, read_origin, remove_folder
from rag.models.folders import is_complete
from rag.models.hub.transfer import HubFile, HubModel, download_files
from rag.models.loading import MODEL_HINT, first_line
from rag.models.progress import progress_bar

_TIMEOUT_S = 10.0
_TEXT_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "README.md", "LICENSE*")
# Copies of the weights for other libraries.
_OTHER_FORMATS = ("onnx/*", "openvino/*", "original/*", "coreml/*", "consolidated*", "*.gguf")


def find(name: str, models: Path) -> Path | None:
    """The folder of a model that was downloaded before, by us or by the hub's own client; needs no network."""
    folder = _folder(name, models)
    if folder.is_dir():
        return folder
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json")
    if isinstance(config, str) and is_complete(Path(config).parent):
        return Path(config).parent
    return None


def fetch(name: str, models: Path) -> Path:
    """The folder of a hub's model, downloaded now unless it is in the cache.

    Raises:
        ModelError: no such model, no way to reach the hub, or files of no use here.
    """
    _check_name(name)
    return find(name, models) or download(name, models)


def fetch_tokenizer(name: str, models: Path) -> Path:
    """The folder of a hub's model, if need be without its weights: for the side of a model server that only asks.

    Raises:
        ModelError: as for :func:`fetch`.
    """
    _check_name(name)
    if (folder := find(name, models)) is not None:
        return folder
    folder = _folder(name, models.with_name("tokenizers"))
    if not folder.is_dir():
        model = _look_up(name)
        files = tuple(file for file in model.files if _is_text(file))
        with progress_bar(f"Downloading the tokenizer of {name}") as bar:
            build_once(
                folder,
                lambda partial: download_files(replace(model, files=files), partial, bar),
                lambda: bar.say(f"Waiting for another process that downloads the tokenizer of {name}"),
            )
    return folder


def download(name: str, models: Path) -> Path:
    """Download a model, or the newer revision of one that is there.

    Raises:
        ModelError: as for :func:`fetch`.
    """
    _check_name(name)
    model = _look_up(name)
    folder = _folder(name, models)
    origin = read_origin(folder)
    if origin is not None and origin.digest == model.revision:
        return folder
    size = sum(file.size for file in model.files)
    check_space(models, size - _downloaded_bytes(folder), f"downloading {name}")
    if folder.is_dir():
        remove_folder(folder)
    with progress_bar(f"Downloading {name} ({size / 1e6:,.0f} MB)") as bar:
        build_once(
            folder,
            lambda partial: download_files(model, partial, bar),
            lambda: bar.say(f"Waiting for another process that downloads {name}"),
            keeps_partial=True,
        )
    return folder


def needed_files(name: str, files: Sequence[HubFile]) -> list[HubFile]:
    """The files that loading needs: settings, tokenizer, and the weights once.

    Raises:
        ModelError: there are no weights that can be read here.
    """
    usable = [file for file in files if not any(fnmatch(file.path, pattern) for pattern in _OTHER_FORMATS)]
    texts = [file for file in usable if _is_text(file)]
    weights = [file for file in usable if file.path.endswith(".safetensors")]
    weights = weights or [file for file in usable if fnmatch(file.path, "pytorch_model*.bin")]
    if weights and any(file.path == "config.json" for file in texts):
        return [*texts, *weights]
    ggufs = [file.path for file in files if file.path.endswith(".gguf")]
    if ggufs:
        raise ModelError(f"{name} holds GGUF files only; download one, such as {ggufs[0]}, and give the file")
    raise ModelError(f"{name} holds no weights that can be loaded (safetensors and a config.json); {MODEL_HINT}")


def _is_text(file: HubFile) -> bool:
    return any(fnmatch(file.path, pattern) for pattern in _TEXT_FILES)


def _folder(name: str, models: Path) -> Path:
    return models / name.replace("/", "--")


def _check_name(name: str) -> None:
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except ValueError:
        raise ModelError(f"no file or folder {name!r}, and it is no name of a hub's model; {MODEL_HINT}") from None


def _look_up(name: str) -> HubModel:
    """Ask the hub, and refuse at once what it does not have: the loaders would each retry for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    # Its bases are the errors of the HTTP library that the hub's client is built on, which differs by version.
    errors = cast("tuple[type[Exception], ...]", (HfHubHTTPError, *HfHubHTTPError.__bases__))
    try:
        info = HfApi().model_info(name, timeout=_TIMEOUT_S, files_metadata=True)
    except errors as error:
        _refuse(name, error)
    files = [
        HubFile(item.rfilename, item.size or 0, item.lfs.sha256 if item.lfs else None) for item in info.siblings or []
    ]
    card: Any = info.card_data
    license_name = card.get("license") if card is not None else None
    return HubModel(name, str(info.sha), _as_text(license_name), tuple(needed_files(name, files)))


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _refuse(name: str, error: Exception) -> NoReturn:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        raise ModelError(f"model {name!r} is not in the local cache, and HF_HUB_OFFLINE is set; {MODEL_HINT}") from None
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        raise ModelError(f"the model hub has no model {name!r} for you ({status}); {MODEL_HINT}") from None
    raise ModelError(f"cannot reach the model hub for {name!r} ({first_line(error)}); {MODEL_HINT}") from None


def _downloaded_bytes(folder: Path) -> int:
    partial = folder.with_name(f".partial-{folder.name}")
    return sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
