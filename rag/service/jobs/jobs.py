"""The queue of jobs and its workers: uploaded documents on their way into a library, and patches of documents.

A process takes over jobs whose process is gone (:mod:`rag.service.jobs.store`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from rag.core.errors import ConcordError, UnavailableError
from rag.service.catalog.base import LibraryCatalog
from rag.service.jobs.attempts import Attempts
from rag.service.jobs.patches import open_trainable_patches
from rag.service.jobs.queue import FairQueue, Ticket
from rag.service.jobs.store import (
    FOLLOWS_NOTHING,
    Following,
    JobStore,
    Upload,
    ask_to_cancel,
    drop_uploads,
    is_cancelled,
    is_open,
    read_items,
    read_job,
    write_job,
)
from rag.service.jobs.work import (
    JobCancelledError,
    JobKilledError,
    JobProgress,
    add_uploads,
    added_fields,
    build_patches,
    built_fields,
)
from rag.service.problems import Problem
from rag.service.schemas import Job
from rag.service.survey.schemas import SurveyKind
from rag.service.survey.work import survey

logger = logging.getLogger("rag.service")
# Training uses every core by itself, so more builds at once would only share them.
_NUM_BUILDERS = 1
# Looking through a library is slow and can wait; it must not stand in the way of uploads.
_NUM_SURVEYORS = 1
_POLL_S = 0.05
_MAX_LISTED = 100
_MAX_NAMED = 3


class Jobs:
    """The jobs of a root.

    Args:
        catalog: the libraries.
        on_end: told of each job that ends.
        num_workers: uploads that are worked on at once. Builds of patches have a worker of their own: a document does
            not wait until all patches are trained.
        max_waiting: jobs of each kind that may wait.
    """

    def __init__(
        self,
        catalog: LibraryCatalog,
        on_end: Callable[[Job], None] = lambda job: None,
        *,
        num_workers: int = 2,
        max_waiting: int = 1000,
    ) -> None:
        self._catalog = catalog
        self._store = JobStore(catalog.root)
        self._on_end = on_end
        self._num_workers = {
            "documents": num_workers,
            "patches": _NUM_BUILDERS,
            "conflicts": _NUM_SURVEYORS,
            "audit": _NUM_SURVEYORS,
        }
        self._queues = {kind: FairQueue(number, max_waiting) for kind, number in self._num_workers.items()}
        self._threads: dict[str, list[Thread]] = {}
        self._starting = Lock()
        self._is_stopping = Event()

    def add(self, tenant: str, library: str, uploads: Sequence[Upload], following: Following = FOLLOWS_NOTHING) -> Job:
        """Write the uploads to disk, then begin; the returned job is durable.

        Raises:
            Problem: 404, no such library; 503, too many jobs wait.
        """
        self._catalog.engine(tenant, library)
        items = [{key: value for key, value in asdict(one).items() if key != "content"} for one in uploads]
        job = Job(id=uuid.uuid4().hex, library=library, status="queued", num_sources=len(uploads))
        about = {"tenant": tenant, "items": items, "following": asdict(following)}
        return self._begin(job, about, [upload.content for upload in uploads])

    def build(self, tenant: str, library: str, names: Sequence[str]) -> Job:
        """Begin to build patches of documents, by default of all; the returned job is durable.

        Raises:
            Problem: 409, this service builds no patches; 404, a name that fits no document; 503, too many jobs wait.
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

    def survey(
        self, tenant: str, library: str, kind: SurveyKind, options: Mapping[str, Any] = MappingProxyType({})
    ) -> Job:
        """Begin to look through a library; the job that does so already, if there is one.

        Raises:
            Problem: 404, no such library; 409, it is empty; 503, too many jobs wait.
        """
        self._catalog.filled(tenant, library)
        for known in self.newest(tenant):
            if (known.kind, known.library) == (kind, library) and is_open(known):
                return known
        job = Job(id=uuid.uuid4().hex, library=library, kind=kind, status="queued", num_sources=0)
        return self._begin(job, {"tenant": tenant, **options})

    def find(self, tenant: str, job_id: str) -> Job:
        """The job as it stands.

        Raises:
            Problem: 404, the tenant has no such job.
        """
        job = self._store.find(tenant, job_id)
        if job is None:
            raise Problem(404, "job_not_found", f"there is no job {job_id[:40]!r}")
        return job

    def wait(self, tenant: str, job_id: str, timeout_s: float) -> Job:
        """The job when it has ended; as it stands after this time otherwise."""
        end = time.monotonic() + timeout_s
        while is_open(job := self.find(tenant, job_id)) and time.monotonic() < end:
            time.sleep(_POLL_S)
        return job

    def newest(self, tenant: str) -> list[Job]:
        """The tenant's newest jobs, newest first."""
        return self._store.jobs(tenant, _MAX_LISTED)

    def cancel(self, tenant: str, job_id: str) -> Job:
        """End a job: at once if it waits, at its next document if it runs.

        Raises:
            Problem: 404, the tenant has no such job; 409, it has ended.
        """
        if not is_open(self.find(tenant, job_id)):
            raise Problem(409, "job_ended", "this job has ended; there is nothing to cancel")
        ask_to_cancel(self._store.folder(job_id))
        self._work(job_id)  # ends it here if nobody works on it
        return self.find(tenant, job_id)

    def resume(self) -> int:
        """Take up the jobs that have not ended, of this process or another; how many are new to this one."""
        tickets = [(job.kind, Ticket(job.id, tenant, job.library)) for tenant, job in self._store.sweep()]
        return sum(self._put(kind, ticket) for kind, ticket in tickets)

    def close(self) -> None:
        """Stop at the next document; the next start takes up what is not finished."""
        self._is_stopping.set()
        for queue in self._queues.values():
            queue.close()
        for thread in [thread for threads in self._threads.values() for thread in threads]:
            thread.join()

    def _begin(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> Job:
        self._queues[job.kind].check_room()
        self._store.create(job, about, contents)
        self._put(job.kind, Ticket(job.id, about["tenant"], job.library))
        return job

    def _put(self, kind: str, ticket: Ticket) -> bool:
        """Let a job wait, and see to it that there are workers."""
        with self._starting:
            if kind not in self._threads and not self._is_stopping.is_set():
                names = [f"{kind}-{number}" for number in range(self._num_workers[kind])]
                self._threads[kind] = [Thread(target=self._loop, args=(kind,), name=name) for name in names]
                for thread in self._threads[kind]:
                    thread.start()
        return self._queues[kind].put(ticket)

    def _loop(self, kind: str) -> None:
        queue = self._queues[kind]
        while (ticket := queue.take()) is not None:
            try:
                self._work(ticket.job_id)
            finally:
                queue.done(ticket)

    def _work(self, job_id: str) -> None:
        folder = self._store.folder(job_id)
        try:
            with FileLock(folder / ".lock", timeout=0, mode=0o600):
                job = read_job(folder)
                if is_open(job) and not self._is_stopping.is_set():
                    self._run(folder, job)
        except Timeout:
            return  # somebody else works on it
        except Exception:  # a worker must outlive whatever its job does
            logger.exception("job %s", job_id)

    def _run(self, folder: Path, job: Job) -> None:
        about, attempts = read_items(folder), Attempts.read(folder)
        attempts.begin(job.num_done)
        try:
            ended = self._attempt(folder, job, about, attempts)
        except UnavailableError:
            attempts.end()
            return  # stopping: the job stays as it is, for the next start
        except JobCancelledError as error:
            ended = job.model_copy(update={"status": "cancelled", "error": str(error)})
        except (ConcordError, Problem) as error:
            ended = job.model_copy(update={"status": "failed", "error": str(error)})
        except Exception:  # parsers and models are foreign code; the next job must have its turn
            logger.exception("job %s", job.id)
            ended = job.model_copy(update={"status": "failed", "error": "the service failed; its log has the reason"})
        write_job(folder, ended)
        attempts.end()
        drop_uploads(folder, len(about.get("items", ())))
        self._on_end(ended)

    def _attempt(self, folder: Path, job: Job, about: dict[str, Any], attempts: Attempts) -> Job:
        """The job, done."""
        if is_cancelled(folder):
            raise JobCancelledError("it was cancelled before it began")
        if attempts.is_dead():
            raise JobKilledError(
                f"{_names(about) or job.library}: it ended the service twice; send it in parts, or leave it out"
            )
        engine = self._catalog.engine(about["tenant"], job.library)
        progress = JobProgress(folder, job, attempts, self._is_stopping)
        if job.kind == "patches":
            fields = built_fields(build_patches(engine, about["doc_ids"], progress))
        elif job.kind in ("conflicts", "audit"):
            survey(engine, job.kind, about, self._catalog.root, progress.reach)
            fields = {"status": "done"}
        else:
            fields = added_fields(add_uploads(engine, folder, about, attempts, progress, self._catalog.root))
        return progress.job.model_copy(update={**fields, "num_done": progress.job.num_sources})


def _names(about: dict[str, Any]) -> str:
    names = [item["name"] for item in about.get("items", ())] or about.get("doc_ids", [])
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
