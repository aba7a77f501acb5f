"""The generator over a ``transformers`` model: any causal language model made of attention layers.

One thread (:mod:`rag.generation.transformers.driver`) runs one batch (:mod:`rag.generation.transformers.batch`) for the
callers of all threads. What can be checked about a request is checked in its caller's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast
from uuid import uuid4

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rag.core.errors import QuestionError
from rag.core.prompts import PromptStyle
from rag.core.query import Message
from rag.generation.adapters.adapter import UNLIMITED
from rag.generation.base import Adapter, Event, Generation, Prompt, Request, collect
from rag.generation.codec import Codec
from rag.generation.request import check_fits
from rag.generation.transformers.architecture import check_architecture, end_ids, model_window
from rag.generation.transformers.batch import RunningBatch
from rag.generation.transformers.driver import Driver
from rag.generation.transformers.heads import Heads, find_heads
from rag.generation.transformers.jobs import Scored, ScoreJob
from rag.generation.transformers.labels import first_tokens
from rag.generation.transformers.lora import check_adapter
from rag.generation.transformers.merged import MergedModels


class TransformersGenerator:
    """Batched contrastive generation with one model on one device.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer.
        name: the model as the user named it.
        prompt_style: ``chat``, ``plain``, or ``auto`` (chat where the tokenizer has a template).
        max_rows: most rows of one forward; a request that needs more runs alone. An answer needs one for each stream
            that its rule reads and, with probes, one more for each stream.
        window: most tokens of prompt and answer; by default the model's own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        *,
        prompt_style: PromptStyle = "auto",
        max_rows: int = 128,
        window: int | None = None,
    ) -> None:
        check_architecture(model, name)
        self._model = model
        self.name = name
        self._codec = Codec(tokenizer, name, prompt_style, end_ids(model, tokenizer))
        self.window = window or model_window(model)
        self.default_stop = self._codec.default_stop
        # These outlive the running batch, which ends when nobody waits.
        merged, heads = MergedModels(model), Heads(lambda: find_heads(self._codec.encode, model))
        self._driver = Driver(lambda: RunningBatch(model, self._codec, max_rows, merged, heads))

    @property
    def model(self) -> PreTrainedModel:
        """The model, for training patches."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self._codec.tokenizer

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        return self._codec.encode(messages)

    def encode_reply(self, text: str) -> tuple[int, ...]:
        """Token ids of a whole reply, its end included."""
        return self._codec.encode_reply(text)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a piece of text, without the special tokens of a beginning or an end."""
        return self._codec.encode_text(text)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """All requests as one batch, results in their order."""
        return collect(self.stream(requests), len(requests))

    def stream(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Events of all requests, interleaved; one :class:`Done` each.

        Raises:
            QuestionError: a prompt and its answer do not fit the window.
            PatchError: an adapter was made for another model.
            UnavailableError: there is no memory for a request, or the generator was closed.
        """
        for request in requests:
            check_fits(request, self.window, self.name)
            for prompt in request.used.values():
                check_adapter(self._model, prompt.adapter)
        longest = [max((prompt.ids for prompt in request.used.values()), key=len) for request in requests]
        # A request has no other events; delegation closes the driver's iterator with this one.
        yield from cast("Iterator[Event]", self._driver.stream(requests, _longest_first(longest)))

    def score(
        self, prompts: Sequence[tuple[int, ...]], labels: Sequence[str], adapter: Adapter | None = None
    ) -> list[tuple[float, ...]]:
        """See :class:`rag.generation.base.Scorer`; the prompts join the running batch."""
        tokens = tuple(map(tuple, first_tokens(labels, self._codec.encode_text)))
        for prompt in prompts:
            if not 0 < len(prompt) <= self.window:
                raise QuestionError(f"prompt of {len(prompt)} tokens; expected 1 to {self.window}, the window")
        check_adapter(self._model, adapter)
        # No other caller's prompts are equal to these: see Prompt.salt.
        salt = f"score {uuid4().hex}"
        jobs = [ScoreJob(Prompt(ids, adapter, salt), tokens) for ids in prompts]
        events = self._driver.stream(jobs, _longest_first(prompts))
        scores = {event.index: event.probabilities for event in events if isinstance(event, Scored)}
        return [scores[index] for index in range(len(prompts))]

    @property
    def max_adapter_rank(self) -> int:
        """Any rank is run (:class:`rag.generation.base.AdapterRunner`)."""
        return UNLIMITED

    def check_adapter(self, adapter: Adapter) -> None:
        """Refuse an adapter of another model (:class:`rag.generation.base.AdapterRunner`)."""
        check_adapter(self._model, adapter)

    def close(self) -> None:
        """Stop all requests, whose callers get ``UnavailableError``, and take no further ones."""
        self._driver.close()


def _longest_first(prompts: Sequence[tuple[int, ...]]) -> list[int]:
    """Indices, equal prompts side by side: similar lengths share a prefill, equal prompts a row."""
    return sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), prompts[i], i))
