"""Every internal of vLLM that this project touches: module paths, names with an underscore, and a check of them all.

vLLM promises none of these names. The rest of the project takes vLLM's classes from here and calls its private methods
by the names of :class:`SchedulerHooks`. A new version of vLLM therefore changes this file only: add it to
``SUPPORTED``, run ``tests/vllm_plugin`` against it (``CONCORD_VLLM_SOURCES`` names unpacked sources that are not
installed), and repair what the check reports. The file is longer than others, because each name stands once, here.

Importing this module checks what each engine process needs. What only a worker or only a client needs is slow to
import: it is checked when its first name is taken from here.
"""
# ruff: noqa: E402  (the check comes before the imports, to name everything that is missing and not only the first)

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

import vllm

from decoders.vllm_plugin.names import Needs, find_missing

SUPPORTED = ("0.32", "0.33")


def _members(owner: str, names: str) -> list[str]:
    return [f"{owner}.{name}" for name in names.split()]


SCHEDULER: Needs = {
    "vllm.platforms": ("current_platform",),
    "vllm.config": ("VllmConfig.scheduler_config",),
    "vllm.v1.core.sched.async_scheduler": ("AsyncScheduler",),
    "vllm.v1.core.sched.scheduler": (
        "Scheduler._free_request(request)",
        "Scheduler._get_local_prefix_cache_hit(request)",
        "Scheduler._handle_blocked_waiting_request(request)",
        "Scheduler._preempt_request(request, timestamp, drop_stale_output)",
        "Scheduler._reserve_prefill_lookahead(request)",
        "Scheduler.add_request(request)",
        "Scheduler.finish_requests(request_ids, finished_status)",
        "Scheduler.get_num_unfinished_requests",
        "Scheduler.schedule",
        "Scheduler.update_from_output(scheduler_output, model_runner_output)",
        *_members(
            "Scheduler",
            "block_size connector kv_cache_manager lora_config max_model_len max_num_active_reqs "
            "max_num_scheduled_tokens num_spec_tokens running scheduler_config",
        ),
    ),
    "vllm.v1.core.sched.output": ("SchedulerOutput.num_scheduled_tokens", "SchedulerOutput.preempted_req_ids"),
    "vllm.v1.core.kv_cache_manager": (
        "KVCacheManager.block_pool",
        "KVCacheManager.truncate_computed_blocks(blocks, num_computed_tokens)",
    ),
    "vllm.v1.core.block_pool": ("BlockPool.get_num_free_blocks", "BlockPool.num_gpu_blocks"),
    "vllm.v1.engine": (
        "EngineCoreOutput(request_id, new_token_ids, finish_reason, stop_reason)",
        "EngineCoreOutput.new_logprobs",
        "EngineCoreOutputs.outputs",
        "FinishReason.ABORT",
    ),
    "vllm.v1.outputs": ("LogprobsLists", "ModelRunnerOutput"),
    "vllm.v1.request": (
        "RequestStatus.FINISHED_ABORTED",
        "RequestStatus.RUNNING",
        *_members(
            "Request",
            "arrival_time client_index drop_stale_output is_prefill_chunk lora_request max_tokens num_computed_tokens "
            "num_output_placeholders num_output_tokens num_prompt_tokens num_tokens request_id resumable "
            "sampling_params status",
        ),
    ),
}
PROCESSORS: Needs = {
    "vllm.v1.sample.logits_processor": (
        "BatchUpdate.added",
        "BatchUpdate.moved",
        "BatchUpdate.removed",
        "LogitsProcessor.apply(logits)",
        "LogitsProcessor.is_argmax_invariant",
        "LogitsProcessor.update_state(batch_update)",
    ),
    "vllm.v1.sample.logits_processor.builtin": ("process_dict_updates(req_entries, batch_update, new_state)",),
    "vllm.v1.worker.gpu.sample.logits_processor": (
        "LogitsContext.idx_mapping_np",
        "LogitsContext.seq_lens_upper_bound_np",
        "LogitsProcRequestState.all_token_ids",
        "LogitsProcRequestState.prompt_len",
        "LogitsProcessor.add_request(req_idx, sampling_params)",
        "LogitsProcessor.apply(logits, ctx)",
        "LogitsProcessor.validate_params(sampling_params)",
    ),
}
WORKER: Needs = {
    "vllm.v1.outputs": ("AsyncModelRunnerOutput.get_output",),
    "vllm.v1.worker.gpu_worker": ("Worker.execute_model", "Worker.sample_tokens"),
}
CPU_WORKER: Needs = {
    "vllm.lora.punica_wrapper.punica_cpu": (
        "PunicaWrapperCPU.add_lora_linear(y, x, lora_a_stacked, lora_b_stacked, scale, output_slices)",
        "PunicaWrapperCPU.token_lora_indices",
        "PunicaWrapperCPU.update_metadata(mapping, lora_index_to_id)",
    ),
    "vllm.v1.worker.cpu_worker": ("CPUWorker.execute_model", "CPUWorker.sample_tokens"),
}
CLIENT: Needs = {
    "vllm.engine.arg_utils": ("AsyncEngineArgs(scheduler_cls, worker_cls, logits_processors)",),
    "vllm.lora.request": ("LoRARequest(lora_name, lora_int_id, lora_path)",),
    "vllm.sampling_params": ("RequestOutputKind.DELTA", "StructuredOutputsParams(json)"),
    "vllm.v1.engine.async_llm": (
        "AsyncLLM.errored",
        "AsyncLLM.from_engine_args(engine_args)",
        "AsyncLLM.generate(prompt, sampling_params, request_id, lora_request, data_parallel_rank)",
        "AsyncLLM.model_config",
        "AsyncLLM.shutdown",
        "AsyncLLM.vllm_config",
    ),
    "vllm.v1.engine.exceptions": ("EngineDeadError", "EngineGenerateError"),
}


