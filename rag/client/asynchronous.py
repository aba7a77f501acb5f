"""The asynchronous client: the calls of :mod:`rag.client.calls`, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
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


class AsyncClient:
    """One library of a service. Errors are those of :mod:`rag.core.errors`, as from an engine.

    Args:
        base_url: where the service is, such as ``http://127.0.0.1:8080``; ``/v1`` behind it is left out.
        library: the library's name; :meth:`create` makes it.
        api_key: needed when the service has keys.
        transport: another way to the service, for tests and proxies.
    """

    def __init__(
        self,
        base_url: str,
        *,
        library: str,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.library = library
        self.patches = AsyncPatches(self)
        self._calls = Calls(library)
        self._http = httpx.AsyncClient(
            base_url=wire.service_root(base_url),
            headers=wire.headers(api_key),
            timeout=wire.TIMEOUT,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def create(self) -> None:
        """Make the library."""
        await self._run(self._calls.create())

    async def add(
        self, items: Iterable[str | Path | Document] | str | Path | Document, *, sync: bool = False
    ) -> AddReport:
        """As :meth:`rag.client.sync.Client.add`."""
        return await self._run(self._calls.add(items, sync=sync))

    async def remove(self, sources: Iterable[str | Path]) -> list[DocumentInfo]:
        """Remove documents by source or doc_id."""
        return await self._run(self._calls.remove(sources))

    async def documents(self) -> list[DocumentInfo]:
        """The documents of the library, by source."""
        return await self._run(self._calls.documents())

    async def retrieve(self, questions: Sequence[str], top_k: int | None = None) -> list[list[ScoredPassage]]:
        """The ranking of each question."""
        return await self._run(self._calls.retrieve(questions, top_k))

    async def ask(self, question: str, **options: Any) -> Answer:
        """Answer one question; options as in :meth:`rag.engine.Engine.ask_many`."""
        return await self._run(self._calls.ask(question, options))

    async def ask_many(
        self, questions: Sequence[str], *, on_answer: Callable[[int, Answer], None] | None = None, **options: Any
    ) -> list[Answer]:
        """Answer questions side by side; the service runs them as one batch."""
        return await self._all([(question, options) for question in questions], on_answer)

    async def answer_with(
        self,
        questions: Sequence[str],
        passages: Sequence[Sequence[Passage]],
        *,
        on_answer: Callable[[int, Answer], None] | None = None,
        **options: Any,
    ) -> list[Answer]:
        """Answer each question from its own passages, best first, without retrieval."""
        return await self._all(pair_options(questions, passages, options), on_answer)

    async def stream(self, question: str, **options: Any) -> AsyncIterator[TokenEvent | Answer]:
        """The answer's pieces as they come, then the :class:`Answer`; closing it stops the service's work."""
        call, reader = self._calls.stream(question, options)
        with wire.reaching(self._http.base_url):
            async with self._http.stream(call.method, call.path, **call.options) as response:
                if not response.is_success:
                    await response.aread()
                    wire.parse_reply(response)
                async for line in response.aiter_lines():
                    event = reader.read(line)
                    if event is not None:
                        yield event

    async def _all(
        self, asked: Sequence[tuple[str, dict[str, Any]]], on_answer: Callable[[int, Answer], None] | None
    ) -> list[Answer]:
        places = asyncio.Semaphore(wire.MAX_AT_ONCE)

        async def one(index: int) -> Answer:
            question, options = asked[index]
            async with places:
                answer = await self.ask(question, **options)
            if on_answer is not None:
                on_answer(index, answer)
            return answer

        return list(await asyncio.gather(*(one(index) for index in range(len(asked)))))

    async def _run(self, plan: Plan[T]) -> T:
        step = advance(plan)
        while isinstance(step, Call):
            step = advance(plan, await self._send(step))
        return step.value

    async def _send(self, call: Call) -> Any:
        await asyncio.sleep(call.delay_s)
        with wire.reaching(self._http.base_url):
            return wire.parse_reply(await self._http.request(call.method, call.path, **call.options))


class AsyncPatches:
    """The library's documents as LoRA patches (:class:`rag.patches.patchset.PatchSet`)."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def build(self, docs: Sequence[str] = ()) -> BuildReport:
        """Build the patches that are missing, by default of all documents; returns when they are built."""
        return await self._client._run(self._client._calls.build_patches(docs))

    async def ls(self) -> list[PatchInfo]:
        """Every patch of the library, by document."""
        return await self._client._run(self._client._calls.patches())

    async def remove(self, names: Sequence[str]) -> list[str]:
        """Remove patches by key (its beginning is enough) or by document; returns their keys."""
        return await self._client._run(self._client._calls.remove_patches(names))
