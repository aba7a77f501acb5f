"""Jobs on disk: any process on the same root may answer for a job, and takes over one whose process is gone.

root/.jobs/<job id>/job.json     who, where, what, how far; replaced atomically
                    /items.json  whose it is, and what it is to work on
                    /0000 ...    the uploaded bytes, in order; gone when the job is done
                    /attempts.json  what it was at, and how often that ended its process
                    /cancel      somebody wants it to end
                    /.lock       held by the process that works on it; free again when that is killed
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag.core.process.files import write_folder_atomically
from rag.service.jobs.folder_job import FolderJob, read_job, read_tenant
from rag.service.jobs.queue import FairQueue, Ticket
from rag.service.jobs.store import MAX_JOBS, HeldJob, JobQueue, is_open
from rag.service.schemas import Job

# An upload that has been on its way to disk for so long was cut off by a kill; it was never acknowledged.
_LEFTOVER_S = 3600


class FolderQueue(JobQueue):
    """The jobs below one folder.

    Args:
        root: the service's folder.
        num_workers: by kind, how many jobs are worked on at once.
        max_waiting: jobs of each kind that may wait.
    """

    def __init__(self, root: Path, num_workers: Mapping[str, int], max_waiting: int) -> None:
        self._root = root / ".jobs"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lines = {kind: FairQueue(number, max_waiting) for kind, number in num_workers.items()}

    def num_waiting(self, kind: str) -> int:
        """Jobs of this kind that wait in this process."""
        return len(self._lines[kind])

    def check_room(self, kind: str) -> None:
        """See :meth:`JobQueue.check_room`."""
        self._lines[kind].check_room()

    def add(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> None:
        """See :meth:`JobQueue.add`."""
        self.check_room(job.kind)
        files = {f"{number:04}": content for number, content in enumerate(contents)}
        files |= {"items.json": json.dumps(about).encode(), "job.json": job.model_dump_json().encode()}
        write_folder_atomically(self._root / job.id, files, prefix=".new-")
        self._lines[job.kind].put(Ticket(job.id, about["tenant"], job.library))

    def find(self, tenant: str, job_id: str) -> Job | None:
        """See :meth:`JobQueue.find`."""
        folder = self._root / job_id
        if not re.fullmatch(r"[0-9a-f]{32}", job_id) or not folder.is_dir() or read_tenant(folder) != tenant:
            return None
        return read_job(folder)

    def newest(self, tenant: str, max_jobs: int) -> list[Job]:
        """See :meth:`JobQueue.newest`."""
        folders = reversed(self._folders())
        mine = (folder for folder in folders if read_tenant(folder) == tenant)
        return [read_job(folder) for folder in islice(mine, max_jobs)]

    def ask_to_cancel(self, job_id: str) -> None:
        """See :meth:`JobQueue.ask_to_cancel`."""
        (self._root / job_id / "cancel").touch(mode=0o600)

    def hold(self, job_id: str) -> HeldJob | None:
        """See :meth:`JobQueue.hold`."""
        return self._hold(job_id, lambda: None)

    def take(self, kind: str) -> HeldJob | None:
        """See :meth:`JobQueue.take`."""
        line = self._lines[kind]
        while (ticket := line.take()) is not None:

            def done(ticket: Ticket = ticket) -> None:
                line.done(ticket)

            held = self._hold(ticket.job_id, done)
            if held is not None:
                return held
            done()
        return None

    def resume(self) -> list[str]:
        """See :meth:`JobQueue.resume`."""
        new: list[str] = []
        for tenant, job in self._sweep():
            if job.kind in self._lines and self._lines[job.kind].put(Ticket(job.id, tenant, job.library)):
                new.append(job.kind)
        return new

    def close(self) -> None:
        """See :meth:`JobQueue.close`."""
        for line in self._lines.values():
            line.close()

    def hand_over(self, other: JobQueue) -> int:
        """Move the jobs that nobody works on to another queue; how many there were."""
        num_moved = 0
        for _, job in self._sweep():
            held = self._hold(job.id, lambda: None)
            if held is None:
                continue
            try:
                contents = [held.read_upload(number) for number in range(len(held.about.get("items", ())))]
                other.add(held.job, held.about, contents)
                shutil.rmtree(self._root / job.id, ignore_errors=True)
                num_moved += 1
            finally:
                held.release()
        return num_moved

    def _hold(self, job_id: str, on_release: Callable[[], None]) -> HeldJob | None:
        folder = self._root / job_id
        lock = FileLock(folder / ".lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except (Timeout, OSError):
            return None  # somebody else works on it, or it is gone
        with suppress(OSError, ValueError):  # a damaged record is nobody's work
            job = read_job(folder)
            if is_open(job):
                return FolderJob(folder, job, lock, on_release)
        lock.release()
        return None

    def _sweep(self) -> list[tuple[str, Job]]:
        """Remove cut-off uploads and all but the newest ended jobs.

        Returns:
            The jobs that have not ended, each with its tenant, oldest first.
        """
        for leftover in self._root.glob(".new-*"):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_S:
                shutil.rmtree(leftover, ignore_errors=True)
        folders = self._folders()
        for folder in folders[:-MAX_JOBS]:
            if not is_open(read_job(folder)):
                shutil.rmtree(folder, ignore_errors=True)
        jobs = [(read_tenant(folder), read_job(folder)) for folder in folders if folder.is_dir()]
        return [(tenant, job) for tenant, job in jobs if tenant is not None and is_open(job)]

    def _folders(self) -> list[Path]:
        """The folders of all jobs, oldest first."""
        return sorted((path for path in self._root.iterdir() if (path / "job.json").is_file()), key=_age)


def _age(folder: Path) -> float:
    try:
        return (folder / "items.json").stat().st_mtime
    except OSError:
        return 0.0