def check(needs: Needs, installed: str = vllm.__version__) -> None:
    """Refuse a vLLM that is outside the range, or that lacks a name.

    Raises:
        ImportError: with everything that is missing, and the versions that are supported.
    """
    missing = find_missing(needs)
    if not missing and ".".join(installed.split(".")[:2]) in SUPPORTED:
        return
    lacks = f", which lacks {'; '.join(missing)}" if missing else ""
    raise ImportError(
        f"contrastive decoding supports vLLM {' and '.join(SUPPORTED)}; found {installed}{lacks}: "
        f"install vllm=={SUPPORTED[-1]}.*"
    )


check({**SCHEDULER, **PROCESSORS})

from vllm.config import VllmConfig as VllmConfig
from vllm.platforms import current_platform as current_platform
from vllm.v1.core.sched.async_scheduler import AsyncScheduler as AsyncScheduler
from vllm.v1.core.sched.output import SchedulerOutput as SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler as Scheduler
from vllm.v1.engine import EngineCoreOutput as EngineCoreOutput
from vllm.v1.engine import EngineCoreOutputs as EngineCoreOutputs
from vllm.v1.engine import FinishReason as FinishReason
from vllm.v1.outputs import LogprobsLists as LogprobsLists
from vllm.v1.outputs import ModelRunnerOutput as ModelRunnerOutput
from vllm.v1.request import Request as Request
from vllm.v1.request import RequestStatus as RequestStatus
from vllm.v1.sample.logits_processor import BatchUpdate as BatchUpdate
from vllm.v1.sample.logits_processor import LogitsProcessor as _V1LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates as process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext as LogitsContext
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as _V2LogitsProcessor
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcRequestState as LogitsProcRequestState

V1Processor = _V1LogitsProcessor
V2Processor = _V2LogitsProcessor

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs as AsyncEngineArgs
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU as PunicaWrapperCPU
    from vllm.lora.request import LoRARequest as LoRARequest
    from vllm.sampling_params import RequestOutputKind as RequestOutputKind
    from vllm.sampling_params import StructuredOutputsParams as StructuredOutputsParams
    from vllm.v1.engine.async_llm import AsyncLLM as AsyncLLM
    from vllm.v1.engine.exceptions import EngineDeadError as EngineDeadError
    from vllm.v1.engine.exceptions import EngineGenerateError as EngineGenerateError
    from vllm.v1.outputs import AsyncModelRunnerOutput as AsyncModelRunnerOutput
    from vllm.v1.worker.cpu_worker import CPUWorker as CPUWorker
    from vllm.v1.worker.gpu_worker import Worker as Worker

    _Base = Scheduler
