"""What both clients share: the requests they send, and what they make of the replies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from rag.core.answer import Answer, Step, TokenEvent
from rag.core.errors import (
    ConcordError,
    FormatError,
    InputError,
    LibraryError,
    PatchError,
    QuestionError,
    SettingError,
    SkillError,
    SourceError,
    StorageError,
    UnavailableError,
)
from rag.core.passages import Passage, ScoredPassage
from rag.core.query import Message, Sampling
from rag.core.reports import AddReport, DocumentInfo
from rag.patches.base import BuildReport

T = TypeVar("T")
CHAT = "/v1/chat/completions"
MAX_AT_ONCE = 16
TIMEOUT = httpx.Timeout(10.0, read=150.0, write=150.0)
_ERRORS: dict[str, type[ConcordError]] = {
    "context_length_exceeded": QuestionError,
    "invalid_option": SettingError,
    "library_not_ready": LibraryError,
    "library_not_found": LibraryError,
    "model_not_found": LibraryError,
    "library_exists": LibraryError,
    "document_not_found": LibraryError,
    "patch_not_found": PatchError,
    "patch_not_ready": PatchError,
    "patches_unavailable": PatchError,
    "invalid_skill": SkillError,
    "invalid_file": SourceError,
    "unknown_file_type": SourceError,
    "unsupported_field": FormatError,
    "storage_unavailable": StorageError,
}
_CHAT_FIELDS = ("temperature", "top_p", "seed", "max_tokens", "stop")


def chat_body(library: str, question: str, options: Mapping[str, Any], *, is_stream: bool) -> dict[str, Any]:
    """The chat request of ``Engine.ask(question, **options)``, its trace included.

    Raises:
        SettingError: a sampling option that the service does not take.
    """
    rest = {key: value for key, value in options.items() if value is not None}
    missing = sorted(rest.keys() & (Sampling.__dataclass_fields__.keys() - {*_CHAT_FIELDS, "json_schema"}))
    if missing:
        raise SettingError(f"{missing[0]}={rest[missing[0]]!r}; over HTTP expected one of {', '.join(_CHAT_FIELDS)}")
    turns = [m if isinstance(m, Message) else Message(**m) for m in rest.pop("history", ())]
    chat = {key: rest.pop(key) for key in _CHAT_FIELDS if key in rest}
    if schema := rest.pop("json_schema", ""):
        chat["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": json.loads(schema)},
        }
    messages = [asdict(turn) for turn in (*turns, Message("user", question))]
    rag = {**rest, "library": library, "trace": True}
    return {"model": library, "messages": messages, "stream": is_stream, "rag": rag, **chat}


def passages_option(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """The option ``rag.passages``."""
    return [asdict(passage) for passage in passages]


def parse_answer(question: str, reply: Mapping[str, Any], text: str = "") -> Answer:
    """The answer in a reply, or in a stream's last chunk, which lacks its ``text``."""
    choice = reply["choices"][0]
    texts = {"question": question, "text": choice.get("message", {}).get("content", text)}
    return parse(Answer, {**reply, **texts, "timings_ms": reply["timings"], "finish_reason": choice["finish_reason"]})


class StreamReader:
    """Reads the lines of a streamed chat."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._pieces: list[str] = []

    def read(self, line: str) -> TokenEvent | Answer | None:
        """What a line says; ``None`` for those that say nothing.

        Raises:
            ConcordError: the service reports an error in the middle of the stream.
        """
        if not line.startswith("data: ") or line == "data: [DONE]":
            return None
        chunk: dict[str, Any] = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise build_error(chunk["error"], 400 if chunk["error"]["type"] == "invalid_request_error" else 500)
        if "step" in chunk:
            self._pieces.append(chunk["choices"][0]["delta"]["content"])
            return TokenEvent(self._pieces[-1], parse(Step, chunk["step"]))
        if chunk["choices"] and (text := chunk["choices"][0]["delta"].get("content")):
            self._pieces = [text]  # no token made it: the engine abstains, or the verdict changed what tokens said
        if "citations" in chunk:
            return parse_answer(self._question, chunk, "".join(self._pieces).strip())
        return None


def parse_add_report(job: Mapping[str, Any]) -> AddReport:
    """What an ended job added.

    Raises:
        ConcordError: it failed before it looked at any source.
    """
    if job["report"] is None:
        raise InputError(job["error"])
    return parse(AddReport, job["report"])


def parse_build_report(job: Mapping[str, Any]) -> BuildReport:
    """The patches that an ended job built.

    Raises:
        ConcordError: it failed before it looked at any document.
    """
    if job["patch_report"] is None:
        raise PatchError(job["error"])
    return parse(BuildReport, job["patch_report"])


def parse_rankings(reply: Mapping[str, Any]) -> list[list[ScoredPassage]]:
    """The rankings in a reply."""
    return [[ScoredPassage(parse(Passage, item), item["score"]) for item in ranking] for ranking in reply["rankings"]]


def find_documents(documents: Sequence[DocumentInfo], sources: Iterable[str | Path]) -> list[DocumentInfo]:
    """The documents that ``sources`` name, by source or doc_id.

    Raises:
        LibraryError: a name that fits none.
    """
    chosen: dict[str, DocumentInfo] = {}
    for name in map(str, sources):
        matching = [document for document in documents if name in (document.doc_id, document.source)]
        if not matching:
            raise LibraryError(f"no document {name!r} in the library; documents() lists them")
        chosen |= {document.doc_id: document for document in matching}
    return list(chosen.values())


def parse_reply(response: httpx.Response) -> Any:
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
    raise build_error(error, response.status_code)


def build_error(error: Mapping[str, Any], status: int = 500) -> ConcordError:
    """The service's error as one of this package's classes."""
    default = UnavailableError if status in (429, 503, 504) else InputError if status < 500 else ConcordError
    return _ERRORS.get(error["code"], default)(error["message"])


@contextmanager
def reaching(base_url: object) -> Iterator[None]:
    """Around a request: a service that does not answer is an :class:`UnavailableError`."""
    try:
        yield
    except httpx.TransportError as error:
        reason = error or type(error).__name__
        raise UnavailableError(f"no service answers at {base_url} ({reason}); is it running?") from error


def service_root(base_url: str) -> str:
    """The address of a service; OpenAI's clients want it with ``/v1``, and so do many people."""
    return base_url.rstrip("/").removesuffix("/v1")


def headers(api_key: str | None) -> dict[str, str]:
    """The headers of every request."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def parse(kind: type[T], values: Any) -> T:
    """A value of ``kind`` from its JSON; fields that a newer service adds are left out."""
    return TypeAdapter(kind).validate_python(values)
