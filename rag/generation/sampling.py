"""Choosing one token from a row of mixed scores. A pair draws once; both streams get that token."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessorList, MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper
from transformers import TopPLogitsWarper as _TopP

from rag.types import Sampling


class Sampler:
    """Draws tokens by one request's settings, from its own seeded generator."""

    def __init__(self, sampling: Sampling) -> None:
        self.is_greedy = sampling.temperature == 0
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._warpers = LogitsProcessorList()
        if self.is_greedy:
            return
        self._warpers.append(TemperatureLogitsWarper(float(sampling.temperature)))
        if sampling.sample_top_k > 0:
            self._warpers.append(TopKLogitsWarper(sampling.sample_top_k))
        if sampling.top_p < 1:
            self._warpers.append(_TopP(float(sampling.top_p)))
        if sampling.min_p > 0:
            self._warpers.append(MinPLogitsWarper(float(sampling.min_p)))

    def choose(self, scores: Tensor) -> int:
        """One token id from ``[V]`` scores."""
        if self.is_greedy:
            return int(scores.argmax())
        # On the CPU, so that a seed gives the same tokens on every device.
        warped = self._warpers(torch.empty((1, 0), dtype=torch.long), scores[None].float().cpu())
        return int(torch.multinomial(warped.softmax(dim=-1), 1, generator=self._generator))
