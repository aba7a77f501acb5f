"""The rows of a running batch: every prompt-plus-suffix that some answer reads, once.

Streams with the same prompt and the same suffix are one row, however many answers read it. When two answers choose
different tokens, the row forks. A stream's own answer, or ten decoders on one question, cost a row only from the token
at which they differ.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache

from rag.generation.base import Prompt
from rag.generation.transformers.attention import enable_bands
from rag.generation.transformers.bands import Band, Row, rearrange
from rag.generation.transformers.cache import BufferedLayer, banded_cache
from rag.generation.transformers.heads import Heads
from rag.generation.transformers.lora import RowAdapters
from rag.generation.transformers.merged import MergedModels

# Tokens of one prefill forward: bounds the activations' memory without starving the matrix products.
_PREFILL_TOKENS = 4096
# A prompt joins a prefill group when it is at least this share of the group's longest.
_LENGTH_SHARE = 0.75


class RowBatch:
    """The rows of one running batch over one model; the caller says which tokens follow which rows.

    A prefill or a step that raises leaves the rows as they were.

    Args:
        model: reads the rows.
        merged: its copies for rows that share a skill; they outlive the batch.
        heads: what prompts begin with; they outlive the batch too.
    """

    def __init__(self, model: PreTrainedModel, merged: MergedModels | None = None, heads: Heads | None = None) -> None:
        self._model = model
        self._heads = heads or Heads()
        self._is_banded = enable_bands(model)
        parameters = inspect.signature(model.forward).parameters
        self._has_position_ids = "position_ids" in parameters
        self._bands: list[Band] = []
        self._adapters = RowAdapters(model, merged)

    @property
    def num_rows(self) -> int:
        """Rows in use."""
        return sum(len(band.rows) for band in self._bands)

    def prefill(self, prompts: Sequence[Prompt]) -> tuple[list[Row], Tensor]:
        """Read prompts, those of similar length together; each group becomes a band.

        Returns:
            The row of each prompt, and their next-token logits ``[len(prompts), V]`` in the same order.
        """
        rows = [Row(len(prompt.ids), index=i, adapter=prompt.adapter) for i, prompt in enumerate(prompts)]
        logits: dict[int, Tensor] = {}
        bands: list[Band] = []
        keys = [self._adapters.batch_key(prompt.adapter) for prompt in prompts]
        for group in group_by_length([len(prompt.ids) for prompt in prompts], keys):
            out, cache = self._read([prompts[i] for i in group])
            logits.update(zip(group, out, strict=True))
            layers = [BufferedLayer.adopt(layer) for layer in cache.layers]
            bands.append(Band(layers, [rows[i] for i in group]))
        stacked = torch.stack([logits[i] for i in range(len(prompts))])
        self._bands += bands
        return rows, stacked

    def step(self) -> Tensor:
        """Feed every row its token.

        Returns:
            Next-token logits ``[num_rows, V]``; those of a row are at ``row.index``.
        """
        lengths = [band.length for band in self._bands]
        try:
            logits = self._feed_all()
        except BaseException:
            for band, length in zip(self._bands, lengths, strict=True):
                for layer in band.layers:
                    layer.truncate(length)
            raise
        for index, row in enumerate(row for band in self._bands for row in band.rows):
            row.index, row.num_tokens = index, row.num_tokens + 1
        return logits

    def _feed_all(self) -> Tensor:
        if not self._is_banded:
            return torch.cat([self._feed(band.rows, Cache(layers=band.layers)) for band in self._bands])
        rows = [row for band in self._bands for row in band.rows]
        return self._feed(rows, banded_cache([band.layers for band in self._bands]))

    def advance(self, children: Sequence[tuple[Row, int]]) -> list[Row]:
        """Choose the rows that continue and their next tokens; each (row, token) at most once.

        A row's first child is the row itself and further children are forks. Rows without a child are removed.

        Returns:
            The row of each child.
        """
        placed: list[Row] = []
        forks: dict[Row, list[Row]] = {}
        for parent, token in children:
            if parent in forks:
                fork = Row(parent.num_tokens, token, adapter=parent.adapter)
                forks[parent].append(fork)
                placed.append(fork)
            else:
                forks[parent] = []
                parent.token = token
                placed.append(parent)
        for band in self._bands:
            rearrange(band, forks)
        self._bands = [band for band in self._bands if band.rows]
        self._adapters.keep(row.adapter for band in self._bands for row in band.rows)
        return placed

    def _read(self, prompts: Sequence[Prompt]) -> tuple[Tensor, DynamicCache]:
        """The logits and the cache of prompts that are read together; what all begin with is read once for good."""
        head = self._heads.share(prompts, self._read_head)
        if head is None:
            cache = DynamicCache()
            return self._read_after(prompts, 0, cache), cache
        start, cache = len(head.ids), head.open(len(prompts))
        logits = self._read_after(prompts, start, cache)
        longest = max(len(prompt.ids) for prompt in prompts)
        head.close_gaps(cache, [longest - len(prompt.ids) for prompt in prompts])
        return logits, cache

    def _read_head(self, prompt: Prompt) -> list[tuple[Tensor, Tensor]]:
        cache = DynamicCache()
        self._read_after([prompt], 0, cache)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _read_after(self, prompts: Sequence[Prompt], start: int, cache: DynamicCache) -> Tensor:
        """Read prompts whose first ``start`` tokens are in the cache."""
        device = self._model.device
        rests = [prompt.ids[start:] for prompt in prompts]
        length = max(map(len, rests))
        # Token 0 as padding: it is masked out, and every vocabulary has it.
        padded = [[0] * (length - len(rest)) + list(rest) for rest in rests]
        sizes = torch.tensor([len(rest) for rest in rests], device=device)
        mask = torch.arange(-start, length, device=device)[None, :] >= length - sizes[:, None]
        mask[:, :start] = True
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)[:, start:]
        with self._adapters.applied([prompt.adapter for prompt in prompts]) as model:
            return self._forward(model, torch.tensor(padded, device=device), mask, positions, cache)

    def _feed(self, rows: Sequence[Row], cache: Cache) -> Tensor:
        device = self._model.device
        sizes = torch.tensor([[row.num_tokens] for row in rows], device=device)
        length = int(cache.get_seq_length()) + 1
        mask = torch.arange(length, device=device)[None, :] >= length - 1 - sizes
        tokens = torch.tensor([[row.token] for row in rows], device=device)
        with self._adapters.applied([row.adapter for row in rows]) as model:
            return self._forward(model, tokens, mask, sizes, cache)

    def _forward(self, model: Any, tokens: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        extra = {"position_ids": positions} if self._has_position_ids else {}
        out = model(
            input_ids=tokens,
            attention_mask=mask.long(),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        )
        logits: Tensor = out.logits[:, -1]
        return logits


def group_by_length(lengths: Sequence[int], keys: Sequence[Hashable] = ()) -> list[list[int]]:
    """Indices in groups of similar length, longest first, each group within the prefill budget.

    A parametric prompt is a fraction of a context prompt: padded to its length it would double the work.

    Args:
        lengths: tokens of each prompt.
        keys: of each prompt; a group has one key. By default all are equal.
    """
    by_key: dict[Hashable, list[int]] = {}
    for index in range(len(lengths)):
        by_key.setdefault(keys[index] if keys else None, []).append(index)
    groups = [group for indices in by_key.values() for group in _group_by_length(indices, lengths)]
    return sorted(groups, key=lambda group: -lengths[group[0]])


def _group_by_length(indices: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for index in sorted(indices, key=lambda i: (-lengths[i], i)):
        longest = lengths[groups[-1][0]] if groups else 0
        fits = groups and (len(groups[-1]) + 1) * longest <= _PREFILL_TOKENS
        if fits and lengths[index] >= _LENGTH_SHARE * longest:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
