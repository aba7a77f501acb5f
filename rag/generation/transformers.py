"""The generator over a ``transformers`` model: any causal language model made of attention layers.

Life of a batch, repeated until no request is left: admit requests while there is room (their prompts are
prefilled, equal ones once), run one forward over all rows, mix the two streams of each answer, choose one
token per answer, and tell the rows which token follows (see :mod:`rag.generation.rows`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from decoders.params import DecoderParams
from decoders.rules import mix
from rag.errors import ModelError, QuestionError
from rag.generation.base import Event, Generation, Prompt, Request, collect
from rag.generation.rows import RowBatch
from rag.generation.tracks import Choice, Collector, Track, prompts_of, streams_of
from rag.prompts import PLAIN_STOP, PromptStyle, plain_text, resolve_style
from rag.types import Message, Step


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
        self._tokenizer = tokenizer
        self.name = name
        self._style = resolve_style(prompt_style, has_template=bool(tokenizer.chat_template), model=name)
        self._max_rows = max_rows
        self.window = window or _window_of(model)
        self.default_stop = () if self._style == "chat" else PLAIN_STOP
        self._eos = _eos_ids(model, tokenizer)

    @property
    def model(self) -> PreTrainedModel:
        """The model, for those who train patches for it."""
        return self._model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer."""
        return self._tokenizer

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        if self._style == "chat":
            turns = [{"role": message.role, "content": message.content} for message in messages]
            ids = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
            return tuple(ids)
        ids = list(self._tokenizer(plain_text(messages))["input_ids"])
        # Some tokenizers end every text, which would end the answer before it began.
        while ids and ids[-1] in self._eos:
            ids.pop()
        return tuple(ids)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """All requests as one batch, results in their order."""
        return collect(self.stream(requests), len(requests))

    def stream(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Events of all requests, interleaved; one :class:`Done` each.

        Raises:
            QuestionError: a prompt and its answer do not fit the window.
        """
        for request in requests:
            self._check(request)
        # Longest first, equal prompts side by side: alike lengths share a prefill, equal prompts a row.
        order = sorted(range(len(requests)), key=lambda i: (-len(requests[i].context_ids), requests[i].context_ids, i))
        rows = RowBatch(self._model)
        collector = Collector()
        tracks: list[Track] = []
        while order or tracks:
            if tracks:
                yield from self._advance(rows, tracks, collector)
            if order and (not tracks or rows.num_rows <= self._max_rows * 3 // 4):
                new = self._take(rows, order, requests)
                yield from self._prefill(rows, tracks, new, collector)

    def _check(self, request: Request) -> None:
        longest = max(len(request.context_ids), len(request.parametric_ids))
        if longest + request.sampling.max_tokens > self.window:
            raise QuestionError(
                f"prompt of {longest} tokens and answer of up to {request.sampling.max_tokens} exceed the window of "
                f"{self.window} tokens of {self.name}; shorten the question or lower max_tokens"
            )
        if not request.context_ids or not request.parametric_ids:
            raise QuestionError("the prompt has no tokens; ask a question of at least one word")

    def _take(self, rows: RowBatch, order: list[int], requests: Sequence[Request]) -> list[Track]:
        """Take requests from ``order`` while their rows fit."""
        tracks: list[Track] = []
        prompts: set[Prompt] = set()
        while order:
            request = requests[order[0]]
            prompts.add((request.context_ids, request.context_adapter))
            prompts.add((request.parametric_ids, request.parametric_adapter))
            if tracks and rows.num_rows + len(prompts) > self._max_rows:
                break
            index = order.pop(0)
            tracks += [Track.of(index, request, stream, self._tokenizer) for stream in streams_of(request)]
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
            events += collector.take(track, choice, self._eos)
        others += [track for track in moved if track.finish_reason is None]
        children = list(dict.fromkeys((row, track.ids[-1]) for track in others for row in track.rows.values()))
        row_of = dict(zip(children, _inference(rows.advance, children), strict=True))
        for track in others:
            track.rows = {stream: row_of[row, track.ids[-1]] for stream, row in track.rows.items()}
        yield from events

    def _choose(self, tracks: list[Track], logits: Tensor) -> list[Choice]:
        """One token per track. Pairs with one rule are mixed together; probes take their stream's best."""
        best = logits.argmax(dim=-1).tolist()
        choices: dict[int, Choice] = {}
        groups: dict[DecoderParams, list[int]] = {}
        for at, track in enumerate(tracks):
            if track.stream == "pair":
                groups.setdefault(track.request.decoder, []).append(at)
            else:
                choices[at] = Choice(best[track.rows[track.stream].at], None)
        for params, members in groups.items():
            pairs = [tracks[at] for at in members]
            context_rows = [track.rows["context"].at for track in pairs]
            parametric_rows = [track.rows["parametric"].at for track in pairs]
            tops = [(best[c], best[p]) for c, p in zip(context_rows, parametric_rows, strict=True)]
            mixed = self._mix(pairs, logits[context_rows], logits[parametric_rows], params, tops)
            choices.update(zip(members, mixed, strict=True))
        return [choices[at] for at in range(len(tracks))]

    def _mix(
        self, pairs: list[Track], z_c: Tensor, z_p: Tensor, params: DecoderParams, tops: list[tuple[int, int]]
    ) -> list[Choice]:
        mixture = mix(z_c, z_p, params)
        best = mixture.scores.argmax(dim=-1).tolist()
        ids = [
            best[row] if track.sampler.is_greedy else track.sampler.choose(mixture.scores[row])
            for row, track in enumerate(pairs)
        ]
        chosen = torch.tensor(ids, device=z_c.device)[:, None]
        logprobs = [z.gather(1, chosen)[:, 0].float() - z.logsumexp(dim=-1).float() for z in (z_c, z_p)]
        divergences = (mixture.weight, mixture.jsd, mixture.context_entropy, mixture.parametric_entropy)
        numbers = torch.stack([*divergences, *logprobs], dim=1).tolist()
        return [
            Choice(token_id, self._step(token_id, row, top))
            for token_id, row, top in zip(ids, numbers, tops, strict=True)
        ]

    def _step(self, token_id: int, numbers: list[float], tops: tuple[int, int]) -> Step:
        weight, jsd, h_c, h_p, logprob_c, logprob_p = numbers
        token, top_c, top_p = (self._tokenizer.decode([i]) for i in (token_id, *tops))
        return Step(token, token_id, weight, jsd, h_c, h_p, top_c, top_p, logprob_c, logprob_p)


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
