"""Between text and token ids, for one model: prompts in, words and traces out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from decoders.params import CkPlug, DecoderParams, Dial, Memory
from decoders.sampling import Draw
from decoders.streams import CONTEXT, PARAMETRIC
from decoders.trace import StepTrace
from rag.core.answer import Step
from rag.core.prompts import PLAIN_STOP, PromptStyle, plain_text, resolve_style
from rag.core.query import Message
from rag.generation.literal import BREAK, LiteralText
from rag.generation.request import Request


class Codec:
    """A tokenizer and the prompt style of its model.

    Args:
        tokenizer: the model's tokenizer, of the ``transformers`` kind.
        name: the model, as the user named it.
        style: ``chat``, ``plain``, or ``auto`` (chat where the tokenizer has a template).
        eos: ids that end an answer.
    """

    def __init__(self, tokenizer: Any, name: str, style: PromptStyle, eos: frozenset[int]) -> None:
        self.tokenizer = tokenizer
        self.name = name
        self.eos = eos
        self._literal = LiteralText(tokenizer)
        self._style = resolve_style(style, has_template=bool(tokenizer.chat_template), model=name)
        self.default_stop = () if self._style == "chat" else PLAIN_STOP

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn.

        What a message says is text, whatever it looks like (:mod:`rag.generation.literal`). The template's own control
        tokens are the only ones.
        """
        marked = [replace(message, content=self._literal.mark(message.content)) for message in messages]
        if self._style == "chat":
            return tuple(self._encode_chat(marked))
        first, *others = plain_text(marked).split(BREAK, 1)
        ids = list(self.tokenizer(first)["input_ids"])
        # Some tokenizers append end-of-text to every text. It would end the answer before its first token.
        while ids and ids[-1] in self.eos:
            ids.pop()
        for rest in others:
            ids += self._literal.encode_inside(rest)
        return tuple(ids)

    def _encode_chat(self, marked: Sequence[Message]) -> list[int]:
        turns = [{"role": message.role, "content": message.content} for message in marked]
        if not any(BREAK in message.content for message in marked):
            return list(self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False))
        text = self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return self._literal.encode(text)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a piece of text, without the special tokens of a beginning or an end."""
        return self._literal.encode(self._literal.mark(text))

    def encode_reply(self, text: str) -> tuple[int, ...]:
        """Token ids of a whole reply to a prompt of :meth:`encode`, its end included."""
        if self._style != "chat":
            return tuple(self.encode_text(f" {text}{PLAIN_STOP[0]}"))
        end = self.tokenizer.eos_token_id
        return (*self.encode_text(text), *((end,) if end in self.eos else ()))

    def step(self, token_id: int, trace: StepTrace | None, decoder: DecoderParams) -> Step:
        """A step of the conflict report, token ids as text.

        Args:
            trace: what the streams said; ``None`` where one stream ran alone and its engine reports no trace.
        """
        context, parametric = self._fields(CONTEXT, trace), self._fields(PARAMETRIC, trace)
        if trace is None:
            alone = PARAMETRIC if isinstance(decoder, Memory) else CONTEXT
            coefficients = {name: float(name == alone) for name in (CONTEXT, PARAMETRIC)}
        else:
            coefficients = {name: stream.coefficient for name, stream in trace.streams.items()}
        # The rule does not read a stream that did not run: its factor is 0.
        factors = coefficients.get(CONTEXT, 0.0), coefficients.get(PARAMETRIC, 0.0)
        return Step(
            token=self.tokenizer.decode([token_id]),
            token_id=token_id,
            weight=decoder_alpha(decoder, *factors),
            jsd=None if trace is None or math.isnan(trace.jsd) else trace.jsd,
            context_coefficient=factors[0],
            parametric_coefficient=factors[1],
            **context,
            **parametric,
        )

    def _fields(self, name: str, trace: StepTrace | None) -> dict[str, Any]:
        """The fields of a step that one stream fills; ``None`` for a stream that did not run."""
        stream = trace.streams.get(name) if trace is not None else None
        if stream is None:
            return dict.fromkeys((f"{name}_entropy", f"{name}_top", f"{name}_logprob"))
        top = self.tokenizer.decode([stream.top])
        return {f"{name}_entropy": stream.entropy, f"{name}_top": top, f"{name}_logprob": stream.logprob}


def decoder_alpha(decoder: DecoderParams, context: float, parametric: float) -> float:
    """The decoder's own alpha from its two coefficients: the field ``weight`` of a step, which older clients read.

    It means the share of memory for dial, ckplug and memory, and the contrast for the others.
    """
    if isinstance(decoder, Dial):
        return decoder.memory_share(parametric)
    if isinstance(decoder, (CkPlug, Memory)):
        return (context + parametric) / (2 * context + parametric)
    return abs(parametric)


def build_draw(request: Request) -> Draw:
    """How a request's tokens are chosen from the mixture."""
    sampling = request.sampling
    return Draw(
        temperature=sampling.temperature,
        top_k=sampling.sample_top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
        seed=sampling.seed,
        forced=request.forced,
    )
