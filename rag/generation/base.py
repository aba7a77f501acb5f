"""The contract between the pipeline and whatever turns prompts into tokens.

Its input is a :mod:`rag.generation.request`; its output is here: events, one finished :class:`Generation` each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from decoders.streams import CONTEXT, PARAMETRIC
from rag.core.answer import Step
from rag.core.errors import FormatError
from rag.core.query import Message
from rag.generation.adapters.adapter import Adapter
from rag.generation.request import Prompt, Request

__all__ = [
    "Adapter",
    "Chunk",
    "Done",
    "Event",
    "Generation",
    "Generator",
    "Prompt",
    "Request",
    "Scorer",
    "check_can_constrain",
    "collect",
]


@dataclass(frozen=True)
class Generation:
    """One finished answer.

    Attributes:
        text: the answer without stop string, special tokens and unfinished characters.
        token_ids: the generated tokens, without the final end-of-text token.
        steps: one per generated token, the end-of-text token included (its decision is evidence too).
        answers: each stream's own greedy answer, by stream; empty without probes.
    """

    text: str
    token_ids: tuple[int, ...]
    steps: tuple[Step, ...]
    finish_reason: Literal["stop", "length"]
    answers: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def context_answer(self) -> str:
        """What the context stream answers alone; empty without probes."""
        return self.answers.get(CONTEXT, "")

    @property
    def memory_answer(self) -> str:
        """What the parametric stream answers alone; empty without probes."""
        return self.answers.get(PARAMETRIC, "")


@dataclass(frozen=True)
class Chunk:
    """Text that became final with ``step``, of the request at ``index``."""

    index: int
    text: str
    step: Step


@dataclass(frozen=True)
class Done:
    """The request at ``index`` is finished, probes included."""

    index: int
    generation: Generation


Event = Chunk | Done


class Generator(Protocol):
    """Turns requests into tokens: :meth:`stream` as they come, :meth:`generate` all at once.

    Implementations promise:

    * A request's tokens depend on that request alone, never on its batch mates.
    * :meth:`stream` may be called from several threads at once; their requests share one running batch.
    * A request that fails ends its own call, no other.
    * An attribute ``can_constrain`` that is true says that answers follow ``Sampling.json_schema``. Without it no
      request with a schema gets here.
    * Closing an iterator, or cancelling its reading (:mod:`rag.generation.cancel`), stops its requests within one
      step and frees everything they held.
    """

    @property
    def name(self) -> str:
        """The model, as the user named it."""
        ...

    @property
    def window(self) -> int:
        """Most tokens of prompt and answer together."""
        ...

    @property
    def default_stop(self) -> tuple[str, ...]:
        """Stop strings that the prompt style needs; empty where the chat template ends turns itself."""
        ...

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        ...

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens: the beginning of an answer, for example."""
        ...

    def encode_reply(self, text: str) -> tuple[int, ...]:
        """Token ids of a whole reply to such a prompt, its end included (``Request.forced``)."""
        ...

    def stream(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Events of all requests, interleaved; one :class:`Done` each."""
        ...

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """All requests as one batch, results in their order."""
        ...

    def close(self) -> None:
        """Stop all requests, whose callers get ``UnavailableError``, and take no further ones."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A generator that may be down while this process is well, such as one behind HTTP."""

    def check(self) -> None:
        """Return if a question would be answered now; it takes a few seconds at most.

        Raises:
            UnavailableError, ModelError: it would not, with the reason.
        """
        ...


@runtime_checkable
class AdapterRunner(Protocol):
    """A generator that can tell before a question whether it would run an adapter."""

    @property
    def max_adapter_rank(self) -> int:
        """Largest rank of an adapter; 0 where none is run."""
        ...

    def check_adapter(self, adapter: Adapter) -> None:
        """Return if prompts can be read with this adapter.

        Raises:
            SettingError: its rank is too large, or the engine runs no adapters.
            PatchError: it was made for another model.
            UnavailableError: the engine is down.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """Reads the probabilities of a few labels as the reply to a prompt; a generator may be one too."""

    def score(
        self, prompts: Sequence[tuple[int, ...]], labels: Sequence[str], adapter: Adapter | None = None
    ) -> list[tuple[float, ...]]:
        """One tuple per prompt: the probability that the reply begins with each label, scaled to sum to 1.

        A label counts by its first token, as it stands at the start of a reply and after a space. A prompt's
        probabilities depend on that prompt alone.

        Args:
            prompts: token ids, as :meth:`Generator.encode` makes them.
            labels: at least two, with different first tokens.
            adapter: what the prompts are read with, on top of the model.

        Raises:
            SettingError: two labels begin with the same token.
            QuestionError: a prompt does not fit the window.
        """
        ...


def check_can_constrain(generator: Generator) -> None:
    """Refuse a generator that cannot hold its answers to a JSON schema.

    Raises:
        FormatError: it cannot.
    """
    if not getattr(generator, "can_constrain", False):
        raise FormatError(
            f"the engine of {generator.name} cannot hold an answer to a JSON schema (response_format); "
            "take engine='vllm', or leave the schema out"
        )


def collect(events: Iterator[Event], num_requests: int) -> list[Generation]:
    """Drain a stream of events into results in the order of their requests."""
    done = {event.index: event.generation for event in events if isinstance(event, Done)}
    return [done[index] for index in range(num_requests)]
