"""Libraries, their documents, and the jobs that add them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, File, Path, Query, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from rag.conflicts.values.dates import document_date
from rag.core.passages import ScoredPassage
from rag.core.reports import DocumentInfo
from rag.ingest.load import KNOWN_TYPES
from rag.service.jobs.patches import forget_patches
from rag.service.jobs.store import FOLLOWS_NOTHING, Following, Upload
from rag.service.names import NAME_PATTERN
from rag.service.problems import Problem
from rag.service.routes.access import Allow, Caller, CheckedRoute
from rag.service.schemas import (
    DocumentItem,
    DocumentList,
    Job,
    JobList,
    LibraryInfo,
    LibraryList,
    NewLibrary,
    NewTexts,
    RankedPassage,
    Rankings,
    Removed,
    RetrieveRequest,
)
from rag.service.survey.reports import Reports
from rag.service.uploads import check_names, clean_name, file_upload, text_upload

router = APIRouter(prefix="/v1", tags=["libraries"], route_class=CheckedRoute)
Reader = Annotated[Caller, Depends(Allow("read"))]
Writer = Annotated[Caller, Depends(Allow("write"))]
Admin = Annotated[Caller, Depends(Allow("admin"))]
LibraryName = Annotated[str, Path(pattern=NAME_PATTERN)]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the job's end before the reply.")]
Folders = Annotated[
    Sequence[str], Query(description="Folders, as in the files' names, of which all files are sent.", max_length=100)
]
Sync = Annotated[bool, Query(description="Remove documents of these folders that were not sent.")]
_POLL_S = 0.05


@router.get("/libraries")
def list_libraries(caller: Reader) -> LibraryList:
    """The caller's libraries."""
    return LibraryList(data=[_info(caller, name) for name in caller.state.catalog.names(caller.key.tenant)])


@router.post("/libraries", status_code=201)
def create_library(body: NewLibrary, caller: Writer) -> LibraryInfo:
    """Make an empty library."""
    caller.state.catalog.create(caller.key.tenant, body.name)
    return _info(caller, body.name)


@router.get("/libraries/{library}")
def library_info(library: LibraryName, caller: Reader) -> LibraryInfo:
    """How much a library holds."""
    return _info(caller, library)


@router.delete("/libraries/{library}")
def delete_library(library: LibraryName, caller: Admin) -> Removed:
    """Remove a library with everything in it."""
    caller.state.catalog.delete(caller.key.tenant, library)
    return Removed(removed=[{"name": library}])


@router.get("/libraries/{library}/documents")
def list_documents(library: LibraryName, caller: Reader) -> DocumentList:
    """The documents of a library, by source."""
    documents = caller.state.catalog.engine(caller.key.tenant, library).documents()
    return DocumentList(data=list(map(describe_document, documents)))


@router.post("/libraries/{library}/documents", status_code=202)
async def add_texts(library: LibraryName, body: NewTexts, caller: Writer, response: Response, wait_s: Wait = 0) -> Job:
    """Add texts. They become visible together when the job is done; the reply means that they are on disk."""
    return await _submit(caller, library, list(map(text_upload, body.documents)), response, wait_s)


@router.post("/libraries/{library}/files", status_code=202)
async def add_files(
    library: LibraryName,
    files: Annotated[list[UploadFile], File(description=f"{KNOWN_TYPES}. A name may hold folders: 2019/report.pdf.")],
    caller: Writer,
    response: Response,
    wait_s: Wait = 0,
    folder: Folders = (),
    sync: Sync = False,
) -> Job:
    """Add files. They become visible together when the job is done; the reply means that they are on disk.

    A file of a known name replaces its document. Without ``sync`` the report names what was not sent (``gone``).
    """
    uploads = [file_upload(file.filename or "", await file.read()) for file in files]
    check_names(uploads)
    if sync and not folder:
        raise Problem(400, "invalid_value", "sync=true needs a folder; expected folder=NAME beside it", param="folder")
    return await _submit(caller, library, uploads, response, wait_s, Following(tuple(map(clean_name, folder)), sync))


@router.delete("/libraries/{library}/documents/{doc_id}")
def remove_document(library: LibraryName, doc_id: str, caller: Writer) -> Removed:
    """Remove one document, every passage that came from it, and its patches."""
    engine = caller.state.catalog.engine(caller.key.tenant, library)
    if doc_id not in {document.doc_id for document in engine.documents()}:
        raise Problem(404, "document_not_found", f"there is no document {doc_id[:80]!r} in {library!r}")
    removed = engine.remove([doc_id])
    forget_patches(engine, doc_id)
    Reports(engine).forget(doc_id)
    return Removed(removed=[asdict(document) for document in removed])


@router.post("/libraries/{library}/retrieve")
async def retrieve(library: LibraryName, body: RetrieveRequest, caller: Reader) -> Rankings:
    """The best passages for each question; nothing is generated. It counts as one question at once, as a chat does."""

    def search() -> Rankings:
        engine = caller.state.catalog.filled(caller.key.tenant, library)
        rankings = engine.retrieve(body.questions, body.top_k)
        return Rankings(rankings=[[_ranked(scored) for scored in ranking] for ranking in rankings])

    return await asyncio.wrap_future(caller.state.workers.submit(caller.key.key_id, search))


@router.get("/jobs/{job_id}")
def job_status(job_id: str, caller: Reader) -> Job:
    """How far a job is."""
    return caller.state.jobs.find(caller.key.tenant, job_id)


@router.get("/jobs")
def list_jobs(caller: Reader) -> JobList:
    """The caller's newest jobs, newest first."""
    return JobList(data=caller.state.jobs.newest(caller.key.tenant))


@router.delete("/jobs/{job_id}")
def cancel_job(job_id: str, caller: Writer) -> Job:
    """End a job. What waits is cancelled at once; what runs ends with the document that it is at, and adds nothing."""
    return caller.state.jobs.cancel(caller.key.tenant, job_id)


async def _submit(
    caller: Caller,
    library: str,
    uploads: Sequence[Upload],
    response: Response,
    wait_s: float,
    following: Following = FOLLOWS_NOTHING,
) -> Job:
    job = await run_in_threadpool(caller.state.jobs.add, caller.key.tenant, library, uploads, following)
    return await ended(caller, job, response, wait_s)


async def ended(caller: Caller, job: Job, response: Response, wait_s: float) -> Job:
    """The job when it has ended, with status 200; as it stands after ``wait_s`` seconds otherwise."""
    end = time.monotonic() + wait_s
    while job.status in ("queued", "running") and time.monotonic() < end:
        await asyncio.sleep(_POLL_S)
        job = await run_in_threadpool(caller.state.jobs.find, caller.key.tenant, job.id)
    if job.status not in ("queued", "running"):
        response.status_code = 200
    return job


def describe_document(document: DocumentInfo) -> DocumentItem:
    """A document, with the date that it or its name states."""
    return DocumentItem(**{**asdict(document), "date": document_date(document.date, document.source)})


def _info(caller: Caller, name: str) -> LibraryInfo:
    engine = caller.state.catalog.engine(caller.key.tenant, name)
    documents = engine.documents()
    return LibraryInfo(
        name=name, num_documents=len(documents), num_passages=sum(document.num_passages for document in documents)
    )


def _ranked(scored: ScoredPassage) -> RankedPassage:
    return RankedPassage(**asdict(scored.passage), score=scored.score)
