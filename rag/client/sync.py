"""The blocking client: the calls of :mod:`rag.client.calls`, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from langchain_core.documents import Document

from rag.client import wire
from rag.client.calls import Call, Calls, Plan, advance, pair_options
from rag.core.answer import Answer, TokenEvent
from rag.core.passages import Passage, ScoredPassage
from rag.core.reports import AddReport, DocumentInfo
from rag.patches.base import BuildReport, PatchInfo

T = TypeVar("T")


class Client:
    """One library of a service. Errors are those of :mod:`rag.core.errors`, as from an engine.

    Args:
        base_url: where the service is, such as ``http://127.0.0.1:8080``; ``/v1`` behind it is left out.
        library: the library's name; :meth:`create` makes it.
        api_key: needed when the service has keys.
        transport: another way to the service, for tests and proxies.
    """

    def __init__(
        self, base_url: str, *, library: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.library = library
        self.patches = Patches(self)
        self._calls = Calls(library)
        self._http = httpx.Client(
            base_url=wire.service_root(base_url),
            headers=wire.headers(api_key),
            timeout=wire.TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self) -> None:
        """Make the library."""
        self._run(self._calls.create())

    def add(self, items: Iterable[str | Path | Document] | str | Path | Document, *, sync: bool = False) -> AddReport:
        """Add files, folders (recursively) and LangChain documents; returns when they are in the library.

        Files of a folder are named by it (``archive/2019/report.pdf``). What cannot be read is in the report. A
        folder may be of any size: it is sent in as many requests as it needs, and read request by request. ``sync``
        removes documents of these folders whose file is gone.
        """
        return self._run(self._calls.add(items, sync=sync))

    def remove(self, sources: Iterable[str | Path]) -> list[DocumentInfo]:
        """Remove documents by source or doc_id."""
        return self._run(self._calls.remove(sources))

    def documents(self) -> list[DocumentInfo]:
        """The documents of the library, by source."""
        return self._run(self._calls.documents())

    def retrieve(self, questions: Sequence[str], top_k: int | None = None) -> list[list[ScoredPassage]]:
        """The ranking of each question."""
        return self._run(self._calls.retrieve(questions, top_k))

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer one question; options as in :meth:`rag.engine.Engine.ask_many`."""
        return self._run(self._calls.ask(question, options))

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
        """Answer each question from its own passages, best first, without retrieval."""
        return self._all(pair_options(questions, passages, options), on_answer)

    def stream(self, question: str, **options: Any) -> Iterator[TokenEvent | Answer]:
        """The answer's pieces as they come, then the :class:`Answer`; closing it stops the service's work."""
        call, reader = self._calls.stream(question, options)
        with (
            wire.reaching(self._http.base_url),
            self._http.stream(call.method, call.path, **call.options) as response,
        ):
            if not response.is_success:
                response.read()
                wire.parse_reply(response)
            for line in response.iter_lines():
                event = reader.read(line)
                if event is not None:
                    yield event

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

    def _run(self, plan: Plan[T]) -> T:
        step = advance(plan)
        while isinstance(step, Call):
            step = advance(plan, self._send(step))
        return step.value

    def _send(self, call: Call) -> Any:
        time.sleep(call.delay_s)
        with wire.reaching(self._http.base_url):
            return wire.parse_reply(self._http.request(call.method, call.path, **call.options))


class Patches:
    """The library's documents as LoRA patches (:class:`rag.patches.patchset.PatchSet`)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def build(self, docs: Sequence[str] = ()) -> BuildReport:
        """Build the patches that are missing, by default of all documents; returns when they are built."""
        return self._client._run(self._client._calls.build_patches(docs))

    def ls(self) -> list[PatchInfo]:
        """Every patch of the library, by document."""
        return self._client._run(self._client._calls.patches())

    def remove(self, names: Sequence[str]) -> list[str]:
        """Remove patches by key (its beginning is enough) or by document; returns their keys."""
        return self._client._run(self._client._calls.remove_patches(names))
