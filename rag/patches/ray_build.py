"""A build on several Ray workers, for a whole library. Each has a model of its own, and all write to one store."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.core.errors import ConcordError, SettingError
from rag.core.process.progress import Progress
from rag.core.process.ray_workers import WorkerNeeds, ray_workers
from rag.core.process.threads import configure_threads
from rag.patches.base import BuildReport

# A worker gets so many documents at a time: enough to train together, and the last worker is not waited for long.
_MAX_PART = 16
_PARTS_PER_WORKER = 4

Part = Mapping[str, str]


@dataclass(frozen=True)
class WorkerPlan:
    """How a build is spread.

    Attributes:
        workers: processes.
        jobs: most documents that train together in each; ``None``: as many as memory takes.
        gpus: of each process.
    """

    workers: int
    jobs: int | None = None
    gpus: float = 0.0


class PartBuilder(Protocol):
    """Builds parts of a library (:class:`rag.patches.patchset.PatchSet`)."""

    @property
    def base(self) -> str:
        """Fingerprint of the model."""
        ...

    def build_part(
        self, hashes: Mapping[str, str], *, jobs: int | None = None, companions: Collection[str] = ()
    ) -> BuildReport:
        """The patches of some documents, by their content hash; those of ``companions`` stay."""
        ...


class BuildWorker:
    """Builds parts of a library in its own process."""

    def __init__(self, open_builder: Callable[[], PartBuilder], jobs: int | None, companions: Sequence[str]) -> None:
        self._open, self._jobs, self._companions = open_builder, jobs, companions

    def start(self) -> tuple[str, str] | ConcordError:
        """Load the model; the host's name, and the model's fingerprint."""
        configure_threads()
        try:
            self._builder = self._open()
            return socket.gethostname(), self._builder.base
        except ConcordError as error:
            return error

    def build(self, part: Part) -> BuildReport | ConcordError:
        """The patches of some documents, by their content hash."""
        try:
            return self._builder.build_part(part, jobs=self._jobs, companions=self._companions)
        except ConcordError as error:
            return error


def build_on_workers(
    open_builder: Callable[[], PartBuilder], hashes: Mapping[str, str], plan: WorkerPlan, progress: Progress
) -> BuildReport:
    """Build the patches of documents.

    Args:
        open_builder: opens library and model, in the process of a worker; both must be within its reach.
        hashes: content hash by doc_id.
        plan: how many workers.
        progress: told of each document, some at a time.

    Raises:
        SettingError: Ray is not installed or has no room, or the workers have different models.
        ConcordError: a worker failed. What was built is kept.
    """
    progress.start(len(hashes))
    arguments = (open_builder, plan.jobs, tuple(hashes.values()))
    with ray_workers(BuildWorker, arguments, WorkerNeeds(plan.workers, gpus=plan.gpus)) as workers:
        _check_same_model(workers.call_all("start"))
        reports = []
        for report in workers.map("build", _cut(hashes, plan.workers), is_ordered=False):
            reports.append(report)
            for doc_id in _named(report):
                progress.advance(doc_id)
    return _merge(reports)


def _cut(hashes: Mapping[str, str], num_workers: int) -> list[Part]:
    items = list(hashes.items())
    size = min(_MAX_PART, max(1, math.ceil(len(items) / (num_workers * _PARTS_PER_WORKER))))
    return [dict(items[start : start + size]) for start in range(0, len(items), size)]


def _check_same_model(started: Sequence[tuple[str, str]]) -> None:
    if len({base for _, base in started}) > 1:
        found = ", ".join(f"{base} on {host}" for host, base in started)
        raise SettingError(f"the workers have different models ({found}); give all of them the same one")


def _named(report: BuildReport) -> Iterable[str]:
    yield from report.built
    yield from report.skipped
    yield from (item.doc_id for item in report.failed)


def _merge(reports: Sequence[BuildReport]) -> BuildReport:
    left_out = tuple(doc_id for report in reports for doc_id in report.left_out)
    warnings = [report.warning for report in reports if report.warning]
    # Each part counts its own.
    warning = f"{len(left_out)}{warnings[0].removeprefix(warnings[0].split(' ')[0])}" if warnings else ""
    return BuildReport(
        tuple(doc_id for report in reports for doc_id in report.built),
        tuple(doc_id for report in reports for doc_id in report.skipped),
        tuple(item for report in reports for item in report.failed),
        tuple(item for report in reports for item in report.incomplete),
        tuple(doc_id for report in reports for doc_id in report.evicted),
        left_out,
        warning,
    )
