"""Jobs: uploaded documents on their way into a library. What is acknowledged is on disk and survives a kill.

    root/.jobs/<job id>/job.json     who, where, what, how far; replaced atomically
                        /0000 ...    the uploaded bytes, in order; gone when the job is done
                        /.lock       held by the process that works on it; free again when that is killed

Any process on the same root may answer for a job, and takes over one whose process is gone.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

from filelock import FileLock, Timeout

from rag.adding import Progress
from rag.errors import ConcordError, SourceError, UnavailableError
from rag.ingest import Source
from rag.service.problems import Problem
from rag.service.schemas import Job, JobReport
from rag.service.shelf import Shelf
from rag.types import FailedSource

logger = logging.getLogger("rag.service")
# Jobs at once: embedding uses every core by itself, so more would only share them.
_NUM_WORKERS = 1
_MAX_KEPT = 1000
# An upload that has been on its way to disk for so long was cut off by a kill; it was never acknowledged.
_LEFTOVER_S = 3600


@dataclass(frozen=True)
class Upload:
    """One document as it came in."""

    name: str
    suffix: str
    content: bytes
    title: str = ""


class Jobs:
    """The jobs of a root."""

    def __init__(self, shelf: Shelf, on_end: Callable[[Job], None] = lambda job: None) -> None:
        self._shelf = shelf
        self._folder = shelf.root / ".jobs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._on_end = on_end
        self._workers = ThreadPoolExecutor(_NUM_WORKERS, thread_name_prefix="jobs")
        self._is_stopping = Event()

    def submit(self, tenant: str, library: str, uploads: Sequence[Upload]) -> Job:
        """Keep the uploads on disk, then begin; the returned job is durable."""
        self._shelf.engine(tenant, library)
        job = Job(id=uuid.uuid4().hex, library=library, status="queued", num_sources=len(uploads))
        partial = self._folder / f".new-{job.id}"
        partial.mkdir()
        for number, upload in enumerate(uploads):
            _write(partial / f"{number:04}", upload.content)
        items = [{"name": u.name, "suffix": u.suffix, "title": u.title} for u in uploads]
        _write(partial / "items.json", json.dumps({"tenant": tenant, "items": items}).encode())
        _write(partial / "job.json", job.model_dump_json().encode())
        partial.rename(self._folder / job.id)
        _sync(self._folder)
        self._workers.submit(self._work, job.id)
        return job

    def find(self, tenant: str, job_id: str) -> Job:
        """The job as it stands.

        Raises:
            Problem: 404, the tenant has no such job.
        """
        folder = self._folder / job_id
        if not re.fullmatch(r"[0-9a-f]{32}", job_id) or not folder.is_dir() or _items(folder)["tenant"] != tenant:
            raise Problem(404, "job_not_found", f"there is no job {job_id[:40]!r}")
        return _job(folder)

    def resume(self) -> int:
        """Take up what another process, or this one in an earlier life, has left; how many jobs that are."""
        for leftover in self._folder.glob(".new-*"):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_S:
                shutil.rmtree(leftover, ignore_errors=True)
        jobs = sorted((path for path in self._folder.iterdir() if (path / "job.json").is_file()), key=_age)
        for old in jobs[:-_MAX_KEPT]:
            if _job(old).status in ("done", "failed"):
                shutil.rmtree(old, ignore_errors=True)
        open_jobs = [path for path in jobs if path.is_dir() and _job(path).status in ("queued", "running")]
        for path in open_jobs:
            self._workers.submit(self._work, path.name)
        return len(open_jobs)

    def close(self) -> None:
        """Stop at the next document; what is not finished is taken up at the next start."""
        self._is_stopping.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _work(self, job_id: str) -> None:
        folder = self._folder / job_id
        try:
            with FileLock(folder / ".lock", timeout=0):
                job = _job(folder)
                if job.status in ("queued", "running") and not self._is_stopping.is_set():
                    self._run(folder, job)
        except Timeout:
            return  # another process is at it
        except Exception:
            logger.exception("job %s", job_id)

    def _run(self, folder: Path, job: Job) -> None:
        about = _items(folder)
        try:
            sources = [_source(folder, number, item) for number, item in enumerate(about["items"])]
            progress = _JobProgress(folder, job, self._is_stopping)
            report = self._shelf.engine(about["tenant"], job.library).add(sources, progress)
            fields = {key: value for key, value in asdict(report).items() if key in JobReport.model_fields}
            is_lost = report.failed and not (report.added or report.replaced or report.unchanged)
            done = {
                "status": "failed" if is_lost else "done",
                "num_done": job.num_sources,
                "report": JobReport.model_validate(fields),
                "error": _reasons(report.failed) if is_lost else None,
            }
            ended = job.model_copy(update=done)
        except UnavailableError:
            return  # stopping: the job stays as it is, for the next start
        except (ConcordError, Problem) as error:
            ended = job.model_copy(update={"status": "failed", "error": str(error)})
        except Exception:
            logger.exception("job %s", job.id)
            ended = job.model_copy(update={"status": "failed", "error": "the service failed; its log has the reason"})
        _write(folder / "job.json", ended.model_dump_json().encode())
        for number in range(job.num_sources):
            (folder / f"{number:04}").unlink(missing_ok=True)
        self._on_end(ended)


class _JobProgress(Progress):
    """Writes how far the job is, and ends it when the service is to stop."""

    def __init__(self, folder: Path, job: Job, is_stopping: Event) -> None:
        self._folder, self._job, self._is_stopping = folder, job, is_stopping
        self._num_done = 0

    def start(self, num_sources: int) -> None:
        self._write()

    def advance(self, source: str) -> None:
        self._num_done += 1
        self._write()
        if self._is_stopping.is_set():
            raise UnavailableError("the service is stopping; the job goes on at its next start")

    def _write(self) -> None:
        state = self._job.model_copy(update={"status": "running", "num_done": self._num_done})
        _write(self._folder / "job.json", state.model_dump_json().encode(), is_durable=False)


def _reasons(failed: Sequence[FailedSource]) -> str:
    return "; ".join(f"{one.source}: {one.reason}" for one in failed)[:2000]


def _source(folder: Path, number: int, item: dict[str, str]) -> Source:
    def read() -> bytes:
        try:
            return (folder / f"{number:04}").read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from error

    return Source(item["name"], read, item["suffix"], item["title"])


def _items(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    return about


def _job(folder: Path) -> Job:
    return Job.model_validate_json((folder / "job.json").read_text(encoding="utf-8"))


def _age(folder: Path) -> float:
    return (folder / "items.json").stat().st_mtime


def _write(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Replace the file atomically; durable ones are on disk when this returns."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
    if is_durable:
        _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
