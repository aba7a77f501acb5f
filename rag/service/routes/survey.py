"""What a library shows of itself: its documents' texts, what contradicts what, what the model holds, its graph."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from kg.neighbourhood import Neighbourhood, read_around_documents, read_around_name
from rag.core.reports import DocumentInfo
from rag.engine import Engine
from rag.service.problems import Problem
from rag.service.routes.access import Caller, CheckedRoute
from rag.service.routes.libraries import LibraryName, Reader, Wait, Writer, describe_document, ended
from rag.service.schemas import Job
from rag.service.survey.reports import Reports
from rag.service.survey.schemas import (
    AuditReport,
    ConflictReport,
    DocumentText,
    GraphDocument,
    GraphLink,
    GraphName,
    GraphNaming,
    GraphPart,
    NewAudit,
    PassageItem,
    SurveyReport,
)

router = APIRouter(prefix="/v1", tags=["survey"], route_class=CheckedRoute)
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=1000)]
R = TypeVar("R", bound=SurveyReport)
DocIds = Annotated[list[str], Query(description="Documents in the middle.", max_length=20)]


@router.get("/libraries/{library}/documents/{doc_id}")
def read_document(
    library: LibraryName, doc_id: str, caller: Reader, offset: Offset = 0, limit: Limit = 100
) -> DocumentText:
    """A document, and so many of its passages from one on."""
    engine = caller.state.catalog.engine(caller.key.tenant, library)
    document = _find_documents(engine, library, [doc_id])[0]
    passages = engine.library.document_passages(doc_id)[offset : offset + limit]
    items = [PassageItem.model_validate(passage, from_attributes=True) for passage in passages]
    return DocumentText(**describe_document(document).model_dump(), passages=items)


@router.get("/libraries/{library}/conflicts")
def list_conflicts(library: LibraryName, caller: Reader, offset: Offset = 0, limit: Limit = 100) -> ConflictReport:
    """What contradicts what among the documents, as the newest comparison says; a POST makes one."""
    report = _read_report(caller, library, ConflictReport)
    return report.model_copy(update={"data": report.data[offset : offset + limit]})


@router.post("/libraries/{library}/conflicts", status_code=202)
async def compare(library: LibraryName, caller: Writer, response: Response, wait_s: Wait = 0) -> Job:
    """Compare the sentences of all documents. One that was cut off goes on where it was; no model is needed."""
    job = await run_in_threadpool(caller.state.jobs.survey, caller.key.tenant, library, "conflicts")
    return await ended(caller, job, response, wait_s)


@router.get("/libraries/{library}/audit")
def read_audit(library: LibraryName, caller: Reader) -> AuditReport:
    """What the model holds of the documents' claims, as the newest audit says; a POST makes one."""
    return _read_report(caller, library, AuditReport)


@router.post("/libraries/{library}/audit", status_code=202)
async def audit(library: LibraryName, body: NewAudit, caller: Writer, response: Response, wait_s: Wait = 0) -> Job:
    """Ask the model, without documents, what they claim. One that was cut off goes on where it was."""
    options = {"limit": body.limit}
    job = await run_in_threadpool(caller.state.jobs.survey, caller.key.tenant, library, "audit", options)
    return await ended(caller, job, response, wait_s)


@router.get("/libraries/{library}/graph")
async def read_graph(
    library: LibraryName,
    caller: Reader,
    doc_id: DocIds = [],  # noqa: B006  # FastAPI copies it
    name: Annotated[str, Query(max_length=200, description="A name in the middle, if no document is named.")] = "",
    max_names: Annotated[int, Query(ge=1, le=60)] = 16,
    max_documents: Annotated[int, Query(ge=0, le=30)] = 8,
) -> GraphPart:
    """Names and links around documents, or around a name. It counts as one question at once, as a chat does."""

    def read() -> GraphPart:
        engine = caller.state.catalog.filled(caller.key.tenant, library)
        if not doc_id and not name:
            raise Problem(400, "invalid_value", "expected doc_id or name: what is in the middle", param="doc_id")
        centre = [document.doc_id for document in _find_documents(engine, library, doc_id)]
        limits = {"max_names": max_names, "max_documents": max_documents}
        part = engine.graph.read(
            lambda graph: (
                read_around_documents(graph, centre, **limits) if centre else read_around_name(graph, name, **limits)
            )
        )
        return _describe_graph(engine, part, centre)

    return await asyncio.wrap_future(caller.state.workers.submit(caller.key.key_id, read))


def _read_report(caller: Caller, library: str, kind: type[R]) -> R:
    engine = caller.state.catalog.engine(caller.key.tenant, library)
    return Reports(engine).read(kind)


def _find_documents(engine: Engine, library: str, doc_ids: list[str]) -> list[DocumentInfo]:
    documents = {document.doc_id: document for document in engine.documents()} if doc_ids else {}
    for doc_id in doc_ids:
        if doc_id not in documents:
            raise Problem(404, "document_not_found", f"there is no document {doc_id[:80]!r} in {library!r}")
    return [documents[doc_id] for doc_id in dict.fromkeys(doc_ids)]


def _describe_graph(engine: Engine, part: Neighbourhood, centre: list[str]) -> GraphPart:
    known = {document.doc_id: document for document in engine.documents()}
    doc_ids = [doc_id for doc_id in part.doc_ids if doc_id in known]
    return GraphPart(
        documents=[
            GraphDocument(
                doc_id=doc_id, source=known[doc_id].source, title=known[doc_id].title, is_centre=doc_id in centre
            )
            for doc_id in doc_ids
        ],
        names=_spell_names(engine, part),
        namings=[GraphNaming.model_validate(one, from_attributes=True) for one in part.namings if one.doc_id in known],
        links=[GraphLink.model_validate(one, from_attributes=True) for one in part.links],
        num_names=part.num_names,
    )


def _spell_names(engine: Engine, part: Neighbourhood) -> list[GraphName]:
    """The names as a passage spells them."""
    library = engine.library
    rows = library.rows_by_passage_id([place.passage_id for place in part.places if place])
    texts = {
        passage.passage_id: passage.text for passage in library.passages([row for row, _ in rows.values()]).values()
    }
    labels = [texts.get(place.passage_id, "")[place.start : place.end] if place else "" for place in part.places]
    return [
        GraphName(name=name, label=" ".join(label.split()) or name)
        for name, label in zip(part.names, labels, strict=True)
    ]
