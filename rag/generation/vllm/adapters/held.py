"""What a worker keeps: parts by key up to a limit, and the adapters that requests run with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from rag.generation.adapters.compose import Composed, compose, sum_ranks
from rag.generation.adapters.packed import PackedTensors
from rag.generation.vllm.adapters.recipe import AdapterRefused


@dataclass
class _Held:
    name: str
    parts: list[tuple[PackedTensors, float]]
    max_rank: int
    num_holders: int = 1
    cut: Composed | None = None


class HeldAdapters:
    """Parts and adapters of one worker; one thread uses it.

    Parts beyond the limit go, those that were used longest ago first. The parts of a held adapter stay with it.

    Args:
        max_rank: largest rank of an adapter.
        max_bytes: most bytes of parts.
    """

    def __init__(self, max_rank: int, max_bytes: int) -> None:
        self._max_rank = max_rank
        self._max_bytes = max_bytes
        self._parts: OrderedDict[str, PackedTensors] = OrderedDict()
        self._held: dict[int, _Held] = {}
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def put(self, key: str, tensors: PackedTensors) -> None:
        """Keep a part."""
        if key in self._parts:
            self._parts.move_to_end(key)
            return
        self._parts[key] = tensors
        self.num_bytes += tensors.num_bytes
        while self.num_bytes > self._max_bytes and len(self._parts) > 1:
            self.num_bytes -= self._parts.popitem(last=False)[1].num_bytes

    def hold(self, lora_id: int, name: str, parts: Sequence[tuple[str, float]], max_rank: int) -> list[str]:
        """Keep an adapter until it is released as often as it was held.

        Returns:
            The keys of parts that are not here; the adapter is held only if there are none.

        Raises:
            AdapterRefused: its rank exceeds the engine's; or its number is that of another adapter.
        """
        held = self._held.get(lora_id)
        if held is not None:
            if held.name != name:
                raise AdapterRefused("two adapters have one number; ask again")
            held.num_holders += 1
            return []
        missing = [key for key, _ in parts if key not in self._parts]
        if missing:
            return missing
        for key, _ in parts:
            self._parts.move_to_end(key)
        self._held[lora_id] = self._prepare(name, [(self._parts[key], weight) for key, weight in parts], max_rank)
        return []

    def _prepare(self, name: str, parts: list[tuple[PackedTensors, float]], max_rank: int) -> _Held:
        total = sum_ranks(part for part, weight in parts if weight != 0)
        if min(total, max_rank) > self._max_rank:
            raise AdapterRefused(f"the adapter has rank {min(total, max_rank)}; this engine takes {self._max_rank}")
        # Cutting costs a decomposition of each layer, which can fail: better now than in the middle of a step.
        return _Held(name, parts, max_rank, cut=compose(parts, max_rank) if total > max_rank else None)

    def release(self, lora_id: int) -> None:
        """Undo one :meth:`hold`."""
        held = self._held.get(lora_id)
        if held is not None:
            held.num_holders -= 1
            if held.num_holders <= 0:
                del self._held[lora_id]

    def compose(self, lora_id: int) -> Composed:
        """The tensors of a held adapter."""
        held = self._held[lora_id]
        return held.cut or compose(held.parts, held.max_rank)

    def name(self, lora_id: int) -> str:
        """Of a held adapter."""
        return self._held[lora_id].name
