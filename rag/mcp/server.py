"""The server: tools and resources, for whoever is asking.

The same server answers one process over its standard streams (:mod:`rag.cli.mcp`) and the callers of a service over
HTTP (:mod:`rag.service.agents`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Annotated, Any, TypeVar

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp_types import Resource, ToolAnnotations
from pydantic import Field

from rag import __version__
from rag.core.errors import ConcordError
from rag.engine import Engine
from rag.mcp import tools
from rag.mcp.desk import Desk, NewDocument

T = TypeVar("T")
FindDesk = Callable[[ServerRequestContext[Any, Any]], Desk]
_desk: ContextVar[Desk] = ContextVar("desk")
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_INSTRUCTIONS = (
    "Answers from the user's own documents, and says where they disagree with the model's memory or with each other. "
    "Use 'ask' for an answer with sources, 'search' for passages to read yourself, 'conflicts' for claims over which "
    "documents contradict each other. Cite the sources that you are given."
)
Library = Annotated[str, Field(description="Name of the library; needed where there are several.", max_length=200)]
Question = Annotated[str, Field(min_length=1, max_length=20_000)]
Limit = Annotated[int, Field(ge=1, le=100, description="List at most this many.")]
TopK = Annotated[int | None, Field(ge=1, le=100, description="Number of passages.")]


class Server(MCPServer[Any]):
    """An MCP server whose resources are documents.

    Args:
        find_desk: whom a request is answered by. It may raise a :class:`ConcordError`.
    """

    def __init__(self, find_desk: FindDesk) -> None:
        async def enter(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
            token = _desk.set(find_desk(ctx))
            try:
                return await call_next(ctx)
            finally:
                _desk.reset(token)

        super().__init__(
            "concord", title="Concord", version=__version__, instructions=_INSTRUCTIONS, middleware=[enter],
            log_level="WARNING",
        )  # fmt: skip
        self._add_tools()
        self.resource("concord://{library}/{doc_id}", name="document", mime_type="text/plain")(read_document)

    async def list_resources(self) -> list[Resource]:
        """Every document of the caller's libraries."""
        desk = _desk.get()
        return [resource for name in desk.libraries() for resource in await desk.run(lambda: _list(desk, name))]  # noqa: B023

    def _add_tools(self) -> None:
        for tool in (ask, search, conflicts, documents, libraries):
            self.add_tool(tool, annotations=_READS)
        self.add_tool(add, annotations=_WRITES)


async def ask(question: Question, library: Library = "", top_k: TopK = None) -> dict[str, Any]:
    """Answer a question from the documents of a library. The result has the text, the cited passages, and what the
    documents and the model's own memory say where they disagree."""
    return await _answer(library, lambda engine, name: tools.describe_answer(engine.ask(question, top_k=top_k), name))


async def search(query: Question, library: Library = "", top_k: TopK = None) -> dict[str, Any]:
    """Find the passages of a library that fit a query best; nothing is generated."""
    return await _answer(library, lambda engine, name: tools.search(engine, name, query, top_k))


async def conflicts(library: Library = "", limit: Limit = 20) -> dict[str, Any]:
    """List what contradicts what among the documents of a library, the surest first: the sentences of each side, with
    their sources and dates."""
    return await _answer(library, lambda engine, name: tools.list_conflicts(engine, name, limit))


async def documents(library: Library = "") -> dict[str, Any]:
    """List the documents of a library, with the URIs under which they can be read."""
    return await _answer(library, tools.list_documents)


async def libraries() -> dict[str, Any]:
    """List the libraries."""
    return {"libraries": _desk.get().libraries()}


async def add(
    documents: Annotated[list[NewDocument], Field(min_length=1, max_length=1000)], library: Library = ""
) -> dict[str, Any]:
    """Add texts to a library. A text of the same source is replaced."""
    desk = _desk.get()

    def work() -> dict[str, Any]:
        desk.check_write()
        return desk.add(tools.choose_library(desk, library), documents)

    return await _told(lambda: desk.run(work))


async def read_document(library: str, doc_id: str) -> str:
    """The text of one document."""
    desk = _desk.get()
    try:
        return await desk.run(lambda: tools.read_document(desk.engine(library), doc_id))
    except Exception as error:
        raise ResourceNotFoundError(_message(error)) from error


async def _answer(library: str, make: Callable[[Engine, str], dict[str, Any]]) -> dict[str, Any]:
    desk = _desk.get()

    def work() -> dict[str, Any]:
        name = tools.choose_library(desk, library)
        return make(desk.engine(name), name)

    return await _told(lambda: desk.run(work))


async def _told(call: Callable[[], Awaitable[T]]) -> T:
    """What ``call`` gives; an error that was foreseen reaches the agent in words."""
    try:
        return await call()
    except Exception as error:
        raise ToolError(_message(error)) from error


def _message(error: Exception) -> str:
    """The words of an error that was foreseen; any other goes on, and is logged where it ends."""
    if isinstance(error, ConcordError):
        return str(error)
    detail = getattr(error, "detail", None)  # a refusal by a service
    if detail is None:
        raise error
    return str(detail)


def _list(desk: Desk, library: str) -> list[Resource]:
    return [
        Resource(
            uri=tools.document_uri(library, one.doc_id),
            name=one.source,
            title=one.title or None,
            mime_type="text/plain",
        )
        for one in desk.engine(library).documents()
    ]
