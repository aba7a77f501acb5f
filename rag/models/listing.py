"""The models of this machine: what is cached or embedded, how large it is, and whether it fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.models.cache import cached_folders, locked, models_folder, read_origin, remove_folder
from rag.models.defaults import ENCODER, GENERATOR, EmbeddedModel
from rag.models.folders import FolderInfo, describe_folder, is_complete
from rag.models.gguf.header import read_header
from rag.models.loading import resolve_device, resolve_dtype
from rag.models.memory import device_memory
from rag.models.packages import downloaded_path, installed_path
from rag.models.records import converted_folder

# What the process takes beside the weights: Python, the libraries, the sentence encoder, a library's index.
# Measured by benchmarks/models.py as the difference of peak memory and weights.
RUNTIME_BYTES = 950_000_000
_DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class ModelInfo:
    """A model that is here.

    Attributes:
        name: what ``--model`` or ``--encoder`` takes to use it.
        kind: ``generator`` or ``encoder``.
        origin: ``embedded``, ``converted``, ``downloaded``, or ``hub cache`` for the hub client's own cache.
        format: file format and number type of the weights.
        folder: where it is.
        disk_bytes: size on disk.
        window: longest prompt and answer, tokens.
        license: as the file or the model card says it.
        weights_bytes: memory of the weights in the precision that is used here.
        cache_bytes_per_token: memory of the attention cache, for each token of each stream.
        fits: whether weights, libraries and encoder fit in memory; ``None`` where the size is not known.
    """

    name: str
    kind: str
    origin: str
    format: str
    folder: str
    disk_bytes: int
    window: int | None
    license: str | None
    weights_bytes: int | None
    cache_bytes_per_token: int | None
    fits: bool | None


def list_models(config: Config) -> list[ModelInfo]:
    """The default models that are here, then the cached ones by name."""
    models = models_folder(config.cache_dir)
    device = resolve_device(config.device)
    bytes_each, limit = _DTYPE_BYTES[resolve_dtype(config.dtype, device)], device_memory(device)
    models_here = [*_defaults(models), *_cached(models), *_hub_cache()]
    return [
        _info(name, origin, folder, described, bytes_each, limit) for name, origin, folder, described in models_here
    ]


def remove_model(name: str, config: Config) -> int:
    """Remove a converted or downloaded model from the cache; returns the bytes that this frees.

    Raises:
        ModelError: there is none of this name, or it is not in our cache.
    """
    models = models_folder(config.cache_dir)
    for info_name, _, folder, described in _cached(models, skipped=None):
        if info_name == name:
            with locked(folder):
                remove_folder(folder)
            return described.disk_bytes
    if name in ("default", GENERATOR.name, ENCODER.name):
        raise ModelError(f"{name} is a default model and comes with its package; remove that with 'pip uninstall'")
    if name in [hub_name for hub_name, *_ in _hub_cache()]:
        raise ModelError(f"{name} is in the hub client's own cache; remove it with 'hf cache rm'")
    raise ModelError(f"no model {name!r} in {models}; 'concord models' lists them")


_Found = tuple[str, str, Path, FolderInfo]


def _defaults(models: Path) -> Iterator[_Found]:
    gguf, encoder = _embedded_path(GENERATOR, models), _embedded_path(ENCODER, models)
    if gguf is not None:
        yield GENERATOR.name, "embedded", gguf, _describe_gguf(gguf, converted_folder(gguf, models))
    if encoder is not None:
        yield ENCODER.name, "embedded", encoder, describe_folder(encoder)


def _embedded_path(embedded: EmbeddedModel, models: Path) -> Path | None:
    path = installed_path(embedded) or downloaded_path(embedded, models)
    return path if path.exists() else None


def _describe_gguf(gguf: Path, converted: Path | None) -> FolderInfo:
    header = read_header(gguf)
    return FolderInfo(
        format=f"GGUF {header.file_type}",
        disk_bytes=gguf.stat().st_size + (describe_folder(converted).disk_bytes if converted else 0),
        num_weights=header.num_weights,
        window=header.window,
        cache_values=header.cache_values,
        license=header.license,
    )


def _cached(models: Path, skipped: EmbeddedModel | None = GENERATOR) -> Iterator[_Found]:
    """The models of our cache, without the folder that the default was converted to."""
    gguf = _embedded_path(skipped, models) if skipped else None
    default = converted_folder(gguf, models) if gguf else None
    for folder in cached_folders(models):
        if folder != default:
            origin = read_origin(folder)
            kind = "downloaded" if origin and origin.source == "hub" else "converted"
            yield origin.name if origin else folder.name, kind, folder, describe_folder(folder)


def _hub_cache() -> Iterator[_Found]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        for revision in repo.revisions:
            if repo.repo_type == "model" and "main" in revision.refs and is_complete(revision.snapshot_path):
                yield repo.repo_id, "hub cache", revision.snapshot_path, describe_folder(revision.snapshot_path)


def _info(name: str, origin: str, folder: Path, described: FolderInfo, bytes_each: int, limit: int) -> ModelInfo:
    is_encoder = name == ENCODER.name or (folder / "modules.json").is_file()
    width = _DTYPE_BYTES["float32"] if is_encoder else bytes_each
    weights = described.num_weights * width if described.num_weights else None
    recorded = read_origin(folder)
    return ModelInfo(
        name=name,
        kind="encoder" if is_encoder else "generator",
        origin=origin,
        format=described.format,
        folder=str(folder),
        disk_bytes=described.disk_bytes,
        window=described.window,
        license=described.license or (recorded.license if recorded else None),
        weights_bytes=weights,
        cache_bytes_per_token=None if is_encoder or not described.cache_values else described.cache_values * width,
        fits=weights + RUNTIME_BYTES <= limit if weights else None,
    )
