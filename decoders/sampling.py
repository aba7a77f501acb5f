"""Choosing one token from mixed scores: penalties, temperature, truncation, one draw.

The draw is made from a number that depends on the seed and the position alone, so an answer is the same
whatever shares its batch, wherever its prefill was cut, and after it was redone.

Shapes: V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """How tokens are chosen from the mixture.

    Attributes:
        temperature: 0 is greedy.
        top_k, top_p, min_p: the usual truncations, applied in this order; 0, 1.0 and 0.0 switch them off.
        seed: any whole number.
        repetition_penalty: divides positive and multiplies negative scores of tokens in the context prompt and the
            answer; 1.0 is none.
        presence_penalty, frequency_penalty: taken from the scores of tokens in the answer, once, and per occurrence.
        forced: the first tokens, whatever their scores: a text whose probability is wanted.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    forced: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        # From JSON it comes as a list.
        object.__setattr__(self, "forced", tuple(self.forced))

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0 and not self.forced

    @property
    def has_penalties(self) -> bool:
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1.0, 0.0, 0.0)

    def settings(self) -> dict[str, float | tuple[int, ...]]:
        """The fields that differ from their defaults."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}


def choose_rows(
    scores: Tensor,
    draws: Sequence[Draw],
    positions: Sequence[int],
    prompts: Sequence[Sequence[int]] | None = None,
    outputs: Sequence[Sequence[int]] | None = None,
) -> Tensor:
    """One token id per row of ``scores`` ``[P, V]``, each by its own settings (see :func:`choose`): ``[P]``."""
    if all(draw.is_greedy and not draw.has_penalties for draw in draws):
        return scores.argmax(dim=-1)
    nothing: list[Sequence[int]] = [()] * len(draws)
    each = zip(scores, draws, positions, prompts or nothing, outputs or nothing, strict=True)
    return torch.stack([choose(*row) for row in each])


def choose(
    scores: Tensor, draw: Draw, position: int, prompt_ids: Sequence[int] = (), output_ids: Sequence[int] = ()
) -> Tensor:
    """One token id, a scalar on the scores' device; no device is waited for.

    Args:
        scores: ``[V]`` mixed logits.
        draw: the settings.
        position: index of the token in the answer, from 0.
        prompt_ids, output_ids: what penalties count; may be empty without penalties.
    """
    if position < len(draw.forced):
        # A number beyond the vocabulary must not reach a device as an index.
        token_id = min(max(draw.forced[position], 0), scores.shape[0] - 1)
        return torch.full((), token_id, dtype=torch.long, device=scores.device)
    if draw.has_penalties:
        scores = penalised(scores, draw, prompt_ids, output_ids)
    if draw.temperature == 0:
        return scores.argmax()
    probs = _warpers(draw)(torch.empty((1, 0), dtype=torch.long), scores[None].float()).softmax(dim=-1)[0]
    cumulative = probs.double().cumsum(dim=0)
    # The number whose cumulative probability first exceeds the draw; a token of probability 0 never does.
    target = (cumulative[-1] * uniform(draw.seed, position))[None]
    return torch.searchsorted(cumulative, target, right=True)[0].clamp(max=scores.shape[0] - 1)


def penalised(scores: Tensor, draw: Draw, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> Tensor:
    """``[V]`` scores after the penalties.

    Source: repetition penalty, CTRL (Keskar et al. 2019), equation 2; the others, OpenAI's API reference.
    """
    scores = scores.clone()
    if draw.repetition_penalty != 1.0:
        seen = torch.tensor(sorted({*prompt_ids, *output_ids}), dtype=torch.long, device=scores.device)
        old = scores[seen]
        scores[seen] = torch.where(old > 0, old / draw.repetition_penalty, old * draw.repetition_penalty)
    if output_ids:
        out = torch.tensor(list(output_ids), dtype=torch.long, device=scores.device)
        counts = torch.zeros_like(scores).index_add_(0, out, torch.ones_like(out, dtype=scores.dtype))
        scores -= draw.frequency_penalty * counts + draw.presence_penalty * (counts > 0)
    return scores


def uniform(seed: int, position: int) -> float:
    """The draw of one position, in [0, 1): a counter-based generator, so positions can be drawn in any order.

    Source: Philox (Salmon et al. 2011).
    """
    return float(np.random.Generator(np.random.Philox(key=seed % 2**64, counter=position)).random())


@lru_cache(maxsize=256)
def _warpers(draw: Draw) -> Callable[[Tensor, Tensor], Tensor]:
    from transformers import LogitsProcessorList, MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper
    from transformers import TopPLogitsWarper as TopP

    warpers = LogitsProcessorList([TemperatureLogitsWarper(float(draw.temperature))])
    if draw.top_k > 0:
        warpers.append(TopKLogitsWarper(draw.top_k))
    if draw.top_p < 1:
        warpers.append(TopP(float(draw.top_p)))
    if draw.min_p > 0:
        warpers.append(MinPLogitsWarper(float(draw.min_p)))
    return cast("Callable[[Tensor, Tensor], Tensor]", warpers)
