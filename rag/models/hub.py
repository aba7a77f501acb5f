"""Models of a hub: found in the cache, else downloaded with one progress bar; a download that stopped goes on.

The hub client's own downloads start a file anew after the process ended; with files of gigabytes that is too much.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from rag.core.errors import ModelError
from rag.models.cache import Origin, build_once, check_space, read_origin, remove_folder, write_origin
from rag.models.folders import is_complete
from rag.models.loading import MODEL_HINT, first_line
from rag.models.progress import Bar, progress_bar

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_NUM_TRIES = 5
_TEXT_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "README.md", "LICENSE*")
# Copies of the weights for other libraries.
_OTHER_FORMATS = ("onnx/*", "openvino/*", "original/*", "coreml/*", "consolidated*", "*.gguf")


@dataclass(frozen=True)
class HubFile:
    """A file of a model: its path, its size in bytes, and its SHA-256 where the hub knows it."""

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class HubModel:
    """What the hub says about a model."""

    name: str
    revision: str
    license: str | None
    files: tuple[HubFile, ...]


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
            lambda partial: _download(model, partial, bar),
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
    texts = [file for file in usable if any(fnmatch(file.path, pattern) for pattern in _TEXT_FILES)]
    weights = [file for file in usable if file.path.endswith(".safetensors")]
    weights = weights or [file for file in usable if fnmatch(file.path, "pytorch_model*.bin")]
    if weights and any(file.path == "config.json" for file in texts):
        return [*texts, *weights]
    ggufs = [file.path for file in files if file.path.endswith(".gguf")]
    if ggufs:
        raise ModelError(f"{name} holds GGUF files only; download one, such as {ggufs[0]}, and give the file")
    raise ModelError(f"{name} holds no weights that can be loaded (safetensors and a config.json); {MODEL_HINT}")


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


def _download(model: HubModel, folder: Path, bar: Bar) -> None:
    import httpx
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    total = sum(file.size for file in model.files) or 1
    timeout = httpx.Timeout(_TIMEOUT_S, read=_READ_TIMEOUT_S)
    with httpx.Client(headers=build_hf_headers(), follow_redirects=True, timeout=timeout) as client:
        for file in model.files:
            url = hf_hub_url(model.name, file.path, revision=model.revision)
            target = folder / _safe_path(file.path)
            # A part of another revision's file has another name, and is never continued.
            part = target.with_name(f"{target.name}.{model.revision[:12]}.part")
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                _fetch_file(client, url, file, part, lambda num_bytes: bar.advance(num_bytes / total))
                part.rename(target)
            else:
                bar.advance(file.size / total)
    write_origin(folder, Origin(model.name, "hub", model.revision, model.license))


def _safe_path(path: str) -> Path:
    parts = path.split("/")
    if any(part in ("", ".", "..") or re.search(r"[\\:\x00]", part) for part in parts):
        raise ModelError(f"the hub names a file {path!r}, which cannot be written")
    return Path(*parts)


def _fetch_file(client: httpx.Client, url: str, file: HubFile, part: Path, advance: Any) -> None:
    """Download ``file`` to ``part`` and go on where an earlier download stopped; a lost connection is tried again."""
    import httpx

    advance(part.stat().st_size if part.exists() else 0)
    for attempt in range(_NUM_TRIES):
        try:
            _append(client, url, part, advance)
            break
        except httpx.RequestError as error:
            if attempt == _NUM_TRIES - 1:
                raise ModelError(
                    f"lost the model hub at {file.path} ({first_line(error)}); the same command goes on"
                ) from None
            time.sleep(2**attempt / 4)
        except httpx.HTTPStatusError as error:
            raise ModelError(f"the model hub refuses {file.path} ({error.response.status_code})") from None
    _check_file(file, part)


def _append(client: httpx.Client, url: str, part: Path, advance: Any) -> None:
    size = part.stat().st_size if part.exists() else 0
    headers: Mapping[str, str] = (
        {"Range": f"bytes={size}-", "Accept-Encoding": "identity"} if size else {"Accept-Encoding": "identity"}
    )
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:  # nothing is left to send
            return
        response.raise_for_status()
        goes_on = response.status_code == 206
        if size and not goes_on:
            advance(-size)
        with part.open("ab" if goes_on else "wb") as out:
            for chunk in response.iter_bytes():
                out.write(chunk)
                advance(len(chunk))


def _check_file(file: HubFile, part: Path) -> None:
    """Refuse a file that is not the one that the hub has, and remove it, so that the next download is whole."""
    with part.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest() if file.sha256 else None
    if part.stat().st_size != file.size or digest != file.sha256:
        part.unlink()
        raise ModelError(f"{file.path} came damaged from the model hub; run the same command again")
