"""What both clients do, described once: the calls, and what becomes of their replies.

Nothing here waits or opens a connection: each client sends the calls its own way. A plan yields a :class:`Call` and is
sent the JSON of its reply; what it returns is the method's result.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from langchain_core.documents import Document

from rag.client import wire
from rag.client.uploads import (
    Uploads,
    batch_texts,
    files_body,
    find_uploads,
    follow_params,
    merge_reports,
    read_batch,
)
from rag.core.answer import Answer
from rag.core.errors import PatchError, UnavailableError
from rag.core.passages import Passage, ScoredPassage
from rag.core.reports import AddReport, DocumentInfo
from rag.patches.base import BuildReport, PatchInfo
from rag.patches.store.keys import match_keys

T = TypeVar("T")
_WAIT_S = 30
_POLL_S = 0.2


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        options: of httpx's ``request``: ``json``, ``files``, ``params``.
        delay_s: to wait before it is sent.
    """

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True)
class Result(Generic[T]):
    """What a plan returned."""

    value: T


Plan = Generator[Call, Any, T]


def advance(plan: Plan[T], reply: Any = None) -> Call | Result[T]:
    """The plan's next call, or its result. ``reply``: to its last call, as JSON; ``None`` before the first."""
    try:
        return plan.send(reply)
    except StopIteration as end:
        return Result(end.value)


class Calls:
    """The plans of one library's methods, which are those of :class:`rag.engine.Engine`."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._path = f"/v1/libraries/{library}"

    def create(self) -> Plan[None]:
        yield Call("POST", "/v1/libraries", {"json": {"name": self._library}})

    def add(self, items: Iterable[str | Path | Document] | str | Path | Document, *, sync: bool) -> Plan[AddReport]:
        listed = [items] if isinstance(items, (str, Path, Document)) else list(items)
        texts = [item for item in listed if isinstance(item, Document)]
        uploads = find_uploads(item for item in listed if not isinstance(item, Document))
        reports: list[AddReport] = []
        for body in batch_texts(texts):
            reply = yield from self._job("documents", {"json": body})
            reports.append(wire.parse_add_report(reply))
        return merge_reports([*reports, *(yield from self._add_files(uploads, sync=sync))])

    def _add_files(self, uploads: Uploads, *, sync: bool) -> Plan[list[AddReport]]:
        """Send files in as many requests as they need. Where one holds all of its folders, the service follows them."""
        reports: list[AddReport] = []
        failed = list(uploads.report.failed)
        batches = uploads.batches()
        is_followed = False
        for batch in batches:
            contents, unread = read_batch(batch)
            failed += unread
            is_followed = bool(uploads.roots) and len(batches) == 1 and not failed
            params = follow_params(uploads, sync=sync) if is_followed else {}
            if contents:
                reply = yield from self._job("files", files_body(contents), params)
                reports.append(wire.parse_add_report(reply))
        if uploads.roots and not is_followed:
            reports.append((yield from self._follow(uploads, sync=sync)))
        return [replace(uploads.report, failed=tuple(failed)), *reports]

    def _follow(self, uploads: Uploads, *, sync: bool) -> Plan[AddReport]:
        """What the service does with the folders of one request, for those that took several."""
        documents = yield from self.documents()
        gone = uploads.find_gone(documents)
        names = tuple(document.source for document in gone)
        num_passages = sum(document.num_passages for document in documents)
        if not sync:
            return AddReport(gone=names, num_passages=num_passages)
        for document in gone:
            yield Call("DELETE", f"{self._path}/documents/{document.doc_id}")
        num_removed = sum(document.num_passages for document in gone)
        return AddReport(removed=names, num_passages=num_passages - num_removed, num_new_passages=-num_removed)

    def remove(self, sources: Iterable[str | Path]) -> Plan[list[DocumentInfo]]:
        chosen = wire.find_documents((yield from self.documents()), sources)
        for document in chosen:
            yield Call("DELETE", f"{self._path}/documents/{document.doc_id}")
        return chosen

    def documents(self) -> Plan[list[DocumentInfo]]:
        return wire.parse(list[DocumentInfo], (yield Call("GET", f"{self._path}/documents"))["data"])

    def retrieve(self, questions: Sequence[str], top_k: int | None) -> Plan[list[list[ScoredPassage]]]:
        body = {"questions": list(questions), "top_k": top_k}
        return wire.parse_rankings((yield Call("POST", f"{self._path}/retrieve", {"json": body})))

    def ask(self, question: str, options: Mapping[str, Any]) -> Plan[Answer]:
        body = wire.chat_body(self._library, question, options, is_stream=False)
        return wire.parse_answer(question, (yield Call("POST", wire.CHAT, {"json": body})))

    def stream(self, question: str, options: Mapping[str, Any]) -> tuple[Call, wire.StreamReader]:
        """The request of a streamed answer, and what reads the lines of its reply."""
        body = wire.chat_body(self._library, question, options, is_stream=True)
        return Call("POST", wire.CHAT, {"json": body}), wire.StreamReader(question)

    def patches(self) -> Plan[list[PatchInfo]]:
        return wire.parse(list[PatchInfo], (yield Call("GET", f"{self._path}/patches"))["data"])

    def build_patches(self, docs: Sequence[str]) -> Plan[BuildReport]:
        return wire.parse_build_report((yield from self._job("patches", {"json": {"documents": list(docs)}})))

    def remove_patches(self, names: Sequence[str]) -> Plan[list[str]]:
        infos = yield from self.patches()
        keys: dict[str, None] = {}
        for name in names:
            matching = match_keys(infos, name)
            if not matching:
                raise PatchError(f"there is no patch {name!r}; patches.ls() lists them")
            keys |= dict.fromkeys(matching)
        for key in keys:
            yield Call("DELETE", f"{self._path}/patches/{key}")
        return list(keys)

    def _job(
        self, kind: str, body: Mapping[str, Any], params: Mapping[str, Any] = MappingProxyType({})
    ) -> Plan[dict[str, Any]]:
        """Begin a job, and see it to its end.

        Raises:
            UnavailableError: nobody can work on it at present; it waits.
        """
        options = {"params": {"wait_s": _WAIT_S, **params}, **body}
        job: dict[str, Any] = yield Call("POST", f"{self._path}/{kind}", options)
        while job["status"] in ("queued", "running"):
            if job.get("hint"):
                raise UnavailableError(f"{job['hint']}; the job {job['id']} waits for it")
            job = yield Call("GET", f"/v1/jobs/{job['id']}", delay_s=_POLL_S)
        return job


def pair_options(
    questions: Sequence[str], passages: Sequence[Sequence[Passage]], options: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Each question with the options that make its answer from its passages."""
    each = [{**options, "passages": wire.passages_option(chosen)} for chosen in passages]
    return list(zip(questions, each, strict=True))
