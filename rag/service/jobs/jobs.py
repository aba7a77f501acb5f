"""The queue of jobs and its workers: uploaded documents on their way into a library, and patches of documents.

A process takes over jobs whose process is gone (:mod:`rag.service.jobs.store`).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from filelock import FileLock, Timeout

from rag.core.errors import ConcordError, UnavailableError
from rag.service.catalog.base import LibraryCatalog
from rag.service.jobs.patches import open_trainable_patches
from rag.service.jobs.store import (
    FOLLOWS_NOTHING,
    Following,
    JobStore,
    Upload,
    drop_uploads,
    is_open,
    read_items,
    read_job,
    write_job,
)
from rag.service.jobs.work import JobProgress, add_uploads, added_fields, build_patches, built_fields
from rag.service.problems import Problem
from rag.service.schemas import Job

logger = logging.getLogger("rag.service")
KINDS = ("documents", "patches")
# Jobs of each kind at once: embedding and training use every core by themselves, so more would only share them. A
# document does not wait until all patches are trained.
_NUM_WORKERS = 1


class Jobs:
    """The jobs of a root."""

    def __init__(self, catalog: LibraryCatalog, on_end: Callable[[Job], None] = lambda job: None) -> None:
        self._catalog = catalog
        self._store = JobStore(catalog.root)
        self._on_end = on_end
        self._workers = {kind: ThreadPoolExecutor(_NUM_WORKERS, thread_name_prefix=kind) for kind in KINDS}
        self._is_stopping = Event()

    def add(self, tenant: str, library: str, uploads: Sequence[Upload], following: Following = FOLLOWS_NOTHING) -> Job:
        """Write the uploads to disk, then begin; the returned job is durable."""
        self._catalog.engine(tenant, library)
        items = [{"name": u.name, "suffix": u.suffix, "title": u.title, "location": u.location} for u in uploads]
        job = Job(id=uuid.uuid4().hex, library=library, status="queued", num_sources=len(uploads))
        about = {"tenant": tenant, "items": items, "following": asdict(following)}
        return self._begin(job, about, [upload.content for upload in uploads])

    def build(self, tenant: str, library: str, names: Sequence[str]) -> Job:
        """Begin to build patches of documents, by default of all; the returned job is durable.

        Raises:
            Problem: 409, this service builds no patches; 404, a name that fits no document.
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
        self._store.create(job, about, contents)
        self._workers[job.kind].submit(self._work, job.id)
        return job

    def find(self, tenant: str, job_id: str) -> Job:
        """The job as it stands.

        Raises:
            Problem: 404, the tenant has no such job.
        """
        job = self._store.find(tenant, job_id)
        if job is None:
            raise Problem(404, "job_not_found", f"there is no job {job_id[:40]!r}")
        return job

    def resume(self) -> int:
        """Take up the jobs that have not ended, of this process or another; how many there are."""
        jobs = self._store.sweep()
        for job in jobs:
            self._workers[job.kind].submit(self._work, job.id)
        return len(jobs)

    def close(self) -> None:
        """Stop at the next document; the next start takes up what is not finished."""
        self._is_stopping.set()
        for workers in self._workers.values():
            workers.shutdown(wait=True, cancel_futures=True)

    def _work(self, job_id: str) -> None:
        folder = self._store.folder(job_id)
        try:
            with FileLock(folder / ".lock", timeout=0):
                job = read_job(folder)
                if is_open(job) and not self._is_stopping.is_set():
                    self._run(folder, job)
        except Timeout:
            return  # another process works on it
        except Exception:
            logger.exception("job %s", job_id)

    def _run(self, folder: Path, job: Job) -> None:
        about = read_items(folder)
        try:
            engine = self._catalog.engine(about["tenant"], job.library)
            progress = JobProgress(folder, job, self._is_stopping)
            if job.kind == "patches":
                fields = built_fields(build_patches(engine, about["doc_ids"], progress))
            else:
                fields = added_fields(add_uploads(engine, folder, about, progress))
            ended = progress.job.model_copy(update={**fields, "num_done": progress.job.num_sources})
        except UnavailableError:
            return  # stopping: the job stays as it is, for the next start
        except (ConcordError, Problem) as error:
            ended = job.model_copy(update={"status": "failed", "error": str(error)})
        except Exception:
            logger.exception("job %s", job.id)
            ended = job.model_copy(update={"status": "failed", "error": "the service failed; its log has the reason"})
        write_job(folder, ended)
        drop_uploads(folder, len(about.get("items", ())))
        self._on_end(ended)
