"""Tracks: the sequences under way in a batch, and what becomes of the tokens they choose.

An answer has a track for its pair of streams and, with probes, one for each stream alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from decoders.sampling import Draw
from rag.core.answer import Step
from rag.generation.base import Chunk, Done, Event, Generation, Prompt, Request
from rag.generation.codec import draw_of
from rag.generation.detokenize import TextBuilder
from rag.generation.transformers.rows import Row

Stream = Literal["pair", "context", "parametric"]


@dataclass
class Track:
    """One sequence under way: an answer's pair of streams, or one stream alone as a probe."""

    index: int
    stream: Stream
    request: Request
    text: TextBuilder
    draw: Draw
    rows: dict[str, Row] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] | None = None

    @classmethod
    def of(cls, index: int, request: Request, stream: Stream, tokenizer: Any) -> Track:
        """A track at its beginning; probes are greedy whatever the request samples."""
        draw = draw_of(request.sampling) if stream == "pair" else Draw()
        return cls(index, stream, request, TextBuilder(tokenizer, request.sampling.stop), draw)


@dataclass(frozen=True)
class Choice:
    """The token a track chose, with the trace of its step (pairs only)."""

    token_id: int
    step: Step | None


class Collector:
    """Turns chosen tokens into events, and holds finished pairs until their probes are finished too."""

    def __init__(self) -> None:
        self._finished: dict[int, dict[Stream, Track]] = {}

    def take(self, track: Track, choice: Choice, eos: frozenset[int]) -> list[Event]:
        """Append the token to the track; finish it on end of text, stop string or length."""
        if choice.step is not None:
            track.steps.append(choice.step)
        is_end = choice.token_id in eos
        piece = ""
        if not is_end:
            track.ids.append(choice.token_id)
            piece = track.text.add(choice.token_id)
        if is_end or track.text.is_stopped:
            track.finish_reason = "stop"
        elif len(track.ids) >= track.request.sampling.max_tokens:
            track.finish_reason = "length"
        if track.finish_reason is not None:
            piece += track.text.finish()
        events: list[Event] = []
        if choice.step is not None and piece:
            events.append(Chunk(track.index, piece, choice.step))
        return events + self._done(track)

    def drop(self, indices: Collection[int]) -> None:
        """Forget what is kept of these requests."""
        for index in indices:
            self._finished.pop(index, None)

    def _done(self, track: Track) -> list[Event]:
        if track.finish_reason is None:
            return []
        finished = self._finished.setdefault(track.index, {})
        finished[track.stream] = track
        if len(finished) < len(streams_of(track.request)):
            return []
        pair = finished["pair"]
        assert pair.finish_reason is not None
        answers = [finished[s].text.text.strip() if s in finished else "" for s in ("context", "parametric")]
        del self._finished[track.index]
        generation = Generation(
            pair.text.text.strip(), tuple(pair.ids), tuple(pair.steps), pair.finish_reason, *answers
        )
        return [Done(track.index, generation)]


def streams_of(request: Request) -> tuple[Stream, ...]:
    return ("pair", "context", "parametric") if request.has_probes else ("pair",)


def prompts_of(track: Track) -> dict[str, Prompt]:
    """The prompts that a track reads, by stream."""
    prompts = {"context": track.request.context, "parametric": track.request.parametric}
    return prompts if track.stream == "pair" else {track.stream: prompts[track.stream]}
