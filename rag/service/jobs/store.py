"""The contract of the queue of jobs: what is acknowledged survives a kill, and one process at a time works on a job."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag.service.jobs.attempts import Attempts
from rag.service.problems import Problem
from rag.service.schemas import Job

# Ended jobs that are kept; older ones are forgotten.
MAX_JOBS = 1000
OPEN = ("queued", "running")
_RETRY_S = "30"


@dataclass(frozen=True)
class Upload:
    """One document as it came in."""

    name: str
    suffix: str
    content: bytes
    title: str = ""
    location: str = ""
    is_text: bool = False  # a text without a file has no lines that could be named


@dataclass(frozen=True)
class Following:
    """How uploads follow the folders of a client.

    Attributes:
        folders: folders, as in the names of the uploads, of which all files are there.
        sync: remove documents of these folders that are not among the uploads.
    """

    folders: tuple[str, ...] = ()
    sync: bool = False


FOLLOWS_NOTHING = Following()


class HeldJob(ABC):
    """A job while this process works on it: no other process does.

    Attributes:
        job: the job as it was when it was taken.
        about: whose it is (``tenant``), and its work: ``items`` of an upload, ``doc_ids`` to patch, options.
        attempts: how often it has ended its process.

    Raises (every method that writes):
        UnavailableError: another process has taken the job over, or its record is out of reach; nothing is changed.
    """

    job: Job
    about: dict[str, Any]
    attempts: Attempts

    @abstractmethod
    def write(self, job: Job) -> None:
        """Replace the record of the job."""

    @abstractmethod
    def is_cancelled(self) -> bool:
        """Whether somebody wants it to end."""

    @abstractmethod
    def read_upload(self, number: int) -> bytes:
        """The content of an upload.

        Raises:
            SourceError: it cannot be read.
        """

    @abstractmethod
    def end(self, job: Job) -> None:
        """Write how the job ended, and remove its uploads."""

    @abstractmethod
    def release(self, after_s: float = 0.0) -> None:
        """Let go of it. One that has not ended may be taken again after so many seconds."""


class JobQueue(ABC):
    """The jobs of a service.

    Attributes:
        is_building_elsewhere: patches are built by ``concord worker``, not by the processes that take requests.
    """

    is_building_elsewhere = False

    @abstractmethod
    def add(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> None:
        """Keep a job with its uploads; it is durable on return.

        Raises:
            Problem: 503, too many jobs wait.
        """

    @abstractmethod
    def check_room(self, kind: str) -> None:
        """Return if another job of this kind may wait.

        Raises:
            Problem: 503, too many do.
        """

    @abstractmethod
    def find(self, tenant: str, job_id: str) -> Job | None:
        """The job as it stands; ``None`` if the tenant has no such job."""

    @abstractmethod
    def newest(self, tenant: str, max_jobs: int) -> list[Job]:
        """The tenant's newest jobs, newest first."""

    @abstractmethod
    def ask_to_cancel(self, job_id: str) -> None:
        """Have whoever works on a job end it."""

    @abstractmethod
    def hold(self, job_id: str) -> HeldJob | None:
        """Work on this job; ``None`` if it has ended, or somebody else does."""

    @abstractmethod
    def take(self, kind: str) -> HeldJob | None:
        """The job of this kind whose turn it is, as soon as there is one; ``None`` when the queue is closed."""

    @abstractmethod
    def resume(self) -> list[str]:
        """Take up jobs that nobody works on any more, and forget old ones.

        Returns:
            The kind of each job that is new to this process.
        """

    @abstractmethod
    def close(self) -> None:
        """Send home those who wait in :meth:`take`."""


def is_open(job: Job) -> bool:
    """Whether there is work left to do."""
    return job.status in OPEN


def queue_full(num_waiting: int) -> Problem:
    """The refusal of one more job."""
    message = f"{num_waiting} jobs are waiting; try again in {_RETRY_S} s"
    return Problem(503, "queue_full", message, headers={"Retry-After": _RETRY_S})
