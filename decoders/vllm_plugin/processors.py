"""The logits processors: which rows are halves of pairs, for vLLM's model runners V1 and V2.

The mathematics is :func:`decoders.forcing.decide`. The scheduler decides which halves run in which step
(:mod:`decoders.vllm_plugin.scheduler`). Without it pairs fall out of step, so the processors end them.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor
from vllm import SamplingParams

from decoders.forcing import decide, end
from decoders.pairing import Half, HalfRow, PairError, match
from decoders.trace import TRACE_SIZE
from decoders.vllm_plugin.compat import (
    BatchUpdate,
    LogitsContext,
    LogitsProcRequestState,
    V1Processor,
    V2Processor,
    VllmConfig,
    process_dict_updates,
)
from decoders.vllm_plugin.traces import TRACE_BUFFER

logger = logging.getLogger(__name__)

# Settings that change single tokens' logits or need several samples; they have no meaning for a mixture.
_REFUSED = {
    "n": 1,
    "logit_bias": None,
    "allowed_token_ids": None,
    "bad_words": None,
    "min_tokens": 0,
    "prompt_logprobs": None,
}


def validate(params: SamplingParams) -> None:
    """Refuse what a half of a pair cannot have; an ordinary request passes.

    Raises:
        PairError: (a ``ValueError``, which vLLM's server answers with HTTP 400) with the reason.
    """
    half = Half.from_extra_args(params.extra_args)
    if half is None:
        return
    if half.draw is not None:
        raise PairError("the scheduler fills draw in; use temperature, top_p, seed ... of the request instead")
    for name, neutral in _REFUSED.items():
        value = getattr(params, name, neutral)
        if value != neutral and value not in ((), [], {}):
            raise PairError(f"{name}={value!r} does not work with a pair of prompts; leave it out")
    if params.logprobs not in (None, TRACE_SIZE):
        raise PairError(
            f"logprobs={params.logprobs!r}: the logprobs of a pair are its trace; ask for {TRACE_SIZE}, or leave it out"
        )


class PairProcessorV1(V1Processor):
    """For model runner V1 (CPU, and GPUs without Triton), whose rows keep their index until vLLM moves them."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        del vllm_config, device, is_pin_memory
        self._rows: dict[int, HalfRow] = {}
        self._pairs = match(self._rows)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """See :func:`validate`."""
        validate(sampling_params)

    def is_argmax_invariant(self) -> bool:
        """False: vLLM applies the processor to greedy requests too."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests that came, went and moved."""
        if process_dict_updates(self._rows, batch_update, _make_row):
            self._pairs = match(self._rows)

    def apply(self, logits: Tensor) -> Tensor:
        """Decide all pairs of the batch in place."""
        end(logits, self._rows)
        if self._pairs:
            TRACE_BUFFER.put(self._pairs, decide(logits, self._pairs))
        return logits


class PairProcessorV2(V2Processor):
    """For model runner V2 (the default on GPUs), whose rows are reordered each step and found by request slot."""

    def __init__(self, vllm_config: VllmConfig, req_states: LogitsProcRequestState) -> None:
        del vllm_config
        self._states = req_states
        self._halves: dict[int, tuple[Half, int | None, bool]] = {}

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """See :func:`validate`."""
        validate(sampling_params)

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Note whether the slot's new request is a half."""
        half = Half.from_extra_args(sampling_params.extra_args)
        self._halves.pop(req_idx, None)
        if half is not None:
            self._halves[req_idx] = half, _end_id(half, sampling_params), _is_constrained(sampling_params)
        return half is not None

    def apply(self, logits: Tensor, ctx: LogitsContext) -> Tensor:
        """Decide all pairs of the batch in place."""
        rows = {
            row: self._row(*self._halves[slot], slot, int(ctx.seq_lens_upper_bound_np[row]))
            for row, slot in enumerate(ctx.idx_mapping_np.tolist())
            if slot in self._halves
        }
        end(logits, rows)
        pairs = match(rows)
        if pairs:
            TRACE_BUFFER.put(pairs, decide(logits, pairs))
        return logits

    def _row(self, half: Half, end_id: int | None, is_constrained: bool, slot: int, num_tokens: int) -> HalfRow:
        num_prompt = int(self._states.prompt_len.np[slot])
        if half.draw is None or not half.draw.has_penalties:
            return HalfRow(half, (), range(max(num_tokens - num_prompt, 0)), end_id, is_constrained)
        # Penalties count tokens, which only the device has: the one case in which a step waits for it.
        ids = self._states.all_token_ids.gpu[slot, :num_tokens].tolist()
        return HalfRow(half, ids[:num_prompt], ids[num_prompt:], end_id, is_constrained)


def _make_row(params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]) -> HalfRow | None:
    half = Half.from_extra_args(params.extra_args)
    if half is None:
        return None
    return HalfRow(half, prompt_ids or (), output_ids, _end_id(half, params), _is_constrained(params))


def _is_constrained(params: SamplingParams) -> bool:
    return params.structured_outputs is not None


def _end_id(half: Half, params: SamplingParams) -> int | None:
    """The token that ends a half at once; ``None`` for one with a draw, which only our scheduler fills in."""
    if half.draw is not None:
        return None
    logger.error("a half of a pair without the scheduler; start vLLM by 'concord serve-llm', or name --scheduler-cls")
    return params.eos_token_id or 0


class PairProcessor(V2Processor):
    """The entry point: becomes the processor of whichever model runner makes it.

    V2 refuses classes that are not its own, V1 takes any; V1 passes three arguments, V2 two.
    """

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """See :func:`validate`."""
        validate(sampling_params)

    def __new__(cls, *args: Any) -> Any:
        """The processor that fits the arguments."""
        return PairProcessorV1(*args) if len(args) == 3 else PairProcessorV2(*args)

    def apply(self, logits: Tensor, ctx: LogitsContext) -> Tensor:
        """Never called: no object of this class exists."""
        raise NotImplementedError
