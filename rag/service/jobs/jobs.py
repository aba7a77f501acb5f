"""The jobs of a service: what requests ask of them, and the threads that work on them.

The queue is in the service's folder, or in PostgreSQL (:mod:`rag.service.jobs.store`). A process takes over jobs whose
process is gone.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import Any

from rag.service.catalog.base import LibraryCatalog
from rag.service.jobs.patches import build_options, open_trainable_patches
from rag.service.jobs.run import run_job
from rag.service.jobs.store import FOLLOWS_NOTHING, Following, HeldJob, JobQueue, Upload, is_open
from rag.service.jobs.work import JobProgress, add_uploads, added_fields, build_patches, built_fields
from rag.service.problems import Problem
from rag.service.schemas import Job
from rag.service.survey.schemas import SurveyKind
from rag.service.survey.work import survey

_POLL_S = 0.05
_MAX_LISTED = 100


def count_workers(num_uploads: int, *, has_builder: bool) -> dict[str, int]:
    """How many jobs of each kind a process works on at once.

    Builds of patches have a worker of their own: a document does not wait until all patches are trained. Training uses
    every core by itself, so more builds at once would only share them. Looking through a library is slow and can wait;
    it must not stand in the way of uploads.
    """
    return {"documents": num_uploads, "conflicts": 1, "audit": 1} | ({"patches": 1} if has_builder else {})


class Jobs:
    """The jobs of one service.

    Args:
        catalog: the libraries.
        queue: the jobs.
        num_workers: by kind, how many this process works on at once.
        on_end: told of each job that ends here.
    """

    def __init__(
        self,
        catalog: LibraryCatalog,
        queue: JobQueue,
        num_workers: Mapping[str, int],
        on_end: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self._catalog = catalog
        self.queue = queue
        self._num_workers = num_workers
        self._on_end = on_end
        self._threads: dict[str, list[Thread]] = {}
        self._starting = Lock()
        self._is_stopping = Event()

    def add(self, tenant: str, library: str, uploads: Sequence[Upload], following: Following = FOLLOWS_NOTHING) -> Job:
        """Keep the uploads, then begin; the returned job is durable.

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
        if not self.queue.is_building_elsewhere:
            open_trainable_patches(engine)
        ids = {name: document.doc_id for document in engine.documents() for name in (document.source, document.doc_id)}
        for name in names:
            if name not in ids:
                raise Problem(404, "document_not_found", f"there is no document {name[:80]!r} in {library!r}")
        doc_ids = list(dict.fromkeys(ids[name] for name in names or ids))
        job = Job(id=uuid.uuid4().hex, library=library, kind="patches", status="queued", num_sources=len(doc_ids))
        return self._begin(job, {"tenant": tenant, "doc_ids": doc_ids, **build_options(engine)})

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
        job = self.queue.find(tenant, job_id)
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
        return self.queue.newest(tenant, _MAX_LISTED)

    def cancel(self, tenant: str, job_id: str) -> Job:
        """End a job: at once if it waits, at its next document if it runs.

        Raises:
            Problem: 404, the tenant has no such job; 409, it has ended.
        """
        if not is_open(self.find(tenant, job_id)):
            raise Problem(409, "job_ended", "this job has ended; there is nothing to cancel")
        self.queue.ask_to_cancel(job_id)
        held = self.queue.hold(job_id)
        if held is not None:  # nobody works on it: it ends here
            self._work(held)
        return self.find(tenant, job_id)

    def resume(self) -> int:
        """Take up the jobs that nobody works on, of this process or another; how many are new to this one."""
        kinds = self.queue.resume()
        for kind in set(kinds):
            self._start(kind)
        return len(kinds)

    def close(self) -> None:
        """Stop at the next document; the next start takes up what is not finished."""
        self._is_stopping.set()
        self.queue.close()
        for thread in [thread for threads in self._threads.values() for thread in threads]:
            thread.join()

    def _begin(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> Job:
        self.queue.add(job, about, contents)
        self._start(job.kind)
        return self.queue.find(about["tenant"], job.id) or job

    def _start(self, kind: str) -> None:
        """See to it that this process works on jobs of this kind, if it ever does."""
        with self._starting:
            if kind not in self._threads and not self._is_stopping.is_set():
                names = [f"{kind}-{number}" for number in range(self._num_workers.get(kind, 0))]
                self._threads[kind] = [Thread(target=self._loop, args=(kind,), name=name) for name in names]
                for thread in self._threads[kind]:
                    thread.start()

    def _loop(self, kind: str) -> None:
        while (held := self.queue.take(kind)) is not None:
            self._work(held)

    def _work(self, held: HeldJob) -> None:
        if self._is_stopping.is_set():
            held.release()
            return
        ended = run_job(held, self._do, self._is_stopping)
        if ended is not None:
            self._on_end(ended)

    def _do(self, held: HeldJob, progress: JobProgress) -> dict[str, Any]:
        engine = self._catalog.engine(held.about["tenant"], held.job.library)
        if held.job.kind == "patches":
            patches = open_trainable_patches(engine)
            return built_fields(build_patches(engine, patches, held.about["doc_ids"], progress))
        if held.job.kind in ("conflicts", "audit"):
            survey(engine, held.job.kind, held.about, progress.reach)
            return {"status": "done"}
        return added_fields(add_uploads(engine, held, progress))
