"""The way of a step's traces from the logits processor to the scheduler, which may be another process.

    processor --post--> OUTBOX --drain--> worker --with vLLM's own result of the step--> scheduler

On a GPU the copy to the host is only queued, before vLLM's own copy of the sampled tokens; whoever has waited for
that one need not wait again.
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
    from vllm.v1.outputs import ModelRunnerOutput

# Which token of which answer: pair id and position.
Key = tuple[str, int]
# vLLM's result of a step is an ordinary object that is pickled whole: an attribute more travels with it.
_ATTRIBUTE = "concord_traces"


@dataclass(frozen=True)
class Letter:
    """Traces (``[P, 8]``, on the host or on their way there) and whose they are."""

    keys: tuple[Key, ...]
    traces: Tensor

    def read(self) -> dict[Key, StepTrace]:
        """The traces by pair and position; on a GPU only after the step is over."""
        return dict(zip(self.keys, map(StepTrace.of, self.traces.tolist()), strict=True))


class Outbox:
    """The letter of the step under way."""

    def __init__(self) -> None:
        self._letter: Letter | None = None

    def post(self, pairs: Sequence[MatchedPair], traces: Tensor) -> None:
        """Leave the traces of a step."""
        if traces.device.type == "cuda":
            host = torch.empty(traces.shape, dtype=traces.dtype, pin_memory=True)
            traces = host.copy_(traces, non_blocking=True)
        keys = tuple((pair.context.half.pair_id, pair.position) for pair in pairs)
        self._letter = Letter(keys, traces)

    def drain(self) -> Letter | None:
        """Take the letter, if the step had pairs."""
        letter, self._letter = self._letter, None
        return letter


OUTBOX = Outbox()


def enclose(result: ModelRunnerOutput, traces: Mapping[Key, StepTrace]) -> None:
    """Send the traces of a step along with vLLM's result of it."""
    setattr(result, _ATTRIBUTE, traces)


def traces_of(result: ModelRunnerOutput) -> Mapping[Key, StepTrace]:
    """The traces that came with the result of a step."""
    return getattr(result, _ATTRIBUTE, {})
