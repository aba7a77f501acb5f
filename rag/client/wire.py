"""What both clients share: the requests they send, and what they make of the replies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import httpx
from langchain_core.documents import Document

from rag.errors import (
    ConcordError,
    InputError,
    LibraryError,
    QuestionError,
    SettingError,
    SourceError,
    StorageError,
    UnavailableError,
)
from rag.ingest import LOADERS, gather
from rag.types import (
    AddCost,
    AddReport,
    Answer,
    Citation,
    Conflict,
    DocumentInfo,
    FailedSource,
    Message,
    Passage,
    Sampling,
    ScoredPassage,
    Step,
    TokenEvent,
    Tokens,
)

T = TypeVar("T")
MAX_AT_ONCE = 16
POLL_S = 0.2
TIMEOUT = httpx.Timeout(10.0, read=150.0, write=150.0)
_ERRORS: dict[str, type[ConcordError]] = {
    "context_length_exceeded": QuestionError,
    "invalid_option": SettingError,
    "library_not_ready": LibraryError,
    "library_not_found": LibraryError,
    "model_not_found": LibraryError,
    "library_exists": LibraryError,
    "document_not_found": LibraryError,
    "invalid_file": SourceError,
    "unknown_file_type": SourceError,
    "storage_unavailable": StorageError,
}
_CHAT_FIELDS = ("temperature", "top_p", "seed", "max_tokens", "stop")


def chat_body(library: str, question: str, options: Mapping[str, Any], *, is_stream: bool) -> dict[str, Any]:
    """The chat request of ``Engine.ask(question, **options)``, its trace included.

    Raises:
        SettingError: a sampling option that the service does not take.
    """
    given = {key: value for key, value in options.items() if value is not None}
    missing = sorted(given.keys() & (Sampling.__dataclass_fields__.keys() - set(_CHAT_FIELDS)))
    if missing:
        raise SettingError(f"{missing[0]}={given[missing[0]]!r}; over HTTP expected one of {', '.join(_CHAT_FIELDS)}")
    turns = [m if isinstance(m, Message) else Message(**m) for m in given.pop("history", ())]
    chat = {key: given.pop(key) for key in _CHAT_FIELDS if key in given}
    messages = [asdict(turn) for turn in (*turns, Message("user", question))]
    rag = {**given, "library": library, "trace": True}
    return {"model": library, "messages": messages, "stream": is_stream, "rag": rag, **chat}


def passages_option(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """``rag.passages`` of given passages."""
    return [asdict(passage) for passage in passages]


def answer_of(question: str, reply: Mapping[str, Any]) -> Answer:
    """The answer in a reply, or in a stream's last chunk (its ``text`` is the caller's to fill in)."""
    choice = reply["choices"][0]
    conflict = reply["conflict"]
    steps = tuple(_made(Step, step) for step in conflict.get("steps", ()))
    return Answer(
        question=question,
        text=choice.get("message", {}).get("content", ""),
        citations=tuple(_made(Citation, item) for item in reply["citations"]),
        decoder=reply["decoder"],
        conflict=_made(Conflict, {**conflict, "steps": steps}),
        timings_ms=reply["timings"],
        tokens=_made(Tokens, reply["tokens"]),
        finish_reason=choice["finish_reason"],
        dropped=tuple(_made(Citation, item) for item in reply["dropped"]),
        settings=reply["settings"],
    )


def chunk_of(line: str) -> dict[str, Any] | None:
    """The chunk in a line of a stream; ``None`` for lines without one.

    Raises:
        ConcordError: the service reports an error in the middle of the stream.
    """
    if not line.startswith("data: ") or line == "data: [DONE]":
        return None
    chunk: dict[str, Any] = json.loads(line.removeprefix("data: "))
    if "error" in chunk:
        raise error_of(chunk["error"])
    return chunk


def event_of(chunk: Mapping[str, Any]) -> TokenEvent | None:
    """The piece of the answer in a chunk, if it has one."""
    if "step" not in chunk:
        return None
    return TokenEvent(chunk["choices"][0]["delta"]["content"], _made(Step, chunk["step"]))


def report_of(job: Mapping[str, Any]) -> AddReport:
    """What an ended job did.

    Raises:
        ConcordError: it failed before it looked at any source.
    """
    report = job["report"]
    if report is None:
        raise InputError(job["error"])
    failed = tuple(_made(FailedSource, item) for item in report["failed"])
    cost = _made(AddCost, report.get("cost") or {})
    return _made(AddReport, {**report, "failed": failed, "cost": cost})


def rankings_of(reply: Mapping[str, Any]) -> list[list[ScoredPassage]]:
    """The rankings in a reply."""
    return [[ScoredPassage(_made(Passage, item), item["score"]) for item in ranking] for ranking in reply["rankings"]]


def documents_of(reply: Mapping[str, Any]) -> list[DocumentInfo]:
    """The documents in a reply."""
    return [_made(DocumentInfo, item) for item in reply["data"]]


def named(documents: Sequence[DocumentInfo], sources: Iterable[str | Path]) -> list[DocumentInfo]:
    """The documents that ``sources`` name, by source or doc_id.

    Raises:
        LibraryError: a name that fits none.
    """
    chosen: dict[str, DocumentInfo] = {}
    for given in map(str, sources):
        found = [document for document in documents if given in (document.doc_id, document.source)]
        if not found:
            raise LibraryError(f"no document {given!r} in the library; documents() lists them")
        chosen |= {document.doc_id: document for document in found}
    return list(chosen.values())


def uploads_of(items: Iterable[str | Path]) -> list[tuple[str, tuple[str, bytes]]]:
    """The files that ``items`` name, folders recursively, as parts of a multipart body.

    Raises:
        SourceError: a path that does not exist or cannot be read.
    """
    found: list[tuple[str, tuple[str, bytes]]] = []
    for item in items:
        path = Path(item).expanduser()
        files = sorted(f for f in path.rglob("*") if f.suffix.lower() in LOADERS) if path.is_dir() else [path]
        try:
            found += [("files", (file.name, file.read_bytes())) for file in files]
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return found


def texts_body(documents: Iterable[Document]) -> dict[str, Any]:
    """The body that adds LangChain documents; their sources are named as an engine names them."""
    sources = gather(documents).sources
    return {
        "documents": [
            {"source": source.name, "title": source.title, "text": source.read().decode()} for source in sources
        ]
    }


def merged(reports: Sequence[AddReport]) -> AddReport:
    """Several additions as one."""
    if not reports:
        return AddReport()
    lists = {
        name: tuple(item for report in reports for item in getattr(report, name))
        for name in ("added", "replaced", "unchanged", "failed", "skipped")
    }
    num_new = sum(report.num_new_passages for report in reports)
    cost = AddCost(
        sum(report.cost.seconds for report in reports),
        sum(report.cost.num_embedded for report in reports),
        sum(report.cost.num_resumed for report in reports),
        reports[-1].cost.bytes_per_passage,
    )
    return AddReport(**lists, num_passages=reports[-1].num_passages, num_new_passages=num_new, cost=cost)


def checked(response: httpx.Response) -> Any:
    """The JSON of a reply.

    Raises:
        ConcordError: the service refused; the class tells why.
    """
    if response.is_success:
        return response.json()
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = {"code": "", "message": f"the service answered {response.status_code}"}
    raise error_of(error, response.status_code)


def error_of(error: Mapping[str, Any], status: int = 500) -> ConcordError:
    """The service's error as one of ours."""
    default = UnavailableError if status in (429, 503, 504) else InputError if status < 500 else ConcordError
    return _ERRORS.get(error["code"], default)(error["message"])


def unreachable(error: httpx.TransportError, base_url: str) -> UnavailableError:
    """The error of a service that does not answer."""
    return UnavailableError(f"no service answers at {base_url} ({error or type(error).__name__}); is it running?")


def _made(kind: type[T], values: Mapping[str, Any]) -> T:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    return kind(**{key: value for key, value in values.items() if key in names})
