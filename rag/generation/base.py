"""The contract between the pipeline and whatever turns prompts into tokens.

A request holds the two prompts of one answer. A generator runs them in step: at each position both streams
see the same generated suffix, one rule mixes their logits, and both get the token it chose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from decoders.params import DecoderParams
from rag.core.answer import Step
from rag.core.errors import QuestionError
from rag.core.query import Message, Sampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Adapter:
    """Low-rank changes of a model's linear layers, ready to run; equal names mean equal tensors.

    Attributes:
        name: derived from the content, so that caches keyed by it never serve another adapter's rows.
        rank: the largest rank of its layers.
        folder: where the same adapter lies, or is to be written, as a PEFT folder, for engines that load from disk.
        tensors: by layer, ``A [r, in]`` and ``B [out, r]``; the change is ``B A``, all scales multiplied in
            (alpha = r).
    """

    name: str
    rank: int
    folder: Path
    tensors: Mapping[str, tuple[Tensor, Tensor]] = field(compare=False, repr=False)


class Prompt(NamedTuple):
    """What makes one row of a batch: equal prompts share it, of one tenant only (timing would tell of the other).

    Attributes:
        ids: the tokens.
        adapter: what they are read with.
        salt: names the tenant.
    """

    ids: tuple[int, ...]
    adapter: Adapter | None = None
    salt: str = ""


@dataclass(frozen=True)
class Request:
    """One answer to generate.

    Attributes:
        context_ids: token ids of the prompt with the passages.
        parametric_ids: token ids of the same prompt without them.
        decoder: the rule that mixes the two streams.
        sampling: how tokens are chosen from the mixture, and when to stop.
        has_probes: also report what each stream would have answered alone (greedy).
        cache_salt: names the tenant: rows and kept prefixes are shared within one salt only.
        context_adapter, parametric_adapter: what each stream runs with; the prompts may be equal then.
    """

    context_ids: tuple[int, ...]
    parametric_ids: tuple[int, ...]
    decoder: DecoderParams
    sampling: Sampling
    _: KW_ONLY
    has_probes: bool = True
    cache_salt: str = ""
    context_adapter: Adapter | None = None
    parametric_adapter: Adapter | None = None

    @property
    def context(self) -> Prompt:
        """What the context stream reads first."""
        return Prompt(self.context_ids, self.context_adapter, self.cache_salt)

    @property
    def parametric(self) -> Prompt:
        """What the parametric stream reads first."""
        return Prompt(self.parametric_ids, self.parametric_adapter, self.cache_salt)


@dataclass(frozen=True)
class Generation:
    """One finished answer.

    Attributes:
        text: the answer, stop string and special tokens removed.
        token_ids: the generated tokens, the final end-of-text token left out.
        steps: one per generated token, the end-of-text token included (its decision is evidence too).
        context_answer, memory_answer: each stream's own greedy answer; empty without probes.
    """

    text: str
    token_ids: tuple[int, ...]
    steps: tuple[Step, ...]
    finish_reason: Literal["stop", "length"]
    context_answer: str = ""
    memory_answer: str = ""


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

    Implementations promise: a request's tokens depend on that request alone, never on its batch mates;
    :meth:`stream` may be called from several threads at once, and their requests share one running batch;
    closing an iterator, or cancelling its reading (:mod:`rag.generation.cancel`), stops its requests within one
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
        """Return if a question would be answered now; takes a few seconds at most.

        Raises:
            UnavailableError, ModelError: it would not, with the reason.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """Reads the probabilities of a few labels as the reply to a prompt; a generator may be one too."""

    def score(self, prompts: Sequence[tuple[int, ...]], labels: Sequence[str]) -> list[tuple[float, ...]]:
        """One tuple per prompt: the probability that the reply begins with each label, scaled to sum to 1.

        A label counts by its first token, as it stands at the start of a reply and after a space. A prompt's
        probabilities depend on that prompt alone.

        Args:
            prompts: token ids, as :meth:`Generator.encode` makes them.
            labels: at least two, with different first tokens.

        Raises:
            SettingError: two labels begin with the same token.
            QuestionError: a prompt does not fit the window.
        """
        ...


def check_fits(request: Request, window: int, name: str) -> None:
    """Refuse what no generator can run.

    Raises:
        QuestionError: a prompt and its answer exceed the window of model ``name``, or a prompt has no tokens.
    """
    longest = max(len(request.context_ids), len(request.parametric_ids))
    if longest + request.sampling.max_tokens > window:
        raise QuestionError(
            f"prompt of {longest} tokens and answer of up to {request.sampling.max_tokens} exceed the window of "
            f"{window} tokens of {name}; shorten the question or lower max_tokens"
        )
    if not request.context_ids or not request.parametric_ids:
        raise QuestionError("the prompt has no tokens; ask a question of at least one word")


def collect(events: Iterator[Event], num_requests: int) -> list[Generation]:
    """Drain a stream of events into results in the order of their requests."""
    done = {event.index: event.generation for event in events if isinstance(event, Done)}
    return [done[index] for index in range(num_requests)]
