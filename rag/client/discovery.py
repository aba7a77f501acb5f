"""Find a running service that serves a library of this machine.

A service writes its address into ``.jobs/`` of its folder while it runs. Whoever may write there may change the
library too, so nothing is trusted that was not trusted before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

_JOBS = ".jobs"
_PATTERN = "service-*.json"
_LOCAL = ("127.0.0.1", "localhost", "::1")
# LIBRARY_DIR is the library, the folder above it, or the folder above its tenant's.
_LEVELS = 3


@dataclass(frozen=True)
class RunningService:
    """A service of this machine.

    Attributes:
        url: where it listens.
        pid: its process.
        root: the folder that it serves.
        has_keys: it asks for a key.
    """

    url: str
    pid: int
    root: str
    has_keys: bool


@contextmanager
def announced(root: Path, url: str, *, has_keys: bool) -> Iterator[None]:
    """Let :func:`find_service` find this process while the block runs."""
    file = root / _JOBS / f"service-{os.getpid()}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(RunningService(url, os.getpid(), str(root.resolve()), has_keys))))
        yield
    finally:
        file.unlink(missing_ok=True)


def find_service(library: Path) -> RunningService | None:
    """A service of this machine that serves the folder of ``library``; ``None`` if no process does."""
    folder = library.resolve()
    for root in (folder, *folder.parents)[:_LEVELS]:
        for file in sorted((root / _JOBS).glob(_PATTERN)):
            service = _read(file)
            if service is not None and Path(service.root) == root and _is_alive(service.pid):
                return service
    return None


def _read(file: Path) -> RunningService | None:
    try:
        service = RunningService(**json.loads(file.read_text(encoding="utf-8")))
        return service if urlsplit(service.url).hostname in _LOCAL else None
    except (OSError, ValueError, TypeError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
