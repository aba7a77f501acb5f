"""vLLM's worker, whose results carry the traces of pairs to the scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm.platforms import current_platform
from vllm.v1.outputs import AsyncModelRunnerOutput, ModelRunnerOutput

from decoders.vllm_plugin.adapters import mend
from decoders.vllm_plugin.outbox import OUTBOX, Letter, enclose

if TYPE_CHECKING or not current_platform.is_cpu():
    from vllm.v1.worker.gpu_worker import Worker
else:
    from vllm.v1.worker.cpu_worker import CPUWorker as Worker


class PairWorker(Worker):
    """The class to name as ``--worker-cls``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if current_platform.is_cpu():
            mend()
        super().__init__(*args, **kwargs)

    def execute_model(self, *args: Any, **kwargs: Any) -> Any:
        """As vLLM's; some models sample in it."""
        return _enclose(super().execute_model(*args, **kwargs))

    def sample_tokens(self, *args: Any, **kwargs: Any) -> Any:
        """As vLLM's; most models sample in it."""
        return _enclose(super().sample_tokens(*args, **kwargs))


def _enclose(output: Any) -> Any:
    if output is None or (letter := OUTBOX.drain()) is None:
        return output
    if isinstance(output, AsyncModelRunnerOutput):
        # Its own get_output waits for the step; only then has the letter arrived on the host.
        get_output = output.get_output
        output.get_output = lambda: _with(get_output(), letter)  # type: ignore[method-assign]
        return output
    return _with(output, letter)


def _with(output: ModelRunnerOutput, letter: Letter) -> ModelRunnerOutput:
    enclose(output, letter.read())
    return output
