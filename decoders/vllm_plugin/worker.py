"""vLLM's worker, whose results carry the traces of pairs to the scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decoders.vllm_plugin.adapters import install_lora_products
from decoders.vllm_plugin.compat import AsyncModelRunnerOutput, ModelRunnerOutput, current_platform
from decoders.vllm_plugin.traces import TRACE_BUFFER, StepTraces, attach

if TYPE_CHECKING or not current_platform.is_cpu():
    from decoders.vllm_plugin.compat import Worker
else:
    from decoders.vllm_plugin.compat import CPUWorker as Worker


class PairWorker(Worker):
    """The class to name as ``--worker-cls``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if current_platform.is_cpu():
            install_lora_products()
        super().__init__(*args, **kwargs)

    def execute_model(self, *args: Any, **kwargs: Any) -> Any:
        """As in vLLM; some models sample in it."""
        return _attach_traces(super().execute_model(*args, **kwargs))

    def sample_tokens(self, *args: Any, **kwargs: Any) -> Any:
        """As in vLLM; most models sample in it."""
        return _attach_traces(super().sample_tokens(*args, **kwargs))


def _attach_traces(output: Any) -> Any:
    if output is None or (traces := TRACE_BUFFER.take()) is None:
        return output
    if isinstance(output, AsyncModelRunnerOutput):
        # Its own get_output waits for the step; only then are the traces on the host.
        get_output = output.get_output
        output.get_output = lambda: _with_traces(get_output(), traces)  # type: ignore[method-assign]
        return output
    return _with_traces(output, traces)


def _with_traces(output: ModelRunnerOutput, traces: StepTraces) -> ModelRunnerOutput:
    attach(output, traces.read())
    return output
