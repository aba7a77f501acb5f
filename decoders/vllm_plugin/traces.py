"""How a step's traces get from the logits processor to the scheduler, which may be another process.

    processor --put--> TRACE_BUFFER --take--> worker --attached to vLLM's own result of the step--> scheduler

On a GPU the copy to the host is only queued, before vLLM's own copy of the sampled tokens. A reader that has waited
for that copy need not wait again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from decoders.pairing import MatchedPair
from decoders.trace import StepTrace

if TYPE_CHECKING:
    from decoders.vllm_plugin.compat import ModelRunnerOutput

# Which token of which answer: pair id and position.
TokenKey = tuple[str, int]
# vLLM's result of a step is an ordinary object that is pickled whole, so an added attribute travels with it.
_ATTRIBUTE = "concord_traces"


@dataclass(frozen=True)
class StepTraces:
    """The traces of one step (``[P, 9]``, on the host or being copied there) and the tokens that they belong to."""

    keys: tuple[TokenKey, ...]
    rows: Tensor

    def read(self) -> dict[TokenKey, StepTrace]:
        """The traces by pair and position; on a GPU only after the step is over."""
        return dict(zip(self.keys, map(StepTrace.from_numbers, self.rows.tolist()), strict=True))


class TraceBuffer:
    """Holds the traces of the step under way."""

    def __init__(self) -> None:
        self._traces: StepTraces | None = None

    def put(self, pairs: Sequence[MatchedPair], rows: Tensor) -> None:
        """Leave the traces of a step."""
        if rows.device.type == "cuda":
            host = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
            rows = host.copy_(rows, non_blocking=True)
        keys = tuple((pair.context.half.pair_id, pair.position) for pair in pairs)
        self._traces = StepTraces(keys, rows)

    def take(self) -> StepTraces | None:
        """The traces of the step, once; ``None`` for a step without pairs."""
        traces, self._traces = self._traces, None
        return traces


TRACE_BUFFER = TraceBuffer()


def attach(result: ModelRunnerOutput, traces: Mapping[TokenKey, StepTrace]) -> None:
    """Send the traces of a step along with vLLM's result of it."""
    setattr(result, _ATTRIBUTE, traces)


def read_attached(result: ModelRunnerOutput) -> Mapping[TokenKey, StepTrace]:
    """The traces that came with the result of a step."""
    return getattr(result, _ATTRIBUTE, {})
