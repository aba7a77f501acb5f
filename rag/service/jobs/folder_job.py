"""One job on disk while this process works on it; :mod:`rag.service.jobs.folder_queue` says what its files are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from rag.core.errors import SourceError
from rag.core.process.files import write_atomically
from rag.service.jobs.attempts import Attempts
from rag.service.jobs.store import HeldJob
from rag.service.schemas import Job

_ATTEMPTS = "attempts.json"


class FolderJob(HeldJob):
    """The folder of a job, for as long as this process holds its lock; ``on_release`` is told when it lets go."""

    def __init__(self, folder: Path, job: Job, lock: FileLock, on_release: Callable[[], None]) -> None:
        self._folder, self._lock, self._on_release = folder, lock, on_release
        self.job = job
        self.about = read_items(folder)
        self.attempts = Attempts(_read_attempts(folder), self._save_attempts)

    def write(self, job: Job) -> None:
        """See :meth:`HeldJob.write`."""
        write_atomically(self._folder / "job.json", job.model_dump_json().encode())

    def is_cancelled(self) -> bool:
        """See :meth:`HeldJob.is_cancelled`."""
        return (self._folder / "cancel").exists()

    def read_upload(self, number: int) -> bytes:
        """See :meth:`HeldJob.read_upload`."""
        try:
            return (self._folder / f"{number:04}").read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from error

    def end(self, job: Job) -> None:
        """See :meth:`HeldJob.end`."""
        self.write(job)
        for number in range(len(self.about.get("items", ()))):
            (self._folder / f"{number:04}").unlink(missing_ok=True)

    def release(self, after_s: float = 0.0) -> None:
        """See :meth:`HeldJob.release`."""
        # One that has not ended waits until the next sweep, whatever the time.
        self._lock.release()
        self._on_release()

    def _save_attempts(self, fields: Mapping[str, Any]) -> None:
        # Not flushed to disk: it must survive the end of a process, and a power cut is no fault of a file.
        partial = self._folder / f".{_ATTEMPTS}"
        partial.write_text(json.dumps(fields))
        partial.replace(self._folder / _ATTEMPTS)


def read_job(folder: Path) -> Job:
    """The job as it stands. One whose record is damaged has failed, and says so."""
    try:
        return Job.model_validate_json((folder / "job.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        error = "the record of this job is damaged; send its documents again"
        return Job(id=folder.name, library="", status="failed", num_sources=0, error=error)


def read_items(folder: Path) -> dict[str, Any]:
    """Whose job it is (``tenant``), and its work."""
    about: dict[str, Any] = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    return about


def read_tenant(folder: Path) -> str | None:
    """Whose job it is; ``None`` if its record is damaged."""
    try:
        return str(read_items(folder)["tenant"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_attempts(folder: Path) -> object:
    try:
        return json.loads((folder / _ATTEMPTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
