"""Downloading the files of a hub's model; a download that stopped continues, also in another process.

The hub client's own downloads start a file anew after the process ended; with files of gigabytes that is too much.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.core.errors import ModelError
from rag.models.cache import Origin, read_origin, write_origin
from rag.models.loading import first_line
from rag.models.progress import Bar

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_NUM_TRIES = 5


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


def download_files(model: HubModel, folder: Path, bar: Bar) -> None:
    """Download a model's files into ``folder``, which may hold a part of them from an earlier call.

    Raises:
        ModelError: the connection was lost for good, or a file came damaged.
    """
    import httpx
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    total = sum(file.size for file in model.files) or 1
    _start(folder, Origin(model.name, "hub", model.revision, model.license))
    timeout = httpx.Timeout(_TIMEOUT_S, read=_READ_TIMEOUT_S)
    with httpx.Client(headers=build_hf_headers(), follow_redirects=True, timeout=timeout) as client:
        for file in model.files:
            target = folder / _safe_path(file.path)
            if target.is_file():
                bar.advance(file.size / total)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"{target.name}.part")
            url = hf_hub_url(model.name, file.path, revision=model.revision)
            _fetch_file(client, url, file, part, lambda num_bytes: bar.advance(num_bytes / total))
            part.rename(target)


def _start(folder: Path, origin: Origin) -> None:
    """Keep an earlier part of this revision; remove that of another."""
    if read_origin(folder) != origin:
        shutil.rmtree(folder)
        folder.mkdir()
        write_origin(folder, origin)


def _safe_path(path: str) -> Path:
    parts = path.split("/")
    if any(part in ("", ".", "..") or re.search(r"[\\:\x00]", part) for part in parts):
        raise ModelError(f"the hub names a file {path!r}, which cannot be written")
    return Path(*parts)


def _fetch_file(client: httpx.Client, url: str, file: HubFile, part: Path, advance: Callable[[int], None]) -> None:
    """Download ``file`` to ``part`` and continue where an earlier download stopped.

    A lost connection is tried again; only tries that bring nothing are counted.
    """
    import httpx

    advance(_size(part))
    num_tries = 0
    while True:
        size = _size(part)
        try:
            _append(client, url, part, advance)
            break
        except httpx.RequestError as error:
            num_tries = 1 if _size(part) > size else num_tries + 1
            if num_tries == _NUM_TRIES:
                lost = f"lost the model hub at {file.path} ({first_line(error)}); the same command continues"
                raise ModelError(lost) from None
            time.sleep(2**num_tries / 4)
        except httpx.HTTPStatusError as error:
            raise ModelError(f"the model hub refuses {file.path} ({error.response.status_code})") from None
    _check_file(file, part)


def _append(client: httpx.Client, url: str, part: Path, advance: Callable[[int], None]) -> None:
    """Ask for the rest of a file; the server may send it, or all of it again."""
    size = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={size}-"} if size else {})
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


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_file(file: HubFile, part: Path) -> None:
    """Refuse a file that is not the one that the hub has, and remove it, so that the next download is whole."""
    with part.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest() if file.sha256 else None
    if part.stat().st_size != file.size or digest != file.sha256:
        part.unlink()
        raise ModelError(f"{file.path} came damaged from the model hub; run the same command again")
