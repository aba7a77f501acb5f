"""The engine, or a service through its client, as LangChain's chat model and retriever.

chain = prompt | ConcordChatModel(engine=Engine.open("library/"))
ConcordRetriever(engine=Client("http://127.0.0.1:8080", library="harbour")).invoke("Who runs the harbour?")
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel, Field

from rag.core.answer import Answer
from rag.core.errors import QuestionError, SettingError
from rag.core.history import SpeakerRole, alternate_turns
from rag.core.query import Message

_ROLES: dict[str, SpeakerRole] = {"human": "user", "ai": "assistant", "system": "system"}


class ConcordChatModel(BaseChatModel):
    """Answers the last human message from a library.

    The message's ``response_metadata`` is the whole :class:`rag.core.answer.Answer`: citations, conflict, timings.

    Attributes:
        engine: an :class:`rag.engine.Engine` or a :class:`rag.client.Client`.
        options: options of every question, as in ``Engine.ask``; those of ``bind`` and ``invoke`` win.
    """

    engine: Any
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "concord"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        question, history = _split(messages)
        answer = self.engine.ask(question, history=history, **self._options(stop, kwargs))
        message = AIMessage(content=answer.text, response_metadata=answer.to_dict(), usage_metadata=_usage(answer))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        question, history = _split(messages)
        for event in self.engine.stream(question, history=history, **self._options(stop, kwargs)):
            if isinstance(event, Answer):
                metadata = event.to_dict()
                last = AIMessageChunk(
                    content=event.unstreamed, response_metadata=metadata, usage_metadata=_usage(event)
                )
                yield ChatGenerationChunk(message=last)
                continue
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=event.text))
            if run_manager is not None:
                run_manager.on_llm_new_token(event.text, chunk=chunk)
            yield chunk

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Answers that follow a schema, parsed; needs an engine that can bound its tokens (vLLM).

        Args:
            schema: a pydantic class, a ``TypedDict``, or a JSON Schema with a ``title``.
            include_raw: give ``{"raw": message, "parsed": value, "parsing_error": error}`` in place of the value.
            **kwargs: ``method="json_schema"`` and ``strict`` are taken, since they change nothing.

        Raises:
            SettingError: another method.
        """
        method = kwargs.pop("method", "json_schema")
        kwargs.pop("strict", None)
        if method != "json_schema" or kwargs:
            odd = ", ".join(kwargs) or f"method={method!r}"
            raise SettingError(f"{odd}; with_structured_output takes method='json_schema' and include_raw alone")
        bound = self.bind(json_schema=json.dumps(convert_to_json_schema(schema)))
        parser: Runnable[Any, Any] = JsonOutputParser()
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            parser = PydanticOutputParser(pydantic_object=schema)
        if not include_raw:
            return bound | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _options(self, stop: list[str] | None, call_options: dict[str, Any]) -> dict[str, Any]:
        return {**self.options, **({"stop": tuple(stop)} if stop else {}), **call_options}


class ConcordRetriever(BaseRetriever):
    """The passages of a library; ``engine`` as in :class:`ConcordChatModel`."""

    engine: Any
    top_k: int = 4

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        ranking = self.engine.retrieve([query], self.top_k)[0]
        return [scored.passage.to_document(scored.score) for scored in ranking]


def _split(messages: list[BaseMessage]) -> tuple[str, list[Message]]:
    unknown = [message.type for message in messages if message.type not in _ROLES]
    if unknown or not messages or messages[-1].type != "human":
        kinds = ", ".join(message.type for message in messages) or "none"
        raise QuestionError(f"messages of types {kinds}; expected system, human and ai, a human one last")
    turns = [(_ROLES[message.type], str(message.text)) for message in messages]
    return turns[-1][1], alternate_turns(turns[:-1])


def _usage(answer: Answer) -> Any:
    prompt, generated = answer.tokens.context_prompt, answer.tokens.generated
    return {"input_tokens": prompt, "output_tokens": generated, "total_tokens": prompt + generated}
