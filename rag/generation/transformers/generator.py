"""The generator over a ``transformers`` model: any causal language model made of attention layers.

Life of a batch, repeated until no request is left: admit requests while there is room (their prompts are
prefilled, equal ones once), run one forward over all rows, mix the two streams of each answer, choose one
token per answer, and tell the rows which token follows (:mod:`rag.generation.transformers.rows`). One thread does
this for the callers of all threads (:mod:`rag.generation.transformers.driver`).
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from decoders.params import DecoderParams
from decoders.rules import mix
from decoders.sampling import choose_rows
from decoders.signals import Streams
from decoders.streams import CONTEXT, PARAMETRIC
from decoders.trace import StepTrace, trace_rows
from rag.core.errors import ModelError, QuestionError
from rag.core.prompts import PromptStyle
from rag.core.query import Message
from rag.generation.base import Event, Generation, Prompt, Request, check_fits, collect
from rag.generation.codec import Codec
from rag.generation.tracks import Choice, Collector, Track, prompts_of, streams_of
from rag.generation.transformers.driver import Driver, Waiting
from rag.generation.transformers.labels import first_tokens, label_probabilities
from rag.generation.transformers.rows import RowBatch


class TransformersGenerator:
    """Batched contrastive generation with one model on one device.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer.
        name: the model as the user named it.
        prompt_style: ``chat``, ``plain``, or ``auto`` (chat where the tokenizer has a template).
        max_rows: rows of one forward at which no further request is admitted.
        window: most tokens of prompt and answer; by default the model's own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        *,
        prompt_style: PromptStyle = "auto",
        max_rows: int = 64,
        window: int | None = None,
    ) -> None:
        _check_architecture(model, name)
        self._model = model
        self.name = name
        self._codec = Codec(tokenizer, name, prompt_style, _eos_ids(model, tokenizer))
        self._max_rows = max_rows
        self.window = window or _window_of(model)
        self.default_stop = self._codec.default_stop
        self._driver = Driver(lambda: _Batch(self, RowBatch(model)))

    @property
    def model(self) -> PreTrainedModel:
        """The model, for those who train patches for it."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self._codec.tokenizer

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        return self._codec.encode(messages)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """All requests as one batch, results in their order."""
        return collect(self.stream(requests), len(requests))

    def stream(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Events of all requests, interleaved; one :class:`Done` each.

        Raises:
            QuestionError: a prompt and its answer do not fit the window.
        """
        for request in requests:
            check_fits(request, self.window, self.name)
        # Longest first, equal prompts side by side: alike lengths share a prefill, equal prompts a row.
        order = sorted(range(len(requests)), key=lambda i: (-len(requests[i].context_ids), requests[i].context_ids, i))
        yield from self._driver.stream(requests, order)

    def close(self) -> None:
        """Stop all requests, whose callers get ``UnavailableError``, and take no further ones."""
        self._driver.close()

    def _run_step(self, batch: _Batch, waiting: Waiting) -> Iterator[Event]:
        rows, tracks, collector = batch.rows, batch.tracks, batch.collector
        if tracks:
            yield from self._advance(rows, tracks, collector)
        if waiting and (not tracks or rows.num_rows <= self._max_rows * 3 // 4):
            new = self._take(rows, waiting)
            yield from self._prefill(rows, tracks, new, collector)

    def score(self, prompts: Sequence[tuple[int, ...]], labels: Sequence[str]) -> list[tuple[float, ...]]:
        """See :class:`rag.generation.base.Scorer`; prompts of alike length share a forward."""
        tokens = first_tokens(labels, self._codec.encode_text)
        for prompt in prompts:
            if not 0 < len(prompt) <= self.window:
                raise QuestionError(f"prompt of {len(prompt)} tokens; expected 1 to {self.window}, the window")
        found: list[tuple[float, ...]] = []
        for first in range(0, len(prompts), self._max_rows):
            # Fresh rows each time: nothing follows these prompts, so their cache goes at once.
            _, logits = _inference(
                RowBatch(self._model).prefill, [Prompt(ids) for ids in prompts[first : first + self._max_rows]]
            )
            found += map(tuple, label_probabilities(logits, tokens).tolist())
        return found

    def _take(self, rows: RowBatch, waiting: Waiting) -> list[Track]:
        """Take requests from ``waiting`` while their rows fit."""
        tracks: list[Track] = []
        prompts: set[Prompt] = set()
        while waiting:
            ticket, request = waiting.next
            prompts |= {request.context, request.parametric}
            if tracks and rows.num_rows + len(prompts) > self._max_rows:
                break
            waiting.pop()
            tracks += [Track.of(ticket, request, stream, self._codec.tokenizer) for stream in streams_of(request)]
        return tracks

    def _prefill(self, rows: RowBatch, tracks: list[Track], new: list[Track], collector: Collector) -> Iterator[Event]:
        prompts = list(dict.fromkeys(prompt for track in new for prompt in prompts_of(track).values()))
        new_rows, logits = _inference(rows.prefill, prompts)
        row_of = dict(zip(prompts, new_rows, strict=True))
        for track in new:
            track.rows = {stream: row_of[prompt] for stream, prompt in prompts_of(track).items()}
        yield from self._apply(rows, tracks, new, _inference(self._choose, new, logits), collector)

    def _advance(self, rows: RowBatch, tracks: list[Track], collector: Collector) -> Iterator[Event]:
        logits = _inference(rows.step)
        running = list(tracks)
        tracks.clear()
        yield from self._apply(rows, tracks, running, _inference(self._choose, running, logits), collector)

    def _apply(
        self,
        rows: RowBatch,
        others: list[Track],
        moved: list[Track],
        choices: list[Choice],
        collector: Collector,
    ) -> Iterator[Event]:
        """Give each moved track its token, let finished ones go, and tell the rows what follows.

        ``others`` wait for the next step with the token they already have; the survivors join them.
        """
        events: list[Event] = []
        for track, choice in zip(moved, choices, strict=True):
            events += collector.take(track, choice, self._codec.eos)
        others += [track for track in moved if track.finish_reason is None]
        _keep(rows, others)
        yield from events

    def _choose(self, tracks: list[Track], logits: Tensor) -> list[Choice]:
        """One token per track. Pairs with one rule are mixed together; probes take their stream's best."""
        best = logits.argmax(dim=-1)
        best_ids = best.tolist()
        choices: dict[int, Choice] = {}
        groups: dict[DecoderParams, list[int]] = {}
        for at, track in enumerate(tracks):
            if track.stream == "pair":
                groups.setdefault(track.request.decoder, []).append(at)
            else:
                choices[at] = Choice(best_ids[track.rows[track.stream].at], None)
        for params, members in groups.items():
            pairs = [tracks[at] for at in members]
            context_rows = [track.rows["context"].at for track in pairs]
            parametric_rows = [track.rows["parametric"].at for track in pairs]
            streams = {CONTEXT: logits[context_rows], PARAMETRIC: logits[parametric_rows]}
            tops = {CONTEXT: best[context_rows], PARAMETRIC: best[parametric_rows]}
            mixed = self._mix(pairs, params, streams, tops)
            choices.update(zip(members, mixed, strict=True))
        return [choices[at] for at in range(len(tracks))]

    def _mix(self, pairs: list[Track], params: DecoderParams, streams: Streams, tops: Streams) -> list[Choice]:
        mixture = mix(params, streams)
        ids = choose_rows(mixture.scores, [track.draw for track in pairs], [len(track.ids) for track in pairs])
        traces = trace_rows(mixture, ids, tops).tolist()
        return [
            Choice(token_id, self._codec.step(token_id, StepTrace.from_numbers(numbers), params))
            for token_id, numbers in zip(ids.tolist(), traces, strict=True)
        ]


@dataclass(eq=False)
class _Batch:
    """The one running batch of a generator (:class:`rag.generation.transformers.driver.Batch`)."""

    generator: TransformersGenerator
    rows: RowBatch
    tracks: list[Track] = field(default_factory=list)
    collector: Collector = field(default_factory=Collector)

    def step(self, waiting: Waiting) -> Iterator[Event]:
        return self.generator._run_step(self, waiting)

    def drop(self, tickets: Collection[int]) -> None:
        self.tracks = [track for track in self.tracks if track.index not in tickets]
        self.collector.drop(tickets)
        _keep(self.rows, self.tracks)


def _keep(rows: RowBatch, tracks: Sequence[Track]) -> None:
    """Tell the rows which tracks go on, and with which tokens."""
    children = list(dict.fromkeys((row, track.ids[-1]) for track in tracks for row in track.rows.values()))
    row_of = dict(zip(children, _inference(rows.advance, children), strict=True))
    for track in tracks:
        track.rows = {stream: row_of[row, track.ids[-1]] for stream, row in track.rows.items()}


def _inference(function: Any, *args: Any) -> Any:
    # Not a decorator of the generator function: the mode must not leak into the caller between two events.
    with torch.inference_mode():
        return function(*args)


# What the weights of a causal language model were saved as; an encoder would load too, with a random head.
_GENERATORS = ("CausalLM", "LMHeadModel", "ConditionalGeneration")


def _check_architecture(model: PreTrainedModel, name: str) -> None:
    """Refuse models without a key-value cache: rows of other states can be neither padded nor forked."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    others = sorted(kind for kind in kinds if kind not in ("full_attention", "sliding_attention", "chunked_attention"))
    written = model.config.architectures or []
    if written and not any(kind.endswith(_GENERATORS) for kind in written):
        raise ModelError(f"model {name!r} is a {written[0]}, which generates no text; choose a causal language model")
    takes_cache = "past_key_values" in inspect.signature(model.forward).parameters
    if others or not takes_cache or model.config.is_encoder_decoder:
        what = f"layers of type {', '.join(others)}" if others else "no key-value cache of a causal language model"
        raise ModelError(
            f"model {name!r} ({model.config.model_type}) has {what}; choose a decoder-only model of attention layers"
        )


def _window_of(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    for field_name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, field_name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 2048


def _eos_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    generation_config = model.generation_config
    listed = generation_config.eos_token_id if generation_config is not None else None
    ids = listed if isinstance(listed, list) else [listed, model.config.get_text_config().eos_token_id]
    flat = [i for entry in [*ids, tokenizer.eos_token_id] for i in (entry if isinstance(entry, list) else [entry])]
    return frozenset(i for i in flat if i is not None)