else:
    _Base = object


class SchedulerHooks(_Base):
    """The private methods of vLLM's scheduler under our own names; to be mixed in before one of its schedulers."""

    def may_run(self, request: Request) -> bool:
        """Whether a request from the queue may run from this step on; called for each that comes to its head."""
        return True

    def limit_new_tokens(self, request: Request, num_computed_tokens: int, num_new_tokens: int) -> int:
        """How many of ``num_new_tokens`` a request may compute in this step; called for each that could run."""
        return num_new_tokens

    def limit_cached_tokens(self, request: Request, num_cached_tokens: int) -> int:
        """How many cached tokens a new request may take from the prefix cache, in whole blocks."""
        return num_cached_tokens

    def on_free(self, request: Request) -> None:
        """A request has ended and is about to be removed."""

    def count_cached_tokens(self, request: Request) -> int:
        """Tokens that a new request would take from the prefix cache."""
        return int(self._get_local_prefix_cache_hit(request)[1])

    def preempt(self, request: Request) -> None:
        """Put a running request back into the queue; tokens that running steps sample for it are dropped."""
        self.running.remove(request)
        self._preempt_request(request, time.monotonic(), drop_stale_output=True)

    def _handle_blocked_waiting_request(self, request: Request) -> bool:
        return super()._handle_blocked_waiting_request(request) and self.may_run(request)

    def _reserve_prefill_lookahead(self, request: Request, num_computed_tokens: int, num_new_tokens: int) -> int:
        num_new_tokens = super()._reserve_prefill_lookahead(request, num_computed_tokens, num_new_tokens)
        return self.limit_new_tokens(request, num_computed_tokens, num_new_tokens)

    def _get_local_prefix_cache_hit(self, request: Request, *args: Any) -> Any:
        # From 0.33 on, a largest length follows the request.
        blocks, num_cached, *rest = super()._get_local_prefix_cache_hit(request, *args)
        limit = self.limit_cached_tokens(request, num_cached)
        if limit < num_cached:
            blocks = self.kv_cache_manager.truncate_computed_blocks(blocks, limit)
        return blocks, limit, *rest

    def _free_request(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        self.on_free(request)
        return super()._free_request(request, *args, **kwargs)


def refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises in the caller's process when a request is at fault; not all of it is a ``ValueError``."""
    kind = getattr(importlib.import_module("vllm.exceptions"), "VLLMClientError", None)
    return (ValueError,) if kind is None else (ValueError, kind)


_LAZY = {
    "AsyncEngineArgs": ("vllm.engine.arg_utils", CLIENT),
    "AsyncLLM": ("vllm.v1.engine.async_llm", CLIENT),
    "AsyncModelRunnerOutput": ("vllm.v1.outputs", WORKER),
    "CPUWorker": ("vllm.v1.worker.cpu_worker", CPU_WORKER),
    "EngineDeadError": ("vllm.v1.engine.exceptions", CLIENT),
    "EngineGenerateError": ("vllm.v1.engine.exceptions", CLIENT),
    "LoRARequest": ("vllm.lora.request", CLIENT),
    "PunicaWrapperCPU": ("vllm.lora.punica_wrapper.punica_cpu", CPU_WORKER),
    "RequestOutputKind": ("vllm.sampling_params", CLIENT),
    "StructuredOutputsParams": ("vllm.sampling_params", CLIENT),
    "Worker": ("vllm.v1.worker.gpu_worker", WORKER),
}


def __getattr__(name: str) -> Any:
    """The names that only workers or clients need, checked when one of them is taken."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, needs = _LAZY[name]
    check(needs)
    return getattr(importlib.import_module(module), name)
