"""Jobs: uploaded documents on their way into a library, and patches of documents that are there. What is acknowledged
is on disk and survives a kill.

    root/.jobs/<job id>/job.json     who, where, what, how far; replaced atomically
                        /items.json  whose it is, and what it is to work on
                        /0000 ...    the uploaded bytes, in order; gone when the job is done
                        /.lock       held by the process that works on it; free again when that is killed

Any process on the same root may answer for a job, and takes over one whose process is gone.
"""

from __future__ import annotations

import json
import logging
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

from rag.core.errors import ConcordError, SourceError, UnavailableError
from rag.core.files import write_atomically, write_folder_atomically
from rag.core.progress import Progress
from rag.core.reports import AddReport
from rag.engine import Engine
from rag.ingest.source import Source
from rag.patches.base import BuildReport
from rag.service.catalog.base import LibraryCatalog
from rag.service.jobs.patches import open_trainable_patches
from rag.service.problems import Problem
from rag.service.schemas import Job, JobReport

logger = logging.getLogger("rag.service")
KINDS = ("documents", "patches")
# Jobs of each kind at once: embedding and training use every core by themselves, so more would only share them. A
# document does not wait until all patches are trained.
_NUM_WORKERS = 1
_MAX_KEPT = 1000
# Documents that train together on a CPU, where more are no faster: a stop waits for them, a kill loses them.
_CPU_GROUP = 4
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

    def __init__(self, catalog: LibraryCatalog, on_end: Callable[[Job], None] = lambda job: None) -> None:
        self._catalog = catalog
        self._folder = catalog.root / ".jobs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._on_end = on_end
        self._workers = {kind: ThreadPoolExecutor(_NUM_WORKERS, thread_name_prefix=kind) for kind in KINDS}
        self._is_stopping = Event()

    def add(self, tenant: str, library: str, uploads: Sequence[Upload]) -> Job:
        """Keep the uploads on disk, then begin; the returned job is durable."""
        self._catalog.engine(tenant, library)
        items = [{"name": u.name, "suffix": u.suffix, "title": u.title} for u in uploads]
        job = Job(id=uuid.uuid4().hex, library=library, status="queued", num_sources=len(uploads))
        return self._begin(job, {"tenant": tenant, "items": items}, [upload.content for upload in uploads])

    def build(self, tenant: str, library: str, names: Sequence[str]) -> Job:
        """Begin to make patches of documents, by default of all; the returned job is durable.

        Raises:
            Problem: 409, this service makes no patches; 404, a name that fits no document.
        """
        engine = self._catalog.filled(tenant, library)
        open_trainable_patches(engine)
        ids = {name: document.doc_id for document in engine.documents() for name in (document.source, document.doc_id)}
        for name in names:
            if name not in ids:
                raise Problem(404, "document_not_found", f"there is no document {name[:80]!r} in {library!r}")
        doc_ids = list(dict.fromkeys(ids[name] for name in names or ids))
        job = Job(id=uuid.uuid4().hex, library=library, kind="patches", status="queued", num_sources=len(doc_ids))
        return self._begin(job, {"tenant": tenant, "doc_ids": doc_ids})

    def _begin(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> Job:
        files = {f"{number:04}": content for number, content in enumerate(contents)}
        files |= {"items.json": json.dumps(about).encode(), "job.json": job.model_dump_json().encode()}
        write_folder_atomically(self._folder / job.id, files, prefix=".new-")
        self._workers[job.kind].submit(self._work, job.id)
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
        open_jobs = [job for path in jobs if path.is_dir() and (job := _job(path)).status in ("queued", "running")]
        for job in open_jobs:
            self._workers[job.kind].submit(self._work, job.id)
        return len(open_jobs)

    def close(self) -> None:
        """Stop at the next document; what is not finished is taken up at the next start."""
        self._is_stopping.set()
        for workers in self._workers.values():
            workers.shutdown(wait=True, cancel_futures=True)

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
            engine = self._catalog.engine(about["tenant"], job.library)
            progress = _JobProgress(folder, job, self._is_stopping)
            if job.kind == "patches":
                done = _built(_build(engine, about["doc_ids"], progress))
            else:
                sources = [_source(folder, number, item) for number, item in enumerate(about["items"])]
                done = _added(engine.add(sources, progress))
            ended = progress.job.model_copy(update={**done, "num_done": progress.job.num_sources})
        except UnavailableError:
            return  # stopping: the job stays as it is, for the next start
        except (ConcordError, Problem) as error:
            ended = job.model_copy(update={"status": "failed", "error": str(error)})
        except Exception:
            logger.exception("job %s", job.id)
            ended = job.model_copy(update={"status": "failed", "error": "the service failed; its log has the reason"})
        write_atomically(folder / "job.json", ended.model_dump_json().encode())
        for number in range(len(about.get("items", ()))):
            (folder / f"{number:04}").unlink(missing_ok=True)
        self._on_end(ended)


class _JobProgress(Progress):
    """Writes how far the job is, and ends it when the service is to stop."""

    def __init__(self, folder: Path, job: Job, is_stopping: Event) -> None:
        self._folder, self._is_stopping = folder, is_stopping
        self.job = job.model_copy(update={"num_done": 0})

    def start(self, num_sources: int) -> None:
        self._update(num_sources=num_sources)

    def advance(self, source: str) -> None:
        self._update(num_done=self.job.num_done + 1)
        if self._is_stopping.is_set():
            raise UnavailableError("the service is stopping; the job goes on at its next start")

    def _update(self, **numbers: int) -> None:
        self.job = self.job.model_copy(update={"status": "running", **numbers})
        write_atomically(self._folder / "job.json", self.job.model_dump_json().encode())


def _build(engine: Engine, doc_ids: Sequence[str], progress: Progress) -> BuildReport:
    """Make the patches of those documents that are still there."""
    there = {document.doc_id for document in engine.documents()}
    chosen = [doc_id for doc_id in doc_ids if doc_id in there]
    if not chosen:
        return BuildReport()
    patches = open_trainable_patches(engine)
    together = _CPU_GROUP if patches.trainable.model.device.type == "cpu" else None
    return patches.build(chosen, jobs=together, progress=progress)


def _added(report: AddReport) -> dict[str, Any]:
    """The fields of a job that added documents."""
    fields = {key: value for key, value in asdict(report).items() if key in JobReport.model_fields}
    is_any = bool(report.added or report.replaced or report.unchanged)
    failed = [f"{one.source}: {one.reason}" for one in report.failed]
    return {**_end(failed, is_any=is_any), "report": JobReport.model_validate(fields)}


def _built(report: BuildReport) -> dict[str, Any]:
    """The fields of a job that made patches."""
    failed = [f"{one.doc_id}: {one.reason}" for one in report.failed] + [report.warning] * bool(report.warning)
    return {**_end(failed, is_any=bool(report.built or report.skipped)), "patch_report": report}


def _end(failed: Sequence[str], *, is_any: bool) -> dict[str, Any]:
    """A job of which nothing succeeded has failed; one that did a part of it is done, and its report says what not."""
    if failed and not is_any:
        return {"status": "failed", "error": "; ".join(failed)[:2000]}
    return {"status": "done"}


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
