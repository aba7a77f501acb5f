"""The folder of models in the user's cache. Each model is a folder that is written whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.core.errors import ModelError

_ORIGIN_FILE = "concord-origin.json"


@dataclass(frozen=True)
class Origin:
    """What a cached model was made from; written beside its weights.

    Attributes:
        name: what ``--model`` takes to use it.
        source: the file, package or hub name that it came from.
        digest: SHA-256 of the file, or the hub's revision.
        license: as the file or the hub says it.
    """

    name: str
    source: str
    digest: str
    license: str | None = None


def models_folder(cache_dir: Path | None) -> Path:
    """Where models are kept: under ``cache_dir``, or under the user's cache."""
    from platformdirs import user_cache_path

    return (cache_dir or user_cache_path("concord")).expanduser() / "models"


def calibrations_folder(cache_dir: Path | None) -> Path:
    """Where calibrations of models are kept, by fingerprint."""
    return models_folder(cache_dir).with_name("calibrations")


def cached_folders(models: Path) -> list[Path]:
    """The folders of the models that are complete."""
    if not models.is_dir():
        return []
    return sorted(folder for folder in models.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def build_once(
    folder: Path, write: Callable[[Path], None], waiting: Callable[[], None], *, keeps_partial: bool = False
) -> None:
    """Make ``folder`` by ``write``, unless it exists. Other processes wait, then take the same folder.

    Args:
        folder: the result.
        write: fills the empty folder that it is given.
        waiting: called when another process is making the folder.
        keeps_partial: keep what was written when ``write`` fails, and give it to the next ``write``.

    Raises:
        ModelError: the cache cannot be written, or its disk is full.
    """
    if folder.is_dir():
        return
    with as_cache_error(folder.parent), locked(folder, waiting):
        if folder.is_dir():
            return
        partial = folder.with_name(f".partial-{folder.name}")
        if not keeps_partial:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(exist_ok=True)
        try:
            write(partial)
            partial.rename(folder)
        except BaseException:
            if not keeps_partial:
                shutil.rmtree(partial, ignore_errors=True)
            raise


def remove_folder(folder: Path) -> None:
    """Remove a cached model, so that no process sees half of it."""
    old = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def locked(folder: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of ``folder``; the lock ends with the process."""
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".lock-{folder.name}"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def as_cache_error(models: Path) -> Iterator[None]:
    """Turn a cache that cannot be written into a :class:`ModelError`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelError(f"no space left for models in {models}; {_OTHER_CACHE}") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise ModelError(f"cannot write models to {models} ({error.strerror}); {_OTHER_CACHE}") from error
        raise


_OTHER_CACHE = "set CONCORD_CACHE_DIR to a folder with space that can be written"


def check_space(models: Path, num_bytes: int, what: str) -> None:
    """Refuse work whose result does not fit on the cache's disk.

    Raises:
        ModelError: less than ``num_bytes`` are free.
    """
    with as_cache_error(models):
        models.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(models).free
    if free < num_bytes:
        raise ModelError(
            f"{what} needs {num_bytes / 1e9:.1f} GB in {models}, {free / 1e9:.1f} GB are free; {_OTHER_CACHE}"
        )


def write_origin(folder: Path, origin: Origin) -> None:
    """Write down where a model came from."""
    (folder / _ORIGIN_FILE).write_text(json.dumps(asdict(origin), indent=1), encoding="utf-8")


def read_origin(folder: Path) -> Origin | None:
    """Where a cached model came from; ``None`` for a folder that says nothing about it."""
    try:
        return Origin(**json.loads((folder / _ORIGIN_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
