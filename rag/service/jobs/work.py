"""What a job does, how it reports progress, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING, Any

from rag.core.errors import ConcordError, UnavailableError
from rag.core.process.progress import Progress
from rag.core.reports import AddReport
from rag.engine import Engine
from rag.ingest.source import doc_id_from_source
from rag.patches.base import BuildReport
from rag.service.jobs.attempts import WHOLE
from rag.service.jobs.patches import forget_patches
from rag.service.jobs.store import HeldJob
from rag.service.jobs.uploads import upload_sources
from rag.service.schemas import JobReport
from rag.service.survey.reports import Reports

if TYPE_CHECKING:
    from rag.patches.patchset import PatchSet

# Documents that train together on a CPU, where more are no faster: a stop waits for them, a kill loses them.
_CPU_GROUP = 4


class JobCancelledError(ConcordError):
    """Somebody wants the job to end."""


class JobKilledError(ConcordError):
    """The job has ended its process too often to be tried again."""


class JobProgress(Progress):
    """Writes how far the job is, and ends it when the service is to stop or somebody wants it to end."""

    def __init__(self, held: HeldJob, is_stopping: Event) -> None:
        self._held, self._is_stopping = held, is_stopping
        self.job = held.job.model_copy(update={"num_done": 0})

    def start(self, num_sources: int) -> None:
        self._update(num_sources=num_sources)

    def advance(self, source: str) -> None:
        self.reach(self.job.num_done + 1, self.job.num_sources)

    def reach(self, num_done: int, num_sources: int) -> None:
        """So many of so many are done."""
        self._update(num_done=num_done, num_sources=num_sources)
        self._held.attempts.look_at(WHOLE)
        if self._held.is_cancelled():
            raise JobCancelledError("it was cancelled; nothing of it was added")
        if self._is_stopping.is_set():
            raise UnavailableError("the service is stopping; the job continues at its next start")

    def _update(self, **numbers: int) -> None:
        self.job = self.job.model_copy(update={"status": "running", **numbers})
        self._held.write(self.job)


def add_uploads(engine: Engine, held: HeldJob, progress: Progress) -> AddReport:
    """Add the uploads of a job; what is removed for them takes its patches, and what is quoted from it, along."""
    following = held.about.get("following", {})
    report = engine.add(
        upload_sources(held), progress, sync=following.get("sync", False), folders=following.get("folders", ())
    )
    for source in (*report.removed, *(pair.former for pair in report.moved)):
        forget_patches(engine, doc_id_from_source(source))
        Reports(engine).forget(doc_id_from_source(source))
    return report


def build_patches(engine: Engine, patches: PatchSet, doc_ids: Sequence[str], progress: Progress) -> BuildReport:
    """Build the patches of those documents that the library still has."""
    doc_ids_now = {document.doc_id for document in engine.documents()}
    chosen = [doc_id for doc_id in doc_ids if doc_id in doc_ids_now]
    if not chosen:
        return BuildReport()
    together = _CPU_GROUP if patches.trainable.model.device.type == "cpu" else None
    return patches.build(chosen, jobs=together, progress=progress)


def added_fields(report: AddReport) -> dict[str, Any]:
    """The fields of a job that added documents."""
    fields = {key: value for key, value in asdict(report).items() if key in JobReport.model_fields}
    is_any = report.num_read > 0
    failed = [f"{one.source}: {one.reason}" for one in report.failed]
    return {**_end(failed, is_any=is_any), "report": JobReport.model_validate(fields)}


def built_fields(report: BuildReport) -> dict[str, Any]:
    """The fields of a job that built patches."""
    failed = [f"{one.doc_id}: {one.reason}" for one in report.failed] + [report.warning] * bool(report.warning)
    return {**_end(failed, is_any=bool(report.built or report.skipped)), "patch_report": report}


def _end(failed: Sequence[str], *, is_any: bool) -> dict[str, Any]:
    """A job has failed if nothing of it succeeded. One that did a part is done, and its report lists the rest."""
    if failed and not is_any:
        return {"status": "failed", "error": "; ".join(failed)[:2000]}
    return {"status": "done"}
