"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
from langchain_core.documents import Document

from rag.client import wire
from rag.types import AddReport, Answer, DocumentInfo, Passage, ScoredPassage, TokenEvent


class Client:
    """One library of a service. Errors are those of :mod:`rag.errors`, as from an engine.

    Args:
        base_url: where the service is, such as ``http://127.0.0.1:8080``.
        library: the library's name; :meth:`create` makes it.
        api_key: needed when the service has keys.
        transport: another way to the service, for tests and proxies.
    """

    def __init__(
        self, base_url: str, *, library: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.library = library
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=wire.TIMEOUT, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self) -> None:
        """Make the library."""
        self._call("POST", "/v1/libraries", json={"name": self.library})

    def add(self, items: Iterable[str | Path | Document] | str | Path | Document) -> AddReport:
        """Add files, folders (recursively) and LangChain documents; returns when they are in the library."""
        listed = [items] if isinstance(items, (str, Path, Document)) else list(items)
        texts = [item for item in listed if isinstance(item, Document)]
        files = wire.uploads_of(item for item in listed if not isinstance(item, Document))
        reports = []
        if texts:
            reports.append(self._add("documents", json=wire.texts_body(texts)))
        if files:
            reports.append(self._add("files", files=files))
        return wire.merged(reports)

    def remove(self, sources: Iterable[str | Path]) -> list[DocumentInfo]:
        """Remove documents by source or doc_id."""
        chosen = wire.named(self.documents(), sources)
        for document in chosen:
            self._call("DELETE", f"{self._path}/documents/{document.doc_id}")
        return chosen

    def documents(self) -> list[DocumentInfo]:
        """The documents of the library, by source."""
        return wire.documents_of(self._call("GET", f"{self._path}/documents"))

    def retrieve(self, questions: Sequence[str], top_k: int | None = None) -> list[list[ScoredPassage]]:
        """The ranking of each question."""
        body = {"questions": list(questions), "top_k": top_k}
        return wire.rankings_of(self._call("POST", f"{self._path}/retrieve", json=body))

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer one question; options as in :meth:`rag.engine.Engine.ask_many`."""
        body = wire.chat_body(self.library, question, options, is_stream=False)
        return wire.answer_of(question, self._call("POST", "/v1/chat/completions", json=body))

    def ask_many(
        self, questions: Sequence[str], *, on_answer: Callable[[int, Answer], None] | None = None, **options: Any
    ) -> list[Answer]:
        """Answer questions side by side; the service runs them as one batch."""
        return self._all([(question, options) for question in questions], on_answer)

    def answer_with(
        self,
        questions: Sequence[str],
        passages: Sequence[Sequence[Passage]],
        *,
        on_answer: Callable[[int, Answer], None] | None = None,
        **options: Any,
    ) -> list[Answer]:
        """Answer questions from given passages, best first, without retrieval."""
        given = [{**options, "passages": wire.passages_option(some)} for some in passages]
        return self._all(list(zip(questions, given, strict=True)), on_answer)

    def stream(self, question: str, **options: Any) -> Iterator[TokenEvent | Answer]:
        """The answer's pieces as they come, then the :class:`Answer`; closing it stops the service's work."""
        body = wire.chat_body(self.library, question, options, is_stream=True)
        pieces: list[str] = []
        with self._errors(), self._http.stream("POST", "/v1/chat/completions", json=body) as response:
            if not response.is_success:
                response.read()
                wire.checked(response)
            for line in response.iter_lines():
                chunk = wire.chunk_of(line)
                if chunk is None:
                    continue
                event = wire.event_of(chunk)
                if event is not None:
                    pieces.append(event.text)
                    yield event
                elif "citations" in chunk:
                    yield replace(wire.answer_of(question, chunk), text="".join(pieces).strip())

    @property
    def _path(self) -> str:
        return f"/v1/libraries/{self.library}"

    def _all(
        self, asked: Sequence[tuple[str, dict[str, Any]]], on_answer: Callable[[int, Answer], None] | None
    ) -> list[Answer]:
        def one(index: int) -> Answer:
            question, options = asked[index]
            answer = self.ask(question, **options)
            if on_answer is not None:
                on_answer(index, answer)
            return answer

        with ThreadPoolExecutor(wire.MAX_AT_ONCE) as pool:
            return list(pool.map(one, range(len(asked))))

    def _add(self, kind: str, **body: Any) -> AddReport:
        job = self._call("POST", f"{self._path}/{kind}", params={"wait_s": 30}, **body)
        while job["status"] in ("queued", "running"):
            time.sleep(wire.POLL_S)
            job = self._call("GET", f"/v1/jobs/{job['id']}")
        return wire.report_of(job)

    def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        with self._errors():
            return wire.checked(self._http.request(method, path, **kwargs))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise wire.unreachable(error, str(self._http.base_url)) from error
