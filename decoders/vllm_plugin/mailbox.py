"""Where a logits processor leaves the traces of a step, and the scheduler finds them.

Both run in vLLM's engine core process. The copy to the host is queued before vLLM's own copy of the sampled tokens,
which the scheduler waits for in any case, so nothing waits a second time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from decoders.pairing import MatchedPair
from decoders.trace import StepTrace


class Mailbox:
    """Traces by pair and position; a position that is decided again replaces the older trace."""

    def __init__(self) -> None:
        self._letters: dict[str, dict[int, tuple[Tensor, int]]] = {}

    def post(self, pairs: Sequence[MatchedPair], traces: Tensor) -> None:
        """Leave ``[P, 8]`` traces; on a GPU the copy to the host is only queued."""
        if traces.device.type == "cuda":
            host = torch.empty(traces.shape, dtype=traces.dtype, pin_memory=True)
            traces = host.copy_(traces, non_blocking=True)
        for at, pair in enumerate(pairs):
            self._letters.setdefault(pair.context.half.pair_id, {})[pair.position] = (traces, at)

    def take(self, pair_id: str, position: int) -> StepTrace | None:
        """The trace of one token, once the step that made it is over; ``None`` when there is none."""
        letter = self._letters.get(pair_id, {}).pop(position, None)
        return None if letter is None else StepTrace.of(letter[0][letter[1]].tolist())

    def forget(self, pair_id: str) -> None:
        """Drop what is left of a pair that is over."""
        self._letters.pop(pair_id, None)

    def __len__(self) -> int:
        return len(self._letters)


MAILBOX = Mailbox()
