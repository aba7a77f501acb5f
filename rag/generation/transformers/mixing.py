"""One step of decoding: every active sequence chooses its next token from the logits of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from decoders.params import DecoderParams
from decoders.rules import mix
from decoders.sampling import choose_rows
from decoders.trace import StepTrace, trace_rows
from rag.generation.codec import Codec
from rag.generation.sequences import ActiveSequence, Choice
from rag.generation.transformers.bands import Row


@dataclass(eq=False)
class RowSequence(ActiveSequence):
    """An active sequence and the row of each stream that it reads."""

    rows: dict[str, Row] = field(default_factory=dict)


def choose_tokens(sequences: Sequence[RowSequence], logits: Tensor, codec: Codec) -> list[Choice | Exception]:
    """One token per sequence, or the error that is this sequence's alone.

    Answers with one rule over the same streams are mixed together; probes take the best token of their stream.

    Args:
        logits: ``[rows, V]``; those of a row are at ``row.index``.
    """
    best = logits.argmax(dim=-1)
    best_ids = best.tolist()
    choices: dict[int, Choice | Exception] = {}
    groups: dict[tuple[DecoderParams, tuple[str, ...]], list[int]] = {}
    for index, sequence in enumerate(sequences):
        if sequence.is_answer:
            groups.setdefault((sequence.request.decoder, sequence.streams), []).append(index)
        else:
            choices[index] = Choice(best_ids[sequence.rows[sequence.name].index])
    for members in groups.values():
        mixed = _mix_each([sequences[index] for index in members], logits, best, codec)
        choices.update(zip(members, mixed, strict=True))
    return [choices[index] for index in range(len(sequences))]


def _mix_each(
    answers: Sequence[RowSequence], logits: Tensor, best: Tensor, codec: Codec
) -> Sequence[Choice | Exception]:
    """All answers at once; if that fails, one at a time, so that an error ends only the answer that caused it."""
    try:
        return _mix(answers, logits, best, codec)
    except Exception as error:  # a rule or the library's sampling, over settings that it cannot take; or no memory
        if len(answers) == 1:
            return [error]
    return [choice for answer in answers for choice in _mix_each([answer], logits, best, codec)]


def _mix(answers: Sequence[RowSequence], logits: Tensor, best: Tensor, codec: Codec) -> list[Choice]:
    """Mix the streams of answers that share a rule, and choose from the mixture."""
    decoder, streams = answers[0].request.decoder, answers[0].streams
    rows = {name: [answer.rows[name].index for answer in answers] for name in streams}
    mixture = mix(decoder, {name: logits[indices] for name, indices in rows.items()})
    draws, positions = [answer.draw for answer in answers], [len(answer.token_ids) for answer in answers]
    token_ids = choose_rows(mixture.scores, draws, positions)
    traces = trace_rows(mixture, token_ids, {name: best[indices] for name, indices in rows.items()}).tolist()
    return [
        Choice(token_id, codec.step(token_id, StepTrace.from_numbers(numbers, streams), decoder))
        for token_id, numbers in zip(token_ids.tolist(), traces, strict=True)
    ]
