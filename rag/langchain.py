"""The engine, or a service through its client, as LangChain's chat model and retriever.

chain = prompt | ConcordChatModel(engine=Engine.open("library/"))
ConcordRetriever(engine=Client("http://127.0.0.1:8080", library="harbour")).invoke("Who runs the harbour?")
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from rag.core.answer import Answer
from rag.core.errors import QuestionError
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
