"""Heads: what every prompt of a model begins with, read once.

A chat template opens each conversation with the same tokens, and the product's prompts go on with one instruction. The
keys and values of these tokens depend on nothing that a user wrote, so all prompts and all tenants share them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from rag.core.prompts import INSTRUCTION
from rag.core.query import Message
from rag.generation.adapters.adapter import Adapter
from rag.generation.base import Prompt

# A shorter head saves nothing that could be measured.
_MIN_TOKENS = 8
_MAX_KEPT = 8
# How the product's prompts begin; other ones begin with the template alone.
_STARTS = (f"{INSTRUCTION}\n\n", "")


@dataclass(frozen=True)
class Head:
    """The first tokens of prompts, as the model has read them.

    Attributes:
        ids: the tokens.
        layers: keys and values of each layer, ``[1, kv_heads, len(ids), dim]``.
    """

    ids: tuple[int, ...]
    layers: tuple[tuple[Tensor, Tensor], ...]

    def open(self, num_rows: int) -> DynamicCache:
        """A cache of ``num_rows`` rows that begin with the head."""
        cache = DynamicCache()
        for index, (keys, values) in enumerate(self.layers):
            shape = (num_rows, -1, -1, -1)
            cache.update(keys.expand(shape), values.expand(shape), index)
        return cache

    def close_gaps(self, cache: DynamicCache, gaps: Sequence[int]) -> None:
        """Move each row's head to the right, over the ``gaps[row]`` columns of padding between it and its prompt."""
        for row, gap in enumerate(gaps):
            for layer, (keys, values) in zip(cache.layers, self.layers, strict=True):
                layer.keys[row, :, gap : gap + len(self.ids)] = keys[0]
                layer.values[row, :, gap : gap + len(self.ids)] = values[0]


class Heads:
    """The heads of one model. They outlive the batches; one thread asks for them.

    Args:
        find: gives the token ids of the heads, the longest first. Called once.
    """

    def __init__(self, find: Callable[[], Sequence[tuple[int, ...]]] = tuple) -> None:
        self._find = find
        self._known: Sequence[tuple[int, ...]] | None = None
        self._read: OrderedDict[tuple[tuple[int, ...], Adapter | None], Head] = OrderedDict()

    def share(
        self, prompts: Sequence[Prompt], read: Callable[[Prompt], Sequence[tuple[Tensor, Tensor]]]
    ) -> Head | None:
        """The longest head that all prompts begin with; ``None`` without one.

        Args:
            prompts: they are read together.
            read: the keys and values of a prompt by layer, ``[1, kv_heads, T, dim]``.
        """
        adapter = prompts[0].adapter
        is_passing = adapter is not None and not adapter.is_lasting
        if is_passing or any(prompt.adapter != adapter for prompt in prompts):
            return None
        if self._known is None:
            self._known = self._find()
        ids = next((ids for ids in self._known if all(_begins(prompt, ids) for prompt in prompts)), None)
        if ids is None:
            return None
        if (ids, adapter) not in self._read:
            self._read[ids, adapter] = Head(ids, tuple(read(Prompt(ids, adapter))))
            while len(self._read) > _MAX_KEPT:
                self._read.popitem(last=False)
        self._read.move_to_end((ids, adapter))
        return self._read[ids, adapter]


def find_heads(encode: Callable[[Sequence[Message]], tuple[int, ...]], model: PreTrainedModel) -> list[tuple[int, ...]]:
    """The heads of a model's prompts, the longest first: with the product's instruction, and the template alone.

    A model whose attention has a window has none: in a row with a gap, distances would be counted over the gap.

    Args:
        encode: token ids of a conversation.
    """
    if getattr(model.config.get_text_config(), "sliding_window", None):
        return []
    heads = [_common_start(*(encode((Message("user", start + text),)) for text in "AZ")) for start in _STARTS]
    return [head for head in heads if len(head) >= _MIN_TOKENS]


def _common_start(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _begins(prompt: Prompt, ids: tuple[int, ...]) -> bool:
    return len(prompt.ids) > len(ids) and prompt.ids[: len(ids)] == ids
