"""The logits processors: which rows are halves of pairs, for vLLM's model runners V1 and V2.

The mathematics is :func:`decoders.forcing.decide`. Which halves run in which step is the scheduler's care
(:mod:`decoders.vllm_plugin.scheduler`); without it pairs would fall out of step, so without it they are ended.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
import vllm
from torch import Tensor
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate
from vllm.v1.sample.logits_processor import LogitsProcessor as V1Processor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcRequestState
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as V2Processor

from decoders.forcing import decide, end
from decoders.pairing import Half, PairError, Row, match
from decoders.trace import TRACE_SIZE
from decoders.vllm_plugin import check_version
from decoders.vllm_plugin.outbox import OUTBOX

if TYPE_CHECKING:
    from vllm.config import VllmConfig

check_version(vllm.__version__)
logger = logging.getLogger(__name__)

# Settings of vLLM that change single tokens' logits or need several samples: they have no meaning for a mixture.
_REFUSED = {
    "n": 1,
    "logit_bias": None,
    "allowed_token_ids": None,
    "bad_words": None,
    "min_tokens": 0,
    "structured_outputs": None,
    "prompt_logprobs": None,
}


def validate(params: SamplingParams) -> None:
    """Refuse what a half of a pair cannot have; a request that is no half passes.

    Raises:
        PairError: (a ``ValueError``, which vLLM's server answers with HTTP 400) with the reason.
    """
    half = Half.of(params.extra_args)
    if half is None:
        return
    if half.draw is not None:
        raise PairError("draw is the scheduler's to fill in; use temperature, top_p, seed ... of the request")
    for name, neutral in _REFUSED.items():
        value = getattr(params, name, neutral)
        if value != neutral and value not in ((), [], {}):
            raise PairError(f"{name}={value!r} does not go with a pair of prompts; leave it out")
    if params.logprobs not in (None, TRACE_SIZE):
        raise PairError(
            f"logprobs={params.logprobs!r}: those of a pair carry its trace; ask for {TRACE_SIZE}, or leave it out"
        )


class PairProcessorV1(V1Processor):
    """For model runner V1 (CPU, and GPUs without Triton), whose rows keep their index until vLLM says otherwise."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        del vllm_config, device, is_pin_memory
        self._rows: dict[int, Row] = {}
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
        if process_dict_updates(self._rows, batch_update, _row_of):
            self._pairs = match(self._rows)

    def apply(self, logits: Tensor) -> Tensor:
        """Decide all pairs of the batch in place."""
        end(logits, self._rows)
        if self._pairs:
            OUTBOX.post(self._pairs, decide(logits, self._pairs))
        return logits


class PairProcessorV2(V2Processor):
    """For model runner V2 (the default on GPUs), whose rows are reordered each step and found by request slot."""

    def __init__(self, vllm_config: VllmConfig, req_states: LogitsProcRequestState) -> None:
        del vllm_config
        self._states = req_states
        self._halves: dict[int, tuple[Half, int | None]] = {}

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """See :func:`validate`."""
        validate(sampling_params)

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Note whether the slot's new request is a half."""
        half = Half.of(sampling_params.extra_args)
        self._halves.pop(req_idx, None)
        if half is not None:
            self._halves[req_idx] = half, _end_of(half, sampling_params)
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
            OUTBOX.post(pairs, decide(logits, pairs))
        return logits

    def _row(self, half: Half, end_id: int | None, slot: int, num_tokens: int) -> Row:
        num_prompt = int(self._states.prompt_len.np[slot])
        if half.draw is None or not half.draw.has_penalties:
            return Row(half, (), range(max(num_tokens - num_prompt, 0)), end_id)
        # Penalties count tokens, which only the device has: the one case in which a step waits for it.
        ids = self._states.all_token_ids.gpu[slot, :num_tokens].tolist()
        return Row(half, ids[:num_prompt], ids[num_prompt:], end_id)


def _row_of(params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]) -> Row | None:
    half = Half.of(params.extra_args)
    return None if half is None else Row(half, prompt_ids or (), output_ids, _end_of(half, params))


def _end_of(half: Half, params: SamplingParams) -> int | None:
    """Only our scheduler fills in the draw: a half without one runs alone, and its tokens would be nobody's answer."""
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
