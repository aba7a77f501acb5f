"""One step of all pairs in a batch: mix the two rows of each, choose one token, force it on both.

Works on the engine's own logits in place and touches no row outside a pair. Nothing here waits for a device.

Shapes: R rows of the batch, V tokens of the vocabulary, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from decoders.pairing import HalfRow, MatchedPair
from decoders.params import DecoderParams
from decoders.rules import Mixture, mix
from decoders.sampling import Draw, choose_rows
from decoders.streams import CONTEXT, PARAMETRIC
from decoders.trace import TRACE_SIZE, broken_trace, trace_rows

# Above every logit, and still finite after any division: what is drawn from such a row is this token.
_CERTAIN = 1e30
# Far below every logit, and finite: its probability is exactly 0.
_BANNED = -1e4
# Pairs mixed at once on a CPU: their temporaries stay in the cache of a core.
_CPU_CHUNK = 2
_GREEDY = Draw()


def decide(logits: Tensor, pairs: Sequence[MatchedPair]) -> Tensor:
    """Choose each pair's next token and force it on both of its rows.

    A pair whose halves are out of step is left as it is and gets a broken trace.

    Args:
        logits: ``[R, V]`` changed in place.
        pairs: rows of ``logits``.

    Returns:
        ``[P, 9]`` traces in the order of ``pairs`` (see :mod:`decoders.trace`).
    """
    traces = torch.empty((len(pairs), TRACE_SIZE), dtype=torch.float32, device=logits.device)
    for index, pair in enumerate(pairs):
        if not pair.is_in_step:
            traces[index] = broken_trace()
    for params, members in _groups(pairs, logits.device):
        group = [pairs[index] for index in members]
        context_rows, parametric_rows = _rows(logits, group)
        mixture = _mix(params, logits[context_rows], logits[parametric_rows], has_bans=group[0].is_constrained)
        token_ids = choose_rows(
            mixture.scores,
            [pair.context.half.draw or _GREEDY for pair in group],
            [pair.position for pair in group],
            [pair.context.prompt_ids for pair in group],
            [pair.context.output_ids for pair in group],
        )
        traces[_index(members, logits.device)] = trace_rows(mixture, token_ids)
        logits[context_rows, token_ids] = _CERTAIN
        logits[parametric_rows, token_ids] = _CERTAIN
    return traces


def _mix(params: DecoderParams, context: Tensor, parametric: Tensor, *, has_bans: bool) -> Mixture:
    """The mixture of ``[P, V]`` rows. Rules cannot reckon with ``-inf``, a banned token's logit in both."""
    if not has_bans:
        return mix(params, {CONTEXT: context, PARAMETRIC: parametric})
    banned = context == -torch.inf
    mixture = mix(params, {CONTEXT: context.clamp(min=_BANNED), PARAMETRIC: parametric.clamp(min=_BANNED)})
    return replace(mixture, scores=mixture.scores.masked_fill(banned, -torch.inf))


def end(logits: Tensor, rows: Mapping[int, HalfRow]) -> None:
    """Let the rows that have an ``end_id`` end now; ``logits`` are changed in place."""
    for index, row in rows.items():
        if row.end_id is not None:
            logits[index, row.end_id] = _CERTAIN


def _groups(pairs: Sequence[MatchedPair], device: torch.device) -> Iterator[tuple[DecoderParams, list[int]]]:
    """Indices of pairs in step that can be mixed at once: of one rule, constrained or not, on a CPU a few at a time."""
    by_rule: dict[tuple[DecoderParams, bool], list[int]] = {}
    for index, pair in enumerate(pairs):
        if pair.is_in_step:
            by_rule.setdefault((pair.context.half.params, pair.is_constrained), []).append(index)
    for (params, _), members in by_rule.items():
        size = _CPU_CHUNK if device.type == "cpu" else len(members)
        for start in range(0, len(members), size):
            yield params, members[start : start + size]


def _rows(logits: Tensor, pairs: Sequence[MatchedPair]) -> tuple[Tensor, Tensor]:
    both = _index([pair.context_row for pair in pairs] + [pair.parametric_row for pair in pairs], logits.device)
    return both[: len(pairs)], both[len(pairs) :]


def _index(values: Sequence[int], device: torch.device) -> Tensor:
    # Through pinned memory, since a copy from ordinary memory would wait for the device.
    index = torch.tensor(values, dtype=torch.long, pin_memory=device.type == "cuda")
    return index.to(device, non_blocking=True)
