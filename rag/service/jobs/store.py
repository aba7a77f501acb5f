"""Jobs on disk. What is acknowledged is on disk and survives a kill.

    root/.jobs/<job id>/job.json     who, where, what, how far; replaced atomically
                        /items.json  whose it is, and what it is to work on
                        /0000 ...    the uploaded bytes, in order; gone when the job is done
                        /attempts.json  what it was at, and how often that ended its process
                        /cancel      somebody wants it to end
                        /.lock       held by the process that works on it; free again when that is killed

Any process on the same root may answer for a job.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rag.core.errors import SourceError
from rag.core.process.files import write_atomically, write_folder_atomically
from rag.ingest.parts import source_from_parts
from rag.ingest.source import Part, Source
from rag.service.jobs.attempts import Attempts
from rag.service.schemas import Job

_MAX_JOBS = 1000
# An upload that has been on its way to disk for so long was cut off by a kill; it was never acknowledged.
_LEFTOVER_S = 3600
_OPEN = ("queued", "running")


@dataclass(frozen=True)
class Upload:
    """One document as it came in."""

    name: str
    suffix: str
    content: bytes
    title: str = ""
    location: str = ""


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


class JobStore:
    """The jobs below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root / ".jobs"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder(self, job_id: str) -> Path:
        """Where a job is."""
        return self._root / job_id

    def create(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> None:
        """Write a job with its uploads; it is durable on return."""
        files = {f"{number:04}": content for number, content in enumerate(contents)}
        files |= {"items.json": json.dumps(about).encode(), "job.json": job.model_dump_json().encode()}
        write_folder_atomically(self.folder(job.id), files, prefix=".new-")

    def find(self, tenant: str, job_id: str) -> Job | None:
        """The job as it stands; ``None`` if the tenant has no such job."""
        folder = self.folder(job_id)
        if not re.fullmatch(r"[0-9a-f]{32}", job_id) or not folder.is_dir() or read_tenant(folder) != tenant:
            return None
        return read_job(folder)

    def jobs(self, tenant: str, max_jobs: int) -> list[Job]:
        """The tenant's newest jobs, newest first."""
        folders = reversed(self._folders())
        mine = (folder for folder in folders if read_tenant(folder) == tenant)
        return [read_job(folder) for folder in islice(mine, max_jobs)]

    def sweep(self) -> list[tuple[str, Job]]:
        """Remove cut-off uploads and all but the newest ended jobs.

        Returns:
            The jobs that have not ended, each with its tenant, oldest first.
        """
        for leftover in self._root.glob(".new-*"):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_S:
                shutil.rmtree(leftover, ignore_errors=True)
        folders = self._folders()
        for folder in folders[:-_MAX_JOBS]:
            if not is_open(read_job(folder)):
                shutil.rmtree(folder, ignore_errors=True)
        jobs = [(read_tenant(folder), read_job(folder)) for folder in folders if folder.is_dir()]
        return [(tenant, job) for tenant, job in jobs if tenant is not None and is_open(job)]

    def _folders(self) -> list[Path]:
        """The folders of all jobs, oldest first."""
        return sorted((path for path in self._root.iterdir() if (path / "job.json").is_file()), key=_age)


def is_open(job: Job) -> bool:
    """Whether there is work left to do."""
    return job.status in _OPEN


def read_job(folder: Path) -> Job:
    """The job as it stands. One whose record is damaged has failed, and says so."""
    try:
        return Job.model_validate_json((folder / "job.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        error = "the record of this job is damaged; send its documents again"
        return Job(id=folder.name, library="", status="failed", num_sources=0, error=error)


def write_job(folder: Path, job: Job) -> None:
    """Replace the record of a job."""
    write_atomically(folder / "job.json", job.model_dump_json().encode())


def read_items(folder: Path) -> dict[str, Any]:
    """Whose job it is (``tenant``), and its work: ``items`` of an upload, or ``doc_ids`` to patch."""
    about: dict[str, Any] = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    return about


def upload_sources(folder: Path, items: Sequence[dict[str, str]], attempts: Attempts) -> list[Source]:
    """The uploads of a job as sources. Texts of one source are parts of one document."""
    groups: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        groups.setdefault(item["name"], []).append(number)
    return [_one_source(folder, [(number, items[number]) for number in group], attempts) for group in groups.values()]


def _one_source(folder: Path, group: Sequence[tuple[int, dict[str, str]]], attempts: Attempts) -> Source:
    sources = [upload_source(folder, number, item, attempts) for number, item in group]
    places = [item.get("location", "") for _, item in group]
    if len(sources) == 1 and not places[0]:
        return sources[0]
    parts = [Part(source.read().decode(), place) for source, place in zip(sources, places, strict=True)]
    return source_from_parts(sources[0].name, parts, next((s.title for s in sources if s.title), ""))


def read_tenant(folder: Path) -> str | None:
    """Whose job it is; ``None`` if its record is damaged."""
    try:
        return str(read_items(folder)["tenant"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ask_to_cancel(folder: Path) -> None:
    """Have whoever works on a job end it."""
    (folder / "cancel").touch(mode=0o600)


def is_cancelled(folder: Path) -> bool:
    """Whether somebody wants a job to end."""
    return (folder / "cancel").exists()


def upload_source(folder: Path, number: int, item: dict[str, str], attempts: Attempts) -> Source:
    """One upload of a job as a source; one that has ended the process before is not read again."""

    def read() -> bytes:
        if attempts.is_dead(str(number)):
            raise SourceError("it ended the service twice while it was read; leave it out, or save it in another form")
        attempts.look_at(str(number))
        try:
            return (folder / f"{number:04}").read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from error

    return Source(item["name"], read, item["suffix"], item["title"])


def drop_uploads(folder: Path, num_uploads: int) -> None:
    """Remove the uploaded bytes; the record of the job stays."""
    for number in range(num_uploads):
        (folder / f"{number:04}").unlink(missing_ok=True)


def _age(folder: Path) -> float:
    try:
        return (folder / "items.json").stat().st_mtime
    except OSError:
        return 0.0
